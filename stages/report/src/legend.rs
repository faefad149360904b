//! The legend of a plot: its entries, in rows below the plot so that they cover no data.

use igpt_plot::{pt, width, wrap};

use crate::plot::Plot;
use crate::text_size::{LINE, TICK};

/// The room of a sample of the line or bar, and the gap before its name.
pub(crate) const SYMBOL: f64 = 20.0;
const GAP: f64 = 4.0;
/// The room between two entries of a row.
const BETWEEN: f64 = 10.0;

/// What an entry stands for, by its number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum LegendSymbol {
    Line(usize),
    Level(usize),
    Reference(usize),
}

/// An entry with its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LegendEntry {
    pub(crate) sample: LegendSymbol,
    /// Its name, cut into lines.
    pub(crate) lines: Vec<String>,
    /// The left end of the sample, in dots.
    pub(crate) x: f64,
    /// The middle of the sample and of the first line, in dots from the top of the legend.
    pub(crate) y: f64,
}

impl LegendEntry {
    /// Where the name begins.
    pub(crate) fn name_at(&self) -> f64 {
        self.x + pt(SYMBOL + GAP)
    }
}

/// The entries between two places, and how high they are together. A line without a name needs none.
pub(crate) fn entries(plot: &Plot, from: f64, to: f64) -> (Vec<LegendEntry>, f64) {
    let mut out: Vec<LegendEntry> = Vec::new();
    let (mut x, mut top, mut high) = (from, 0.0, 0.0_f64);
    for (sample, name) in names(plot) {
        let lines = wrap(&name, TICK, to - from - pt(SYMBOL + GAP));
        if lines.is_empty() {
            continue;
        }
        let widest = lines.iter().map(|line| width(line, TICK)).fold(0.0, f64::max);
        let wide = pt(SYMBOL + GAP) + widest;
        if x > from && x + wide > to {
            (x, top, high) = (from, top + high, 0.0);
        }
        high = high.max(pt(LINE * TICK) * lines.len() as f64);
        out.push(LegendEntry { sample, lines, x, y: top + pt(LINE * TICK) / 2.0 });
        x += wide + pt(BETWEEN);
    }
    (out, top + high)
}

fn names(plot: &Plot) -> Vec<(LegendSymbol, String)> {
    let mut names = Vec::new();
    for (i, line) in plot.lines.iter().enumerate() {
        let missing = line.points.iter().filter(|p| !p.y.is_finite()).count();
        let name = match missing {
            0 => line.name.clone(),
            _ => format!("{} ({missing} of {} points not finite)", line.name, line.points.len()),
        };
        names.push((LegendSymbol::Line(i), name));
    }
    for (i, level) in plot.levels.iter().enumerate() {
        let name = &level.name;
        let name = if level.y.is_finite() { name.clone() } else { format!("{name} (not finite)") };
        names.push((LegendSymbol::Level(i), name));
    }
    let references = plot.references.iter().enumerate();
    names.extend(references.map(|(i, (name, _))| (LegendSymbol::Reference(i), name.clone())));
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{Line, Point};

    #[test]
    fn entries_flow_into_rows_and_stay_inside() {
        let line = |name: &str| Line { name: name.into(), points: Vec::new() };
        let names = ["pre-trained", "untrained", "a name that is a whole sentence, and then some more", ""];
        let plot = Plot { lines: names.map(line).to_vec(), ..Plot::default() };
        let (entries, high) = entries(&plot, 10.0, 900.0);
        assert_eq!(entries.len(), 3);
        assert_eq!((entries[0].y, entries[0].x), (entries[1].y, 10.0));
        assert!(entries[2].y > entries[1].y && high > entries[2].y);
        for entry in &entries {
            let widest = entry.lines.iter().map(|line| width(line, TICK)).fold(0.0, f64::max);
            assert!(entry.name_at() + widest <= 900.0);
        }
    }

    #[test]
    fn points_that_are_not_finite_are_counted() {
        let point = |y| Point { x: 0.0, y, error: 0.0 };
        let line = Line { name: "a<b".into(), points: vec![point(1.0), point(f64::NAN), point(2.0)] };
        let plot = Plot { lines: vec![line], ..Plot::default() };
        assert_eq!(names(&plot)[0].1, "a<b (1 of 3 points not finite)");
    }
}
