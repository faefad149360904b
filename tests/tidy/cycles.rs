//! Circles of references between the files of one module, found in the text of the sources.
//!
//! The files of a module are its children: `store/gc.rs` with all below `store/gc/`. One refers to another
//! by a path that begins with `crate`, `super` or `self`, in a `use` or in code. A name that the
//! module itself passes on (`pub use artifact::Artifact`) counts as the child's that it comes from.
//! The module's own file (`mod.rs`, `lib.rs`) may refer to all of them, and tests to anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module by its names from the crate's root.
type Module = Vec<String>;

/// The circles in the crate whose sources lie in `folder`; `sources` are paths from it, with their texts.
/// Each is told by the module and the children that refer to each other.
pub(crate) fn cycles(sources: &[(PathBuf, String)]) -> Vec<String> {
    let files: BTreeMap<Module, Vec<String>> = sources
        .iter()
        .filter(|(path, _)| !is_test(path))
        .map(|(path, text)| (module(path), tokens(text)))
        .collect();
    let tests: BTreeSet<Module> = files.iter().flat_map(|(at, code)| test_modules(at, code)).collect();
    let files: BTreeMap<Module, Vec<String>> = files
        .into_iter()
        .filter(|(at, _)| !(1..=at.len()).any(|n| tests.contains(&at[..n])))
        .map(|(at, code)| (at, without_tests(code)))
        .collect();
    let passed_on: BTreeMap<&Module, BTreeMap<String, String>> =
        files.iter().map(|(at, code)| (at, re_exports(code))).collect();
    // Module -> child -> the children that it refers to.
    let mut edges: BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (at, code) in &files {
        for path in paths(code) {
            let Some(mut target) = absolute(at, &path) else { continue };
            let shared = at.iter().zip(&target).take_while(|(a, b)| a == b).count();
            let parent = at[..shared].to_vec();
            // A name of the module's own may come from one of its children.
            if let Some(name) = target.get(shared)
                && let Some(child) = passed_on.get(&parent).and_then(|names| names.get(name))
            {
                target[shared].clone_from(child);
            }
            let (Some(from), Some(to)) = (at.get(shared), target.get(shared)) else { continue };
            let is_child = |name: &String| {
                let child = [&parent[..], std::slice::from_ref(name)].concat();
                files.range(child.clone()..).next().is_some_and(|(at, _)| at.starts_with(&child))
            };
            if from != to && is_child(to) {
                edges.entry(parent).or_default().entry(from.clone()).or_default().insert(to.clone());
            }
        }
    }
    let mut found = Vec::new();
    for (module, edges) in &edges {
        for group in groups(edges) {
            let name = if module.is_empty() { "crate".to_owned() } else { module.join("::") };
            found.push(format!("{name}: {}", group.join(", ")));
        }
    }
    found
}

fn is_test(path: &Path) -> bool {
    let is_test = |name: &str| name == "tests" || name == "tests.rs" || name.ends_with("_tests.rs");
    path.iter().filter_map(|name| name.to_str()).any(is_test)
}

fn module(path: &Path) -> Module {
    let mut names: Module =
        path.with_extension("").iter().map(|name| name.to_string_lossy().into()).collect();
    if names.last().is_some_and(|name| matches!(name.as_str(), "mod" | "lib" | "main")) {
        names.pop();
    }
    names
}

/// The words and signs of a text, without comments and what stands in quotes.
fn tokens(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let is_raw = ["r\"", "r#", "br\"", "br#"].iter().any(|start| rest.starts_with(start));
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if is_raw && let Some(length) = raw_string(rest) {
            length
        } else if c == '"' {
            quoted(rest)
        } else if c == '\'' {
            character(rest)
        } else if word > 0 {
            found.push(rest[..word].to_owned());
            word
        } else {
            let sign = if rest.starts_with("::") { "::" } else { &rest[..c.len_utf8()] };
            if !c.is_whitespace() {
                found.push(sign.to_owned());
            }
            sign.len()
        };
        rest = &rest[length..];
    }
    found
}

fn raw_string(text: &str) -> Option<usize> {
    let start = text.find('"')?;
    let signs = text[..start].trim_start_matches(['b', 'r']);
    if !signs.bytes().all(|b| b == b'#') {
        return None;
    }
    let end = format!("\"{signs}");
    text[start + 1..].find(&end).map(|at| start + 1 + at + end.len())
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return i + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character in quotes, or the sign of a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((next, c))) => {
            let rest = next + c.len_utf8();
            text[rest..].find('\'').map_or(text.len(), |end| rest + end + 1)
        }
        (Some(_), Some((end, '\''))) => end + 1,
        _ => 1,
    }
}

/// The children that are tests: `#[cfg(test)] mod name;`.
fn test_modules(at: &Module, code: &[String]) -> Vec<Module> {
    let mut found = Vec::new();
    for start in cfg_tests(code) {
        let item: Vec<&str> =
            code[start..].iter().map(String::as_str).take_while(|word| *word != ";").collect();
        if let Some(n) = item.iter().position(|word| *word == "mod").filter(|_| !item.contains(&"{")) {
            found.push([&at[..], &[item[n + 1].to_owned()]].concat());
        }
    }
    found
}

/// Where the items begin that are of tests alone.
fn cfg_tests(code: &[String]) -> Vec<usize> {
    const SIGN: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let is_sign = |window: &[String]| window.iter().zip(SIGN).all(|(word, sign)| word == sign);
    let found = code.windows(SIGN.len()).enumerate().filter(|(_, window)| is_sign(window));
    found.map(|(at, _)| at + SIGN.len()).collect()
}

/// The code without its items of tests.
fn without_tests(code: Vec<String>) -> Vec<String> {
    let starts: BTreeSet<usize> = cfg_tests(&code).into_iter().collect();
    let mut kept = Vec::with_capacity(code.len());
    let (mut depth, mut skipping) = (0_usize, false);
    for (at, word) in code.into_iter().enumerate() {
        skipping |= starts.contains(&at);
        if !skipping {
            kept.push(word);
            continue;
        }
        match word.as_str() {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && (word == "}" || word == ";") {
            skipping = false;
        }
    }
    kept
}

/// Every path that begins with `crate`, `super` or `self`; those in braces one by one.
fn paths(code: &[String]) -> Vec<Module> {
    let mut found = Vec::new();
    for (at, word) in code.iter().enumerate() {
        let is_start = matches!(word.as_str(), "crate" | "super" | "self")
            && code.get(at + 1).is_some_and(|next| next == "::")
            && (at == 0 || code[at - 1] != "::");
        if is_start {
            tree(code, at, &mut Vec::new(), &mut found);
        }
    }
    found
}

/// The paths of a tree such as `super::{a::B, c}`; answers where it ends.
fn tree(code: &[String], mut at: usize, way: &mut Module, found: &mut Vec<Module>) -> usize {
    let depth = way.len();
    while let Some(word) = code.get(at) {
        if word == "{" {
            at += 1;
            while code.get(at).is_some_and(|word| word != "}") {
                at = tree(code, at, way, found);
                at += usize::from(code.get(at).is_some_and(|word| word == ","));
            }
            way.truncate(depth);
            return at + 1;
        }
        if word.chars().all(|c| c.is_alphanumeric() || c == '_') {
            way.push(word.clone());
        } else if word != "*" {
            // Not a path that this reader knows: skipped, so that it always gets on.
            at += 1;
            break;
        }
        at += 1;
        if code.get(at).is_none_or(|next| next != "::") {
            break;
        }
        at += 1;
    }
    found.push(way.clone());
    way.truncate(depth);
    // Behind it an `as` may give another name.
    if code.get(at).is_some_and(|word| word == "as") { at + 2 } else { at }
}

/// A path from the crate's root, as seen from a module.
fn absolute(at: &Module, path: &Module) -> Option<Module> {
    let mut names = path.iter();
    let mut whole = match names.next()?.as_str() {
        "crate" => Vec::new(),
        "self" => at.clone(),
        _ => at.split_last()?.1.to_vec(),
    };
    for name in names {
        match name.as_str() {
            "super" => drop(whole.pop()?),
            "self" => {}
            name => whole.push(name.to_owned()),
        }
    }
    Some(whole)
}

/// What a module passes on: name -> the child that it comes from.
fn re_exports(code: &[String]) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for (at, word) in code.iter().enumerate() {
        if word == "use" {
            let mut found = Vec::new();
            tree(code, at + 1, &mut Vec::new(), &mut found);
            for path in found {
                let path: Module = path.into_iter().skip_while(|name| name == "self").collect();
                if let [child, .., name] = &path[..]
                    && !matches!(child.as_str(), "crate" | "super")
                {
                    names.insert(name.clone(), child.clone());
                }
            }
        }
    }
    names
}

/// The groups of names that reach each other.
fn groups(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> = edges
        .keys()
        .map(|start| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
            while let Some(name) = open.pop() {
                open.extend(edges.get(name).into_iter().flatten().filter(|next| seen.insert(*next)));
            }
            (start, seen)
        })
        .collect();
    let reach = |a: &String, b: &String| reached.get(a).is_some_and(|seen| seen.contains(b));
    let mut found: BTreeSet<Vec<String>> = BTreeSet::new();
    for name in edges.keys().filter(|name| reach(name, name)) {
        found
            .insert(edges.keys().filter(|other| reach(name, other) && reach(other, name)).cloned().collect());
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::cycles;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<_> = files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect();
        cycles(&sources)
    }

    #[test]
    fn a_circle_is_found_by_any_path() {
        let root = ("lib.rs", "mod a; mod b; pub use a::{First as One, Other};");
        for to_a in
            ["use super::a::X;", "use crate::{a::X, y};", "fn f() { super::a::x() }", "use super::Other;"]
        {
            let files = [root, ("a.rs", "use super::b::Y;"), ("b/mod.rs", to_a)];
            assert_eq!(found(&files), ["crate: a, b"], "{to_a}");
        }
        let below = [root, ("a.rs", "use super::b;"), ("b/mod.rs", "mod c;"), ("b/c.rs", "use crate::a::X;")];
        assert_eq!(found(&below), ["crate: a, b"]);
    }

    #[test]
    fn what_is_no_reference_makes_no_circle() {
        let root = ("lib.rs", "mod a; mod b; #[cfg(test)] mod testing; struct Own;");
        for to_a in [
            "// use super::a::X;",
            "const T: &str = \"super::a::x\"; const R: &str = r#\"super::a::x\"#; const C: char = '\"';",
            "#[cfg(test)]\nmod tests { use crate::a::X; }",
            "use std::a::X; use super::Own;",
        ] {
            let files = [root, ("a.rs", "use super::b::Y;"), ("b.rs", to_a), ("testing.rs", "use super::a;")];
            assert!(found(&files).is_empty(), "{to_a}");
        }
    }
}
