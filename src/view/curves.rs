//! The curves of runs, gathered by their names.

use std::collections::BTreeMap;

use super::chart::{Chart, Series};
use super::run::Run;

/// A run, what it is called beside others (empty where it is alone), and where its steps are told.
pub(crate) type Told<'a> = (&'a Run, &'a str, &'a dyn Fn(usize) -> String);

/// The charts of these runs: a chart for each name, a curve for each step that has one.
pub(crate) fn charts(runs: &[Told<'_>]) -> Vec<Chart> {
    let mut found: BTreeMap<String, Vec<Series>> = BTreeMap::new();
    for (run, prefix, href) in runs {
        for (place, step) in run.steps.iter().enumerate() {
            for (name, points) in step.curves().iter().filter(|(_, points)| !points.is_empty()) {
                let label = run.text(&step.name);
                found.entry(run.text(name).into_owned()).or_default().push(Series {
                    label: if prefix.is_empty() { label.into_owned() } else { format!("{prefix}: {label}") },
                    href: Some(href(place)),
                    id: series_id(place, name),
                    points: points.clone(),
                });
            }
        }
    }
    let charts = found.into_iter().enumerate();
    charts.map(|(n, (title, series))| Chart { id: format!("chart-{n}"), title, series }).collect()
}

/// What the points of a step's curve are sent under.
pub(crate) fn series_id(step: usize, name: &str) -> String {
    format!("{step} {name}")
}
