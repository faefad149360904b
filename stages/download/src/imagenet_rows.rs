//! Writes ImageNet's images, wherever each lies, in the order of their split, class and name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use igpt_contract::{StageContext, StageError};
use igpt_dataset::{ImageRow, ImageSetInfo, ImageSetWriter, RowKey, Split};
use rayon::prelude::*;

use crate::archive::{Member, Seekable};
use crate::folder::CHUNK;
use crate::params::{Params, at_most};
use crate::picture::{self, read_file};

/// Broken files that the log names one by one.
const NAMED: u64 = 20;

/// Where an image's bytes are.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    OnDisk(PathBuf),
    /// In the archive of this number.
    InTar {
        tar: usize,
        position: u64,
        size: u64,
    },
}

/// An image with its class.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) split: Split,
    pub(crate) label: usize,
    /// `train/WNID/FILE` or `val/WNID/FILE`, however the images lie.
    pub(crate) name: String,
    pub(crate) place: Place,
}

/// Decodes the images, some at a time on all threads, and writes them in their order. An image's id
/// is its place among all of them, also where only some are kept.
pub(crate) fn write(
    items: &[Item],
    classes: Vec<String>,
    tars: &[Seekable],
    params: &Params,
    out: &Path,
    cx: &StageContext,
) -> Result<(), StageError> {
    let mut wanted = first_of_each(items, Split::Train, params.train);
    wanted.extend(first_of_each(items, Split::Test, params.test));
    // Training images that each class is meant to have, and those that could be read.
    let mut meant = vec![0usize; classes.len()];
    let mut read = vec![0usize; classes.len()];
    for item in wanted.iter().map(|i| &items[*i]).filter(|item| item.split == Split::Train) {
        meant[item.label] += 1;
    }
    let name = params.name.clone().unwrap_or_else(|| "imagenet".to_owned());
    let mut writer = ImageSetWriter::create(out, &ImageSetInfo { name, classes: classes.clone() })?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(cx.threads())
        .build()
        .map_err(|error| StageError::caused("cannot start the decoding threads", error))?;
    let (mut done, mut broken) = (0, 0);
    for chunk in wanted.chunks(CHUNK) {
        cx.check()?;
        let rows: Vec<Result<ImageRow, StageError>> =
            pool.install(|| chunk.par_iter().map(|&i| row(&items[i], i as u64, tars)).collect());
        for (item, row) in chunk.iter().map(|i| &items[*i]).zip(rows) {
            match row {
                Ok(row) => {
                    read[item.label] += usize::from(item.split == Split::Train);
                    writer.append(row)?;
                }
                Err(error) if params.skip_broken == Some(true) => {
                    broken += 1;
                    if broken <= NAMED {
                        cx.note(format!("left out: {error}"));
                    }
                }
                Err(error) => return Err(error.hint("`skip_broken: true` leaves such files out")),
            }
        }
        done += chunk.len() as u64;
        cx.progress(done, wanted.len() as u64, "images");
    }
    if let Some(class) = (0..classes.len()).find(|class| meant[*class] > 0 && read[*class] == 0) {
        let what = format!("none of the training images of the class `{}` can be decoded", classes[class]);
        return Err(StageError::new(what));
    }
    if broken > 0 {
        cx.note(format!("{broken} of {done} image files could not be read and are left out"));
    }
    writer.finish()?;
    Ok(())
}

/// The first `limit` of a split's items, taken from each class in turn; still in their order.
fn first_of_each(items: &[Item], split: Split, limit: Option<u64>) -> Vec<usize> {
    let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
    let mut turns = Vec::new();
    for (i, item) in items.iter().enumerate().filter(|(_, item)| item.split == split) {
        let seen = seen.entry(item.label).or_default();
        *seen += 1;
        turns.push((*seen, i));
    }
    turns.sort_unstable();
    turns.truncate(at_most(limit));
    let mut kept: Vec<usize> = turns.into_iter().map(|(_, i)| i).collect();
    kept.sort_unstable();
    kept
}

/// Reads and decodes an image.
fn row(item: &Item, id: u64, tars: &[Seekable]) -> Result<ImageRow, StageError> {
    let bytes = match &item.place {
        Place::OnDisk(path) => read_file(path),
        Place::InTar { tar, position, size } => match tars.get(*tar) {
            Some(tar) => tar.read(&Member { name: item.name.clone(), size: *size, position: *position }),
            None => Err(std::io::Error::other("the archive is gone")),
        },
    };
    picture::row(&item.name, bytes, RowKey { id, split: item.split, label: item.label as i32, view: 0 })
}
