//! `--profile` and `--set`: changes to the tree before it is read.

use std::borrow::Cow;

use super::declare::STEP_KEYS;
use super::diagnostic::Faults;
use super::node::{Data, Key, Mark, Node, shorten};
use super::set_value;

/// The most names in a path, as many as a file has levels: deeper trees are not safe to walk.
const MAX_WORDS: usize = 128;

/// What the command line changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Names of profiles, applied in this order.
    pub profiles: Vec<String>,
    /// `path=value`, applied in this order after the profiles; what the value is, `set_value.rs` says.
    pub sets: Vec<String>,
}

/// The tree with the overrides applied.
pub(crate) struct Applied<'a> {
    /// The tree.
    pub(crate) root: Cow<'a, Node>,
    /// Dotted paths of variables and who set them, later ones last.
    changed: Vec<(String, String)>,
}

impl Applied<'_> {
    /// Who set a variable (`vars.side`) or something in it: `profile smoke`, `--set`; `None` if the
    /// pipeline itself did.
    pub(crate) fn changed_by(&self, path: &str) -> Option<&str> {
        let within = |a: &str, b: &str| a == b || (a.starts_with(b) && a.as_bytes()[b.len()] == b'.');
        let by = self.changed.iter().rev().find(|(p, _)| within(path, p) || within(p, path));
        by.map(|(_, by)| by.as_str())
    }
}

/// Applies profiles, then sets.
pub(crate) fn apply<'a>(root: &'a Node, overrides: &Overrides, faults: &mut Faults) -> Applied<'a> {
    let mut applied = Applied { root: Cow::Borrowed(root), changed: Vec::new() };
    for name in &overrides.profiles {
        apply_profile(root, name, &mut applied, faults);
    }
    for (i, set) in overrides.sets.iter().enumerate() {
        let mark = Mark::Set(u32::try_from(i).unwrap_or(u32::MAX));
        apply_set(set, mark, &mut applied, faults);
    }
    check_profiles(root, faults);
    applied
}

/// Profiles that are not asked for must be right as well: each names known variables only.
fn check_profiles(root: &Node, faults: &mut Faults) {
    let Some(profiles) = root.get("profiles").filter(|profiles| profiles.data != Data::Null) else { return };
    let Some(members) = profiles.as_map() else {
        let found = profiles.describe();
        faults.push(profiles.mark, format!("`profiles` must be a map of names to variables, found {found}"));
        return;
    };
    let vars = root.get("vars");
    for (name, values) in members {
        match &values.data {
            Data::Map(values) => {
                let mut scratch = vars.cloned();
                merge(scratch.as_mut(), values, "vars", &format!("profile `{}`", name.text), faults);
            }
            Data::Null => {}
            _ => {
                let found = values.describe();
                faults.push(
                    values.mark,
                    format!("the profile `{}` must be a map of variables, found {found}", name.text),
                );
            }
        }
    }
}

fn apply_profile(root: &Node, name: &str, applied: &mut Applied<'_>, faults: &mut Faults) {
    let members = root.get("profiles").and_then(Node::as_map).unwrap_or(&[]);
    let Some((_, values)) = members.iter().find(|(key, _)| key.text == name) else {
        faults.push(Mark::FILE, format!("unknown profile `{name}`")).suggest(
            name,
            "profiles",
            members.iter().map(|(key, _)| key.text.as_str()),
        );
        return;
    };
    let Some(values) = values.as_map() else { return };
    let tree = applied.root.to_mut();
    // What is wrong with it is reported by `check_profiles`, which looks at every profile.
    merge(member(tree, "vars"), values, "vars", name, &mut Faults::default());
    push_leaves("vars", values, &format!("profile {name}"), &mut applied.changed);
}

/// Puts the values into the tree, map by map; only what is there already may be set.
fn merge(into: Option<&mut Node>, values: &[(Key, Node)], path: &str, who: &str, faults: &mut Faults) {
    let mut into = into;
    for (key, value) in values {
        let target = into.as_deref_mut().and_then(|node| member(node, &key.text));
        let Some(target) = target else {
            let names = into.as_deref().and_then(Node::as_map).unwrap_or(&[]).iter();
            faults
                .push(key.mark, format!("{who} sets `{path}.{}`, which is not a variable", key.text))
                .suggest(&key.text, &format!("names in `{path}`"), names.map(|(k, _)| &k.text));
            continue;
        };
        match (&target.data, &value.data) {
            (Data::Map(_), Data::Map(inner)) => {
                merge(Some(target), inner, &format!("{path}.{}", key.text), who, faults);
            }
            _ => *target = value.clone(),
        }
    }
}

fn push_leaves(path: &str, values: &[(Key, Node)], by: &str, changed: &mut Vec<(String, String)>) {
    for (key, value) in values {
        let path = format!("{path}.{}", key.text);
        match value.as_map() {
            Some(inner) if !inner.is_empty() => push_leaves(&path, inner, by, changed),
            _ => changed.push((path, by.to_owned())),
        }
    }
}

fn member<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut Node> {
    match &mut node.data {
        Data::Map(members) => members.iter_mut().find(|(k, _)| k.text == key).map(|(_, node)| node),
        _ => None,
    }
}

fn apply_set(set: &str, mark: Mark, applied: &mut Applied<'_>, faults: &mut Faults) {
    let Some((path, text)) = set.split_once('=') else {
        faults.push(mark, format!("`{set}` is not `path=value`")).hint("for example `--set vars.side=8`");
        return;
    };
    let path = path.trim();
    let Some(value) = set_value::read(text, mark, faults) else { return };
    let words: Vec<&str> = path.split('.').collect();
    let before = faults.len();
    check_path(&applied.root, &words, path, mark, faults);
    if faults.len() > before {
        return;
    }
    if words[0] == "vars" {
        applied.changed.push((path.to_owned(), "--set".to_owned()));
    }
    if let Err(at) = put(applied.root.to_mut(), &words, value, mark) {
        faults.push(mark, format!("`{path}` cannot be set: `{}` is not a map", words[..at].join(".")));
    }
}

/// Whether a path names something that may be set. Parameters are checked later, by their stage.
fn check_path(root: &Node, words: &[&str], path: &str, mark: Mark, faults: &mut Faults) {
    if words.contains(&"") || words.len() > MAX_WORDS {
        faults
            .push(mark, format!("`{}` is not a dotted path", shorten(path)))
            .hint("for example `--set stages.STEP.with.PARAM=8`");
        return;
    }
    match words {
        ["name" | "description" | "seed"] => {}
        ["vars", rest @ ..] if !rest.is_empty() => {
            let vars = root.get("vars");
            let found = vars.map_or(0, |vars| vars.descend(rest.iter().copied()).1);
            if found < rest.len() {
                let mut names = Vec::new();
                if let Some(members) = vars.and_then(Node::as_map) {
                    push_leaves("vars", members, "", &mut names);
                }
                faults.push(mark, format!("unknown variable `{path}`")).suggest(
                    path,
                    "variables",
                    names.iter().map(|(name, _)| name.as_str()),
                );
            }
        }
        ["stages", step, field, ..] => {
            let steps = root.get("stages").and_then(Node::as_map).unwrap_or(&[]);
            if !steps.iter().any(|(key, _)| key.text == *step) {
                faults.push(mark, format!("unknown step `{step}`")).suggest(
                    step,
                    "steps",
                    steps.iter().map(|(key, _)| key.text.as_str()),
                );
            } else if !STEP_KEYS.contains(field) {
                faults.push(mark, format!("a step has no `{field}`")).suggest(
                    field,
                    "keys of a step",
                    STEP_KEYS.iter().copied(),
                );
            }
        }
        _ => {
            faults
                .push(mark, format!("`{path}` cannot be set"))
                .hint("set `vars.NAME`, `seed`, or `stages.STEP.with.PARAM` and the other keys of a step");
        }
    }
}

/// Puts a value at a path, making the maps on the way; returns how far it came if it cannot.
fn put(root: &mut Node, words: &[&str], value: Node, mark: Mark) -> Result<(), usize> {
    let mut node = root;
    for (i, word) in words.iter().enumerate() {
        if node.data == Data::Null {
            node.data = Data::Map(Vec::new());
        }
        node = match &mut node.data {
            Data::Map(members) => {
                let at = members.iter().position(|(key, _)| key.text == *word).unwrap_or_else(|| {
                    let key = Key { mark, text: (*word).to_owned() };
                    members.push((key, Node { mark, data: Data::Null }));
                    members.len() - 1
                });
                &mut members[at].1
            }
            Data::List(items) => word.parse::<usize>().ok().and_then(|at| items.get_mut(at)).ok_or(i)?,
            _ => return Err(i),
        };
    }
    *node = value;
    Ok(())
}
