//! Draws the story: cells, frames, arrows and words.

use igpt_plot::plotters::element::{BitMapElement, Polygon, Rectangle, Text};
use igpt_plot::plotters::style::text_anchor::{HPos, Pos, VPos};
use igpt_plot::plotters::style::{Color as _, RGBColor, ShapeStyle, WHITE};
use igpt_plot::{Area, DrawError, GREY, bold, colour, pt, shorten, text};
use image::{RgbImage, imageops};

use crate::gather::{Scene, Story};
use crate::layout::{HEADING, Kind, Layout, Panel, Place, Ribbon, SMALL, line};

/// Images of a longer side are set in as pictures; the pixels of others are drawn as squares, which
/// stay sharp at any size.
const CELLS: u32 = 64;
/// Cells of at least so many dots stand apart by a gap.
const APART: f64 = 9.0;
/// The frame of a smaller cell is easily overlooked.
const SMALLEST: f64 = 16.0;
/// What a network does not see.
const UNSEEN: RGBColor = RGBColor(0xee, 0xee, 0xee);

type Drawn = Result<(), DrawError>;

/// Draws everything.
///
/// # Errors
/// If drawing fails.
pub(crate) fn paint(area: &Area<'_>, story: &Story, layout: &Layout) -> Drawn {
    for panel in &layout.panels {
        headings(area, panel, layout)?;
        for (strip, scene) in story.scenes.iter().enumerate() {
            show(area, panel, strip, scene, story, layout)?;
            let y = layout.top + layout.step * strip as f64 + layout.side / 2.0;
            let between = panel.left - 0.5 * layout.gap;
            match panel.kind {
                Kind::Original => {}
                // One objective or the other.
                Kind::Bert => write(area, "or", (between, y), HPos::Center, false)?,
                _ => arrow(area, between, y, 0.5 * layout.gap)?,
            }
        }
    }
    Ok(())
}

fn headings(area: &Area<'_>, panel: &Panel, layout: &Layout) -> Drawn {
    let centre = panel.left + panel.width / 2.0;
    // Headings of fewer lines stand at the bottom of theirs, remarks at the top.
    let mut y = layout.remarks_at() - panel.heading.len() as f64 * line(HEADING);
    for words in &panel.heading {
        write(area, words, (centre, y + line(HEADING) / 2.0), HPos::Center, true)?;
        y += line(HEADING);
    }
    for words in &panel.remark {
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
    layout: &Layout,
) -> Drawn {
    let place = layout.fit(panel, strip, story.width, story.height);
    let tokens = |draw: &dyn Fn(usize, Place) -> Drawn| {
        (0..scene.colours.len()).try_for_each(|i| draw(i, cell(place, story.width, story.height, i)))
    };
    match panel.kind {
        Kind::Original => {
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
        Kind::Small => scene.small.as_ref().map_or(Ok(()), |small| picture(area, place, small)),
        Kind::Quantised => tokens(&|i, at| fill(area, at, rgb(scene.colours[i]))),
        Kind::Sequence => sequence(area, &Ribbon::of(layout, panel, strip, story), scene),
        Kind::Autoregressive => {
            tokens(&|i, at| {
                let seen = i < story.context;
                token(area, at, if seen { rgb(scene.colours[i]) } else { UNSEEN })
            })?;
            let (left, top, right, bottom) = cell(place, story.width, story.height, story.context);
            // There is one: where cells are small, its frame goes round it, to be found at all.
            let out = if right - left < SMALLEST { pt(0.8) } else { 0.0 };
            frame(area, (left - out, top - out, right + out, bottom + out), colour(1))
        }
        Kind::Bert => {
            tokens(&|i, at| token(area, at, if scene.masked[i] { WHITE } else { rgb(scene.colours[i]) }))?;
            tokens(&|i, at| if scene.masked[i] { frame(area, at, colour(0)) } else { Ok(()) })
        }
    }
}

/// The place of a cell in a grid.
fn cell(place: Place, width: usize, height: usize, i: usize) -> Place {
    let (left, top, right, bottom) = place;
    let (w, h) = ((right - left) / width as f64, (bottom - top) / height as f64);
    let (x, y) = (left + w * (i % width) as f64, top + h * (i / width) as f64);
    (x, y, x + w, y + h)
}

/// An image: its pixels as squares, or as a picture where they are too many.
fn picture(area: &Area<'_>, place: Place, image: &RgbImage) -> Drawn {
    let (width, height) = image.dimensions();
    if width.max(height) <= CELLS {
        let (w, h) = (width as usize, height as usize);
        return (0..)
            .zip(image.pixels())
            .try_for_each(|(i, pixel)| fill(area, cell(place, w, h, i), rgb(pixel.0)));
    }
    let ((left, top), (right, bottom)) = corners(place);
    let size = ((right - left).max(1) as u32, (bottom - top).max(1) as u32);
    let scaled = imageops::resize(image, size.0, size.1, imageops::FilterType::Lanczos3);
    let picture = BitMapElement::with_owned_buffer((left, top), size, scaled.into_raw());
    picture.map_or(Ok(()), |picture| area.draw(&picture))
}

fn sequence(area: &Area<'_>, ribbon: &Ribbon, scene: &Scene) -> Drawn {
    for (i, colour) in scene.colours.iter().enumerate() {
        token(area, ribbon.place(i), rgb(*colour))?;
    }
    for row in (0..ribbon.lines).step_by(ribbon.numbered()) {
        let first = row * ribbon.per_line;
        let (left, top, _, bottom) = ribbon.place(first);
        let at = (left - 0.25 * pt(SMALL), (top + bottom) / 2.0);
        write(area, &(first + 1).to_string(), at, HPos::Right, false)?;
    }
    Ok(())
}

/// A cell that stands apart from its neighbours, where there is room.
fn token(area: &Area<'_>, (left, top, right, bottom): Place, colour: RGBColor) -> Drawn {
    let gap = if right - left >= APART { 1.0 } else { 0.0 };
    fill(area, (left, top, right - gap, bottom - gap), colour)
}

fn fill(area: &Area<'_>, place: Place, colour: RGBColor) -> Drawn {
    let (from, to) = corners(place);
    area.draw(&Rectangle::new([from, to], colour.filled()))
}

/// The inner rim of a cell.
fn frame(area: &Area<'_>, place: Place, colour: RGBColor) -> Drawn {
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
fn arrow(area: &Area<'_>, x: f64, y: f64, length: f64) -> Drawn {
    let (left, right, half) = (x - length / 2.0, x + length / 2.0, length / 4.0);
    let neck = right - 1.6 * half;
    let corners = [(right, y), (neck, y - half), (neck, y + half)];
    fill(area, (left, y - 0.18 * half, neck, y + 0.18 * half + 1.0), GREY)?;
    let corners = corners.map(|(x, y)| (x.round() as i32, y.round() as i32));
    area.draw(&Polygon::new(corners.to_vec(), ShapeStyle::from(GREY).filled()))
}

fn write(area: &Area<'_>, words: &str, (x, y): (f64, f64), align: HPos, heading: bool) -> Drawn {
    let style = if heading { bold(HEADING) } else { text(SMALL) };
    let style = style.pos(Pos::new(align, VPos::Center));
    area.draw(&Text::new(words.to_owned(), (x.round() as i32, y.round() as i32), style))
}

fn corners((left, top, right, bottom): Place) -> ((i32, i32), (i32, i32)) {
    let dot = |x: f64| x.round() as i32;
    ((dot(left), dot(top)), (dot(right), dot(bottom)))
}

fn rgb([r, g, b]: [u8; 3]) -> RGBColor {
    RGBColor(r, g, b)
}
