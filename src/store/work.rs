//! What a step under way writes: an empty scratch folder for each attempt, and checkpoints that the
//! next attempt goes on from. Only the holder of the key's lock may write into either.
//!
//! On a cluster an attempt may go on unseen, on a node that was cut off, while the next one works. So
//! each attempt there has a name, and folders of that name: whoever begins takes the checkpoints along by
//! renaming their folder, and the attempt that had them before writes into nothing that anybody reads.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use igpt_contract::Digest;

use super::remove::remove_tree;
use super::{Result, Store, StoreError, durable};

/// What tells a key's checkpoints from its scratch.
const CHECKPOINTS: &str = ".checkpoints";

/// What comes before the name of an attempt that has one.
const ATTEMPT: char = '@';

impl Store {
    /// Makes the scratch folder of an attempt, empty.
    ///
    /// # Errors
    /// Where it cannot be made, or what an earlier attempt left not be moved away.
    pub fn fresh_scratch(&self, key: &Digest, attempt: Option<&str>) -> Result<PathBuf> {
        let path = self.scratch_path(key, attempt);
        self.discard(&path)?;
        fs::create_dir(&path).map_err(|e| StoreError::io("create", &path, e))?;
        Ok(path)
    }

    /// The folder for the checkpoints of a key, made where it is missing: what the attempt before has
    /// left is taken along. It outlives a crash and is deleted by the commit.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn checkpoints(&self, key: &Digest, attempt: Option<&str>) -> Result<PathBuf> {
        let path = self.checkpoints_path(key, attempt);
        if !path.is_dir()
            && let Some(left) = self.left_checkpoints(key)
        {
            fs::rename(&left, &path).map_err(|e| StoreError::io("move", &left, e))?;
        }
        fs::create_dir_all(&path).map_err(|e| StoreError::io("create", &path, e))?;
        Ok(path)
    }

    /// The checkpoints that the latest attempt at a key has left, under whatever name.
    fn left_checkpoints(&self, key: &Digest) -> Option<PathBuf> {
        let own = format!("{key}{CHECKPOINTS}");
        let is_its = |name: &str| {
            name.strip_prefix(&own).is_some_and(|rest| rest.is_empty() || rest.starts_with(ATTEMPT))
        };
        let items = fs::read_dir(self.root().join("work-v1")).ok()?.flatten();
        let its = items.filter(|item| item.file_name().to_str().is_some_and(is_its));
        its.max_by_key(|item| item.metadata().and_then(|meta| meta.modified()).ok()).map(|item| item.path())
    }

    /// What there is of checkpoints of a key: names and sizes, which say how far they are. For whoever asks
    /// whether an attempt has come further than the one before.
    pub fn checkpoint_state(&self, key: &Digest) -> Vec<String> {
        let Some(root) = self.left_checkpoints(key) else { return Vec::new() };
        let (mut state, mut todo) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = todo.pop() {
            for item in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = item.path();
                // One that is being written is none yet.
                if path.to_string_lossy().ends_with(".partial") {
                    continue;
                }
                let Ok(meta) = item.metadata() else { continue };
                if meta.is_dir() {
                    // What is new in it is: a folder's own size says nothing.
                    todo.push(path);
                    continue;
                }
                let name = path.strip_prefix(&root).unwrap_or(&path);
                state.push(format!("{} {}", name.display(), meta.len()));
            }
        }
        state.sort();
        state
    }

    /// Deletes the scratch of an attempt that failed: a full disk must not stay full. Checkpoints
    /// stay.
    pub fn discard_scratch(&self, key: &Digest, attempt: Option<&str>) {
        // What stays behind here is replaced by the next attempt.
        let _ = remove_tree(&self.scratch_path(key, attempt));
    }

    /// Moves the scratch of an attempt that failed to where the next attempt does not clear it, for
    /// the user to look at; `gc` deletes it.
    ///
    /// # Errors
    /// Where it cannot be moved.
    pub fn keep_scratch(&self, key: &Digest, attempt: Option<&str>) -> Result<PathBuf> {
        let path = self.scratch_path(key, attempt);
        let time = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S-%6f");
        let kept = self.root().join("work-v1").join(format!("failed-{}-{time}", key.short()));
        fs::rename(&path, &kept).map_err(|e| StoreError::io("move", &path, e))?;
        Ok(kept)
    }

    /// Deletes what an attempt wrote on its way to a result that is recorded now. The commit does it for those
    /// without a name.
    pub fn clean_up(&self, key: &Digest, attempt: Option<&str>) {
        // What stays behind here is swept up by the next run.
        let _ = remove_tree(&self.scratch_path(key, attempt));
        let _ = remove_tree(&self.checkpoints_path(key, attempt));
    }

    /// Deletes what a process that was killed between its commit and its clean-up left. What
    /// somebody works in stays, and so does what unfinished steps left, with their checkpoints.
    ///
    /// # Errors
    /// Where a lock file cannot be locked, or a folder not be moved.
    pub fn sweep_work(&self) -> Result<()> {
        let Ok(items) = fs::read_dir(self.root().join("work-v1")) else { return Ok(()) };
        for item in items.flatten() {
            if let Some(key) = key_of(&item.file_name())
                && self.outputs(&key).is_some()
                && let Some(_lock) = self.try_lock(&key)?
            {
                self.discard(&item.path())?;
            }
        }
        Ok(())
    }

    /// Clears the place of a folder at once: a command that outlived its killed orchestrator may
    /// still write there, and must neither hold us up nor be seen by us.
    fn discard(&self, path: &Path) -> Result<()> {
        let trash = durable::fresh(&self.tmp_dir());
        match fs::rename(path, &trash) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(StoreError::io("move", path, e)),
            Ok(()) => {
                // What stays behind here is scratch: `gc` finds it.
                let _ = remove_tree(&trash);
                Ok(())
            }
        }
    }

    /// Makes a store inside this one, for work whose results are not to be kept here.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn scratch_store(&self, name: &str) -> Result<Self> {
        Self::open(&durable::fresh_with(&self.tmp_dir(), &format!("{name}-")))
    }

    /// Removes a store that [`Self::scratch_store`] made; what stays behind, `gc` finds.
    pub fn remove_scratch_store(&self) {
        let _ = remove_tree(self.root());
    }

    fn scratch_path(&self, key: &Digest, attempt: Option<&str>) -> PathBuf {
        self.work_path(key.to_string(), attempt)
    }

    fn checkpoints_path(&self, key: &Digest, attempt: Option<&str>) -> PathBuf {
        self.work_path(format!("{key}{CHECKPOINTS}"), attempt)
    }

    fn work_path(&self, mut name: String, attempt: Option<&str>) -> PathBuf {
        name.extend(attempt.map(|attempt| format!("{ATTEMPT}{attempt}")));
        self.root().join("work-v1").join(name)
    }
}

/// The key that a name in the folder of work belongs to.
pub(super) fn key_of(name: &OsStr) -> Option<Digest> {
    let name = name.to_str()?.split(ATTEMPT).next()?;
    name.strip_suffix(CHECKPOINTS).unwrap_or(name).parse().ok()
}
