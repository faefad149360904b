//! One stream of events: what a run says, numbered by one dispatcher.
//!
//! Progress bars, plain lines, `events.jsonl` and `--json` are all consumers of this stream; a
//! consumer cannot fail or slow a run.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use igpt_contract::Digest;
use serde::{Deserialize, Serialize};

use crate::pipeline::secrets::Secrets;
use crate::store::{Artifact, Cost};

/// How long events gather before the consumers get them together. A sender that had to wake the
/// consumers for every event would spend more on that than on its work.
const GATHER: Duration = Duration::from_millis(10);

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run began.
    RunStarted {
        /// The run's id.
        run: String,
        /// The pipeline's name.
        pipeline: String,
        /// The store's folder.
        #[serde(with = "crate::paths::shown")]
        store: PathBuf,
        /// How many steps the run may touch.
        steps: usize,
    },
    /// A step's work began.
    StepStarted {
        /// The step's name.
        step: String,
        /// Its key.
        key: Digest,
        /// Why it runs.
        reason: String,
        /// The attempt, from 1.
        attempt: u32,
    },
    /// A step's outputs were already there.
    StepReused {
        /// The step's name.
        step: String,
        /// Its key.
        key: Digest,
    },
    /// A step that does not run here has come to another place.
    StepMoved {
        /// The step's name.
        step: String,
        /// Where it is.
        #[serde(flatten)]
        standing: Standing,
    },
    /// A step said how far it is.
    StepProgressed {
        /// The step's name.
        step: String,
        /// Units done.
        done: u64,
        /// Units in all, 0 where unknown.
        total: u64,
        /// The unit in the plural.
        unit: String,
    },
    /// A step said a number.
    MetricLogged {
        /// The step's name.
        step: String,
        /// The metric's name.
        name: String,
        /// Where on its curve.
        x: f64,
        /// The value; a diverged loss is `NaN`.
        #[serde(with = "igpt_contract::float")]
        value: f64,
    },
    /// A step said a line.
    StepNoted {
        /// The step's name.
        step: String,
        /// The line.
        text: String,
    },
    /// The run has something to say that is about no single step.
    RunNoted {
        /// The line.
        text: String,
    },
    /// A step's outputs were committed.
    StepSucceeded {
        /// The step's name.
        step: String,
        /// Its key.
        key: Digest,
        /// Output port -> artifact.
        outputs: BTreeMap<String, Artifact>,
        /// What it cost.
        cost: Cost,
        /// Whether another run made it meanwhile.
        adopted: bool,
    },
    /// An attempt failed.
    StepFailed {
        /// The step's name.
        step: String,
        /// What was expected and what was found, causes included.
        error: String,
        /// What the user can do about it.
        hint: Option<String>,
        /// The step's log.
        #[serde(with = "crate::paths::shown")]
        log: PathBuf,
        /// The log's last lines.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tail: Vec<String>,
        /// The attempt, from 1.
        attempt: u32,
        /// Whether another attempt follows.
        retried: bool,
    },
    /// A step did not run.
    StepSkipped {
        /// The step's name.
        step: String,
        /// Why.
        reason: String,
    },
    /// A search is decided.
    SearchSettled {
        /// The search's step name.
        step: String,
        /// The winner's value.
        value: serde_json::Value,
        /// How many candidates were tried, and of how many.
        tried: (usize, usize),
    },
    /// An export was put in place.
    Exported {
        /// Where it is.
        #[serde(with = "crate::paths::shown")]
        path: PathBuf,
        /// Whether it had to be written.
        written: bool,
    },
    /// An export could not be put in place.
    ExportFailed {
        /// Where it should be.
        #[serde(with = "crate::paths::shown")]
        path: PathBuf,
        /// What was expected and what was found, causes included.
        error: String,
        /// What the user can do about it.
        hint: Option<String>,
    },
    /// The run ended.
    RunFinished {
        /// How it ended.
        status: RunStatus,
        /// Steps executed.
        executed: usize,
        /// Steps reused.
        reused: usize,
        /// Steps and exports failed.
        failed: usize,
        /// Steps skipped.
        skipped: usize,
        /// Wall time in seconds.
        wall_s: f64,
    },
}

/// Where a step is that does not run here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// In words: `queued (Priority)`, `running on n2`.
    pub state: String,
    /// The cluster's number of its job, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The node, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

impl Event {
    /// Hides secrets in what a step said or is said of it.
    fn hide(&mut self, secrets: &Secrets) {
        let hide = |text: &mut String| *text = secrets.mask(text);
        match self {
            Self::StepStarted { reason: text, .. }
            | Self::StepSkipped { reason: text, .. }
            | Self::StepNoted { text, .. } => hide(text),
            Self::StepFailed { error, hint, tail, .. } => {
                hide(error);
                hint.iter_mut().chain(tail).for_each(hide);
            }
            Self::ExportFailed { error, hint, .. } => {
                hide(error);
                hint.iter_mut().for_each(hide);
            }
            _ => {}
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Everything is there.
    Succeeded,
    /// A step failed.
    Failed,
    /// The user interrupted it.
    Interrupted,
}

/// An event with its number and time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Numbered {
    /// The event's number in the run, from 0.
    pub n: u64,
    /// UTC, RFC 3339.
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Something that follows the stream.
pub trait Consumer: Send {
    /// Takes the next event. It has nobody to tell of a failure, and keeps quiet.
    fn take(&mut self, event: &Numbered);

    /// Nothing more is known for the moment: what was kept back may go out.
    fn pause(&mut self) {}
}

/// The one place where events get their numbers. Consumers run on a thread of their own.
pub struct Dispatcher {
    sender: Sender<Event>,
    /// Set when nobody sends any more: what is left is not gathered, but passed on.
    ended: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Sends events into the stream; cheap to clone.
#[derive(Clone)]
pub struct Events(Sender<Event>);

impl Dispatcher {
    /// Starts the stream into these consumers, which do not see what is secret.
    ///
    /// # Errors
    /// Where the system has no thread left.
    pub fn start(mut consumers: Vec<Box<dyn Consumer>>, secrets: Secrets) -> io::Result<Self> {
        let (sender, receiver) = channel::<Event>();
        let ended = Arc::new(AtomicBool::new(false));
        let is_ended = Arc::clone(&ended);
        let thread = Builder::new().spawn(move || {
            let mut n = 0;
            while let Ok(event) = receiver.recv() {
                for mut event in std::iter::once(event).chain(receiver.try_iter()) {
                    event.hide(&secrets);
                    let numbered = Numbered { n, time: jiff::Timestamp::now().to_string(), event };
                    consumers.iter_mut().for_each(|consumer| consumer.take(&numbered));
                    n += 1;
                }
                consumers.iter_mut().for_each(|consumer| consumer.pause());
                if !is_ended.load(Ordering::Acquire) {
                    std::thread::park_timeout(GATHER);
                }
            }
        })?;
        Ok(Self { sender, ended, thread })
    }

    /// A sender into the stream.
    pub fn events(&self) -> Events {
        Events(self.sender.clone())
    }

    /// Ends the stream once every sender is gone, and waits until the consumers have it all.
    pub fn finish(self) {
        self.ended.store(true, Ordering::Release);
        drop(self.sender);
        self.thread.thread().unpark();
        // A consumer that panicked loses its own output, not the run's result.
        let _ = self.thread.join();
    }
}

impl Events {
    /// Says what happened; a closed stream is nobody's fault.
    pub fn send(&self, event: Event) {
        let _ = self.0.send(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_step_says_hides_secrets() {
        let mut secrets = Secrets::default();
        secrets.add("hunter2");
        let mut event = Event::StepFailed {
            step: "s".into(),
            error: "hunter2 is wrong".into(),
            hint: Some("see https://me:pass@host".into()),
            log: "log".into(),
            tail: vec!["sent hunter2".into()],
            attempt: 1,
            retried: false,
        };
        event.hide(&secrets);
        let line = serde_json::to_string(&event).unwrap();
        assert!(!line.contains("hunter2") && !line.contains("pass") && line.contains("sent ***"), "{line}");
    }

    #[test]
    fn a_diverged_loss_survives_json() {
        let event = Event::MetricLogged { step: "s".into(), name: "loss".into(), x: 3.0, value: f64::NAN };
        let line = serde_json::to_string(&Numbered { n: 0, time: "t".into(), event }).unwrap();
        let read: Numbered = serde_json::from_str(&line).unwrap();
        assert!(matches!(read.event, Event::MetricLogged { value, .. } if value.is_nan()), "{line}");
    }
}
