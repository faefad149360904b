//! Draws a plot with plotters: one routine for the SVG and the PNG.

use std::path::Path;

use igpt_plot::plotters::prelude::*;
use igpt_plot::plotters::style::text_anchor::{HPos, Pos, VPos};
use igpt_plot::{Area, DrawError, GREY, INK, PALE, Stroke, bold, colour, draw, line, marker, pt, text};

use crate::bars;
use crate::figure_params::{FigureStyle, PlotKind};
use crate::frame::{PlotFrame, error_bar};
use crate::layout::PlotLayout;
use crate::legend::{LegendSymbol, SYMBOL};
use crate::plot::{Line, Plot};
use crate::text_size::{LABEL, LINE, NOTE, TICK, TITLE};

/// Writes `figure.svg`, `figure.pdf`, `figure.png` and, for LaTeX, `caption.tex` into a folder.
///
/// # Errors
/// If drawing fails or a file cannot be written.
pub(crate) fn figure(plot: &Plot, folder: &Path) -> std::io::Result<()> {
    let title = (!plot.title.is_empty()).then(|| format!("{}.", plot.title.trim_end_matches('.')));
    let caption: Vec<String> =
        title.iter().chain(&plot.notes).map(|text| igpt_table::escape_latex(text)).collect();
    // The sign ends the line without a blank.
    std::fs::write(folder.join("caption.tex"), format!("{}%\n", caption.join("\n")))?;
    let mut plot = plot.clone();
    if plot.style == FigureStyle::Paper {
        plot.title.clear();
        plot.notes.clear();
    }
    let plot = &plot;
    let at = PlotLayout::of(plot);
    draw(folder, "figure", at.size, |area| paint(area, plot, &at))
}

fn paint(area: &Area<'_>, plot: &Plot, at: &PlotLayout) -> Result<(), DrawError> {
    let (width, height) = area.dim_in_pixel();
    let mut chart = ChartBuilder::on(area)
        .margin_top(at.top as u32)
        .margin_right(width - at.right as u32)
        .set_label_area_size(LabelAreaPosition::Left, at.left as u32)
        .set_label_area_size(LabelAreaPosition::Bottom, height - at.bottom as u32)
        .build_cartesian_2d(at.x.clone(), at.y.clone())?;
    let thin = INK.stroke_width(pt(0.6).round() as u32);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(PALE.stroke_width(pt(0.5).round() as u32))
        .light_line_style(TRANSPARENT)
        .axis_style(thin)
        .label_style(text(TICK))
        .set_all_tick_mark_size(pt(2.0).round() as u32)
        .draw()?;
    let place = |x: f64, y: f64| chart.backend_coord(&(x, y));
    let frame = PlotFrame { area, at, place: &place };
    words(&frame)?;
    references(&frame, plot)?;
    for (i, level) in plot.levels.iter().enumerate().filter(|(_, level)| level.y.is_finite()) {
        let i = plot.lines.len() + i;
        if level.error > 0.0 && level.error.is_finite() {
            let corners = [(at.x.low, level.y + level.error), (at.x.high, level.y - level.error)];
            let corners = corners.map(|(x, y)| place(x, y));
            let (left, right) = (corners[0].0.min(corners[1].0), corners[0].0.max(corners[1].0));
            let band = [(left, corners[0].1), (right, corners[1].1)];
            area.draw(&Rectangle::new(band, colour(i).mix(0.12).filled()))?;
        }
        line(area, &across(&frame, level.y), &level_stroke(i))?;
    }
    match plot.kind {
        PlotKind::Lines | PlotKind::Curves => {
            for (i, one) in plot.lines.iter().enumerate() {
                draw_line(&frame, i, one, plot)?;
            }
        }
        PlotKind::Bars => bars::draw(&frame, &plot.lines)?,
    }
    if plot.is_empty() {
        let middle = ((at.left + at.right) / 2.0, (at.top + at.bottom) / 2.0);
        put(area, "no numbers to show", middle, LABEL, HPos::Center)?;
    }
    legend(&frame, plot)
}

/// From one side of the frame to the other.
fn across(frame: &PlotFrame<'_, '_>, y: f64) -> [(i32, i32); 2] {
    let (_, y) = (frame.place)(frame.at.x.low, y);
    [(frame.at.left as i32, y), (frame.at.right as i32, y)]
}

fn references(frame: &PlotFrame<'_, '_>, plot: &Plot) -> Result<(), DrawError> {
    for (i, (_, value)) in plot.references.iter().enumerate() {
        line(frame.area, &across(frame, *value), &reference_stroke(i))?;
    }
    Ok(())
}

/// Writes a text in the middle of a line.
fn put(area: &Area<'_>, what: &str, (x, y): (f64, f64), size: f64, side: HPos) -> Result<(), DrawError> {
    let style = text(size).pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(what.to_owned(), (x.round() as i32, y.round() as i32), style))
}

/// The heading, the labels of the axes, the names of places, the notes.
fn words(frame: &PlotFrame<'_, '_>) -> Result<(), DrawError> {
    let (area, at) = (frame.area, frame.at);
    let (width, _) = area.dim_in_pixel();
    let step = |size: f64, i: usize| pt(LINE * size) * i as f64;
    for (i, words) in at.title.iter().enumerate() {
        let y = at.top - pt(4.0) - step(TITLE, at.title.len() - i) + pt(LINE * TITLE) / 2.0;
        let style = bold(TITLE).pos(Pos::new(HPos::Center, VPos::Center));
        area.draw(&Text::new(words.clone(), (width as i32 / 2, y.round() as i32), style))?;
    }
    let middle = (at.left + at.right) / 2.0;
    for (i, words) in at.x_label.iter().enumerate() {
        put(area, words, (middle, at.x_label_at + step(LABEL, i)), LABEL, HPos::Center)?;
    }
    for (i, words) in at.y_label.iter().enumerate() {
        let style = text(LABEL).transform(FontTransform::Rotate270);
        let style = style.pos(Pos::new(HPos::Center, VPos::Center));
        let x = 14.0 + step(LABEL, i) + pt(LINE * LABEL) / 2.0;
        let place = (x.round() as i32, ((at.top + at.bottom) / 2.0).round() as i32);
        area.draw(&Text::new(words.clone(), place, style))?;
    }
    for (i, name) in at.places.iter().flatten().enumerate() {
        let (x, _) = (frame.place)(i as f64, at.y.low);
        let top = at.bottom + pt(5.0);
        for (row, words) in name.iter().enumerate() {
            if at.turned {
                let style = text(TICK).transform(FontTransform::Rotate270);
                let style = style.pos(Pos::new(HPos::Right, VPos::Center));
                area.draw(&Text::new(words.clone(), (x, top.round() as i32), style))?;
            } else {
                let y = top + step(TICK, row) + pt(LINE * TICK) / 2.0;
                put(area, words, (f64::from(x), y), TICK, HPos::Center)?;
            }
        }
    }
    for (i, words) in at.notes.iter().enumerate() {
        put(area, words, (14.0, at.notes_at + step(NOTE, i)), NOTE, HPos::Left)?;
    }
    Ok(())
}

/// Markers with their error bars, on a line where the places between them mean something. A curve has
/// no markers.
fn draw_line(frame: &PlotFrame<'_, '_>, i: usize, one: &Line, plot: &Plot) -> Result<(), DrawError> {
    let joined = plot.places.is_none();
    let at = |x: f64, y: f64| (frame.place)(x, y);
    for part in one.points.split(|p| !p.y.is_finite()).filter(|_| joined) {
        let places: Vec<(i32, i32)> = part.iter().map(|p| at(p.x, p.y)).collect();
        if places.len() > 1 {
            line(frame.area, &places, &line_stroke(i, plot))?;
        }
    }
    if plot.kind == PlotKind::Curves {
        return Ok(());
    }
    for point in one.points.iter().filter(|p| p.y.is_finite()) {
        if point.error > 0.0 && point.error.is_finite() {
            let low = (point.y - point.error).max(frame.at.y.low);
            let ends = (at(point.x, point.y + point.error), at(point.x, low));
            error_bar(frame.area, ends, colour(i))?;
        }
        marker(frame.area, i, at(point.x, point.y), colour(i))?;
    }
    Ok(())
}

fn legend(frame: &PlotFrame<'_, '_>, plot: &Plot) -> Result<(), DrawError> {
    for entry in &frame.at.legend {
        let y = (frame.at.legend_at + entry.y).round() as i32;
        let (from, to) = (entry.x.round() as i32, (entry.x + pt(SYMBOL)).round() as i32);
        match entry.sample {
            LegendSymbol::Line(i) if plot.kind == PlotKind::Bars => {
                let half = pt(2.6).round() as i32;
                bars::fill(frame.area, i, ((from, y - half), (to, y + half)))?;
            }
            LegendSymbol::Line(i) => {
                if plot.places.is_none() {
                    line(frame.area, &[(from, y), (to, y)], &line_stroke(i, plot))?;
                }
                if plot.kind != PlotKind::Curves {
                    marker(frame.area, i, ((from + to) / 2, y), colour(i))?;
                }
            }
            LegendSymbol::Level(i) => {
                line(frame.area, &[(from, y), (to, y)], &level_stroke(plot.lines.len() + i))?;
            }
            LegendSymbol::Reference(i) => line(frame.area, &[(from, y), (to, y)], &reference_stroke(i))?,
        }
        for (i, words) in entry.lines.iter().enumerate() {
            let at = (entry.name_at(), f64::from(y) + pt(LINE * TICK) * i as f64);
            put(frame.area, words, at, TICK, HPos::Left)?;
        }
    }
    Ok(())
}

/// The stroke of a line by its number; lines beyond the last colour are dashed, and so are curves from
/// the second on, which have no markers to tell them apart in grey.
fn line_stroke(i: usize, plot: &Plot) -> Stroke {
    let stroke = Stroke::solid(colour(i));
    if plot.kind == PlotKind::Curves && i > 0 {
        return stroke.dashed(i - 1);
    }
    if i < 7 { stroke } else { stroke.dashed(i / 7) }
}

/// The stroke of a level; its colour goes on where those of the lines end.
fn level_stroke(i: usize) -> Stroke {
    Stroke::solid(colour(i)).dashed(0)
}

/// The stroke of what others published.
fn reference_stroke(i: usize) -> Stroke {
    Stroke { width: 0.9, ..Stroke::solid(GREY) }.dashed(i + 1)
}
