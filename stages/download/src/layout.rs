//! Reads the split and the class of each image from its path.
//!
//! A layout is `SPLIT/CLASS/FILE` (or `SPLIT/FILE`) only if every image is in a split folder, and
//! `CLASS/FILE` or `FILE` if none is. If both readings are possible, the error names both and the
//! parameter that decides.

use std::collections::BTreeSet;
use std::path::Path;

use igpt_contract::{StageContext, StageError};
use igpt_dataset::{Split, name_list, shown, shown_path};

use crate::skipped::Skipped;
use crate::splits::SplitMap;

/// An image with its split and class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SplitImage {
    /// The path below the root.
    pub(crate) name: String,
    pub(crate) split: Split,
    /// `None` in a set without labels.
    pub(crate) class: Option<String>,
}

/// Images with their classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SplitImages {
    pub(crate) images: Vec<SplitImage>,
    /// All class names, by label, including classes without images.
    pub(crate) classes: Vec<String>,
}

/// The paths to read and how.
pub(crate) struct FolderLayout<'a> {
    /// The folder or archive, for errors.
    pub(crate) root: &'a Path,
    /// The images' paths, sorted.
    pub(crate) images: Vec<&'a str>,
    pub(crate) folders: &'a BTreeSet<String>,
    pub(crate) splits: &'a SplitMap,
    /// Whether class folders are ignored.
    pub(crate) drop_labels: bool,
}

/// How the user can decide.
const SETTLE: &str = "set `splits: none` if no folder is a split, else name them: `splits: {train: [NAME], test: \
                      [NAME]}`";

/// The components of an image's path.
pub(crate) struct PathParts<'a> {
    pub(crate) name: &'a str,
    /// The split folder.
    pub(crate) top: Option<&'a str>,
    pub(crate) split: Split,
    /// The components below it.
    pub(crate) rest: Vec<&'a str>,
}

/// The components of a path below the common folders.
fn parts_below<'n>(around: &str, name: &'n str) -> Vec<&'n str> {
    name[around.len()..].split('/').collect()
}

impl FolderLayout<'_> {
    /// Assigns splits and classes by path.
    ///
    /// # Errors
    /// If the images do not share one layout, or two layouts fit.
    pub(crate) fn arrange(&self, cx: &StageContext) -> Result<SplitImages, StageError> {
        if self.images.is_empty() {
            return Err(self.refuse("expected image files, found none").hint(LAYOUTS));
        }
        let around = self.around();
        let images: Vec<(&str, Vec<&str>)> =
            self.images.iter().map(|name| (*name, parts_below(&around, name))).collect();
        let folders: Vec<Vec<&str>> = self
            .folders
            .iter()
            .filter(|name| name.starts_with(&around))
            .map(|name| parts_below(&around, name))
            .collect();
        let by_split = self.has_splits(&images, &folders, cx)?;
        let parts = if by_split { self.by_split(images, cx)? } else { Self::without_split(images) };
        if by_split {
            self.check_splits(&parts, &folders)?;
        }
        if self.drop_labels {
            let placed = |part: PathParts<'_>| SplitImage {
                name: part.name.to_owned(),
                split: part.split,
                class: None,
            };
            return Ok(SplitImages { images: parts.into_iter().map(placed).collect(), classes: Vec::new() });
        }
        self.check_depth(&parts)?;
        // Folders that may be classes.
        let class_folders: BTreeSet<&str> = folders
            .iter()
            .filter_map(|folder| match (folder.as_slice(), by_split) {
                ([class], false) => Some(*class),
                ([top, class], true) => self.splits.split(top).map(|_| *class),
                _ => None,
            })
            .collect();
        let labelled = parts.iter().any(|part| part.rest.len() == 2);
        if let (false, Some(folder)) = (labelled, class_folders.first()) {
            let what = format!(
                "expected images in class folders, found {} outside of them and none in the folder `{}`",
                parts.len(),
                shown(folder)
            );
            return Err(self.refuse(&what).hint("set `labels: drop` to read the images without labels"));
        }
        self.check_spelling(&parts)?;
        let classes =
            if labelled { class_folders.into_iter().map(str::to_owned).collect() } else { Vec::new() };
        let placed = |part: PathParts<'_>| SplitImage {
            name: part.name.to_owned(),
            split: part.split,
            class: labelled.then(|| part.rest[0].to_owned()),
        };
        Ok(SplitImages { images: parts.into_iter().map(placed).collect(), classes })
    }

    /// An error that names the folder or archive.
    pub(crate) fn refuse(&self, what: &str) -> StageError {
        StageError::new(format!("`{}`: {what}", shown_path(self.root)))
    }

    /// The folders that contain everything, as in many archives, with `/` at the end. A folder counts if
    /// it is the only entry at its level and has folders below it.
    fn around(&self) -> String {
        let mut around = String::new();
        loop {
            let below = |name: &str| -> Option<(String, bool)> {
                let (folder, rest) = name.strip_prefix(around.as_str())?.split_once('/')?;
                Some((folder.to_owned(), rest.contains('/')))
            };
            let Some((folder, _)) = self.images.first().and_then(|name| below(name)) else { return around };
            let all = self.images.iter().all(|name| below(name) == Some((folder.clone(), true)));
            let first = format!("{around}{folder}");
            let alone = self.folders.iter().filter_map(|name| name.strip_prefix(around.as_str()));
            let alone = alone.filter(|name| !name.contains('/')).all(|name| name == folder);
            if !all || !alone || self.splits.split(&folder).is_some() {
                return around;
            }
            around = format!("{first}/");
        }
    }

    /// Whether the top folders are splits.
    fn has_splits(
        &self,
        images: &[(&str, Vec<&str>)],
        folders: &[Vec<&str>],
        cx: &StageContext,
    ) -> Result<bool, StageError> {
        let tops: BTreeSet<&str> = folders.iter().map(|folder| folder[0]).collect();
        if self.splits.given {
            let missing = self.splits.missing(tops.iter().copied());
            if missing.is_empty() {
                return Ok(!self.splits.is_empty());
            }
            let what = format!(
                "expected the top folders {} that `splits` names, found {}",
                name_list(missing.iter().copied()),
                if tops.is_empty() { "no folders".to_owned() } else { name_list(tops.iter().copied()) }
            );
            return Err(self.refuse(&what));
        }
        let named_split = |parts: &[&str]| if parts.len() > 1 { self.splits.split(parts[0]) } else { None };
        let within = images.iter().filter(|(_, parts)| named_split(parts).is_some());
        let (mut n, mut kinds, mut split_folders) = (0, BTreeSet::new(), BTreeSet::new());
        for (_, parts) in within {
            n += 1;
            kinds.extend(named_split(parts));
            split_folders.insert(parts[0]);
        }
        let outside = images.iter().find(|(_, parts)| named_split(parts).is_none());
        let shallow = images.iter().all(|(_, parts)| parts.len() == 2);
        let split_folders = name_list(split_folders);
        match outside {
            // `train/FILE`: a split without labels, or a class named `train`?
            None if shallow && !self.drop_labels => {
                let what = format!(
                    "the layout is ambiguous: {split_folders} may be splits of images without classes \
                     (`SPLIT/FILE`) or classes (`CLASS/FILE`)"
                );
                Err(self.refuse(&what).hint(SETTLE))
            }
            None => Ok(true),
            Some(_) if n == 0 => Ok(false),
            // A class may happen to be named `train`; two such names are no coincidence.
            Some(_) if shallow && kinds.len() == 1 => {
                cx.note(format!("{split_folders} is read as a class: not every image is in a split folder"));
                Ok(false)
            }
            Some((name, _)) => {
                let deep = images.iter().find(|(_, parts)| parts.len() > 2);
                let against = deep.map_or_else(
                    || format!("{split_folders} would be classes"),
                    |(deep, _)| format!("`{}` is deeper than a class folder", shown(deep)),
                );
                let what = format!(
                    "the layout is ambiguous: as `SPLIT/CLASS/FILE`, `{}` is not in a split folder ({}); as \
                     `CLASS/FILE`, {against}",
                    shown(name),
                    self.splits.listed()
                );
                Err(self.refuse(&what).hint(SETTLE))
            }
        }
    }

    /// The images below their split folders; those in other folders are skipped.
    fn by_split<'i>(
        &self,
        images: Vec<(&'i str, Vec<&'i str>)>,
        cx: &StageContext,
    ) -> Result<Vec<PathParts<'i>>, StageError> {
        let mut skipped = Skipped::new("image", "in no folder that `splits` names", cx);
        let mut parts = Vec::with_capacity(images.len());
        for (name, all) in images {
            match self.splits.split(all[0]) {
                Some(split) if all.len() > 1 => {
                    parts.push(PathParts { name, top: Some(all[0]), split, rest: all[1..].to_vec() });
                }
                _ => skipped.add(name),
            }
        }
        skipped.note();
        Ok(parts)
    }

    fn without_split<'i>(images: Vec<(&'i str, Vec<&'i str>)>) -> Vec<PathParts<'i>> {
        let parts = |(name, rest)| PathParts { name, top: None, split: Split::Train, rest };
        images.into_iter().map(parts).collect()
    }
}

/// The supported layouts.
pub(crate) const LAYOUTS: &str =
    "expected `SPLIT/CLASS/FILE`, `CLASS/FILE` or `FILE`, with files that have an image extension";
