//! Splits the rows of a feature table into training, validation and test rows.

use igpt_contract::{StageError, stream, validation_split};
use igpt_dataset::{FeatureTable, Fold, Split, draw_images, images_of, select_labels, share_out};

use crate::params::Params;

/// Rows of a feature table, by their use. Only labelled rows are among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowSplit {
    /// Training rows, every view of each image.
    pub(crate) train: Vec<u32>,
    /// Held-out rows, the first view of each image.
    pub(crate) valid: Vec<u32>,
    /// Every view of the held-out images: what a fit on all of them adds to the training rows.
    pub(crate) held_out: Vec<u32>,
    /// Test rows, the first view of each image.
    pub(crate) test: Vec<u32>,
    /// Test images, those without a label among them.
    pub(crate) test_images: usize,
    /// The first row of each image, and what the image is used for.
    pub(crate) folds: Vec<(usize, Fold)>,
}

/// Splits the rows. The validation images are drawn from all official training images, so that
/// every stage holds out the same ones; a subset of labels is drawn from the labelled ones and
/// divided by that same split, but for classes that would have none to choose by or none to train
/// on, see [`share_out`].
///
/// # Errors
/// If there are fewer labels than were asked for.
pub(crate) fn split(params: &Params, table: &FeatureTable) -> Result<RowSplit, StageError> {
    let images = images_of(&table.ids, &table.splits, Split::Train);
    let mut held_out = validation_split(images.len(), params.validation);
    let labels: Vec<i32> = images.iter().map(|rows| table.labels[rows.start]).collect();
    let chosen = chosen(params, &labels, table.info.classes.len())?;
    if params.labels_per_class > 0 || params.train_rows > 0 {
        share_out(&labels, &chosen, &mut held_out);
    }
    let mut parts = RowSplit {
        train: Vec::new(),
        valid: Vec::new(),
        held_out: Vec::new(),
        test: Vec::new(),
        test_images: 0,
        folds: images.iter().map(|rows| (rows.start, Fold::Unused)).collect(),
    };
    for image in chosen {
        let rows = images[image].start as u32..images[image].end as u32;
        parts.folds[image].1 = if held_out[image] { Fold::Valid } else { Fold::Train };
        if held_out[image] {
            parts.valid.push(rows.start);
            parts.held_out.extend(rows);
        } else {
            parts.train.extend(rows);
        }
    }
    let tested = images_of(&table.ids, &table.splits, Split::Test);
    parts.test_images = tested.len();
    let used = |row: usize| if table.labels[row] >= 0 { Fold::Test } else { Fold::Unused };
    parts.folds.extend(tested.iter().map(|views| (views.start, used(views.start))));
    let tested = tested.into_iter().map(|views| views.start);
    parts.test = tested.filter(|row| table.labels[*row] >= 0).map(|row| row as u32).collect();
    Ok(parts)
}

/// The images whose labels are used, in ascending order.
fn chosen(params: &Params, labels: &[i32], n_classes: usize) -> Result<Vec<usize>, StageError> {
    let random = stream(params.label_seed, "labels");
    if params.labels_per_class > 0 {
        return select_labels(labels, n_classes, params.labels_per_class, &random)
            .map_err(|e| StageError::caused("there are fewer labels than `labels_per_class` asks for", e));
    }
    let labelled: Vec<usize> = (0..labels.len()).filter(|&image| labels[image] >= 0).collect();
    let (wanted, found) = (params.train_rows, labelled.len());
    if wanted > found {
        let what = format!("expected {wanted} labelled training images (`train_rows`), found {found}");
        return Err(StageError::new(what));
    }
    Ok(draw_images(labelled, wanted, &random))
}
