//! Where the parts of a plot go, so that no text leaves the picture and none lies on another.

use crate::axis::Axis;
use crate::legend::{Entry, entries};
use crate::measure::{LINE, TEXT, shorten, width, wrap};
use crate::svg::Plot;

/// The size of the heading's letters.
pub(crate) const HEADING: f64 = 16.0;
/// The sine and the cosine of the angle at which long names of places are written.
const SLOPE: f64 = std::f64::consts::FRAC_1_SQRT_2;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
/// The room right of the plot.
const MARGIN: f64 = 18.0;
/// The widest name of a place; the rest of a longer one is cut off.
const NAME: f64 = 200.0;
/// How near sloping names of places may be.
const NEAR: f64 = 22.0;

/// The measures of a picture, in pixels.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// The frame of the plot itself.
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// The heading, the labels of the axes, the names of places: cut into lines, or cut off.
    pub(crate) title: Vec<String>,
    pub(crate) x_label: Vec<String>,
    pub(crate) y_label: Vec<String>,
    pub(crate) places: Option<Vec<String>>,
    /// Whether the names of places slope, as they would overlap otherwise.
    pub(crate) sloping: bool,
    /// Where the first line of the horizontal axis' label is.
    pub(crate) x_label_at: f64,
    /// Where the first entry of the legend is.
    pub(crate) legend_at: f64,
    pub(crate) legend: Vec<Entry>,
}

impl Layout {
    /// The layout of a plot.
    pub(crate) fn of(plot: &Plot) -> Self {
        let y = vertical(plot);
        let y_label = wrap(&plot.y_label, TEXT, HEIGHT);
        let y_lines = y_label.len().max(1) as f64;
        let mut left = (26.0 + LINE * (y_lines - 1.0) + y.widest() + 20.0).max(60.0);

        let places: Option<Vec<String>> =
            plot.places.as_ref().map(|names| names.iter().map(|n| shorten(n, TEXT, NAME)).collect());
        let names = || places.iter().flatten();
        let count = names().count() as f64;
        let widest = names().map(|name| width(name, TEXT)).fold(0.0, f64::max);
        let sloping = count > 0.0 && widest + 10.0 > (WIDTH - MARGIN - left) / count;
        let mut right = WIDTH - MARGIN;
        if sloping {
            // A sloping name ends at its tick and begins left of it, in the picture nevertheless.
            right = right.max(left + NEAR * count);
            let slot = (right - left - NAME * SLOPE).max(0.0) / count;
            for (i, name) in names().enumerate() {
                left = left.max(6.0 + width(name, TEXT) * SLOPE - (i as f64 + 0.5) * slot);
            }
            right = right.max(left + NEAR * count);
        }
        let x = horizontal(plot, right - left);
        if places.is_none() {
            // The label of the last tick may begin at the very edge.
            right -= (x.widest() / 2.0 + 4.0 - MARGIN).max(0.0);
        }
        let picture = right.max(WIDTH - MARGIN) + MARGIN;

        let title = wrap(&plot.title, HEADING, picture - 32.0);
        let top = 44.0 + (LINE + 2.0) * (title.len().max(1) - 1) as f64;
        let bottom = top + HEIGHT;
        let drop = if sloping { 14.0 + widest * SLOPE } else { 21.0 };
        let x_label = wrap(&plot.x_label, TEXT, right - left);
        let x_label_at = bottom + drop + 23.0;
        let legend_at = x_label_at + LINE * (x_label.len().max(1) - 1) as f64 + 24.0;
        let legend = entries(plot, picture);
        let height = match legend.iter().map(Entry::height).sum::<f64>() {
            0.0 => legend_at - 12.0,
            entries => legend_at + entries,
        };
        Self {
            width: picture,
            height: height.ceil(),
            left,
            right,
            top,
            bottom,
            x: x.drawn(left, right),
            y: y.drawn(bottom, top),
            title,
            x_label,
            y_label,
            places,
            sloping,
            x_label_at,
            legend_at,
            legend,
        }
    }
}

/// Through all that is drawn, bars and references too.
fn vertical(plot: &Plot) -> Axis {
    let spread = |y: f64, deviation: f64| {
        let deviation = if deviation.is_finite() { deviation } else { 0.0 };
        [y - deviation, y + deviation]
    };
    let points = plot.lines.iter().flat_map(|line| &line.points).filter(|p| p.y.is_finite());
    let heights = points.flat_map(|p| spread(p.y, p.deviation));
    let levels = plot.levels.iter().filter(|l| l.y.is_finite()).flat_map(|l| spread(l.y, l.deviation));
    Axis::through(heights.chain(levels).chain(plot.references.iter().map(|r| r.1)), 9.0, false)
}

/// With as many ticks as there is room for their labels.
fn horizontal(plot: &Plot, room: f64) -> Axis {
    let xs = || plot.lines.iter().flat_map(|line| &line.points).map(|p| p.x);
    let whole = xs().all(|x| x.fract() == 0.0);
    let mut axis = Axis::through(xs(), 14.0, whole);
    if let Some(places) = &plot.places {
        axis.ticks = (0..places.len()).map(|i| i as f64).collect();
        (axis.low, axis.high) = (-0.5, places.len() as f64 - 0.5);
        return axis;
    }
    for n in [10.0, 7.0, 5.0, 3.0, 2.0] {
        if axis.ticks.len() as f64 * (axis.widest() + 14.0) <= room {
            break;
        }
        axis = Axis::through(xs(), n, whole);
    }
    if xs().next().is_none() {
        axis.ticks.clear();
    }
    axis
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::svg::{Line, Point};

    #[test]
    fn names_of_places_slope_before_they_overlap_and_stay_in_the_picture() {
        let places = |names: &[&str]| {
            let points = (0..names.len()).map(|i| Point { x: i as f64, y: 0.5, deviation: 0.0 });
            let line = Line { name: String::new(), points: points.collect() };
            let places = Some(names.iter().map(|&name| name.to_owned()).collect());
            Layout::of(&Plot { lines: vec![line], places, ..Plot::default() })
        };
        assert!(!places(&["ar", "bert"]).sloping);
        let long = places(&["pre-trained, fine-tuned and probed with a very long name"; 9]);
        assert!(long.sloping);
        for (tick, name) in long.x.ticks.iter().zip(long.places.iter().flatten()) {
            assert!(long.x.at(*tick) - SLOPE * width(name, TEXT) >= 0.0);
        }
        let many = places(&["m"; 90]);
        assert!(many.width > WIDTH && many.x.at(1.0) - many.x.at(0.0) >= NEAR - 1e-9);
    }

    #[test]
    fn labels_of_ticks_have_room() {
        let points = (0..20).map(|i| Point { x: 1e6 * f64::from(i), y: 0.5, deviation: 0.0 });
        let line = Line { name: String::new(), points: points.collect() };
        let layout = Layout::of(&Plot { lines: vec![line], ..Plot::default() });
        let ticks = &layout.x.ticks;
        assert!(ticks.len() > 2 && layout.x.at(ticks[1]) - layout.x.at(ticks[0]) > layout.x.widest() + 8.0);
    }
}
