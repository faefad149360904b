//! The features f^l of images, the mean over positions of n^l: every layer in one pass, written to a
//! file for each layer a few images at a time.

use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use igpt_contract::{StageContext, StageError, Stream, stream};
use igpt_dataset::{FeatureWriter, LayerInfo, RowKey, Split, TokensReader, subset_rows};
use igpt_model::{Gpt, Input, bert_mask};

use crate::params::Params;

/// The masks of a BERT network, as in its training.
#[derive(Debug)]
pub(crate) struct Masks {
    pub(crate) stream: Stream,
    pub(crate) probability: f64,
    /// Masks for each test image.
    pub(crate) of_test: u64,
}

/// The features of the images whose `tokens` [B x T] are given, of the layers `layers`: for each
/// of them B rows of `n_embd` values, in order. `rows` numbers the images, for the masks (none for
/// an autoregressive network).
pub(crate) fn features(
    gpt: &Gpt,
    device: &Device,
    tokens: &[u16],
    draws: &[u64],
    masks: Option<&Masks>,
    layers: &[usize],
) -> Vec<Vec<f32>> {
    let (b, t) = (draws.len(), gpt.config().n_positions);
    let values: Vec<i64> = tokens.iter().map(|token| i64::from(*token)).collect();
    let x = Tensor::<2, Int>::from_data(TensorData::new(values, [b, t]), device); // [B,T]
    let input = match masks {
        None => Input::Autoregressive,
        Some(Masks { stream, probability, .. }) => {
            let hidden: Vec<f32> =
                draws.iter().flat_map(|draw| bert_mask(stream, *draw, t, *probability)).collect();
            Input::Bert(Tensor::from_data(TensorData::new(hidden, [b, t]), device)) // [B,T]
        }
    };
    let mut all = gpt.features(x, &input).into_iter().map(Some).collect::<Vec<_>>();
    let mut take = |layer: &usize| all[*layer].take(); // [B,C]
    layers.iter().filter_map(&mut take).map(|f| f.into_data().iter::<f32>().collect()).collect()
}

/// A network and the settings that its features depend on.
#[derive(Debug)]
pub(crate) struct Extractor<'a> {
    pub(crate) gpt: &'a Gpt,
    pub(crate) device: &'a Device,
    pub(crate) masks: Option<Masks>,
    /// The layers that are written, in rising order.
    pub(crate) layers: Vec<usize>,
    /// The description of the features, except the layer.
    pub(crate) info: LayerInfo,
}

/// Writes the features of the token rows of `reader` under `out`, one folder for each layer.
pub(crate) fn write_layers(
    extractor: &Extractor,
    params: &Params,
    reader: &TokensReader,
    out: &Path,
    cx: &StageContext,
) -> Result<(), StageError> {
    let Extractor { gpt, device, masks, layers, info } = extractor;
    let mut writers = Vec::with_capacity(layers.len());
    for &layer in layers {
        let folder = out.join(layer.to_string());
        std::fs::create_dir(&folder)?;
        writers.push(FeatureWriter::create(&folder, &LayerInfo { layer, ..info.clone() })?);
    }
    let labels = stream(params.label_seed, "labels");
    let keys = reader.keys()?;
    let taken = subset_rows(&keys, params.train_images, params.test_images, &labels);
    let total = passes(&keys, &taken, 0, masks.as_ref()).len() as u64;
    let (mut done, mut start) = (0, 0);
    for table in reader.tables() {
        let table = table?;
        let end = start + table.len();
        let passes = passes(&keys[start..end], &taken[start..end], start, masks.as_ref());
        for batch in passes.chunks(params.batch) {
            cx.check()?;
            let keys: Vec<RowKey> = batch.iter().map(|pass| pass.key).collect();
            let tokens: Vec<u16> = batch.iter().flat_map(|pass| table.row(pass.row)).copied().collect();
            let draws: Vec<u64> = batch.iter().map(|pass| pass.draw).collect();
            let features = features(gpt, device, &tokens, &draws, masks.as_ref(), layers);
            for (writer, values) in writers.iter_mut().zip(&features) {
                writer.append(&keys, values)?;
            }
            done += batch.len() as u64;
            cx.progress(done, total, "images");
        }
        start = end;
    }
    for writer in writers {
        writer.finish()?;
    }
    Ok(())
}

/// One forward pass of an image.
#[derive(Debug, Clone, Copy)]
struct ForwardPass {
    /// The row of its tokens in their group.
    row: usize,
    /// The image.
    key: RowKey,
    /// The number of the mask.
    draw: u64,
}

/// The forward passes of the `taken` rows among `keys`, of which the first is row `start` of the set:
/// one each, but for a test image one for each mask, of its first view.
fn passes(keys: &[RowKey], taken: &[bool], start: usize, masks: Option<&Masks>) -> Vec<ForwardPass> {
    let of_test = masks.map_or(1, |masks| masks.of_test);
    let mut all = Vec::new();
    for (row, key) in keys.iter().enumerate().filter(|(row, _)| taken[*row]) {
        let number = (start + row) as u64;
        if of_test == 1 || key.split == Split::Train {
            all.push(ForwardPass { row, key: *key, draw: number });
        } else if key.view == 0 {
            // The first mask is that of a single one; row numbers leave the upper bits free.
            let view = |view: u64| RowKey { view: view as u16, ..*key };
            all.extend((0..of_test).map(|m| ForwardPass { row, key: view(m), draw: m << 48 | number }));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use igpt_model::{GptConfig, Preset};
    use rand::Rng as _;

    const IMAGES: usize = 21;
    const POSITIONS: usize = 49;

    fn in_batches(gpt: &Gpt, tokens: &[u16], batch: usize, masks: Option<&Masks>) -> Vec<Vec<f32>> {
        let layers: Vec<usize> = (0..=gpt.config().n_layer).collect();
        let mut all = vec![Vec::new(); layers.len()];
        for rows in (0..IMAGES as u64).collect::<Vec<_>>().chunks(batch) {
            let part = &tokens[rows[0] as usize * POSITIONS..][..rows.len() * POSITIONS];
            let part = features(gpt, &Device::flex(), part, rows, masks, &layers);
            all.iter_mut().zip(part).for_each(|(all, part)| all.extend(part));
        }
        all
    }

    /// `batch` is an unkeyed parameter because of this.
    #[test]
    fn features_do_not_depend_on_how_images_are_batched() {
        let config = GptConfig::preset(Preset::Tiny, POSITIONS, 16).unwrap();
        let gpt = Gpt::init(&config, &mut stream(0, "init"), &Device::flex());
        let mut random = stream(1, "tokens");
        let tokens: Vec<u16> = (0..IMAGES * POSITIONS).map(|_| (random.next_u32() % 16) as u16).collect();
        let masks = Masks { stream: stream(2, "masks"), probability: 0.15, of_test: 1 };
        for masks in [None, Some(&masks)] {
            let whole = in_batches(&gpt, &tokens, IMAGES, masks);
            for batch in [1, 2, 3, 8, 16] {
                assert_eq!(in_batches(&gpt, &tokens, batch, masks), whole, "batches of {batch}");
            }
        }
        assert_ne!(in_batches(&gpt, &tokens, 8, None), in_batches(&gpt, &tokens, 8, Some(&masks)));
    }
}
