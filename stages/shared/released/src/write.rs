//! Writes a network in the format of Hugging Face's ImageGPT.

use std::collections::HashMap;
use std::path::Path;

use igpt_contract::StageError;
use igpt_dataset::PaletteTable;
use igpt_model::{Gpt, ModelCard, Objective, Variant, named_parameters, write_tensors};
use serde_json::Value;

use crate::config::{config_json, preprocessor_json};
use crate::error::ReleasedError;
use crate::transformers::to_theirs;

/// Writes a network into an existing, empty folder, as `ImageGPTForCausalImageModeling` reads it
/// (`ImageGPTForImageClassification`, if it has a class head): `model.safetensors`, `config.json`
/// and `preprocessor_config.json` with the palette; with a class head also the code with which
/// transformers puts the start token before an image's tokens, as our networks expect. The model card is
/// in `config.json` under `igpt_flow`, so that [`crate::read`] returns exactly the same network.
///
/// # Errors
/// If ImageGPT cannot express the network (the variant `paper`, BERT, a class head below the last layer),
/// the palette is not the network's, or a file cannot be written.
pub fn write(folder: &Path, gpt: &Gpt, card: &ModelCard, palette: &PaletteTable) -> Result<(), StageError> {
    expressible(card)?;
    let digest = palette.digest();
    if palette.colours.len() != card.config.vocab || card.palette.is_some_and(|own| own != digest) {
        let own = card.palette.map_or("unknown".to_owned(), |own| own.to_string());
        return Err(StageError::new(format!(
            "expected the network's palette of {} colours ({own}), found {} ({digest})",
            card.config.vocab,
            palette.colours.len()
        )));
    }
    let tensors = to_theirs(&card.config, named_parameters(gpt));
    let notes = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    write_tensors(&folder.join("model.safetensors"), &tensors, Some(notes))
        .map_err(|error| StageError::caused("cannot write the weights", error))?;
    write_json(&folder.join("config.json"), &config_json(card))?;
    write_json(&folder.join("preprocessor_config.json"), &preprocessor_json(card, palette))?;
    if card.class_head.is_some() {
        write_text(&folder.join("modeling_igpt_flow.py"), CODE)?;
        write_text(&folder.join("README.md"), README)?;
    }
    Ok(())
}

/// The code in a classifier's folder, for transformers.
const CODE: &str = include_str!("modeling_igpt_flow.py");
/// How to load a classifier's folder.
const README: &str = include_str!("published.md");

/// Refuses networks that ImageGPT cannot express.
fn expressible(card: &ModelCard) -> Result<(), StageError> {
    let refuse = |what: &str, hint: &str| Err(StageError::new(what).hint(hint));
    if card.config.variant == Variant::Paper {
        return refuse(
            "ImageGPT does not support the variant `paper`: its norm subtracts no mean and has no bias",
            "train with `model: {variant: released}`, which is the default",
        );
    }
    if card.objective == Objective::Bert {
        return refuse(
            "ImageGPT does not support BERT networks: each of its positions attends only to earlier ones",
            "publish a network that was trained with `objective: autoregressive`",
        );
    }
    match &card.class_head {
        Some(head) if head.layer != card.config.n_layer => refuse(
            &format!(
                "ImageGPT does not support a class head on layer {}: its own is on the last, {}",
                head.layer, card.config.n_layer
            ),
            "fine-tune with the head on the last layer",
        ),
        _ => Ok(()),
    }
}

fn write_json(path: &Path, value: &Value) -> Result<(), ReleasedError> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| ReleasedError::caused(path, "cannot convert to JSON", error))?;
    text.push('\n');
    write_text(path, &text)
}

fn write_text(path: &Path, text: &str) -> Result<(), ReleasedError> {
    std::fs::write(path, text).map_err(|error| ReleasedError::caused(path, "cannot write the file", error))
}
