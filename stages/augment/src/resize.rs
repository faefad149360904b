//! Antialiased resizing and cropping with the sizes, offsets and rounding of Pillow and torchvision,
//! whose images iGPT and its successors were trained on.

use image::RgbImage;

use crate::filter::Filter;
use crate::resample::resample;
use crate::taps::Span;

/// A square window of a resized image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The shorter side after resizing, in pixels.
    pub short: u32,
    /// The first row of the window in the resized image.
    pub top: u32,
    /// The first column of the window in the resized image.
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

/// The size of an image whose shorter side is resized to `short`; the longer side is truncated to whole
/// pixels, as in torchvision.
pub fn fit_shorter_side(width: u32, height: u32, short: u32) -> (u32, u32) {
    let longer = |long: u32, side: u32| (u64::from(short) * u64::from(long) / u64::from(side.max(1))) as u32;
    if width <= height { (short, longer(height, width)) } else { (longer(width, height), short) }
}

/// Where the central `size` pixels of `length` start: half of the rest, rounded half to even as in
/// Python.
pub fn centre_offset(length: u32, size: u32) -> u32 {
    let rest = length.saturating_sub(size);
    let half = rest / 2;
    if rest % 2 == 1 && half % 2 == 1 { half + 1 } else { half }
}

/// The square `window` of the image, resized with `filter`. Only the window's pixels are computed,
/// with the same result as resizing the whole image first.
///
/// # Errors
/// If the window is not within the resized image, or the image is empty.
pub fn resize_and_crop(image: &RgbImage, window: Window, filter: Filter) -> Result<RgbImage, ResizeError> {
    let (width, height) = fit_shorter_side(image.width(), image.height(), window.short);
    let fits = |offset: u32, length: u32| u64::from(offset) + u64::from(window.size) <= u64::from(length);
    if window.size == 0 || !fits(window.left, width) || !fits(window.top, height) {
        return Err(ResizeError::Outside { window, width, height });
    }
    let columns = Span { resized: width, first: window.left };
    let rows = Span { resized: height, first: window.top };
    resampled(image, columns, rows, window.size, filter)
}

/// The whole image as `side` by `side` pixels.
///
/// # Errors
/// If the image is empty.
pub fn resize_square(image: &RgbImage, side: u32, filter: Filter) -> Result<RgbImage, ResizeError> {
    if (image.width(), image.height()) == (side, side) {
        return Ok(image.clone());
    }
    let all = Span { resized: side, first: 0 };
    resampled(image, all, all, side, filter)
}

fn resampled(
    image: &RgbImage,
    columns: Span,
    rows: Span,
    side: u32,
    filter: Filter,
) -> Result<RgbImage, ResizeError> {
    if image.is_empty() || side == 0 {
        return Err(ResizeError::Empty);
    }
    Ok(resample(image, columns, rows, side, filter))
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
    /// There are no pixels to resize, or none are wanted.
    #[error("expected an image of at least one pixel and a side of at least one")]
    Empty,
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use igpt_fixtures::npy_data;
    use serde_json::Value;

    use super::*;

    const FILTERS: [(&str, Filter); 4] = [
        ("bilinear", Filter::Bilinear),
        ("bicubic", Filter::Bicubic),
        ("box", Filter::Box),
        ("lanczos", Filter::Lanczos),
    ];

    /// Pillow's images, and what it was asked for.
    struct Reference {
        folder: PathBuf,
        photos: Vec<Value>,
        /// The side of the crops.
        size: u32,
        /// The sides that the crops were brought to.
        sides: Vec<u32>,
    }

    fn references() -> impl Iterator<Item = Reference> {
        igpt_fixtures::fixtures("resize").map(|folder| {
            let text = std::fs::read(folder.join("expected.json")).unwrap();
            let expected: Value = serde_json::from_slice(&text).unwrap();
            let sides = expected["sides"].as_array();
            Reference {
                // Where nothing is said, these are iGPT's.
                size: expected["size"].as_u64().map_or(224, |size| size as u32),
                sides: sides.map_or(vec![32, 48, 64], |sides| sides.iter().map(number).collect()),
                photos: expected["photos"].as_array().unwrap().clone(),
                folder,
            }
        })
    }

    fn open(path: PathBuf) -> RgbImage {
        image::open(path).unwrap().to_rgb8()
    }

    /// A square RGB image of `.npy`; nothing where there is no such file.
    fn npy(path: PathBuf, side: u32) -> Option<RgbImage> {
        path.exists().then(|| RgbImage::from_raw(side, side, npy_data(&path)))?
    }

    /// Asserts that no channel of no pixel is off by a single level.
    fn assert_equal(ours: &RgbImage, theirs: &RgbImage, what: &str) {
        assert_eq!(ours.dimensions(), theirs.dimensions(), "{what}");
        let most = ours.as_raw().iter().zip(theirs.as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
        assert_eq!(most, Some(0), "{what}: the largest difference in levels");
    }

    fn number(value: &Value) -> u32 {
        value.as_u64().unwrap() as u32
    }

    #[test]
    fn sizes_and_offsets_are_those_of_torchvision() {
        for Reference { photos, size: short, .. } in references() {
            for photo in &photos {
                let size = |value: &Value| (number(&value[0]), number(&value[1]));
                let (width, height) = size(&photo["size_wh"]);
                let resized = size(&photo[format!("short{short}_size_wh")]);
                assert_eq!(fit_shorter_side(width, height, short), resized);
                let window = Window::centre(width, height, short, short);
                assert_eq!((window.top, window.left), size(&photo["center_crop_top_left"]));
                for augment in photo["augment"].as_array().unwrap() {
                    let short = number(&augment["short"]);
                    assert_eq!(fit_shorter_side(width, height, short), size(&augment["resized_wh"]));
                }
            }
        }
        // Python's round: 0.5 -> 0, 1.5 -> 2, 2.5 -> 2, 3.5 -> 4.
        assert_eq!([1, 3, 5, 7].map(|rest| centre_offset(rest + 10, 10)), [0, 2, 2, 4]);
    }

    #[test]
    fn centre_crops_are_those_of_pillow() {
        for Reference { folder, photos, size, sides } in references() {
            let mut compared = 0;
            for i in 0..photos.len() {
                let image = open(folder.join(format!("src/{i}.png")));
                let window = Window::centre(image.width(), image.height(), size, size);
                for (name, filter) in FILTERS {
                    let theirs = open(folder.join(format!("{i}_{size}_{name}.png")));
                    let ours = resize_and_crop(&image, window, filter).unwrap();
                    assert_equal(&ours, &theirs, &format!("photo {i}, {name}"));
                    for ((down_name, down), side) in
                        FILTERS.into_iter().flat_map(|down| sides.iter().map(move |side| (down, *side)))
                    {
                        let file = format!("small_npy/{i}_{size}{name}_{side}{down_name}.npy");
                        let Some(small) = npy(folder.join(&file), side) else { continue };
                        let ours = resize_square(&theirs, side, down).unwrap();
                        assert_equal(&ours, &small, &file);
                        compared += 1;
                    }
                }
            }
            assert!(compared >= 5 * photos.len(), "{compared} small images");
        }
    }

    #[test]
    fn random_crops_are_those_of_pillow() {
        for Reference { folder, photos, size, .. } in references() {
            let mut compared = 0;
            for (i, photo) in photos.iter().enumerate() {
                let image = open(folder.join(format!("src/{i}.png")));
                for augment in photo["augment"].as_array().unwrap() {
                    let [k, short, top, left] =
                        ["k", "short", "top", "left"].map(|name| number(&augment[name]));
                    let window = Window { short, top, left, size };
                    for (name, filter) in FILTERS {
                        let crop = resize_and_crop(&image, window, filter).unwrap();
                        let png = folder.join(format!("{i}_aug{k}_{name}_{size}.png"));
                        if png.exists() {
                            assert_equal(&crop, &open(png), &format!("photo {i}, view {k}, {name}"));
                            compared += 1;
                        }
                        let small = folder.join(format!("small_npy/{i}_aug{k}_{name}_32box.npy"));
                        if let Some(small) = npy(small, 32) {
                            let ours = resize_square(&crop, 32, Filter::Box).unwrap();
                            assert_equal(&ours, &small, &format!("photo {i}, view {k}, {name}, 32"));
                            compared += 1;
                        }
                    }
                }
            }
            assert!(compared >= 3 * photos.len(), "{compared} crops");
        }
    }

    #[test]
    fn a_side_shorter_than_the_filter_is_resized_and_one_that_stays_is_copied() {
        let image = RgbImage::from_fn(2, 1, |x, _| image::Rgb([200 * x as u8, 7, 255]));
        for (_, filter) in FILTERS {
            let large = resize_square(&image, 9, filter).unwrap();
            assert!(large.pixels().all(|pixel| pixel.0[1..] == [7, 255]), "{filter:?}");
            assert!(large.get_pixel(0, 4)[0] == 0 && large.get_pixel(8, 8)[0] >= 200, "{filter:?}");
            let window = Window { short: 1, top: 0, left: 1, size: 1 };
            assert_eq!(resize_and_crop(&image, window, filter).unwrap().get_pixel(0, 0).0, [200, 7, 255]);
        }
        assert!(resize_square(&RgbImage::new(0, 3), 2, Filter::Box).is_err());
    }

    #[test]
    fn a_window_outside_of_the_image_is_refused() {
        let image = RgbImage::new(40, 30);
        let window = Window { short: 30, top: 0, left: 11, size: 30 };
        let error = resize_and_crop(&image, window, Filter::Box).unwrap_err();
        assert!(error.to_string().contains("an image of 40 x 30"), "{error}");
    }
}
