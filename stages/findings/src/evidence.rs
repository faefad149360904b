//! What each test image says of a metric: the per-example predictions, found by the labels of the
//! metrics that they belong to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use igpt_contract::{LabelledInput, StageError};
use igpt_dataset::{PredictionTable, Split};
use igpt_table::observe::{Observation, Value};

use crate::select::shown;
use crate::statistics::mean;

/// Test images: id and label. Sets in which both agree are taken for the same.
pub(crate) type Images = [(u64, i32)];

/// A number for each test image.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcomes {
    /// Whose the numbers are, see [`Images`].
    pub(crate) images: Vec<(u64, i32)>,
    /// 1 where the class was named, else 0; or the cross entropy in nats.
    pub(crate) values: Vec<f64>,
}

/// What was said of the test images in one artifact. Log-probabilities are not kept: a thousand
/// classes of fifty thousand images, for every layer, would fill the memory.
#[derive(Debug)]
struct Judged {
    right: Rc<Outcomes>,
    loss: Rc<Outcomes>,
}

type Labels = BTreeMap<String, Value>;

/// The predictions at hand.
#[derive(Debug)]
pub(crate) struct Evidence {
    folders: BTreeMap<Labels, PathBuf>,
    read: RefCell<BTreeMap<Labels, Rc<Judged>>>,
    notes: RefCell<Vec<String>>,
}

impl Evidence {
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
                let what = format!("the predictions `{text}` belong to no metrics: none has these labels");
                return Err(StageError::new(what).hint(
                    "wire the metrics of the same steps to `metrics`, under the same names: \
                     `metrics: [{probe: probe.metrics.*}]`, `predictions: [{probe: probe.predictions.*}]`",
                ));
            }
            if folders.insert(labels, input.path.clone()).is_some() {
                let what = format!("there are two predictions with the labels `{text}`");
                return Err(StageError::new(what).hint("give their wires different names"));
            }
        }
        Ok(Self { folders, read: RefCell::default(), notes: RefCell::default() })
    }

    /// The outcomes behind an artifact's `metric` of that value; none where there are no predictions
    /// of it, or where they say another value (an ensemble of masks, say).
    ///
    /// # Errors
    /// If the predictions cannot be read.
    pub(crate) fn outcomes(
        &self,
        artifact: &Observation,
        metric: &str,
        value: f64,
    ) -> Result<Option<Rc<Outcomes>>, StageError> {
        let labels = labels_of(artifact);
        let Some(folder) = self.folders.get(&labels) else { return Ok(None) };
        if !["accuracy.test", "loss.test"].contains(&metric) {
            return Ok(None);
        }
        let known = self.read.borrow().get(&labels).cloned();
        let judged = match known {
            Some(judged) => judged,
            None => {
                let judged = Rc::new(judge(&PredictionTable::read(folder)?));
                self.read.borrow_mut().insert(labels, Rc::clone(&judged));
                judged
            }
        };
        // Log-probabilities are kept with 24 bits.
        let (outcomes, slack) = match metric {
            "loss.test" => (&judged.loss, 1e-4 * value.abs().max(1.0)),
            _ => (&judged.right, 1e-9),
        };
        let found = mean(&outcomes.values);
        if (found - value).abs() <= slack {
            return Ok(Some(Rc::clone(outcomes)));
        }
        let note = format!(
            "the predictions of {} give {metric} {found}, its metrics {value}: they are not used",
            shown(artifact)
        );
        let mut notes = self.notes.borrow_mut();
        if !notes.contains(&note) {
            notes.push(note);
        }
        Ok(None)
    }

    /// What is to be said of predictions that were not used.
    pub(crate) fn into_notes(self) -> Vec<String> {
        self.notes.into_inner()
    }
}

fn labels_of(artifact: &Observation) -> Labels {
    artifact.labels().map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

/// The labelled test images, each in its first view.
fn judge(table: &PredictionTable) -> Judged {
    let rows = table.keys.iter().enumerate();
    let rows = rows.filter(|(_, key)| key.split == Split::Test && key.view == 0 && key.label >= 0);
    let (mut images, mut right, mut loss) = (Vec::new(), Vec::new(), Vec::new());
    for (row, key) in rows {
        images.push((key.id, key.label));
        right.push(f64::from(u8::from(table.predicted[row] == key.label)));
        loss.push(-f64::from(table.log_probs[row * table.n_classes + key.label as usize]));
    }
    Judged {
        right: Rc::new(Outcomes { images: images.clone(), values: right }),
        loss: Rc::new(Outcomes { images, values: loss }),
    }
}
