//! Weights on disk: `model.safetensors` (f32, named after the network's fields) and `config.json`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use burn::tensor::Device;
use igpt_contract::{Digest, StageError};
use igpt_module::{NamedTensor, assign_parameters, named_parameters};
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};

use crate::config::GptConfig;
use crate::error::ModelError;
use crate::gpt::Gpt;
use crate::objective::Objective;

const WEIGHTS: &str = "model.safetensors";
const CARD: &str = "config.json";

/// The class head of a fine-tuned network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassHeadCard {
    /// How many classes.
    pub classes: usize,
    /// The layer whose pooled features it reads, 0..=L.
    pub layer: usize,
    /// The classes' names, in the order of the logits; empty where nobody wrote them down.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// What a network is, beside its weights: the contents of `config.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCard {
    /// The structure.
    pub config: GptConfig,
    /// The class head, where it has one. Filled in by [`save_model`].
    pub class_head: Option<ClassHeadCard>,
    /// What it was trained on.
    pub objective: Objective,
    /// Training steps behind it; 0 where untrained.
    pub step: u64,
    /// The digest of the palette whose colours its tokens are.
    pub palette: Option<Digest>,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// The seed of its initial weights.
    pub seed: u64,
    /// [`GptConfig::structure`]. Filled in by [`save_model`], checked by [`load_model`].
    pub structure: Digest,
}

impl ModelCard {
    /// The card of an untrained network for images of `height` x `width` pixels.
    pub fn new(config: &GptConfig, objective: Objective, height: usize, width: usize) -> Self {
        Self {
            config: config.clone(),
            class_head: None,
            objective,
            step: 0,
            palette: None,
            height,
            width,
            seed: 0,
            structure: config.structure(),
        }
    }
}

/// Writes the network into an existing folder: `model.safetensors` and `config.json`. Equal
/// networks make equal bytes. The card's `config`, `class_head` (but for the classes' names) and
/// `structure` are the network's.
///
/// # Errors
/// [`ModelError::Io`] where a file cannot be written.
pub fn save_model(dir: &Path, gpt: &Gpt, card: &ModelCard) -> Result<(), ModelError> {
    write_tensors(&dir.join(WEIGHTS), &named_parameters(gpt), None)?;
    let card = ModelCard {
        config: gpt.config().clone(),
        class_head: gpt.class_head().map(|head| ClassHeadCard {
            classes: head.classes(),
            layer: head.layer(),
            names: card.class_head.as_ref().map(|own| own.names.clone()).unwrap_or_default(),
        }),
        structure: gpt.config().structure(),
        ..card.clone()
    };
    let path = dir.join(CARD);
    let mut text =
        serde_json::to_string_pretty(&card).map_err(|error| ModelError::format(&path, error.to_string()))?;
    text.push('\n');
    fs::write(&path, text).map_err(|error| ModelError::io(&path, error))
}

/// [`igpt_module::write_tensors`], with errors that name the file.
///
/// # Errors
/// [`ModelError::Io`] where the file cannot be written.
pub fn write_tensors(
    path: &Path,
    tensors: &[NamedTensor],
    metadata: Option<HashMap<String, String>>,
) -> Result<(), ModelError> {
    igpt_module::write_tensors(path, tensors, metadata).map_err(|error| match error {
        SafeTensorError::IoError(error) => ModelError::io(path, error),
        error => ModelError::format(path, error.to_string()),
    })
}

/// The network that a stage reads from its input `model`: [`load_model`], with what is wrong as the
/// error of the step.
///
/// # Errors
/// Those of [`load_model`].
pub fn input_model(dir: &Path, device: &Device) -> Result<(Gpt, ModelCard), StageError> {
    load_model(dir, device).map_err(|error| StageError::caused("the input `model` cannot be used", error))
}

/// Reads a network that [`save_model`] wrote, on a device (with automatic differentiation where
/// the device has it).
///
/// # Errors
/// [`ModelError::Mismatch`] where the weights are not of the structure that the card describes;
/// [`ModelError::Format`] and [`ModelError::Io`] for damaged and absent files.
pub fn load_model(dir: &Path, device: &Device) -> Result<(Gpt, ModelCard), ModelError> {
    let path = dir.join(CARD);
    let text = fs::read(&path).map_err(|error| ModelError::io(&path, error))?;
    let card: ModelCard = serde_json::from_slice(&text)
        .map_err(|error| ModelError::format(&path, format!("not a model's card: {error}")))?;
    card.config.check()?;
    if card.structure != card.config.structure() {
        let what = "`structure` is not the digest of `config`: one of them was edited";
        return Err(ModelError::format(&path, what));
    }
    let mut gpt = Gpt::zeroed(&card.config, device);
    if let Some(head) = &card.class_head {
        if head.layer > card.config.n_layer
            || head.classes == 0
            || !(head.names.is_empty() || head.names.len() == head.classes)
        {
            let what = format!("`class_head` {head:?} does not fit the network");
            return Err(ModelError::format(&path, what));
        }
        gpt = gpt.with_class_head(head.classes, head.layer);
    }
    let tensors = read_safetensors(&dir.join(WEIGHTS))?;
    Ok((assign_parameters(gpt, tensors)?, card))
}

/// Reads every tensor of a safetensors file of 32-bit floats.
fn read_safetensors(path: &Path) -> Result<Vec<NamedTensor>, ModelError> {
    let bytes = fs::read(path).map_err(|error| ModelError::io(path, error))?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| ModelError::format(path, format!("not a safetensors file: {error}")))?;
    file.tensors()
        .into_iter()
        .map(|(name, view)| {
            if view.dtype() != Dtype::F32 {
                let what = format!("`{name}` is {:?}, expected F32", view.dtype());
                return Err(ModelError::format(path, what));
            }
            let (chunks, _) = view.data().as_chunks::<4>();
            let values = chunks.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            Ok(NamedTensor { name, shape: view.shape().to_vec(), values })
        })
        .collect()
}
