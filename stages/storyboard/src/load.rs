//! Loads the images to show, in every state.

use std::path::Path;

use igpt_contract::{StageContext, StageError, Stream};
use igpt_dataset::{
    ImageSetReader, PaletteTable, RowKey, Split, TokensInfo, TokensReader, decode, shown_path,
};
use igpt_model::bert_mask;
use image::RgbImage;
use rand_chacha::rand_core::Rng as _;

use crate::params::Params;

/// The longest side of the tokens: the cells of a larger one could not be told apart in print.
const LONGEST: usize = 64;

/// An image in each of its states.
#[derive(Debug)]
pub(crate) struct Scene {
    /// Its class, or its id if it has none.
    pub(crate) name: String,
    pub(crate) original: RgbImage,
    /// At the input resolution, if that image set is connected.
    pub(crate) small: Option<RgbImage>,
    /// The colour of each token, in raster order.
    pub(crate) colours: Vec<[u8; 3]>,
    /// Which tokens are masked for BERT.
    pub(crate) masked: Vec<bool>,
}

/// All that the picture shows.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) scenes: Vec<Scene>,
    /// Rows and columns of the tokens.
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// Colours of the palette.
    pub(crate) vocab: usize,
    /// How many tokens the autoregressive objective has seen.
    pub(crate) context: usize,
}

/// Chooses the images and reads them.
///
/// # Errors
/// If the inputs do not belong together, have no such images, or cannot be read.
pub(crate) fn load(
    params: &Params,
    images: &Path,
    small: Option<&Path>,
    tokens: &Path,
    palette: &Path,
    cx: &StageContext,
) -> Result<Story, StageError> {
    let reader = TokensReader::open(tokens)?;
    let palette = PaletteTable::read(palette)?;
    let info = reader.info();
    check(info, &palette)?;
    let split = Split::from(params.split);
    let rows = choose(params, &reader, split, &cx.stream("images"))?;
    let keys: Vec<RowKey> = rows.iter().map(|(key, _)| *key).collect();
    let originals = pictures(images, &keys, None)?;
    let smalls = small.map(|path| pictures(path, &keys, Some((info.height, info.width)))).transpose()?;
    let mut smalls = smalls.map(Vec::into_iter);
    let (rgb, masks) = (palette.rgb(), cx.stream("masks"));
    let scenes = (0..).zip(&rows).zip(originals).map(|((i, (key, tokens)), original)| Scene {
        name: name(key, info),
        original,
        small: smalls.as_mut().and_then(Iterator::next),
        colours: tokens.iter().map(|token| rgb[usize::from(*token)]).collect(),
        masked: bert_mask(&masks, i, tokens.len(), params.mask_probability)
            .iter()
            .map(|m| *m > 0.0)
            .collect(),
    });
    Ok(Story {
        scenes: scenes.collect(),
        height: info.height,
        width: info.width,
        vocab: info.vocab,
        context: (params.context * info.positions() as f64) as usize,
    })
}

/// That tokens and palette belong together and can be shown.
fn check(info: &TokensInfo, palette: &PaletteTable) -> Result<(), StageError> {
    let digest = palette.digest();
    if info.vocab != palette.colours.len() || info.palette.is_some_and(|expected| expected != digest) {
        let what = format!(
            "the tokens were made with another palette ({} colours) than the input `palette` ({} colours)",
            info.vocab,
            palette.colours.len()
        );
        return Err(StageError::new(what).hint("connect the palette of the step that made the tokens"));
    }
    if info.height.max(info.width) > LONGEST {
        let what =
            format!("expected at most {LONGEST}x{LONGEST} tokens, found {}x{}", info.height, info.width);
        return Err(StageError::new(what).hint("single cells would be too small to see in print"));
    }
    Ok(())
}

fn name(key: &RowKey, info: &TokensInfo) -> String {
    let class = usize::try_from(key.label).ok().and_then(|label| info.classes.get(label));
    class.cloned().unwrap_or_else(|| format!("image {}", key.id))
}

/// The rows of tokens to show: those of `ids` in their order, or some drawn without replacement, in
/// the order of the set.
fn choose(
    params: &Params,
    reader: &TokensReader,
    split: Split,
    stream: &Stream,
) -> Result<Vec<(RowKey, Vec<u16>)>, StageError> {
    let counts = reader.counts();
    let (first, n) = match split {
        Split::Train => (0, counts.train),
        Split::Test => (counts.train, counts.test),
    };
    let drawn = draw(n, params.images as u64, stream);
    let wanted = |row: u64, key: &RowKey| {
        if params.ids.is_empty() {
            drawn.contains(&row)
        } else {
            key.view == 0 && params.ids.contains(&key.id)
        }
    };
    let mut found: Vec<(RowKey, Vec<u16>)> = Vec::new();
    let mut start = 0u64;
    for group in 0..reader.groups() {
        let rows = start..start + reader.group_rows(group) as u64;
        start = rows.end;
        if rows.end <= first || rows.start >= first + n {
            continue;
        }
        let table = reader.group(group)?;
        for row in 0..table.len() {
            let key = table.key(row);
            // Rows count from the first of the split; those before it wrap round to beyond all.
            let place = (rows.start + row as u64).wrapping_sub(first);
            if key.split == split && wanted(place, &key) {
                found.push((key, table.row(row).to_vec()));
            }
        }
    }
    if let Some(id) = params.ids.iter().find(|id| found.iter().all(|(key, _)| key.id != **id)) {
        return Err(StageError::new(format!("the tokens have no {split} image {id}")));
    }
    if found.is_empty() {
        return Err(StageError::new(format!(
            "expected at least one {split} image among the tokens, found none"
        ))
        .hint("use the other split: `split: train`"));
    }
    found.sort_by_key(|(key, _)| params.ids.iter().position(|id| *id == key.id));
    Ok(found)
}

/// Some of the numbers below `n`, without repeats: all, where there are no more.
fn draw(n: u64, wanted: u64, stream: &Stream) -> Vec<u64> {
    let mut random = stream.clone();
    let mut drawn: Vec<u64> = Vec::new();
    // Floyd's method: one draw for each number, however many there are to choose from. The remainder
    // of 64 bits is biased by nothing that could be seen.
    for last in n.saturating_sub(wanted)..n {
        let number = random.next_u64() % (last + 1);
        drawn.push(if drawn.contains(&number) { last } else { number });
    }
    drawn
}

/// The images of these rows, in their order.
fn pictures(
    folder: &Path,
    keys: &[RowKey],
    size: Option<(usize, usize)>,
) -> Result<Vec<RgbImage>, StageError> {
    let reader = ImageSetReader::open(folder)?;
    let mut found: Vec<Option<RgbImage>> = vec![None; keys.len()];
    for row in reader.rows_of(keys[0].split) {
        let row = row?;
        // Of several views, originals have one: that of the image itself.
        let is_wanted = |key: &RowKey| key.id == row.id && (size.is_none() || key.view == row.view);
        if !keys.iter().any(is_wanted) {
            continue;
        }
        let image = decode(&row).map_err(|error| {
            StageError::caused(format!("{} image {} is unreadable", row.split, row.id), error)
        })?;
        if let Some((height, width)) = size.filter(|size| *size != (row.height.into(), row.width.into())) {
            let what = format!(
                "expected images of {height}x{width} pixels like the tokens at `small`, found {}x{} in {} image {}",
                row.height, row.width, row.split, row.id
            );
            return Err(StageError::new(what).hint("connect the image set that the tokens were made from"));
        }
        for (found, _) in found.iter_mut().zip(keys).filter(|(_, key)| is_wanted(key)) {
            *found = Some(image.clone());
        }
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    keys.iter()
        .zip(found)
        .map(|(key, image)| {
            image.ok_or_else(|| {
                let what = format!("`{}` has no {} image {}", shown_path(folder), key.split, key.id);
                StageError::new(what).hint("connect the image set that the tokens were made from")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use igpt_contract::stream;

    use super::*;

    #[test]
    fn draws_repeat_nothing_and_take_all_there_are() {
        let stream = stream(3, "images");
        for n in [0, 1, 2, 5, 1000] {
            let mut drawn = draw(n, 4, &stream);
            assert_eq!(drawn, draw(n, 4, &stream));
            drawn.sort_unstable();
            drawn.dedup();
            assert_eq!(drawn.len() as u64, n.min(4));
            assert!(drawn.iter().all(|number| *number < n));
        }
    }
}
