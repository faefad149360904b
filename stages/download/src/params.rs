//! The stage's parameters, and which of them belong to which source.

use igpt_contract::ParamError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalogue::N_FOLDS;
use crate::drawn_split::DrawnSplit;
use crate::splits::Splits;

/// Where images come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// CIFAR-10: 50,000 + 10,000 images of 32x32 in 10 classes.
    Cifar10,
    /// CIFAR-100: 50,000 + 10,000 images of 32x32 in 100 fine or 20 coarse classes.
    Cifar100,
    /// STL-10: 5,000 + 8,000 labelled images of 96x96 in 10 classes; its unlabelled part is left
    /// out, as in the paper.
    Stl10,
    /// JPEG, PNG, WebP, GIF, BMP and TIFF files of the input `archive`, a folder or a tar (gzip or not), laid out as
    /// `SPLIT/CLASS/FILE`, `CLASS/FILE` (all for training) or `FILE` (without labels); or with a
    /// file of labels as the input `labels`. A split is `train`, or `val`, `valid`, `validation` or
    /// `test`, in any case, for testing. Hidden and system folders are passed over.
    Folder,
    /// ImageNet (ILSVRC 2012): the input `archive` is a folder of the official archives
    /// (`ILSVRC2012_img_train.tar`, `ILSVRC2012_img_val.tar`, `ILSVRC2012_devkit_t12.tar.gz`), of the
    /// same unpacked (`train/WNID/FILE`; `val/FILE` with the kit, or `val/WNID/FILE`), or of Kaggle's
    /// archive. The classes are the wnids of `train`, in sorted order; `val` is the test split.
    Imagenet,
    /// Unlabelled images for pre-training (the paper trains iGPT-XL on web images too): the input
    /// `archive` is a tar (gzip or not), a folder of tars or of image files, or a list, a text file
    /// that names one image or one tar a line, by its path (from the list's folder) or `http(s)`
    /// address. All are training images without a label. Of a list only its text enters the key: what it names must not change.
    Web,
    /// Drawn shapes in 10 classes; nothing is downloaded.
    Shapes,
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
    /// None: the images are taken without labels, at any depth below their split's folder.
    Drop,
}

/// What is done about classes without an image that can be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EmptyClasses {
    /// The step fails and names them.
    #[default]
    Error,
    /// They keep their names and labels, without an image.
    Keep,
}

/// What becomes of a photograph that lies on its side, or mirrored, by its Exif orientation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Exif {
    /// It is turned upright.
    Apply,
    /// It is taken as it lies, as torchvision and PIL's `open` do.
    #[default]
    Ignore,
}

/// Parameters of `download`. Where an archive comes from (a mirror, a local copy) is no parameter:
/// it is the input `archive`, or the environment's `IGPT_FLOW_MIRROR`, a URL prefix or a folder
/// that holds the archive under its official file name.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Where the images come from.
    pub source: Source,
    /// Training images. Of `shapes` so many are drawn (default 5000). Of the others only so many
    /// are kept (default all): the first in the official order; of a `folder` and of `imagenet` the
    /// first of each class in turn.
    #[serde(default)]
    pub train: Option<u64>,
    /// Test images, as for `train` (`shapes`: default 1000).
    #[serde(default)]
    pub test: Option<u64>,
    /// `cifar100`: `fine` (100 classes, the default) or `coarse` (20). `folder`: `drop` takes
    /// the images without labels, for pre-training (default: as laid out).
    #[serde(default)]
    pub labels: Option<LabelChoice>,
    /// `folder` only: which folders at the top, or values of a label file's `split`, are which
    /// split: `{train: [NAME, ...], test: [NAME, ...]}`, in any case; what is in none of them is
    /// left out. `none`: no folder is a split. Default: `train` for training; `val`, `valid`,
    /// `validation` or `test`, one of them, for testing; only where every image lies in such a
    /// folder.
    #[serde(default)]
    pub splits: Option<Splits>,
    /// `folder` only: draws test images from each class: `{test: 0.1, seed: 0}`. For sets without a
    /// test split.
    #[serde(default)]
    pub split: Option<DrawnSplit>,
    /// `folder` only: `error` (the default) or `keep` where a class has no image that can be read:
    /// an empty folder, or one whose files are all left out.
    #[serde(default)]
    pub empty_classes: Option<EmptyClasses>,
    /// `stl10` only: keep the training images of one of the ten folds that its authors evaluate by, 0
    /// to 9: the line of the archive's `fold_indices.txt`, 1,000 images (default all 5,000). Their
    /// protocol is the mean over the ten folds of the accuracy on all test images.
    #[serde(default)]
    pub fold: Option<usize>,
    /// `folder` and `imagenet`: leave out files that cannot be decoded, instead of failing (default false).
    #[serde(default)]
    pub skip_broken: Option<bool>,
    /// `web` only: the share of image files that may be unreadable, from 0 to below 1 (default 0.1).
    /// They are left out, counted and named; more of them are an error.
    #[serde(default)]
    pub broken: Option<f64>,
    /// `folder`, `imagenet` and `web`: `ignore` (the default) takes photographs as they lie in their files
    /// and says how many ask to be turned; `apply` turns them as their Exif orientation asks. Read
    /// from JPEG, PNG, WebP and TIFF.
    #[serde(default)]
    pub exif: Option<Exif>,
    /// `folder`, `imagenet` and `web`: the set's name in tables (default the source's).
    #[serde(default)]
    pub name: Option<String>,
    /// `shapes` only: pixels a side, from 8 to 64 (default 32).
    #[serde(default)]
    pub size: Option<u32>,
    /// `shapes` only: how many of the 10 classes, from 2 (default 10).
    #[serde(default)]
    pub classes: Option<usize>,
    /// `shapes` only: the seed of the drawing (default 0), apart from the pipeline's, so that
    /// several seeds of an experiment share one data set.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// How many images a limit allows: any number where there is none.
pub(crate) fn at_most(limit: Option<u64>) -> usize {
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

impl Params {
    /// Every image of a source, with every parameter at its default.
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
    /// The first parameter that does not belong.
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
            ("size", self.size.is_some(), &[Source::Shapes]),
            ("classes", self.classes.is_some(), &[Source::Shapes]),
            ("seed", self.seed.is_some(), &[Source::Shapes]),
        ];
        for (name, given, owners) in owned {
            if given && !owners.contains(&self.source) {
                let owners: Vec<&str> = owners.iter().map(|owner| owner.as_str()).collect();
                let (owners, source) = (owners.join("` or `"), self.source.as_str());
                let what = format!("`{name}` belongs to the source `{owners}`, found the source `{source}`");
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
                let what = "there are no classes with `labels: drop`";
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
            return Err(ParamError::at("test", "the images of the source `web` are all for training"));
        }
        if let Some(broken) = self.broken.filter(|broken| !(0.0..1.0).contains(broken)) {
            return Err(ParamError::at(
                "broken",
                format!("expected a share from 0 to below 1, found {broken}"),
            ));
        }
        if let Some(fold) = self.fold.filter(|fold| *fold >= N_FOLDS) {
            return Err(ParamError::at("fold", format!("expected a fold from 0 to 9, found {fold}")));
        }
        if let Some(size) = self.size.filter(|size| !(8..=64).contains(size)) {
            return Err(ParamError::at("size", format!("expected 8 to 64 pixels a side, found {size}")));
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
            "`labels` belongs to the source `cifar100` or `folder`, found the source `cifar10`"
        );
        assert!(
            check(r#"{"source": "folder", "labels": "coarse"}"#).unwrap_err().contains("expected `drop`")
        );
        assert!(check(r#"{"source": "cifar100", "labels": "drop"}"#).unwrap_err().contains("`fine`"));
        let both = r#"{"source": "folder", "labels": "drop", "empty_classes": "keep"}"#;
        assert!(check(both).unwrap_err().contains("no classes"));
        assert!(check(r#"{"source": "stl10", "size": 32}"#).unwrap_err().contains("`shapes`"));
        assert_eq!(check(r#"{"source": "web", "name": "photos", "broken": 0.5}"#), Ok(()));
        assert!(check(r#"{"source": "cifar10", "name": "x"}"#).unwrap_err().contains("`imagenet` or `web`"));
        assert_eq!(check(r#"{"source": "folder", "exif": "apply"}"#), Ok(()));
        assert!(
            check(r#"{"source": "stl10", "exif": "apply"}"#).unwrap_err().contains("`imagenet` or `web`")
        );
        assert!(check(r#"{"source": "web", "test": 1}"#).unwrap_err().contains("all for training"));
        assert!(check(r#"{"source": "web", "broken": 1}"#).unwrap_err().contains("below 1"));
    }

    #[test]
    fn a_limit_beyond_all_bounds_allows_any_number() {
        assert_eq!([None, Some(7), Some(u64::MAX)].map(at_most), [usize::MAX, 7, usize::MAX]);
    }

    #[test]
    fn unknown_parameters_and_values_out_of_range_are_refused() {
        assert!(check(r#"{"source": "cifar11"}"#).unwrap_err().contains("cifar11"));
        assert!(check(r#"{"source": "cifar10", "limit": 3}"#).unwrap_err().contains("limit"));
        assert!(check(r#"{"source": "shapes", "size": 65}"#).unwrap_err().contains("8 to 64"));
        assert_eq!(check(r#"{"source": "folder", "splits": "none"}"#), Ok(()));
        assert_eq!(check(r#"{"source": "folder", "splits": {"train": "a", "test": ["b", "c"]}}"#), Ok(()));
        let splits =
            |splits: &str| check(&format!(r#"{{"source": "folder", "splits": {splits}}}"#)).unwrap_err();
        assert!(splits(r#"{"train": ["a", "A"]}"#).contains("named twice"));
        assert!(splits(r#"{"train": ["a"], "test": "a"}"#).contains("named twice"));
        assert!(splits("{}").contains("found no name"));
        assert!(splits(r#"{"test": "a/b"}"#).contains("folders at the top"));
        let split = |test: &str| check(&format!(r#"{{"source": "folder", "split": {{"test": {test}}}}}"#));
        assert_eq!(split("0.1"), Ok(()));
        assert!([split("0"), split("1"), split("-1")].iter().all(Result::is_err));
        assert!(check(r#"{"source": "shapes", "classes": 1}"#).unwrap_err().contains("2 to 10"));
        assert!(check(r#"{"source": "stl10", "fold": 10}"#).unwrap_err().contains("0 to 9, found 10"));
        assert!(check(r#"{"source": "cifar10", "fold": 1}"#).unwrap_err().contains("`stl10`"));
        assert!(check(r#"{"source": "shapes", "train": 0}"#).unwrap_err().contains("at least 1"));
    }
}
