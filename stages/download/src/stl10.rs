//! STL-10 (Coates, Ng and Lee, 2011), binary version: 96x96 pixels as planes of red, green and
//! blue, each in column-major order; labels from 1 in files of their own.
//!
//! Format: <https://cs.stanford.edu/~acoates/stl10/>.

use std::collections::BTreeSet;
use std::path::Path;

use igpt_contract::{StageContext, StageError};
use igpt_dataset::{ImageRow, ImageSetInfo, ImageSetWriter, RowKey, Split, shown};
use image::{Rgb, RgbImage};

use crate::catalogue::{FOLDS, N_FOLDS};
use crate::local_archive::ArchiveFiles;
use crate::params::{Params, at_most};

const SIDE: usize = 96;
const PLANE: usize = SIDE * SIDE;

/// Writes the labelled images. An image's id is its index in the official order, the test images after the
/// training images, even if only a fold of the training images is kept.
pub(crate) fn ingest(
    members: &mut ArchiveFiles,
    params: &Params,
    out: &Path,
    cx: &StageContext,
) -> Result<(), StageError> {
    let classes = members.names("class_names.txt", 10)?;
    let fold = match params.fold {
        Some(fold) => Some(indices(members, fold)?),
        None => None,
    };
    let mut writer = ImageSetWriter::create(out, &ImageSetInfo { name: "stl10".to_owned(), classes })?;
    let mut done = 0;
    let mut first_id = 0;
    let splits = [
        (Split::Train, "train_X.bin", "train_y.bin", params.train),
        (Split::Test, "test_X.bin", "test_y.bin", params.test),
    ];
    for (split, images, labels, limit) in splits {
        let file = images;
        let images = members.records(images, 3 * PLANE)?;
        let labels = members.records(labels, 1)?;
        let n = labels.len();
        if images.len() / (3 * PLANE) != n {
            let found = images.len() / (3 * PLANE);
            let what = format!("expected as many {split} images as labels, found {found} and {n}");
            return Err(members.refuse(what));
        }
        if split == Split::Train && n == 0 {
            return Err(members.refuse("expected training images, found none".to_owned()));
        }
        if let (Split::Train, Some(last)) = (split, fold.as_ref().and_then(BTreeSet::last))
            && *last >= n
        {
            let what = format!("`{FOLDS}` names the training image {last}, expected 0 to {}", n - 1);
            return Err(members.refuse(what));
        }
        let of_fold = |i: usize| split == Split::Test || fold.as_ref().is_none_or(|fold| fold.contains(&i));
        let images = images.chunks_exact(3 * PLANE).zip(&labels).enumerate();
        for (i, (planes, label)) in images.filter(|(i, _)| of_fold(*i)).take(at_most(limit)) {
            cx.check()?;
            if !(1..=10).contains(label) {
                let what = format!("expected a label from 1 to 10 for {split} image {i}, found {label}");
                return Err(members.refuse(what));
            }
            let id = first_id + i as u64;
            let key = RowKey { id, split, label: i32::from(*label) - 1, view: 0 };
            let row = ImageRow::new(key, &image(planes))
                .map_err(|error| StageError::caused(format!("{split} image {i}"), error))?;
            writer.append(row.named(format!("{file}:{i}")))?;
            done += 1;
            if done % 256 == 0 {
                cx.progress(done, 0, "images");
            }
        }
        first_id += n as u64;
    }
    writer.finish()?;
    cx.progress(done, done, "images");
    Ok(())
}

/// The training images of a fold: the indices in a line of `fold_indices.txt`, from 0.
fn indices(members: &mut ArchiveFiles, fold: usize) -> Result<BTreeSet<usize>, StageError> {
    let Some(text) = members.text(FOLDS) else {
        return Err(members.refuse(format!("`fold` needs the file `{FOLDS}`, which is missing")));
    };
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.len() != N_FOLDS {
        return Err(members.refuse(format!("expected {N_FOLDS} lines in `{FOLDS}`, found {}", lines.len())));
    }
    let mut found = BTreeSet::new();
    for word in lines[fold].split_whitespace() {
        let new = word.parse().ok().filter(|_| word.bytes().all(|byte| byte.is_ascii_digit()));
        if !new.is_some_and(|index| found.insert(index)) {
            let what = format!(
                "`{FOLDS}`: line {}: expected each number of a training image once, found `{}`",
                fold + 1,
                shown(word)
            );
            return Err(members.refuse(what));
        }
    }
    if found.is_empty() {
        return Err(members.refuse(format!(
            "`{FOLDS}`: line {}: expected numbers of training images, found none",
            fold + 1
        )));
    }
    Ok(found)
}

/// Converts three column-major planes to an image.
fn image(planes: &[u8]) -> RgbImage {
    RgbImage::from_fn(SIDE as u32, SIDE as u32, |x, y| {
        let at = x as usize * SIDE + y as usize;
        Rgb([planes[at], planes[PLANE + at], planes[2 * PLANE + at]])
    })
}
