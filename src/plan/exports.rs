//! `export`: which outputs go where. One line may stand for all instances of a step, as in
//! `probe.metrics: results/layer-${matrix.layer}`.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use super::build::{Made, Planner};
use super::connect::written;
use super::{Export, Source};
use crate::pipeline::{Faults, Key, Mark, Node, Reference, Scope, parse_reference};

/// Reads the exports.
pub(super) fn read(planner: &Planner<'_>, exports: &[(Key, Node)], faults: &mut Faults) -> Vec<Export> {
    let mut found = Vec::new();
    let mut taken: BTreeMap<Vec<u8>, (PathBuf, Mark)> = BTreeMap::new();
    for (key, node) in exports {
        for (export, mark) in read_one(planner, key, node, faults) {
            let path = normal(&export.path);
            let key = order_key(&path);
            let ends = (0..key.len()).filter(|end| key[*end] == 0);
            let above = ends.chain([key.len()]).find_map(|end| taken.get(&key[..end]));
            // What lies in this one would follow it directly.
            let is_below = |other: &[u8]| other.starts_with(&key) && other.get(key.len()) == Some(&0);
            let below = || taken.range(key.clone()..).next().filter(|(other, _)| is_below(other));
            let clash = above.or_else(|| below().map(|(_, other)| other));
            match clash {
                Some((other, first)) if *other == path => {
                    let what = format!("two exports go to `{}`", export.path.display());
                    let fault = faults.push(mark, what);
                    if *first == mark {
                        fault.hint("name the axes in the path: `${matrix.AXIS}`");
                    }
                }
                Some((other, _)) => {
                    let what = format!(
                        "the exports to `{}` and `{}` lie in each other",
                        other.display(),
                        path.display()
                    );
                    faults.push(mark, what);
                }
                None => {
                    taken.insert(key, (path, mark));
                    found.push(export);
                }
            }
        }
    }
    found
}

fn read_one(planner: &Planner<'_>, key: &Key, node: &Node, faults: &mut Faults) -> Vec<(Export, Mark)> {
    let mut found = Vec::new();
    let output = match parse_reference(&key.text) {
        Ok(Reference::Output(output)) if !output.gather => output,
        _ => {
            faults
                .push(key.mark, format!("`{}` does not name an output", key.text))
                .hint("an export is written `step.port: path`, or `step.port/part: path`");
            return found;
        }
    };
    let Some(text) = node.as_text().filter(|text| !text.is_empty()) else {
        let what = node.describe();
        faults.push(node.mark, format!("an export goes to a path, found {what}"));
        return found;
    };
    let (Some(&b), Some(port)) = (planner.index.get(output.step.as_str()), output.port) else {
        planner.unknown_step(&output.step, key.mark, faults);
        return found;
    };
    let base = &planner.bases[b];
    for instance in base.instances.iter().flatten() {
        let matrix = (!base.axes.is_empty()).then_some(&instance.labels);
        let scope = Scope { vars: planner.vars, matrix, seed: Some(planner.plan.seed) };
        let path = scope.resolve_text(text, node.mark, faults);
        let Some(outputs) = planner.outputs(base, instance.made) else { continue };
        let kind = planner.find_output(base, &outputs, &port, key.mark, faults);
        let whole = written(base.decl.name, &port, None);
        let part = output.part.clone();
        let fits = kind.and_then(|kind| planner.find_part(&whole, kind, part.as_deref(), key.mark, faults));
        let (Some(path), Some(_)) = (path, fits) else { continue };
        let port = port.clone();
        let source = match instance.made {
            Made::Step(step) => Source::Step { step, port, part },
            Made::Search(search) => Source::Winner { search, port, part },
            Made::Nothing => continue,
        };
        let normal = normal(Path::new(&path));
        if normal.as_os_str().is_empty() || normal.ends_with("..") || normal == Path::new("/") {
            faults
                .push(node.mark, format!("`{path}` is not a path for an export"))
                .hint("name a file or folder that the export may replace");
            continue;
        }
        let place = planner.place(key.mark);
        found.push((Export { source, path: PathBuf::from(path), place }, node.mark));
    }
    found
}

/// A path's bytes with its separators as the lowest byte: sorted so, a folder stands before what is
/// in it, and its key is a prefix of theirs. (Paths themselves compare, slowly, to the same order.)
fn order_key(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().iter().map(|byte| if *byte == b'/' { 0 } else { *byte }).collect()
}

/// The path without `.` and, as far as it can be told from the text, without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}
