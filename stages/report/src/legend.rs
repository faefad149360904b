//! What the legend of a plot says, and in how many lines.

use crate::measure::{LINE, TEXT, wrap};
use crate::svg::Plot;

/// Where the samples of lines begin; their names are to the right of them.
pub(crate) const SAMPLES: f64 = 60.0;
/// Where the names begin.
pub(crate) const NAMES: f64 = SAMPLES + 46.0;

/// What an entry stands for, by its number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sample {
    Line(usize),
    Level(usize),
    Reference(usize),
}

/// An entry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) sample: Sample,
    /// Its name, cut into lines.
    pub(crate) lines: Vec<String>,
}

impl Entry {
    /// How high it is.
    pub(crate) fn height(&self) -> f64 {
        LINE * self.lines.len() as f64 + 2.0
    }
}

/// The entries of a picture of some width. A line without a name needs none.
pub(crate) fn entries(plot: &Plot, width: f64) -> Vec<Entry> {
    let mut names = Vec::new();
    let of_series = |name: &str| match plot.series.as_str() {
        "" => name.to_owned(),
        series => format!("{series} {name}"),
    };
    for (i, line) in plot.lines.iter().enumerate() {
        let missing = line.points.iter().filter(|p| !p.y.is_finite()).count();
        let name = match missing {
            0 => of_series(&line.name),
            _ => {
                format!("{} ({missing} of {} points not finite)", of_series(&line.name), line.points.len())
            }
        };
        names.push((Sample::Line(i), name));
    }
    for (i, level) in plot.levels.iter().enumerate() {
        let name = of_series(&level.name);
        let name = if level.y.is_finite() { name } else { format!("{name} (not finite)") };
        names.push((Sample::Level(i), name));
    }
    names.extend(
        plot.references.iter().enumerate().map(|(i, (name, _))| (Sample::Reference(i), name.clone())),
    );
    let entries = names
        .into_iter()
        .map(|(sample, name)| Entry { sample, lines: wrap(&name, TEXT, width - NAMES - 12.0) });
    entries.filter(|entry| !entry.lines.is_empty()).collect()
}
