//! The backend behind all files: plotters' SVG backend, its bitmap backend on a finer grid, or a page
//! of a PDF.
//!
//! Widths and places of texts are asked of the compiled-in font in all, so all have one layout.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use plotters::backend::{BitMapBackend, SVGBackend};
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontStyle,
    FontTransform,
};

use crate::pdf::{Paint, PdfPage};
use crate::{DPI, Size, font, png};

/// How many pixels the bitmap has along a dot before it is smoothed.
const FINE: i32 = 3;

/// What plotters draws on.
pub struct Canvas<'a> {
    size: Size,
    backend: Backend<'a>,
}

enum Backend<'a> {
    /// With the pictures that are set into it afterwards: plotters would make a square of each pixel.
    Svg(SVGBackend<'a>, Rc<RefCell<String>>),
    Bitmap(BitMapBackend<'a>),
    Pdf(&'a mut PdfPage),
}

type DrawResult = Result<(), DrawingErrorKind<io::Error>>;

impl<'a> Canvas<'a> {
    /// A canvas that writes SVG into a text, and elements of pictures into another; see [`printed`].
    pub(crate) fn svg(out: &'a mut String, pictures: Rc<RefCell<String>>, size: Size) -> Self {
        Self {
            size,
            backend: Backend::Svg(SVGBackend::with_string(out, (size.width, size.height)), pictures),
        }
    }

    /// A canvas that draws on a page.
    pub(crate) fn pdf(page: &'a mut PdfPage, size: Size) -> Self {
        Self { size, backend: Backend::Pdf(page) }
    }

    /// A canvas that paints [`pixels`].
    pub(crate) fn bitmap(pixels: &'a mut [u8], size: Size) -> Self {
        let fine = |x: u32| x * FINE as u32;
        let backend = BitMapBackend::with_buffer(pixels, (fine(size.width), fine(size.height)));
        Self { size, backend: Backend::Bitmap(backend) }
    }
}

/// The pixels of a canvas, RGB, white.
pub(crate) fn pixels(size: Size) -> Vec<u8> {
    vec![255; 3 * (size.width * size.height) as usize * (FINE * FINE) as usize]
}

/// The mean of the pixels in each dot.
pub(crate) fn smooth(pixels: &[u8], size: Size) -> Vec<u8> {
    let (width, fine) = (size.width as usize, FINE as usize);
    let mut out = Vec::with_capacity(3 * width * size.height as usize);
    for y in 0..size.height as usize {
        for x in 0..width {
            for channel in 0..3 {
                let of_row = |row: usize| {
                    let start = (y * fine + row) * width * fine + x * fine;
                    (start..start + fine).map(|pixel| usize::from(pixels[3 * pixel + channel])).sum::<usize>()
                };
                let sum: usize = (0..fine).map(of_row).sum();
                out.push(((sum + fine * fine / 2) / (fine * fine)) as u8);
            }
        }
    }
    out
}

/// The SVG with its pictures, and with its size on paper instead of one in pixels.
pub(crate) fn printed(svg: &str, pictures: &str, size: Size) -> String {
    let mm = |dots: u32| {
        let text = format!("{:.1}", f64::from(dots) * 25.4 / DPI);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let (width, height) = (size.width, size.height);
    let pixels = format!("width=\"{width}\" height=\"{height}\"");
    let svg = svg.replacen(&pixels, &format!("width=\"{}mm\" height=\"{}mm\"", mm(width), mm(height)), 1);
    match svg.rsplit_once("</svg>") {
        Some((drawn, rest)) => format!("{drawn}{pictures}</svg>{rest}"),
        None => svg,
    }
}

/// A colour and a width of the stroke.
struct Pen(BackendColor, u32);

impl BackendStyle for Pen {
    fn color(&self) -> BackendColor {
        self.0
    }

    fn stroke_width(&self) -> u32 {
        self.1
    }
}

fn fine((x, y): BackendCoord) -> BackendCoord {
    (x * FINE, y * FINE)
}

fn pen(style: &impl BackendStyle) -> Pen {
    Pen(style.color(), style.stroke_width() * FINE as u32)
}

/// The error of a bitmap as the one of a canvas.
fn io_error<E: std::error::Error + Send + Sync + 'static>(
    e: DrawingErrorKind<E>,
) -> DrawingErrorKind<io::Error> {
    match e {
        DrawingErrorKind::DrawingError(e) => DrawingErrorKind::DrawingError(io::Error::other(e)),
        DrawingErrorKind::FontError(e) => DrawingErrorKind::FontError(e),
    }
}

impl DrawingBackend for Canvas<'_> {
    type ErrorType = io::Error;

    fn get_size(&self) -> (u32, u32) {
        (self.size.width, self.size.height)
    }

    fn ensure_prepared(&mut self) -> DrawResult {
        match &mut self.backend {
            Backend::Svg(svg, _) => svg.ensure_prepared(),
            Backend::Bitmap(bitmap) => bitmap.ensure_prepared().map_err(io_error),
            Backend::Pdf(_) => Ok(()),
        }
    }

    fn present(&mut self) -> DrawResult {
        match &mut self.backend {
            Backend::Svg(svg, _) => svg.present(),
            Backend::Bitmap(bitmap) => bitmap.present().map_err(io_error),
            Backend::Pdf(_) => Ok(()),
        }
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, colour: BackendColor) -> DrawResult {
        self.draw_rect((x, y), (x + 1, y + 1), &colour, true)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> DrawResult {
        match &mut self.backend {
            Backend::Svg(svg, _) => svg.draw_line(from, to, style),
            Backend::Bitmap(bitmap) => bitmap.draw_line(fine(from), fine(to), &pen(style)).map_err(io_error),
            Backend::Pdf(page) => {
                page.path([from, to], style.color(), Paint::Stroke(style.stroke_width()));
                Ok(())
            }
        }
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> DrawResult {
        let ((left, top), (right, bottom)) = (upper_left, bottom_right);
        if !fill {
            // The SVG backend forgets the width of a frame's stroke.
            let corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
            return self.draw_path(corners, style);
        }
        match &mut self.backend {
            Backend::Svg(svg, _) => svg.draw_rect(upper_left, bottom_right, style, true),
            Backend::Bitmap(bitmap) => {
                bitmap.draw_rect(fine(upper_left), fine(bottom_right), &pen(style), true).map_err(io_error)
            }
            Backend::Pdf(page) => {
                page.path(
                    [(left, top), (right, top), (right, bottom), (left, bottom)],
                    style.color(),
                    Paint::Fill,
                );
                Ok(())
            }
        }
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> DrawResult {
        match &mut self.backend {
            Backend::Svg(svg, _) => svg.draw_path(path, style),
            Backend::Bitmap(bitmap) => {
                bitmap.draw_path(path.into_iter().map(fine), &pen(style)).map_err(io_error)
            }
            Backend::Pdf(page) => {
                page.path(path, style.color(), Paint::Stroke(style.stroke_width()));
                Ok(())
            }
        }
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> DrawResult {
        match &mut self.backend {
            Backend::Svg(svg, _) => svg.draw_circle(center, radius, style, fill),
            Backend::Bitmap(bitmap) => {
                bitmap.draw_circle(fine(center), radius * FINE as u32, &pen(style), fill).map_err(io_error)
            }
            Backend::Pdf(page) => {
                let paint = if fill { Paint::Fill } else { Paint::Stroke(style.stroke_width()) };
                page.circle(center, radius, style.color(), paint);
                Ok(())
            }
        }
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> DrawResult {
        match &mut self.backend {
            Backend::Svg(svg, _) => svg.fill_polygon(path, style),
            Backend::Bitmap(bitmap) => {
                bitmap.fill_polygon(path.into_iter().map(fine), &pen(style)).map_err(io_error)
            }
            Backend::Pdf(page) => {
                page.path(path, style.color(), Paint::Fill);
                Ok(())
            }
        }
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, pos: BackendCoord) -> DrawResult {
        let text = font::printable(text);
        let (em, bold) = (font::em(style.size()), matches!(style.style(), FontStyle::Bold));
        let (anchor, turned, colour) = (style.anchor(), style.transform(), style.color());
        let left = match anchor.h_pos {
            HPos::Left => 0.0,
            HPos::Center => -0.5,
            HPos::Right => -1.0,
        } * font::measure(&text, em, bold);
        // As the SVG backend has them, with the height of this font's `x` for an `ex`.
        let base = em
            * match anchor.v_pos {
                VPos::Top => 0.76,
                VPos::Center => 0.5 * font::EX,
                VPos::Bottom => -0.5 * font::EX,
            };
        let bitmap = match &mut self.backend {
            Backend::Svg(svg, _) => return svg.draw_text(&text, style, pos),
            Backend::Pdf(page) => {
                let turn = |x: f64, y: f64| {
                    let (x, y) = match turned {
                        FontTransform::None => (x, y),
                        FontTransform::Rotate90 => (-y, x),
                        FontTransform::Rotate180 => (-x, -y),
                        FontTransform::Rotate270 => (y, -x),
                    };
                    (f64::from(pos.0) + x, f64::from(pos.1) + y)
                };
                page.text(&text, (em, bold), (left, base), colour, turn);
                return Ok(());
            }
            Backend::Bitmap(bitmap) => bitmap,
        };
        let scale = f64::from(FINE);
        let (em, left, base) = (em * scale, left * scale, base * scale);
        let (x0, y0) = fine(pos);
        let (width, height) = bitmap.get_size();
        let mut drawn = Ok(());
        font::paint(&text, em, bold, (left, base), |x, y, coverage| {
            let (x, y) = turned.transform(x, y);
            let (x, y) = (x0 + x, y0 + y);
            if drawn.is_ok() && (0..width as i32).contains(&x) && (0..height as i32).contains(&y) {
                drawn = bitmap.draw_pixel((x, y), colour.mix(coverage)).map_err(io_error);
            }
        });
        drawn
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<io::Error>> {
        let em = font::em(style.size());
        let bold = matches!(style.style(), FontStyle::Bold);
        Ok((font::measure(&font::printable(text), em, bold).ceil() as u32, em.ceil() as u32))
    }

    fn blit_bitmap(
        &mut self,
        (left, top): BackendCoord,
        (width, height): (u32, u32),
        src: &[u8],
    ) -> DrawResult {
        if let Backend::Svg(_, pictures) = &mut self.backend {
            let size = Size { width, height };
            let data = base64(&png::encode(src, size).map_err(DrawingErrorKind::DrawingError)?);
            *pictures.borrow_mut() += &format!(
                "<image x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" \
                 href=\"data:image/png;base64,{data}\"/>\n"
            );
            return Ok(());
        }
        if let Backend::Pdf(page) = &mut self.backend {
            page.picture((left, top), Size { width, height }, src);
            return Ok(());
        }
        let pixels = src.chunks_exact(3).take((width * height) as usize);
        for (i, rgb) in (0..).zip(pixels) {
            let (x, y) = (left + i % width as i32, top + i / width as i32);
            self.draw_pixel((x, y), BackendColor { alpha: 1.0, rgb: (rgb[0], rgb[1], rgb[2]) })?;
        }
        Ok(())
    }
}

/// Bytes as RFC 4648 has them in texts.
fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let sign = SIGNS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(sign) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn bytes_are_the_texts_of_the_standard() {
        let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(texts, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }
}
