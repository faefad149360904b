//! The one font, DejaVu Sans: how wide a text is, how it is broken, how it is painted.

use std::sync::LazyLock;

use ab_glyph::{Font as _, FontRef, Glyph, OutlineCurve, Point, PxScale, point};
use plotters::style::{FontDesc, FontFamily, FontStyle, TextStyle};

use crate::{pt, theme::INK};

/// The name in an SVG; where the font is not at hand, one of about its width.
const FAMILY: &str = "DejaVu Sans, Verdana, Arial, sans-serif";
/// The height of an `x`, in em.
pub(crate) const EX: f64 = 0.547;
/// What plotters takes for the size of a font is its em times this.
const PLOTTERS: f64 = 1.24;

fn face(bold: bool) -> &'static FontRef<'static> {
    static REGULAR: LazyLock<FontRef<'static>> = LazyLock::new(|| parse(dejavu::sans::regular()));
    static BOLD: LazyLock<FontRef<'static>> = LazyLock::new(|| parse(dejavu::sans::bold()));
    if bold { &BOLD } else { &REGULAR }
}

fn parse(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("DejaVu Sans, compiled in, is a font")
}

/// The style of dark text of so many points on paper. 7 is the least that is legible in print.
pub fn text(points: f64) -> TextStyle<'static> {
    styled(points, FontStyle::Normal)
}

/// The same in bold.
pub fn bold(points: f64) -> TextStyle<'static> {
    styled(points, FontStyle::Bold)
}

fn styled(points: f64, style: FontStyle) -> TextStyle<'static> {
    TextStyle::from(FontDesc::new(FontFamily::Name(FAMILY), pt(points) * PLOTTERS, style)).color(&INK)
}

/// The em of what plotters calls a size.
pub(crate) fn em(size: f64) -> f64 {
    size / PLOTTERS
}

/// The width of a text of so many points, in dots.
pub fn width(text: &str, points: f64) -> f64 {
    measure(text, pt(points), false)
}

/// The width of a text with an em of some length, in units of that length.
pub(crate) fn measure(text: &str, em: f64, bold: bool) -> f64 {
    let face = face(bold);
    let (mut sum, mut before) = (0.0, None);
    for c in text.chars() {
        let glyph = face.glyph_id(c);
        sum += face.h_advance_unscaled(glyph);
        if let Some(before) = before.replace(glyph) {
            sum += face.kern_unscaled(before, glyph);
        }
    }
    f64::from(sum) / f64::from(units(face)) * em
}

fn units(face: &FontRef<'_>) -> f32 {
    face.units_per_em().unwrap_or(2048.0)
}

/// Calls for each pixel that a text touches, with how much of it is covered (0 to 1). The text
/// begins at `origin` on its base line; y runs downwards.
pub(crate) fn paint(
    text: &str,
    em: f64,
    bold: bool,
    origin: (f64, f64),
    mut pixel: impl FnMut(i32, i32, f64),
) {
    let face = face(bold);
    let scale = PxScale::from(em as f32 * face.height_unscaled() / units(face));
    let per_unit = em as f32 / units(face);
    let (mut x, mut before) = (origin.0 as f32, None);
    for c in text.chars() {
        let id = face.glyph_id(c);
        if let Some(before) = before.replace(id) {
            x += face.kern_unscaled(before, id) * per_unit;
        }
        let glyph = Glyph { id, scale, position: point(x, origin.1 as f32) };
        if let Some(outline) = face.outline_glyph(glyph) {
            let corner = outline.px_bounds().min;
            outline.draw(|dx, dy, coverage| {
                if coverage > 0.0 {
                    let at = |corner: f32, d: u32| corner as i32 + d as i32;
                    pixel(at(corner.x, dx), at(corner.y, dy), f64::from(coverage.min(1.0)));
                }
            });
        }
        x += face.h_advance_unscaled(id) * per_unit;
    }
}

/// A part of the outline of a text.
pub(crate) enum Outlined {
    /// Where a line begins.
    Move((f64, f64)),
    /// A straight line.
    Line((f64, f64)),
    /// A curve with its two handles.
    Curve((f64, f64), (f64, f64), (f64, f64)),
}

/// Calls for each part of the outline of a text, which begins at `origin` on its base line; y runs
/// downwards.
pub(crate) fn outline(text: &str, em: f64, bold: bool, origin: (f64, f64), mut to: impl FnMut(Outlined)) {
    let face = face(bold);
    let per_unit = em / f64::from(units(face));
    let (mut x, mut before) = (origin.0, None);
    for c in text.chars() {
        let id = face.glyph_id(c);
        if let Some(before) = before.replace(id) {
            x += f64::from(face.kern_unscaled(before, id)) * per_unit;
        }
        let at = |p: Point| (x + f64::from(p.x) * per_unit, origin.1 - f64::from(p.y) * per_unit);
        let mut last = None;
        for curve in face.outline(id).into_iter().flat_map(|outline| outline.curves) {
            let (from, end) = match curve {
                OutlineCurve::Line(from, end)
                | OutlineCurve::Quad(from, _, end)
                | OutlineCurve::Cubic(from, _, _, end) => (from, end),
            };
            if last != Some(from) {
                to(Outlined::Move(at(from)));
            }
            last = Some(end);
            let (from, end) = (at(from), at(end));
            match curve {
                OutlineCurve::Line(..) => to(Outlined::Line(end)),
                OutlineCurve::Cubic(_, a, b, _) => to(Outlined::Curve(at(a), at(b), end)),
                OutlineCurve::Quad(_, handle, _) => {
                    // Its two handles lie two thirds of the way to the one.
                    let handle = at(handle);
                    let near = |end: (f64, f64)| {
                        let way = |end: f64, handle: f64| end + 2.0 / 3.0 * (handle - end);
                        (way(end.0, handle.0), way(end.1, handle.1))
                    };
                    to(Outlined::Curve(near(from), near(end), end));
                }
            }
        }
        x += f64::from(face.h_advance_unscaled(id)) * per_unit;
    }
}

/// A text without what XML cannot hold and no font can show.
pub(crate) fn printable(text: &str) -> String {
    let blank = |c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c };
    text.chars().map(blank).filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')).collect()
}

/// The lines that a text of so many points takes where a line holds `limit` dots.
pub fn wrap(text: &str, points: f64, limit: f64) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if width(&longer, points) <= limit {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        // A word that no line holds is cut where it must be.
        for c in word.chars() {
            if !line.is_empty() && width(&format!("{line}{c}"), points) > limit {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// A text of at most `limit` dots: its beginning, where it is longer.
pub fn shorten(text: &str, points: f64, limit: f64) -> String {
    if width(text, points) <= limit {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        if width(&format!("{out}{c}…"), points) > limit {
            break;
        }
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    out + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_hold_what_they_can_and_lose_nothing() {
        let text = "Linear probes on the features of an iGPT, pre-trained_and_fine-tuned_without_a_space";
        let lines = wrap(text, 8.0, 350.0);
        assert!(lines.len() > 2 && lines.iter().all(|line| width(line, 8.0) <= 350.0), "{lines:?}");
        let letters = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(letters(&lines.concat()), letters(text));
        assert_eq!(wrap("short", 8.0, 350.0), ["short"]);
        assert!(wrap(" ", 8.0, 350.0).is_empty());
        let short = shorten(text, 8.0, 350.0);
        assert!(short.ends_with('…') && width(&short, 8.0) <= 350.0, "{short}");
    }

    #[test]
    fn what_is_painted_is_as_wide_as_measured() {
        let (em, text) = (100.0, "iGPT ±0.5");
        let (mut left, mut right) = (i32::MAX, i32::MIN);
        paint(text, em, false, (0.0, 0.0), |x, y, _| {
            (left, right) = (left.min(x), right.max(x));
            assert!((-100..40).contains(&y), "{y}");
        });
        let measured = measure(text, em, false);
        assert!(left >= 0 && f64::from(right) <= measured, "{left} {right} {measured}");
        assert!(measured - f64::from(right) < 20.0, "{right} {measured}");
    }
}
