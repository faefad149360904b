//! Models of intermediate steps: kept beside the checkpoints until the training is done, so that an
//! interruption loses none, and then copied into the output.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use igpt_contract::{Digest, StageError, hash_file};
use igpt_model::{Gpt, ModelCard, save_model};

/// The kept models: the digests of their files, by step and file name.
pub(crate) type KeptModels = BTreeMap<u64, BTreeMap<String, Digest>>;

/// The folder of kept models.
pub(crate) struct Kept<'a> {
    folder: PathBuf,
    card: &'a ModelCard,
    keeps: &'a dyn Fn(u64) -> bool,
}

impl<'a> Kept<'a> {
    /// Models below `folder`, described by `card`, of the steps that `keeps` names.
    pub(crate) fn new(folder: PathBuf, card: &'a ModelCard, keeps: &'a dyn Fn(u64) -> bool) -> Self {
        Self { folder, card, keeps }
    }

    /// Keeps the model of a step where it is due and not yet kept.
    pub(crate) fn keep(&self, step: u64, model: &Gpt, kept: &mut KeptModels) -> Result<(), StageError> {
        if !(self.keeps)(step) || kept.contains_key(&step) {
            return Ok(());
        }
        let folder = part(&self.folder, step);
        let failed =
            |error: io::Error| StageError::caused(format!("the model of step {step} cannot be kept"), error);
        fs::create_dir_all(&folder).map_err(failed)?;
        let card = ModelCard { step, ..self.card.clone() };
        save_model(&folder, model, &card)
            .map_err(|error| StageError::caused(format!("the model of step {step} cannot be kept"), error))?;
        kept.insert(step, digests(&folder, true).map_err(failed)?);
        Ok(())
    }

    /// Checks that every model that a checkpoint speaks of is still what it was.
    ///
    /// # Errors
    /// A text that says which is not.
    pub(crate) fn verify(&self, kept: &KeptModels) -> Result<(), String> {
        for (step, expected) in kept {
            match digests(&part(&self.folder, *step), false) {
                Ok(found) if found == *expected => {}
                _ => return Err(format!("the kept model of step {step} is missing or damaged")),
            }
        }
        Ok(())
    }

    /// Copies the kept models into the folder of the output, a part for each step.
    pub(crate) fn copy_to(&self, output: &Path, kept: &KeptModels) -> io::Result<()> {
        for (step, files) in kept {
            let (from, to) = (part(&self.folder, *step), part(output, *step));
            fs::create_dir(&to)?;
            for name in files.keys() {
                fs::copy(from.join(name), to.join(name))?;
            }
        }
        Ok(())
    }
}

/// The folder of a step's model: its number, padded so that names sort as steps do.
fn part(folder: &Path, step: u64) -> PathBuf {
    folder.join(part_name(step))
}

/// The name of the part that holds a step's model.
pub(crate) fn part_name(step: u64) -> String {
    format!("{step:08}")
}

/// The digests of a folder's files by name; where `sync`, they reach the disk first.
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
