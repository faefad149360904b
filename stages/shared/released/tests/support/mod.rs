//! Networks with weights of noise, and folders for them.

mod reference;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use igpt_contract::stream;
use igpt_dataset::PaletteTable;
use igpt_model::{
    Gpt, ModelCard, ModelParams, NamedTensor, Objective, Preset, assign_parameters, named_parameters,
    save_model,
};
use igpt_released::{ReadOptions, Released, ReleasedError, read};
use rand::RngExt as _;
pub(crate) use reference::Reference;

pub(crate) const SIDE: usize = 4;
pub(crate) const VOCAB: usize = 6;

pub(crate) fn params() -> ModelParams {
    ModelParams { preset: Preset::Tiny, n_layer: Some(2), n_embd: Some(24), ..ModelParams::default() }
}

/// A palette of so many greys.
pub(crate) fn palette(colours: usize) -> PaletteTable {
    let grey = |i| [i as f32 / colours as f32 - 0.3; 3];
    PaletteTable { colours: (0..colours).map(grey).collect() }
}

/// A network of noise, with the card of a trained one.
pub(crate) fn network(params: &ModelParams) -> (Gpt, ModelCard) {
    let config = params.config(SIDE * SIDE, VOCAB).unwrap();
    let card = ModelCard {
        step: 7,
        seed: 3,
        palette: Some(palette(VOCAB).digest()),
        ..ModelCard::new(&config, Objective::Autoregressive, SIDE, SIDE)
    };
    (noisy(Gpt::zeroed(&config, &Device::flex())), card)
}

/// The same network with other weights.
pub(crate) fn noisy(gpt: Gpt) -> Gpt {
    let mut random = stream(5, "weights");
    let noise = |tensor: NamedTensor| {
        let values = tensor.values.iter().map(|_| random.random_range(-0.5..0.5)).collect();
        NamedTensor { values, ..tensor }
    };
    let tensors = named_parameters(&gpt).into_iter().map(noise).collect();
    assign_parameters(gpt, tensors).unwrap()
}

/// The files of a network as our own artifact.
pub(crate) fn artifact(gpt: &Gpt, card: &ModelCard) -> BTreeMap<String, Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    save_model(dir.path(), gpt, card).unwrap();
    let file = |name: &str| (name.to_owned(), std::fs::read(dir.path().join(name)).unwrap());
    ["model.safetensors", "config.json"].map(file).into()
}

pub(crate) fn read_folder(folder: &Path) -> Result<Released, ReleasedError> {
    read(folder, ReadOptions::default())
}

/// What is said of a folder that is refused, the hint included.
#[track_caller]
pub(crate) fn refusal(folder: &Path) -> String {
    let error = read_folder(folder).unwrap_err();
    let source = error.source.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("{error}\n{source}\n{}", error.hint.as_deref().unwrap_or_default())
}

/// A tensor's float32 bytes as an `.npy` file.
pub(crate) fn npy(shape: &[usize], values: &[f32]) -> Vec<u8> {
    let shape: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

pub(crate) fn write_palette(folder: &Path, colours: usize) -> PathBuf {
    let path = folder.join("kmeans_centers.npy");
    std::fs::write(&path, npy(&[colours, 3], &palette(colours).colours.concat())).unwrap();
    path
}
