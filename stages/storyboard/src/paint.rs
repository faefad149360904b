//! Draws the story: cells, frames, arrows and words.

use igpt_plot::plotters::element::{BitMapElement, Polygon, Rectangle, Text};
use igpt_plot::plotters::style::text_anchor::{HPos, Pos, VPos};
use igpt_plot::plotters::style::{Color as _, RGBColor, ShapeStyle, WHITE};
use igpt_plot::{Area, DrawError, GREY, bold, colour, pt, shorten, text};
use image::{RgbImage, imageops};

use crate::layout::{HEADING, Panel, PanelKind, Rect, SMALL, SequenceLines, StoryLayout, line};
use crate::load::{Scene, Story};

/// Images of a longer side are set in as pictures; the pixels of others are drawn as squares, which
/// stay sharp at any size.
const CELLS: u32 = 64;
/// Cells of at least so many dots stand apart by a gap.
const APART: f64 = 9.0;
/// The frame of a smaller cell is easily overlooked.
const SMALLEST: f64 = 16.0;
/// What a network does not see.
const UNSEEN: RGBColor = RGBColor(0xee, 0xee, 0xee);

type DrawResult = Result<(), DrawError>;

/// Draws everything.
///
/// # Errors
/// If drawing fails.
pub(crate) fn paint(area: &Area<'_>, story: &Story, layout: &StoryLayout) -> DrawResult {
    for panel in &layout.panels {
        headings(area, panel, layout)?;
        for (strip, scene) in story.scenes.iter().enumerate() {
            show(area, panel, strip, scene, story, layout)?;
            let y = layout.top + layout.step * strip as f64 + layout.side / 2.0;
            let between = panel.left - 0.5 * layout.gap;
            match panel.kind {
                PanelKind::Original => {}
                // One objective or the other.
                PanelKind::Bert => write(area, "or", (between, y), HPos::Center, false)?,
                _ => arrow(area, between, y, 0.5 * layout.gap)?,
            }
        }
    }
    Ok(())
}

fn headings(area: &Area<'_>, panel: &Panel, layout: &StoryLayout) -> DrawResult {
    let centre = panel.left + panel.width / 2.0;
    // Headings of fewer lines stand at the bottom of theirs, captions at the top.
    let mut y = layout.captions_at() - panel.heading.len() as f64 * line(HEADING);
    for words in &panel.heading {
        write(area, words, (centre, y + line(HEADING) / 2.0), HPos::Center, true)?;
        y += line(HEADING);
    }
    for words in &panel.caption {
        write(area, words, (centre, y + line(SMALL) / 2.0), HPos::Center, false)?;
        y += line(SMALL);
    }
    Ok(())
}

fn show(
    area: &Area<'_>,
    panel: &Panel,
    strip: usize,
    scene: &Scene,
    story: &Story,
    layout: &StoryLayout,
) -> DrawResult {
    let place = layout.fit(panel, strip, story.width, story.height);
    let tokens = |draw: &dyn Fn(usize, Rect) -> DrawResult| {
        (0..scene.colours.len()).try_for_each(|i| draw(i, cell(place, story.width, story.height, i)))
    };
    match panel.kind {
        PanelKind::Original => {
            let (width, height) = scene.original.dimensions();
            let place = layout.fit(panel, strip, width as usize, height as usize);
            picture(area, place, &scene.original)?;
            let bottom = layout.top + layout.step * strip as f64 + layout.side;
            let name = shorten(&scene.name, SMALL, panel.width + layout.gap);
            write(
                area,
                &name,
                (panel.left + panel.width / 2.0, bottom + line(SMALL) / 2.0),
                HPos::Center,
                false,
            )
        }
        PanelKind::Small => scene.small.as_ref().map_or(Ok(()), |small| picture(area, place, small)),
        PanelKind::Quantised => {
            tokens(&|i, at| fill(area, lapped(at, story.width, story.height, i), rgb(scene.colours[i])))
        }
        PanelKind::Sequence => sequence(area, &SequenceLines::of(layout, panel, strip, story), scene),
        PanelKind::Autoregressive => {
            tokens(&|i, at| {
                let seen = i < story.context;
                let colour = if seen { rgb(scene.colours[i]) } else { UNSEEN };
                token(area, at, lapped(at, story.width, story.height, i), colour)
            })?;
            let (left, top, right, bottom) = cell(place, story.width, story.height, story.context);
            // There is one: where cells are small, its frame goes round it, to be found at all.
            let out = if right - left < SMALLEST { pt(0.8) } else { 0.0 };
            frame(area, (left - out, top - out, right + out, bottom + out), colour(1))
        }
        PanelKind::Bert => {
            tokens(&|i, at| {
                let colour = if scene.masked[i] { WHITE } else { rgb(scene.colours[i]) };
                token(area, at, lapped(at, story.width, story.height, i), colour)
            })?;
            tokens(&|i, at| if scene.masked[i] { frame(area, at, colour(0)) } else { Ok(()) })
        }
    }
}

/// The place of a cell in a grid.
fn cell(place: Rect, width: usize, height: usize, i: usize) -> Rect {
    let (left, top, right, bottom) = place;
    let (w, h) = ((right - left) / width as f64, (bottom - top) / height as f64);
    let (x, y) = (left + w * (i % width) as f64, top + h * (i / width) as f64);
    (x, y, x + w, y + h)
}

/// A cell that reaches a dot into those right of it and below, which are drawn over it: scaled, cells
/// that only touch let the paper shine through between them.
fn lapped((left, top, right, bottom): Rect, width: usize, height: usize, i: usize) -> Rect {
    let more = |is_inside| f64::from(u8::from(is_inside));
    (left, top, right + more(i % width + 1 < width), bottom + more(i / width + 1 < height))
}

/// An image: its pixels as squares, or as a picture where they are too many.
fn picture(area: &Area<'_>, place: Rect, image: &RgbImage) -> DrawResult {
    let (width, height) = image.dimensions();
    if width.max(height) <= CELLS {
        let (w, h) = (width as usize, height as usize);
        return (0..)
            .zip(image.pixels())
            .try_for_each(|(i, pixel)| fill(area, lapped(cell(place, w, h, i), w, h, i), rgb(pixel.0)));
    }
    let ((left, top), (right, bottom)) = corners(place);
    let size = ((right - left).max(1) as u32, (bottom - top).max(1) as u32);
    let scaled = imageops::resize(image, size.0, size.1, imageops::FilterType::Lanczos3);
    let picture = BitMapElement::with_owned_buffer((left, top), size, scaled.into_raw());
    picture.map_or(Ok(()), |picture| area.draw(&picture))
}

fn sequence(area: &Area<'_>, sequence_lines: &SequenceLines, scene: &Scene) -> DrawResult {
    for (i, colour) in scene.colours.iter().enumerate() {
        let at = sequence_lines.place(i);
        let whole = if i + 1 < scene.colours.len() { lapped(at, sequence_lines.per_line, 1, i) } else { at };
        token(area, at, whole, rgb(*colour))?;
    }
    for row in (0..sequence_lines.lines).step_by(sequence_lines.numbered()) {
        let first = row * sequence_lines.per_line;
        let (left, top, _, bottom) = sequence_lines.place(first);
        let at = (left - 0.25 * pt(SMALL), (top + bottom) / 2.0);
        write(area, &(first + 1).to_string(), at, HPos::Right, false)?;
    }
    Ok(())
}

/// A cell that stands apart from its neighbours, where there is room; else `whole`, see [`lapped`].
fn token(area: &Area<'_>, at: Rect, whole: Rect, colour: RGBColor) -> DrawResult {
    let (left, top, right, bottom) = at;
    fill(area, if right - left >= APART { (left, top, right - 1.0, bottom - 1.0) } else { whole }, colour)
}

fn fill(area: &Area<'_>, place: Rect, colour: RGBColor) -> DrawResult {
    let (from, to) = corners(place);
    area.draw(&Rectangle::new([from, to], colour.filled()))
}

/// The inner rim of a cell.
fn frame(area: &Area<'_>, place: Rect, colour: RGBColor) -> DrawResult {
    let ((left, top), (right, bottom)) = corners(place);
    let rim = ((right - left) / 6).clamp(1, pt(1.1).round() as i32);
    fill(area, place, WHITE)?;
    for (from, to) in [
        ((left, top), (right, top + rim)),
        ((left, bottom - rim), (right, bottom)),
        ((left, top), (left + rim, bottom)),
        ((right - rim, top), (right, bottom)),
    ] {
        area.draw(&Rectangle::new([from, to], colour.filled()))?;
    }
    Ok(())
}

/// An arrow to the right, round a point.
fn arrow(area: &Area<'_>, x: f64, y: f64, length: f64) -> DrawResult {
    let (left, right, half) = (x - length / 2.0, x + length / 2.0, length / 4.0);
    let neck = right - 1.6 * half;
    let corners = [(right, y), (neck, y - half), (neck, y + half)];
    fill(area, (left, y - 0.18 * half, neck, y + 0.18 * half + 1.0), GREY)?;
    let corners = corners.map(|(x, y)| (x.round() as i32, y.round() as i32));
    area.draw(&Polygon::new(corners.to_vec(), ShapeStyle::from(GREY).filled()))
}

fn write(area: &Area<'_>, words: &str, (x, y): (f64, f64), align: HPos, heading: bool) -> DrawResult {
    let style = if heading { bold(HEADING) } else { text(SMALL) };
    let style = style.pos(Pos::new(align, VPos::Center));
    area.draw(&Text::new(words.to_owned(), (x.round() as i32, y.round() as i32), style))
}

fn corners((left, top, right, bottom): Rect) -> ((i32, i32), (i32, i32)) {
    let dot = |x: f64| x.round() as i32;
    ((dot(left), dot(top)), (dot(right), dot(bottom)))
}

fn rgb([r, g, b]: [u8; 3]) -> RGBColor {
    RGBColor(r, g, b)
}
