//! Bytes from a remote, as they come.

use std::io::Write;

use futures_util::StreamExt as _;
use object_store::ObjectStoreExt as _;

use crate::{Remote, RemoteError, Result};

impl Remote {
    /// Writes a file's bytes into `to` as they come, and answers how many; none where it is not there. No more than
    /// `most` are taken: a longer file is cut off behind the next piece, and the answer says so.
    ///
    /// # Errors
    /// [`RemoteError::Here`] where `to` refuses; else what keeps the bytes from coming. Some may have come.
    pub fn get(&self, name: &str, most: u64, to: &mut dyn Write) -> Result<Option<u64>> {
        let path = self.path(name)?;
        let answer = match self.wait(self.store.get(&path)) {
            Err(RemoteError::Absent) => return Ok(None),
            answer => answer?,
        };
        let mut pieces = {
            // A folder's pieces are read by the runtime's threads.
            let _inside = self.runtime.enter();
            answer.into_stream()
        };
        let mut bytes = 0;
        while let Some(piece) = self.next(pieces.next())? {
            let piece = piece.map_err(|error| RemoteError::of(&error))?;
            bytes += piece.len() as u64;
            to.write_all(&piece).map_err(RemoteError::Here)?;
            if bytes > most {
                break;
            }
        }
        Ok(Some(bytes))
    }
}
