//! The tree -> the pipeline's declarations: keys are checked, values are not looked at yet.

use std::borrow::Cow;

use super::diagnostic::Faults;
use super::names::is_name;
use super::node::{Data, Key, Mark, Node};

/// The keys of a pipeline.
pub const PIPELINE_KEYS: &[&str] =
    &["name", "description", "include", "seed", "vars", "secrets", "profiles", "stages", "export", "remote"];
/// The keys of a step.
pub const STEP_KEYS: &[&str] =
    &["uses", "in", "with", "matrix", "search", "seed", "resources", "retries", "retry", "timeout", "grace"];

/// What a pipeline declares.
#[derive(Debug)]
pub(crate) struct Declaration<'a> {
    pub(crate) name: Option<(Cow<'a, str>, Mark)>,
    pub(crate) description: Option<(Cow<'a, str>, Mark)>,
    pub(crate) seed: Option<&'a Node>,
    pub(crate) vars: &'a [(Key, Node)],
    /// The names of the variables whose values nobody is to see.
    pub(crate) secrets: Vec<&'a str>,
    pub(crate) steps: Vec<StepDecl<'a>>,
    pub(crate) exports: &'a [(Key, Node)],
    /// Where results are shared.
    pub(crate) remote: Option<&'a Node>,
}

/// What a step declares.
#[derive(Debug)]
pub(crate) struct StepDecl<'a> {
    pub(crate) name: &'a str,
    /// Where its name is written.
    pub(crate) mark: Mark,
    pub(crate) uses: Option<(&'a str, Mark)>,
    pub(crate) inputs: &'a [(Key, Node)],
    /// Where `in` is written, or the step where there is none.
    pub(crate) inputs_mark: Mark,
    pub(crate) with: Option<&'a Node>,
    pub(crate) matrix: Option<&'a Node>,
    pub(crate) search: Option<&'a Node>,
    pub(crate) seed: Option<&'a Node>,
    pub(crate) resources: Option<&'a Node>,
    pub(crate) retries: Option<&'a Node>,
    pub(crate) retry: Option<&'a Node>,
    pub(crate) timeout: Option<&'a Node>,
    pub(crate) grace: Option<&'a Node>,
}

/// Reads the declarations; what is wrong is left out and reported.
pub(crate) fn declare<'a>(root: &'a Node, faults: &mut Faults) -> Declaration<'a> {
    let empty = Declaration {
        name: None,
        description: None,
        seed: None,
        vars: &[],
        secrets: Vec::new(),
        steps: Vec::new(),
        exports: &[],
        remote: None,
    };
    match &root.data {
        Data::Map(_) => {}
        Data::Null => {
            faults
                .push(Mark::FILE, "the file is empty")
                .hint("`igpt-flow new` writes a pipeline to start from");
            return empty;
        }
        _ => {
            let found = root.describe();
            faults
                .push(root.mark, format!("a pipeline must be a map with the key `stages`, found {found}"))
                .hint("`igpt-flow new` writes a pipeline to start from");
            return empty;
        }
    }
    check_keys(root, "a pipeline", PIPELINE_KEYS, faults);
    let steps = members(root, "stages", "step names to steps", faults);
    if root.get("stages").is_none() {
        faults.push(Mark::FILE, "the pipeline has no `stages`").hint("add `stages:` with at least one step");
    } else if steps.is_empty()
        && root.get("stages").is_some_and(|n| matches!(n.data, Data::Map(_) | Data::Null))
    {
        faults.push(root.key_mark("stages"), "`stages` has no steps");
    }
    Declaration {
        name: text(root, "name", faults),
        description: text(root, "description", faults),
        seed: present(root, "seed"),
        vars: members(root, "vars", "names to values", faults),
        secrets: secrets(root, faults),
        steps: steps.iter().filter_map(|(key, node)| step(key, node, faults)).collect(),
        exports: members(root, "export", "outputs (`step.port`) to paths", faults),
        remote: present(root, "remote"),
    }
}

/// The names that `secrets` lists, each that of a variable.
fn secrets<'a>(root: &'a Node, faults: &mut Faults) -> Vec<&'a str> {
    let Some(node) = present(root, "secrets") else { return Vec::new() };
    let Data::List(items) = &node.data else {
        let found = node.describe();
        faults
            .push(node.mark, format!("`secrets` must be a list of names of variables, found {found}"))
            .hint("for example `secrets: [token]`");
        return Vec::new();
    };
    let vars = root.get("vars").and_then(Node::as_map).unwrap_or(&[]);
    let mut names = Vec::new();
    for item in items {
        match item.as_text() {
            Some(name) if vars.iter().any(|(key, _)| key.text == name) => names.push(name),
            Some(name) => {
                let fault = faults.push(item.mark, format!("`secrets` lists the unknown variable `{name}`"));
                fault.suggest(name, "variables", vars.iter().map(|(key, _)| key.text.as_str()));
            }
            None => {
                let found = item.describe();
                faults.push(item.mark, format!("`secrets` takes names of variables, found {found}"));
            }
        }
    }
    names
}

fn step<'a>(key: &'a Key, node: &'a Node, faults: &mut Faults) -> Option<StepDecl<'a>> {
    if !is_name(&key.text) {
        faults
            .push(key.mark, format!("invalid step name `{}`", key.text))
            .hint("names are lower-case letters, digits, `_` and `-`, and start with a letter");
    }
    if node.as_map().is_none() {
        let found = node.describe();
        faults
            .push(node.mark, format!("the step `{}` must be a map, found {found}", key.text))
            .hint(format!("write `{}: {{uses: KIND}}`", key.text));
        return None;
    }
    check_keys(node, "a step", STEP_KEYS, faults);
    let uses = word(node, "uses", faults);
    if node.get("uses").is_none() {
        faults
            .push(key.mark, format!("the step `{}` has no `uses`", key.text))
            .hint("add `uses: KIND`; `igpt-flow stages` lists the kinds");
    }
    Some(StepDecl {
        name: &key.text,
        mark: key.mark,
        uses,
        inputs: members(node, "in", "ports to outputs", faults),
        inputs_mark: node.get("in").map_or(key.mark, |_| node.key_mark("in")),
        with: present(node, "with"),
        matrix: present(node, "matrix"),
        search: present(node, "search"),
        seed: present(node, "seed"),
        resources: present(node, "resources"),
        retries: present(node, "retries"),
        retry: present(node, "retry"),
        timeout: present(node, "timeout"),
        grace: present(node, "grace"),
    })
}

/// A member that may be left out. One with nothing behind its colon, or with comments alone, is.
fn present<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    node.get(key).filter(|member| member.data != Data::Null)
}

/// Reports keys that do not belong.
pub(crate) fn check_keys(node: &Node, what: &str, known: &[&str], faults: &mut Faults) {
    for (key, _) in node.as_map().unwrap_or(&[]) {
        if !known.contains(&key.text.as_str()) && key.text != "<<" {
            faults.push(key.mark, format!("{what} has no key `{}`", key.text)).suggest(
                &key.text,
                &format!("keys of {what}"),
                known.iter().copied(),
            );
        }
    }
}

/// The members of a map that may be left out or empty.
fn members<'a>(node: &'a Node, key: &str, of: &str, faults: &mut Faults) -> &'a [(Key, Node)] {
    match node.get(key) {
        None => &[],
        Some(Node { data: Data::Null, .. }) => &[],
        Some(member) => member.as_map().unwrap_or_else(|| {
            let found = member.describe();
            faults.push(member.mark, format!("`{key}` must be a map of {of}, found {found}"));
            &[]
        }),
    }
}

/// A string; a number is one as it is written. Nothing is none.
fn text<'a>(node: &'a Node, key: &str, faults: &mut Faults) -> Option<(Cow<'a, str>, Mark)> {
    let member = present(node, key)?;
    let text = member.scalar_text();
    if text.is_none() {
        let found = member.describe();
        faults.push(member.mark, format!("`{key}` must be a string, found {found}"));
    }
    Some((text?, member.mark))
}

fn word<'a>(node: &'a Node, key: &str, faults: &mut Faults) -> Option<(&'a str, Mark)> {
    let member = node.get(key)?;
    let text = member.as_text();
    if text.is_none() {
        let found = member.describe();
        faults.push(member.mark, format!("`{key}` must be a string, found {found}"));
    }
    Some((text?, member.mark))
}
