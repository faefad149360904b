//! Which artifacts a group means, and which runs they are.

use std::collections::{BTreeMap, BTreeSet};

use igpt_contract::StageError;
use igpt_table::observe::{Observation, Value, require};

use crate::params::{Claim, Group};

/// Labels and their values.
type RunKey<'a> = BTreeMap<&'a str, &'a Value>;

/// An artifact of a group, with what tells it apart from the group's other runs.
#[derive(Debug, Clone)]
pub(crate) struct Run<'a> {
    pub(crate) key: RunKey<'a>,
    pub(crate) artifact: &'a Observation,
}

/// Checks that every name of a claim is known to some artifact: a misspelt name is an error, not a
/// claim without a result.
///
/// # Errors
/// Names what is there, and what may have been meant.
pub(crate) fn require_names(claim: &Claim, all: &[Observation]) -> Result<(), StageError> {
    names(claim).into_iter().try_for_each(|(_, name)| require(all, name))
}

/// The names that a claim looks up, each with the path of its parameter in the claim.
pub(crate) fn names(claim: &Claim) -> Vec<(String, &str)> {
    let mut names: Vec<(String, &str)> = Vec::new();
    if let Some(difference) = &claim.difference {
        names.push(("difference.metric".to_owned(), &difference.metric));
        names.extend(numbered("difference.runs", difference.runs.iter().flatten()));
        if !difference.count.is_empty() {
            names.push(("difference.count".to_owned(), &difference.count));
        }
    }
    if let Some(correlation) = &claim.correlation {
        names.push(("correlation.x.metric".to_owned(), &correlation.x.metric));
        names.push(("correlation.y.metric".to_owned(), &correlation.y.metric));
        names.extend(numbered("correlation.by", &correlation.by));
    }
    if let Some(spread) = &claim.spread {
        names.push(("spread.metric".to_owned(), &spread.metric));
        names.push(("spread.by".to_owned(), &spread.by));
    }
    for (path, group) in claim.groups() {
        names.extend(group.only.keys().map(|name| (format!("{path}.where"), name.as_str())));
        names.extend(group.last.iter().map(|name| (format!("{path}.last"), name.as_str())));
        if let Some(pick) = &group.pick {
            names.push((format!("{path}.pick.metric"), &pick.metric));
            names.extend(numbered(&format!("{path}.pick.over"), &pick.over));
        }
    }
    names
}

fn numbered<'a>(path: &str, names: impl IntoIterator<Item = &'a String>) -> Vec<(String, &'a str)> {
    names.into_iter().enumerate().map(|(i, name)| (format!("{path}.{i}"), name.as_str())).collect()
}

/// The number of a name, where the artifact has one.
pub(crate) fn number(artifact: &Observation, name: &str) -> Option<f64> {
    match artifact.get(name) {
        Some(Value::Number(x)) => Some(*x),
        _ => None,
    }
}

/// The artifacts of a group that have the metric, in the order of their labels.
pub(crate) fn members<'a>(group: &Group, metric: &str, all: &'a [Observation]) -> Vec<&'a Observation> {
    let met = all.iter().filter(|artifact| artifact.meets(&group.only));
    let mut members: Vec<&Observation> = met.filter(|artifact| number(artifact, metric).is_some()).collect();
    if let Some(pick) = &group.pick {
        let worth = |artifact: &Observation| {
            let x = number(artifact, &pick.metric).filter(|x| !x.is_nan())?;
            Some(if pick.lowest { -x } else { x })
        };
        members = best(&members, &pick.over, worth);
    }
    if let Some(label) = &group.last {
        let place = |artifact: &Observation| artifact.get(label).and_then(Value::number);
        members = best(&members, std::slice::from_ref(label), place);
    }
    members.sort_by_cached_key(|artifact| key(artifact, |_| true));
    members
}

/// Of the artifacts that differ in the labels `over` alone, the one that is worth most; of equals
/// the first in the order of those labels. An artifact of unknown worth is not chosen.
fn best<'a>(
    members: &[&'a Observation],
    over: &[String],
    worth: impl Fn(&Observation) -> Option<f64>,
) -> Vec<&'a Observation> {
    // An artifact without one of those labels was not made in their matrix, and is alone.
    let mut classes: BTreeMap<(RunKey<'a>, bool), (f64, Vec<&Value>, &'a Observation)> = BTreeMap::new();
    for artifact in members {
        let Some(worth) = worth(artifact) else { continue };
        let place: Vec<&Value> = over.iter().filter_map(|name| artifact.get(name)).collect();
        let class = (key(artifact, |name| !is_in(over, name)), place.len() == over.len());
        let found = (worth, place, *artifact);
        let chosen = classes.entry(class).or_insert_with(|| found.clone());
        if found.0 > chosen.0 || (found.0 == chosen.0 && found.1 < chosen.1) {
            *chosen = found;
        }
    }
    classes.into_values().map(|(_, _, artifact)| artifact).collect()
}

fn is_in(names: &[String], name: &str) -> bool {
    names.iter().any(|other| other == name)
}

fn key(artifact: &Observation, keep: impl Fn(&str) -> bool) -> RunKey<'_> {
    artifact.labels().filter(|(name, _)| keep(name)).collect()
}

/// The runs of a group: its artifacts by the labels `names`, or by all that the group does not fix.
///
/// # Errors
/// If two artifacts are of one run: whatever is said of them would depend on which is taken.
pub(crate) fn runs<'a>(
    group: &Group,
    metric: &str,
    names: Option<&[String]>,
    all: &'a [Observation],
) -> Result<Vec<Run<'a>>, StageError> {
    let picked = group.pick.iter().flat_map(|pick| &pick.over).chain(&group.last);
    let spoken: BTreeSet<&str> =
        group.only.keys().chain(picked).map(String::as_str).chain(["step"]).collect();
    let tells = |name: &str| names.map_or(!spoken.contains(name), |names| is_in(names, name));
    let mut runs: Vec<Run<'a>> = Vec::new();
    for artifact in members(group, metric, all) {
        let key = key(artifact, tells);
        if let Some(other) = runs.iter().find(|run| run.key == key) {
            let what = format!(
                "the group `{}` has two artifacts of one run: {} and {}",
                title(group, std::slice::from_ref(other)),
                labels_text(other.artifact),
                labels_text(artifact)
            );
            return Err(StageError::new(what).hint(
                "choose one by `where`, `pick` or `last`, give their wires names, or name the labels \
                 that tell runs apart in `runs`",
            ));
        }
        runs.push(Run { key, artifact });
    }
    runs.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(runs)
}

/// An artifact's labels for an error: `layer 2, step probe`.
pub(crate) fn labels_text(artifact: &Observation) -> String {
    let labels: Vec<String> =
        artifact.labels().map(|(name, value)| format!("{name} {}", value.text())).collect();
    if labels.is_empty() { "one without labels".to_owned() } else { format!("`{}`", labels.join(", ")) }
}

/// What the table calls a group: its name or the values of its conditions, and what was picked.
pub(crate) fn title(group: &Group, runs: &[Run<'_>]) -> String {
    let mut parts: Vec<String> = match group.name.as_str() {
        "" => group.only.iter().map(|(name, value)| named(name, value)).collect(),
        name => vec![name.to_owned()],
    };
    for name in group.pick.iter().flat_map(|pick| &pick.over).chain(&group.last) {
        let values: BTreeSet<&Value> = runs.iter().filter_map(|run| run.artifact.get(name)).collect();
        let values: Vec<String> = values.into_iter().map(Value::text).collect();
        if !values.is_empty() {
            parts.push(format!("{name} {}", values.join(" / ")));
        }
    }
    if parts.is_empty() { "all".to_owned() } else { parts.join(", ") }
}

/// A condition as text: a number is shown with its name, the name of an input without.
fn named(name: &str, value: &str) -> String {
    if value.parse::<f64>().is_ok() { format!("{name} {value}") } else { value.to_owned() }
}
