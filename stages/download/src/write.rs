//! Writes an image set from files that have their splits and classes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use igpt_contract::{StageContext, StageError};
use igpt_dataset::{ImageRow, ImageSetInfo, ImageSetWriter, RowKey, Split, shown_path};
use rayon::prelude::*;

use crate::layout::Arranged;
use crate::left_out::{LeftOut, named};
use crate::listing::Listing;
use crate::params::{EmptyClasses, Params, at_most};
use crate::picture::{self, Orientations};

/// Files that are decoded at a time, whatever the number of threads.
pub(crate) const CHUNK: usize = 64;

/// An image with its split and label.
struct Item {
    split: Split,
    label: i32,
    name: String,
}

/// Decodes the files, some at a time on all threads, and writes them by split, class and name. An
/// image's id is its place in this order, also where only some are kept.
///
/// # Errors
/// If a file cannot be decoded and none may be left out, or a class is left without images.
pub(crate) fn set(
    name: &str,
    listing: &Listing,
    arranged: Arranged,
    params: &Params,
    out: &Path,
    cx: &StageContext,
) -> Result<(), StageError> {
    let Arranged { images, classes } = arranged;
    let labels: BTreeMap<&str, i32> = classes.iter().map(String::as_str).zip(0..).collect();
    let mut items = Vec::with_capacity(images.len());
    for image in images {
        let label = match &image.class {
            Some(class) => labels.get(class.as_str()).copied().ok_or_else(|| {
                StageError::new(format!("the class `{class}` of `{}` is not among the classes", image.name))
            })?,
            None => -1,
        };
        items.push(Item { split: image.split, label, name: image.name });
    }
    items.sort_by(|a, b| (a.split, a.label, &a.name).cmp(&(b.split, b.label, &b.name)));
    let root = shown_path(&listing.root);
    check_classes(&root, &classes, items.iter().map(|item| item.label), params, cx)?;
    let mut wanted = Vec::new();
    for (split, limit) in [(Split::Train, params.train), (Split::Test, params.test)] {
        let first = items.partition_point(|item| item.split < split);
        let end = items.partition_point(|item| item.split <= split);
        wanted.extend(first_of_each(&items[first..end], limit).into_iter().map(|i| first + i));
    }
    let info = ImageSetInfo { name: name.to_owned(), classes: classes.clone() };
    let mut writer = ImageSetWriter::create(out, &info)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(cx.threads())
        .build()
        .map_err(|error| StageError::caused("cannot start the decoding threads", error))?;
    let orientations = Orientations::new(params);
    let mut broken = LeftOut::new("image files that cannot be read are", cx);
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
                Err(error) => return Err(error.hint("`skip_broken: true` leaves such files out")),
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
    // A class must not lose all of its images, nor all that it is trained on.
    let kept: Vec<(Split, i32)> = wanted.iter().map(|i| (items[*i].split, items[*i].label)).collect();
    let mut lost = lost_classes(&classes, &kept, &written);
    let is_train = |(split, _): &&(Split, i32)| *split == Split::Train;
    let train = |rows: &[(Split, i32)]| rows.iter().filter(is_train).copied().collect::<Vec<_>>();
    lost.extend(lost_classes(&classes, &train(&kept), &train(&written)));
    refuse_empty(&root, &lost.into_iter().collect::<Vec<_>>(), params, cx)?;
    writer.finish()?;
    orientations.note(cx);
    Ok(())
}

/// The classes that had images among those to be kept, and have none among those written.
fn lost_classes<'c>(
    classes: &'c [String],
    kept: &[(Split, i32)],
    written: &[(Split, i32)],
) -> BTreeSet<&'c str> {
    let without = |rows: &[(Split, i32)]| without_images(classes, rows.iter().map(|(_, label)| *label));
    let never = without(kept);
    without(written).into_iter().filter(|class| !never.contains(class)).collect()
}

/// Refuses classes without an image, or names them.
fn check_classes(
    root: &str,
    classes: &[String],
    labels: impl Iterator<Item = i32>,
    params: &Params,
    cx: &StageContext,
) -> Result<(), StageError> {
    refuse_empty(root, &without_images(classes, labels), params, cx)
}

/// The classes that none of the labels is of.
fn without_images(classes: &[String], labels: impl Iterator<Item = i32>) -> Vec<&str> {
    let mut seen = vec![false; classes.len()];
    for label in labels {
        if let Some(seen) = usize::try_from(label).ok().and_then(|label| seen.get_mut(label)) {
            *seen = true;
        }
    }
    classes.iter().zip(seen).filter(|(_, seen)| !seen).map(|(class, _)| class.as_str()).collect()
}

fn refuse_empty(root: &str, empty: &[&str], params: &Params, cx: &StageContext) -> Result<(), StageError> {
    if empty.is_empty() {
        return Ok(());
    }
    let n = empty.len();
    let what = format!("{n} classes have no image that can be read: {}", named(empty.iter().copied()));
    if params.empty_classes == Some(EmptyClasses::Keep) {
        cx.note(format!("{what}; they keep their labels"));
        return Ok(());
    }
    Err(StageError::new(format!("`{root}`: {what}")).hint(
        "the step's log names the files that are left out; `empty_classes: keep` keeps the labels of such \
         classes, and a folder that is none can be moved away",
    ))
}

/// The first `limit` of a split's items, taken from each class in turn; still in their order.
fn first_of_each(items: &[Item], limit: Option<u64>) -> Vec<usize> {
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
fn row(item: &Item, id: u64, listing: &Listing, orientations: &Orientations) -> Result<ImageRow, StageError> {
    let key = RowKey { id, split: item.split, label: item.label, view: 0 };
    picture::row(&item.name, listing.read(&item.name), key, orientations)
}
