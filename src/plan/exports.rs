//! `export`: which outputs go where. One line may stand for all instances of a step, as in
//! `probe.metrics: results/layer-${matrix.layer}`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::declared::{DeclaredStep, Instance, Planned};
use super::outputs::written;
use super::paths;
use super::planner::Planner;
use super::{Export, Source};
use crate::paths::{normal, order_key};
use crate::pipeline::{
    Faults, Key, Mark, Node, OutputRef, Reference, Scope, before_axis, check_keys, describe, parse_reference,
};

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
                    let what =
                        format!("the exports to `{}` and `{}` overlap", other.display(), path.display());
                    faults.push(mark, what).hint("give each its own folder");
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

/// The exports of one line, each with the place of its path.
fn read_one(planner: &Planner<'_>, key: &Key, node: &Node, faults: &mut Faults) -> Vec<(Export, Mark)> {
    let mut found = Vec::new();
    let (node, overwrite) = written_out(node, planner, faults);
    let Some(text) = node.scalar_text().filter(|text| !text.is_empty()) else {
        let what = node.describe();
        faults
            .push(node.mark, format!("an export must be a path, found {what}"))
            .hint("an export is written `step.port: path`, or `step.port: {path: path, overwrite: true}`");
        return found;
    };
    // What is put into the key may be an axis of the step, so the step is looked for first.
    let interpolated = key.text.contains("${");
    let (step, written_out) = if interpolated {
        let scope = Scope { vars: planner.vars, matrix: None, seed: Some(planner.plan.seed) };
        let step = key.text.split('.').next().unwrap_or_default();
        let whole = if step.contains("${") { &key.text } else { step };
        let Some(whole) = scope.resolve_text(whole, key.mark, faults) else { return found };
        (whole.split('.').next().unwrap_or_default().to_owned(), None)
    } else {
        let Some(output) = output(&key.text, key.mark, faults) else { return found };
        (output.step.clone(), Some(output))
    };
    let Some(&b) = planner.index.get(step.as_str()) else {
        planner.unknown_step(&step, key.mark, faults);
        return found;
    };
    let declared = &planner.declared_steps[b];
    for instance in declared.instances.iter().flatten() {
        let scope = scope(planner, declared, instance);
        let output = match &written_out {
            Some(output) => Some(output.clone()),
            None => scope
                .resolve_text(&key.text, key.mark, faults)
                .and_then(|text| output(&text, key.mark, faults))
                .filter(|output| output.step == step),
        };
        let path = scope.resolve_text(&text, node.mark, faults);
        let (Some(output), Some(outputs)) = (output, planner.outputs(declared, instance.planned)) else {
            continue;
        };
        let OutputRef { port: Some(port), part, .. } = output else { continue };
        let kind = planner.find_output(declared, &outputs, &port, key.mark, faults);
        let whole = || written(declared.decl.name, &port, None);
        let fits = kind.and_then(|kind| planner.find_part(whole, kind, part.as_deref(), key.mark, faults));
        let (Some(path), Some(_)) = (path, fits) else { continue };
        if !planner.check_part(instance.planned, &port, part.as_deref(), whole, key.mark, faults) {
            continue;
        }
        let source = match instance.planned {
            Planned::Step(step) => Source::Step { step, port, part },
            Planned::Search(search) => Source::Winner { search, port, part },
            Planned::Nothing => continue,
        };
        if let Some((what, hint)) = paths::fault(&path) {
            faults.push(node.mark, what).hint(hint);
            continue;
        }
        let before = before_axis(&text).and_then(|before| scope.resolve_text(before, node.mark, faults));
        if let Some(before) = before.filter(|before| !paths::stays_in(before, &path)) {
            let folder = before
                .rfind('/')
                .map_or("the pipeline's folder".to_owned(), |end| format!("`{}`", &before[..end]));
            faults
                .push(node.mark, format!("for `{}` the export goes to `{path}`, outside {folder}", instance_of(planner, instance)))
                .hint("an axis value must not lead out of the folder that the path names: write the folder into the path, or change the value");
            continue;
        }
        let normal = normal(Path::new(&path));
        if normal.as_os_str().is_empty() || normal.ends_with("..") || normal == Path::new("/") {
            faults
                .push(node.mark, format!("`{path}` cannot be the path of an export"))
                .hint("name a file or folder that the export may replace");
            continue;
        }
        let place = planner.location(key.mark);
        found.push((Export { source, path: PathBuf::from(path), overwrite, place }, node.mark));
    }
    found
}

/// The name of an instance, for messages.
fn instance_of(planner: &Planner<'_>, instance: &Instance) -> String {
    match instance.planned {
        Planned::Step(step) => planner.plan.steps[step].name.clone(),
        Planned::Search(search) => planner.plan.searches[search].name.clone(),
        Planned::Nothing => String::new(),
    }
}

/// The path of an export, and whether it replaces what is the user's: of `path`, or of
/// `{path: path, overwrite: true}`.
fn written_out<'n>(node: &'n Node, planner: &Planner<'_>, faults: &mut Faults) -> (&'n Node, bool) {
    let (Some(_), Some(path)) = (node.as_map(), node.get("path")) else { return (node, false) };
    check_keys(node, "an export", &["path", "overwrite"], faults);
    let scope = Scope { vars: planner.vars, matrix: None, seed: Some(planner.plan.seed) };
    let overwrite = node.get("overwrite").and_then(|node| Some((node, scope.resolve(node, faults)?)));
    match overwrite {
        None => (path, false),
        Some((_, Value::Bool(overwrite))) => (path, overwrite),
        Some((node, other)) => {
            faults.push(
                node.mark,
                format!("`overwrite` must be `true` or `false`, found {}", describe(&other)),
            );
            (path, false)
        }
    }
}

/// The names that an export may use for one instance.
fn scope<'a>(planner: &Planner<'a>, declared: &'a DeclaredStep<'_>, instance: &'a Instance) -> Scope<'a> {
    Scope { vars: planner.vars, matrix: declared.axes_of(instance), seed: Some(planner.plan.seed) }
}

/// The output that an export names; reports where it is none.
fn output(text: &str, mark: Mark, faults: &mut Faults) -> Option<OutputRef> {
    match parse_reference(text) {
        Ok(Reference::Output(output)) if !output.gather => Some(output),
        _ => {
            faults
                .push(mark, format!("`{text}` does not name an output"))
                .hint("an export is written `step.port: path`, or `step.port/part: path`");
            None
        }
    }
}
