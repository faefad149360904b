//! A step that was given to the cluster: what is known of it, and what goes to whoever waits for it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use igpt_contract::{Digest, Signal};

use super::allocation::Allocation;
use super::order::{Ended, Order};
use crate::event::Standing;
use crate::execute::job::JobOutcome;
use crate::execute::message::Message;
use crate::execute::process::intern;
use crate::store::{JobFolder, JobNews, Place, Store};

/// What goes to the thread that waits for the step.
#[derive(Debug)]
pub(super) enum News {
    Signal(Signal),
    /// Where it is.
    State(Standing),
    Outcome(JobOutcome),
}

/// A step under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) key: Digest,
    pub(super) order: Order,
    pub(super) allocation: Arc<Allocation>,
    /// How long before its time limit its job is to be told to end.
    pub(super) notice: Duration,
    pub(super) folder: JobFolder,
    pub(super) to: Sender<News>,
    /// Other steps of the run with the same key: they have the same result.
    pub(super) followers: Vec<Sender<News>>,
    /// Whether an earlier run submitted it.
    pub(super) adopted: bool,
    /// Which task of which submission does it; none where it is still to be submitted.
    pub(super) place: Option<Place>,
    /// Whether another run has claimed it, and had not submitted it yet.
    pub(super) unplaced: bool,
    /// When it became ready.
    pub(super) since: Instant,
    /// From when on it may be submitted.
    pub(super) from: Instant,
    /// The cluster's number of it, as last seen.
    pub(super) id: Option<String>,
    /// The same for people, as soon as it is known.
    pub(super) job: Option<String>,
    /// Whether its work has begun.
    pub(super) begun: bool,
    /// An attempt that was told to end, of which it is not known yet what the cluster does with it.
    pub(super) told: Option<Ended>,
    /// Whether the cluster has put it back into the queue since its work began.
    pub(super) put_back: bool,
    /// The attempt after which the cluster has put it back into the queue: what it wrote says nothing more.
    pub(super) stale: Option<String>,
    /// In how many good answers one after another it was not there, over, stuck, or running again.
    pub(super) absent: u32,
    pub(super) over: u32,
    pub(super) stuck: u32,
    pub(super) running: u32,
    pub(super) losses: u32,
    pub(super) killed: u32,
    /// Its checkpoints when it was submitted.
    pub(super) checkpoints: Vec<String>,
    /// How far its signals were read.
    offset: u64,
    said: Standing,
}

impl Flight {
    pub(super) fn new(
        store: &Store,
        order: Order,
        allocation: Arc<Allocation>,
        notice: Duration,
        to: Sender<News>,
    ) -> Self {
        let key = order.job.key;
        Self {
            key,
            order,
            allocation,
            notice,
            folder: store.job_folder(&key),
            to,
            followers: Vec::new(),
            adopted: false,
            place: None,
            unplaced: false,
            since: Instant::now(),
            from: Instant::now(),
            id: None,
            job: None,
            begun: false,
            told: None,
            put_back: false,
            stale: None,
            absent: 0,
            over: 0,
            stuck: 0,
            running: 0,
            losses: 0,
            killed: 0,
            checkpoints: Vec::new(),
            offset: 0,
            said: Standing::default(),
        }
    }

    /// Whether the next look at the queue should come soon: something is to be made sure of.
    pub(super) fn is_in_doubt(&self) -> bool {
        let unseen = self.place.is_some() && self.id.is_none() && (self.adopted || !self.begun);
        unseen || self.told.is_some() || self.absent + self.over + self.stuck > 0
    }

    /// It was submitted.
    pub(super) fn submitted(&mut self, store: &Store) {
        (self.id, self.begun, self.put_back, self.told) = (None, false, false, None);
        (self.absent, self.over, self.stuck, self.running) = (0, 0, 0, 0);
        self.checkpoints = store.checkpoint_state(&self.key);
    }

    /// Says where it is, where that is new.
    pub(super) fn say(&mut self, state: &str) {
        self.stand(state.to_owned(), None);
    }

    /// Says what it does on which node, where that is new.
    pub(super) fn say_on(&mut self, what: &str, node: &str) {
        self.stand(format!("{what} on {node}"), Some(node.to_owned()));
    }

    fn stand(&mut self, state: String, node: Option<String>) {
        let standing = Standing { state, job: self.job.clone(), node };
        if self.said != standing {
            self.said = standing.clone();
            self.tell(News::State(standing));
        }
    }

    pub(super) fn note(&self, text: String) {
        self.tell(News::Signal(Signal::Note(text)));
    }

    /// Whoever waits for the step may be gone with the run.
    pub(super) fn tell(&self, news: News) {
        let _ = self.to.send(news);
    }

    /// Passes on what the step has said since.
    pub(super) fn pass_on_signals(&mut self) {
        let Ok(file) = File::open(self.folder.signals()) else { return };
        let mut file = BufReader::new(file);
        if file.seek(SeekFrom::Start(self.offset)).is_err() {
            return;
        }
        let mut line = Vec::new();
        while matches!(file.read_until(b'\n', &mut line), Ok(read) if read > 0) && line.ends_with(b"\n") {
            self.offset += line.len() as u64;
            match serde_json::from_slice(&line) {
                Ok(Message::Progress { done, total, unit }) => {
                    self.tell(News::Signal(Signal::Progress { done, total, unit: intern(&unit) }));
                }
                Ok(Message::Metric { name, x, value }) => {
                    self.tell(News::Signal(Signal::Metric { name, x, value }));
                }
                Ok(Message::Note(text)) => self.note(text),
                Ok(Message::On(node)) => self.say_on("running", &node),
                Ok(Message::Began | Message::Outcome(_)) | Err(_) => {}
            }
            line.clear();
        }
    }

    /// The node says that its work has begun.
    pub(super) fn hear_begun(&mut self) {
        self.folder.take_note(JobNews::Began);
        (self.begun, self.put_back) = (true, false);
    }
}
