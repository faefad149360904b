//! Pictures for print: one drawing routine, drawn by plotters as SVG, as PDF and as PNG.
//!
//! A picture is measured in *dots* of 1/300 inch, so that it has the same size on paper in all
//! forms, and the PNG has one pixel a dot. Its only font is DejaVu Sans, which is compiled in: the
//! same bytes on every machine.
//!
//! ```no_run
//! use igpt_plot::{Size, draw, text, line, Stroke, colour};
//! use plotters::prelude::*;
//!
//! let size = Size { width: igpt_plot::COLUMN, height: igpt_plot::mm(50.0) };
//! draw(std::path::Path::new("."), "figure", size, |area| {
//!     line(area, &[(10, 10), (200, 90)], &Stroke::solid(colour(0)))?;
//!     area.draw(&Text::new("iGPT", (20, 120), text(8.0)))
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod canvas;
mod font;
mod pdf;
mod png;
mod theme;

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::rc::Rc;

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea as _};
use plotters::style::WHITE;

pub use crate::canvas::Canvas;
pub use crate::font::{bold, shorten, text, width, wrap};
pub use crate::theme::{GREY, INK, PALE, Stroke, colour, line, marker};
pub use plotters;

/// Dots to the inch.
pub const DPI: f64 = 300.0;
/// The width of a column of a paper, 8.5 cm, in dots.
pub const COLUMN: u32 = 1004;

/// What a picture is drawn on: plotters' area, whichever file it ends in.
pub type Area<'a> = DrawingArea<Canvas<'a>, Shift>;
/// What may go wrong in drawing.
pub type DrawError = DrawingAreaErrorKind<io::Error>;

/// The size of a picture, in dots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

/// Millimetres as dots.
pub fn mm(x: f64) -> u32 {
    (x * DPI / 25.4).round().max(0.0) as u32
}

/// Points (1/72 inch) as dots.
pub fn pt(x: f64) -> f64 {
    x * DPI / 72.0
}

/// Draws a picture on white, and writes it as `NAME.svg`, `NAME.pdf` and `NAME.png` into a folder. `paint` is
/// called once for each. Pictures (plotters' `BitMapElement`, RGB) lie above all else in the SVG.
///
/// # Errors
/// If drawing fails or a file cannot be written.
pub fn draw(
    folder: &Path,
    name: &str,
    size: Size,
    paint: impl for<'a> Fn(&Area<'a>) -> Result<(), DrawError>,
) -> io::Result<()> {
    let painted = |canvas: Canvas<'_>| {
        let area = canvas.into_drawing_area();
        area.fill(&WHITE)?;
        paint(&area)?;
        area.present()
    };
    let (mut svg, pictures) = (String::new(), Rc::<RefCell<String>>::default());
    painted(Canvas::svg(&mut svg, Rc::clone(&pictures), size)).map_err(io::Error::other)?;
    std::fs::write(folder.join(format!("{name}.svg")), canvas::printed(&svg, &pictures.borrow(), size))?;
    let mut page = pdf::PdfPage::default();
    painted(Canvas::pdf(&mut page, size)).map_err(io::Error::other)?;
    std::fs::write(folder.join(format!("{name}.pdf")), page.finish(size)?)?;
    let mut pixels = canvas::pixels(size);
    painted(Canvas::bitmap(&mut pixels, size)).map_err(io::Error::other)?;
    png::write(&folder.join(format!("{name}.png")), &canvas::smooth(&pixels, size), size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plotters::prelude::*;

    fn drawn() -> (String, Vec<u8>, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let size = Size { width: 300, height: 150 };
        draw(folder.path(), "figure", size, |area| {
            line(area, &[(10, 10), (290, 60)], &Stroke::solid(colour(1)))?;
            marker(area, 2, (150, 35), colour(2))?;
            area.draw(&Text::new("a < b", (20, 80), text(8.0)))
        })
        .unwrap();
        let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
        (String::from_utf8(read("figure.svg")).unwrap(), read("figure.png"), read("figure.pdf"))
    }

    #[test]
    fn a_picture_is_set_into_the_svg_and_painted_into_the_png() {
        let folder = tempfile::tempdir().unwrap();
        draw(folder.path(), "figure", Size { width: 20, height: 10 }, |area| {
            let rgb = [[9, 8, 7], [200, 100, 50]].concat();
            area.draw(&BitMapElement::with_owned_buffer((3, 4), (2, 1), rgb).unwrap())
        })
        .unwrap();
        let svg = std::fs::read_to_string(folder.path().join("figure.svg")).unwrap();
        let image =
            "<image x=\"3\" y=\"4\" width=\"2\" height=\"1\" href=\"data:image/png;base64,iVBORw0KGgo";
        assert!(svg.contains(image) && svg.trim_end().ends_with("</svg>"), "{svg}");
        let png = std::fs::read(folder.path().join("figure.png")).unwrap();
        let mut reader = ::png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels[3 * (4 * 20 + 3)..][..6], [9, 8, 7, 200, 100, 50]);
        assert_eq!(pixels[..3], [255; 3]);
    }

    #[test]
    fn all_files_are_the_same_on_every_run_and_have_the_size_in_print() {
        let (svg, png, pdf) = drawn();
        assert!((svg.clone(), png.clone(), pdf.clone()) == drawn());
        assert!(String::from_utf8_lossy(&pdf).contains("/MediaBox [0 0 72 36]"));
        assert!(svg.starts_with("<svg width=\"25.4mm\" height=\"12.7mm\" viewBox=\"0 0 300 150\""), "{svg}");
        assert!(svg.contains("a &lt; b"), "{svg}");
        let decoded = ::png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let info = decoded.info();
        assert_eq!((info.width, info.height), (300, 150));
        assert_eq!(info.pixel_dims.unwrap().xppu, 11811);
    }
}
