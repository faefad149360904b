//! `include`: a pipeline that builds on others.
//!
//! An included file is a whole pipeline. Its variables, profiles, seed and steps are seen as if they
//! were written here; what this file says of a variable, in a profile or as the seed goes before.
//! Names of steps are not overridden: a step means the same wherever it is read. The included name,
//! description and exports belong to the other pipeline. Of the included steps those are planned
//! that this file's own steps and exports need.

use std::path::{Path, PathBuf};

use super::diagnostic::Faults;
use super::node::{Data, Key, Mark, Node};

/// The most files that one pipeline may include.
const MAX_FILES: usize = 32;

/// The files that a pipeline includes, and where each is named. Paths are relative to `folder`, that
/// of the pipeline.
pub(super) fn files(root: &Node, folder: &Path, faults: &mut Faults) -> Vec<(PathBuf, Mark)> {
    let Some(include) = root.get("include").filter(|include| include.data != Data::Null) else {
        return Vec::new();
    };
    let listed = match &include.data {
        Data::List(items) => items.iter().collect(),
        _ => vec![include],
    };
    if listed.is_empty() || listed.len() > MAX_FILES {
        faults.push(
            root.key_mark("include"),
            format!("`include` must name 1 to {MAX_FILES} files, found {}", listed.len()),
        );
    }
    let mut files: Vec<(PathBuf, Mark)> = Vec::new();
    for node in listed.into_iter().take(MAX_FILES) {
        match node.as_text() {
            Some(text) if files.iter().any(|(file, _)| *file == folder.join(text)) => {
                faults.push(node.mark, format!("`{text}` is included twice")).hint("remove one of them");
            }
            Some(text) if !text.is_empty() => files.push((folder.join(text), node.mark)),
            _ => {
                let found = node.describe();
                faults
                    .push(node.mark, format!("`include` names pipeline files, found {found}"))
                    .hint("for example `include: cifar10.yaml`, a path relative to this file");
            }
        }
    }
    files
}

/// Puts what an included tree declares into the pipeline's own, which wins but for names of steps.
pub(super) fn merge(own: &mut Node, included: Node, file: &Path, faults: &mut Faults) {
    let Data::Map(members) = included.data else {
        let what = format!(
            "the included file `{}` must be a pipeline, found {}",
            file.display(),
            included.describe()
        );
        faults.push(included.mark, what);
        return;
    };
    for (key, node) in members {
        match key.text.as_str() {
            "name" | "description" | "export" => {}
            "include" => {
                faults
                    .push(key.mark, "an included pipeline may not include others")
                    .hint("include all of them from the pipeline that you run");
            }
            "secrets" => add_secrets(own, key, node),
            "stages" => add_steps(own, key, node, file, faults),
            // What is not a key of a pipeline is reported like one of our own.
            _ => underlay(own, key, node),
        }
    }
}

/// Adds a member below what is there: maps are merged, anything else stays as it is.
fn underlay(own: &mut Node, key: Key, node: Node) {
    let Data::Map(members) = &mut own.data else { return };
    match members.iter_mut().find(|(k, _)| k.text == key.text) {
        None => members.push((key, node)),
        Some((_, mine)) if mine.data == Data::Null => mine.data = node.data,
        Some((_, mine)) => {
            if let (Data::Map(_), Data::Map(inner)) = (&mine.data, &node.data) {
                let inner = inner.clone();
                inner.into_iter().for_each(|(key, node)| underlay(mine, key, node));
            }
        }
    }
}

/// Adds the included secrets to our own: what is secret there stays secret here.
fn add_secrets(own: &mut Node, key: Key, node: Node) {
    let Data::Map(members) = &mut own.data else { return };
    match (members.iter_mut().find(|(k, _)| k.text == key.text), node.data) {
        (Some((_, Node { data: Data::List(mine), .. })), Data::List(theirs)) => mine.extend(theirs),
        (Some((_, mine)), data) if mine.data == Data::Null => mine.data = data,
        (Some(_), _) => {}
        (None, data) => members.push((key, Node { data, ..node })),
    }
}

/// Adds the included steps before our own.
fn add_steps(own: &mut Node, key: Key, node: Node, file: &Path, faults: &mut Faults) {
    let Data::Map(members) = &mut own.data else { return };
    let Data::Map(steps) = node.data else {
        return members.push((key, node));
    };
    let Some((_, mine)) = members.iter_mut().find(|(k, _)| k.text == "stages") else { return };
    if mine.data == Data::Null {
        mine.data = Data::Map(Vec::new());
    }
    let Data::Map(mine) = &mut mine.data else { return };
    for (name, _) in &steps {
        if let Some((twice, _)) = mine.iter().find(|(k, _)| k.text == name.text) {
            faults
                .push(
                    twice.mark,
                    format!("the step `{}` is also a step of the included `{}`", name.text, file.display()),
                )
                .hint("rename it, or set the included step's `vars`");
        }
    }
    mine.splice(0..0, steps);
}
