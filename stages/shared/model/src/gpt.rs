//! The whole network of iGPT, with the shapes on each line: B images, T positions, C channels
//! (`n_embd`), V colours, L blocks.
//!
//! A pre-norm transformer decoder (paper section 2.2):
//! `n = norm(h); a = h + attention(n); h' = a + mlp(norm(a))`. Field names spell the tensors' names
//! on disk: `h.0.attn.qkv.weight`.

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use igpt_contract::Stream;

use crate::config::{GptConfig, Init};
use crate::dropout::Dropout;
use crate::init::{Initialiser, parameter};
use crate::layers::{Linear, Norm, OutputHead};
use crate::ops::{MlpWeights, Ops};

/// How tokens become the network's input, and whether positions see what comes after them.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "one is made for each batch, and none is stored")]
pub enum Input {
    /// Position t is given the tokens before it (position 0 a learned start vector) and sees no
    /// later position: it predicts token t.
    Autoregressive,
    /// Position t is given its own token, its embedding zeroed where the mask is 1, and sees every
    /// position: it predicts the token that was masked.
    Bert(
        /// The mask `[B,T]`: 1 where masked, else 0.
        Tensor<2>,
    ),
}

impl Input {
    /// Whether no position sees a later one.
    pub(crate) fn causal(&self) -> bool {
        matches!(self, Self::Autoregressive)
    }
}

/// Self-attention: `qkv` `[C, 3C]` (queries, keys, values; heads contiguous), `proj` `[C, C]`.
#[derive(Module, Debug)]
pub(crate) struct Attention {
    qkv: Linear,
    proj: Linear,
}

/// The two-layer perceptron: `fc` `[C, 4C]`, `proj` `[4C, C]`.
#[derive(Module, Debug)]
pub(crate) struct Mlp {
    fc: Linear,
    proj: Linear,
}

/// A transformer block.
#[derive(Module, Debug)]
pub(crate) struct Block {
    pub(crate) ln_1: Norm,
    attn: Attention,
    ln_2: Norm,
    mlp: Mlp,
}

/// The class head of fine-tuning: classes x C on the pooled features of one layer, no bias.
#[derive(Module, Debug)]
pub struct ClassHead {
    weight: Param<Tensor<2>>,
    layer: usize,
}

impl ClassHead {
    /// The layer l whose features f^l it reads, 0..=L.
    pub fn layer(&self) -> usize {
        self.layer
    }

    /// How many classes it tells apart.
    pub fn classes(&self) -> usize {
        self.weight.dims()[0]
    }
}

/// A layer's activations.
#[derive(Debug)]
pub struct LayerActivations {
    /// The residual stream h^l that enters block l; h^L is what the last block leaves. `[B,T,C]`
    pub h: Tensor<3>,
    /// n^l: h^l after the first norm of block l, for l = L after the final norm. `[B,T,C]`
    pub n: Tensor<3>,
}

/// What one pass with both heads yields.
#[derive(Debug)]
pub struct JointLogits {
    /// The colours' logits. `[B,T,V]`
    pub logits: Tensor<3>,
    /// The classes' logits. `[B,classes]`
    pub class_logits: Tensor<2>,
}

/// The network.
#[derive(Module, Debug)]
pub struct Gpt {
    sos: Param<Tensor<1>>,
    wte: Param<Tensor<2>>,
    wpe: Param<Tensor<2>>,
    pub(crate) h: Vec<Block>,
    pub(crate) ln_f: Norm,
    head: Option<OutputHead>,
    clf: Option<ClassHead>,
    #[module(skip)]
    config: GptConfig,
    #[module(skip)]
    ops: Ops,
}

impl Gpt {
    /// A network with random weights, all drawn from `stream` in the order of the fields, after
    /// the rule `config.init`. Parameter ids are the parameters' places in that order, so that
    /// optimiser state saved for one network fits another of the same structure.
    pub fn init(config: &GptConfig, stream: &mut Stream, device: &Device) -> Self {
        Self::new(config, Some(stream), device)
    }

    /// A network whose weights are all zero (gains one), to be replaced.
    pub fn zeroed(config: &GptConfig, device: &Device) -> Self {
        Self::new(config, None, device)
    }

    fn new(config: &GptConfig, stream: Option<&mut Stream>, device: &Device) -> Self {
        let (d, l) = (config.n_embd, config.n_layer as f64);
        let mut new = Initialiser { stream, device, next_id: 1, config };
        let mlp_out = match config.init {
            Init::LayerDependent => 0.02 / (2.0 * l).sqrt(),
            Init::Released => 0.02,
        };
        let attn_in = (d as f64).powf(-0.5);
        let attn_out = (d as f64 * l).powf(-0.5);
        let head_std = if config.zero_head { 0.0 } else { 0.02 };
        Self {
            sos: new.normal([d], 0.02),
            wte: new.normal([config.vocab, d], 0.02),
            wpe: new.normal([config.n_positions, d], 0.01),
            h: (0..config.n_layer)
                .map(|_| Block {
                    ln_1: new.norm(d),
                    attn: Attention { qkv: new.linear(d, 3 * d, attn_in), proj: new.linear(d, d, attn_out) },
                    ln_2: new.norm(d),
                    mlp: Mlp { fc: new.linear(d, 4 * d, 0.02), proj: new.linear(4 * d, d, mlp_out) },
                })
                .collect(),
            ln_f: new.norm(d),
            head: (!config.tied).then(|| OutputHead { weight: new.normal([config.vocab, d], head_std) }),
            clf: None,
            config: config.clone(),
            ops: Ops::of(device),
        }
    }

    /// The same network with a new class head on the features of `layer` (0..=L; the paper
    /// fine-tunes on L), at zero as in the released code.
    ///
    /// # Panics
    /// If there is no such layer.
    #[must_use]
    pub fn with_class_head(mut self, classes: usize, layer: usize) -> Self {
        assert!(layer <= self.h.len(), "layer {layer} is not in 0..={}", self.h.len());
        let data = TensorData::zeros::<f32, _>([classes, self.config.n_embd]);
        // The one id that no other parameter of any network has.
        let weight = parameter(u64::MAX, data, &self.wte.device());
        self.clf = Some(ClassHead { weight, layer });
        self
    }

    /// The same network computed by a chosen implementation.
    #[must_use]
    pub fn with_ops(mut self, ops: Ops) -> Self {
        self.ops = ops;
        self
    }

    /// The network's structure.
    pub fn config(&self) -> &GptConfig {
        &self.config
    }

    /// The class head, where it has one.
    pub fn class_head(&self) -> Option<&ClassHead> {
        self.clf.as_ref()
    }

    /// The colours' logits `[B,T,V]` at each position of `tokens` `[B,T]`.
    pub fn logits(&self, tokens: Tensor<2, Int>, input: &Input, dropout: Option<&mut Dropout>) -> Tensor<3> {
        let n = self.run(tokens, input, dropout, self.h.len(), |_| false, |_, _, _| ()); // [B,T,C]
        self.project(n)
    }

    /// The features f^l `[B,C]` of every layer l = 0..=L: the mean over positions of n^l, the input
    /// of block l after its first norm, and for l = L the output of the final norm (section 2.4).
    pub fn features(&self, tokens: Tensor<2, Int>, input: &Input) -> Vec<Tensor<2>> {
        let mut features = Vec::with_capacity(self.h.len() + 1);
        self.run(tokens, input, None, self.h.len(), |_| true, |_, _, n| features.push(pool(n)));
        features
    }

    /// The residual stream and what the heads and probes see of it, at every layer 0..=L.
    pub fn trace(&self, tokens: Tensor<2, Int>, input: &Input) -> Vec<LayerActivations> {
        let mut layers = Vec::with_capacity(self.h.len() + 1);
        self.run(
            tokens,
            input,
            None,
            self.h.len(),
            |_| true,
            |_, h, n| {
                layers.push(LayerActivations { h: h.clone(), n: n.clone() });
            },
        );
        layers
    }

    /// The classes' logits `[B,classes]`; computes no layer above the head's.
    ///
    /// # Panics
    /// If the network has no class head.
    pub fn class_logits(
        &self,
        tokens: Tensor<2, Int>,
        input: &Input,
        dropout: Option<&mut Dropout>,
    ) -> Tensor<2> {
        let clf = self.clf.as_ref().expect("the network was given a class head");
        let n = self.run(tokens, input, dropout, clf.layer, |_| false, |_, _, _| ());
        pool(&n).matmul(clf.weight.val().transpose())
    }

    /// Both heads' logits in one pass, for the joint loss of fine-tuning (section 2.3).
    ///
    /// # Panics
    /// If the network has no class head.
    pub fn joint(&self, tokens: Tensor<2, Int>, input: &Input, dropout: Option<&mut Dropout>) -> JointLogits {
        let clf = self.clf.as_ref().expect("the network was given a class head");
        let mut pooled = None;
        let n = self.run(
            tokens,
            input,
            dropout,
            self.h.len(),
            |l| l == clf.layer,
            |_, _, n| pooled = Some(pool(n)),
        );
        let pooled = pooled.expect("the head's layer is one of the network's"); // [B,C]
        JointLogits { logits: self.project(n), class_logits: pooled.matmul(clf.weight.val().transpose()) }
    }

    /// Runs the blocks below layer `top` and shows h^l and n^l `[B,T,C]` of those layers l = 0..=top that somebody
    /// `reads`; returns the last n^l. An n^l that nobody else reads is not kept for the backward pass.
    fn run(
        &self,
        tokens: Tensor<2, Int>,
        input: &Input,
        mut dropout: Option<&mut Dropout>,
        top: usize,
        reads: impl Fn(usize) -> bool,
        mut show: impl FnMut(usize, &Tensor<3>, &Tensor<3>),
    ) -> Tensor<3> {
        let causal = input.causal();
        let mut h = self.enter(tokens, input, dropout.as_deref_mut()); // [B,T,C]
        for (l, block) in self.h[..top].iter().enumerate() {
            let qkv = if reads(l) {
                let n = self.ops.branch_norm(h.clone(), block.ln_1.weights()); // [B,T,C]
                show(l, &h, &n);
                self.linear(n, &block.attn.qkv, None) // [B,T,3C]
            } else {
                self.qkv(block, h.clone()) // [B,T,3C]
            };
            h = self.block(block, h, qkv, causal, dropout.as_deref_mut()); // [B,T,C]
        }
        let norm = self.h.get(top).map_or(&self.ln_f, |block| &block.ln_1);
        let n = self.norm(h.clone(), norm); // [B,T,C]
        if reads(top) {
            show(top, &h, &n);
        }
        n
    }

    /// h^0 `[B,T,C]`, after dropout.
    pub(crate) fn enter(
        &self,
        tokens: Tensor<2, Int>,
        input: &Input,
        dropout: Option<&mut Dropout>,
    ) -> Tensor<3> {
        let h = self.embed(tokens, input); // [B,T,C]
        match dropout {
            Some(dropout) => dropout.apply(h),
            None => h,
        }
    }

    /// The queries, keys and values `[B,T,3C]` of block l, of h^l.
    pub(crate) fn qkv(&self, block: &Block, h: Tensor<3>) -> Tensor<3> {
        let Linear { weight, bias } = &block.attn.qkv;
        self.ops.branch_linear(h, block.ln_1.weights(), weight.val(), bias.as_ref().map(Param::val))
    }

    /// h^{l+1} `[B,T,C]` of h^l and its queries, keys and values.
    pub(crate) fn block(
        &self,
        block: &Block,
        h: Tensor<3>,
        qkv: Tensor<3>,
        causal: bool,
        mut dropout: Option<&mut Dropout>,
    ) -> Tensor<3> {
        let mixed = self.ops.attention(qkv, self.config.n_head, causal); // [B,T,C]
        let proj = &block.attn.proj;
        let h = self.add(h, dropout.as_deref_mut(), |h| self.linear(mixed, proj, h)); // [B,T,C]
        self.add(h.clone(), dropout, |residual| self.mlp(h, block, residual.is_some())) // [B,T,C]
    }

    /// h^0 `[B,T,C]`: token embeddings and positions.
    fn embed(&self, tokens: Tensor<2, Int>, input: &Input) -> Tensor<3> {
        let [b, t] = tokens.dims();
        let c = self.config.n_embd;
        assert_eq!(t, self.config.n_positions, "the network takes images of n_positions tokens");
        let content = match input {
            Input::Autoregressive => {
                let sos = self.sos.val().reshape([1, 1, c]).expand([b, 1, c]); // [B,1,C]
                if t == 1 {
                    // The only token is predicted from nothing.
                    sos
                } else {
                    let seen = tokens.narrow(1, 0, t - 1); // [B,T-1]
                    let seen = self.lookup(seen); // [B,T-1,C]
                    Tensor::cat(vec![sos, seen], 1)
                }
            }
            Input::Bert(masked) => {
                let kept = masked.clone().neg() + 1.0; // [B,T]
                self.lookup(tokens) * kept.reshape([b, t, 1])
            }
        };
        content + self.wpe.val().unsqueeze() // [B,T,C] + [1,T,C]
    }

    fn lookup(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        burn::tensor::module::embedding(self.wte.val(), tokens)
    }

    pub(crate) fn norm(&self, x: Tensor<3>, norm: &Norm) -> Tensor<3> {
        self.ops.norm(x, norm.weights())
    }

    fn linear(&self, x: Tensor<3>, map: &Linear, residual: Option<Tensor<3>>) -> Tensor<3> {
        self.ops.linear(x, map.weight.val(), map.bias.as_ref().map(Param::val), residual)
    }

    /// The second branch of a block, from its norm on; and h added to it, where `residual`.
    fn mlp(&self, h: Tensor<3>, Block { ln_2, mlp, .. }: &Block, residual: bool) -> Tensor<3> {
        let weights = MlpWeights {
            fc: mlp.fc.weight.val(),
            fc_bias: mlp.fc.bias.as_ref().map(Param::val),
            proj: mlp.proj.weight.val(),
            proj_bias: mlp.proj.bias.as_ref().map(Param::val),
        };
        self.ops.mlp(h, ln_2.weights(), weights, residual, self.config.activation)
    }

    /// h + dropout(branch): without dropout the branch itself adds h, in one pass.
    fn add(
        &self,
        h: Tensor<3>,
        dropout: Option<&mut Dropout>,
        branch: impl FnOnce(Option<Tensor<3>>) -> Tensor<3>,
    ) -> Tensor<3> {
        match dropout {
            Some(dropout) => h + dropout.apply(lift(branch(None))),
            None => branch(Some(h)),
        }
    }

    /// The colours' logits `[B,T,V]` of n^L `[B,T,C]`.
    pub(crate) fn project(&self, n: Tensor<3>) -> Tensor<3> {
        let weight = self.head.as_ref().map_or(&self.wte, |head| &head.weight); // [V,C]
        self.ops.project(n, weight.val())
    }
}

/// The mean over positions: `[B,T,C]` to `[B,C]`, in f32.
fn pool(n: &Tensor<3>) -> Tensor<2> {
    lift(n.clone()).mean_dim(1).squeeze_dim(1)
}

/// The same values in f32, where mixed precision made them shorter.
fn lift<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if x.dtype() == DType::F32 { x } else { x.cast(DType::F32) }
}
