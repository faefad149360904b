//! Which layers, and their rows side by side.

use std::path::Path;

use igpt_contract::{StageContext, StageError};
use igpt_dataset::{FeatureReader, FeatureTable, FeatureWriter, LayerInfo};

/// The layers in a folder of them, in rising order.
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

/// The `wanted` neighbouring layers among `there` with `best` in their middle (of an even number
/// right after the middle), shifted inward where they would reach over an end.
pub(crate) fn window(there: &[usize], best: usize, wanted: usize) -> Result<Vec<usize>, StageError> {
    let Ok(place) = there.binary_search(&best) else {
        let what = format!("the best layer is {best}, and the features are of the layers {there:?}");
        return Err(StageError::new(what).hint("wire the features that the probes were fitted to"));
    };
    if there.len() < wanted {
        return Err(StageError::new(too_few(there.len(), wanted)).hint("give a smaller `layers`"));
    }
    let first = place.saturating_sub(wanted / 2).min(there.len() - wanted);
    let window = &there[first..first + wanted];
    if window.windows(2).any(|pair| pair[1] != pair[0] + 1) {
        let what = format!("the layers {window:?} round the best, {best}, are no neighbours");
        return Err(StageError::new(what).hint("`features` has left out layers: give it no `layers`"));
    }
    Ok(window.to_vec())
}

/// What is wrong where there are fewer layers than are to be joined.
pub(crate) fn too_few(found: usize, wanted: usize) -> String {
    format!("expected at least `layers` {wanted} layers, found {found}")
}

/// Writes the rows of `layers`, each a folder of `folder`, joined in that order into `out`, some rows
/// at a time. Answers the numbers of a row.
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
    let mut writer = FeatureWriter::create(out, &LayerInfo { dim, ..readers[0].info().clone() })?;
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
    StageError::new("the layers do not hold the features of the same images in the same order")
        .hint("they must be the parts of one `features` step")
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
        assert!(refused(&[0, 1, 2], 3, 1).contains("the best layer is 3"));
        assert!(refused(&[0, 1, 2], 1, 5).contains("expected at least `layers` 5 layers, found 3"));
        assert!(refused(&[0, 2, 4], 2, 3).contains("no neighbours"));
    }
}
