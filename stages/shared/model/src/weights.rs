//! Weights on disk: `model.safetensors` (f32, named after the network's fields) and `config.json`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};
use igpt_contract::{Digest, StageError};
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::GptConfig;
use crate::error::ModelError;
use crate::gpt::Gpt;

const WEIGHTS: &str = "model.safetensors";
const CARD: &str = "config.json";

/// The training objective of a network (section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Predict each token from those before it.
    #[default]
    Autoregressive,
    /// Predict masked tokens from all others.
    Bert,
}

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

/// A parameter with its name, as it is on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// The dotted path of the module's fields: `h.0.attn.qkv.weight`.
    pub name: String,
    /// The sizes of its dimensions.
    pub shape: Vec<usize>,
    /// Its elements, row by row.
    pub values: Vec<f32>,
}

/// The parameters of a module with their names, in the order of its fields.
pub fn named_parameters<M: Module>(module: &M) -> Vec<NamedTensor> {
    struct Collect {
        path: Vec<String>,
        found: Vec<NamedTensor>,
    }
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let tensor = param.val();
            self.found.push(NamedTensor {
                name: self.path.join("."),
                shape: tensor.dims().to_vec(),
                values: tensor.into_data().iter::<f32>().collect(),
            });
        }
    }
    let mut collect = Collect { path: Vec::new(), found: Vec::new() };
    module.visit(&mut collect);
    collect.found
}

/// The module with its parameters' values replaced by those of the same name.
///
/// # Errors
/// [`ModelError::Mismatch`] with every difference: missing, unexpected, of another shape.
pub fn assign_parameters<M: Module>(module: M, values: Vec<NamedTensor>) -> Result<M, ModelError> {
    let mut given: BTreeMap<String, NamedTensor> =
        values.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
    let mut differences = Vec::new();
    let wanted = shapes(&module);
    for (name, shape) in &wanted {
        match given.get(name) {
            None => differences.push(format!("  missing    `{name}` {shape:?}")),
            Some(tensor) if tensor.shape != *shape => differences
                .push(format!("  shape      `{name}`: expected {shape:?}, found {:?}", tensor.shape)),
            Some(_) => {}
        }
    }
    let names: BTreeSet<&String> = wanted.iter().map(|(name, _)| name).collect();
    for tensor in given.values().filter(|tensor| !names.contains(&tensor.name)) {
        differences.push(format!("  unexpected `{}` {:?}", tensor.name, tensor.shape));
    }
    if !differences.is_empty() {
        return Err(ModelError::Mismatch(differences));
    }

    struct Assign<'a> {
        path: Vec<String>,
        given: &'a mut BTreeMap<String, NamedTensor>,
    }
    impl ModuleMapper for Assign<'_> {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let Some(tensor) = self.given.remove(&self.path.join(".")) else {
                return param;
            };
            let (id, old, mapper) = param.consume();
            let data = TensorData::new(tensor.values, tensor.shape);
            let mut value = Tensor::<D>::from_data(data, &old.device());
            if old.is_require_grad() {
                value = value.require_grad();
            }
            Param::from_mapped_value(id, value, mapper)
        }
    }
    Ok(module.map(&mut Assign { path: Vec::new(), given: &mut given }))
}

/// Names and shapes of a module's parameters, without reading their values.
fn shapes<M: Module>(module: &M) -> Vec<(String, Vec<usize>)> {
    struct Shapes {
        path: Vec<String>,
        found: Vec<(String, Vec<usize>)>,
    }
    impl ModuleVisitor for Shapes {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.found.push((self.path.join("."), param.lazy_shape().to_vec()));
        }
    }
    let mut shapes = Shapes { path: Vec::new(), found: Vec::new() };
    module.visit(&mut shapes);
    shapes.found
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

/// Writes tensors as a safetensors file of 32-bit floats, one after another, so that no second copy
/// of a large network is made. `notes` are the file's own metadata.
///
/// # Errors
/// [`ModelError::Io`] where the file cannot be written.
pub fn write_tensors(
    path: &Path,
    tensors: &[NamedTensor],
    notes: Option<HashMap<String, String>>,
) -> Result<(), ModelError> {
    let views = tensors.iter().map(|tensor| (tensor.name.as_str(), tensor));
    safetensors::serialize_to_file(views, notes, path).map_err(|error| match error {
        SafeTensorError::IoError(error) => ModelError::io(path, error),
        error => ModelError::format(path, error.to_string()),
    })
}

impl View for &NamedTensor {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        4 * self.values.len()
    }
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
