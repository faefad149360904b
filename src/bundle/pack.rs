//! Writing a bundle: the same store and pipeline give the same bytes.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use igpt_contract::{Digest, hash_file};
use ruzstd::encoding::{CompressionLevel, compress};
use tar::{Builder, EntryType, Header};

use super::error::BundleError;
use super::manifest::{self, BundleFile, BundleManifest};
use super::ro_crate;
use super::select::Selection;
use crate::store::Store;

/// A text of the pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineFile {
    /// Its name below `pipeline/`.
    pub name: String,
    /// The text, secrets hidden.
    pub text: String,
}

/// Where the bytes of a file are.
enum Bytes {
    At(PathBuf),
    Here(Vec<u8>),
}

/// Writes a bundle. `manifest` has everything but its files. Returns the manifest as written.
///
/// # Errors
/// [`BundleError::Io`] where something cannot be read or written; nothing is left at `to` then.
pub fn write_bundle(
    store: &Store,
    selection: &Selection,
    texts: &[PipelineFile],
    mut manifest: BundleManifest,
    to: &Path,
) -> Result<BundleManifest, BundleError> {
    let mut files: Vec<(BundleFile, Bytes)> = Vec::new();
    for digest in &selection.objects {
        let hex = digest.to_string();
        let path = store.path_of_file(digest);
        files
            .push((listed(format!("store/objects-v1/{}/{}", &hex[..2], &hex[2..]), &path)?, Bytes::At(path)));
    }
    for key in &selection.records {
        let hex = key.to_string();
        let path = store.path_of_record(key);
        files.push((listed(format!("store/records-v2/{}/{hex}.json", &hex[..2]), &path)?, Bytes::At(path)));
    }
    for PipelineFile { name, text } in texts {
        files.push(in_memory(format!("pipeline/{name}"), text.clone().into_bytes()));
    }
    let crate_text = ro_crate::metadata(
        store,
        selection,
        &manifest,
        &files.iter().map(|(file, _)| file.clone()).collect::<Vec<_>>(),
    );
    files.push(in_memory(manifest::METADATA.to_owned(), crate_text));
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    manifest.files = files.iter().map(|(file, _)| file.clone()).collect();
    let plain = beside(to, "tar");
    let packed = beside(to, "part");
    let written = write_tar(&plain, &manifest, &files)
        .and_then(|()| compress_file(&plain, &packed))
        .and_then(|()| fs::rename(&packed, to).map_err(BundleError::io("write", to)));
    let _ = fs::remove_file(&plain);
    if written.is_err() {
        let _ = fs::remove_file(&packed);
    }
    written.map(|()| manifest)
}

fn beside(to: &Path, end: &str) -> PathBuf {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    to.with_file_name(format!(".{name}.{}.{end}", std::process::id()))
}

fn listed(name: String, path: &Path) -> Result<BundleFile, BundleError> {
    let (digest, bytes) = hash_file(path).map_err(BundleError::io("read", path))?;
    Ok(BundleFile { name, bytes, digest })
}

fn in_memory(name: String, bytes: Vec<u8>) -> (BundleFile, Bytes) {
    (BundleFile { name, bytes: bytes.len() as u64, digest: Digest::of(&bytes) }, Bytes::Here(bytes))
}

fn write_tar(to: &Path, manifest: &BundleManifest, files: &[(BundleFile, Bytes)]) -> Result<(), BundleError> {
    let failed = |e| BundleError::io("write", to)(e);
    let file = File::create(to).map_err(failed)?;
    let mut tar = Builder::new(BufWriter::new(file));
    let text = format!("{:#}\n", serde_json::json!(manifest));
    add(&mut tar, manifest::NAME, text.len() as u64, text.as_bytes()).map_err(failed)?;
    for (listed, bytes) in files {
        match bytes {
            Bytes::Here(bytes) => add(&mut tar, &listed.name, listed.bytes, &bytes[..]).map_err(failed)?,
            Bytes::At(path) => {
                let file = File::open(path).map_err(BundleError::io("read", path))?;
                add(&mut tar, &listed.name, listed.bytes, file.take(listed.bytes)).map_err(failed)?;
            }
        }
    }
    tar.into_inner().and_then(|mut out| out.flush()).map_err(failed)
}

/// Adds a file without anything of this machine in its header.
fn add(tar: &mut Builder<impl Write>, name: &str, size: u64, bytes: impl Read) -> std::io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_path(name)?;
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(1);
    header.set_cksum();
    tar.append(&header, bytes)
}

fn compress_file(from: &Path, to: &Path) -> Result<(), BundleError> {
    let source = File::open(from).map_err(BundleError::io("read", from))?;
    let mut target = BufWriter::new(File::create(to).map_err(BundleError::io("write", to))?);
    let mut fault = None;
    // The encoder knows no errors of its target, so that they are kept here.
    compress(
        BufReader::new(source),
        Kept { target: &mut target, fault: &mut fault },
        CompressionLevel::Fastest,
    );
    match fault {
        Some(error) => Err(BundleError::io("write", to)(error)),
        None => target.flush().map_err(BundleError::io("write", to)),
    }
}

/// A target that keeps its first error and swallows what follows.
struct Kept<'a, W> {
    target: &'a mut W,
    fault: &'a mut Option<std::io::Error>,
}

impl<W: Write> Write for Kept<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.fault.is_none()
            && let Err(error) = self.target.write_all(bytes)
        {
            *self.fault = Some(error);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
