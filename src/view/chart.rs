//! Curves as a chart: a drawing that needs no script, and its data for the script that can zoom.

use igpt_contract::Curve;
use maud::{Markup, html};
use serde::Serialize;

use super::data::data;
use super::thin::thin;
use super::ticks::{powers, ticks};
use crate::report::number;

/// How many points of a curve a page has, and how many curves a chart has.
pub(crate) const POINTS: usize = 1000;
pub(crate) const CURVES: usize = 24;

const WIDTH: f64 = 680.0;
const HEIGHT: f64 = 268.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;

/// Curves of one name.
#[derive(Debug)]
pub(crate) struct Chart {
    /// The element's id.
    pub(crate) id: String,
    /// The name of the curves.
    pub(crate) title: String,
    pub(crate) series: Vec<Series>,
}

/// A curve.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) label: String,
    /// The step that it is of.
    pub(crate) href: Option<String>,
    /// For live pages: what its points are sent under.
    pub(crate) id: String,
    pub(crate) points: Curve,
}

#[derive(Serialize)]
struct SeriesData<'a> {
    id: &'a str,
    label: &'a str,
    x: Vec<Option<f64>>,
    y: Vec<Option<f64>>,
}

impl Chart {
    /// The chart with a legend that links to the steps.
    pub(crate) fn render(&self) -> Markup {
        let shown = &self.series[..self.series.len().min(CURVES)];
        let thinned: Vec<Curve> = shown.iter().map(|series| thin(&series.points, POINTS)).collect();
        let series: Vec<SeriesData<'_>> = shown
            .iter()
            .zip(&thinned)
            .map(|(series, points)| SeriesData {
                id: &series.id,
                label: &series.label,
                x: points.iter().map(|(x, _)| rounded(*x)).collect(),
                y: points.iter().map(|(_, y)| rounded(*y)).collect(),
            })
            .collect();
        html! {
            figure.chart id=(self.id) {
                figcaption { (self.title) }
                @let log_x = is_spread(&thinned);
                div.plot data-log-x[log_x] { (draw(&thinned, &self.summary(&thinned), log_x)) }
                ul.legend {
                    @for (n, series) in shown.iter().enumerate() {
                        li {
                            svg width="26" height="10" aria-hidden="true" {
                                path class={ "curve s" (n % 8) " d" (n / 8) } d="M1 5H25" {}
                            }
                            @if let Some(href) = &series.href { a href=(href) { (series.label) } } @else { (series.label) }
                        }
                    }
                    @if self.series.len() > CURVES { li { "and " (self.series.len() - CURVES) " more, which are not drawn" } }
                }
                (data(&series))
            }
        }
    }

    /// What the drawing shows, for who does not see it.
    fn summary(&self, thinned: &[Curve]) -> String {
        let ends = thinned.iter().zip(&self.series).take(4).filter_map(|(points, series)| {
            let finite = || points.iter().filter(|(_, y)| y.is_finite());
            let (first, last) = (finite().next()?, finite().next_back()?);
            Some(format!(
                "{}: {} at {}, {} at {}",
                series.label,
                number(first.1),
                first.0,
                number(last.1),
                last.0
            ))
        });
        format!("{}. {}", self.title, ends.collect::<Vec<_>>().join("; "))
    }
}

/// Six digits: more than a pixel shows. None for what is no number.
fn rounded(value: f64) -> Option<f64> {
    value.is_finite().then(|| format!("{value:.5e}").parse().unwrap_or(value))
}

/// Whether the values along the axis are spread over powers of ten, as those of a search are.
fn is_spread(curves: &[Curve]) -> bool {
    let mut all: Vec<f64> = curves.iter().flatten().map(|(x, _)| *x).collect();
    all.sort_by(f64::total_cmp);
    let (Some(low), Some(high)) = (all.first(), all.last()) else { return false };
    *low > 0.0 && high.is_finite() && high / low >= 100.0 && all[all.len() / 2] < 0.2 * high
}

fn draw(curves: &[Curve], summary: &str, log_x: bool) -> Markup {
    let finite = || curves.iter().flatten().filter(|(x, y)| x.is_finite() && y.is_finite());
    let range = |of: fn(&(f64, f64)) -> f64| {
        let (low, high) = finite()
            .map(of)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        match high - low {
            width if width > 0.0 => (low, high),
            // One value, or none at all.
            _ if low.is_finite() => (low - low.abs().max(1.0) * 0.1, low + low.abs().max(1.0) * 0.1),
            _ => (0.0, 1.0),
        }
    };
    let (x, y) = (range(|point| point.0), range(|point| point.1));
    let along = |value: f64| match log_x {
        true => (value / x.0).ln() / (x.1 / x.0).ln(),
        false => (value - x.0) / (x.1 - x.0),
    };
    let at_x = |value: f64| LEFT + along(value) * (WIDTH - LEFT - RIGHT);
    let ticks_x = if log_x { powers(x.0, x.1) } else { ticks(x.0, x.1, 7) };
    let at_y = |value: f64| HEIGHT - BOTTOM - (value - y.0) / (y.1 - y.0) * (HEIGHT - TOP - BOTTOM);
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(summary) {
            @for (value, text) in ticks(y.0, y.1, 5) {
                path.grid d={ "M" (LEFT) " " (px(at_y(value))) "H" (WIDTH - RIGHT) } {}
                text.tick x=(LEFT - 6.0) y=(px(at_y(value) + 4.0)) text-anchor="end" { (text) }
            }
            @for (value, text) in &ticks_x {
                path.grid d={ "M" (px(at_x(*value))) " " (TOP) "V" (HEIGHT - BOTTOM) } {}
                text.tick x=(px(at_x(*value))) y=(HEIGHT - BOTTOM + 16.0) text-anchor="middle" { (text) }
            }
            @for (n, points) in curves.iter().enumerate() {
                path class={ "curve s" (n % 8) " d" (n / 8) } d=(path(points, at_x, at_y)) {}
            }
        }
    }
}

/// A line through the points that breaks where there is no number; a point of its own is a cross.
fn path(points: &[(f64, f64)], at_x: impl Fn(f64) -> f64, at_y: impl Fn(f64) -> f64) -> String {
    let mut path = String::new();
    let mut is_begun = false;
    for (n, (x, y)) in points.iter().enumerate() {
        if !(x.is_finite() && y.is_finite()) {
            is_begun = false;
            continue;
        }
        path.push_str(&format!("{}{} {}", if is_begun { 'L' } else { 'M' }, px(at_x(*x)), px(at_y(*y))));
        let is_last = points.get(n + 1).is_none_or(|(x, y)| !(x.is_finite() && y.is_finite()));
        if !is_begun && is_last {
            path.push_str("m-3 -3l6 6m0 -6l-6 6");
        }
        is_begun = true;
    }
    path
}

/// A place with a tenth of a pixel.
fn px(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(label: &str, points: Curve) -> Series {
        Series { label: label.to_owned(), href: None, id: "c".to_owned(), points }
    }

    #[test]
    fn a_hostile_name_is_text_everywhere() {
        let hostile = "</script><img src=x onerror=alert(1)>\"'";
        let series = vec![series(hostile, vec![(0.0, 1.0), (1.0, 2.0)])];
        let chart = Chart { id: "chart-1".into(), title: hostile.to_owned(), series };
        let text = chart.render().into_string();
        assert!(!text.contains("<img") && text.matches("</script>").count() == 1, "{text}");
        assert!(text.contains("\\u003c/script\\u003e"));
    }

    #[test]
    fn gaps_break_the_line_and_odd_curves_are_drawn() {
        let nan = f64::NAN;
        let line = path(&[(0.0, 0.0), (1.0, 1.0), (2.0, nan), (3.0, 1.0)], |x| x, |y| y);
        assert_eq!(line, "M0 0L1 1M3 1m-3 -3l6 6m0 -6l-6 6");
        for points in [vec![], vec![(1.0, nan)], vec![(1.0, 5.0)], vec![(0.0, f64::INFINITY), (1.0, 0.0)]] {
            let text = draw(&[points], "x", false).into_string();
            assert!(text.contains("<svg") && !text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }

    #[test]
    fn a_search_over_powers_of_ten_has_a_log_axis() {
        let search: Curve = [0.001, 0.01, 0.1, 1.0, 10.0].map(|x| (x, x)).to_vec();
        assert!(
            is_spread(std::slice::from_ref(&search))
                && !draw(&[search], "x", true).into_string().contains("NaN")
        );
        assert!(!is_spread(&[(1..2000).map(|x| (f64::from(x), 0.0)).collect()]));
        assert!(!is_spread(&[vec![]]));
    }

    #[test]
    fn more_curves_than_can_be_told_apart_are_counted() {
        let many = (0..30).map(|n| series(&n.to_string(), vec![(0.0, 1.0)])).collect();
        let text = Chart { id: "c".into(), title: "t".into(), series: many }.render().into_string();
        assert!(text.contains("and 6 more, which are not drawn"));
    }
}
