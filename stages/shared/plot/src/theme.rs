//! Colours, strokes and markers: io_error apart by the colour-blind, and in a copy without colours.

use plotters::element::{Circle, PathElement, Polygon, Rectangle};
use plotters::style::{Color as _, RGBColor, ShapeStyle, WHITE};

use crate::{Area, DrawError, pt};

/// Text and axes.
pub const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// What others published.
pub const GREY: RGBColor = RGBColor(0x66, 0x66, 0x66);
/// The lines of a mesh.
pub const PALE: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);

/// The colours of Okabe and Ito, "Color Universal Design" (2008), from dark to light, black last.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x00, 0x00, 0x00),
];

/// The colour of the series with that number; from the eighth on they begin anew.
pub fn colour(i: usize) -> RGBColor {
    COLOURS[i % COLOURS.len()]
}

/// How a line is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Stroke {
    /// Its colour.
    pub colour: RGBColor,
    /// How thick it is, in points.
    pub width: f64,
    /// Lengths of dashes and gaps in turn, in points; empty for a solid line.
    pub dash: &'static [f64],
}

impl Stroke {
    /// A solid line of 1.1 points.
    pub fn solid(colour: RGBColor) -> Self {
        Self { colour, width: 1.1, dash: &[] }
    }

    /// The same line with dashes: the pattern with that number, of which there are four.
    #[must_use]
    pub fn dashed(self, i: usize) -> Self {
        const DASHES: [&[f64]; 4] = [&[4.0, 2.0], &[1.2, 1.6], &[6.0, 1.6, 1.2, 1.6], &[8.0, 3.0]];
        Self { dash: DASHES[i % DASHES.len()], ..self }
    }

    /// As plotters has it.
    pub fn style(&self) -> ShapeStyle {
        self.colour.stroke_width(pt(self.width).round().max(1.0) as u32)
    }
}

/// Draws a line through some places.
///
/// # Errors
/// If drawing fails.
pub fn line(area: &Area<'_>, places: &[(i32, i32)], stroke: &Stroke) -> Result<(), DrawError> {
    for part in dashes(places, stroke.dash) {
        area.draw(&PathElement::new(part, stroke.style()))?;
    }
    Ok(())
}

/// The parts of a line that are drawn.
fn dashes(places: &[(i32, i32)], dash: &[f64]) -> Vec<Vec<(i32, i32)>> {
    if dash.is_empty() || dash.iter().any(|length| *length <= 0.0) || places.len() < 2 {
        return vec![places.to_vec()];
    }
    let (mut parts, mut part) = (Vec::new(), vec![places[0]]);
    let (mut turn, mut left) = (0, pt(dash[0]));
    for pair in places.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
        let length = dx.hypot(dy);
        let mut gone = 0.0;
        while length - gone > left {
            gone += left;
            let share = gone / length;
            let at = ((f64::from(from.0) + share * dx).round(), (f64::from(from.1) + share * dy).round());
            let at = (at.0 as i32, at.1 as i32);
            if turn % 2 == 0 {
                part.push(at);
                parts.push(std::mem::take(&mut part));
            } else {
                part = vec![at];
            }
            turn += 1;
            left = pt(dash[turn % dash.len()]);
        }
        left -= length - gone;
        if turn % 2 == 0 {
            part.push(to);
        }
    }
    if part.len() > 1 {
        parts.push(part);
    }
    parts
}

/// Draws a marker: a disc, a square, a triangle or a diamond, by the number of its series.
///
/// # Errors
/// If drawing fails.
pub fn marker(area: &Area<'_>, i: usize, (x, y): (i32, i32), colour: RGBColor) -> Result<(), DrawError> {
    // A rim of white keeps markers apart that overlap.
    for (r, colour) in [(pt(2.5), WHITE), (pt(2.1), colour)] {
        let r = |share: f64| (share * r).round() as i32;
        match i % 4 {
            0 => area.draw(&Circle::new((x, y), r(1.0), colour.filled()))?,
            1 => {
                let corners = [(x - r(0.88), y - r(0.88)), (x + r(0.88), y + r(0.88))];
                area.draw(&Rectangle::new(corners, colour.filled()))?;
            }
            2 => {
                let corners = [(x, y - r(1.25)), (x + r(1.15), y + r(0.85)), (x - r(1.15), y + r(0.85))];
                area.draw(&Polygon::new(corners.to_vec(), colour))?;
            }
            _ => {
                let r = r(1.3);
                area.draw(&Polygon::new(vec![(x, y - r), (x + r, y), (x, y + r), (x - r, y)], colour))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_go_round_corners_and_end_with_the_line() {
        // A point is 300/72 dots: dashes of 12 points are 50 dots.
        let parts = dashes(&[(0, 0), (60, 0), (60, 60)], &[12.0, 12.0]);
        assert_eq!(parts, [vec![(0, 0), (50, 0)], vec![(60, 40), (60, 60)]]);
        let corner = dashes(&[(0, 0), (30, 0), (30, 60)], &[12.0, 12.0]);
        assert_eq!(corner, [vec![(0, 0), (30, 0), (30, 20)]]);
        assert_eq!(dashes(&[(0, 0), (9, 9)], &[]), [vec![(0, 0), (9, 9)]]);
    }
}
