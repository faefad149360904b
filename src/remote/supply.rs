//! A remote behind a store that somebody looks at: bytes come when they are read, as in a run.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use igpt_contract::Digest;

use super::at_once::locked;
use super::read::LARGEST_TEXT;
use super::{Access, Remote};
use crate::remote_address::RemoteAddress;
use crate::store::{Store, Supply};

/// When a remote that did not answer is asked again.
const AGAIN: Duration = Duration::from_secs(60);

/// A remote that was opened, or in words why it was not; and when.
type Opened = (Instant, Result<Arc<Remote>, String>);

/// A remote that is opened when something is missing, and not before.
#[derive(Debug)]
pub struct Supplier {
    address: RemoteAddress,
    patience: Option<Duration>,
    opened: Mutex<Option<Opened>>,
}

impl Supplier {
    /// The remote at an address, which may be silent for so long.
    pub fn new(address: RemoteAddress, patience: Option<Duration>) -> Self {
        Self { address, patience, opened: Mutex::default() }
    }

    /// The remote, or in words why it cannot be asked.
    fn remote(&self) -> Result<Arc<Remote>, String> {
        let opened = &mut *locked(&self.opened);
        if let Some((at, remote)) = opened {
            let is_of_use = remote.as_ref().is_ok_and(|remote| !remote.is_off());
            if is_of_use || at.elapsed() < AGAIN {
                return remote.clone();
            }
        }
        // Bytes prove themselves: whose records are believed was asked when those were taken.
        let access = Access { patience: self.patience, ..Access::default() };
        let remote = Remote::open(self.address.clone(), &access);
        let remote = remote.and_then(|remote| remote.reach().map(|()| Arc::new(remote)));
        let remote = remote.map_err(|fault| fault.why());
        opened.insert((Instant::now(), remote)).1.clone()
    }
}

impl Supply for Supplier {
    fn name(&self) -> String {
        self.address.to_string()
    }

    fn has(&self, objects: &[(Digest, u64)]) -> Result<bool, String> {
        let remote = self.remote()?;
        let has = remote.has_all(objects);
        if !has && remote.is_off() {
            return Err("it does not answer".to_owned());
        }
        Ok(has)
    }

    fn bring(&self, store: &Store, digest: &Digest, size: Option<u64>) -> bool {
        let remote = self.remote();
        // What keeps it from coming is told by who looks where it is.
        remote.is_ok_and(|remote| remote.fetch_object(store, digest, size.unwrap_or(LARGEST_TEXT)).is_ok())
    }
}
