//! Hugging Face's `config.json` and `preprocessor_config.json`, as far as they are used here.

use std::path::Path;

use igpt_dataset::{PaletteTable, shown};
use igpt_model::{Activation, GptConfig, Init, ModelCard, Variant};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::ReleasedError;

/// The key of our own model card in a `config.json` that we wrote. It holds what ImageGPT's configuration
/// cannot express, so that a network is read back unchanged.
pub(crate) const CARD: &str = "igpt_flow";

/// The class in the code that a classifier's folder holds, as `auto_map` names it.
const CLASS: &str = "modeling_igpt_flow.ImageGPTWithStartToken";

/// The epsilon of the layer norm that our networks use.
const EPSILON: f64 = 1e-5;

/// ImageGPT's configuration, with the defaults of transformers.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ImageGptConfig {
    pub(crate) vocab_size: usize,
    pub(crate) n_positions: usize,
    pub(crate) n_embd: usize,
    pub(crate) n_layer: usize,
    pub(crate) n_head: usize,
    #[serde(default)]
    n_inner: Option<usize>,
    #[serde(default = "quick_gelu")]
    activation_function: String,
    #[serde(default = "epsilon")]
    layer_norm_epsilon: f64,
    #[serde(default = "yes")]
    scale_attn_weights: bool,
    #[serde(default)]
    scale_attn_by_inverse_layer_idx: bool,
    #[serde(default)]
    add_cross_attention: bool,
    #[serde(default)]
    tie_word_embeddings: bool,
    /// Our own model card, if we wrote the file.
    #[serde(default, rename = "igpt_flow")]
    pub(crate) card: Option<ModelCard>,
}

fn quick_gelu() -> String {
    "quick_gelu".to_owned()
}

fn epsilon() -> f64 {
    EPSILON
}

fn yes() -> bool {
    true
}

impl ImageGptConfig {
    /// Reads `config.json`.
    pub(crate) fn read(path: &Path) -> Result<Self, ReleasedError> {
        let value = read_json(path)?;
        if value.get("structure").is_some() && value.get("objective").is_some() {
            let what = "this is already a model of igpt-flow, which needs no import";
            return Err(
                ReleasedError::new(path, what).hint("use the folder directly as the input `model` of a step")
            );
        }
        let kind = value.get("model_type").and_then(Value::as_str).unwrap_or("none");
        if kind != "imagegpt" {
            let what = format!("expected the `model_type` `imagegpt`, found `{}`", shown(kind));
            return Err(ReleasedError::new(path, what));
        }
        serde_json::from_value(value)
            .map_err(|error| ReleasedError::caused(path, "not a valid configuration of ImageGPT", error))
    }

    /// The structure that the configuration describes, without biases. Settings that are not supported
    /// are refused.
    pub(crate) fn structure(&self, path: &Path) -> Result<GptConfig, ReleasedError> {
        let refuse = |name: &str, expected: String, found: String| {
            Err(ReleasedError::new(path, format!("expected {expected} as `{name}`, found {found}")))
        };
        if let Some(inner) = self.n_inner.filter(|inner| Some(*inner) != self.n_embd.checked_mul(4)) {
            return refuse("n_inner", format!("4 * `n_embd` {}", self.n_embd), inner.to_string());
        }
        if (self.layer_norm_epsilon / EPSILON - 1.0).abs() > 1e-6 {
            let found = format!("{:e}", self.layer_norm_epsilon);
            return refuse("layer_norm_epsilon", format!("{EPSILON:e}"), found);
        }
        for (name, found, expected) in [
            ("scale_attn_weights", self.scale_attn_weights, true),
            ("scale_attn_by_inverse_layer_idx", self.scale_attn_by_inverse_layer_idx, false),
            ("add_cross_attention", self.add_cross_attention, false),
            ("tie_word_embeddings", self.tie_word_embeddings, false),
        ] {
            if found != expected {
                return refuse(name, expected.to_string(), found.to_string());
            }
        }
        let Some(activation) = activation(&self.activation_function) else {
            let expected = "`quick_gelu`, `gelu_new` or `gelu`".to_owned();
            return refuse(
                "activation_function",
                expected,
                format!("`{}`", shown(&self.activation_function)),
            );
        };
        if self.vocab_size < 2 {
            return refuse(
                "vocab_size",
                "at least one colour and the start token".to_owned(),
                self.vocab_size.to_string(),
            );
        }
        let config = GptConfig {
            n_layer: self.n_layer,
            n_head: self.n_head,
            n_embd: self.n_embd,
            n_positions: self.n_positions,
            vocab: self.vocab_size - 1, // the last one is the start token
            variant: Variant::Released,
            activation,
            biases: None,
            tied: false,
            zero_head: true,
            init: Init::default(),
        };
        config
            .check()
            .map_err(|error| ReleasedError::caused(path, "does not describe a valid network", error))?;
        Ok(config)
    }
}

/// The activation functions by their names in transformers; the first name of each is written.
const ACTIVATIONS: [(&str, Activation); 4] = [
    ("quick_gelu", Activation::QuickGelu),
    ("gelu_new", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("gelu", Activation::GeluErf),
];

fn activation(name: &str) -> Option<Activation> {
    ACTIVATIONS.iter().find(|(known, _)| *known == name).map(|(_, activation)| *activation)
}

fn activation_name(activation: Activation) -> Option<&'static str> {
    ACTIVATIONS.iter().find(|(_, known)| *known == activation).map(|(name, _)| *name)
}

/// `config.json` of a network for transformers.
pub(crate) fn config_json(card: &ModelCard) -> Value {
    let config = &card.config;
    let architecture = match &card.class_head {
        None => "ImageGPTForCausalImageModeling",
        Some(_) => "ImageGPTForImageClassification",
    };
    let mut json = json!({
        "activation_function": activation_name(config.activation),
        "architectures": [architecture],
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "initializer_range": 0.02,
        "layer_norm_epsilon": EPSILON,
        "model_type": "imagegpt",
        "n_embd": config.n_embd,
        "n_head": config.n_head,
        "n_inner": null,
        "n_layer": config.n_layer,
        "n_positions": config.n_positions,
        "reorder_and_upcast_attn": false,
        "resid_pdrop": 0.0,
        "scale_attn_by_inverse_layer_idx": false,
        "scale_attn_weights": true,
        "tie_word_embeddings": false,
        "use_cache": true,
        "vocab_size": config.vocab + 1,
        CARD: card,
    });
    if let Some(head) = &card.class_head {
        let name = |class: usize| head.names.get(class).cloned().unwrap_or_else(|| format!("LABEL_{class}"));
        let names: serde_json::Map<String, Value> =
            (0..head.classes).map(|class| (class.to_string(), name(class).into())).collect();
        let numbers: serde_json::Map<String, Value> =
            (0..head.classes).map(|class| (name(class), class.into())).collect();
        json["id2label"] = names.into();
        json["label2id"] = numbers.into();
        json["auto_map"] = json!({ "AutoModelForImageClassification": CLASS });
    }
    json
}

/// `preprocessor_config.json`: the palette, and how transformers' processor prepares images for it
/// (resample 2 is bilinear).
pub(crate) fn preprocessor_json(card: &ModelCard, palette: &PaletteTable) -> Value {
    json!({
        "clusters": palette.colours,
        "do_color_quantize": true,
        "do_normalize": true,
        "do_resize": true,
        "image_processor_type": "ImageGPTImageProcessor",
        "resample": 2,
        "size": Resolution { height: card.height, width: card.width },
    })
}

/// The resolution in `preprocessor_config.json`.
#[derive(Serialize, Deserialize)]
struct Resolution {
    height: usize,
    width: usize,
}

/// The height and width of images of `positions` pixels: from the folder's `preprocessor_config.json`,
/// else a square.
pub(crate) fn resolution(folder: &Path, positions: usize) -> Result<(usize, usize), ReleasedError> {
    let path = folder.join("preprocessor_config.json");
    let size: Option<Resolution> = match path.is_file() {
        true => serde_json::from_value(read_json(&path)?["size"].take()).ok(),
        false => None,
    };
    // The file takes precedence: a strip of four squares may also have a square number of pixels.
    let side = positions.isqrt();
    let square = (side * side == positions).then_some((side, side));
    size.filter(|size| size.height.checked_mul(size.width) == Some(positions))
        .map(|size| (size.height, size.width))
        .or(square)
        .ok_or_else(|| {
            let what = format!(
                "cannot tell the resolution: {positions} positions are not a square, and \
                 `preprocessor_config.json` has no matching `size`"
            );
            ReleasedError::new(folder, what)
        })
}

fn read_json(path: &Path) -> Result<Value, ReleasedError> {
    let bytes =
        std::fs::read(path).map_err(|error| ReleasedError::caused(path, "cannot read the file", error))?;
    serde_json::from_slice(&bytes).map_err(|error| ReleasedError::caused(path, "not valid JSON", error))
}
