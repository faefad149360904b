//! The views of an image: crops that are resized to the input resolution.

use igpt_contract::{StageError, stream};
use igpt_dataset::{ImageRow, RowKey, Split, decode};
use image::RgbImage;
use rand::RngExt as _;
use rayon::prelude::*;

use crate::params::{Crop, Params};
use crate::resize::{ResizeError, Window, fit_shorter_side, resize_and_crop, resize_square};

/// Makes views of images.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ViewMaker<'p> {
    /// The step's parameters.
    pub(crate) params: &'p Params,
    /// The step's seed. Each view draws from a stream of its own, so that it depends on neither the order
    /// of the images nor the number of views or threads.
    pub(crate) seed: u64,
}

impl ViewMaker<'_> {
    /// The number of views of an image.
    fn views(&self, split: Split) -> u16 {
        if self.is_random(split) { self.params.views } else { 1 }
    }

    fn is_random(&self, split: Split) -> bool {
        self.params.crop == Crop::Random && split == Split::Train
    }

    /// The window of a view of an image of `width` by `height`.
    fn window(&self, key: RowKey, width: u32, height: u32) -> Window {
        let Params { resize_to, resize_range: [low, high], crop_size: size, .. } = *self.params;
        if !self.is_random(key.split) {
            return Window::centre(width, height, resize_to, size);
        }
        let mut random = stream(self.seed, &format!("view {} of {}", key.view, key.id));
        let short = random.random_range(low..=high);
        let (width, height) = fit_shorter_side(width, height, short);
        let top = random.random_range(0..=height - size);
        let left = random.random_range(0..=width - size);
        Window { short, top, left, size }
    }

    /// One view of an image.
    fn view(&self, image: &RgbImage, key: RowKey) -> Result<RgbImage, ResizeError> {
        let Params { side, crop, filter, down_filter, .. } = *self.params;
        if crop == Crop::None {
            return resize_square(image, side, down_filter);
        }
        let window = self.window(key, image.width(), image.height());
        let cropped = resize_and_crop(image, window, filter)?;
        resize_square(&cropped, side, down_filter)
    }
}

/// The views of each image of a batch, in order.
pub(crate) fn views(maker: &ViewMaker<'_>, batch: &[ImageRow]) -> Vec<Result<Vec<ImageRow>, StageError>> {
    batch.par_iter().map(|row| views_of(maker, row)).collect()
}

fn views_of(maker: &ViewMaker<'_>, row: &ImageRow) -> Result<Vec<ImageRow>, StageError> {
    let name = format!("{} image {}", row.split, row.id);
    if row.view > 0 {
        let what = format!("expected images without views, found view {} of {name}", row.view);
        return Err(StageError::new(what).hint("connect the images from before the first `augment` step"));
    }
    if maker.params.crop == Crop::None && row.height != row.width {
        let what = format!("expected square images, found {}x{} pixels in {name}", row.height, row.width);
        return Err(StageError::new(what).hint("set `crop: centre` or `crop: random`"));
    }
    let image = decode(row).map_err(|error| StageError::caused(format!("cannot decode {name}"), error))?;
    (0..maker.views(row.split))
        .map(|view| {
            let key = RowKey { view, ..row.key() };
            let image = maker
                .view(&image, key)
                .map_err(|error| StageError::caused(format!("cannot resize {name}"), error))?;
            ImageRow::new(key, &image)
                .map(|view| view.named(row.name.as_str()))
                .map_err(|error| StageError::caused(format!("cannot store {name}"), error))
        })
        .collect()
}
