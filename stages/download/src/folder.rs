//! Images as files: a folder, or a tar of one, gzipped or not.
//!
//! The files are listed, each image gets its split and class from its path or from a label file, and then
//! the images are decoded and written. Classes and files are numbered in the order of their names, so that
//! the file system's order does not matter.

use std::path::Path;

use igpt_contract::{StageContext, StageError};

use crate::image_file::{NO_IMAGE, is_image};
use crate::label_file::LabelFile;
use crate::labels_from_file;
use crate::layout::FolderLayout;
use crate::listing::FileListing;
use crate::params::{LabelChoice, Params};
use crate::skipped::Skipped;
use crate::splits::SplitMap;
use crate::write;

/// Writes the images of a folder or a tar; `labels` is a label file.
pub(crate) fn ingest(
    path: &Path,
    labels: Option<&Path>,
    params: &Params,
    out: &Path,
    cx: &StageContext,
) -> Result<(), StageError> {
    let expanded = cx.checkpoint_dir().join("expanded.tar");
    let result = FileListing::open(path, &expanded, cx)
        .and_then(|listing| ingest_listed(&listing, labels, params, out, cx));
    // In any case: another attempt expands the archive again.
    match std::fs::remove_file(&expanded) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => result.and(Err(error.into())),
        _ => result,
    }
}

fn ingest_listed(
    listing: &FileListing,
    labels: Option<&Path>,
    params: &Params,
    out: &Path,
    cx: &StageContext,
) -> Result<(), StageError> {
    let splits = SplitMap::new(params.splits.as_ref());
    let drop_labels = params.labels == Some(LabelChoice::Drop);
    let mut arranged = if let Some(labels) = labels {
        let labels = LabelFile::read(labels)?;
        labels_from_file::arrange(listing, &labels, &splits, drop_labels, cx)?
    } else {
        let mut skipped = Skipped::new("file", NO_IMAGE, cx);
        let others = listing.files.keys().filter(|name| !is_image(name));
        others.for_each(|name| skipped.add(name));
        skipped.note();
        let images = listing.files.keys().map(String::as_str).filter(|name| is_image(name)).collect();
        let folders = &listing.folders;
        FolderLayout { root: &listing.root, images, folders, splits: &splits, drop_labels }.arrange(cx)?
    };
    if let Some(split) = &params.split {
        split.draw(&mut arranged.images, cx)?;
    }
    let name = params.name.clone().unwrap_or_else(|| "folder".to_owned());
    write::image_set(&name, listing, arranged, params, out, cx)
}
