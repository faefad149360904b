//! A training that goes on from where a shorter one ended: the state that the shorter one keeps beside its
//! network, and whether it may be continued.
//!
//! Data order, masks and dropout are functions of the seed and the step, so weights, optimizer, step and log
//! are all that a training consists of. What else decides its course is written down with them: only where
//! all of it is the same is the longer training the one that would have been had it run at once.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use igpt_contract::{Digest, StageContext, StageError};
use igpt_corpus::Corpus;
use igpt_model::Gpt;
use igpt_optim::{Adam, AdamParams, Checkpointer, Decay, Schedule, TrainState};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::params::Params;

/// Parameters that say how long, how it is watched and what is kept; not what an update does.
const WITHOUT: [&str; 13] = [
    "steps",
    "decay",
    "decay_steps",
    "warmup_steps",
    "processes",
    "recompute",
    "validate_every",
    "validation_rows",
    "test_rows",
    "keep",
    "keep_powers_from",
    "keep_state",
    "checkpoint_every",
];

/// What decides the course of a training, by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Course(BTreeMap<String, Value>);

impl Course {
    /// That of these parameters on these images.
    ///
    /// # Errors
    /// If the images cannot be read.
    pub(crate) fn new(
        params: &Params,
        schedule: &Schedule,
        corpus: &Corpus,
        cx: &StageContext,
    ) -> Result<Self, StageError> {
        let lanes = params.lanes;
        // Parameters convert to JSON: they came from it.
        let params = serde_json::to_value(params).unwrap_or_default();
        let params = params.as_object().into_iter().flatten();
        let mut course: BTreeMap<String, Value> = params
            .filter(|(name, _)| !WITHOUT.contains(&name.as_str()) && *name != "memory_mib")
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if lanes == 1 {
            // States that were kept before there were lanes do not name them, and stay as they are.
            course.remove("lanes");
        }
        course.insert("seed".to_owned(), json!(cx.seed()));
        course.insert("images".to_owned(), json!(images(corpus)?));
        course.insert("warmup_steps".to_owned(), json!(schedule.warmup_steps));
        course.insert("decay".to_owned(), json!(schedule.decay));
        if schedule.decay == Decay::Cosine {
            course.insert("decay_steps".to_owned(), json!(schedule.total_steps));
        }
        Ok(Self(course))
    }

    fn value(&self, name: &str) -> Option<Value> {
        let unnamed = || (name == "lanes").then(|| json!(1));
        self.0.get(name).cloned().or_else(unnamed)
    }

    /// Checks that a training of this course may go on from one of that course.
    fn check(&self, shorter: &Self, step: u64) -> Result<(), StageError> {
        let names = self.0.keys().chain(shorter.0.keys());
        let differs = names.filter(|name| self.value(name) != shorter.value(name));
        // The schedule last: it differs whenever something above does.
        let Some(name) =
            differs.min_by_key(|name| matches!(&***name, "warmup_steps" | "decay" | "decay_steps"))
        else {
            return Ok(());
        };
        let text = |course: &Self| course.value(name).as_ref().map_or("not set".to_owned(), shown);
        let (there, here) = (text(shorter), text(self));
        let hint = match name.as_str() {
            "decay_steps" => {
                "a cosine ends with the last step, so the rates of a longer training are others from its first step on: \
                 give both the same `decay_steps`, or `decay: constant`"
            }
            "warmup_steps" => "the default depends on `steps`: give both the same `warmup_steps`",
            _ => "give both trainings the same, or begin anew without `resume`",
        };
        let differs = match name.as_str() {
            "images" => "it was trained on other images".to_owned(),
            name => format!("`{name}` is {there} there and {here} here"),
        };
        let what = format!("the training at `resume` cannot go on from step {step}: {differs}");
        Err(StageError::new(what).hint(hint))
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Images that are hashed at a time.
const TOGETHER: usize = 1024;

/// The digest of the images that are trained on, in their order and each by its first view.
fn images(corpus: &Corpus) -> Result<Digest, StageError> {
    let mut digests = String::new();
    for first in (0..corpus.train.len()).step_by(TOGETHER) {
        let last = corpus.train.len().min(first + TOGETHER);
        let tokens = corpus.train.gather((first..last).map(|image| (image, 0)))?;
        let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
        digests.push_str(&Digest::of(&bytes).to_string());
    }
    Ok(Digest::of(digests.as_bytes()))
}

/// What is kept beside a network: the course, and the log `L` of the training.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept<L> {
    course: Course,
    log: L,
}

/// Writes a training's state into the folder of its network.
pub(crate) fn keep<L: Serialize>(
    folder: &Path,
    course: &Course,
    step: u64,
    model: &Gpt,
    adam: &Adam,
    log: L,
) -> Result<(), StageError> {
    let kept = Kept { course: course.clone(), log };
    Checkpointer::new(folder)
        .save(step, model, adam, &kept)
        .map_err(|error| StageError::caused(format!("the state of step {step} cannot be kept"), error))
}

/// Reads the state that lies in a network's folder. `model` gives the structure.
pub(crate) fn read<L: for<'de> Deserialize<'de>>(
    folder: &Path,
    course: &Course,
    steps: u64,
    model: &Gpt,
    adam: AdamParams,
    device: &Device,
) -> Result<TrainState<Gpt, L>, StageError> {
    let mut refused = None;
    let found = Checkpointer::new(folder)
        .resume::<Gpt, Kept<L>>(model, adam, device, |_, error| refused = Some(error))
        .map_err(|error| StageError::caused("the input `resume` cannot be read", error))?;
    let TrainState { step, model, adam, state } = match (found, refused) {
        (Some(found), _) => found,
        (None, Some(error)) => {
            return Err(StageError::caused("the state at `resume` cannot be used", error)
                .hint("it must be of a training of the same network"));
        }
        (None, None) => {
            return Err(StageError::new("the network at `resume` has no state to go on from: it is weights alone")
                .hint("train the shorter one with `keep_state: true`, and take `checkpoints/STEP` of its last step or of one in `keep`"));
        }
    };
    course.check(&state.course, step)?;
    if step > steps {
        return Err(StageError::new(format!(
            "the training at `resume` has done {step} steps, `steps` is {steps}"
        ))
        .hint("`steps` counts from the beginning: give the length of the whole training"));
    }
    Ok(TrainState { step, model, adam, state: state.log })
}
