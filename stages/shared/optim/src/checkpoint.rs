//! Checkpoints of a training: written atomically, read back bit for bit, the newest two kept.
//!
//! A checkpoint is one safetensors file, `step-00001000.safetensors`: the weights as
//! `model.<path>`, Adam's means as `adam.<path>.m` and `.v`, and one metadata entry, `training`,
//! with the step, the caller's state as JSON and a BLAKE3 digest over all of it. A file that is
//! truncated, altered or of another model is skipped, and the one before is used.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use igpt_module::{Mismatch, NamedTensor, assign_parameters, named_parameters, write_tensors};
use safetensors::{SafeTensorError, SafeTensors};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::adam::{Adam, AdamParams};

/// A checkpoint that cannot be written or used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Not a safetensors file, or truncated.
    #[error("not a complete safetensors file: {0}")]
    Format(#[from] SafeTensorError),
    /// The training state is not of the expected form.
    #[error("the training state cannot be read: {0}")]
    State(#[from] serde_json::Error),
    /// The content was altered after it was written.
    #[error("the content does not match its digest")]
    Altered,
    /// The parameters are not the model's.
    #[error(transparent)]
    Params(#[from] Mismatch),
}

/// A training at some step, as read from a checkpoint.
#[derive(Debug)]
pub struct TrainState<M, S> {
    /// Steps done.
    pub step: u64,
    /// The model, with the parameters after that step.
    pub model: M,
    /// The optimizer after that step.
    pub adam: Adam,
    /// What the caller keeps besides: curves, best values, the spike watch.
    pub state: S,
}

/// The metadata entry; the digest covers the other fields and every tensor.
#[derive(Serialize, Deserialize)]
struct TrainingMetadata {
    step: u64,
    adam_steps: u64,
    /// The caller's state, as JSON text, so that its digest does not depend on a reader.
    state: String,
    digest: String,
}

/// Writes and reads the checkpoints in a folder.
#[derive(Debug, Clone)]
pub struct Checkpointer {
    folder: PathBuf,
}

impl Checkpointer {
    /// How many checkpoints are kept: the newest, and one to fall back to.
    const KEPT: usize = 2;

    /// The checkpoints in a folder (`cx.checkpoint_dir()`), which is created when first needed.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Writes a checkpoint (to a temporary file, synced, renamed), then removes all but the newest two.
    ///
    /// # Errors
    /// If the file system refuses; what was there before is still there then.
    pub fn save<M: Module>(
        &self,
        step: u64,
        model: &M,
        adam: &Adam,
        state: &impl Serialize,
    ) -> Result<(), CheckpointError> {
        let prefixed = |prefix: &'static str, tensors: Vec<NamedTensor>| {
            tensors
                .into_iter()
                .map(move |tensor| NamedTensor { name: format!("{prefix}{}", tensor.name), ..tensor })
        };
        let weights = prefixed("model.", named_parameters(model));
        let mut tensors: Vec<NamedTensor> = weights.chain(prefixed("adam.", adam.state())).collect();
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        let state = serde_json::to_string(state)?;
        let content = tensors
            .iter()
            .map(|tensor| (tensor.name.as_str(), &tensor.shape[..], Cow::Owned(tensor.bytes())));
        let digest = digest(step, adam.steps(), &state, content);
        let training = TrainingMetadata { step, adam_steps: adam.steps(), state, digest };
        let metadata = HashMap::from([("training".to_owned(), serde_json::to_string(&training)?)]);
        self.write(&file_name(step), &tensors, metadata)?;
        for (_, path) in self.found()?.into_iter().rev().skip(Self::KEPT) {
            std::fs::remove_file(&path).map_err(|source| CheckpointError::Io { path, source })?;
        }
        Ok(())
    }

    /// The newest checkpoint that is whole and fits the model, or `None`. `model` gives structure,
    /// devices and gradient settings; `refused` is called with every newer file that could not be used.
    ///
    /// # Errors
    /// If the folder cannot be listed. A file that cannot be used is no error.
    pub fn resume<M: Module, S: DeserializeOwned>(
        &self,
        model: &M,
        adam: AdamParams,
        device: &Device,
        mut refused: impl FnMut(&Path, CheckpointError),
    ) -> Result<Option<TrainState<M, S>>, CheckpointError> {
        for (_, path) in self.found()?.into_iter().rev() {
            match read(&path, model.clone(), adam, device) {
                Ok(state) => return Ok(Some(state)),
                Err(error) => refused(&path, error),
            }
        }
        Ok(None)
    }

    /// Writes a file beside its place, then puts it there.
    fn write(
        &self,
        name: &str,
        tensors: &[NamedTensor],
        metadata: HashMap<String, String>,
    ) -> Result<(), CheckpointError> {
        let (target, temporary) = (self.folder.join(name), self.folder.join(format!("{name}.partial")));
        let write = || {
            std::fs::create_dir_all(&self.folder)?;
            // One tensor after another: beside the host's copy there is never a second of them all.
            write_tensors(&temporary, tensors, Some(metadata))?;
            std::fs::File::open(&temporary)?.sync_all()?;
            std::fs::rename(&temporary, &target)?;
            std::fs::File::open(&self.folder)?.sync_all()?;
            Ok(())
        };
        write().map_err(|error: SafeTensorError| {
            // The partial file only takes up space, and may not exist.
            _ = std::fs::remove_file(&temporary);
            match error {
                SafeTensorError::IoError(source) => CheckpointError::Io { path: target.clone(), source },
                error => error.into(),
            }
        })
    }

    /// The checkpoints by step, oldest first.
    fn found(&self) -> Result<Vec<(u64, PathBuf)>, CheckpointError> {
        let failed = |source| CheckpointError::Io { path: self.folder.clone(), source };
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let step = name.strip_prefix("step-").and_then(|name| name.strip_suffix(".safetensors"));
            if let Some(step) = step.and_then(|step| step.parse().ok()) {
                found.push((step, path));
            }
        }
        found.sort();
        Ok(found)
    }
}

fn file_name(step: u64) -> String {
    format!("step-{step:08}.safetensors")
}

/// The digest of a checkpoint's content: lengths before texts, tensors in the order of their names.
fn digest<'a>(
    step: u64,
    adam_steps: u64,
    state: &str,
    tensors: impl Iterator<Item = (&'a str, &'a [usize], Cow<'a, [u8]>)>,
) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&step.to_le_bytes()).update(&adam_steps.to_le_bytes());
    hasher.update(&(state.len() as u64).to_le_bytes()).update(state.as_bytes());
    for (name, shape, bytes) in tensors {
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
        hasher.update(&(shape.len() as u64).to_le_bytes());
        shape.iter().for_each(|n| _ = hasher.update(&(*n as u64).to_le_bytes()));
        hasher.update(&bytes);
    }
    hasher.finalize().to_hex().to_string()
}

fn read<M: Module, S: DeserializeOwned>(
    path: &Path,
    model: M,
    adam: AdamParams,
    device: &Device,
) -> Result<TrainState<M, S>, CheckpointError> {
    let bytes =
        std::fs::read(path).map_err(|source| CheckpointError::Io { path: path.to_owned(), source })?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes)?;
    let training = metadata.metadata().as_ref().and_then(|entries| entries.get("training"));
    let training: TrainingMetadata = serde_json::from_str(training.ok_or(CheckpointError::Altered)?)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let mut views = file.tensors();
    views.sort_by(|(a, _), (b, _)| a.cmp(b));
    let content = views.iter().map(|(name, view)| (name.as_str(), view.shape(), Cow::Borrowed(view.data())));
    if digest(training.step, training.adam_steps, &training.state, content) != training.digest {
        return Err(CheckpointError::Altered);
    }
    let (mut weights, mut moments) = (Vec::new(), Vec::new());
    for (name, view) in views {
        let group = if name.starts_with("model.") { &mut weights } else { &mut moments };
        let Some(own) = name.strip_prefix("model.").or_else(|| name.strip_prefix("adam.")) else {
            return Err(Mismatch(vec![format!("  unexpected `{name}`")]).into());
        };
        let values = view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        group.push(NamedTensor { name: own.to_owned(), shape: view.shape().to_vec(), values });
    }
    Ok(TrainState {
        step: training.step,
        model: assign_parameters(model, weights)?,
        adam: Adam::restored(adam, training.adam_steps, moments, device)?,
        state: serde_json::from_str(&training.state)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Param;
    use burn::optim::GradientsParams;
    use burn::tensor::Tensor;

    #[derive(Module, Debug)]
    struct Tiny {
        w: Param<Tensor<2>>,
    }

    fn trained(steps: u64) -> (Tiny, Adam) {
        let device = Device::flex().autodiff();
        let mut adam = Adam::new(AdamParams::default());
        let mut model = Tiny { w: Param::from_data([[0.5f32, -1.0], [2.0, 0.25]], &device) };
        for _ in 0..steps {
            let grads = GradientsParams::from_grads(model.w.val().square().sum().backward(), &model);
            model = adam.step(0.1, model, grads);
        }
        (model, adam)
    }

    fn newest(checkpointer: &Checkpointer) -> (Option<u64>, usize) {
        let (model, _) = trained(0);
        let mut refused = 0;
        let state = checkpointer
            .resume::<_, Vec<f64>>(&model, AdamParams::default(), &Device::flex(), |_, _| refused += 1)
            .unwrap();
        if let Some(found) = &state {
            let (model, adam) = trained(found.step);
            assert_eq!(named_parameters(&found.model), named_parameters(&model));
            assert_eq!(found.adam.state(), adam.state());
            assert_eq!(found.state, [found.step as f64, 0.1]);
        }
        (state.map(|state| state.step), refused)
    }

    fn save(checkpointer: &Checkpointer, step: u64) {
        let (model, adam) = trained(step);
        checkpointer.save(step, &model, &adam, &[step as f64, 0.1]).unwrap();
    }

    #[test]
    fn the_newest_two_are_kept_and_the_newest_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let checkpointer = Checkpointer::new(dir.path().join("not there yet"));
        assert_eq!(newest(&checkpointer), (None, 0));
        (1..=4).for_each(|step| save(&checkpointer, step));
        assert_eq!(newest(&checkpointer), (Some(4), 0));
        assert_eq!(checkpointer.found().unwrap().len(), 2);
    }

    #[test]
    fn a_damaged_checkpoint_falls_back_to_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let checkpointer = Checkpointer::new(dir.path());
        save(&checkpointer, 1);
        save(&checkpointer, 2);
        let path = dir.path().join(file_name(2));
        let whole = std::fs::read(&path).unwrap();
        for cut in [0, 7, 100, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(newest(&checkpointer), (Some(1), 1), "cut at {cut}");
        }
        for at in (8..whole.len()).step_by(13) {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            std::fs::write(&path, &altered).unwrap();
            assert_eq!(newest(&checkpointer), (Some(1), 1), "byte {at}");
        }
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(newest(&checkpointer), (Some(2), 0));
    }

    #[test]
    fn equal_states_are_equal_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let checkpointer = Checkpointer::new(dir.path());
        save(&checkpointer, 2);
        let first = std::fs::read(dir.path().join(file_name(2))).unwrap();
        save(&checkpointer, 2);
        assert_eq!(std::fs::read(dir.path().join(file_name(2))).unwrap(), first);
    }
}
