//! A test split of our own, drawn from the training images class by class.

use std::collections::BTreeMap;

use igpt_contract::{ParamError, StageContext, StageError, stream};
use igpt_dataset::{Split, shown};
use rand::RngExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::layout::SplitImage;

/// A test split drawn from images that are all for training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrawnSplit {
    /// The share of each class that becomes test images, above 0 and below 1, rounded to the nearest
    /// number of images (halves up). At least one image of each class stays for training.
    pub test: f64,
    /// The seed of the drawing (default 0), apart from the pipeline's, so that several seeds of an
    /// experiment share one split.
    #[serde(default)]
    pub seed: u64,
}

impl DrawnSplit {
    pub(crate) fn check(&self) -> Result<(), ParamError> {
        if self.test > 0.0 && self.test < 1.0 {
            return Ok(());
        }
        Err(ParamError::at("split", format!("expected `test` above 0 and below 1, found {}", self.test)))
    }

    /// Makes a share of each class's images test images. Which ones depends on the seed, the class's
    /// name and the number of its images alone.
    ///
    /// # Errors
    /// If there are test images already, a class would have no training image, or no image at all
    /// would be for testing.
    pub(crate) fn draw(&self, images: &mut [SplitImage], cx: &StageContext) -> Result<(), StageError> {
        if let Some(image) = images.iter().find(|image| image.split == Split::Test) {
            let what =
                format!("`split` draws test images, and there are some already: `{}`", shown(&image.name));
            return Err(StageError::new(what)
                .hint("leave out `split`, or read the training images alone: `splits: {train: [train]}`"));
        }
        let mut classes: BTreeMap<Option<String>, Vec<usize>> = BTreeMap::new();
        for (i, image) in images.iter().enumerate() {
            classes.entry(image.class.clone()).or_default().push(i);
        }
        let (mut drawn, mut without) = (0, 0);
        for (class, mut members) in classes {
            let n = (self.test * members.len() as f64 + 0.5).floor() as usize;
            let name = class.unwrap_or_default();
            if n >= members.len() {
                let what = format!(
                    "the class `{}` has {} images, and `split` would leave none of them for training",
                    shown(&name),
                    members.len()
                );
                return Err(StageError::new(what).hint("a smaller share, or more images of the class"));
            }
            members.sort_by(|a, b| images[*a].name.cmp(&images[*b].name));
            let mut random = stream(self.seed, &format!("split {name}"));
            for place in 0..n {
                let other = random.random_range(place..members.len());
                members.swap(place, other);
                images[members[place]].split = Split::Test;
            }
            drawn += n;
            without += usize::from(n == 0);
        }
        if drawn == 0 {
            let what = format!("a share of {} is less than half an image of every class", self.test);
            return Err(StageError::new(what).hint("a larger `split.test`, or more images"));
        }
        if without > 0 {
            cx.note(format!("{without} classes have too few images for a test image of their own"));
        }
        Ok(())
    }
}
