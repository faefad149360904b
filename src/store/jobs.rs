//! The folders of steps that were given to a cluster. A step's folder is named by its key, so that two
//! runs never give one step to the cluster twice, and whoever comes later finds what is under way.
//!
//! ```text
//! jobs-v1/<key>/job.json        the job, for its owner alone: it may hold credentials
//! jobs-v1/<key>/place.json      which task of which batch is to do it; any other leaves it alone
//! jobs-v1/<key>/signals.jsonl   what the step says on its way
//! jobs-v1/<key>/outcome.json    what came of it
//! jobs-v1/news/<key>.began      that its work began, and `<key>.ended` that there is an outcome, so that
//!                               one listing tells of all
//! jobs-v1/batch-<name>/         what the tasks of one submission do, and their output
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use igpt_contract::Digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::durable::{self, Durability};
use super::remove::remove_tree;
use super::{Artifact, Result, Store, StoreError, checksum};

const JOBS: &str = "jobs-v1";
const NEWS: &str = "jobs-v1/news";
const BATCH: &str = "batch-";
const BEGAN: &str = ".began";
const ENDED: &str = ".ended";
const LOCK: &str = "lock";

/// What is new of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobNews {
    /// Its work began.
    Began,
    /// There is an outcome.
    Ended,
}

/// Which task of a cluster is to do a job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The name of the submission, which is that of the cluster's job too.
    pub batch: String,
    /// The number of the task in its array.
    pub task: u32,
}

/// The folder of one step that was given to a cluster.
#[derive(Debug, Clone)]
pub struct JobFolder {
    store: Store,
    key: Digest,
    path: PathBuf,
}

/// The folder of one submission.
#[derive(Debug, Clone)]
pub struct Batch {
    path: PathBuf,
}

/// Lists a folder: on a network file system a name that another machine made may be unknown here until then.
pub fn list_folder(folder: &Path) {
    let _ = fs::read_dir(folder).map(Iterator::count);
}

impl Store {
    /// The folder of a key's job, which need not be there.
    pub fn job_folder(&self, key: &Digest) -> JobFolder {
        JobFolder { store: self.clone(), key: *key, path: self.root().join(JOBS).join(key.to_string()) }
    }

    /// The keys whose steps were given to a cluster, and are not settled yet.
    pub fn jobs(&self) -> Vec<Digest> {
        let items = fs::read_dir(self.root().join(JOBS)).into_iter().flatten().flatten();
        items.filter_map(|item| item.file_name().to_str()?.parse().ok()).collect()
    }

    /// What is new of all jobs.
    pub fn job_news(&self) -> Vec<(Digest, JobNews)> {
        let items = fs::read_dir(self.root().join(NEWS)).into_iter().flatten().flatten();
        let news = |name: &str| {
            let began = || Some((name.strip_suffix(BEGAN)?, JobNews::Began));
            let (key, news) = name.strip_suffix(ENDED).map(|key| (key, JobNews::Ended)).or_else(began)?;
            Some((key.parse().ok()?, news))
        };
        items.filter_map(|item| news(item.file_name().to_str()?)).collect()
    }

    /// What the task that does a job printed outside of its steps.
    pub fn task_output(&self, place: &Place) -> PathBuf {
        self.batch(&place.batch).path.join(format!("{}.log", place.task))
    }

    /// The folder of a submission.
    pub fn batch(&self, name: &str) -> Batch {
        Batch { path: self.root().join(JOBS).join(format!("{BATCH}{name}")) }
    }

    /// Removes what is left of submissions none of whose jobs is under way.
    pub fn sweep_batches(&self) {
        let places = self.jobs().into_iter().filter_map(|key| self.job_folder(&key).place());
        let used: Vec<String> = places.map(|place| place.batch).collect();
        for item in fs::read_dir(self.root().join(JOBS)).into_iter().flatten().flatten() {
            let name = item.file_name();
            let Some(name) = name.to_str().and_then(|name| name.strip_prefix(BATCH)) else { continue };
            // One of no jobs looks at the nodes, under a lock.
            if !Batch::is_locked(&item.path()) && !used.iter().any(|used| used == name) {
                // What stays is looked at again by the next run.
                let _ = remove_tree(&item.path());
            }
        }
    }

    /// [`list_folder`] of those in which the files of an artifact are.
    pub fn list_beside(&self, artifact: &Artifact) {
        let list = |digest: &Digest| self.object_path(digest).parent().into_iter().for_each(list_folder);
        list(&artifact.digest);
        let files = self.objects(artifact, None).unwrap_or_default();
        let folders: BTreeMap<String, &Digest> =
            files.iter().map(|digest| (digest.to_string()[..2].to_owned(), digest)).collect();
        folders.into_values().for_each(list);
    }

    /// This program where every node sees it, and where it stays what it is when it is built anew.
    ///
    /// # Errors
    /// Where it cannot be read or written.
    pub fn keep_program(&self, program: &Path) -> Result<PathBuf> {
        let bytes = fs::read(program).map_err(|e| StoreError::io("read", program, e))?;
        let folder = self.root().join("bin-v1");
        let to = folder.join(Digest::of(&bytes).to_string()).join("igpt-flow");
        if fs::metadata(&to).is_ok_and(|meta| meta.len() == bytes.len() as u64) {
            return Ok(to);
        }
        if self.jobs().is_empty() {
            // Those of earlier builds: nothing is under way that runs one.
            let _ = remove_tree(&folder);
        }
        let (aside, file) = durable::write_aside(&self.tmp_dir(), &bytes)?;
        let done = file.set_permissions(fs::Permissions::from_mode(0o755)).and_then(|()| file.sync_all());
        done.map_err(|e| StoreError::io("write", &aside, e))?;
        drop(file);
        durable::rename(&aside, &to)?;
        Ok(to)
    }
}

impl JobFolder {
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder with the job in it. Answers whether it was made: not where there is one already.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn claim(&self, job: &impl Serialize) -> Result<bool> {
        let failed = |e| StoreError::io("create", &self.path, e);
        let text = checksum::seal(job).map_err(|e| failed(e.into()))?;
        let aside = durable::fresh(&self.store.tmp_dir());
        let make = || {
            fs::create_dir_all(&aside)?;
            let mut file = OpenOptions::new();
            let mut file = file.write(true).create_new(true).mode(0o600).open(aside.join("job.json"))?;
            file.write_all(&text)?;
            fs::create_dir_all(self.store.root().join(NEWS))
        };
        let placed = make().and_then(|()| fs::rename(&aside, &self.path));
        let _ = remove_tree(&aside);
        match placed {
            Ok(()) => Ok(true),
            Err(_) if self.path.is_dir() => Ok(false),
            Err(e) => Err(failed(e)),
        }
    }

    /// The job.
    pub fn job<T: DeserializeOwned>(&self) -> Option<T> {
        self.get("job.json")
    }

    /// Which task is to do it.
    pub fn place(&self) -> Option<Place> {
        self.get("place.json")
    }

    /// Says which task is to do it: from now on no other does.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub fn put_place(&self, place: &Place) -> Result<()> {
        self.put("place.json", place)
    }

    /// What came of it.
    pub fn outcome<T: DeserializeOwned>(&self) -> Option<T> {
        list_folder(&self.path);
        self.get("outcome.json")
    }

    /// Says what came of it.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub fn put_outcome(&self, outcome: &impl Serialize) -> Result<()> {
        self.put("outcome.json", outcome)?;
        self.tell(JobNews::Ended)
    }

    /// Takes back what was said of an outcome: the job is to be done once more.
    pub fn clear_outcome(&self) {
        let _ = fs::remove_file(self.path.join("outcome.json"));
    }

    /// Makes news.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn tell(&self, news: JobNews) -> Result<()> {
        let news = self.news(news);
        File::create(&news).map(drop).map_err(|e| StoreError::io("create", &news, e))
    }

    /// Takes note of news. To be called before what they are of is read: an attempt that comes later says
    /// so anew.
    pub fn take_note(&self, news: JobNews) {
        let _ = fs::remove_file(self.news(news));
    }

    /// The file of what the step says.
    pub fn signals(&self) -> PathBuf {
        self.path.join("signals.jsonl")
    }

    /// Removes the folder: the job is settled.
    pub fn remove(&self) {
        // Out of its place first: a task that begins now sees all of it, or nothing.
        let aside = durable::fresh(&self.store.tmp_dir());
        let moved = fs::rename(&self.path, &aside).is_ok();
        let _ = remove_tree(if moved { &aside } else { &self.path });
        self.take_note(JobNews::Began);
        self.take_note(JobNews::Ended);
    }

    fn news(&self, news: JobNews) -> PathBuf {
        let what = if news == JobNews::Began { BEGAN } else { ENDED };
        self.store.root().join(NEWS).join(format!("{}{what}", self.key))
    }

    fn put(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let path = self.path.join(name);
        if !self.path.is_dir() {
            return Err(StoreError::io("write", &path, io::ErrorKind::NotFound.into()));
        }
        let text = checksum::seal(value).map_err(|e| StoreError::io("write", &path, e.into()))?;
        durable::replace(&self.store.tmp_dir(), &path, &text, Durability::BeforeName)
    }

    fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        Batch::read(&self.path.join(name))
    }
}

impl Batch {
    /// The folder, where the cluster puts what its tasks print.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder, with what each task is to do.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn create(&self, tasks: &[impl Serialize]) -> Result<()> {
        fs::create_dir_all(&self.path).map_err(|e| StoreError::io("create", &self.path, e))?;
        for (number, task) in tasks.iter().enumerate() {
            Self::write(&self.task(number as u32), task)?;
        }
        Ok(())
    }

    /// What the batch at this path has for a task.
    pub fn read_task<T: DeserializeOwned>(path: &Path, task: u32) -> Option<T> {
        Self::read(&Self { path: path.to_owned() }.task(task))
    }

    /// Reads a file of a batch; nothing where it is not there, or not whole.
    pub fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
        let text = fs::read(path).ok()?;
        if checksum::is_valid(&text) { serde_json::from_slice(&text).ok() } else { None }
    }

    /// Writes a file of a batch, from a node.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(path: &Path, value: &impl Serialize) -> Result<()> {
        let text = checksum::seal(value).map_err(|e| StoreError::io("write", path, e.into()))?;
        fs::write(path, text).map_err(|e| StoreError::io("write", path, e))
    }

    /// A lock on the folder, which shows whoever sees it that somebody waits.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn lock(&self) -> Result<File> {
        let path = self.path.join(LOCK);
        let file = durable::lock_file(&path)?;
        file.lock().map_err(|e| StoreError::io("lock", &path, e))?;
        Ok(file)
    }

    /// Whether whoever asks sees that the batch at this path is locked by somebody else.
    pub fn is_locked(path: &Path) -> bool {
        let file = File::open(path.join(LOCK));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Removes the folder.
    pub fn remove(&self) {
        // What stays is swept up by the next run.
        let _ = remove_tree(&self.path);
    }

    fn task(&self, number: u32) -> PathBuf {
        self.path.join(format!("{number}.json"))
    }
}
