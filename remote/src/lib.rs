//! Object stores and shared disks behind a small blocking interface.
//!
//! What is behind it (`object_store`, and tokio, which that runs on) is nobody else's business: a [`Remote`] is
//! used from ordinary threads, from several at once. It knows names and bytes; what they mean, its user knows.
//!
//! Nothing here waits for ever. A connection has [`Limits::connect`], an answer and every piece that comes
//! [`Limits::stall`], a part that goes up several times that; a transfer that moves has no limit as a whole, so that
//! large files pass slow lines.
//! Credentials come from the environment alone, as the vendors' own tools have them, and no error holds one.

mod error;
mod get;
mod open;
mod put;
pub mod sign;

use std::future::Future;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

pub use error::RemoteError;
pub use open::{Limits, Place};
pub use put::PART;

use error::RemoteError as Error;

/// What operations answer.
pub type Result<T, E = RemoteError> = std::result::Result<T, E>;

/// A bucket or a folder, and a prefix in it.
pub struct Remote {
    runtime: Runtime,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    limits: Limits,
    /// Of a folder, where it is: what an object store cannot do of it, the file system can.
    folder: Option<std::path::PathBuf>,
    /// Room for bytes on their way up.
    line: Semaphore,
}

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name below the prefix.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// When it was written, by the server's clock.
    pub modified: SystemTime,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the store, which has the credentials.
        f.debug_struct("Remote").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Remote {
    /// The size and time of a file; none where it is not there.
    ///
    /// # Errors
    /// What keeps it from being known.
    pub fn entry(&self, name: &str) -> Result<Option<Entry>> {
        let path = self.path(name)?;
        match self.wait(self.store.head(&path)) {
            Ok(meta) => Ok(Some(Entry {
                name: name.to_owned(),
                size: meta.size,
                modified: meta.last_modified.into(),
            })),
            Err(Error::Absent) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The files below a folder, told one by one until `each` breaks.
    ///
    /// # Errors
    /// What keeps them from being known; [`RemoteError::Absent`] where there is no such bucket.
    pub fn list(&self, folder: &str, mut each: impl FnMut(Entry) -> ControlFlow<()>) -> Result<()> {
        let within = match folder {
            "" => self.prefix.clone(),
            folder => self.path(folder)?,
        };
        let mut found = self.store.list(Some(&within));
        while let Some(meta) = self.next(found.next())? {
            let meta = meta.map_err(|error| Error::of(&error))?;
            let Some(parts) = meta.location.prefix_match(&self.prefix) else { continue };
            let name = parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/");
            let entry = Entry { name, size: meta.size, modified: meta.last_modified.into() };
            if each(entry).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Deletes a file. One that is not there is no error.
    ///
    /// # Errors
    /// What keeps it from being deleted.
    pub fn delete(&self, name: &str) -> Result<()> {
        let path = self.path(name)?;
        match self.wait(self.store.delete(&path)) {
            Ok(()) | Err(Error::Absent) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes a file as young as if it had been written now. Its bytes do not move over the line.
    ///
    /// # Errors
    /// [`RemoteError::Absent`] where it is not there; else what keeps it from being done.
    pub fn touch(&self, name: &str) -> Result<()> {
        if let Some(folder) = &self.folder {
            let file = std::fs::File::options().write(true).open(folder.join(name));
            return file
                .and_then(|file| file.set_modified(SystemTime::now()))
                .map_err(|error| Error::of_file(&error));
        }
        // No server lets a file be copied onto itself: there and back.
        let (path, aside) = (self.path(name)?, self.path(&format!("touched-v1/{name}"))?);
        self.wait(self.store.copy(&path, &aside))?;
        self.wait(self.store.copy(&aside, &path))?;
        self.wait(self.store.delete(&aside))
    }

    fn path(&self, name: &str) -> Result<Path> {
        let parse =
            |text: &str| Path::parse(text).map_err(|error| Error::Address { what: error.to_string() });
        let below = parse(name)?;
        Ok(self.prefix.parts().chain(below.parts()).collect())
    }

    /// Waits for an answer, no longer than the limit.
    fn wait<T>(&self, answer: impl Future<Output = object_store::Result<T>>) -> Result<T> {
        self.next(answer)?.map_err(|error| Error::of(&error))
    }

    /// The same of whatever comes.
    fn next<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        self.within(self.limits.stall, future)
    }

    fn within<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Result<T> {
        let in_time = async { tokio::time::timeout(limit, future).await };
        self.runtime.block_on(in_time).map_err(|_| Error::stalled(limit))
    }
}

impl Limits {
    /// Half a minute without anything is enough for a server that works.
    pub const DEFAULT: Self = Self { connect: Duration::from_secs(5), stall: Duration::from_secs(30) };
}
