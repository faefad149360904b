//! The scores of each test image, from the predictions that belong to metrics of the same labels.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use igpt_contract::{LabelledInput, StageError};
use igpt_dataset::{PredictionTable, Split};
use igpt_table::observe::{Observation, Value};

use crate::select::labels_text;
use crate::statistics::mean;

/// Test images: id and label. Sets with the same ids and labels count as the same.
pub(crate) type ImageKeys = [(u64, i32)];

/// The score of each test image.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ImageScores {
    /// The images, see [`ImageKeys`].
    pub(crate) images: Vec<(u64, i32)>,
    /// 1 if the class was predicted, else 0; or the cross entropy in nats.
    pub(crate) values: Vec<f64>,
}

/// The scores of the test images in one artifact. Log-probabilities are not kept: a thousand classes
/// of fifty thousand images, for every layer, would fill the memory.
#[derive(Debug)]
struct ArtifactScores {
    correct: Rc<ImageScores>,
    loss: Rc<ImageScores>,
}

type Labels = BTreeMap<String, Value>;

/// The predictions artifacts by their labels.
#[derive(Debug)]
pub(crate) struct PredictionIndex {
    folders: BTreeMap<Labels, PathBuf>,
    read: RefCell<BTreeMap<Labels, Rc<ArtifactScores>>>,
    notes: RefCell<Vec<String>>,
}

impl PredictionIndex {
    /// Finds for each predictions artifact the metrics that it belongs to; nothing is read yet.
    ///
    /// # Errors
    /// If there are no metrics of the same labels, or two predictions of the same labels.
    pub(crate) fn open(inputs: &[LabelledInput], all: &[Observation]) -> Result<Self, StageError> {
        let mut folders = BTreeMap::new();
        for input in inputs {
            let labels: Labels =
                input.labels.iter().map(|(name, value)| (name.clone(), Value::of(value))).collect();
            let text = labels.iter().map(|(name, value)| format!("{name} {}", value.text()));
            let text = text.collect::<Vec<_>>().join(", ");
            if !all.iter().any(|artifact| labels_of(artifact) == labels) {
                let what = format!("no metrics have the labels of the predictions `{text}`");
                return Err(StageError::new(what).hint(
                    "connect the metrics of the same steps to `metrics`, under the same names: \
                     `metrics: [{probe: probe.metrics.*}]`, `predictions: [{probe: probe.predictions.*}]`",
                ));
            }
            if folders.insert(labels, input.path.clone()).is_some() {
                let what = format!("two predictions have the same labels `{text}`");
                return Err(StageError::new(what).hint("give the inputs different names"));
            }
        }
        Ok(Self { folders, read: RefCell::default(), notes: RefCell::default() })
    }

    /// The scores behind an artifact's `metric` of that value; none where there are no predictions
    /// of it, or where they say another value (an ensemble of masks, say).
    ///
    /// # Errors
    /// If the predictions cannot be read.
    pub(crate) fn scores(
        &self,
        artifact: &Observation,
        metric: &str,
        value: f64,
    ) -> Result<Option<Rc<ImageScores>>, StageError> {
        let labels = labels_of(artifact);
        let Some(folder) = self.folders.get(&labels) else { return Ok(None) };
        if !["accuracy.test", "loss.test"].contains(&metric) {
            return Ok(None);
        }
        let known = self.read.borrow().get(&labels).cloned();
        let known = match known {
            Some(known) => known,
            None => {
                let read = Rc::new(scores_of(&PredictionTable::read(folder)?));
                self.read.borrow_mut().insert(labels, Rc::clone(&read));
                read
            }
        };
        // Log-probabilities are kept with 24 bits.
        let (scores, slack) = match metric {
            "loss.test" => (&known.loss, 1e-4 * value.abs().max(1.0)),
            _ => (&known.correct, 1e-9),
        };
        let found = mean(&scores.values);
        if (found - value).abs() <= slack {
            return Ok(Some(Rc::clone(scores)));
        }
        let note = format!(
            "the predictions of {} are not used: they give {metric} {found}, its metrics {value}",
            labels_text(artifact)
        );
        let mut notes = self.notes.borrow_mut();
        if !notes.contains(&note) {
            notes.push(note);
        }
        Ok(None)
    }

    /// Notes on predictions that were not used.
    pub(crate) fn into_notes(self) -> Vec<String> {
        self.notes.into_inner()
    }
}

fn labels_of(artifact: &Observation) -> Labels {
    artifact.labels().map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

/// The labelled test images, each in its first view.
fn scores_of(table: &PredictionTable) -> ArtifactScores {
    let rows = table.keys.iter().enumerate();
    let rows = rows.filter(|(_, key)| key.split == Split::Test && key.view == 0 && key.label >= 0);
    let (mut images, mut correct, mut loss) = (Vec::new(), Vec::new(), Vec::new());
    for (row, key) in rows {
        images.push((key.id, key.label));
        correct.push(f64::from(u8::from(table.predicted[row] == key.label)));
        loss.push(-f64::from(table.log_probs[row * table.n_classes + key.label as usize]));
    }
    ArtifactScores {
        correct: Rc::new(ImageScores { images: images.clone(), values: correct }),
        loss: Rc::new(ImageScores { images, values: loss }),
    }
}
