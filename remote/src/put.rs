//! Bytes to a remote. A file appears whole or not at all.

use std::fs::File;
use std::future::Future;
use std::io::Read as _;
use std::path::Path as FilePath;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use object_store::{MultipartUpload, ObjectStoreExt as _, PutMode, PutOptions};
use tokio::sync::SemaphorePermit;

use crate::{Remote, RemoteError, Result};

/// Files above this size go up in parts, each with a limit of its own.
pub const PART: u64 = 16 << 20;

/// The most parts that servers take.
const PARTS: u64 = 9_000;

/// Bytes on their way up at once, of all files: more would need memory, and on a slow line none of them would
/// arrive in time.
pub(crate) const IN_FLIGHT: usize = 32 << 20;

/// How many times the limit of an answer a part may take to go up: a line of 280 KB a second is fast enough.
const PATIENCE: u32 = 4;

impl Remote {
    /// Writes a small file where there is none of that name. Answers whether it was written.
    ///
    /// # Errors
    /// What keeps it from being written.
    pub fn put_new(&self, name: &str, bytes: Vec<u8>) -> Result<bool> {
        let path = self.path(name)?;
        let _room = self.room(bytes.len())?;
        let put = self.store.put_opts(&path, bytes.into(), PutOptions::from(PutMode::Create));
        match self.sent(put) {
            Ok(_) => Ok(true),
            Err(RemoteError::Exists) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes a small file, in the place of one that may be there.
    ///
    /// # Errors
    /// What keeps it from being written.
    pub fn put(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        let path = self.path(name)?;
        let _room = self.room(bytes.len())?;
        self.sent(self.store.put(&path, bytes.into())).map(drop)
    }

    /// Room for so many bytes on the line, which is waited for: others give it back, or stall.
    fn room(&self, bytes: usize) -> Result<SemaphorePermit<'_>> {
        let bytes = bytes.min(IN_FLIGHT) as u32;
        let room = self.runtime.block_on(self.line.acquire_many(bytes));
        room.map_err(|error| RemoteError::Away { what: error.to_string() })
    }

    fn sent<T>(&self, answer: impl Future<Output = object_store::Result<T>>) -> Result<T> {
        let answer = self.within(self.limits.stall * PATIENCE, answer)?;
        answer.map_err(|error| RemoteError::of(&error))
    }

    /// Writes the bytes of a file here, in the place of what may be there; `moved` is told of bytes that have
    /// arrived. A large one goes up in parts, and is there when the last of them is.
    ///
    /// # Errors
    /// [`RemoteError::Here`] where the file cannot be read; else what keeps it from being written. Nothing is
    /// there then.
    pub fn put_file(&self, name: &str, from: &FilePath, moved: &dyn Fn(u64)) -> Result<u64> {
        let mut file = File::open(from).map_err(RemoteError::Here)?;
        let size = file.metadata().map_err(RemoteError::Here)?.len();
        if size <= PART {
            let mut bytes = Vec::with_capacity(size as usize);
            file.read_to_end(&mut bytes).map_err(RemoteError::Here)?;
            let sent = bytes.len() as u64;
            self.put(name, bytes)?;
            moved(sent);
            return Ok(sent);
        }
        let path = self.path(name)?;
        let mut upload = self.wait(self.store.put_multipart(&path))?;
        let sent = self.put_parts(&mut *upload, &mut file, size, moved);
        let done = sent.and_then(|sent| self.wait(upload.complete()).map(|_| sent));
        // Parts that nobody completes cost room until the server forgets them.
        done.inspect_err(|_| drop(self.wait(upload.abort())))
    }

    fn put_parts(
        &self,
        upload: &mut dyn MultipartUpload,
        file: &mut File,
        size: u64,
        moved: &dyn Fn(u64),
    ) -> Result<u64> {
        let part = size.div_ceil(PARTS).max(PART / 2);
        let (mut sent, mut on_their_way) = (0, FuturesUnordered::new());
        loop {
            // While there is no room, our own parts may be what takes it.
            let room = match self.line.try_acquire_many(part.min(IN_FLIGHT as u64) as u32) {
                Ok(room) => room,
                Err(_) if on_their_way.is_empty() => self.room(part as usize)?,
                Err(_) => {
                    self.arrived(&mut on_their_way, moved)?;
                    continue;
                }
            };
            let mut bytes = Vec::with_capacity(part as usize);
            file.by_ref().take(part).read_to_end(&mut bytes).map_err(RemoteError::Here)?;
            let read = bytes.len() as u64;
            if read == 0 {
                drop(room);
                while !on_their_way.is_empty() {
                    self.arrived(&mut on_their_way, moved)?;
                }
                return Ok(sent);
            }
            sent += read;
            let put = upload.put_part(Bytes::from(bytes).into());
            on_their_way.push(async move {
                let _room = room;
                put.await.map(|()| read)
            });
        }
    }

    /// Waits for one of the parts.
    fn arrived(
        &self,
        on_their_way: &mut FuturesUnordered<impl Future<Output = object_store::Result<u64>>>,
        moved: &dyn Fn(u64),
    ) -> Result<()> {
        if let Some(done) = self.within(self.limits.stall * PATIENCE, on_their_way.next())? {
            moved(done.map_err(|error| RemoteError::of(&error))?);
        }
        Ok(())
    }
}
