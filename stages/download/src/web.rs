//! Unlabelled images: a list of paths and addresses, tars, or folders of either.
//!
//! Images keep the order of the list, of the tars' names and of the members in a tar, so that neither the
//! file system nor the network affects the result. Unreadable files are skipped, as some web images are
//! always damaged; too many of them are an error.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use igpt_contract::{StageContext, StageError};
use igpt_dataset::{ImageRow, ImageSetInfo, ImageSetWriter, RowKey, Split, shown_path};
use rayon::prelude::*;

use crate::gunzip::plain_tar;
use crate::hidden::hidden_part;
use crate::image_file::{self, MOST_BYTES, Orientations, is_image, read_file};
use crate::listing::{FileListing, FileLocation, LIMITS, is_archive};
use crate::params::{Params, at_most};
use crate::skipped::Skipped;
use crate::tarball::{PlainTar, each_file};
use crate::write::CHUNK;
use igpt_fetch::{FileRequest, fetch};

/// The most bytes of a list: about ten million lines.
const MOST_LIST: u64 = 1 << 30;
/// The default of `broken`.
const BROKEN: f64 = 0.1;

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Location {
    /// A file, and its name in the folder or list; empty for the only one.
    Disk(PathBuf, String),
    Web(String),
}

/// An item of a list or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ListItem {
    Image(Location),
    Tar(Location),
}

/// Writes the images that `path` contains or lists.
pub(crate) fn ingest(path: &Path, params: &Params, out: &Path, cx: &StageContext) -> Result<(), StageError> {
    let entries = entries(path, cx)?;
    let is_remote = |entry: &ListItem| {
        matches!(entry, ListItem::Image(Location::Web(_)) | ListItem::Tar(Location::Web(_)))
    };
    if cx.is_offline() && entries.iter().any(is_remote) {
        let what = format!("`{}` lists URLs, and the network may not be used", shown_path(path));
        return Err(StageError::new(what));
    }
    let name = params.name.clone().unwrap_or_else(|| "web".to_owned());
    let pool = cx.thread_pool()?;
    let mut set = WebSet {
        writer: ImageSetWriter::create(out, &ImageSetInfo { name, classes: Vec::new() })?,
        pool,
        cx,
        limit: at_most(params.train) as u64,
        seen: 0,
        broken: Skipped::new("image file", "unreadable", cx),
        others: Skipped::new("file", "hidden or no image extension", cx),
        orientations: Orientations::new(params),
    };
    let (mut images, mut tars) = (Vec::new(), 0);
    for entry in entries {
        match entry {
            ListItem::Image(at) => images.push(at),
            ListItem::Tar(at) => {
                set.images(&std::mem::take(&mut images))?;
                set.tar(&at, tars)?;
                tars += 1;
            }
        }
        if images.len() == CHUNK {
            set.images(&std::mem::take(&mut images))?;
        }
    }
    set.images(&images)?;
    set.finish(path, params.broken.unwrap_or(BROKEN))
}

/// The items of a path.
fn entries(path: &Path, cx: &StageContext) -> Result<Vec<ListItem>, StageError> {
    // A step finds its input as a link; paths in a list are relative to the folder of the list itself.
    let path = &std::fs::canonicalize(path)
        .map_err(|error| StageError::caused(format!("cannot open `{}`", shown_path(path)), error))?;
    if !path.is_dir() {
        let tar = is_tar(&path.to_string_lossy()) || begins_as_tar(path)?;
        return if tar {
            Ok(vec![ListItem::Tar(Location::Disk(path.to_owned(), String::new()))])
        } else {
            list(path)
        };
    }
    let FileListing { files, .. } = FileListing::of_folder(path, cx)?;
    let mut skipped = Skipped::new("file", "neither an image nor a tar extension", cx);
    let on_disk = |(name, place): (&String, &FileLocation)| match place {
        FileLocation::OnDisk(path) if is_tar(name) => {
            Some(ListItem::Tar(Location::Disk(path.clone(), name.clone())))
        }
        FileLocation::OnDisk(path) if is_image(name) => {
            Some(ListItem::Image(Location::Disk(path.clone(), name.clone())))
        }
        _ => None,
    };
    let found: Vec<ListItem> = files.iter().filter_map(on_disk).collect();
    // The output of a `command` step is a folder, even if it is one list.
    match (found.is_empty(), files.values().next()) {
        (true, Some(FileLocation::OnDisk(only))) if files.len() == 1 => list(only),
        (true, _) => {
            let what = format!("expected images, tars or one list in `{}`, found none", shown_path(path));
            Err(StageError::new(what))
        }
        _ => {
            let others = files.keys().filter(|name| !is_tar(name) && !is_image(name));
            others.for_each(|name| skipped.add(name));
            skipped.note();
            Ok(found)
        }
    }
}

/// Whether a path or URL has a tar extension.
fn is_tar(name: &str) -> bool {
    is_archive(name.split(['?', '#']).next().unwrap_or_default())
}

/// Whether a file starts like a tar, gzipped or not: files in the store have no names.
fn begins_as_tar(path: &Path) -> Result<bool, StageError> {
    let mut head = Vec::new();
    File::open(path)?.take(512).read_to_end(&mut head)?;
    Ok(head.starts_with(&[0x1f, 0x8b]) || head.get(257..262) == Some(b"ustar"))
}

/// The lines of a list, without empty ones and those that start with `#`; a byte order mark is ignored.
/// Paths are relative to the list's folder.
fn list(path: &Path) -> Result<Vec<ListItem>, StageError> {
    let failed = |what: &str| format!("`{}`: {what}", shown_path(path));
    let read = || {
        let size = std::fs::metadata(path)?.len();
        if size > MOST_LIST {
            let what = format!("expected at most {MOST_LIST} bytes, found {size}");
            return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, what));
        }
        std::fs::read_to_string(path)
    };
    let text = read().map_err(|error| {
        StageError::caused(failed("cannot read the list of images"), error)
            .hint("a list is a UTF-8 file with one path or URL per line; images and tars are recognised by their extensions")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let folder = path.parent().unwrap_or(Path::new("."));
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entries: Vec<ListItem> = lines
        .map(|line| {
            let web = line.starts_with("http://") || line.starts_with("https://");
            let at = if web {
                Location::Web(line.to_owned())
            } else {
                Location::Disk(folder.join(line), line.to_owned())
            };
            if is_tar(line) { ListItem::Tar(at) } else { ListItem::Image(at) }
        })
        .collect();
    if entries.is_empty() {
        return Err(StageError::new(failed("expected one path or URL per line, found none")));
    }
    Ok(entries)
}

impl Location {
    fn name(&self) -> String {
        match self {
            Self::Disk(path, _) => path.to_string_lossy().into_owned(),
            Self::Web(url) => url.clone(),
        }
    }

    /// Its name in rows, the same on every machine.
    fn row_name(&self) -> &str {
        match self {
            Self::Disk(_, name) => name,
            Self::Web(url) => url,
        }
    }

    /// The file on this machine. A download is kept as `name` among the step's checkpoints, so that a
    /// stopped run continues from there.
    fn file(&self, name: &str, limit: u64, cx: &StageContext) -> Result<PathBuf, StageError> {
        match self {
            Self::Disk(path, _) => Ok(path.clone()),
            Self::Web(url) => {
                let folder = cx.checkpoint_dir().join("web");
                let elsewhere = "list a local copy instead";
                fetch(&FileRequest { url, folder: &folder, name, limit, elsewhere }, cx)
            }
        }
    }
}

/// Writes the image set.
struct WebSet<'a> {
    writer: ImageSetWriter,
    pool: rayon::ThreadPool,
    cx: &'a StageContext,
    /// The most image files to read.
    limit: u64,
    /// Image files so far; the index of each is its id.
    seen: u64,
    /// Unreadable image files.
    broken: Skipped<'a>,
    /// Members of tars that are not images.
    others: Skipped<'a>,
    orientations: Orientations,
}

impl WebSet<'_> {
    /// Adds image files.
    fn images(&mut self, images: &[Location]) -> Result<(), StageError> {
        let cx = self.cx;
        self.add(images, |at, key, orientations| {
            let path = at.file(&format!("image-{}", key.id), MOST_BYTES, cx)?;
            let row = image_file::row(&at.name(), read_file(&path), key, orientations)?;
            Ok(row.named(at.row_name()))
        })
    }

    /// Adds the images of a tar, the `number`th.
    fn tar(&mut self, at: &Location, number: usize) -> Result<(), StageError> {
        if self.seen >= self.limit {
            return Ok(());
        }
        let path = at.file(&format!("tar-{number}"), LIMITS.total, self.cx)?;
        let expanded = self.cx.checkpoint_dir().join("expanded.tar");
        let own = at.name();
        let own = Path::new(&own);
        let plain = plain_tar(&path, own, &expanded, LIMITS.total, self.cx)?;
        let mut found = Vec::new();
        each_file(plain, own, LIMITS, self.cx, |member, _| {
            if is_image(&member.name) && hidden_part(&member.name).is_none() {
                found.push(member.clone());
            } else {
                self.others.add(&format!("{}/{}", at.name(), member.name));
            }
            Ok(())
        })?;
        let tar = PlainTar::new(plain);
        for chunk in found.chunks(CHUNK) {
            self.add(chunk, |member, key, orientations| {
                let name = format!("{}/{}", at.name(), member.name);
                let row = image_file::row(&name, tar.read(member), key, orientations)?;
                Ok(row.named(match at.row_name() {
                    "" => member.name.clone(),
                    tar => format!("{tar}/{}", member.name),
                }))
            })?;
        }
        if plain == expanded {
            std::fs::remove_file(&expanded)?;
        }
        Ok(())
    }

    /// Reads files on all threads and writes them in order.
    fn add<T: Sync>(
        &mut self,
        items: &[T],
        read: impl Fn(&T, RowKey, &Orientations) -> Result<ImageRow, StageError> + Sync,
    ) -> Result<(), StageError> {
        self.cx.check()?;
        let items = &items[..items.len().min((self.limit - self.seen.min(self.limit)) as usize)];
        let first = self.seen;
        let key = |i: usize| RowKey { id: first + i as u64, split: Split::Train, label: -1, view: 0 };
        let orientations = &self.orientations;
        let read = |(i, item)| read(item, key(i), orientations);
        let rows: Vec<Result<ImageRow, StageError>> =
            self.pool.install(|| items.par_iter().enumerate().map(read).collect());
        for row in rows {
            match row {
                Ok(row) => self.writer.append(row)?,
                Err(StageError::Cancelled) => return Err(StageError::Cancelled),
                Err(error) => self.broken.add_error(&error),
            }
        }
        self.seen += items.len() as u64;
        self.cx.progress(self.seen, 0, "images");
        Ok(())
    }

    /// Ends the set, unless too many files are unreadable.
    fn finish(self, path: &Path, most_broken: f64) -> Result<(), StageError> {
        let Self { writer, cx, seen, broken: skipped, others, orientations, .. } = self;
        let (path, broken) = (shown_path(path), skipped.count());
        others.note();
        if seen == 0 {
            return Err(StageError::new(format!(
                "`{path}`: expected image files (JPEG, PNG, WebP, GIF, BMP or TIFF), found none"
            )));
        }
        if broken == seen {
            let what = format!("`{path}`: none of the {seen} image files can be read: {}", skipped.first());
            return Err(StageError::new(what).hint("see the step's log for each of them"));
        }
        if broken as f64 > most_broken * seen as f64 {
            let what = format!(
                "`{path}`: {broken} of the {seen} image files cannot be read, more than the share that `broken: \
                 {most_broken}` allows: {}",
                skipped.first()
            );
            return Err(StageError::new(what).hint("see the step's log for each of them"));
        }
        skipped.note_of(seen);
        writer.finish()?;
        orientations.note(cx);
        Ok(())
    }
}
