//! The stage's parameters, and which source each belongs to.

use igpt_contract::{ParamError, Shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalogue::N_FOLDS;
use crate::drawn_split::DrawnSplit;
use crate::splits::Splits;

/// How many training and test images a drawn set has unless others are asked for.
pub(crate) const DRAWN_TRAIN: u64 = 5000;
pub(crate) const DRAWN_TEST: u64 = 1000;

/// Where images come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// CIFAR-10: 50,000 + 10,000 images of 32x32 in 10 classes.
    Cifar10,
    /// CIFAR-100: 50,000 + 10,000 images of 32x32 in 100 fine or 20 coarse classes.
    Cifar100,
    /// STL-10: 5,000 + 8,000 labelled images of 96x96 in 10 classes; its unlabelled part is not
    /// read, as in the paper (section 3.1).
    Stl10,
    /// JPEG, PNG, WebP, GIF, BMP and TIFF files of the input `archive`, a folder or a tar (gzipped or not),
    /// laid out as `SPLIT/CLASS/FILE`, `CLASS/FILE` (all for training) or `FILE` (without labels); or with a
    /// label file as the input `labels`. A split is `train` for training, or `val`, `valid`, `validation` or
    /// `test` for testing, in upper or lower case. Hidden and system folders are skipped.
    Folder,
    /// ImageNet (ILSVRC 2012): the input `archive` is a folder of the official archives
    /// (`ILSVRC2012_img_train.tar`, `ILSVRC2012_img_val.tar`, `ILSVRC2012_devkit_t12.tar.gz`), of their
    /// content (`train/WNID/FILE`; `val/FILE` with the development kit, or `val/WNID/FILE`), or of
    /// Kaggle's archive. The classes are the wnids of `train`, in sorted order; `val` is the test split.
    Imagenet,
    /// Unlabelled images for pre-training (the paper trains iGPT-XL on web images too): the input
    /// `archive` is a tar (gzipped or not), a folder of tars or image files, or a list: a text file with
    /// one image or tar per line, as a path (relative to the list's folder) or `http(s)` URL. All are
    /// training images without a label. Only the text of a list is part of the cache key: the files it
    /// names must not change.
    Web,
    /// Synthetic shapes in 10 classes; nothing is downloaded.
    Shapes,
    /// Synthetic textures in 10 classes; nothing is downloaded. Single pixels reveal little about the class;
    /// how they repeat reveals much, and a network learns this in pre-training.
    Textures,
}

impl Source {
    /// The name in pipelines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
            Self::Stl10 => "stl10",
            Self::Imagenet => "imagenet",
            Self::Folder => "folder",
            Self::Web => "web",
            Self::Shapes => "shapes",
            Self::Textures => "textures",
        }
    }
}

/// Which labels to keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LabelChoice {
    /// CIFAR-100's 100 classes.
    #[default]
    Fine,
    /// CIFAR-100's 20 superclasses.
    Coarse,
    /// No labels; images are read at any depth below their split folder.
    Drop,
}

/// What to do about classes without readable images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EmptyClasses {
    /// The step fails and names them.
    #[default]
    Error,
    /// The classes keep their names and labels.
    Keep,
}

/// What to do about the Exif orientation of photographs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Exif {
    /// Photographs are rotated upright.
    Apply,
    /// The orientation is ignored, as torchvision and PIL's `open` do.
    #[default]
    Ignore,
}

/// Parameters of `download`. Where an archive comes from is not a parameter: set the input `archive` to a
/// local copy, or the environment variable `IGPT_FLOW_MIRROR` to a URL prefix or a folder that has the
/// archive under its official file name.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Where the images come from.
    pub source: Source,
    /// The number of training images. `shapes` and `textures`: how many to draw (default 5000). Others: how many to keep
    /// (default all), the first in the official order; for `folder` and `imagenet` the first of each
    /// class in turn.
    #[serde(default)]
    pub train: Option<u64>,
    /// The number of test images, as for `train` (default for `shapes` and `textures`: 1000).
    #[serde(default)]
    pub test: Option<u64>,
    /// `cifar100`: `fine` (100 classes, the default) or `coarse` (20). `folder`: `drop` reads the images
    /// without labels, for pre-training (default: labels from the layout).
    #[serde(default)]
    pub labels: Option<LabelChoice>,
    /// `folder` only: which top-level folders, or values of a label file's column `split`, belong to each
    /// split: `{train: [NAME, ...], test: [NAME, ...]}`, in upper or lower case; images in other folders are
    /// skipped. `none`: no folder is a split. Default: `train` for training and one of `val`, `valid`,
    /// `validation` and `test` for testing, if every image is in such a folder.
    #[serde(default)]
    pub splits: Option<Splits>,
    /// `folder` only, for sets without a test split: draws test images from each class, for example
    /// `{test: 0.1, seed: 0}`.
    #[serde(default)]
    pub split: Option<DrawnSplit>,
    /// `folder` only: what to do about a class without readable images: `error` (the default) or `keep`
    /// its name and label.
    #[serde(default)]
    pub empty_classes: Option<EmptyClasses>,
    /// `stl10` only: one of the ten folds of the official protocol, 0 to 9: the 1,000 training images in
    /// that line of the archive's `fold_indices.txt` (default: all 5,000). The protocol averages the
    /// accuracy on all test images over the ten folds.
    #[serde(default)]
    pub fold: Option<usize>,
    /// `folder` and `imagenet`: skip files that cannot be decoded instead of failing (default false).
    #[serde(default)]
    pub skip_broken: Option<bool>,
    /// `web` only: the share of image files that may be unreadable, 0 ≤ broken < 1 (default 0.1). They are
    /// skipped and reported; a larger share is an error.
    #[serde(default)]
    pub broken: Option<f64>,
    /// `folder`, `imagenet` and `web`: `ignore` (the default) ignores the Exif orientation of JPEG, PNG, WebP
    /// and TIFF files and reports how many images have one; `apply` rotates them upright.
    #[serde(default)]
    pub exif: Option<Exif>,
    /// `folder`, `imagenet` and `web`: the set's name in tables (default: the source's).
    #[serde(default)]
    pub name: Option<String>,
    /// `shapes` and `textures`: the side in pixels, 8 to 64 (default 32).
    #[serde(default)]
    pub size: Option<u32>,
    /// `shapes` and `textures`: the number of classes, 2 to 10 (default 10).
    #[serde(default)]
    pub classes: Option<usize>,
    /// `shapes` and `textures`: the seed of the data set (default 0). It is independent of the pipeline's seed, so
    /// that experiments with several seeds share one data set.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// The number of images that a limit allows.
pub(crate) fn at_most(limit: Option<u64>) -> usize {
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

impl Params {
    /// How much the set will hold, where that does not depend on the user's files.
    pub(crate) fn shape(&self) -> Shape {
        let (train, test, side) = match self.source {
            Source::Cifar10 | Source::Cifar100 => (50_000, 10_000, 32),
            Source::Stl10 => (if self.fold.is_some() { 1000 } else { 5000 }, 8000, 96),
            Source::Shapes | Source::Textures => {
                let (train, test) = (self.train.unwrap_or(DRAWN_TRAIN), self.test.unwrap_or(DRAWN_TEST));
                (train, test, u64::from(self.size.unwrap_or(32)))
            }
            Source::Folder | Source::Imagenet | Source::Web => return Shape::default(),
        };
        let some = |all: u64, asked: Option<u64>| Some(asked.map_or(all, |asked| asked.min(all)));
        Shape {
            train: some(train, self.train),
            test: some(test, self.test),
            positions: Some(side * side),
            width: None,
        }
    }

    /// The parameters of a source, all others at their defaults.
    pub fn of(source: Source) -> Self {
        Self {
            source,
            train: None,
            test: None,
            labels: None,
            splits: None,
            split: None,
            empty_classes: None,
            fold: None,
            skip_broken: None,
            broken: None,
            exif: None,
            name: None,
            size: None,
            classes: None,
            seed: None,
        }
    }

    /// Refuses parameters of another source and values out of range.
    ///
    /// # Errors
    /// The first parameter that is not valid.
    pub fn check(&self) -> Result<(), ParamError> {
        let owned: [(&str, bool, &[Source]); 12] = [
            ("labels", self.labels.is_some(), &[Source::Cifar100, Source::Folder]),
            ("splits", self.splits.is_some(), &[Source::Folder]),
            ("split", self.split.is_some(), &[Source::Folder]),
            ("empty_classes", self.empty_classes.is_some(), &[Source::Folder]),
            ("fold", self.fold.is_some(), &[Source::Stl10]),
            ("skip_broken", self.skip_broken.is_some(), &[Source::Folder, Source::Imagenet]),
            ("broken", self.broken.is_some(), &[Source::Web]),
            ("exif", self.exif.is_some(), &[Source::Folder, Source::Imagenet, Source::Web]),
            ("name", self.name.is_some(), &[Source::Folder, Source::Imagenet, Source::Web]),
            ("size", self.size.is_some(), &[Source::Shapes, Source::Textures]),
            ("classes", self.classes.is_some(), &[Source::Shapes, Source::Textures]),
            ("seed", self.seed.is_some(), &[Source::Shapes, Source::Textures]),
        ];
        for (name, given, owners) in owned {
            if given && !owners.contains(&self.source) {
                let owners: Vec<&str> = owners.iter().map(|owner| owner.as_str()).collect();
                let (owners, source) = (owners.join("` or `"), self.source.as_str());
                let what =
                    format!("`{name}` is a parameter of the source `{owners}`, found the source `{source}`");
                return Err(ParamError::at(name, what));
            }
        }
        if let Some(labels) = self.labels {
            let dropped = labels == LabelChoice::Drop;
            if dropped != (self.source == Source::Folder) {
                let (expected, source) =
                    (if dropped { "`fine` or `coarse`" } else { "`drop`" }, self.source.as_str());
                let what = format!("expected {expected} for the source `{source}`");
                return Err(ParamError::at("labels", what));
            }
            if dropped && self.empty_classes.is_some() {
                let what = "cannot be combined with `labels: drop`: there are no classes";
                return Err(ParamError::at("empty_classes", what));
            }
        }
        if let Some(splits) = &self.splits {
            splits.check()?;
        }
        if let Some(split) = &self.split {
            split.check()?;
        }
        if self.test.is_some() && self.source == Source::Web {
            return Err(ParamError::at(
                "test",
                "cannot be set: the images of the source `web` are all for training",
            ));
        }
        if let Some(broken) = self.broken.filter(|broken| !(0.0..1.0).contains(broken)) {
            return Err(ParamError::at("broken", format!("expected 0 ≤ broken < 1, found {broken}")));
        }
        if let Some(fold) = self.fold.filter(|fold| *fold >= N_FOLDS) {
            return Err(ParamError::at("fold", format!("expected a fold from 0 to 9, found {fold}")));
        }
        if let Some(size) = self.size.filter(|size| !(8..=64).contains(size)) {
            return Err(ParamError::at("size", format!("expected 8 to 64 pixels, found {size}")));
        }
        if let Some(classes) = self.classes.filter(|classes| !(2..=10).contains(classes)) {
            return Err(ParamError::at("classes", format!("expected 2 to 10 classes, found {classes}")));
        }
        if self.train == Some(0) {
            return Err(ParamError::at("train", "expected at least 1 training image, found 0"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(yaml: &str) -> Result<(), String> {
        let params: Params = serde_json::from_str(yaml).map_err(|error| error.to_string())?;
        params.check().map_err(|error| error.to_string())
    }

    #[test]
    fn a_parameter_of_another_source_is_refused() {
        assert_eq!(check(r#"{"source": "cifar100", "labels": "coarse"}"#), Ok(()));
        let error = check(r#"{"source": "cifar10", "labels": "coarse"}"#).unwrap_err();
        assert_eq!(
            error,
            "`labels` is a parameter of the source `cifar100` or `folder`, found the source `cifar10`"
        );
        assert!(
            check(r#"{"source": "folder", "labels": "coarse"}"#).unwrap_err().contains("expected `drop`")
        );
        assert!(check(r#"{"source": "cifar100", "labels": "drop"}"#).unwrap_err().contains("`fine`"));
        let both = r#"{"source": "folder", "labels": "drop", "empty_classes": "keep"}"#;
        assert!(check(both).unwrap_err().contains("no classes"));
        assert!(check(r#"{"source": "stl10", "size": 32}"#).unwrap_err().contains("`shapes` or `textures`"));
        assert_eq!(check(r#"{"source": "web", "name": "photos", "broken": 0.5}"#), Ok(()));
        assert!(check(r#"{"source": "cifar10", "name": "x"}"#).unwrap_err().contains("`imagenet` or `web`"));
        assert_eq!(check(r#"{"source": "folder", "exif": "apply"}"#), Ok(()));
        assert!(
            check(r#"{"source": "stl10", "exif": "apply"}"#).unwrap_err().contains("`imagenet` or `web`")
        );
        assert!(check(r#"{"source": "web", "test": 1}"#).unwrap_err().contains("all for training"));
        assert!(check(r#"{"source": "web", "broken": 1}"#).unwrap_err().contains("broken < 1"));
    }

    #[test]
    fn a_limit_beyond_all_bounds_allows_any_number() {
        assert_eq!([None, Some(7), Some(u64::MAX)].map(at_most), [usize::MAX, 7, usize::MAX]);
    }

    #[test]
    fn unknown_parameters_and_values_out_of_range_are_refused() {
        assert!(check(r#"{"source": "cifar11"}"#).unwrap_err().contains("cifar11"));
        assert!(check(r#"{"source": "cifar10", "limit": 3}"#).unwrap_err().contains("limit"));
        for source in ["shapes", "textures"] {
            let drawn = |rest: &str| check(&format!(r#"{{"source": "{source}", {rest}}}"#));
            assert_eq!(drawn(r#""train": 1, "test": 0, "size": 8, "classes": 2, "seed": 9"#), Ok(()));
            assert!(drawn(r#""size": 65"#).unwrap_err().contains("8 to 64 pixels, found 65"));
            assert!(drawn(r#""classes": 1"#).unwrap_err().contains("2 to 10 classes, found 1"));
            assert!(drawn(r#""train": 0"#).unwrap_err().contains("at least 1"));
            assert!(drawn(r#""name": "x""#).unwrap_err().contains("`imagenet` or `web`"));
        }
        assert_eq!(check(r#"{"source": "folder", "splits": "none"}"#), Ok(()));
        assert_eq!(check(r#"{"source": "folder", "splits": {"train": "a", "test": ["b", "c"]}}"#), Ok(()));
        let splits =
            |splits: &str| check(&format!(r#"{{"source": "folder", "splits": {splits}}}"#)).unwrap_err();
        assert!(splits(r#"{"train": ["a", "A"]}"#).contains("each name once"));
        assert!(splits(r#"{"train": ["a"], "test": "a"}"#).contains("each name once"));
        assert!(splits("{}").contains("found no names"));
        assert!(splits(r#"{"test": "a/b"}"#).contains("top folders"));
        let split = |test: &str| check(&format!(r#"{{"source": "folder", "split": {{"test": {test}}}}}"#));
        assert_eq!(split("0.1"), Ok(()));
        assert!([split("0"), split("1"), split("-1")].iter().all(Result::is_err));
        assert!(check(r#"{"source": "stl10", "fold": 10}"#).unwrap_err().contains("0 to 9, found 10"));
        assert!(check(r#"{"source": "cifar10", "fold": 1}"#).unwrap_err().contains("`stl10`"));
    }
}
