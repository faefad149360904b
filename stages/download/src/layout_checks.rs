//! Checks of a layout: splits, depths and names that contradict each other.

use std::collections::{BTreeMap, BTreeSet};

use igpt_contract::{StageError, counted};
use igpt_dataset::{Split, name_list, shown};

use crate::layout::{FolderLayout, LAYOUTS, PathParts};

impl FolderLayout<'_> {
    /// Refuses several test splits that the user did not name, and split folders without images.
    pub(crate) fn check_splits(
        &self,
        parts: &[PathParts<'_>],
        folders: &[Vec<&str>],
    ) -> Result<(), StageError> {
        let filled: BTreeSet<&str> = parts.iter().filter_map(|part| part.top).collect();
        let of_split = folders.iter().filter(|folder| folder.len() == 1).map(|folder| folder[0]);
        let empty: Vec<&str> =
            of_split.filter(|top| self.splits.split(top).is_some() && !filled.contains(top)).collect();
        if !empty.is_empty() {
            let what = format!("the split folder {} has no images", name_list(empty));
            return Err(self
                .refuse(&what)
                .hint("name the splits to read: `splits: {train: [NAME], test: [NAME]}`"));
        }
        let test = |top: &&str| self.splits.split(top) == Some(Split::Test);
        let tests = filled.into_iter().filter(test).map(str::to_lowercase).collect();
        self.splits.check_one_test(&tests, |what| self.refuse(what))
    }

    /// Refuses images deeper than class folders, and sets in which only some images have a class.
    pub(crate) fn check_depth(&self, parts: &[PathParts<'_>]) -> Result<(), StageError> {
        if let Some(deep) = parts.iter().find(|part| part.rest.len() > 2) {
            let what = format!("`{}` is deeper than a class folder", shown(deep.name));
            let hint = if deep.top.is_none() && !self.splits.given {
                format!(
                    "{LAYOUTS}; if `{}` is a split, name it: `splits: {{train: [NAME], test: [NAME]}}`",
                    shown(deep.rest[0])
                )
            } else {
                format!("{LAYOUTS}; `labels: drop` reads images at any depth, without labels")
            };
            return Err(self.refuse(&what).hint(hint));
        }
        let mut counts: BTreeMap<Option<&str>, [usize; 2]> = BTreeMap::new();
        for part in parts {
            counts.entry(part.top).or_default()[usize::from(part.rest.len() == 2)] += 1;
        }
        let bare = parts.iter().find(|part| part.rest.len() == 1);
        let (Some(bare), true) = (bare, parts.iter().any(|part| part.rest.len() == 2)) else { return Ok(()) };
        let n = counts[&bare.top][0];
        let place = bare.top.map_or_else(String::new, |top| format!(" of `{}`", shown(top)));
        let what = format!(
            "expected all images in class folders or none, found {}{place} outside (`{}`)",
            counted(n, "image"),
            shown(bare.name)
        );
        Err(self.refuse(&what).hint(
            "give their classes with a label file as the input `labels`, or set `labels: drop` to read all \
             images without labels",
        ))
    }

    /// Refuses class names of different splits that differ only in case.
    pub(crate) fn check_spelling(&self, parts: &[PathParts<'_>]) -> Result<(), StageError> {
        let mut by_split: BTreeMap<Option<&str>, BTreeSet<&str>> = BTreeMap::new();
        for part in parts.iter().filter(|part| part.rest.len() == 2) {
            by_split.entry(part.top).or_default().insert(part.rest[0]);
        }
        let mut lower: BTreeMap<String, (&str, Option<&str>)> = BTreeMap::new();
        for (top, classes) in &by_split {
            for class in classes {
                let (other, of) = *lower.entry(class.to_lowercase()).or_insert((*class, *top));
                let together = by_split.values().any(|all| all.contains(other) && all.contains(class));
                if other != *class && !together {
                    let what = format!(
                        "the class `{}` of `{}` and the class `{}` of `{}` differ only in case",
                        shown(other),
                        shown(of.unwrap_or_default()),
                        shown(class),
                        shown(top.unwrap_or_default())
                    );
                    return Err(self.refuse(&what).hint("give the class the same name in both splits"));
                }
            }
        }
        Ok(())
    }
}
