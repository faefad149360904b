//! Chooses the layers and joins their rows.

use std::path::Path;

use igpt_contract::{StageContext, StageError};
use igpt_dataset::{FeatureReader, FeatureTable, FeatureWriter, LayerInfo};

/// The layers in a folder, in ascending order.
pub(crate) fn layers(folder: &Path) -> Result<Vec<usize>, StageError> {
    let mut layers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let layer = name.to_str().and_then(|name| name.parse().ok());
        layers.push(layer.ok_or_else(|| {
            let name = name.to_string_lossy();
            StageError::new(format!("expected a folder for each layer, found `{name}`"))
        })?);
    }
    layers.sort_unstable();
    Ok(layers)
}

/// The `wanted` neighbouring layers among `there` centred on `best` (just after the middle for an even
/// number), shifted inwards at either end.
pub(crate) fn window(there: &[usize], best: usize, wanted: usize) -> Result<Vec<usize>, StageError> {
    let Ok(place) = there.binary_search(&best) else {
        let what = format!("expected features of the best layer {best}, found the layers {there:?}");
        return Err(StageError::new(what).hint("connect the features that the probes were fitted to"));
    };
    if there.len() < wanted {
        return Err(StageError::new(too_few(there.len(), wanted)).hint("lower `layers`"));
    }
    let first = place.saturating_sub(wanted / 2).min(there.len() - wanted);
    let window = &there[first..first + wanted];
    if window.windows(2).any(|pair| pair[1] != pair[0] + 1) {
        let what = format!("expected neighbouring layers around the best, {best}, found {window:?}");
        return Err(StageError::new(what)
            .hint("compute all layers: remove `layers` from the step that computes the features"));
    }
    Ok(window.to_vec())
}

/// The error if there are fewer layers than requested.
pub(crate) fn too_few(found: usize, wanted: usize) -> String {
    format!("expected at least {wanted} layers (`layers`), found {found}")
}

/// Joins the rows of `layers`, each a folder of `folder`, in that order and writes them to `out`, a few
/// rows at a time. Returns the number of features.
pub(crate) fn join(
    folder: &Path,
    layers: &[usize],
    out: &Path,
    cx: &StageContext,
) -> Result<usize, StageError> {
    let readers: Result<Vec<_>, _> =
        layers.iter().map(|layer| FeatureReader::open(&folder.join(layer.to_string()))).collect();
    let readers = readers?;
    let dim = readers.iter().map(|reader| reader.info().dim).sum();
    let joined = if layers.len() > 1 { layers.to_vec() } else { Vec::new() };
    let mut writer = FeatureWriter::create(out, &LayerInfo { dim, joined, ..readers[0].info().clone() })?;
    let mut groups: Vec<_> = readers.iter().map(FeatureReader::tables).collect();
    let mut done = 0;
    loop {
        cx.check()?;
        let tables: Vec<Option<FeatureTable>> =
            groups.iter_mut().map(|group| group.next().transpose()).collect::<Result<_, _>>()?;
        let tables: Vec<FeatureTable> = match tables.iter().flatten().count() {
            0 => break,
            n if n == layers.len() => tables.into_iter().flatten().collect(),
            _ => return Err(differ()),
        };
        let first = &tables[0];
        let same = |other: &FeatureTable| {
            (&other.ids, &other.splits, &other.views) == (&first.ids, &first.splits, &first.views)
        };
        if !tables.iter().all(same) {
            return Err(differ());
        }
        for row in 0..first.len() {
            let values: Vec<f32> = tables.iter().flat_map(|table| table.row(row)).copied().collect();
            writer.append(&[first.key(row)], &values)?;
        }
        done += first.len() as u64;
        cx.progress(done, 0, "images");
    }
    writer.finish()?;
    Ok(dim)
}

fn differ() -> StageError {
    StageError::new(
        "expected features of the same images in the same order in all layers, found different ones",
    )
    .hint("connect the layers of a single `features` step")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_centred_and_shifted_inward_at_the_ends() {
        let there: Vec<usize> = (0..=8).collect();
        let window = |best, wanted| window(&there, best, wanted).unwrap();
        assert_eq!(window(4, 5), [2, 3, 4, 5, 6]);
        assert_eq!(window(1, 5), [0, 1, 2, 3, 4]);
        assert_eq!(window(0, 5), [0, 1, 2, 3, 4]);
        assert_eq!(window(8, 5), [4, 5, 6, 7, 8]);
        assert_eq!(window(7, 5), [4, 5, 6, 7, 8]);
        assert_eq!(window(4, 2), [3, 4]);
        assert_eq!(window(3, 1), [3]);
        assert_eq!(window(3, 9).len(), 9);
    }

    #[test]
    fn layers_that_are_not_there_are_refused() {
        let refused = |there: &[usize], best, wanted| window(there, best, wanted).unwrap_err().to_string();
        assert!(refused(&[0, 1, 2], 3, 1).contains("the best layer 3"));
        assert!(refused(&[0, 1, 2], 1, 5).contains("expected at least 5 layers (`layers`), found 3"));
        assert!(refused(&[0, 2, 4], 2, 3).contains("expected neighbouring layers"));
    }
}
