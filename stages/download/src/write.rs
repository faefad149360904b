//! Writes an image set from files whose splits and classes are known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use igpt_contract::{StageContext, StageError, counted};
use igpt_dataset::{ImageRow, ImageSetInfo, ImageSetWriter, RowKey, Split, name_list, shown_path};
use rayon::prelude::*;

use crate::image_file::{self, Orientations};
use crate::layout::SplitImages;
use crate::listing::FileListing;
use crate::params::{EmptyClasses, Params, at_most};
use crate::skipped::Skipped;

/// Files that are decoded at a time, independent of the number of threads.
pub(crate) const CHUNK: usize = 64;

const BOTH: [Split; 2] = [Split::Train, Split::Test];

/// An image with its split and label.
struct LabelledFile {
    split: Split,
    label: i32,
    name: String,
}

/// Decodes the files on all threads and writes them by split, class and name. An image's id is its index
/// in this order, even if only some are kept.
///
/// # Errors
/// If a file cannot be decoded and none may be skipped, or a class has no images.
pub(crate) fn image_set(
    name: &str,
    listing: &FileListing,
    arranged: SplitImages,
    params: &Params,
    out: &Path,
    cx: &StageContext,
) -> Result<(), StageError> {
    let SplitImages { images, classes } = arranged;
    let labels: BTreeMap<&str, i32> = classes.iter().map(String::as_str).zip(0..).collect();
    let mut items = Vec::with_capacity(images.len());
    for image in images {
        let label = match &image.class {
            Some(class) => labels
                .get(class.as_str())
                .copied()
                .ok_or_else(|| StageError::new(format!("unknown class `{class}` of `{}`", image.name)))?,
            None => -1,
        };
        items.push(LabelledFile { split: image.split, label, name: image.name });
    }
    items.sort_by(|a, b| (a.split, a.label, &a.name).cmp(&(b.split, b.label, &b.name)));
    let root = shown_path(&listing.root);
    let all: Vec<(Split, i32)> = items.iter().map(|item| (item.split, item.label)).collect();
    let empty = &(0..classes.len()).collect() - &labels_of(&all, &BOTH);
    refuse_empty(&root, &classes, &empty, params, cx)?;
    let mut wanted = Vec::new();
    for (split, limit) in [(Split::Train, params.train), (Split::Test, params.test)] {
        let first = items.partition_point(|item| item.split < split);
        let end = items.partition_point(|item| item.split <= split);
        wanted.extend(first_of_each(&items[first..end], limit).into_iter().map(|i| first + i));
    }
    let info = ImageSetInfo { name: name.to_owned(), classes: classes.clone() };
    let mut writer = ImageSetWriter::create(out, &info)?;
    let pool = cx.thread_pool()?;
    let orientations = Orientations::new(params);
    let mut broken = Skipped::new("image file", "unreadable", cx);
    let mut written = Vec::with_capacity(wanted.len());
    let mut done = 0;
    for chunk in wanted.chunks(CHUNK) {
        cx.check()?;
        let rows: Vec<Result<ImageRow, StageError>> = pool.install(|| {
            chunk.par_iter().map(|&i| row(&items[i], i as u64, listing, &orientations)).collect()
        });
        for row in rows {
            match row {
                Ok(row) => {
                    written.push((row.split, row.label));
                    writer.append(row)?;
                }
                Err(error) if params.skip_broken == Some(true) => broken.add_error(&error),
                Err(error) => return Err(error.hint("set `skip_broken: true` to skip such files")),
            }
        }
        done += chunk.len() as u64;
        cx.progress(done, wanted.len() as u64, "images");
    }
    if written.is_empty() {
        let what = format!("`{root}`: none of the {done} image files can be decoded: {}", broken.first());
        return Err(StageError::new(what));
    }
    broken.note_of(done);
    // No class may lose all of its images, or all of its training images.
    let kept: Vec<(Split, i32)> = wanted.iter().map(|i| (items[*i].split, items[*i].label)).collect();
    let mut lost = &labels_of(&kept, &BOTH) - &labels_of(&written, &BOTH);
    lost.extend(&labels_of(&kept, &[Split::Train]) - &labels_of(&written, &[Split::Train]));
    refuse_empty(&root, &classes, &lost, params, cx)?;
    writer.finish()?;
    orientations.note(cx);
    Ok(())
}

/// The classes that images of these splits have, by label.
fn labels_of(rows: &[(Split, i32)], splits: &[Split]) -> BTreeSet<usize> {
    rows.iter()
        .filter(|(split, _)| splits.contains(split))
        .filter_map(|(_, label)| usize::try_from(*label).ok())
        .collect()
}

/// Refuses classes without images, or names them in a note where they are kept.
fn refuse_empty(
    root: &str,
    classes: &[String],
    empty: &BTreeSet<usize>,
    params: &Params,
    cx: &StageContext,
) -> Result<(), StageError> {
    if empty.is_empty() {
        return Ok(());
    }
    let n = empty.len();
    let names = name_list(empty.iter().map(|class| classes[*class].as_str()));
    let what = format!("{} without readable images: {names}", counted(n, "class"));
    if params.empty_classes == Some(EmptyClasses::Keep) {
        cx.note(format!("{what}; labels are unchanged"));
        return Ok(());
    }
    Err(StageError::new(format!("`{root}`: {what}")).hint(
        "see the step's log for skipped files; move folders away that are not classes, or set \
         `empty_classes: keep` to keep such classes",
    ))
}

/// The first `limit` of a split's items, taken from each class in turn, in their order.
fn first_of_each(items: &[LabelledFile], limit: Option<u64>) -> Vec<usize> {
    let mut seen: BTreeMap<i32, usize> = BTreeMap::new();
    let mut turns: Vec<(usize, usize)> = items
        .iter()
        .enumerate()
        .map(|(i, item)| {
            let seen = seen.entry(item.label).or_default();
            *seen += 1;
            (*seen, i)
        })
        .collect();
    turns.sort_unstable();
    turns.truncate(at_most(limit));
    let mut kept: Vec<usize> = turns.into_iter().map(|(_, i)| i).collect();
    kept.sort_unstable();
    kept
}

/// Reads and decodes a file.
fn row(
    item: &LabelledFile,
    id: u64,
    listing: &FileListing,
    orientations: &Orientations,
) -> Result<ImageRow, StageError> {
    let key = RowKey { id, split: item.split, label: item.label, view: 0 };
    image_file::row(&item.name, listing.read(&item.name), key, orientations)
}
