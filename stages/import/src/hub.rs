//! Downloads the files of a network from the Hugging Face hub, and never a pickle.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use igpt_contract::{StageContext, StageError};
use igpt_fetch::{FileRequest, fetch, find, record_source};
use serde::Deserialize;

/// The environment variable with another URL prefix for the hub, as in `huggingface_hub`. It does not
/// affect the cache key.
pub const ENDPOINT: &str = "HF_ENDPOINT";

/// The hub's own URL.
const HUB: &str = "https://huggingface.co";
/// The most bytes of a JSON file and of a weights file: iGPT-XL in single precision has 27 GB.
const JSON: u64 = 64 << 20;
const WEIGHTS: u64 = 64 << 30;

/// `model.safetensors.index.json`: which shard holds which tensor.
#[derive(Deserialize)]
struct ShardIndex {
    weight_map: std::collections::BTreeMap<String, String>,
}

/// A repository and the folder for its files.
struct Repository<'a> {
    name: &'a str,
    revision: &'a str,
    base: String,
    folder: PathBuf,
    cx: &'a StageContext,
}

/// Downloads a network into the step's checkpoint folder, resuming an interrupted download.
///
/// # Errors
/// If the hub has no such repository, the repository has no safetensors, or the network may not be used.
pub(crate) fn fetch_network(
    name: &str,
    revision: &str,
    endpoint: Option<&str>,
    cx: &StageContext,
) -> Result<PathBuf, StageError> {
    if cx.is_offline() {
        let what = format!("`{name}` must be downloaded from the hub, and the network may not be used");
        return Err(StageError::new(what).hint("set `in: {from: path/to/folder}` to a local copy"));
    }
    let endpoint = endpoint.unwrap_or(HUB).trim_end_matches('/');
    let base = format!("{endpoint}/{name}/resolve/{}", revision.replace('/', "%2F"));
    let folder = cx.checkpoint_dir().join(format!("{name}/{revision}").replace('/', "--"));
    let repository = Repository { name, revision, base, folder, cx };
    repository.get("config.json", JSON)?;
    // A folder without it is refused later, with a hint.
    repository.try_get("preprocessor_config.json", JSON)?;
    if repository.try_get("model.safetensors", WEIGHTS)?.is_none() {
        let index = repository
            .try_get("model.safetensors.index.json", JSON)?
            .ok_or_else(|| repository.no_weights())?;
        for shard in shards(&index)? {
            repository.get(&shard, WEIGHTS)?;
        }
    }
    Ok(repository.folder)
}

impl Repository<'_> {
    fn try_get(&self, file: &str, limit: u64) -> Result<Option<PathBuf>, StageError> {
        self.download(file, limit, find)
    }

    fn get(&self, file: &str, limit: u64) -> Result<PathBuf, StageError> {
        self.download(file, limit, fetch)
    }

    fn download<R>(
        &self,
        file: &str,
        limit: u64,
        how: impl Fn(&FileRequest, &StageContext) -> Result<R, StageError>,
    ) -> Result<R, StageError> {
        let url = format!("{}/{file}", self.base);
        let elsewhere =
            format!("set `{ENDPOINT}` to a mirror, or `in: {{from: path/to/folder}}` to a local copy");
        let wanted =
            FileRequest { url: &url, folder: &self.folder, name: file, limit, elsewhere: &elsewhere };
        let found = how(&wanted, self.cx)?;
        let path = self.folder.join(file);
        if path.is_file() {
            record_source(file, &url, &path, self.cx)?;
        }
        Ok(found)
    }

    /// The error for a repository without safetensors.
    fn no_weights(&self) -> StageError {
        let what = format!(
            "`{}` at `{}` has no `model.safetensors`; pickles (`pytorch_model.bin`) are not supported, as reading one runs code",
            self.name, self.revision
        );
        StageError::new(what).hint(
            "set a `revision` that has one (the hub's bot offers conversions as `refs/pr/N`), or convert it with \
             transformers, `save_pretrained(FOLDER, safe_serialization=True)`, and set `in: {from: FOLDER}`",
        )
    }
}

/// The names of the shards.
fn shards(index: &Path) -> Result<BTreeSet<String>, StageError> {
    let ShardIndex { weight_map } = serde_json::from_slice(&std::fs::read(index)?).map_err(|error| {
        StageError::caused("`model.safetensors.index.json` is not a valid index of shards", error)
    })?;
    let shards: BTreeSet<String> = weight_map.into_values().collect();
    let plain = |name: &String| {
        name.ends_with(".safetensors")
            && !name.starts_with('.')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    match shards.iter().find(|name| !plain(name)) {
        Some(name) => {
            let name = igpt_dataset::shown(name);
            Err(StageError::new(format!(
                "`model.safetensors.index.json`: `{name}` is not a valid name of a shard"
            )))
        }
        None => Ok(shards),
    }
}
