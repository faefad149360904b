//! A line plot as SVG: axes, ticks, markers, bars of deviation, a legend. Legible in print, in
//! colours that the colour-blind can tell apart (Okabe and Ito 2008), with no font of its own.

use std::fmt::Write as _;

use crate::grid::significant;

/// A plot.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plot {
    pub(crate) title: String,
    pub(crate) x_label: String,
    pub(crate) y_label: String,
    /// The name of what tells the lines apart; empty for a single line.
    pub(crate) series: String,
    pub(crate) lines: Vec<Line>,
    /// Horizontal lines: name and height.
    pub(crate) references: Vec<(String, f64)>,
    /// Names of the places 0, 1, 2... on the horizontal axis, where it has no numbers.
    pub(crate) places: Option<Vec<String>>,
}

/// A line with markers.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<Point>,
}

/// A point; the line breaks where `y` is not finite.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) deviation: f64,
}

const COLOURS: [&str; 7] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];
const DASHES: [&str; 3] = ["", " stroke-dasharray=\"7 3\"", " stroke-dasharray=\"2 3\""];

const WIDTH: f64 = 640.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 622.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 344.0;
const LEGEND: f64 = 412.0;
const LEGEND_LINE: f64 = 20.0;

/// The numbers that an axis shows.
struct Axis {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
    digits: usize,
    start: f64,
    end: f64,
}

impl Axis {
    /// An axis through the values, with about `n` ticks at round numbers, drawn from `start` to `end`.
    fn through(values: impl Iterator<Item = f64>, n: f64, whole: bool, (start, end): (f64, f64)) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|v| v.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if high - low <= 1e-12 * high.abs().max(low.abs()) {
            let room = if low == 0.0 || whole { 1.0 } else { 0.1 * low.abs() };
            (low, high) = (low - room, high + room);
        }
        let room = 0.05 * (high - low);
        (low, high) = (low - room, high + room);
        let rough = (high - low) / n;
        let power = rough.log10().floor();
        let unit = 10_f64.powf(power);
        let mut step = unit * [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * unit >= rough).unwrap_or(10.0);
        if whole {
            step = step.max(1.0);
        }
        let digits = (-step.log10().floor()).max(0.0) as usize;
        let first = (low / step).ceil() as i64;
        let last = (high / step).floor() as i64;
        let ticks = (first..=last).map(|i| i as f64 * step).collect();
        Self { low, high, ticks, digits, start, end }
    }

    fn at(&self, value: f64) -> f64 {
        self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)
    }

    fn label(&self, tick: f64) -> String {
        if self.digits > 6 || tick.abs() >= 1e7 {
            significant(tick)
        } else {
            format!("{tick:.*}", self.digits)
        }
    }
}

/// Draws the plot.
pub(crate) fn svg(plot: &Plot) -> String {
    let points = || plot.lines.iter().flat_map(|line| &line.points).filter(|p| p.y.is_finite());
    let heights = points().flat_map(|p| [p.y - p.deviation, p.y + p.deviation]);
    let y = Axis::through(heights.chain(plot.references.iter().map(|r| r.1)), 9.0, false, (BOTTOM, TOP));
    let whole = plot.lines.iter().flat_map(|line| &line.points).all(|p| p.x.fract() == 0.0);
    let xs = plot.lines.iter().flat_map(|line| &line.points).map(|p| p.x);
    let mut x = Axis::through(xs, 14.0, whole, (LEFT, RIGHT));
    if let Some(places) = &plot.places {
        x.ticks = (0..places.len()).map(|i| i as f64).collect();
        (x.low, x.high) = (-0.5, places.len() as f64 - 0.5);
    }
    let entries = legend(plot);
    let height = if entries.is_empty() { LEGEND - 12.0 } else { LEGEND + LEGEND_LINE * entries.len() as f64 };

    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"14\" \
         fill=\"#222\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>"
    );
    let middle = (LEFT + RIGHT) / 2.0;
    if !plot.title.is_empty() {
        text(&mut out, middle, 26.0, "middle", " font-size=\"16\"", &plot.title);
    }
    axes(&mut out, plot, &x, &y);
    for (name, at) in &plot.references {
        let _ = writeln!(
            out,
            "<path d=\"M{LEFT} {h:.2}H{RIGHT}\" stroke=\"#666\" stroke-width=\"1.5\" \
             stroke-dasharray=\"6 4\"><title>{}</title></path>",
            escape(name),
            h = y.at(*at)
        );
    }
    for (i, line) in plot.lines.iter().enumerate() {
        draw(&mut out, i, line, plot.places.is_none(), &x, &y);
    }
    if points().next().is_none() {
        text(&mut out, middle, (TOP + BOTTOM) / 2.0, "middle", "", "no numbers to show");
    }
    for (i, (style, name)) in entries.iter().enumerate() {
        let h = LEGEND + LEGEND_LINE * i as f64;
        match style {
            Some(i) => {
                let _ = writeln!(out, "<path d=\"M{LEFT} {h}h36\" {}/>", stroke(*i));
                marker(&mut out, *i, LEFT + 18.0, h);
            }
            None => {
                let _ = writeln!(
                    out,
                    "<path d=\"M{LEFT} {h}h36\" stroke=\"#666\" stroke-width=\"1.5\" stroke-dasharray=\"6 4\"/>"
                );
            }
        }
        text(&mut out, LEFT + 46.0, h + 5.0, "start", "", name);
    }
    out + "</svg>\n"
}

/// What the legend says: the number of a line (`None` for a reference) and its name.
fn legend(plot: &Plot) -> Vec<(Option<usize>, String)> {
    let mut entries = Vec::new();
    for (i, line) in plot.lines.iter().enumerate() {
        let missing = line.points.iter().filter(|p| !p.y.is_finite()).count();
        let mut name = match plot.series.as_str() {
            "" => String::new(),
            series => format!("{series} {}", line.name),
        };
        if missing > 0 {
            name = format!("{name} ({missing} of {} points not finite)", line.points.len());
        }
        if !name.is_empty() {
            entries.push((Some(i), name.trim().to_owned()));
        }
    }
    entries.extend(plot.references.iter().map(|(name, _)| (None, name.clone())));
    entries
}

fn axes(out: &mut String, plot: &Plot, x: &Axis, y: &Axis) {
    for tick in &y.ticks {
        let h = y.at(*tick);
        let _ = writeln!(out, "<path d=\"M{LEFT} {h:.2}H{RIGHT}\" stroke=\"#ddd\"/>");
        text(out, LEFT - 10.0, h + 5.0, "end", "", &y.label(*tick));
    }
    for (i, tick) in x.ticks.iter().enumerate() {
        let at = x.at(*tick);
        let _ = writeln!(out, "<path d=\"M{at:.2} {BOTTOM}v5\" stroke=\"#222\"/>");
        let name = match &plot.places {
            Some(places) => places[i].clone(),
            None => x.label(*tick),
        };
        text(out, at, BOTTOM + 21.0, "middle", "", &name);
    }
    let _ = writeln!(out, "<path d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\" fill=\"none\" stroke=\"#222\"/>");
    text(out, (LEFT + RIGHT) / 2.0, BOTTOM + 44.0, "middle", "", &plot.x_label);
    let h = (TOP + BOTTOM) / 2.0;
    text(out, 22.0, h, "middle", &format!(" transform=\"rotate(-90 22 {h})\""), &plot.y_label);
}

/// Markers with their bars of deviation, on a line where the places between them mean something.
fn draw(out: &mut String, i: usize, line: &Line, joined: bool, x: &Axis, y: &Axis) {
    let mut path = String::new();
    let mut drawn = false;
    for point in &line.points {
        if point.y.is_finite() {
            let _ =
                write!(path, "{}{:.2} {:.2}", if drawn { 'L' } else { 'M' }, x.at(point.x), y.at(point.y));
        }
        drawn = point.y.is_finite();
    }
    if joined {
        let _ = writeln!(out, "<path d=\"{path}\" {}/>", stroke(i));
    }
    for point in line.points.iter().filter(|p| p.y.is_finite()) {
        let (at, h) = (x.at(point.x), y.at(point.y));
        if point.deviation > 0.0 && point.deviation.is_finite() {
            let (top, bottom) = (y.at(point.y + point.deviation), y.at(point.y - point.deviation));
            let _ = writeln!(
                out,
                "<path d=\"M{at:.2} {top:.2}V{bottom:.2}M{:.2} {top:.2}h8M{:.2} {bottom:.2}h8\" \
                 stroke=\"{}\" stroke-width=\"1.2\"/>",
                at - 4.0,
                at - 4.0,
                COLOURS[i % COLOURS.len()]
            );
        }
        marker(out, i, at, h);
    }
}

/// The stroke of a line by its number; lines beyond the last colour are dashed.
fn stroke(i: usize) -> String {
    let dash = DASHES[i / COLOURS.len() % DASHES.len()];
    format!("fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{dash}", COLOURS[i % COLOURS.len()])
}

/// A marker by the number of its line: also without colours, neighbours differ.
fn marker(out: &mut String, i: usize, x: f64, y: f64) {
    let colour = COLOURS[i % COLOURS.len()];
    let shape = match i % 4 {
        0 => format!("<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"4\""),
        1 => format!("<rect x=\"{:.2}\" y=\"{:.2}\" width=\"7.6\" height=\"7.6\"", x - 3.8, y - 3.8),
        2 => format!("<path d=\"M{x:.2} {:.2}l4.6 8h-9.2z\"", y - 5.0),
        _ => format!("<path d=\"M{x:.2} {:.2}l5 5l-5 5l-5 -5z\"", y - 5.0),
    };
    let _ = writeln!(out, "{shape} fill=\"{colour}\" stroke=\"#fff\" stroke-width=\"0.8\"/>");
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, more: &str, text: &str) {
    let text = escape(text);
    let _ = writeln!(out, "<text x=\"{x:.2}\" y=\"{y:.2}\" text-anchor=\"{anchor}\"{more}>{text}</text>");
}

/// Text in which XML sees nothing special; characters that XML cannot hold are left out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\r' | '\t' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let axis = Axis::through([0.31, 0.77].into_iter(), 6.0, false, (0.0, 1.0));
        let labels: Vec<String> = axis.ticks.iter().map(|t| axis.label(*t)).collect();
        assert_eq!(labels, ["0.3", "0.4", "0.5", "0.6", "0.7"]);
        let layers = Axis::through((0..=3).map(f64::from), 10.0, true, (0.0, 1.0));
        assert_eq!(layers.ticks, [0.0, 1.0, 2.0, 3.0]);
        let nothing = Axis::through([f64::NAN].into_iter(), 6.0, false, (0.0, 1.0));
        assert!(nothing.ticks.iter().all(|t| t.is_finite()));
    }

    #[test]
    fn a_point_that_is_not_finite_breaks_the_line_and_is_counted() {
        let point = |x: f64, y| Point { x, y, deviation: 0.0 };
        let line =
            Line { name: "a<b".into(), points: vec![point(0.0, 1.0), point(1.0, f64::NAN), point(2.0, 2.0)] };
        let plot = Plot { series: "model".into(), lines: vec![line], ..Plot::default() };
        let drawn = svg(&plot);
        assert!(drawn.contains("model a&lt;b (1 of 3 points not finite)"));
        assert!(!drawn.contains("NaN") && !drawn.contains('L'), "{drawn}");
    }
}
