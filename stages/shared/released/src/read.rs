//! A folder of others as our network, its card and its palette.

use std::path::Path;

use burn::tensor::Device;
use igpt_dataset::{DatasetError, PaletteRange, PaletteTable, TakenPalette, named_palette, take_palette};
use igpt_model::{ClassHeadCard, Gpt, GptConfig, ModelCard, NamedTensor, Objective, assign_parameters};

use crate::config::{ImageGptConfig, resolution};
use crate::error::ReleasedError;
use crate::tensors::read_tensors;
use crate::{openai, transformers};

/// What the folder itself may not say.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadOptions<'a> {
    /// The palette, instead of the one in the folder (`preprocessor_config.json`,
    /// `kmeans_centers.npy`).
    pub palette: Option<&'a Path>,
    /// The range of the palette's numbers, where they do not tell it.
    pub range: Option<PaletteRange>,
    /// The attention heads, for weights by OpenAI's names whose shapes do not tell.
    pub heads: Option<usize>,
}

/// A network from elsewhere.
#[derive(Debug)]
pub struct Released {
    /// The network.
    pub gpt: Gpt,
    /// What is known of it. The steps behind it and its seed are 0 where nobody wrote them down.
    pub card: ModelCard,
    /// The colours that its tokens are.
    pub palette: PaletteTable,
    /// What of the folder has no place in the network, and what it lacks.
    pub notes: Vec<String>,
}

/// Reads a folder in the layout of Hugging Face's ImageGPT (`config.json`, `model.safetensors` or
/// its shards, `preprocessor_config.json`), or with weights by OpenAI's names in safetensors,
/// `.npz` or `.npy` files.
///
/// # Errors
/// If a file is missing or damaged, the network is one that we cannot compute, or a tensor is
/// missing, left over or of another shape: every one is named.
pub fn read(folder: &Path, options: ReadOptions) -> Result<Released, ReleasedError> {
    if !folder.is_dir() {
        return Err(ReleasedError::new(folder, "expected a folder with a network, found no folder"));
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
        let what = format!("expected the palette {own} of the network, found {digest}");
        return Err(ReleasedError::new(options.palette.unwrap_or(folder), what));
    }
    // A card that named no palette (tokens from elsewhere) goes on naming none.
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
        .map_err(|error| ReleasedError::caused(folder, "the tensors are not those of the network", error))?;
    Ok(Released { gpt, card, palette, notes })
}

/// A network by our names.
struct ReadNetwork {
    config: GptConfig,
    objective: Objective,
    classes: Option<usize>,
    tensors: Vec<NamedTensor>,
    /// Our own card, where we wrote the folder.
    card: Option<ModelCard>,
    notes: Vec<String>,
}

fn transformers_network(folder: &Path, path: &Path) -> Result<ReadNetwork, ReleasedError> {
    let theirs = ImageGptConfig::read(path)?;
    let mut config = theirs.structure(path)?;
    let card = theirs.card;
    if let Some(card) = &card {
        // What only our card says: how the network started, whether its head is tied, biases at 0.
        let GptConfig { biases, tied, zero_head, init, .. } = card.config;
        config = GptConfig { biases, tied, zero_head, init, ..config };
        let head_fits = card.class_head.as_ref().is_none_or(|head| head.layer == config.n_layer);
        let positions = card.height.checked_mul(card.width);
        if config != card.config || !head_fits || positions != Some(config.n_positions) {
            let what = format!("`{}` describes another network than the rest", crate::config::CARD);
            return Err(ReleasedError::new(path, what).hint("remove it, or undo the edit of the other keys"));
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
        let what = "no head over the colours (`lm_head.weight`): features and fine-tuning need none, and a loss or \
                    samples of this network mean nothing before it is trained";
        notes.push(what.to_owned());
    }
    if let (None, Some(count)) = (&card, classes) {
        // Its features are of all tokens without a start token: another function than ours.
        tensors.retain(|tensor| tensor.name != "clf.weight");
        classes = None;
        notes.push(format!(
            "the class head of {count} classes (`score.weight`) is left out: fine-tuning makes its own"
        ));
    }
    let own = card.as_ref().map(|card| card.class_head.as_ref().map(|head| head.classes));
    if own.is_some_and(|own| own != classes) {
        let what = format!("expected the class head of the card ({own:?} classes), found {classes:?}");
        return Err(ReleasedError::new(folder, what));
    }
    if config.tied {
        untied_head(folder, &mut tensors)?;
    }
    Ok(ReadNetwork { config, objective: Objective::Autoregressive, classes, tensors, card, notes })
}

/// Removes the head of a tied network, which must be its embeddings.
fn untied_head(folder: &Path, tensors: &mut Vec<NamedTensor>) -> Result<(), ReleasedError> {
    let values = |name: &str| tensors.iter().find(|tensor| tensor.name == name).map(|tensor| &tensor.values);
    if values("head.weight") != values("wte") {
        let what =
            "expected `lm_head.weight` to be the colours' embeddings, as the card has it, found others";
        return Err(ReleasedError::new(folder, what));
    }
    tensors.retain(|tensor| tensor.name != "head.weight");
    Ok(())
}

fn openai_network(folder: &Path, heads: Option<usize>) -> Result<ReadNetwork, ReleasedError> {
    let tensors = read_tensors(folder)?;
    if !openai::is_openai(&tensors) {
        let what =
            "expected a `config.json`, or weights by OpenAI's names (`model/h0/attn/q_proj`), found neither";
        return Err(ReleasedError::new(folder, what));
    }
    let openai::OpenAiNetwork { config, objective, classes, tensors } =
        openai::from_theirs(folder, tensors, heads)?;
    Ok(ReadNetwork { config, objective, classes, tensors, card: None, notes: Vec::new() })
}

/// The palette, which must have the network's colours.
fn palette(folder: &Path, options: ReadOptions, vocab: usize) -> Result<PaletteTable, ReleasedError> {
    let ReadOptions { palette, range, .. } = options;
    let taken = match palette {
        Some(path) => Some(take_palette(path, range)),
        None => named_palette(folder, range).transpose(),
    };
    let taken = taken.transpose().map_err(|DatasetError { path, what, hint, source }| ReleasedError {
        what: format!("the palette cannot be used: {what}"),
        path,
        hint,
        source,
    })?;
    let TakenPalette { palette, file, .. } = taken.ok_or_else(|| {
        let what =
            "expected the palette in `preprocessor_config.json` or `kmeans_centers.npy`, found neither";
        ReleasedError::new(folder, what).hint("wire the palette that the network was trained on to `palette`")
    })?;
    match palette.colours.len() == vocab {
        true => Ok(palette),
        false => {
            let what = format!("expected the network's {vocab} colours, found {}", palette.colours.len());
            Err(ReleasedError::new(&file, what))
        }
    }
}
