//! CIFAR-10 and CIFAR-100 (Krizhevsky, 2009), binary version: label bytes, then 32x32 pixels as
//! planes of red, green and blue.
//!
//! Format: <https://www.cs.toronto.edu/~kriz/cifar.html>.

use std::path::Path;

use igpt_contract::{StageContext, StageError};
use igpt_dataset::{Encoding, ImageRow, ImageSetInfo, ImageSetWriter, Split, UPRIGHT};

use crate::catalogue::CIFAR10;
use crate::local_archive::ArchiveFiles;
use crate::params::{LabelChoice, Params, at_most};

const SIDE: u16 = 32;
const PLANE: usize = 32 * 32;
/// Label and pixels of a record of CIFAR-10.
const RECORD10: usize = 1 + 3 * PLANE;
/// Both labels and pixels of a record of CIFAR-100.
const RECORD100: usize = 2 + 3 * PLANE;

/// Writes the images of CIFAR-10.
pub(crate) fn ten(
    members: &mut ArchiveFiles,
    params: &Params,
    out: &Path,
    cx: &StageContext,
) -> Result<(), StageError> {
    let classes = members.names("batches.meta.txt", 10)?;
    let mut train = Vec::new();
    for file in CIFAR10.files.iter().filter(|file| file.name.starts_with("data_batch")) {
        train.push((file.name, members.records(file.name, RECORD10)?));
    }
    let test = ("test_batch.bin", members.records("test_batch.bin", RECORD10)?);
    let info = ImageSetInfo { name: "cifar10".to_owned(), classes };
    let format = RecordFormat { record: RECORD10, label: 0 };
    write(&info, format, [&train, &[test]], members, params, out, cx)
}

/// Writes the images of CIFAR-100 with fine or coarse labels.
pub(crate) fn hundred(
    members: &mut ArchiveFiles,
    params: &Params,
    out: &Path,
    cx: &StageContext,
) -> Result<(), StageError> {
    let (file, n, label, name) = match params.labels.unwrap_or_default() {
        LabelChoice::Coarse => ("coarse_label_names.txt", 20, 0, "cifar100-coarse"),
        // `drop` is only for the source `folder`: the check of the parameters refuses it.
        LabelChoice::Fine | LabelChoice::Drop => ("fine_label_names.txt", 100, 1, "cifar100"),
    };
    let classes = members.names(file, n)?;
    let train = ("train.bin", members.records("train.bin", RECORD100)?);
    let test = ("test.bin", members.records("test.bin", RECORD100)?);
    let info = ImageSetInfo { name: name.to_owned(), classes };
    write(&info, RecordFormat { record: RECORD100, label }, [&[train], &[test]], members, params, out, cx)
}

/// The layout of a record.
#[derive(Clone, Copy)]
struct RecordFormat {
    /// The size in bytes; the pixels come last.
    record: usize,
    /// The index of the label's byte.
    label: usize,
}

/// A member's name and its records.
type RecordFile = (&'static str, Vec<u8>);

/// Writes the records of both splits. An image's id is its index in the official order, the test images
/// after the training images, even if only the first of each are kept.
fn write(
    info: &ImageSetInfo,
    format: RecordFormat,
    splits: [&[RecordFile]; 2],
    members: &mut ArchiveFiles,
    params: &Params,
    out: &Path,
    cx: &StageContext,
) -> Result<(), StageError> {
    let counts =
        splits.map(|files| files.iter().map(|(_, bytes)| bytes.len() / format.record).sum::<usize>());
    if counts[0] == 0 {
        return Err(members.refuse("expected training images, found none".to_owned()));
    }
    let limits = [counts[0].min(at_most(params.train)), counts[1].min(at_most(params.test))];
    let mut writer = ImageSetWriter::create(out, info)?;
    let mut done = 0;
    for (s, split) in [Split::Train, Split::Test].into_iter().enumerate() {
        let records = splits[s].iter().flat_map(|(file, bytes)| {
            bytes.chunks_exact(format.record).enumerate().map(move |(n, record)| (file, n, record))
        });
        for (i, (file, n, record)) in records.take(limits[s]).enumerate() {
            let id = (s * counts[0] + i) as u64;
            let label = record[format.label];
            if usize::from(label) >= info.classes.len() {
                let n = info.classes.len();
                let what = format!("expected a label below {n} for {split} image {i}, found {label}");
                return Err(members.refuse(what));
            }
            let pixels = interleave(&record[format.record - 3 * PLANE..]);
            let (label, encoding) = (i32::from(label), Encoding::Rgb);
            writer.append(ImageRow {
                id,
                split,
                label,
                view: 0,
                height: SIDE,
                width: SIDE,
                encoding,
                orientation: UPRIGHT,
                name: format!("{file}:{n}"),
                pixels,
            })?;
            done += 1;
            if done % 4096 == 0 {
                cx.check()?;
                cx.progress(done, (limits[0] + limits[1]) as u64, "images");
            }
        }
    }
    writer.finish()?;
    cx.progress(done, done, "images");
    Ok(())
}

/// Turns planes of red, green and blue into pixels.
fn interleave(planes: &[u8]) -> Vec<u8> {
    let (red, rest) = planes.split_at(PLANE);
    let (green, blue) = rest.split_at(PLANE);
    let mut pixels = Vec::with_capacity(3 * PLANE);
    for ((r, g), b) in red.iter().zip(green).zip(blue) {
        pixels.extend([*r, *g, *b]);
    }
    pixels
}
