//! Unpacking a bundle into an empty folder, believing nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use igpt_contract::Digest;
use ruzstd::decoding::StreamingDecoder;
use tar::{Archive, EntryType};

use super::error::BundleError;
use super::manifest::{self, BundleFile, BundleManifest};

/// The largest manifest that is read.
const LARGEST_MANIFEST: u64 = 64 << 20;

/// A bundle whose files are all there, each with the bytes of its digest.
#[derive(Debug)]
pub struct Unpacked {
    /// What it says of itself.
    pub manifest: BundleManifest,
    /// The folder with `store/` and `pipeline/`.
    pub folder: PathBuf,
}

impl Unpacked {
    /// The folder of its store.
    pub fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// Its pipeline's file.
    pub fn pipeline(&self) -> PathBuf {
        self.folder.join(&self.manifest.file)
    }
}

/// Unpacks a bundle into `folder`, which is there and empty. No more than `most` bytes are written.
///
/// # Errors
/// [`BundleError::Refused`] with the name of the file that is not as it should be: not a bundle, damaged, cut
/// off, a link or a device, not listed, a name that leads elsewhere, bytes that are not its digest's.
pub fn unpack(bundle: &Path, folder: &Path, most: u64) -> Result<Unpacked, BundleError> {
    let refused = |what: String| BundleError::Refused { path: bundle.to_owned(), what };
    let file = File::open(bundle).map_err(BundleError::io("read", bundle))?;
    if file.metadata().is_ok_and(|there| there.is_dir()) {
        return Err(refused("it is a folder".to_owned()));
    }
    let decoder = StreamingDecoder::new(BufReader::new(file))
        .map_err(|_| refused("it is not compressed with Zstandard".to_owned()))?;
    let mut archive = Archive::new(decoder);
    let unreadable = |what: &str, error: std::io::Error| match error.raw_os_error() {
        Some(_) => BundleError::io("read", bundle)(error),
        None => refused(format!("{what} is damaged or cut off")),
    };
    let cut = |error: std::io::Error| unreadable("it", error);
    // Raw: long names and other extensions are entries that are refused, not texts that are read unseen.
    let mut entries = archive.entries().map_err(cut)?.raw(true);
    let mut first = match entries.next() {
        Some(entry) => entry.map_err(cut)?,
        None => return Err(refused("it is empty".to_owned())),
    };
    if &*first.path_bytes() != manifest::NAME.as_bytes() || first.size() > LARGEST_MANIFEST {
        return Err(refused(format!("its first file is not a `{}`", manifest::NAME)));
    }
    let mut text = Vec::new();
    first.read_to_end(&mut text).map_err(cut)?;
    let manifest: BundleManifest = serde_json::from_slice(&text)
        .map_err(|error| refused(format!("its `{}` is not understood ({error})", manifest::NAME)))?;
    if let Some(fault) = manifest.fault(most) {
        return Err(refused(fault));
    }
    let mut open: BTreeMap<&str, &BundleFile> =
        manifest.files.iter().map(|file| (file.name.as_str(), file)).collect();
    for entry in entries {
        let mut entry = entry.map_err(cut)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if entry.header().entry_type() != EntryType::Regular {
            return Err(refused(format!("`{name}` is not a file")));
        }
        let Some(listed) = open.remove(name.as_str()) else {
            return Err(refused(format!("`{name}` is not in its list of files, or there twice")));
        };
        if entry.size() != listed.bytes {
            let (found, expected) = (entry.size(), listed.bytes);
            return Err(refused(format!("`{name}` has {found} bytes, and {expected} were expected")));
        }
        let to = folder.join(&listed.name);
        let digest = write(&mut entry, &to).map_err(|fault| match fault {
            Fault::Read(error) => unreadable(&format!("`{name}`"), error),
            Fault::Write(error) => BundleError::io("write", &to)(error),
        })?;
        if digest != listed.digest {
            let (found, expected) = (digest.short(), listed.digest.short());
            return Err(refused(format!("`{name}` has the digest {found}, and {expected} was expected")));
        }
    }
    if let Some(name) = open.keys().next() {
        return Err(refused(format!("`{name}` is missing; it is cut off or was changed")));
    }
    Ok(Unpacked { folder: folder.to_owned(), manifest })
}

enum Fault {
    Read(std::io::Error),
    Write(std::io::Error),
}

/// Writes a new file, and answers the digest of its bytes.
fn write(from: &mut impl Read, to: &Path) -> Result<Digest, Fault> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(Fault::Write)?;
    }
    let file = File::options().write(true).create_new(true).open(to).map_err(Fault::Write)?;
    let mut out = BufWriter::new(file);
    let mut hasher = blake3::Hasher::new();
    let mut page = vec![0; 1 << 16];
    loop {
        match from.read(&mut page) {
            Ok(0) => break,
            Ok(n) => {
                hasher.update(&page[..n]);
                out.write_all(&page[..n]).map_err(Fault::Write)?;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Fault::Read(e)),
        }
    }
    out.flush().map_err(Fault::Write)?;
    Ok(hasher.finalize().into())
}
