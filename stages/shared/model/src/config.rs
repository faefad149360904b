//! The structure of networks: sizes, the two variants of the architecture, presets, parameter counts.

use igpt_contract::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ModelError;

/// The two architectures called iGPT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// As the paper describes it (section 2.2): layer norm with mean subtraction, gain and bias (eps
    /// 1e-5), biases on the linear layers, tanh-approximated GELU as in GPT-2.
    Paper,
    /// The released code (`openai/image-gpt`, src/model.py): x / sqrt(mean(x^2) + 1e-5) * gain, no biases
    /// anywhere, x * sigmoid(1.702 x). Its parameter counts are those in the paper.
    #[default]
    Released,
}

/// The non-linearity between the two linear layers of a block's MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), GPT-2's GELU.
    GeluTanh,
    /// x Phi(x), the exact GELU; PyTorch's default.
    GeluErf,
    /// x sigmoid(1.702 x), the released code's GELU.
    QuickGelu,
}

/// The standard deviations of the normal initial weights. Both rules have: biases 0, gains 1, token
/// embeddings 0.02, position embeddings 0.01, start vector 0.02, queries, keys and values d^-1/2, the
/// attention's output (d L)^-1/2, the MLP's first layer 0.02, heads 0 (L layers, width d).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// Standard deviation 0.02 / sqrt(2 L) for the MLP's output projection: both residual projections
    /// shrink with depth, as in the paper (section 3.3, after GPT-2).
    #[default]
    LayerDependent,
    /// Standard deviation 0.02 for the MLP's output projection, as in the released code.
    Released,
}

/// A network's structure. Two equal configurations have the same tensors and compute the same
/// function of them (`init` and `zero_head` only affect initial weights).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GptConfig {
    /// Blocks, L.
    pub n_layer: usize,
    /// Attention heads in each block; a divisor of `n_embd`.
    pub n_head: usize,
    /// Width of the residual stream, d (C in shapes).
    pub n_embd: usize,
    /// Tokens of an image, n (T in shapes).
    pub n_positions: usize,
    /// Colours in the palette (V in shapes).
    pub vocab: usize,
    /// Which architecture.
    #[serde(default)]
    pub variant: Variant,
    /// The MLP's non-linearity.
    pub activation: Activation,
    /// Whether the linear layers have biases, where that differs from the variant: transformers'
    /// ImageGPT has them beside the released norm. `None`: as in the variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub biases: Option<bool>,
    /// Whether the output head shares the token embeddings (the paper does not; appendix A.1).
    #[serde(default)]
    pub tied: bool,
    /// Whether an untied head starts at zero (section 3.3), so that the first loss is ln(vocab).
    #[serde(default = "yes")]
    pub zero_head: bool,
    /// The initialisation rule.
    #[serde(default)]
    pub init: Init,
}

fn yes() -> bool {
    true
}

/// Named sizes. The first four are the paper's (section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// 24 layers, width 512, 8 heads: 76M parameters.
    IgptS,
    /// 36 layers, width 1024, 8 heads: 455M parameters.
    IgptM,
    /// 48 layers, width 1536, 16 heads: 1.4B parameters.
    IgptL,
    /// 60 layers, width 3072, 16 heads: 6.8B parameters.
    IgptXl,
    /// 8 layers, width 128, 4 heads: trains in minutes on a CPU.
    Small,
    /// 4 layers, width 64, 2 heads: trains in seconds on a CPU.
    Tiny,
}

impl Preset {
    /// All of them, the paper's first.
    const ALL: [Self; 6] = [Self::IgptS, Self::IgptM, Self::IgptL, Self::IgptXl, Self::Small, Self::Tiny];

    /// The name as parameters have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IgptS => "igpt-s",
            Self::IgptM => "igpt-m",
            Self::IgptL => "igpt-l",
            Self::IgptXl => "igpt-xl",
            Self::Small => "small",
            Self::Tiny => "tiny",
        }
    }

    /// Layers, heads and width.
    fn sizes(self) -> (usize, usize, usize) {
        match self {
            Self::IgptS => (24, 8, 512),
            Self::IgptM => (36, 8, 1024),
            Self::IgptL => (48, 16, 1536),
            Self::IgptXl => (60, 16, 3072),
            Self::Small => (8, 4, 128),
            Self::Tiny => (4, 2, 64),
        }
    }
}

/// The `model` parameter of the stages that create a network: a preset, and overrides of its values. The
/// numbers of positions and colours come from the tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelParams {
    /// The preset, which has the defaults of the sizes below.
    pub preset: Preset,
    /// The number of transformer blocks. Default: the preset's.
    pub n_layer: Option<usize>,
    /// Attention heads, a divisor of the width. Default: the preset's.
    pub n_head: Option<usize>,
    /// The width of the residual stream. Default: the preset's.
    pub n_embd: Option<usize>,
    /// The architecture: `released` (the released code, with the paper's parameter counts) or `paper` (as
    /// the paper describes it, section 2.2).
    pub variant: Variant,
    /// The MLP's non-linearity. Default: `quick_gelu` for `released`, `gelu_tanh` for `paper`.
    pub activation: Option<Activation>,
    /// Whether the linear layers have biases. Default: in `paper` they do, in `released` they do not.
    /// Does not change the norms.
    pub biases: Option<bool>,
    /// Whether the output head shares the token embeddings. The paper's does not (appendix A.1).
    pub tied: bool,
    /// Whether an untied head starts at zero (section 3.3).
    pub zero_head: bool,
    /// The initialisation rule.
    pub init: Init,
}

impl Default for ModelParams {
    fn default() -> Self {
        Self {
            preset: Preset::Small,
            n_layer: None,
            n_head: None,
            n_embd: None,
            variant: Variant::default(),
            activation: None,
            biases: None,
            tied: false,
            zero_head: true,
            init: Init::default(),
        }
    }
}

impl ModelParams {
    /// The number of blocks L: the layers are 0 to L.
    pub fn n_layer(&self) -> usize {
        self.n_layer.unwrap_or(self.preset.sizes().0)
    }

    /// The width.
    pub fn n_embd(&self) -> usize {
        self.n_embd.unwrap_or(self.preset.sizes().2)
    }

    /// The network for images of `n_positions` tokens out of `vocab` colours.
    ///
    /// # Errors
    /// [`ModelError::Config`] if the sizes are not valid.
    pub fn config(&self, n_positions: usize, vocab: usize) -> Result<GptConfig, ModelError> {
        let (_, n_head, n_embd) = self.preset.sizes();
        let config = GptConfig {
            n_layer: self.n_layer(),
            n_head: self.n_head.unwrap_or(n_head),
            n_embd: self.n_embd.unwrap_or(n_embd),
            n_positions,
            vocab,
            variant: self.variant,
            activation: self.activation.unwrap_or(self.variant.activation()),
            biases: self.biases.filter(|biases| *biases != self.variant.has_biases()),
            tied: self.tied,
            zero_head: self.zero_head,
            init: self.init,
        };
        config.check()?;
        Ok(config)
    }
}

impl Variant {
    /// The non-linearity that belongs to the architecture.
    pub fn activation(self) -> Activation {
        match self {
            Self::Paper => Activation::GeluTanh,
            Self::Released => Activation::QuickGelu,
        }
    }

    /// Whether norms and, unless the configuration says otherwise, linear layers have biases.
    pub fn has_biases(self) -> bool {
        self == Self::Paper
    }
}

impl GptConfig {
    /// The most parameters, to catch typing errors: fifteen times iGPT-XL.
    const MOST_PARAMETERS: u64 = 100_000_000_000;

    /// A preset in the released variant, untied, for images of `n_positions` tokens out of `vocab`
    /// colours.
    ///
    /// # Errors
    /// [`ModelError::Config`] where `n_positions` or `vocab` is 0 or beyond what tokens can hold.
    pub fn preset(preset: Preset, n_positions: usize, vocab: usize) -> Result<Self, ModelError> {
        ModelParams { preset, ..ModelParams::default() }.config(n_positions, vocab)
    }

    /// The preset of these layers, heads and width; `None` for sizes of one's own.
    pub fn named_size(&self) -> Option<Preset> {
        let sizes = (self.n_layer, self.n_head, self.n_embd);
        Preset::ALL.into_iter().find(|preset| preset.sizes() == sizes)
    }

    /// Checks the sizes.
    ///
    /// # Errors
    /// [`ModelError::Config`] with what was expected and what was found.
    pub fn check(&self) -> Result<(), ModelError> {
        for (name, size) in [
            ("n_layer", self.n_layer),
            ("n_head", self.n_head),
            ("n_embd", self.n_embd),
            ("n_positions", self.n_positions),
            ("vocab", self.vocab),
        ] {
            if size == 0 {
                return Err(ModelError::Config(format!("`{name}` is 0, expected at least 1")));
            }
        }
        if !self.n_embd.is_multiple_of(self.n_head) {
            return Err(ModelError::Config(format!(
                "`n_embd` {} is not a multiple of `n_head` {}",
                self.n_embd, self.n_head
            )));
        }
        if param_count(self) > Self::MOST_PARAMETERS {
            return Err(ModelError::Config(format!(
                "`n_layer` {} and `n_embd` {} make a network of more than {} parameters",
                self.n_layer,
                self.n_embd,
                Self::MOST_PARAMETERS
            )));
        }
        // Tokens are stored as u16.
        if self.vocab > 1 << 16 {
            return Err(ModelError::Config(format!("`vocab` is {}, expected at most 65536", self.vocab)));
        }
        Ok(())
    }

    /// Whether the linear layers have biases.
    pub fn linear_biases(&self) -> bool {
        self.biases.unwrap_or(self.variant.has_biases())
    }

    /// The digest of the structure: equal where weights of one network fit the other and mean the
    /// same. `init` and `zero_head` do not enter it.
    pub fn structure(&self) -> Digest {
        let mut text = format!(
            "igpt structure v1: n_layer={} n_head={} n_embd={} n_positions={} vocab={} \
             variant={:?} activation={:?} tied={}",
            self.n_layer,
            self.n_head,
            self.n_embd,
            self.n_positions,
            self.vocab,
            self.variant,
            self.activation,
            self.tied
        );
        // Only a departure from the variant is part of it, so that earlier digests stay valid.
        if self.linear_biases() != self.variant.has_biases() {
            text.push_str(&format!(" biases={}", self.linear_biases()));
        }
        Digest::of(text.as_bytes())
    }
}

/// How many parameters the network has, without a class head. Allocates nothing; saturates at
/// `u64::MAX`.
pub fn param_count(config: &GptConfig) -> u64 {
    let d = config.n_embd as u128;
    let bias = |n: u128| if config.linear_biases() { n } else { 0 };
    let norm = if config.variant.has_biases() { 2 * d } else { d };
    let linear = |k: u128, n: u128| k * n + bias(n);
    let attention = linear(d, 3 * d) + linear(d, d);
    let mlp = linear(d, 4 * d) + linear(4 * d, d);
    let block = 2 * norm + attention + mlp;
    let embeddings = (config.vocab as u128 + config.n_positions as u128 + 1) * d; // wte, wpe, sos
    let head = if config.tied { 0 } else { config.vocab as u128 * d };
    let blocks = block.saturating_mul(config.n_layer as u128);
    u64::try_from(blocks.saturating_add(embeddings + norm + head)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_sizes_are_refused() {
        let params = ModelParams { n_head: Some(3), ..ModelParams::default() };
        let error = params.config(64, 16).unwrap_err().to_string();
        assert!(error.contains("`n_embd` 128 is not a multiple of `n_head` 3"), "{error}");
        assert!(GptConfig::preset(Preset::Tiny, 0, 16).is_err());
        assert!(GptConfig::preset(Preset::Tiny, 64, 1 << 17).is_err());
        let params =
            ModelParams { n_embd: Some(4_000_000_000), n_layer: Some(usize::MAX), ..Default::default() };
        let error = params.config(64, 16).unwrap_err().to_string();
        assert!(error.contains("more than 100000000000 parameters"), "{error}");
    }

    /// The released variant's counts, the paper's 76M, 455M, 1362M and 6801M (section 3.3, Table 2).
    #[test]
    fn presets_have_the_parameters_of_the_paper() {
        let count = |preset| param_count(&GptConfig::preset(preset, 1024, 512).unwrap());
        let counts = [Preset::IgptS, Preset::IgptM, Preset::IgptL, Preset::IgptXl].map(count);
        assert_eq!(counts, [76_571_648, 455_157_760, 1_362_250_752, 6_801_438_720]);
    }

    #[test]
    fn the_structure_digest_ignores_how_a_network_starts() {
        let config = GptConfig::preset(Preset::Tiny, 64, 16).unwrap();
        let other = GptConfig { init: Init::Released, zero_head: false, ..config.clone() };
        assert_eq!(config.structure(), other.structure());
        let wider = GptConfig { n_embd: 128, ..config.clone() };
        assert_ne!(config.structure(), wider.structure());
    }

    /// Every model on disk from before the field existed holds this digest.
    #[test]
    fn biases_enter_the_structure_where_they_are_not_the_variants() {
        let config = GptConfig::preset(Preset::Tiny, 64, 16).unwrap();
        assert_eq!(
            config.structure().to_string(),
            "4ad69f147dd5288d689ef48818410e66d8b56717fdedffc4a8545d3868b6cb68"
        );
        let said = GptConfig { biases: Some(false), ..config.clone() };
        assert_eq!(config.structure(), said.structure());
        let with = GptConfig { biases: Some(true), ..config.clone() };
        assert_ne!(config.structure(), with.structure());
        assert_eq!(param_count(&with) - param_count(&config), 4 * (3 + 1 + 4 + 1) * 64);
        let params = ModelParams { biases: Some(false), ..ModelParams::default() };
        assert_eq!(params.config(64, 16).unwrap().biases, None);
    }

    #[test]
    fn unknown_parameters_are_refused() {
        let error = serde_json::from_str::<ModelParams>(r#"{"n_layers": 3}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `n_layers`"), "{error}");
        for preset in Preset::ALL {
            assert_eq!(serde_json::to_value(preset).unwrap(), preset.as_str());
            assert_eq!(GptConfig::preset(preset, 64, 16).unwrap().named_size(), Some(preset));
        }
        let params: ModelParams = serde_json::from_str(r#"{"preset": "igpt-s"}"#).unwrap();
        assert_eq!(params.config(1024, 512).unwrap().n_layer, 24);
    }
}
