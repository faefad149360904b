//! What a figure shows, before it has a place on paper.

use crate::figure_params::{FigureStyle, PlotKind, Scale};

/// A plot.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plot {
    pub(crate) title: String,
    pub(crate) x_label: String,
    pub(crate) y_label: String,
    pub(crate) kind: PlotKind,
    /// The series, in the order of the legend.
    pub(crate) lines: Vec<Line>,
    /// Series that have no place along the horizontal axis.
    pub(crate) levels: Vec<Level>,
    /// Horizontal lines: name and height.
    pub(crate) references: Vec<(String, f64)>,
    /// Names of the places 0, 1, 2... on the horizontal axis, where it has no numbers.
    pub(crate) places: Option<Vec<String>>,
    /// How the axes run.
    pub(crate) x_scale: Scale,
    pub(crate) y_scale: Scale,
    /// Whether the horizontal axis runs from high to low.
    pub(crate) reverse: bool,
    /// Where the vertical axis begins.
    pub(crate) y_from: Option<f64>,
    /// Paragraphs below.
    pub(crate) notes: Vec<String>,
    /// Whether title and notes are drawn.
    pub(crate) style: FigureStyle,
}

/// A line with markers, or the bars of one colour.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// What the legend says; empty for a single line.
    pub(crate) name: String,
    pub(crate) points: Vec<Point>,
}

/// A point; the line breaks where `y` is not finite.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// The error bar's length, up and down; 0 for none.
    pub(crate) error: f64,
}

/// A horizontal line, in a band of its error.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Level {
    pub(crate) name: String,
    pub(crate) y: f64,
    pub(crate) error: f64,
}

impl Plot {
    /// Whether there is nothing to see.
    pub(crate) fn is_empty(&self) -> bool {
        !self.lines.iter().flat_map(|line| &line.points).any(|p| p.y.is_finite())
            && !self.levels.iter().any(|level| level.y.is_finite())
    }

    /// The height of everything that is drawn, ends of error bars too.
    pub(crate) fn heights(&self) -> impl Iterator<Item = f64> {
        let points = self.lines.iter().flat_map(|line| &line.points).map(|p| (p.y, p.error));
        let levels = self.levels.iter().map(|level| (level.y, level.error));
        let ends = points.chain(levels).filter(|(y, _)| y.is_finite()).flat_map(|(y, error)| {
            let error = if error.is_finite() { error } else { 0.0 };
            [y - error, y + error]
        });
        // On a scale of ratios an error bar that reaches 0 ends at the edge.
        let ends = ends.filter(|y| self.y_scale == Scale::Linear || *y > 0.0);
        ends.chain(self.references.iter().map(|r| r.1))
    }
}
