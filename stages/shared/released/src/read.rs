//! Reads a folder as our network, its model card and its palette.

use std::path::Path;

use burn::tensor::Device;
use igpt_dataset::{DatasetError, LoadedPalette, PaletteRange, PaletteTable, load_palette, named_palette};
use igpt_model::{ClassHeadCard, Gpt, GptConfig, ModelCard, NamedTensor, Objective, assign_parameters};

use crate::config::{ImageGptConfig, resolution};
use crate::error::ReleasedError;
use crate::tensors::read_tensors;
use crate::{openai, transformers};

/// What the folder itself may not contain.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadOptions<'a> {
    /// A palette instead of the one in the folder (`preprocessor_config.json`,
    /// `kmeans_centers.npy`).
    pub palette: Option<&'a Path>,
    /// The range of the palette's numbers, if it cannot be detected.
    pub range: Option<PaletteRange>,
    /// The attention heads, for weights with OpenAI's names whose shapes do not tell.
    pub heads: Option<usize>,
}

/// A network that was read.
#[derive(Debug)]
pub struct Released {
    /// The network.
    pub gpt: Gpt,
    /// Its model card. The training steps and the seed are 0 if unknown.
    pub card: ModelCard,
    /// The colours of its tokens.
    pub palette: PaletteTable,
    /// Notes on what was dropped and on what is missing.
    pub notes: Vec<String>,
}

/// Reads a folder in the layout of Hugging Face's ImageGPT (`config.json`, `model.safetensors` or
/// its shards, `preprocessor_config.json`), or with weights under OpenAI's names in safetensors,
/// `.npz` or `.npy` files.
///
/// # Errors
/// If a file is missing or damaged, the network is not supported, or tensors are missing, unexpected or of
/// another shape; all of them are named.
pub fn read(folder: &Path, options: ReadOptions) -> Result<Released, ReleasedError> {
    if !folder.is_dir() {
        return Err(ReleasedError::new(folder, "expected a folder with a network, found none"));
    }
    let path = folder.join("config.json");
    let named = match path.is_file() {
        true => transformers_network(folder, &path)?,
        false => openai_network(folder, options.heads)?,
    };
    let ReadNetwork { config, objective, classes, tensors, card, notes } = named;
    let palette = palette(folder, options, config.vocab)?;
    let (height, width) = match &card {
        Some(card) => (card.height, card.width),
        None => resolution(folder, config.n_positions)?,
    };
    let class_head = match &card {
        Some(card) => card.class_head.clone(),
        None => classes.map(|classes| ClassHeadCard { classes, layer: config.n_layer, names: Vec::new() }),
    };
    let digest = palette.digest();
    if let Some(own) = card.as_ref().and_then(|card| card.palette)
        && own != digest
    {
        let what = format!("expected the network's palette {own}, found {digest}");
        return Err(ReleasedError::new(options.palette.unwrap_or(folder), what));
    }
    // A card without a palette (tokens from elsewhere) stays without one.
    let card = card.unwrap_or_else(|| ModelCard {
        class_head: class_head.clone(),
        palette: Some(digest),
        ..ModelCard::new(&config, objective, height, width)
    });
    let mut gpt = Gpt::zeroed(&config, &Device::flex());
    if let Some(head) = class_head {
        gpt = gpt.with_class_head(head.classes, head.layer);
    }
    let gpt = assign_parameters(gpt, tensors)
        .map_err(|error| ReleasedError::caused(folder, "the tensors do not fit the network", error))?;
    Ok(Released { gpt, card, palette, notes })
}

/// A network under our names.
struct ReadNetwork {
    config: GptConfig,
    objective: Objective,
    classes: Option<usize>,
    tensors: Vec<NamedTensor>,
    /// Our own model card, if we wrote the folder.
    card: Option<ModelCard>,
    notes: Vec<String>,
}

fn transformers_network(folder: &Path, path: &Path) -> Result<ReadNetwork, ReleasedError> {
    let theirs = ImageGptConfig::read(path)?;
    let mut config = theirs.structure(path)?;
    let card = theirs.card;
    if let Some(card) = &card {
        // Only our card says how the network was initialised, whether its head is tied, and about zero biases.
        let GptConfig { biases, tied, zero_head, init, .. } = card.config;
        config = GptConfig { biases, tied, zero_head, init, ..config };
        let head_fits = card.class_head.as_ref().is_none_or(|head| head.layer == config.n_layer);
        let positions = card.height.checked_mul(card.width);
        if config != card.config || !head_fits || positions != Some(config.n_positions) {
            let what = format!("`{}` contradicts the other keys", crate::config::CARD);
            return Err(ReleasedError::new(path, what).hint("remove it, or restore the other keys"));
        }
    }
    let transformers::TheirTensors { mut tensors, mut classes, headless } =
        transformers::from_theirs(folder, read_tensors(folder)?, &mut config)?;
    let mut notes = Vec::new();
    if headless {
        if card.is_some() {
            let what = "expected `lm_head.weight`, which the network had when it was written, found none";
            return Err(ReleasedError::new(folder, what));
        }
        let what = "the network has no output head (`lm_head.weight`): features and fine-tuning need none, but losses \
                    and samples are meaningless before it is trained";
        notes.push(what.to_owned());
    }
    if let (None, Some(count)) = (&card, classes) {
        // It averages features of tokens without a start token, which is not what ours computes.
        tensors.retain(|tensor| tensor.name != "clf.weight");
        classes = None;
        notes.push(format!(
            "ignored the class head of {count} classes (`score.weight`): fine-tuning adds its own"
        ));
    }
    let own = card.as_ref().map(|card| card.class_head.as_ref().map(|head| head.classes));
    if own.is_some_and(|own| own != classes) {
        let what = format!("expected the class head of the model card ({own:?} classes), found {classes:?}");
        return Err(ReleasedError::new(folder, what));
    }
    if config.tied {
        untied_head(folder, &mut tensors)?;
    }
    Ok(ReadNetwork { config, objective: Objective::Autoregressive, classes, tensors, card, notes })
}

/// Removes the output head of a network with tied weights, which must equal its embeddings.
fn untied_head(folder: &Path, tensors: &mut Vec<NamedTensor>) -> Result<(), ReleasedError> {
    let values = |name: &str| tensors.iter().find(|tensor| tensor.name == name).map(|tensor| &tensor.values);
    if values("head.weight") != values("wte") {
        let what =
            "expected `lm_head.weight` to equal the token embeddings (tied weights), found other values";
        return Err(ReleasedError::new(folder, what));
    }
    tensors.retain(|tensor| tensor.name != "head.weight");
    Ok(())
}

fn openai_network(folder: &Path, heads: Option<usize>) -> Result<ReadNetwork, ReleasedError> {
    let tensors = read_tensors(folder)?;
    if !openai::is_openai(&tensors) {
        let what =
            "expected `config.json` or weights under OpenAI's names (`model/h0/attn/q_proj`), found neither";
        return Err(ReleasedError::new(folder, what));
    }
    let openai::OpenAiNetwork { config, objective, classes, tensors } =
        openai::from_theirs(folder, tensors, heads)?;
    Ok(ReadNetwork { config, objective, classes, tensors, card: None, notes: Vec::new() })
}

/// The palette, which must have as many colours as the network.
fn palette(folder: &Path, options: ReadOptions, vocab: usize) -> Result<PaletteTable, ReleasedError> {
    let ReadOptions { palette, range, .. } = options;
    let taken = match palette {
        Some(path) => Some(load_palette(path, range)),
        None => named_palette(folder, range).transpose(),
    };
    let taken = taken.transpose().map_err(|DatasetError { path, what, hint, source }| ReleasedError {
        what: format!("cannot use the palette: {what}"),
        path,
        hint,
        source,
    })?;
    let LoadedPalette { palette, file, .. } = taken.ok_or_else(|| {
        let what = "expected a palette in `preprocessor_config.json` or `kmeans_centers.npy`, found neither";
        ReleasedError::new(folder, what)
            .hint("set the input `palette` to the palette that the network was trained with")
    })?;
    match palette.colours.len() == vocab {
        true => Ok(palette),
        false => {
            let what = format!("expected {vocab} colours as in the network, found {}", palette.colours.len());
            Err(ReleasedError::new(&file, what))
        }
    }
}
