//! Stage `archive`: downloads an official archive as an artifact of its own, so that `download` with other
//! parameters does not fetch it again.

use std::path::Path;

use igpt_contract::{AnyFile, Out, Resources, Stage, StageContext, StageError, StageIo, StageSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalogue::{CIFAR10, CIFAR100, OfficialArchive, STL10};
use crate::locate;

const ARCHIVE: Out<AnyFile> = Out::new("archive", "the archive, for the input `archive` of `download`");

/// A data set that has an official archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OfficialDataset {
    /// `cifar-10-binary.tar.gz`, 170 MB.
    Cifar10,
    /// `cifar-100-binary.tar.gz`, 169 MB.
    Cifar100,
    /// `stl10_binary.tar.gz`, 2.6 GB.
    Stl10,
}

/// Parameters of `archive`. As for `download`, `IGPT_FLOW_MIRROR` may name a mirror.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchiveParams {
    /// The data set.
    pub of: OfficialDataset,
}

/// The stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Archive;

impl Stage for Archive {
    type Params = ArchiveParams;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "archive",
            summary: "downloads an official archive unchanged: CIFAR, STL-10",
            version: 1,
            inputs: Vec::new(),
            outputs: vec![ARCHIVE.port()],
            seeded: false,
            device_dependent: false,
            isolated: false,
            unkeyed: &[],
            resources: Resources { cpus: 1, memory_mib: 1024, gpus: 0 },
        }
    }

    fn run(&self, params: &ArchiveParams, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        fetch_archive(params.of, locate::mirror().as_deref(), io.output(&ARCHIVE), cx)
    }
}

/// The stage's work: puts the archive into the empty folder `out` under its official name. `mirror` is
/// the value of [`crate::MIRROR`].
///
/// # Errors
/// If the archive cannot be obtained, or its files do not have the official sizes and checksums.
pub fn fetch_archive(
    of: OfficialDataset,
    mirror: Option<&str>,
    out: &Path,
    cx: &StageContext,
) -> Result<(), StageError> {
    let official: &'static OfficialArchive = match of {
        OfficialDataset::Cifar10 => &CIFAR10,
        OfficialDataset::Cifar100 => &CIFAR100,
        OfficialDataset::Stl10 => &STL10,
    };
    let local = locate::archive(official, None, mirror, cx)?;
    let (from, downloaded) = (local.path.clone(), local.downloaded);
    // Check sizes and checksums; a bad download is deleted.
    local.ingest(|_| Ok(()))?;
    let to = out.join(official.file);
    // The checkpoints may be on another file system.
    if !downloaded || std::fs::rename(&from, &to).is_err() {
        std::fs::copy(&from, &to)?;
    }
    Ok(())
}
