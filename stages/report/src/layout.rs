//! Where the parts of a plot go, so that no text leaves the picture and none lies on another. A
//! picture is as wide as a column of a paper; all measures are dots, but for sizes of text.

use igpt_plot::{COLUMN, Size, mm, pt, shorten, width, wrap};

use crate::axis::Axis;
use crate::figure_params::{PlotKind, Scale};
use crate::legend::{LegendEntry, entries};
use crate::plot::Plot;
use crate::text_size::{LABEL, LINE, NOTE, TICK, TITLE};

/// The height of the plot itself, in millimetres.
const HEIGHT: f64 = 44.0;
/// The room at the picture's edges.
const MARGIN: f64 = 14.0;
/// The longest name of a place that is turned, in millimetres; the rest of a longer one is cut off.
const NAME: f64 = 28.0;

/// The measures of a picture.
#[derive(Debug, Clone)]
pub(crate) struct PlotLayout {
    pub(crate) size: Size,
    /// The frame of the plot itself.
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// The heading and the labels of the axes, cut into lines.
    pub(crate) title: Vec<String>,
    pub(crate) x_label: Vec<String>,
    pub(crate) y_label: Vec<String>,
    /// Names of places, cut into lines or cut off.
    pub(crate) places: Option<Vec<Vec<String>>>,
    /// Whether the names of places are turned, as they would overlap otherwise.
    pub(crate) turned: bool,
    /// The middle of the first line of the horizontal axis' label.
    pub(crate) x_label_at: f64,
    /// The top of the legend, and its entries.
    pub(crate) legend_at: f64,
    pub(crate) legend: Vec<LegendEntry>,
    /// The middle of the first line of the notes.
    pub(crate) notes_at: f64,
    pub(crate) notes: Vec<String>,
}

impl PlotLayout {
    /// The layout of a plot.
    pub(crate) fn of(plot: &Plot) -> Self {
        let line = |size: f64| pt(LINE * size);
        let lines = |lines: &[String], size: f64| line(size) * lines.len() as f64;
        let height = f64::from(mm(HEIGHT));
        let y = vertical(plot);
        let y_label = wrap(&plot.y_label, LABEL, height);
        let left = MARGIN + lines(&y_label, LABEL) + pt(2.0) + y.widest() + pt(5.0);

        // Named places need room, and a picture of many is wider than a column.
        let count = plot.places.as_ref().map_or(0, Vec::len) as f64;
        let series = if plot.kind == PlotKind::Bars { plot.lines.len().max(1) as f64 } else { 1.0 };
        let column = f64::from(COLUMN) - MARGIN;
        let mut right = column.max(left + count * series.max(1.0) * line(TICK));
        let x = horizontal(plot, right - left);
        if plot.places.is_none() {
            // The label of the last tick may begin at the very edge.
            right -= (x.widest() / 2.0 - MARGIN).max(0.0);
        }
        let picture = right.max(column) + MARGIN;

        let slot = (right - left) / count.max(1.0) - pt(2.5);
        let words = || plot.places.iter().flatten().flat_map(|name| name.split_whitespace());
        let turned = words().any(|word| width(word, TICK) > slot);
        let places: Option<Vec<Vec<String>>> = plot.places.as_ref().map(|names| {
            let short = |name: &String| vec![shorten(name, TICK, f64::from(mm(NAME)))];
            let cut = |name: &String| wrap(name, TICK, slot);
            names.iter().map(|name| if turned { short(name) } else { cut(name) }).collect()
        });
        let drop = match &places {
            None => line(TICK),
            Some(names) if turned => names.iter().flatten().map(|name| width(name, TICK)).fold(0.0, f64::max),
            Some(names) => names.iter().map(|name| lines(name, TICK)).fold(0.0, f64::max),
        };

        let title = wrap(&plot.title, TITLE * 1.12, picture - 2.0 * MARGIN);
        let top = MARGIN + lines(&title, TITLE) + pt(4.0);
        let bottom = top + height;
        let x_label = wrap(&plot.x_label, LABEL, right - left);
        let x_label_top = bottom + pt(5.0) + drop + pt(1.0);
        let legend_at = x_label_top + lines(&x_label, LABEL) + pt(2.0);
        let (legend, legend_height) = entries(plot, MARGIN, picture - MARGIN);
        let notes_top = legend_at + legend_height + pt(3.0);
        let notes: Vec<String> =
            plot.notes.iter().flat_map(|note| wrap(note, NOTE, picture - 2.0 * MARGIN)).collect();
        let end = if notes.is_empty() { legend_at + legend_height } else { notes_top + lines(&notes, NOTE) };
        Self {
            size: Size { width: picture.ceil() as u32, height: (end + MARGIN).ceil() as u32 },
            left: left.round(),
            right: right.round(),
            top: top.round(),
            bottom: bottom.round(),
            x,
            y,
            title,
            x_label,
            y_label,
            places,
            turned,
            x_label_at: x_label_top + line(LABEL) / 2.0,
            legend_at,
            legend,
            notes_at: notes_top + line(NOTE) / 2.0,
            notes,
        }
    }
}

/// Through all that is drawn, error bars and references too. Bars begin at 0, and leave room for the
/// numbers above them.
fn vertical(plot: &Plot) -> Axis {
    // A number that is wider than its bar stands upright.
    let upright = plot.places.as_ref().map_or(0, Vec::len) * plot.lines.len() > 9;
    if plot.y_scale == Scale::Log {
        return Axis::ratios(plot.heights().chain(plot.y_from), 9.0);
    }
    let mut axis = Axis::through(plot.heights(), 9.0, false);
    let lowest = plot.heights().fold(f64::INFINITY, f64::min);
    let begins = plot.y_from.or((plot.kind == PlotKind::Bars).then_some(0.0));
    if let Some(begins) = begins {
        axis.low = if lowest < begins { axis.low } else { begins };
    }
    if plot.kind == PlotKind::Bars {
        axis.high += if upright { 0.16 } else { 0.08 } * (axis.high - axis.low);
    }
    let mut axis = Axis::over(axis.low, axis.high, 9.0, false);
    if plot.is_empty() && plot.references.is_empty() {
        axis.ticks.clear();
    }
    axis
}

/// With as many ticks as there is room for their labels.
fn horizontal(plot: &Plot, room: f64) -> Axis {
    if let Some(places) = &plot.places {
        return Axis::places(places.len());
    }
    let xs = || plot.lines.iter().flat_map(|line| &line.points).map(|p| p.x);
    if plot.x_scale == Scale::Log {
        let ratios = |n| {
            let mut axis = Axis::ratios(xs(), n);
            axis.reverse = plot.reverse;
            axis
        };
        let fits = |axis: &Axis| axis.ticks.len() as f64 * (axis.widest() + pt(6.0)) <= room;
        return [10.0, 7.0, 5.0].map(ratios).into_iter().find(fits).unwrap_or_else(|| ratios(3.0));
    }
    let whole = xs().all(|x| x.fract() == 0.0);
    let mut axis = Axis::through(xs(), 14.0, whole);
    for n in [10.0, 7.0, 5.0, 3.0, 2.0] {
        if axis.ticks.len() as f64 * (axis.widest() + pt(6.0)) <= room {
            break;
        }
        axis = Axis::through(xs(), n, whole);
    }
    if xs().next().is_none() {
        axis.ticks.clear();
    }
    axis.reverse = plot.reverse;
    axis
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{Line, Point};

    fn plot(xs: impl Iterator<Item = f64>, places: Option<Vec<String>>) -> Plot {
        let points = xs.map(|x| Point { x, y: 0.5, error: 0.0 }).collect();
        Plot { lines: vec![Line { name: String::new(), points }], places, ..Plot::default() }
    }

    #[test]
    fn names_of_places_are_turned_before_they_overlap() {
        let places = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            PlotLayout::of(&plot((0..names.len()).map(|i| i as f64), Some(names)))
        };
        assert!(!places(&["ar", "bert"]).turned);
        let broken = places(&["linear probe"; 6]);
        assert!(!broken.turned && broken.places.unwrap()[0] == ["linear", "probe"]);
        let long = places(&["pre-trained_fine-tuned_and_probed_with_a_very_long_name"; 9]);
        assert!(long.turned);
        let room = long.x_label_at - long.bottom;
        assert!(long.places.iter().flatten().flatten().all(|name| width(name, TICK) < room));
        let many = places(&["m"; 90]);
        assert!(many.size.width > COLUMN && (many.right - many.left) / 90.0 >= pt(TICK));
    }

    #[test]
    fn labels_of_ticks_have_room() {
        let layout = PlotLayout::of(&plot((0..20).map(|i| 1e6 * f64::from(i)), None));
        assert_eq!(layout.size.width, COLUMN);
        let ticks = &layout.x.ticks;
        let scale = (layout.right - layout.left) / (layout.x.high - layout.x.low);
        assert!(ticks.len() > 2 && scale * (ticks[1] - ticks[0]) > layout.x.widest() + pt(3.0));
    }

    #[test]
    fn bars_begin_at_zero_unless_they_are_told_otherwise_and_never_hide_a_number() {
        let bars =
            |y_from| Plot { kind: PlotKind::Bars, y_from, ..plot([0.0].into_iter(), Some(vec!["a".into()])) };
        assert_eq!(vertical(&bars(None)).low, 0.0);
        assert_eq!(vertical(&bars(Some(0.4))).low, 0.4);
        assert!(vertical(&bars(Some(0.6))).low < 0.5);
    }
}
