//! What can go wrong with the store.

use std::io;
use std::path::{Path, PathBuf};

use igpt_contract::{Digest, counted};

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store's folder cannot be made, read or written.
    #[error("the store `{}` cannot be used", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no store at that folder.
    #[error("there is no store at `{}`", path.display())]
    Absent {
        /// The folder.
        path: PathBuf,
    },
    /// The system refused an operation on a file.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// A verb: `read`, `write`, `lock`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An input outside the store that is not what it was any more.
    #[error("the input `{}` changed {since}", path.display())]
    Changed {
        /// The input.
        path: PathBuf,
        /// `while the step ran`, or since when.
        since: &'static str,
    },
    /// A symbolic link, device or pipe where only files and folders have content.
    #[error("`{}` is {what}: only files and folders can be stored", path.display())]
    NotContent {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// An object that should be there is not, or is not what its name says.
    #[error("object {} is missing or damaged", digest.short())]
    Missing {
        /// Its digest.
        digest: Digest,
    },
    /// A manifest that is not what this version writes.
    #[error("object {} is not a tree's manifest: {what}", digest.short())]
    NotTree {
        /// The digest.
        digest: Digest,
        /// What was found.
        what: String,
    },
    /// A part that its artifact does not have.
    #[error("no part `{part}` in the artifact {}; it has: {}", digest.short(), has.join(", "))]
    NoPart {
        /// The artifact.
        digest: Digest,
        /// The part that was asked for.
        part: String,
        /// The top-level names that there are.
        has: Vec<String>,
    },
    /// A record was to be committed that does not belong to its lock or lacks an output.
    #[error("the record of {} cannot be committed: {what}", key.short())]
    NotCommitted {
        /// The key.
        key: Digest,
        /// Why.
        what: String,
    },
    /// An export would overwrite something that igpt-flow did not write.
    #[error("`{}` was not written by igpt-flow", path.display())]
    NotOurs {
        /// The path of the export.
        path: PathBuf,
    },
    /// An export would overwrite what the user made of an earlier one.
    #[error("`{}` was changed since igpt-flow wrote it", path.display())]
    Edited {
        /// The file.
        path: PathBuf,
    },
    /// `gc` was asked to delete while a run uses the store.
    #[error("a run is using the store `{}`", path.display())]
    InUse {
        /// The store.
        path: PathBuf,
    },
    /// `gc` was asked to delete while a cluster has steps, which use the store unseen.
    #[error("{} that were given to a cluster are not settled in `{}`", counted(*steps, "step"), path.display())]
    OnCluster {
        /// The store.
        path: PathBuf,
        /// How many.
        steps: usize,
    },
    /// A run that is not in the store.
    #[error("no run `{asked}` in the store; {}", match latest { Some(run) => format!("the latest is `{run}`"), None => "it has none yet".into() })]
    NoRun {
        /// What was asked for.
        asked: String,
        /// The latest run there is.
        latest: Option<String>,
    },
}

impl StoreError {
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    /// What the user can do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        let full = |source: &io::Error| {
            matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
                .then(|| "the disk is full; `igpt-flow gc` lists what can be deleted".to_owned())
        };
        match self {
            Self::Unusable { source, .. } => full(source).or_else(|| {
                Some(
                    "name another folder with `--store DIR` or the environment variable IGPT_FLOW_STORE"
                        .into(),
                )
            }),
            Self::Absent { .. } => Some(
                "`igpt-flow run` makes one; `--store DIR` or IGPT_FLOW_STORE names another folder".into(),
            ),
            Self::Io { source, .. } => full(source),
            Self::Changed { .. } => Some("nothing was recorded; run it again".into()),
            Self::NotContent { .. } => Some("replace it with the file itself".into()),
            Self::Missing { .. } => {
                Some("`igpt-flow verify` finds damage; the next run makes it again".into())
            }
            Self::NotOurs { .. } => Some(
                "nothing was overwritten; move it, or use `--overwrite`, which keeps it as a backup".into(),
            ),
            Self::Edited { .. } => {
                Some("it was left alone; `--overwrite` exports again and keeps it as a backup".into())
            }
            Self::InUse { .. } => Some("try again when it has ended; `igpt-flow runs` lists runs".into()),
            Self::OnCluster { path, .. } => Some(format!(
                "run their pipeline with `--executor slurm`, which takes them over; if nothing of them is in the \
                 queue any more, delete `{}`",
                path.join("jobs-v1").display()
            )),
            Self::NoRun { .. } => Some("`igpt-flow runs` lists them".into()),
            Self::NotTree { .. } | Self::NoPart { .. } | Self::NotCommitted { .. } => None,
        }
    }
}
