//! The features of images: f^l, the mean over positions of n^l, for every layer in one pass, and
//! their way from tokens to files: a few images at a time, every layer's file at once.

use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use igpt_contract::{StageContext, StageError, Stream};
use igpt_dataset::{FeatureWriter, LayerInfo, RowKey, Split, TokensReader};
use igpt_model::{Gpt, Input, bert_mask};

use crate::params::Params;

/// How a BERT network is shown images: some of their tokens hidden, as in its training.
#[derive(Debug)]
pub(crate) struct Masks {
    pub(crate) stream: Stream,
    pub(crate) probability: f64,
}

/// The features of the images whose `tokens` [B x T] are given, of the layers `layers`: for each
/// of them B rows of `n_embd` values, in order. `rows` numbers the images, for the masks (none for
/// an autoregressive network).
pub(crate) fn features(
    gpt: &Gpt,
    device: &Device,
    tokens: &[u16],
    rows: &[u64],
    masks: Option<&Masks>,
    layers: &[usize],
) -> Vec<Vec<f32>> {
    let (b, t) = (rows.len(), gpt.config().n_positions);
    let values: Vec<i64> = tokens.iter().map(|token| i64::from(*token)).collect();
    let x = Tensor::<2, Int>::from_data(TensorData::new(values, [b, t]), device); // [B,T]
    let input = match masks {
        None => Input::Autoregressive,
        Some(Masks { stream, probability }) => {
            let hidden: Vec<f32> =
                rows.iter().flat_map(|row| bert_mask(stream, *row, t, *probability)).collect();
            Input::Bert(Tensor::from_data(TensorData::new(hidden, [b, t]), device)) // [B,T]
        }
    };
    let mut all = gpt.features(x, &input).into_iter().map(Some).collect::<Vec<_>>();
    let mut take = |layer: &usize| all[*layer].take(); // [B,C]
    layers.iter().filter_map(&mut take).map(|f| f.into_data().iter::<f32>().collect()).collect()
}

/// A network with all that its features depend on, beside the images.
#[derive(Debug)]
pub(crate) struct Extraction<'a> {
    pub(crate) gpt: &'a Gpt,
    pub(crate) device: &'a Device,
    pub(crate) masks: Option<Masks>,
    /// The layers that are written, in rising order.
    pub(crate) layers: Vec<usize>,
    /// What the files say of the features, but for the layer.
    pub(crate) info: LayerInfo,
}

/// Writes the features of the token rows of `reader` under `out`, one folder for each layer.
pub(crate) fn write_layers(
    extraction: &Extraction,
    params: &Params,
    reader: &TokensReader,
    out: &Path,
    cx: &StageContext,
) -> Result<(), StageError> {
    let Extraction { gpt, device, masks, layers, info } = extraction;
    let mut writers = Vec::with_capacity(layers.len());
    for &layer in layers {
        let folder = out.join(layer.to_string());
        std::fs::create_dir(&folder)?;
        writers.push(FeatureWriter::create(&folder, &LayerInfo { layer, ..info.clone() })?);
    }
    let mut limit = Limit::new(params);
    let total = limit.of(reader.counts().train, Split::Train) + limit.of(reader.counts().test, Split::Test);
    let (mut done, mut group_start) = (0, 0);
    for table in reader.tables() {
        let table = table?;
        let rows: Vec<usize> = (0..table.len()).filter(|row| limit.takes(&table.key(*row))).collect();
        for batch in rows.chunks(params.batch) {
            cx.check()?;
            let keys: Vec<RowKey> = batch.iter().map(|row| table.key(*row)).collect();
            let tokens: Vec<u16> = batch.iter().flat_map(|row| table.row(*row)).copied().collect();
            let numbers: Vec<u64> = batch.iter().map(|row| group_start + *row as u64).collect();
            let features = features(gpt, device, &tokens, &numbers, masks.as_ref(), layers);
            for (writer, values) in writers.iter_mut().zip(&features) {
                writer.append(&keys, values)?;
            }
            done += batch.len() as u64;
            cx.progress(done, total.max(done), "images");
        }
        group_start += table.len() as u64;
    }
    for writer in writers {
        writer.finish()?;
    }
    Ok(())
}

/// Which rows are taken: those of the first images of each split.
#[derive(Debug)]
struct Limit {
    /// Images of training and of test; 0 is no limit.
    images: [usize; 2],
    /// Images met so far, and the last of them.
    met: [usize; 2],
    last: Option<(Split, u64)>,
}

impl Limit {
    fn new(params: &Params) -> Self {
        Self { images: [params.train_images, params.test_images], met: [0; 2], last: None }
    }

    /// Whether the row is taken; rows come in the artifact's order.
    fn takes(&mut self, key: &RowKey) -> bool {
        let split = key.split as usize;
        if self.last != Some((key.split, key.id)) {
            self.last = Some((key.split, key.id));
            self.met[split] += 1;
        }
        self.images[split] == 0 || self.met[split] <= self.images[split]
    }

    /// How many of a split's rows are taken, where each image has one.
    fn of(&self, rows: u64, split: Split) -> u64 {
        match self.images[split as usize] as u64 {
            0 => rows,
            limit => rows.min(limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use igpt_contract::stream;
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
        let masks = Masks { stream: stream(2, "masks"), probability: 0.15 };
        for masks in [None, Some(&masks)] {
            let whole = in_batches(&gpt, &tokens, IMAGES, masks);
            for batch in [1, 2, 3, 8, 16] {
                assert_eq!(in_batches(&gpt, &tokens, batch, masks), whole, "batches of {batch}");
            }
        }
        assert_ne!(in_batches(&gpt, &tokens, 8, None), in_batches(&gpt, &tokens, 8, Some(&masks)));
    }
}
