//! A picture as a PDF of one page, as large as the picture. Texts are outlines, so that no font is
//! needed; nothing in it tells a time or a machine.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use plotters_backend::{BackendColor, BackendCoord};

use crate::font::{self, Outlined};
use crate::{DPI, Size};

/// What is drawn on a page.
#[derive(Debug, Default)]
pub(crate) struct PdfPage {
    content: String,
    /// How opaque fills and strokes are, in thousandths; the place is the name.
    opacities: Vec<u32>,
    /// Pictures, RGB.
    pictures: Vec<(Size, Vec<u8>)>,
}

/// How a path is painted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Paint {
    /// Its inside.
    Fill,
    /// A stroke of so many dots.
    Stroke(u32),
}

impl PdfPage {
    /// Sets the colour; answers whether anything can be seen of it.
    fn colour(&mut self, colour: BackendColor, paint: Paint) -> bool {
        let opacity = (colour.alpha.clamp(0.0, 1.0) * 1000.0).round() as u32;
        if opacity == 0 {
            return false;
        }
        let name = self.opacities.iter().position(|known| *known == opacity).unwrap_or_else(|| {
            self.opacities.push(opacity);
            self.opacities.len() - 1
        });
        let (r, g, b) = colour.rgb;
        let share = |x: u8| number(f64::from(x) / 255.0);
        let rgb = format!("{} {} {}", share(r), share(g), share(b));
        self.content += &match paint {
            Paint::Fill => format!("/G{name} gs {rgb} rg\n"),
            Paint::Stroke(width) => format!("/G{name} gs {rgb} RG {width} w\n"),
        };
        true
    }

    /// A path through some places.
    pub(crate) fn path(
        &mut self,
        places: impl IntoIterator<Item = BackendCoord>,
        colour: BackendColor,
        paint: Paint,
    ) {
        let mut places = places.into_iter().peekable();
        if places.peek().is_none() || !self.colour(colour, paint) {
            return;
        }
        for (i, (x, y)) in places.enumerate() {
            // Writing to a text cannot fail.
            let _ = writeln!(self.content, "{x} {y} {}", if i == 0 { 'm' } else { 'l' });
        }
        self.content += match paint {
            Paint::Fill => "f\n",
            Paint::Stroke(_) => "S\n",
        };
    }

    /// A circle.
    pub(crate) fn circle(&mut self, (x, y): BackendCoord, radius: u32, colour: BackendColor, paint: Paint) {
        if !self.colour(colour, paint) {
            return;
        }
        let (x, y, r) = (f64::from(x), f64::from(y), f64::from(radius));
        // The handles of the curve that is nearest to a quarter of a circle.
        let h = 0.552_285 * r;
        let at = |dx: f64, dy: f64| format!("{} {}", number(x + dx), number(y + dy));
        self.content += &format!("{} m\n", at(r, 0.0));
        for [a, b, to] in [
            [(r, h), (h, r), (0.0, r)],
            [(-h, r), (-r, h), (-r, 0.0)],
            [(-r, -h), (-h, -r), (0.0, -r)],
            [(h, -r), (r, -h), (r, 0.0)],
        ] {
            self.content += &format!("{} {} {} c\n", at(a.0, a.1), at(b.0, b.1), at(to.0, to.1));
        }
        self.content += match paint {
            Paint::Fill => "f\n",
            Paint::Stroke(_) => "s\n",
        };
    }

    /// A text with an em of so many dots that begins at `origin`, from which `turn` leads to the page.
    pub(crate) fn text(
        &mut self,
        text: &str,
        (em, bold): (f64, bool),
        origin: (f64, f64),
        colour: BackendColor,
        turn: impl Fn(f64, f64) -> (f64, f64),
    ) {
        if !self.colour(colour, Paint::Fill) {
            return;
        }
        let content = &mut self.content;
        let at = |(x, y): (f64, f64)| {
            let (x, y) = turn(x, y);
            format!("{} {}", number(x), number(y))
        };
        font::outline(text, em, bold, origin, |part| {
            *content += &match part {
                Outlined::Move(to) => format!("{} m\n", at(to)),
                Outlined::Line(to) => format!("{} l\n", at(to)),
                Outlined::Curve(a, b, to) => format!("{} {} {} c\n", at(a), at(b), at(to)),
            };
        });
        self.content += "f\n";
    }

    /// A picture in RGB.
    pub(crate) fn picture(&mut self, (left, top): BackendCoord, size: Size, rgb: &[u8]) {
        let Size { width, height } = size;
        let name = self.pictures.len();
        // The page runs downwards, a picture upwards.
        let bottom = i64::from(top) + i64::from(height);
        self.content += &format!("q {width} 0 0 -{height} {left} {bottom} cm /I{name} Do Q\n");
        self.pictures.push((size, rgb[..(3 * width * height) as usize].to_vec()));
    }

    /// The file.
    ///
    /// # Errors
    /// If the bytes cannot be compressed.
    pub(crate) fn finish(self, size: Size) -> io::Result<Vec<u8>> {
        let unit = 72.0 / DPI;
        let (width, height) = (f64::from(size.width) * unit, f64::from(size.height) * unit);
        let (width, height, unit) = (number(width), number(height), number(unit));
        // From dots, downwards, to points, upwards.
        let content = format!("{unit} 0 0 -{unit} 0 {height} cm\n{}", self.content);
        let mut opacities = String::new();
        for (i, opacity) in self.opacities.iter().enumerate() {
            let share = number(f64::from(*opacity) / 1000.0);
            opacities += &format!("/G{i} << /ca {share} /CA {share} >> ");
        }
        const BEFORE: usize = 5;
        let pictures = (0..self.pictures.len()).map(|i| format!("/I{i} {} 0 R ", BEFORE + i));
        let pictures: String = pictures.collect();
        let mut objects = vec![
            b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Contents 4 0 R \
                 /Resources << /ExtGState << {opacities}>> /XObject << {pictures}>> >> >>"
            )
            .into_bytes(),
            stream("", content.as_bytes())?,
        ];
        for (Size { width, height }, rgb) in &self.pictures {
            let kind = format!(
                "/Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceRGB \
                 /BitsPerComponent 8 "
            );
            objects.push(stream(&kind, rgb)?);
        }
        file(&objects)
    }
}

/// An object with compressed bytes.
fn stream(kind: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    let bytes = encoder.finish()?;
    let head = format!("<< {kind}/Filter /FlateDecode /Length {} >>\nstream\n", bytes.len());
    Ok([head.as_bytes(), &bytes, b"\nendstream"].concat())
}

/// The objects, numbered from 1, with the table of where they are.
fn file(objects: &[Vec<u8>]) -> io::Result<Vec<u8>> {
    // The second line tells programs that there are bytes in it.
    let mut out = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut places = String::new();
    for (i, object) in objects.iter().enumerate() {
        places += &format!("{:010} 00000 n \n", out.len());
        writeln!(out, "{} 0 obj", i + 1)?;
        out.extend_from_slice(object);
        out.extend_from_slice(b"\nendobj\n");
    }
    let (table, n) = (out.len(), objects.len() + 1);
    write!(out, "xref\n0 {n}\n0000000000 65535 f \n{places}")?;
    writeln!(out, "trailer\n<< /Size {n} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF")?;
    Ok(out)
}

/// A number with at most three digits after the point: a thousandth of a dot.
fn number(x: f64) -> String {
    let text = format!("{x:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_a_file_says_where_its_objects_are() {
        let mut page = PdfPage::default();
        let black = BackendColor { alpha: 1.0, rgb: (0, 0, 0) };
        page.path([(0, 0), (5, 5)], black, Paint::Stroke(2));
        page.picture((1, 1), Size { width: 1, height: 1 }, &[1, 2, 3]);
        let bytes = page.finish(Size { width: 300, height: 150 }).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("/MediaBox [0 0 72 36]"), "{text}");
        let start = text.rsplit("startxref\n").next().unwrap().lines().next().unwrap();
        let table = &bytes[start.parse::<usize>().unwrap()..];
        let table = String::from_utf8_lossy(table);
        let mut lines = table.lines();
        assert_eq!((lines.next(), lines.next()), (Some("xref"), Some("0 6")));
        for (i, line) in lines.skip(1).take(5).enumerate() {
            let at: usize = line[..10].parse().unwrap();
            assert!(bytes[at..].starts_with(format!("{} 0 obj", i + 1).as_bytes()), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_not_drawn() {
        let mut page = PdfPage::default();
        page.path([(0, 0), (5, 5)], BackendColor { alpha: 0.0, rgb: (0, 0, 0) }, Paint::Fill);
        assert_eq!(page.content, "");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([1.0, 0.24, -0.000_01, 1.0 / 3.0].map(number), ["1", "0.24", "0", "0.333"]);
    }
}
