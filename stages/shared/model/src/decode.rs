//! Decoding with cached keys and values: an autoregressive network computes one position of many
//! images at a time, instead of every position again for each new token.
//!
//! It computes on the processor, whatever device trained the network. Images are divided among the
//! threads and share nothing but the weights; each of them has the same bits whichever others are
//! beside it.

use std::collections::BTreeMap;

use igpt_module::{NamedTensor, named_parameters};
use rayon::prelude::*;

use crate::config::GptConfig;
use crate::gpt::Gpt;
use crate::ops::kv_cache::{KeyValueCache, padded_positions};
use crate::ops::packed::Packed;
use crate::ops::{activation, norm};

/// A norm's gain and, where it has one, its bias. `[C]`
#[derive(Debug)]
struct PackedNorm {
    gain: Vec<f32>,
    bias: Option<Vec<f32>>,
}

/// A transformer block.
#[derive(Debug)]
struct PackedBlock {
    ln_1: PackedNorm,
    qkv: Packed,
    attn_proj: Packed,
    ln_2: PackedNorm,
    fc: Packed,
    mlp_proj: Packed,
}

/// A network whose weights lie as decoding reads them.
#[derive(Debug)]
pub struct Decoder {
    config: GptConfig,
    wte: Vec<f32>,
    wpe: Vec<f32>,
    sos: Vec<f32>,
    blocks: Vec<PackedBlock>,
    ln_f: PackedNorm,
    head: Packed,
}

/// The tensors of a network, each taken once.
struct WeightMap(BTreeMap<String, NamedTensor>);

impl WeightMap {
    fn maybe(&mut self, name: &str) -> Option<Vec<f32>> {
        self.0.remove(name).map(|tensor| tensor.values)
    }

    fn take(&mut self, name: &str) -> Vec<f32> {
        self.maybe(name).unwrap_or_else(|| panic!("a network has `{name}`"))
    }

    fn norm(&mut self, name: &str) -> PackedNorm {
        let bias = self.maybe(&format!("{name}.bias"));
        PackedNorm { gain: self.take(&format!("{name}.weight")), bias }
    }

    fn linear(&mut self, name: &str, inputs: usize) -> Packed {
        let bias = self.maybe(&format!("{name}.bias"));
        Packed::new(&self.take(&format!("{name}.weight")), inputs, bias.as_deref())
    }
}

impl Decoder {
    /// The weights of a network; a class head is left out.
    pub fn new(gpt: &Gpt) -> Self {
        let config = gpt.config().clone();
        let c = config.n_embd;
        let tensors = named_parameters(gpt).into_iter().map(|tensor| (tensor.name.clone(), tensor));
        let mut weights = WeightMap(tensors.collect());
        let blocks = (0..config.n_layer)
            .map(|l| PackedBlock {
                ln_1: weights.norm(&format!("h.{l}.ln_1")),
                qkv: weights.linear(&format!("h.{l}.attn.qkv"), c),
                attn_proj: weights.linear(&format!("h.{l}.attn.proj"), c),
                ln_2: weights.norm(&format!("h.{l}.ln_2")),
                fc: weights.linear(&format!("h.{l}.mlp.fc"), c),
                mlp_proj: weights.linear(&format!("h.{l}.mlp.proj"), 4 * c),
            })
            .collect();
        let wte = weights.take("wte");
        let head = weights.maybe("head.weight");
        Self {
            head: Packed::transposed(head.as_deref().unwrap_or(&wte), c),
            wte,
            wpe: weights.take("wpe"),
            sos: weights.take("sos"),
            blocks,
            ln_f: weights.norm("ln_f"),
            config,
        }
    }

    /// The network's structure.
    pub fn config(&self) -> &GptConfig {
        &self.config
    }

    /// The bytes that the keys and values of one image take.
    pub fn bytes_per_image(&self) -> u64 {
        let GptConfig { n_layer, n_embd, n_positions, .. } = self.config;
        2 * 4 * n_layer as u64 * n_embd as u64 * padded_positions(n_positions) as u64
    }

    /// Starts `images` images, at least 1, none of whose tokens is known.
    pub fn begin(&self, images: usize) -> Decoding<'_> {
        let images = images.max(1);
        // The division moves no bit, so it may follow the threads.
        let each = images.div_ceil(rayon::current_num_threads().max(1));
        let groups = (0..images)
            .step_by(each)
            .map(|first| DecodingGroup::new(&self.config, each.min(images - first)))
            .collect();
        let vocab = self.config.vocab;
        Decoding { decoder: self, groups, each, position: 0, logits: vec![0.0; images * vocab] }
    }
}

/// Images that are decoded together, all at one position.
#[derive(Debug)]
pub struct Decoding<'a> {
    decoder: &'a Decoder,
    groups: Vec<DecodingGroup>,
    each: usize,
    position: usize,
    /// `[B,V]`
    logits: Vec<f32>,
}

impl Decoding<'_> {
    /// How many positions have been computed.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The colours' logits `[B,V]` at the next position. `previous` are the tokens of the position
    /// before it, one for each image; at position 0 there is none, and they are not looked at.
    ///
    /// # Panics
    /// If there is no next position, or the tokens are not one below `vocab` for each image.
    pub fn step(&mut self, previous: &[u16]) -> &[f32] {
        let decoder = self.decoder;
        let (position, vocab) = (self.position, decoder.config.vocab);
        let images = self.logits.len() / vocab;
        assert!(position < decoder.config.n_positions, "the image is complete");
        assert!(position == 0 || previous.len() == images, "expected {images} tokens");
        let logits = self.logits.par_chunks_mut(self.each * vocab);
        self.groups.par_iter_mut().zip(logits).enumerate().for_each(|(i, (group, logits))| {
            let previous = match position {
                0 => &[][..],
                _ => &previous[i * self.each..][..group.images],
            };
            group.step(decoder, position, previous, logits);
        });
        self.position += 1;
        &self.logits
    }
}

/// The images of one thread: their keys and values, and room for the computation.
#[derive(Debug)]
struct DecodingGroup {
    images: usize,
    /// `[L][B][H]`
    caches: Vec<KeyValueCache>,
    /// The residual stream, and what a norm makes of it. `[B,C]`
    h: Vec<f32>,
    n: Vec<f32>,
    /// What attention yields `[B,C]`.
    mixed: Vec<f32>,
    /// `[B,3C]`, and before and behind the activation `[B,4C]`.
    qkv: Vec<f32>,
    pre: Vec<f32>,
    post: Vec<f32>,
    /// Rows that become columns, `[4C,B]` at most.
    turned: Vec<f32>,
    scores: Vec<f32>,
}

impl DecodingGroup {
    fn new(config: &GptConfig, images: usize) -> Self {
        let GptConfig { n_layer, n_head, n_embd: c, n_positions, .. } = *config;
        let room = |width: usize| vec![0.0; images * width];
        Self {
            images,
            caches: vec![KeyValueCache::new(n_positions, c / n_head); n_layer * images * n_head],
            h: room(c),
            n: room(c),
            mixed: room(c),
            qkv: room(3 * c),
            pre: room(4 * c),
            post: room(4 * c),
            turned: room(4 * c),
            scores: vec![0.0; padded_positions(n_positions)],
        }
    }

    fn step(&mut self, decoder: &Decoder, position: usize, previous: &[u16], logits: &mut [f32]) {
        let Self { images, caches, h, n, mixed, qkv, pre, post, turned, scores } = self;
        let GptConfig { n_head, n_embd: c, activation, .. } = decoder.config;
        let head = c / n_head;
        let place = &decoder.wpe[position * c..][..c];
        for (image, h) in h.chunks_exact_mut(c).enumerate() {
            let content = match previous.get(image) {
                None => &decoder.sos[..],
                Some(token) => &decoder.wte[usize::from(*token) * c..][..c],
            };
            for (h, (content, place)) in h.iter_mut().zip(content.iter().zip(place)) {
                *h = content + place;
            }
        }
        for (block, caches) in decoder.blocks.iter().zip(caches.chunks_exact_mut(*images * n_head)) {
            block.ln_1.rows(h, n); // [B,C]
            block.qkv.apply(n, qkv, false, turned); // [B,3C]
            let heads = caches.chunks_exact_mut(n_head).zip(qkv.chunks_exact(3 * c));
            for ((caches, qkv), mixed) in heads.zip(mixed.chunks_exact_mut(c)) {
                let (queries, rest) = qkv.split_at(c);
                let (keys, values) = rest.split_at(c);
                for (i, (caches, mixed)) in caches.iter_mut().zip(mixed.chunks_exact_mut(head)).enumerate() {
                    let own = i * head..(i + 1) * head;
                    caches.push(position, &keys[own.clone()], &values[own.clone()]);
                    caches.attend(position, &queries[own], scores, mixed);
                }
            }
            block.attn_proj.apply(mixed, h, true, turned); // [B,C]
            block.ln_2.rows(h, n); // [B,C]
            block.fc.apply(n, pre, false, turned); // [B,4C]
            activation::forward(pre, post, activation);
            block.mlp_proj.apply(post, h, true, turned); // [B,C]
        }
        decoder.ln_f.rows(h, n); // [B,C]
        decoder.head.apply(n, logits, false, turned); // [B,V]
    }
}

impl PackedNorm {
    fn rows(&self, x: &[f32], y: &mut [f32]) {
        norm::forward_rows(x, &self.gain, self.bias.as_deref(), y);
    }
}
