//! Grouped bars: a group for each place, a bar for each series, its number above its error bar.

use igpt_plot::plotters::prelude::*;
use igpt_plot::plotters::style::text_anchor::{HPos, Pos, VPos};
use igpt_plot::{Area, DrawError, INK, Stroke, colour, line, pt, text, width};

use crate::frame::{PlotFrame, error_bar};
use crate::plot::Line;
use crate::text_size::NOTE;

/// How much of a place's room its bars take.
const GROUP: f64 = 0.84;

/// Draws the bars.
///
/// # Errors
/// If drawing fails.
pub(crate) fn draw(frame: &PlotFrame<'_, '_>, series: &[Line]) -> Result<(), DrawError> {
    let at = frame.at;
    let wide = GROUP / series.len().max(1) as f64;
    let base = 0.0_f64.clamp(at.y.low, at.y.high);
    for (i, one) in series.iter().enumerate() {
        for point in one.points.iter().filter(|p| p.y.is_finite()) {
            let left = point.x - GROUP / 2.0 + wide * i as f64;
            let (x0, y0) = (frame.place)(left, base.max(point.y));
            let (x1, y1) = (frame.place)(left + wide, base.min(point.y));
            fill(frame.area, i, ((x0, y0), (x1 - pt(0.6) as i32, y1)))?;
            let middle = (x0 + x1 - pt(0.6) as i32) / 2;
            let error = if point.error.is_finite() { point.error } else { 0.0 };
            let (_, top) = (frame.place)(left, (point.y + error).max(base));
            if error > 0.0 {
                let (_, bottom) = (frame.place)(left, point.y - error);
                error_bar(frame.area, ((middle, top), (middle, bottom)), INK)?;
            }
            number(frame.area, &label(point.y), f64::from(x1 - x0), (middle, top - pt(1.5) as i32))?;
        }
    }
    Ok(())
}

/// What stands above a bar: three digits say what can be read from it.
fn label(y: f64) -> String {
    match y.abs() {
        size if size >= 100.0 => format!("{y:.0}"),
        size if size >= 10.0 => format!("{y:.1}"),
        size if size >= 1.0 => format!("{y:.2}"),
        _ => format!("{y:.3}"),
    }
}

/// Writes a number above a bar, upright where it is wider than the bar.
fn number(area: &Area<'_>, what: &str, room: f64, (x, y): (i32, i32)) -> Result<(), DrawError> {
    let style = text(NOTE);
    if width(what, NOTE) <= room + pt(2.0) {
        return area.draw(&Text::new(
            what.to_owned(),
            (x, y),
            style.pos(Pos::new(HPos::Center, VPos::Bottom)),
        ));
    }
    let style = style.transform(FontTransform::Rotate270).pos(Pos::new(HPos::Left, VPos::Center));
    area.draw(&Text::new(what.to_owned(), (x, y), style))
}

/// Fills a bar. Neighbours differ without colours too: every second is hatched, every third ruled.
///
/// # Errors
/// If drawing fails.
pub(crate) fn fill(
    area: &Area<'_>,
    i: usize,
    ((left, top), (right, bottom)): ((i32, i32), (i32, i32)),
) -> Result<(), DrawError> {
    area.draw(&Rectangle::new([(left, top), (right, bottom)], colour(i).filled()))?;
    let white = Stroke { width: 0.5, ..Stroke::solid(WHITE) };
    let step = pt(2.4).round() as i32;
    match i % 3 {
        0 => {}
        1 => {
            // Rising strokes x + y = c, cut where they leave the bar; they end at its base.
            let mut c = left + bottom - ((left + bottom) - (left + top)) / step * step;
            while c < right + bottom {
                let (from, to) = ((c - bottom).max(left), (c - top).min(right));
                if from < to {
                    line(area, &[(from, c - from), (to, c - to)], &white)?;
                }
                c += step;
            }
        }
        _ => {
            let mut y = bottom - step;
            while y > top {
                line(area, &[(left, y), (right, y)], &white)?;
                y -= step;
            }
        }
    }
    Ok(())
}
