//! The folders of runs: what ran, with which keys, and the logs. They are for people and for
//! `explain`; no result depends on them.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use igpt_contract::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::durable::{self, Durability};
use super::record::rfc3339;
use super::{Program, Result, Store, StoreError, checksum};

/// The folder of one run.
#[derive(Debug, Clone)]
pub struct RunFolder {
    store: Store,
    id: String,
    path: PathBuf,
}

/// What `run.json` says of a run that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The run's id, the name of its folder.
    pub id: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The pipeline's file, absolute: two projects may share a store and the names of their files.
    #[serde(with = "crate::paths::exact")]
    pub file: PathBuf,
    /// The command line.
    pub arguments: Vec<String>,
    /// `succeeded`, `failed` or `interrupted`.
    pub status: String,
    /// The object that holds the pipeline's text, variables, profiles and overrides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Digest>,
    /// The program that ran it.
    #[serde(default)]
    pub program: Program,
    /// When it ended.
    #[serde(with = "rfc3339")]
    pub finished: Timestamp,
    /// Every step of the plan, in its order.
    pub steps: Vec<StepRecord>,
}

/// What became of a step in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The step's name with its labels.
    pub name: String,
    /// Its key, where the run came so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Digest>,
    /// `done`, `failed`, `skipped` or `left out`.
    pub outcome: String,
    /// The name of its log in the run's folder of logs, without `.log`.
    pub log: String,
}

impl Store {
    /// Makes the folder of a new run. Its id is the time in UTC to the millisecond, so that ids sort
    /// by time; of two runs in one millisecond the second waits for the next.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn new_run(&self) -> Result<RunFolder> {
        loop {
            let id = Timestamp::now().strftime("%Y%m%d-%H%M%S-%3f").to_string();
            let path = self.runs_dir().join(&id);
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(StoreError::io("create", &path, e)),
            }
            let logs = path.join("logs");
            fs::create_dir(&logs).map_err(|e| StoreError::io("create", &logs, e))?;
            return Ok(RunFolder { store: self.clone(), id, path });
        }
    }

    /// Every run, the oldest first.
    ///
    /// # Errors
    /// Where the folder of runs cannot be read.
    pub fn runs(&self) -> Result<Vec<RunFolder>> {
        let folder = self.runs_dir();
        let items = fs::read_dir(&folder).map_err(|e| StoreError::io("read", &folder, e))?;
        let mut runs: Vec<RunFolder> = items
            .flatten()
            .filter(|item| item.path().is_dir())
            .filter_map(|item| Some(self.run_folder(item.file_name().to_str()?)))
            .collect();
        runs.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(runs)
    }

    /// The run of that id, or of that beginning of an id; `last` is the latest.
    ///
    /// # Errors
    /// [`StoreError::NoRun`] where none or several begin so.
    pub fn run(&self, asked: &str) -> Result<RunFolder> {
        let mut runs = self.runs()?;
        let latest = runs.last().map(|run| run.id.clone());
        let no_run = || StoreError::NoRun { asked: asked.to_owned(), latest };
        if asked == "last" {
            return runs.pop().ok_or_else(no_run);
        }
        let mut fitting = runs.into_iter().filter(|run| run.id.starts_with(asked));
        match (fitting.next(), fitting.next()) {
            (Some(run), None) => Ok(run),
            (Some(run), Some(_)) if run.id == asked => Ok(run),
            _ => Err(no_run()),
        }
    }

    fn run_folder(&self, id: &str) -> RunFolder {
        RunFolder { store: self.clone(), id: id.to_owned(), path: self.runs_dir().join(id) }
    }
}

impl RunFolder {
    /// The run's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the run's events go, a line each.
    pub fn events_path(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// Makes the file of the run's events. As long as it is open, [`Self::is_running`] says yes, however
    /// the process ends.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn create_events(&self) -> Result<File> {
        let path = self.events_path();
        let file = File::create(&path).map_err(|e| StoreError::io("create", &path, e))?;
        // Where a file system has no locks, the run is seen as unfinished until it ends.
        let _ = file.lock();
        Ok(file)
    }

    /// Whether a process is working on the run.
    pub fn is_running(&self) -> bool {
        let file = File::open(self.events_path());
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Where the logs of its steps go.
    pub fn logs_dir(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// The log of a step.
    pub fn log_path(&self, step: &StepRecord) -> PathBuf {
        self.logs_dir().join(format!("{}.log", step.log))
    }

    /// Notes which object holds what the run was made of, so that a killed run has it too.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn begin(&self, plan: Digest) -> Result<()> {
        let path = self.path.join("plan");
        fs::write(&path, format!("{plan}\n")).map_err(|e| StoreError::io("write", &path, e))
    }

    /// The object that holds the pipeline's text, variables, profiles and overrides of the run.
    pub fn plan(&self) -> Option<Digest> {
        fs::read_to_string(self.path.join("plan")).ok()?.trim().parse().ok()
    }

    /// Writes `run.json`, whole or not at all. It is not synced: a power cut may cost it.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn finish(&self, record: &RunRecord) -> Result<()> {
        let path = self.path.join("run.json");
        let text = checksum::seal(record).map_err(|e| StoreError::io("write", &path, e.into()))?;
        durable::replace(&self.store.tmp_dir(), &path, &text, Durability::Later)
    }

    /// What became of the run; `None` while it lives, or if it was killed. A damaged record of it is set
    /// aside.
    pub fn record(&self) -> Option<RunRecord> {
        let path = self.path.join("run.json");
        let text = fs::read(&path).ok()?;
        if !checksum::is_valid(&text) {
            let _ = self.store.quarantine(&path);
            return None;
        }
        serde_json::from_slice(&text).ok()
    }

    /// The keys that the run worked on or reused; of a run that did not end, those that its events
    /// name.
    pub fn keys(&self) -> Vec<Digest> {
        if let Some(record) = self.record() {
            return record.steps.iter().filter_map(|step| step.key).collect();
        }
        #[derive(Deserialize)]
        struct Keyed {
            key: Digest,
        }
        let events = fs::read_to_string(self.events_path()).unwrap_or_default();
        events.lines().filter_map(|line| Some(serde_json::from_str::<Keyed>(line).ok()?.key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_by_the_beginning_of_their_id() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        assert!(matches!(store.run("last"), Err(StoreError::NoRun { latest: None, .. })));
        let earlier = store.new_run().unwrap();
        let run = store.new_run().unwrap();
        assert!(earlier.id() < run.id(), "ids sort by time");
        let key = Digest::of(b"key");
        let events = run.create_events().unwrap();
        assert!(run.is_running() && !earlier.is_running());
        drop(events);
        assert!(!run.is_running(), "the lock dies with its holder");
        fs::write(run.events_path(), format!("{{\"event\":\"x\"}}\n{{\"key\":\"{key}\"}}\n{{\"ke")).unwrap();
        assert_eq!(run.record(), None);
        assert_eq!(run.keys(), [key], "a killed run's keys come from its events");
        let record = RunRecord {
            id: run.id().to_owned(),
            pipeline: "p".into(),
            file: "/project/p.yaml".into(),
            arguments: vec![],
            status: "succeeded".into(),
            plan: None,
            program: Program::this(),
            finished: Timestamp::UNIX_EPOCH,
            steps: vec![],
        };
        run.finish(&record).unwrap();
        assert_eq!(store.run("last").unwrap().record(), Some(record));
        assert_eq!(store.run(run.id()).unwrap().id(), run.id());
        assert!(store.run("20").is_err(), "two runs begin so");
        assert!(store.run("nonsense").unwrap_err().to_string().contains(run.id()));
    }
}
