//! Images as files: a folder, or a tar of one, gzipped or not.
//!
//! The layout is `train|val|test/CLASS/FILE` (ImageNet's; `val` counts as the test split),
//! `CLASS/FILE` (all for training) or `FILE` without labels; one folder around all of it is passed
//! over. Classes and files are numbered in the order of their names, so that the file system's
//! order shows nowhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use igpt_contract::{StageContext, StageError};
use igpt_dataset::{ImageRow, ImageSetInfo, ImageSetWriter, RowKey, Split, shown, shown_path};
use rayon::prelude::*;

use crate::archive::{Bounds, Member, Seekable, members};
use crate::gunzip::{expand, is_gzip};
use crate::locate::archives_of;
use crate::params::{Params, at_most};
use crate::picture::{self, MOST_BYTES, Orientations, is_image, read_file};

/// ImageNet's training images take 150 GB.
pub(crate) const BOUNDS: Bounds = Bounds { member: MOST_BYTES, total: 1 << 40 };
/// Folders within folders are followed so far.
const MAX_DEPTH: usize = 8;
/// Files that are decoded at a time, whatever the number of threads.
pub(crate) const CHUNK: usize = 64;

/// Where a file's bytes are.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    OnDisk(PathBuf),
    InTar(Member),
}

/// An image file with what its path says of it.
#[derive(Debug, Clone)]
struct Item {
    split: Split,
    class: Option<String>,
    /// The path below the root, joined by `/`: what files are sorted by.
    name: String,
    place: Place,
}

/// Writes the images of a folder or a tar.
pub(crate) fn ingest(path: &Path, params: &Params, out: &Path, cx: &StageContext) -> Result<(), StageError> {
    let expanded = cx.checkpoint_dir().join("expanded.tar");
    let result = ingest_through(&expanded, path, params, out, cx);
    // Whatever came of it: another attempt expands the archive anew.
    match std::fs::remove_file(&expanded) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => result.and(Err(error.into())),
        _ => result,
    }
}

/// Writes the images; a gzipped tar is put at `expanded` on the way.
fn ingest_through(
    expanded: &Path,
    path: &Path,
    params: &Params,
    out: &Path,
    cx: &StageContext,
) -> Result<(), StageError> {
    let (root, files, tar) = if path.is_dir() {
        let mut files = BTreeMap::new();
        walk(path, "", 0, &mut files, cx)?;
        match archives_of(path)?.as_slice() {
            [only] if !files.keys().any(|name| is_image(name)) => open_tar(only, expanded, cx)?,
            _ => (path.to_owned(), files, None),
        }
    } else {
        open_tar(path, expanded, cx)?
    };
    let skipped = files.keys().filter(|name| !is_image(name)).count();
    if skipped > 0 {
        cx.note(format!("{skipped} files are no images by their names and left out"));
    }
    let images: Vec<(String, Place)> = files.into_iter().filter(|(name, _)| is_image(name)).collect();
    let items = arrange(&root, images)?;
    write(&items, tar.as_ref(), params, out, cx)
}

type Opened = (PathBuf, BTreeMap<String, Place>, Option<Seekable>);

/// The files of a tar; a gzipped one is expanded first.
fn open_tar(path: &Path, expanded: &Path, cx: &StageContext) -> Result<Opened, StageError> {
    let gzip = is_gzip(path)
        .map_err(|error| StageError::caused(format!("cannot open `{}`", shown_path(path)), error))?;
    if gzip {
        std::fs::create_dir_all(cx.checkpoint_dir())?;
        expand(path, expanded, BOUNDS.total, cx)?;
    }
    let tar = if gzip { expanded } else { path };
    let mut files = BTreeMap::new();
    members(tar, path, BOUNDS, cx, |member, _| {
        match files.insert(member.name.clone(), Place::InTar(member.clone())) {
            None => Ok(()),
            Some(_) => {
                let what = format!("`{}` holds the file `{}` twice", shown_path(path), shown(&member.name));
                Err(StageError::new(what))
            }
        }
    })?;
    Ok((path.to_owned(), files, Some(Seekable::new(tar))))
}

/// Collects the files below a folder.
pub(crate) fn walk(
    folder: &Path,
    prefix: &str,
    depth: usize,
    files: &mut BTreeMap<String, Place>,
    cx: &StageContext,
) -> Result<(), StageError> {
    cx.check()?;
    let failed =
        |error| StageError::caused(format!("cannot list the folder `{}`", shown_path(folder)), error);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            let what = format!("expected names in UTF-8, found `{}`", shown_path(&path));
            return Err(StageError::new(what));
        };
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            if depth < MAX_DEPTH {
                walk(&path, &format!("{name}/"), depth + 1, files, cx)?;
            }
        } else {
            files.insert(name, Place::OnDisk(path));
        }
    }
    Ok(())
}

fn split_of(folder: &str) -> Option<Split> {
    match folder {
        "train" => Some(Split::Train),
        "val" | "test" => Some(Split::Test),
        _ => None,
    }
}

/// Reads split and class off the paths and sorts: by split, class and name.
fn arrange(root: &Path, files: Vec<(String, Place)>) -> Result<Vec<Item>, StageError> {
    let refuse = |what: String| {
        StageError::new(format!("`{}`: {what}", shown_path(root)))
            .hint("expected `train|val|test/CLASS/FILE`, `CLASS/FILE` or `FILE` (JPEG, PNG, WebP, GIF, BMP or TIFF)")
    };
    let Some((first, _)) = files.first() else {
        return Err(refuse("found no image files".to_owned()));
    };
    // A folder around all of it, as many archives have.
    let wrapper = first.split_once('/').map(|(folder, _)| format!("{folder}/")).filter(|wrapper| {
        let inside = |name: &str| name.starts_with(wrapper.as_str()) && name.matches('/').count() >= 2;
        split_of(wrapper.trim_end_matches('/')).is_none() && files.iter().all(|(name, _)| inside(name))
    });
    let mut items = Vec::with_capacity(files.len());
    let mut test_folder: Option<String> = None;
    for (name, place) in files {
        let inner = wrapper.as_ref().and_then(|wrapper| name.strip_prefix(wrapper)).unwrap_or(&name);
        let parts: Vec<&str> = inner.split('/').collect();
        let (split, parts) = match split_of(parts[0]) {
            Some(split) if parts.len() > 1 => (split, &parts[1..]),
            _ => (Split::Train, &parts[..]),
        };
        let class = match parts {
            [_] => None,
            [class, _] => Some((*class).to_owned()),
            _ => return Err(refuse(format!("`{}` lies deeper than a class folder", shown(&name)))),
        };
        if split == Split::Test {
            let folder = inner.split('/').next().unwrap_or_default();
            match &test_folder {
                Some(other) if other != folder => {
                    return Err(refuse("found both `val` and `test`; a set has one test split".to_owned()));
                }
                _ => test_folder = Some(folder.to_owned()),
            }
        }
        items.push(Item { split, class, name, place });
    }
    items.sort_by(|a, b| (a.split, &a.class, &a.name).cmp(&(b.split, &b.class, &b.name)));
    Ok(items)
}

/// The first `limit` of a split's items, taken from each class in turn; still in their order.
fn first_of_each(items: &[&Item], limit: Option<u64>) -> Vec<usize> {
    let mut seen: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    let mut turns: Vec<(usize, usize)> = items
        .iter()
        .enumerate()
        .map(|(i, item)| {
            let seen = seen.entry(item.class.as_deref()).or_default();
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

/// Decodes the files, some at a time on all threads, and writes them in their order.
fn write(
    items: &[Item],
    tar: Option<&Seekable>,
    params: &Params,
    out: &Path,
    cx: &StageContext,
) -> Result<(), StageError> {
    let mut classes: Vec<String> = items.iter().filter_map(|item| item.class.clone()).collect();
    classes.sort();
    classes.dedup();
    let mut wanted = Vec::new();
    for (split, limit) in [(Split::Train, params.train), (Split::Test, params.test)] {
        let first = items.partition_point(|item| item.split < split);
        let of_split: Vec<&Item> = items.iter().filter(|item| item.split == split).collect();
        wanted.extend(first_of_each(&of_split, limit).into_iter().map(|i| first + i));
    }
    let name = params.name.clone().unwrap_or_else(|| "folder".to_owned());
    let mut writer = ImageSetWriter::create(out, &ImageSetInfo { name, classes: classes.clone() })?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(cx.threads())
        .build()
        .map_err(|error| StageError::caused("cannot start the decoding threads", error))?;
    let orientations = Orientations::new(params);
    let mut broken = 0u64;
    let mut done = 0;
    for chunk in wanted.chunks(CHUNK) {
        cx.check()?;
        let rows: Vec<Result<ImageRow, StageError>> = pool.install(|| {
            chunk.par_iter().map(|&i| row(&items[i], i as u64, &classes, tar, &orientations)).collect()
        });
        for row in rows {
            match row {
                Ok(row) => writer.append(row)?,
                Err(error) if params.skip_broken == Some(true) => {
                    broken += 1;
                    cx.note(format!("left out: {error}"));
                }
                Err(error) => return Err(error.hint("`skip_broken: true` leaves such files out")),
            }
        }
        done += chunk.len() as u64;
        cx.progress(done, wanted.len() as u64, "images");
    }
    if broken == done {
        return Err(StageError::new(format!("none of the {done} image files can be decoded")));
    }
    writer.finish()?;
    orientations.note(cx);
    Ok(())
}

/// Reads and decodes a file.
fn row(
    item: &Item,
    id: u64,
    classes: &[String],
    tar: Option<&Seekable>,
    orientations: &Orientations,
) -> Result<ImageRow, StageError> {
    let bytes = match (&item.place, tar) {
        (Place::InTar(member), Some(tar)) => tar.read(member),
        (Place::InTar(_), None) => Err(std::io::Error::other("the archive is gone")),
        (Place::OnDisk(path), _) => read_file(path),
    };
    let label = match &item.class {
        Some(class) => classes.binary_search(class).map_or(-1, |label| label as i32),
        None => -1,
    };
    picture::row(&item.name, bytes, RowKey { id, split: item.split, label, view: 0 }, orientations)
}
