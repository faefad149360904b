//! Pictures of a run's results, as data that the page brings along. A picture is always an image, never
//! markup: nothing in it can run.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use igpt_contract::counted;
use maud::{Markup, html};

use super::run::Run;
use crate::report::bytes;
use crate::store::{Artifact, Content, Store};

/// How many pictures of one output are shown, and how large one may be.
const PER_OUTPUT: usize = 4;
const LARGEST: u64 = 8 << 20;

/// Larger files without a name are not fetched from elsewhere to see whether they are pictures.
const FETCHED: u64 = 1 << 20;

/// What stands around a picture on a page besides its names.
const AROUND: u64 = 256;

/// How many of what did not fit are named.
const NAMED: usize = 20;

/// A picture without its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    pub(crate) step: usize,
    pub(crate) port: String,
    /// Its name in the output; empty where the output is the picture.
    pub(crate) file: String,
    size: u64,
    artifact: Artifact,
}

/// How many bytes a page may have yet, and what did not fit.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
    left_out: Vec<String>,
    /// How many more were left out than are named.
    unnamed: usize,
}

impl Budget {
    /// A budget of so many bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        Self { left: bytes, left_out: Vec::new(), unnamed: 0 }
    }

    /// Takes so many bytes, or notes what did not fit.
    pub(crate) fn take(&mut self, size: u64, what: impl FnOnce() -> String) -> bool {
        let fits = size <= self.left;
        match fits {
            true => self.left -= size,
            false if self.left_out.len() < NAMED => self.left_out.push(what()),
            false => self.unnamed += 1,
        }
        fits
    }

    /// What was left out, in words.
    pub(crate) fn left_out(mut self) -> Vec<String> {
        if self.unnamed > 0 {
            self.left_out.push(counted(self.unnamed, "more picture"));
        }
        self.left_out
    }
}

/// The pictures among a step's outputs, and how many more there are than are shown.
pub(crate) fn pictures(store: &Store, run: &Run, step: usize) -> (Vec<Picture>, usize) {
    let (mut found, mut more) = (Vec::new(), 0);
    let Some(record) = &run.steps[step].record else { return (found, more) };
    for (port, artifact) in &record.outputs {
        let Ok(entries) = store.entries(artifact) else { continue };
        let named = |name: &Path, size: u64| Picture {
            step,
            port: port.clone(),
            file: name.to_string_lossy().into_owned(),
            size,
            artifact: *artifact,
        };
        let files = entries.iter().filter_map(|entry| match entry.content {
            Content::File { size, .. } if size <= LARGEST => Some((entry.name.as_path(), size)),
            _ => None,
        });
        let is_vector = |name: &Path| entries.iter().any(|entry| entry.name == name.with_extension("svg"));
        let shown: Vec<Picture> = files
            // Of a figure in two formats the one that stays sharp.
            .filter(|(name, _)| is_picture(name) && !(is_raster(name) && is_vector(name)))
            .map(|(name, size)| named(name, size))
            .collect();
        more += shown.len().saturating_sub(PER_OUTPUT);
        found.extend(shown.into_iter().take(PER_OUTPUT));
        // The output of a command may be a picture without a name.
        if let [entry] = &entries[..]
            && entry.name.as_os_str().is_empty()
            && artifact.bytes <= LARGEST
            && mime(&head(store, artifact), Path::new("")).is_some()
        {
            found.push(named(Path::new(""), artifact.bytes));
        }
    }
    (found, more)
}

impl Picture {
    /// The picture with its name; nothing where it does not fit or is gone.
    pub(crate) fn render(&self, store: &Store, run: &Run, href: &str, budget: &mut Budget) -> Option<Markup> {
        let step = run.text(&run.steps[self.step].name).into_owned();
        let name = if self.file.is_empty() {
            format!("{step}.{}", self.port)
        } else {
            format!("{step}.{} {}", self.port, self.file)
        };
        let name = run.text(&name).into_owned();
        if !budget.take(self.weight(run), || format!("the picture {name} ({})", bytes(self.size))) {
            return None;
        }
        let content = store.read_entry(&self.artifact, Path::new(&self.file)).ok()??;
        let mime = mime(&content, Path::new(&self.file))?;
        let is_small = png_width(&content).is_some_and(|width| width < 160);
        Some(html! {
            figure.picture {
                img.small[is_small] src={ "data:" (mime) ";base64," (STANDARD.encode(&content)) } alt=(name);
                figcaption { a href=(href) { (step) } " " (self.port) @if !self.file.is_empty() { " " (run.text(&self.file)) } }
            }
        })
    }

    /// What it weighs on a page with its names, in bytes.
    pub(crate) fn weight(&self, run: &Run) -> u64 {
        // Its names stand there twice, and a sign takes up to 6 bytes.
        let names = run.steps[self.step].name.len() + self.port.len() + self.file.len();
        self.size.div_ceil(3) * 4 + 2 * 6 * names as u64 + AROUND
    }

    /// Whether it is a figure of results.
    pub(crate) fn is_figure(&self) -> bool {
        Path::new(&self.file).file_stem().is_some_and(|stem| stem == "figure") || self.port == "figure"
    }
}

fn extension(name: &Path) -> String {
    name.extension().map(|end| end.to_string_lossy().to_lowercase()).unwrap_or_default()
}

fn is_raster(name: &Path) -> bool {
    matches!(&*extension(name), "png" | "jpg" | "jpeg" | "gif" | "webp")
}

fn is_picture(name: &Path) -> bool {
    is_raster(name) || extension(name) == "svg"
}

/// What a file is, by its first bytes; a drawing by its name.
fn mime(content: &[u8], name: &Path) -> Option<&'static str> {
    match content {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ if extension(name) == "svg" || content.starts_with(b"<svg ") => Some("image/svg+xml"),
        _ => None,
    }
}

fn png_width(content: &[u8]) -> Option<u32> {
    let width = content.get(16..20).filter(|_| content.starts_with(b"\x89PNG"))?;
    Some(u32::from_be_bytes(width.try_into().ok()?))
}

/// Whether an artifact could hold a table or pictures, by what is cheap to know: a folder could, a single file if it
/// begins like a picture or is not here.
pub(crate) fn could_show(store: &Store, artifact: &Artifact) -> bool {
    if !artifact.is_file() {
        return true;
    }
    let path = store.path_of_file(&artifact.digest);
    artifact.bytes <= LARGEST && (!path.exists() || mime(&first_bytes(&path), Path::new("")).is_some())
}

/// The first bytes of a single file, which is fetched if it is small.
fn head(store: &Store, artifact: &Artifact) -> Vec<u8> {
    let path = store.path_of_file(&artifact.digest);
    if artifact.bytes <= FETCHED && !path.exists() {
        // What does not come is no picture either.
        let _ = store.read_entry(artifact, Path::new(""));
    }
    first_bytes(&path)
}

fn first_bytes(path: &Path) -> Vec<u8> {
    use std::io::Read as _;
    let mut head = Vec::new();
    if let Ok(file) = std::fs::File::open(path) {
        // What cannot be read is no picture.
        let _ = file.take(16).read_to_end(&mut head);
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_told_by_its_bytes() {
        assert_eq!(mime(b"\x89PNG\r\n", Path::new("x.jpg")), Some("image/png"));
        assert_eq!(mime(b"<svg onload=alert(1)>", Path::new("x.svg")), Some("image/svg+xml"));
        assert_eq!(mime(b"<html>", Path::new("x.png")), None);
        assert_eq!(png_width(b"\x89PNG\r\n\x1a\n....IHDR\0\0\0\x20"), Some(32));
    }

    #[test]
    fn files_that_are_no_pictures_are_told_without_looking_further() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let put = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, content).unwrap();
            store.insert(&path).unwrap()
        };
        assert!(!could_show(&store, &put("text", b"1\n")));
        assert!(could_show(&store, &put("picture", b"\x89PNG\r\n")));
        let elsewhere = Store::open(&dir.path().join("other")).unwrap();
        assert!(could_show(&elsewhere, &put("more", b"2\n")), "it is not here");
        assert!(could_show(&store, &store.insert_files(&[("table.md", b"")]).unwrap()), "a folder");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let mut budget = Budget::new(10);
        assert!(budget.take(10, || unreachable!()));
        assert!(!budget.take(1, || "x".to_owned()));
        for _ in 0..NAMED + 1 {
            assert!(!budget.take(1, || "y".to_owned()));
        }
        let said = budget.left_out();
        assert_eq!((said.len(), &*said[0], &*said[NAMED]), (NAMED + 1, "x", "2 more pictures"));
    }
}
