//! A test split that is drawn from the training images, class by class.

use std::collections::BTreeMap;

use igpt_contract::{ParamError, StageContext, StageError, counted, stream};
use igpt_dataset::{Split, shown};
use rand::RngExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::layout::SplitImage;

/// A test split drawn from the training images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrawnSplit {
    /// The share of each class that becomes test images, 0 < test < 1, rounded to the nearest number of
    /// images (halves up). At least one image of each class remains for training.
    pub test: f64,
    /// The seed of the draw (default 0). It is independent of the pipeline's seed, so that experiments with
    /// several seeds share one split.
    #[serde(default)]
    pub seed: u64,
}

impl DrawnSplit {
    pub(crate) fn check(&self) -> Result<(), ParamError> {
        if self.test > 0.0 && self.test < 1.0 {
            return Ok(());
        }
        Err(ParamError::at("split", format!("expected 0 < test < 1, found {}", self.test)))
    }

    /// Turns a share of each class's images into test images. The choice depends only on the seed, the
    /// class's name and the number of its images.
    ///
    /// # Errors
    /// If there are test images already, a class would have no training images, or no test image would be
    /// drawn.
    pub(crate) fn draw(&self, images: &mut [SplitImage], cx: &StageContext) -> Result<(), StageError> {
        if let Some(image) = images.iter().find(|image| image.split == Split::Test) {
            let what = format!(
                "expected only training images to draw `split` from, found the test image `{}`",
                shown(&image.name)
            );
            return Err(StageError::new(what)
                .hint("remove `split`, or read only the training images: `splits: {train: [train]}`"));
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
                    "`split` would leave no training images of the class `{}`, which has {}",
                    shown(&name),
                    counted(members.len(), "image")
                );
                return Err(StageError::new(what).hint("lower `split.test`, or add images of the class"));
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
            let what = format!("`split.test` {} is less than half an image in every class", self.test);
            return Err(StageError::new(what).hint("raise `split.test`, or add images"));
        }
        if without > 0 {
            cx.note(format!("{} without a test image: too few images", counted(without, "class")));
        }
        Ok(())
    }
}
