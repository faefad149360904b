//! ImageNet's validation images: flat, labelled by the ground truth, or in folders of their classes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use igpt_contract::StageError;
use igpt_dataset::{shown, shown_path};

use crate::devkit::{GroundTruth, val_number};
use crate::gunzip::refuse_gzip;
use crate::image_file::{MOST_BYTES, is_image};
use crate::imagenet::{Classes, ImagenetFolder, entries};
use crate::listing::FileLocation;
use crate::tarball::{SizeLimits, each_file};

const VAL_TAR: &str = "ILSVRC2012_img_val.tar";
const FLAT: SizeLimits = SizeLimits { member: MOST_BYTES, total: 1 << 38 };

impl ImagenetFolder<'_> {
    /// The validation images by class; every class has training images.
    pub(crate) fn val(&mut self, truth: &GroundTruth, train: &Classes) -> Result<Classes, StageError> {
        let Some(path) = self.place_of(VAL_TAR, "val")? else { return Ok(Classes::new()) };
        let mut flat = BTreeMap::new();
        let classes = if path.is_dir() {
            let is_flat = entries(&path)?.iter().any(|(name, path)| is_image(name) && !path.is_dir());
            if is_flat {
                for (name, path) in entries(&path)? {
                    if path.is_dir() {
                        let path = shown_path(&path);
                        return Err(self.refuse(format!("expected only files in the folder of validation images, found the folder `{path}`")));
                    }
                    flat.insert(name, FileLocation::OnDisk(path));
                }
                self.labelled(&path, flat, truth)?
            } else {
                self.class_folders(&path)?
            }
        } else {
            refuse_gzip(&path)?;
            let tar = self.tar(&path);
            each_file(&path, &path, FLAT, self.cx, |member, _| {
                let place = FileLocation::InTar { tar, position: member.position, size: member.size };
                let name = member.name.rsplit('/').next().unwrap_or_default().to_owned();
                if flat.insert(name, place).is_some() {
                    let what = format!("expected each file name once, found `{}` twice", shown(&member.name));
                    return Err(StageError::new(format!("`{}`: {what}", shown_path(&path))));
                }
                Ok(())
            })?;
            self.labelled(&path, flat, truth)?
        };
        if classes.values().all(BTreeMap::is_empty) {
            return Err(self.refuse(format!("`{}` has no validation images", shown_path(&path))));
        }
        for (wnid, files) in &classes {
            if !train.contains_key(wnid) {
                let what = format!("the validation class `{wnid}` has no training images");
                return Err(self.refuse(what));
            }
            self.check_labels(wnid, files, truth)?;
        }
        Ok(classes)
    }

    /// Flat validation images by their classes in the ground truth.
    fn labelled(
        &mut self,
        path: &Path,
        files: BTreeMap<String, FileLocation>,
        truth: &GroundTruth,
    ) -> Result<Classes, StageError> {
        let is_kept = |(name, _): &(String, FileLocation)| is_image(name);
        let (images, others): (Vec<_>, Vec<_>) = files.into_iter().partition(is_kept);
        others.iter().for_each(|(name, _)| self.others.add(name));
        let path = shown_path(path);
        let Some((source, wnids)) = &truth.val else {
            let what = format!(
                "`{path}` has {} images without classes, and the folder has no ground truth",
                images.len()
            );
            return Err(StageError::new(what).hint(
                "add `ILSVRC2012_devkit_t12.tar.gz` or Kaggle's `LOC_val_solution.csv`, or move the images to `val/WNID/`",
            ));
        };
        if images.len() != wnids.len() {
            let (source, n) = (shown_path(source), wnids.len());
            let what =
                format!("`{path}` has {} validation images, expected the {n} of `{source}`", images.len());
            return Err(StageError::new(what));
        }
        let mut classes = Classes::new();
        for (name, place) in images {
            let wnid = val_number(&name).and_then(|number| wnids.get(number.checked_sub(1)?)).ok_or_else(|| {
                let n = wnids.len();
                let what = format!("`{path}`: expected `ILSVRC2012_val_NUMBER.JPEG` with a number from 1 to {n}, found `{}`", shown(&name));
                StageError::new(what)
            })?;
            classes.entry(wnid.clone()).or_default().insert(name, place);
        }
        let n: usize = classes
            .values()
            .flatten()
            .filter_map(|(name, _)| val_number(name))
            .collect::<BTreeSet<_>>()
            .len();
        if n != wnids.len() {
            return Err(StageError::new(format!(
                "`{path}`: expected each image number once, found some twice (as `.jpg` and `.JPEG`?)"
            )));
        }
        Ok(classes)
    }

    /// Refuses a validation image in a folder of a class that is not the ground truth's.
    fn check_labels(
        &self,
        wnid: &str,
        files: &BTreeMap<String, FileLocation>,
        truth: &GroundTruth,
    ) -> Result<(), StageError> {
        let Some((source, wnids)) = &truth.val else { return Ok(()) };
        for name in files.keys() {
            let expected = val_number(name).and_then(|number| wnids.get(number.checked_sub(1)?));
            if let Some(expected) = expected.filter(|expected| *expected != wnid) {
                let (name, source) = (shown(name), shown_path(source));
                let what =
                    format!("`val/{wnid}/{name}` belongs to the class `{expected}` according to `{source}`");
                return Err(self.refuse(what));
            }
        }
        Ok(())
    }
}
