//! A store that several machines share, behind the local one: a bucket, or a folder on a shared disk.
//!
//! Its files have the names that they have in a store. A record there stands for the work as one here does, once
//! its checksum, its key and whether its objects are there have been looked at; its bytes come when somebody reads
//! them. Nothing that comes from there is believed: records must follow from their key material, bytes must have
//! their digests, and where a list of public keys is given, a record must be signed by one of them.
//!
//! - [`Remote`]: the remote of a process: what is known of it, what was moved, and whether it still answers
//! - `names`: what is where
//! - `read`: records and bytes from there
//! - `supply`: the same for verbs that look at results
//! - `write`: records and bytes to there, and `upload`, the same beside a run
//! - `gc`: deleting there what nothing names
//! - `client`: the crate behind it all, which is left out of programs that do not share
//!
//! A remote is a help. One that does not answer is left alone for the rest of the process, with a note, and no
//! work fails because of it; what a person did wrong (credentials, bucket, rights) is an error at the start.

#[cfg(not(feature = "remote"))]
#[expect(dead_code, reason = "only a program with remotes makes and reads them")]
mod absent;
mod at_once;
mod client;
mod error;
mod gc;
mod names;
mod read;
mod supply;
mod upload;
mod write;

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use igpt_contract::{Digest, counted};

use crate::remote_address::{PublicKey, RemoteAddress, Vendor};
use crate::report::bytes;
use at_once::{AT_ONCE, Gate, locked};
use client::{Client, Limits, RemoteError, sign::SecretKey};
pub use error::RemoteFault;
pub use gc::{GRACE, RemoteGarbage};
pub use read::Place;
pub use supply::Supplier;
use upload::Uploads;
pub use write::Pushed;

/// How a remote is used.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Whether results go there.
    pub push: bool,
    /// The file of the secret key that signs them.
    pub sign: Option<PathBuf>,
    /// Whose records are believed; empty: everybody's who may write there.
    pub trust: Vec<PublicKey>,
    /// How long a server may be silent.
    pub patience: Option<Duration>,
    /// Set when nobody waits any more: nothing more is moved then.
    pub cancelled: Option<&'static AtomicBool>,
}

/// A remote, as one process uses it.
#[derive(Debug)]
pub struct Remote {
    client: Client,
    address: RemoteAddress,
    push: bool,
    signer: Option<SecretKey>,
    trust: Vec<PublicKey>,
    cancelled: Option<&'static AtomicBool>,
    state: Mutex<State>,
    counts: Counts,
    uploads: Uploads,
    gate: Gate,
}

/// What is known of a remote.
#[derive(Debug, Default)]
struct State {
    /// Whether it is left alone from now on.
    off: bool,
    /// What is to be said and was not yet.
    notes: Vec<String>,
    /// Object -> whether it is there.
    objects: HashMap<Digest, bool>,
    /// Keys that were asked for.
    asked: HashSet<Digest>,
    /// Keys whose records there are of no use: a better one takes their place.
    broken: HashSet<Digest>,
    /// Objects that are there with other bytes: theirs take their place.
    damaged: HashSet<Digest>,
}

/// What was moved.
#[derive(Debug, Default)]
struct Counts {
    records_down: AtomicU64,
    objects_down: AtomicU64,
    bytes_down: AtomicU64,
    records_up: AtomicU64,
    objects_up: AtomicU64,
    bytes_up: AtomicU64,
}

/// Makes a secret key in a new file that only its owner may read, and answers the public key.
///
/// # Errors
/// Where the program has no remotes, or the file is there already or cannot be written.
pub fn keygen(path: &Path) -> Result<PublicKey, RemoteFault> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let bytes = client::sign::generate().ok_or(RemoteFault::NotBuilt)?;
    let unwritable = |source| RemoteFault::Key { path: path.to_owned(), what: format!("{source}") };
    let mut open = std::fs::OpenOptions::new();
    let file = open.write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(&bytes)).map_err(unwritable)?;
    Ok(PublicKey(read_key(path)?.public()))
}

fn read_key(path: &Path) -> Result<SecretKey, RemoteFault> {
    let fault = |what: String| RemoteFault::Key { path: path.to_owned(), what };
    let bytes = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
    SecretKey::read(&bytes)
        .ok_or_else(|| fault("it is not a secret key of `igpt-flow remote keygen`".to_owned()))
}

impl Remote {
    /// Makes a remote ready. It is not asked for anything yet.
    ///
    /// # Errors
    /// Where this program was built without remotes, and where the address, the environment's settings or the
    /// signing key are of no use.
    pub fn open(address: RemoteAddress, access: &Access) -> Result<Self, RemoteFault> {
        if !client::BUILT {
            return Err(RemoteFault::NotBuilt);
        }
        let place = match &address {
            RemoteAddress::Folder(path) => client::Place::Folder(path.clone()),
            RemoteAddress::Bucket { vendor, bucket, prefix } => {
                let of = match vendor {
                    Vendor::S3 => client::Place::S3,
                    Vendor::Gcs => client::Place::Gcs,
                    Vendor::Azure => client::Place::Azure,
                };
                of(bucket.clone(), prefix.clone())
            }
        };
        let limits = Limits { stall: access.patience.unwrap_or(Limits::DEFAULT.stall), ..Limits::DEFAULT };
        let signer = access.sign.as_deref().map(read_key).transpose()?;
        let client =
            Client::open(&place, limits).map_err(|error| RemoteFault::new(&address, "use", &error))?;
        Ok(Self {
            client,
            address,
            push: access.push,
            signer,
            trust: access.trust.clone(),
            cancelled: access.cancelled,
            state: Mutex::default(),
            counts: Counts::default(),
            uploads: Uploads::default(),
            gate: Gate::new(AT_ONCE),
        })
    }

    /// Asks for the first time: whether the bucket is there and may be read, and written where results are to go
    /// there. A remote that does not answer is left alone from then on.
    ///
    /// # Errors
    /// What a person must mend: credentials, bucket, rights.
    pub fn begin(&self) -> Result<(), RemoteFault> {
        match self.reach() {
            Err(RemoteFault::Away { what, .. }) => {
                self.turn_off(&what);
                Ok(())
            }
            other => other,
        }
    }

    /// The same for whoever needs it.
    ///
    /// # Errors
    /// As [`Self::begin`], and that it does not answer.
    pub fn reach(&self) -> Result<(), RemoteFault> {
        let read = self.client.list(names::RECORDS, |_| ControlFlow::Break(()));
        read.map_err(|error| RemoteFault::new(&self.address, "read", &error))?;
        if self.push {
            let written = self.client.put_new(names::PROBE, names::PROBE_TEXT.to_vec());
            written.map_err(|error| RemoteFault::new(&self.address, "write to", &error))?;
        }
        Ok(())
    }

    /// Whether two people who write the same name at once are told: a server that ignores that lets the later one
    /// win.
    ///
    /// # Errors
    /// Where it does not answer, or may not be written.
    pub fn is_exclusive(&self) -> Result<bool, RemoteFault> {
        let put = || {
            let put = self.client.put_new(names::PROBE, names::PROBE_TEXT.to_vec());
            put.map_err(|error| RemoteFault::new(&self.address, "write to", &error))
        };
        put()?;
        Ok(!put()?)
    }

    /// Where it is.
    pub fn address(&self) -> &RemoteAddress {
        &self.address
    }

    /// Whether results go there.
    pub fn is_pushed(&self) -> bool {
        self.push
    }

    /// Whether it is left alone.
    pub fn is_off(&self) -> bool {
        locked(&self.state).off
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.is_some_and(|cancelled| cancelled.load(Ordering::Relaxed))
    }

    /// What is to be said since the last call.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut locked(&self.state).notes)
    }

    /// What was moved so far, in words; none where nothing was.
    pub fn summary(&self) -> Option<String> {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let Counts { records_down, objects_down, bytes_down, records_up, objects_up, bytes_up } =
            &self.counts;
        let way = |records: &AtomicU64, objects: &AtomicU64, size: &AtomicU64, taken: &str, moved: &str| {
            let (records, objects, size) = (count(records), count(objects), count(size));
            (records + objects > 0).then(|| {
                let (results, objects) = (counted(records, "result"), counted(objects, "object"));
                let exact = if size < 1024 { String::new() } else { format!(" ({size} bytes)") };
                format!("{results} {taken}, {objects} of {}{exact} {moved}", bytes(size))
            })
        };
        let down = way(records_down, objects_down, bytes_down, "taken", "downloaded");
        let up = way(records_up, objects_up, bytes_up, "shared", "uploaded");
        let both: Vec<String> = [down, up].into_iter().flatten().collect();
        (!both.is_empty()).then(|| format!("remote {}: {}", self.address, both.join("; ")))
    }

    /// Something to be said, once.
    fn note(&self, text: String) {
        let notes = &mut locked(&self.state).notes;
        if !notes.contains(&text) {
            notes.push(text);
        }
    }

    /// Leaves it alone from now on, and says so once.
    fn turn_off(&self, what: &str) {
        let state = &mut *locked(&self.state);
        if !std::mem::replace(&mut state.off, true) {
            state.notes.push(format!(
                "remote {} is not used any more: {what}; the run goes on without it",
                self.address
            ));
        }
    }

    fn on_error(&self, error: &RemoteError) {
        self.turn_off(&error.to_string());
    }
}
