//! ImageNet (ILSVRC 2012): the official archives, packed or unpacked, or Kaggle's.
//!
//! Classes are wnids (`n01440764`), sorted; `synsets.csv` beside the images has their words. The tar of
//! class tars is read in place: a file in an inner tar has a position in the outer one, and nothing is
//! unpacked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use igpt_contract::{StageContext, StageError};
use igpt_dataset::{Split, shown, shown_path};

use crate::devkit::{self, GroundTruth, is_wnid};
use crate::gunzip::refuse_gzip;
use crate::hidden::is_hidden;
use crate::image_file::{MOST_BYTES, NO_IMAGE, is_image};
use crate::layout::{SplitImage, SplitImages};
use crate::listing::{FileListing, FileLocation, folder_entries};
use crate::params::Params;
use crate::skipped::Skipped;
use crate::tarball::{PlainTar, SizeLimits, TarMember, each_file, each_nested_file};
use crate::write;

const TRAIN_TAR: &str = "ILSVRC2012_img_train.tar";
/// The folder of the images in Kaggle's archive.
const KAGGLE: &str = "ILSVRC/Data/CLS-LOC";
/// The training archive has 138 GB, each class up to 0.3 GB.
const OUTER: SizeLimits = SizeLimits { member: 1 << 34, total: 1 << 40 };
const INNER: SizeLimits = SizeLimits { member: MOST_BYTES, total: 1 << 34 };

/// The images of each class by their file names.
pub(crate) type Classes = BTreeMap<String, BTreeMap<String, FileLocation>>;

/// A folder that holds ImageNet, while it is read.
pub(crate) struct ImagenetFolder<'a> {
    pub(crate) root: &'a Path,
    pub(crate) cx: &'a StageContext,
    /// The archives that hold images.
    tars: Vec<PlainTar>,
    /// Files without an image extension.
    pub(crate) others: Skipped<'a>,
}

/// Writes the images of a folder that holds ImageNet.
pub(crate) fn ingest(root: &Path, params: &Params, out: &Path, cx: &StageContext) -> Result<(), StageError> {
    let others = Skipped::new("file", NO_IMAGE, cx);
    let mut found = ImagenetFolder { root, cx, tars: Vec::new(), others };
    if !root.is_dir() {
        return Err(found.refuse("expected a folder, found a file".to_owned()));
    }
    let truth = devkit::find(root, cx)?;
    let train = found.train(&truth)?;
    let val = found.val(&truth, &train)?;
    found.others.note();
    if val.is_empty() {
        cx.note("found no validation images (`val` or its archive): the set has no test split".to_owned());
    }
    let without = train.keys().filter(|wnid| val.get(*wnid).is_none_or(BTreeMap::is_empty)).count();
    if without > 0 && !val.is_empty() {
        cx.note(format!("{without} of {} classes have no validation images", train.len()));
    }
    let tests =
        ["test", "ILSVRC/Data/CLS-LOC/test", "ILSVRC2012_img_test_v10102019.tar", "ILSVRC2012_img_test.tar"];
    if let Some(name) = tests.into_iter().find(|name| root.join(name).exists()) {
        cx.note(format!("skipped `{name}`: the labels of ImageNet's test images are not published"));
    }
    let classes: Vec<String> = train.keys().cloned().collect();
    let (mut files, mut images) = (BTreeMap::new(), Vec::new());
    for (split, folder, by_class) in [(Split::Train, "train", train), (Split::Test, "val", val)] {
        for (wnid, places) in by_class {
            for (file, place) in places {
                let name = format!("{folder}/{wnid}/{file}");
                images.push(SplitImage { split, class: Some(wnid.clone()), name: name.clone() });
                files.insert(name, place);
            }
        }
    }
    write_words(out, &classes, &truth)?;
    let listing = FileListing { root: root.to_owned(), files, folders: Default::default(), tars: found.tars };
    let name = params.name.as_deref().unwrap_or("imagenet");
    write::image_set(name, &listing, SplitImages { images, classes }, params, out, cx)
}

/// Writes `synsets.csv`, the words of each class, if they are known.
fn write_words(out: &Path, classes: &[String], truth: &GroundTruth) -> Result<(), StageError> {
    if truth.words.is_empty() {
        return Ok(());
    }
    let mut text = "wnid,words\n".to_owned();
    for wnid in classes {
        let words = truth.words.get(wnid).map_or("", String::as_str);
        text.push_str(&format!("{wnid},\"{}\"\n", words.replace('"', "\"\"")));
    }
    std::fs::write(out.join("synsets.csv"), text)?;
    Ok(())
}

impl ImagenetFolder<'_> {
    pub(crate) fn refuse(&self, what: String) -> StageError {
        StageError::new(format!("`{}`: {what}", shown_path(self.root))).hint(
            "expected ImageNet's archives (`ILSVRC2012_img_train.tar`, `ILSVRC2012_img_val.tar`, \
             `ILSVRC2012_devkit_t12.tar.gz`) or `train/WNID/FILE` with `val/`; use `source: folder` for other data sets",
        )
    }

    /// The archive or the folder of a split, whichever exists.
    pub(crate) fn place_of(&self, archive: &str, folder: &str) -> Result<Option<PathBuf>, StageError> {
        let kaggle = self.root.join(KAGGLE).join(folder);
        let places: Vec<PathBuf> = [self.root.join(archive), self.root.join(folder), kaggle]
            .into_iter()
            .enumerate()
            .filter(|(i, path)| if *i == 0 { path.is_file() } else { path.is_dir() })
            .map(|(_, path)| path)
            .collect();
        match places.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(only.clone())),
            [one, other, ..] => {
                let (one, other) = (shown_path(one), shown_path(other));
                Err(self.refuse(format!("expected one of `{one}` and `{other}`, found both")))
            }
        }
    }

    /// The training images.
    fn train(&mut self, truth: &GroundTruth) -> Result<Classes, StageError> {
        let Some(path) = self.place_of(TRAIN_TAR, "train")? else {
            return Err(self.refuse(format!("expected `{TRAIN_TAR}` or `train/`, found neither")));
        };
        let classes = if path.is_dir() { self.class_folders(&path)? } else { self.class_tars(&path)? };
        if classes.is_empty() {
            return Err(self.refuse(format!("`{}` has no classes", shown_path(&path))));
        }
        for (wnid, files) in &classes {
            if files.is_empty() {
                return Err(self.refuse(format!("the class `{wnid}` has no training images")));
            }
            if !truth.words.is_empty() && !truth.words.contains_key(wnid) {
                let what = format!(
                    "the training class `{wnid}` is not among the {} classes of the development kit",
                    truth.words.len()
                );
                return Err(self.refuse(what));
            }
        }
        Ok(classes)
    }

    /// The class tars of the training archive.
    fn class_tars(&mut self, path: &Path) -> Result<Classes, StageError> {
        refuse_gzip(path)?;
        let mut inner = Vec::new();
        each_file(path, path, OUTER, self.cx, |member, _| {
            inner.push(member.clone());
            Ok(())
        })?;
        let tar = self.tar(path);
        let mut classes = Classes::new();
        for (i, member) in inner.iter().enumerate() {
            let base = member.name.rsplit('/').next().unwrap_or_default();
            let Some(wnid) = base.strip_suffix(".tar").filter(|wnid| is_wnid(wnid)) else {
                let (path, name) = (shown_path(path), shown(&member.name));
                return Err(
                    self.refuse(format!("`{path}`: expected tars of classes (`WNID.tar`), found `{name}`"))
                );
            };
            let (mut files, cx) = (BTreeMap::new(), self.cx);
            each_nested_file(path, member, INNER, cx, |image| self.add(&mut files, wnid, image, tar))?;
            self.new_class(&mut classes, wnid, files)?;
            self.cx.progress(i as u64 + 1, inner.len() as u64, "classes");
        }
        Ok(classes)
    }

    /// Class folders or class tars in a folder.
    pub(crate) fn class_folders(&mut self, folder: &Path) -> Result<Classes, StageError> {
        let mut classes = Classes::new();
        for (name, path) in entries(folder)? {
            self.cx.check()?;
            if path.is_dir() {
                if !is_wnid(&name) {
                    let name = shown_path(&path);
                    return Err(self.refuse(format!("`{name}`: expected class folders named by wnid")));
                }
                let files = self.images(&path, &name)?;
                self.new_class(&mut classes, &name, files)?;
            } else if let Some(wnid) = name.strip_suffix(".tar").filter(|wnid| is_wnid(wnid)) {
                let tar = self.tar(&path);
                let mut files = BTreeMap::new();
                let whole = TarMember { name: String::new(), size: path.metadata()?.len(), position: 0 };
                let cx = self.cx;
                each_nested_file(&path, &whole, INNER, cx, |image| self.add(&mut files, wnid, image, tar))?;
                self.new_class(&mut classes, wnid, files)?;
            } else if is_image(&name) {
                let name = shown_path(&path);
                return Err(self.refuse(format!("the training image `{name}` is not in a class folder")));
            } else {
                self.others.add(&name);
            }
        }
        Ok(classes)
    }

    /// The image files of a class folder.
    fn images(&mut self, folder: &Path, wnid: &str) -> Result<BTreeMap<String, FileLocation>, StageError> {
        let mut files = BTreeMap::new();
        for (name, path) in entries(folder)? {
            if path.is_dir() {
                return Err(self.refuse(format!(
                    "`{}`: expected files in a class folder, found a folder",
                    shown_path(&path)
                )));
            }
            if is_image(&name) {
                self.check_name(wnid, &name)?;
                files.insert(name, FileLocation::OnDisk(path));
            } else {
                self.others.add(&format!("{wnid}/{name}"));
            }
        }
        Ok(files)
    }

    /// Adds a file of a class tar.
    fn add(
        &mut self,
        files: &mut BTreeMap<String, FileLocation>,
        wnid: &str,
        image: &TarMember,
        tar: usize,
    ) -> Result<(), StageError> {
        let name = image.name.rsplit('/').next().unwrap_or_default();
        if is_hidden(name) || !is_image(name) {
            self.others.add(&format!("{wnid}/{name}"));
            return Ok(());
        }
        self.check_name(wnid, name)?;
        match files
            .insert(name.to_owned(), FileLocation::InTar { tar, position: image.position, size: image.size })
        {
            None => Ok(()),
            Some(_) => Err(self
                .refuse(format!("expected each file once, found `{}` twice in `{wnid}.tar`", shown(name)))),
        }
    }

    /// Refuses a file that is named after another class.
    fn check_name(&self, wnid: &str, name: &str) -> Result<(), StageError> {
        match name.split_once('_') {
            Some((other, _)) if is_wnid(other) && other != wnid => Err(self.refuse(format!(
                "the class `{wnid}` contains `{}`, which is named after another class",
                shown(name)
            ))),
            _ => Ok(()),
        }
    }

    fn new_class(
        &self,
        classes: &mut Classes,
        wnid: &str,
        files: BTreeMap<String, FileLocation>,
    ) -> Result<(), StageError> {
        match classes.insert(wnid.to_owned(), files) {
            None => Ok(()),
            Some(_) => Err(self.refuse(format!("expected each class once, found `{wnid}` twice"))),
        }
    }

    pub(crate) fn tar(&mut self, path: &Path) -> usize {
        self.tars.push(PlainTar::new(path));
        self.tars.len() - 1
    }
}

/// The entries of a folder by name, without hidden and system files.
pub(crate) fn entries(folder: &Path) -> Result<BTreeMap<String, PathBuf>, StageError> {
    let mut found = folder_entries(folder)?;
    found.retain(|name, _| !is_hidden(name));
    Ok(found)
}
