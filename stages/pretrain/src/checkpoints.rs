//! The output `checkpoints`: networks of intermediate steps. They are saved beside the training's own
//! resume files, so that an interruption loses none, and copied into the output at the end.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use igpt_contract::{Digest, StageError, hash_file};
use igpt_model::{Gpt, ModelCard, save_model};

/// The digests of the saved networks' files, by step and file name.
pub(crate) type CheckpointDigests = BTreeMap<u64, BTreeMap<String, Digest>>;

/// Saves the networks of some steps in a folder.
pub(crate) struct StepCheckpoints<'a> {
    folder: PathBuf,
    card: &'a ModelCard,
    keeps: &'a dyn Fn(u64) -> bool,
}

impl<'a> StepCheckpoints<'a> {
    /// Saves below `folder` the networks of the steps for which `keeps` holds, described by `card`.
    pub(crate) fn new(folder: PathBuf, card: &'a ModelCard, keeps: &'a dyn Fn(u64) -> bool) -> Self {
        Self { folder, card, keeps }
    }

    /// Whether the network of a step is to be saved, and is not yet.
    pub(crate) fn due(&self, step: u64, saved: &CheckpointDigests) -> bool {
        (self.keeps)(step) && !saved.contains_key(&step)
    }

    /// Saves the network of a step, and lets `keep_state` write into its folder.
    pub(crate) fn save(
        &self,
        step: u64,
        model: &Gpt,
        saved: &mut CheckpointDigests,
        keep_state: impl FnOnce(&Path) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        let folder = part(&self.folder, step);
        let failed = |error: io::Error| {
            StageError::caused(format!("the network of step {step} cannot be saved"), error)
        };
        fs::create_dir_all(&folder).map_err(failed)?;
        let card = ModelCard { step, ..self.card.clone() };
        save_model(&folder, model, &card).map_err(|error| {
            StageError::caused(format!("the network of step {step} cannot be saved"), error)
        })?;
        keep_state(&folder)?;
        saved.insert(step, digests(&folder, true).map_err(failed)?);
        Ok(())
    }

    /// Checks that the saved networks are complete and unaltered.
    ///
    /// # Errors
    /// Which of them is not.
    pub(crate) fn verify(&self, saved: &CheckpointDigests) -> Result<(), String> {
        for (step, expected) in saved {
            match digests(&part(&self.folder, *step), false) {
                Ok(found) if found == *expected => {}
                _ => return Err(format!("the saved network of step {step} is missing or damaged")),
            }
        }
        Ok(())
    }

    /// Copies the saved networks into the output, each as a part named after its step.
    pub(crate) fn copy_to(&self, output: &Path, saved: &CheckpointDigests) -> io::Result<()> {
        for (step, files) in saved {
            let (from, to) = (part(&self.folder, *step), part(output, *step));
            fs::create_dir(&to)?;
            for name in files.keys() {
                fs::copy(from.join(name), to.join(name))?;
            }
        }
        Ok(())
    }
}

/// The folder of a step's network: its number, padded so that names sort as steps do.
fn part(folder: &Path, step: u64) -> PathBuf {
    folder.join(part_name(step))
}

/// The name of the part that holds a step's network.
pub(crate) fn part_name(step: u64) -> String {
    format!("{step:08}")
}

/// The digests of a folder's files by name; with `sync`, the files are synced to disk first.
fn digests(folder: &Path, sync: bool) -> io::Result<BTreeMap<String, Digest>> {
    let mut digests = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if sync {
            File::open(entry.path())?.sync_all()?;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        digests.insert(name, hash_file(&entry.path())?.0);
    }
    Ok(digests)
}
