//! A line plot as SVG: axes, ticks, markers, bars of deviation, a legend. Legible in print, in
//! colours that the colour-blind can tell apart (Okabe and Ito 2008), with no font of its own.

use std::fmt::Write as _;

use crate::layout::{HEADING, Layout};
use crate::legend::{NAMES, SAMPLES, Sample};
use crate::measure::LINE;

/// A plot.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plot {
    pub(crate) title: String,
    pub(crate) x_label: String,
    pub(crate) y_label: String,
    /// The name of what tells the lines apart; empty for a single line.
    pub(crate) series: String,
    pub(crate) lines: Vec<Line>,
    /// Series that have no place along the horizontal axis.
    pub(crate) levels: Vec<Level>,
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

/// A horizontal line, in a band of its deviation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Level {
    pub(crate) name: String,
    pub(crate) y: f64,
    pub(crate) deviation: f64,
}

const COLOURS: [&str; 7] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];
const DASHES: [&str; 3] = ["", " stroke-dasharray=\"7 3\"", " stroke-dasharray=\"2 3\""];
const GREYS: [&str; 3] = ["6 4", "2 3", "12 3 2 3"];

/// Draws the plot.
pub(crate) fn svg(plot: &Plot) -> String {
    let at = Layout::of(plot);
    let (width, height) = (at.width, at.height);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" \
         font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"14\" fill=\"#222\">\n\
         <rect width=\"{width:.0}\" height=\"{height:.0}\" fill=\"#fff\"/>"
    );
    for (i, line) in at.title.iter().enumerate() {
        let size = format!(" font-size=\"{HEADING}\"");
        text(&mut out, width / 2.0, 26.0 + (LINE + 2.0) * i as f64, "middle", &size, line);
    }
    let empty = !plot.lines.iter().flat_map(|line| &line.points).any(|p| p.y.is_finite())
        && !plot.levels.iter().any(|level| level.y.is_finite());
    axes(&mut out, plot, &at, empty && plot.references.is_empty());
    for (i, (name, value)) in plot.references.iter().enumerate() {
        let _ = writeln!(
            out,
            "<path d=\"M{:.2} {:.2}H{:.2}\" {}><title>{}</title></path>",
            at.left,
            at.y.at(*value),
            at.right,
            grey(i),
            escape(name),
        );
    }
    for (i, level) in plot.levels.iter().enumerate().filter(|(_, level)| level.y.is_finite()) {
        draw_level(&mut out, plot.lines.len() + i, level, &at);
    }
    for (i, line) in plot.lines.iter().enumerate() {
        draw(&mut out, i, line, plot.places.is_none(), &at);
    }
    if empty {
        let (x, y) = ((at.left + at.right) / 2.0, (at.top + at.bottom) / 2.0);
        text(&mut out, x, y, "middle", "", "no numbers to show");
    }
    draw_legend(&mut out, plot, &at);
    out + "</svg>\n"
}

fn axes(out: &mut String, plot: &Plot, at: &Layout, empty: bool) {
    let Layout { left, right, top, bottom, .. } = *at;
    for tick in at.y.ticks.iter().filter(|_| !empty) {
        let h = at.y.at(*tick);
        let _ = writeln!(out, "<path d=\"M{left:.2} {h:.2}H{right:.2}\" stroke=\"#ddd\"/>");
        text(out, left - 10.0, h + 5.0, "end", "", &at.y.label(*tick));
    }
    for (i, tick) in at.x.ticks.iter().enumerate() {
        let x = at.x.at(*tick);
        let _ = writeln!(out, "<path d=\"M{x:.2} {bottom:.2}v5\" stroke=\"#222\"/>");
        let Some((place, whole)) = at.places.as_ref().zip(plot.places.as_ref()).map(|(a, b)| (&a[i], &b[i]))
        else {
            text(out, x, bottom + 21.0, "middle", "", &at.x.label(*tick));
            continue;
        };
        if place != whole {
            let _ = writeln!(out, "<g><title>{}</title>", escape(whole));
        }
        if at.sloping {
            let (x, h) = (x + 4.0, bottom + 16.0);
            text(out, x, h, "end", &format!(" transform=\"rotate(-45 {x:.2} {h:.2})\""), place);
        } else {
            text(out, x, bottom + 21.0, "middle", "", place);
        }
        if place != whole {
            out.push_str("</g>\n");
        }
    }
    let _ = writeln!(
        out,
        "<path d=\"M{left:.2} {top:.2}V{bottom:.2}H{right:.2}\" fill=\"none\" stroke=\"#222\"/>"
    );
    for (i, line) in at.x_label.iter().enumerate() {
        text(out, (left + right) / 2.0, at.x_label_at + LINE * i as f64, "middle", "", line);
    }
    let h = (top + bottom) / 2.0;
    for (i, line) in at.y_label.iter().enumerate() {
        let x = 22.0 + LINE * i as f64;
        text(out, x, h, "middle", &format!(" transform=\"rotate(-90 {x} {h})\""), line);
    }
}

/// Markers with their bars of deviation, on a line where the places between them mean something.
fn draw(out: &mut String, i: usize, line: &Line, joined: bool, at: &Layout) {
    let mut path = String::new();
    let mut drawn = false;
    for point in &line.points {
        if point.y.is_finite() {
            let step = if drawn { 'L' } else { 'M' };
            let _ = write!(path, "{step}{:.2} {:.2}", at.x.at(point.x), at.y.at(point.y));
        }
        drawn = point.y.is_finite();
    }
    if joined {
        let _ = writeln!(out, "<path d=\"{path}\" {}/>", stroke(i));
    }
    for point in line.points.iter().filter(|p| p.y.is_finite()) {
        let (x, h) = (at.x.at(point.x), at.y.at(point.y));
        if point.deviation > 0.0 && point.deviation.is_finite() {
            let (top, bottom) = (at.y.at(point.y + point.deviation), at.y.at(point.y - point.deviation));
            let _ = writeln!(
                out,
                "<path d=\"M{x:.2} {top:.2}V{bottom:.2}M{:.2} {top:.2}h8M{:.2} {bottom:.2}h8\" \
                 stroke=\"{}\" stroke-width=\"1.2\"/>",
                x - 4.0,
                x - 4.0,
                COLOURS[i % COLOURS.len()]
            );
        }
        marker(out, i, x, h);
    }
}

fn draw_level(out: &mut String, i: usize, level: &Level, at: &Layout) {
    if level.deviation > 0.0 && level.deviation.is_finite() {
        let (top, bottom) = (at.y.at(level.y + level.deviation), at.y.at(level.y - level.deviation));
        let _ = writeln!(
            out,
            "<rect x=\"{:.2}\" y=\"{top:.2}\" width=\"{:.2}\" height=\"{:.2}\" fill=\"{}\" \
             fill-opacity=\"0.12\"/>",
            at.left,
            at.right - at.left,
            bottom - top,
            COLOURS[i % COLOURS.len()]
        );
    }
    let h = at.y.at(level.y);
    let _ = writeln!(out, "<path d=\"M{:.2} {h:.2}H{:.2}\" {}/>", at.left, at.right, dashed(i));
}

fn draw_legend(out: &mut String, plot: &Plot, at: &Layout) {
    let mut h = at.legend_at;
    for entry in &at.legend {
        let style = match entry.sample {
            Sample::Line(i) => stroke(i),
            Sample::Level(i) => dashed(plot.lines.len() + i),
            Sample::Reference(i) => grey(i),
        };
        let _ = writeln!(out, "<path d=\"M{SAMPLES} {h:.2}h36\" {style}/>");
        if let Sample::Line(i) = entry.sample {
            marker(out, i, SAMPLES + 18.0, h);
        }
        for (i, line) in entry.lines.iter().enumerate() {
            text(out, NAMES, h + 5.0 + LINE * i as f64, "start", "", line);
        }
        h += entry.height();
    }
}

/// The stroke of a line by its number; lines beyond the last colour are dashed.
fn stroke(i: usize) -> String {
    let dash = DASHES[i / COLOURS.len() % DASHES.len()];
    format!("fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{dash}", COLOURS[i % COLOURS.len()])
}

/// The stroke of a level; its colour goes on where those of the lines end.
fn dashed(i: usize) -> String {
    let colour = COLOURS[i % COLOURS.len()];
    format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"9 5\"")
}

/// The stroke of what others published.
fn grey(i: usize) -> String {
    let dash = GREYS[i % GREYS.len()];
    format!("fill=\"none\" stroke=\"#666\" stroke-width=\"1.5\" stroke-dasharray=\"{dash}\"")
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
