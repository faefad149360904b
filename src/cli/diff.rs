//! `diff OLD NEW`: which steps differ between two runs, in which fields, and with which results.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use igpt_contract::counted;

use super::error::CliError;
use super::history::{DiffArgs, record_of, steps_of};
use crate::key::{self, FieldChange};
use crate::store::{Record, Store};

/// A step that differs.
struct Difference {
    step: String,
    only_in: Option<String>,
    changes: Vec<FieldChange>,
    /// Output ports whose content differs.
    outputs: Vec<String>,
    /// Metrics that differ: name, old, new.
    metrics: Vec<(String, Option<f64>, Option<f64>)>,
}

/// Shows what differs; steps with equal keys and outputs are left out.
pub(super) fn diff(store: &Path, json: bool, args: &DiffArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let store = Store::open_existing(store)?;
    let (old, new) = (store.run(&args.old)?, store.run(&args.new)?);
    let (old_steps, new_steps) = (steps_of(&old).1, steps_of(&new).1);
    let mut names: Vec<&str> = new_steps.iter().map(|step| &*step.name).collect();
    names.extend(
        old_steps
            .iter()
            .map(|step| &*step.name)
            .filter(|name| !new_steps.iter().any(|new| new.name == *name)),
    );
    let mut differences = Vec::new();
    let mut equal = 0;
    for name in names {
        let in_old = old_steps.iter().find(|step| step.name == name);
        let in_new = new_steps.iter().find(|step| step.name == name);
        let only_in = match (in_old, in_new) {
            (Some(_), None) => Some(old.id().to_owned()),
            (None, Some(_)) => Some(new.id().to_owned()),
            _ => None,
        };
        let records = [in_old, in_new].map(|step| step.and_then(|step| record_of(&store, step)));
        let difference = compare(name, only_in, records);
        match difference {
            Some(difference) => differences.push(difference),
            None => equal += 1,
        }
    }
    if json {
        let all: Vec<Value> = differences.iter().map(as_json).collect();
        writeln!(out, "{:#}", json!({"old": old.id(), "new": new.id(), "equal": equal, "differences": all}))?;
        return Ok(());
    }
    let (equal, different) = (counted(equal, "step"), differences.len());
    writeln!(out, "{} -> {}: {equal} equal, {different} different", old.id(), new.id())?;
    for difference in &differences {
        print(difference, out)?;
    }
    Ok(())
}

fn compare(name: &str, only_in: Option<String>, records: [Option<Record>; 2]) -> Option<Difference> {
    let mut difference = Difference {
        step: name.to_owned(),
        only_in,
        changes: Vec::new(),
        outputs: Vec::new(),
        metrics: Vec::new(),
    };
    if let [Some(old), Some(new)] = &records {
        if old.key == new.key && difference.only_in.is_none() {
            return None;
        }
        difference.changes = key::diff(&old.material, &new.material);
        difference.outputs = new
            .outputs
            .iter()
            .filter(|(port, artifact)| old.outputs.get(*port).map(|old| old.digest) != Some(artifact.digest))
            .map(|(port, _)| port.clone())
            .collect();
        difference.metrics = differing(&old.metrics.values, &new.metrics.values);
    } else if difference.only_in.is_none() && records.iter().all(Option::is_none) {
        return None;
    }
    Some(difference)
}

fn differing(
    old: &BTreeMap<String, f64>,
    new: &BTreeMap<String, f64>,
) -> Vec<(String, Option<f64>, Option<f64>)> {
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let values = names.into_iter().map(|name| (name.clone(), old.get(name).copied(), new.get(name).copied()));
    // By bits: NaN is equal to NaN here.
    values.filter(|(_, old, new)| old.map(f64::to_bits) != new.map(f64::to_bits)).collect()
}

fn print(difference: &Difference, out: &mut dyn Write) -> std::io::Result<()> {
    let Difference { step, only_in, changes, outputs, metrics } = difference;
    match only_in {
        Some(run) => return writeln!(out, "\n`{step}`: only in {run}"),
        None if changes.is_empty() => writeln!(out, "\n`{step}`: only one of the runs has a result of it")?,
        None => writeln!(out, "\n`{step}`")?,
    }
    for change in changes {
        writeln!(out, "    {change}")?;
    }
    if !changes.is_empty() && outputs.is_empty() {
        writeln!(out, "    the outputs are identical, so nothing downstream changed because of it")?;
    }
    let show = |value: &Option<f64>| value.map_or("none".to_owned(), |value| value.to_string());
    for (name, old, new) in metrics {
        writeln!(out, "    metric {name}: {} -> {}", show(old), show(new))?;
    }
    Ok(())
}

fn as_json(difference: &Difference) -> Value {
    let Difference { step, only_in, changes, outputs, metrics } = difference;
    let number = |value: &Option<f64>| match value {
        Some(value) if !value.is_finite() => json!(value.to_string()),
        other => json!(other),
    };
    let metrics: Vec<Value> = metrics
        .iter()
        .map(|(name, old, new)| json!({"name": name, "old": number(old), "new": number(new)}))
        .collect();
    json!({"step": step, "only_in": only_in, "changes": changes, "outputs": outputs, "metrics": metrics})
}
