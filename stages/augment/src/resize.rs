//! Antialiased resizing and cropping with the sizes, offsets and rounding of Pillow and torchvision,
//! whose pictures iGPT and its successors were trained on.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::F32x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rows that the first pass takes at a time; a multiple of the resampler's own groups of rows.
const BAND: u32 = 64;

/// A resampling filter. All are stretched when shrinking, so that every source pixel counts
/// (antialiasing), as Pillow does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// The mean of the covered pixels.
    Box,
    /// A triangle of radius 1.
    Bilinear,
    /// A cubic of radius 2 (a = -0.5, Catmull-Rom).
    Bicubic,
    /// A windowed sinc of radius 3.
    Lanczos,
}

impl Filter {
    /// How far the filter reaches, in pixels of the larger of source and result.
    fn radius(self) -> f64 {
        match self {
            Self::Box => 0.5,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }
}

impl From<Filter> for FilterType {
    fn from(filter: Filter) -> Self {
        match filter {
            Filter::Box => Self::Box,
            Filter::Bilinear => Self::Bilinear,
            Filter::Bicubic => Self::CatmullRom,
            Filter::Lanczos => Self::Lanczos3,
        }
    }
}

/// A square window of a resized image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The shorter side after resizing, in pixels.
    pub short: u32,
    /// The first row and column of the window in the resized image.
    pub top: u32,
    /// See `top`.
    pub left: u32,
    /// The window's side, in pixels.
    pub size: u32,
}

impl Window {
    /// The central window of an image of `width` by `height`.
    pub fn centre(width: u32, height: u32, short: u32, size: u32) -> Self {
        let (width, height) = fit_shorter_side(width, height, short);
        Self { short, size, top: centre_offset(height, size), left: centre_offset(width, size) }
    }
}

/// The size of an image whose shorter side is brought to `short`; the longer side is truncated to
/// whole pixels, as torchvision does.
pub fn fit_shorter_side(width: u32, height: u32, short: u32) -> (u32, u32) {
    let longer = |long: u32, side: u32| (u64::from(short) * u64::from(long) / u64::from(side.max(1))) as u32;
    if width <= height { (short, longer(height, width)) } else { (longer(width, height), short) }
}

/// Where the central `size` pixels of `length` start: half of the rest, a half rounded to the even
/// number, as Python does.
pub fn centre_offset(length: u32, size: u32) -> u32 {
    let rest = length.saturating_sub(size);
    let half = rest / 2;
    if rest % 2 == 1 && half % 2 == 1 { half + 1 } else { half }
}

/// The square `window` of the image, resized with `filter`. Only the window's pixels are computed;
/// they are those of resizing the whole image first.
///
/// # Errors
/// If the window does not lie within the resized image, or the image is empty.
pub fn resize_and_crop(
    resizer: &mut Resizer,
    image: &RgbImage,
    window: Window,
    filter: Filter,
) -> Result<RgbImage, ResizeError> {
    let (width, height) = fit_shorter_side(image.width(), image.height(), window.short);
    let fits = |offset: u32, length: u32| u64::from(offset) + u64::from(window.size) <= u64::from(length);
    if window.size == 0 || !fits(window.left, width) || !fits(window.top, height) {
        return Err(ResizeError::Outside { window, width, height });
    }
    let span = |offset: u32, resized: u32, source: u32| {
        let scale = f64::from(source) / f64::from(resized);
        Span { start: f64::from(offset) * scale, length: f64::from(window.size) * scale }
    };
    let columns = span(window.left, width, image.width());
    let rows = span(window.top, height, image.height());
    resample(resizer, image, columns, rows, window.size, filter)
}

/// The whole image as `side` by `side` pixels.
///
/// # Errors
/// If the image is empty.
pub fn resize_square(
    resizer: &mut Resizer,
    image: &RgbImage,
    side: u32,
    filter: Filter,
) -> Result<RgbImage, ResizeError> {
    if (image.width(), image.height()) == (side, side) {
        return Ok(image.clone());
    }
    let all = |length: u32| Span { start: 0.0, length: f64::from(length) };
    resample(resizer, image, all(image.width()), all(image.height()), side, filter)
}

/// A stretch of source rows or columns, in pixels and parts of them.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: f64,
    length: f64,
}

/// Resamples a part of the image to `side` by `side` pixels: along the rows, rounded to bytes, then
/// along the columns. That order is Pillow's; the resampler's own is the other one for bytes, and
/// where a filter overshoots, the rounding in between makes a difference of several levels.
fn resample(
    resizer: &mut Resizer,
    image: &RgbImage,
    columns: Span,
    rows: Span,
    side: u32,
    filter: Filter,
) -> Result<RgbImage, ResizeError> {
    // The rows that the second pass can see.
    let reach = filter.radius() * (rows.length / f64::from(side)).max(1.0) + 1.0;
    let first = (rows.start - reach).floor().max(0.0);
    let last = (rows.start + rows.length + reach).ceil().min(f64::from(image.height()));
    let narrow = narrow(resizer, image, columns, (first as u32, last as u32), side, filter)?;
    let all = Span { start: 0.0, length: f64::from(side) };
    let mut bytes = Vec::new();
    let rows = Span { start: rows.start - first, ..rows };
    pass(resizer, narrow.as_raw(), narrow.dimensions(), (all, rows), (side, side), filter, &mut bytes)?;
    whole(side, side, bytes)
}

/// The first pass: the rows from `first` up to `end`, resampled along themselves. It goes by bands
/// of rows, as the floating-point numbers of a whole photograph would take four times its memory;
/// no row knows of another, so that the bands show nowhere.
fn narrow(
    resizer: &mut Resizer,
    image: &RgbImage,
    columns: Span,
    (first, end): (u32, u32),
    side: u32,
    filter: Filter,
) -> Result<RgbImage, ResizeError> {
    let row = 3 * image.width() as usize;
    let mut bytes = Vec::with_capacity(3 * side as usize * end.saturating_sub(first) as usize);
    let mut top = first;
    while top < end {
        let height = BAND.min(end - top);
        let band = &image.as_raw()[top as usize * row..][..height as usize * row];
        let rows = Span { start: 0.0, length: f64::from(height) };
        pass(resizer, band, (image.width(), height), (columns, rows), (side, height), filter, &mut bytes)?;
        top += height;
    }
    whole(side, end.saturating_sub(first), bytes)
}

/// An image of these bytes.
fn whole(width: u32, height: u32, bytes: Vec<u8>) -> Result<RgbImage, ResizeError> {
    RgbImage::from_raw(width, height, bytes)
        .ok_or_else(|| ResizeError::Resampling("the resized buffer is not what was asked for".to_owned()))
}

/// Resamples a part of the pixels to another size and appends the result to `out`.
fn pass(
    resizer: &mut Resizer,
    rgb: &[u8],
    (width, height): (u32, u32),
    (columns, rows): (Span, Span),
    (new_width, new_height): (u32, u32),
    filter: Filter,
    out: &mut Vec<u8>,
) -> Result<(), ResizeError> {
    let failed = |error: &dyn std::error::Error| ResizeError::Resampling(error.to_string());
    // In floating point: with bytes the resampler's coefficients are so coarse that two passes may
    // end two levels away from Pillow's.
    let fine: Vec<F32x3> =
        rgb.as_chunks().0.iter().map(|rgb: &[u8; 3]| F32x3::new(rgb.map(f32::from))).collect();
    let source = TypedImageRef::new(width, height, &fine).map_err(|error| failed(&error))?;
    // Rounding must not push the part out of the image.
    let within = |span: Span, size: u32| span.length.min(f64::from(size) - span.start);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(filter.into()))
        .use_alpha(false)
        .crop(columns.start, rows.start, within(columns, width), within(rows, height));
    let mut resized = TypedImage::<F32x3>::new(new_width, new_height);
    // Typed, so that the resampler is compiled for this type alone: for all of them it takes a minute.
    resizer.resize_typed(&source, &mut resized, &options).map_err(|error| failed(&error))?;
    let level = |x: f32| (x + 0.5).floor() as u8; // Saturates where a filter overshoots.
    out.extend(resized.pixels().iter().flat_map(|pixel| pixel.0.map(level)));
    Ok(())
}

/// Why an image could not be resized.
#[derive(Debug, thiserror::Error)]
pub enum ResizeError {
    /// The window is not a part of the resized image.
    #[error("no window {window:?} in an image of {width} x {height}")]
    Outside {
        /// The window that was asked for.
        window: Window,
        /// The size of the resized image, in pixels.
        width: u32,
        /// See `width`.
        height: u32,
    },
    /// The resampling itself answered so.
    #[error("resampling failed: {0}")]
    Resampling(String),
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use igpt_fixtures::{fixture, npy_data};
    use serde_json::Value;

    use super::*;

    const FILTERS: [(&str, Filter); 4] = [
        ("bilinear", Filter::Bilinear),
        ("bicubic", Filter::Bicubic),
        ("box", Filter::Box),
        ("lanczos", Filter::Lanczos),
    ];

    fn fixtures() -> Option<(PathBuf, Vec<Value>)> {
        let folder = fixture("resize")?;
        let text = std::fs::read(folder.join("expected.json")).unwrap();
        let expected: Value = serde_json::from_slice(&text).unwrap();
        Some((folder, expected["photos"].as_array().unwrap().clone()))
    }

    fn open(path: PathBuf) -> RgbImage {
        image::open(path).unwrap().to_rgb8()
    }

    /// A square RGB image of `.npy`; nothing where there is no such file.
    fn npy(path: PathBuf, side: u32) -> Option<RgbImage> {
        path.exists().then(|| RgbImage::from_raw(side, side, npy_data(&path)))?
    }

    /// Asserts that no channel of no pixel is off by more than one level.
    fn assert_close(ours: &RgbImage, theirs: &RgbImage, what: &str) {
        assert_eq!(ours.dimensions(), theirs.dimensions(), "{what}");
        let most = ours.as_raw().iter().zip(theirs.as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(most <= Some(1), "{what}: off by {most:?} levels");
    }

    fn number(value: &Value) -> u32 {
        value.as_u64().unwrap() as u32
    }

    #[test]
    fn sizes_and_offsets_are_those_of_torchvision() {
        let Some((_, photos)) = fixtures() else { return };
        for photo in &photos {
            let size = |value: &Value| (number(&value[0]), number(&value[1]));
            let (width, height) = size(&photo["size_wh"]);
            assert_eq!(fit_shorter_side(width, height, 224), size(&photo["short224_size_wh"]));
            let window = Window::centre(width, height, 224, 224);
            assert_eq!((window.top, window.left), size(&photo["center_crop_top_left"]));
            for augment in photo["augment"].as_array().unwrap() {
                let short = number(&augment["short"]);
                assert_eq!(fit_shorter_side(width, height, short), size(&augment["resized_wh"]));
            }
        }
        // Python's round: 0.5 -> 0, 1.5 -> 2, 2.5 -> 2, 3.5 -> 4.
        assert_eq!([1, 3, 5, 7].map(|rest| centre_offset(rest + 10, 10)), [0, 2, 2, 4]);
    }

    #[test]
    fn centre_crops_are_those_of_pillow() {
        let Some((folder, photos)) = fixtures() else { return };
        let mut resizer = Resizer::new();
        for i in 0..photos.len() {
            let image = open(folder.join(format!("src/{i}.png")));
            let window = Window::centre(image.width(), image.height(), 224, 224);
            for (name, filter) in FILTERS {
                let theirs = open(folder.join(format!("{i}_224_{name}.png")));
                let ours = resize_and_crop(&mut resizer, &image, window, filter).unwrap();
                assert_close(&ours, &theirs, &format!("photo {i}, {name}"));
                for (down_name, down) in FILTERS {
                    for side in [32, 48, 64] {
                        let file = format!("small_npy/{i}_224{name}_{side}{down_name}.npy");
                        let Some(small) = npy(folder.join(&file), side) else { continue };
                        let ours = resize_square(&mut resizer, &theirs, side, down).unwrap();
                        assert_close(&ours, &small, &file);
                    }
                }
            }
        }
    }

    #[test]
    fn random_crops_are_those_of_pillow() {
        let Some((folder, photos)) = fixtures() else { return };
        let mut resizer = Resizer::new();
        for (i, photo) in photos.iter().enumerate() {
            let image = open(folder.join(format!("src/{i}.png")));
            for augment in photo["augment"].as_array().unwrap() {
                let [k, short, top, left] = ["k", "short", "top", "left"].map(|name| number(&augment[name]));
                let window = Window { short, top, left, size: 224 };
                for (name, filter) in FILTERS {
                    let crop = resize_and_crop(&mut resizer, &image, window, filter).unwrap();
                    let png = folder.join(format!("{i}_aug{k}_{name}_224.png"));
                    if png.exists() {
                        assert_close(&crop, &open(png), &format!("photo {i}, view {k}, {name}"));
                    }
                    let small = folder.join(format!("small_npy/{i}_aug{k}_{name}_32box.npy"));
                    if let Some(small) = npy(small, 32) {
                        let ours = resize_square(&mut resizer, &crop, 32, Filter::Box).unwrap();
                        assert_close(&ours, &small, &format!("photo {i}, view {k}, {name}, 32"));
                    }
                }
            }
        }
    }

    #[test]
    fn bands_of_rows_show_nowhere() {
        // A photograph's noise, taller than several bands, the last of which is not full.
        let pixel = |x: u32, y: u32| {
            let noise = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 7;
            image::Rgb([noise as u8, (noise >> 8) as u8, (x + y) as u8])
        };
        let image = RgbImage::from_fn(150, 3 * BAND + 37, pixel);
        let mut resizer = Resizer::new();
        for (_, filter) in FILTERS {
            let columns = Span { start: 3.7, length: 140.2 };
            let (first, end) = (5, image.height());
            let banded = narrow(&mut resizer, &image, columns, (first, end), 40, filter).unwrap();
            let rows = Span { start: f64::from(first), length: f64::from(end - first) };
            let mut at_once = Vec::new();
            let (size, resized) = (image.dimensions(), (40, end - first));
            pass(&mut resizer, image.as_raw(), size, (columns, rows), resized, filter, &mut at_once).unwrap();
            assert_eq!(*banded.as_raw(), at_once, "{filter:?}");
        }
    }

    #[test]
    fn a_window_outside_of_the_image_is_refused() {
        let image = RgbImage::new(40, 30);
        let window = Window { short: 30, top: 0, left: 11, size: 30 };
        let error = resize_and_crop(&mut Resizer::new(), &image, window, Filter::Box).unwrap_err();
        assert!(error.to_string().contains("an image of 40 x 30"), "{error}");
    }
}
