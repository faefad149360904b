//! A network's files from the Hugging Face hub: those that are needed, and no pickle.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use igpt_contract::{StageContext, StageError};
use igpt_fetch::{FileRequest, fetch, find, record_source};
use serde::Deserialize;

/// The environment variable that names another place for the hub, as `huggingface_hub` has it: a
/// URL prefix. It never enters a key.
pub const ENDPOINT: &str = "HF_ENDPOINT";

/// The hub itself.
const HUB: &str = "https://huggingface.co";
/// The most bytes of a JSON file and of a weights file: iGPT-XL in single precision has 27 GB.
const JSON: u64 = 64 << 20;
const WEIGHTS: u64 = 64 << 30;

/// `model.safetensors.index.json`: which shard holds which tensor.
#[derive(Deserialize)]
struct ShardIndex {
    weight_map: std::collections::BTreeMap<String, String>,
}

/// Where the files of a repository are, and where they are put.
struct Repository<'a> {
    name: &'a str,
    revision: &'a str,
    base: String,
    folder: PathBuf,
    cx: &'a StageContext,
}

/// Downloads a network into the step's own folder, from where an interrupted download goes on.
///
/// # Errors
/// If the hub has no such repository, the repository no weights in safetensors, or the network must
/// not be used.
pub(crate) fn fetch_network(
    name: &str,
    revision: &str,
    endpoint: Option<&str>,
    cx: &StageContext,
) -> Result<PathBuf, StageError> {
    if cx.is_offline() {
        let what = format!("`{name}` is on the hub, and the network must not be used");
        return Err(StageError::new(what).hint("wire a folder that holds it as the input `from`"));
    }
    let endpoint = endpoint.unwrap_or(HUB).trim_end_matches('/');
    let base = format!("{endpoint}/{name}/resolve/{}", revision.replace('/', "%2F"));
    let folder = cx.checkpoint_dir().join(format!("{name}/{revision}").replace('/', "--"));
    let repository = Repository { name, revision, base, folder, cx };
    repository.get("config.json", JSON)?;
    // A folder that has none is refused later, with what may be wired instead.
    repository.look("preprocessor_config.json", JSON)?;
    if repository.look("model.safetensors", WEIGHTS)?.is_none() {
        let index =
            repository.look("model.safetensors.index.json", JSON)?.ok_or_else(|| repository.no_weights())?;
        for shard in shards(&index)? {
            repository.get(&shard, WEIGHTS)?;
        }
    }
    Ok(repository.folder)
}

impl Repository<'_> {
    fn look(&self, file: &str, limit: u64) -> Result<Option<PathBuf>, StageError> {
        self.wanted(file, limit, find)
    }

    fn get(&self, file: &str, limit: u64) -> Result<PathBuf, StageError> {
        self.wanted(file, limit, fetch)
    }

    fn wanted<R>(
        &self,
        file: &str,
        limit: u64,
        how: impl Fn(&FileRequest, &StageContext) -> Result<R, StageError>,
    ) -> Result<R, StageError> {
        let url = format!("{}/{file}", self.base);
        let elsewhere =
            format!("set `{ENDPOINT}` to a mirror, or wire a folder that holds the network as `from`");
        let wanted =
            FileRequest { url: &url, folder: &self.folder, name: file, limit, elsewhere: &elsewhere };
        let found = how(&wanted, self.cx)?;
        let path = self.folder.join(file);
        if path.is_file() {
            record_source(file, &url, &path, self.cx)?;
        }
        Ok(found)
    }

    /// A repository that has a pickle at most.
    fn no_weights(&self) -> StageError {
        let what = format!(
            "`{}` at `{}` has no `model.safetensors`; a `pytorch_model.bin` runs code when it is read: refused",
            self.name, self.revision
        );
        StageError::new(what).hint(
            "take a `revision` that has one (the hub's bot offers conversions as `refs/pr/N`), or convert it with \
             transformers, `save_pretrained(FOLDER, safe_serialization=True)`, and wire FOLDER as `from`",
        )
    }
}

/// The names of the shards.
fn shards(index: &Path) -> Result<BTreeSet<String>, StageError> {
    let ShardIndex { weight_map } = serde_json::from_slice(&std::fs::read(index)?)
        .map_err(|error| StageError::caused("`model.safetensors.index.json` is no index of shards", error))?;
    let shards: BTreeSet<String> = weight_map.into_values().collect();
    let plain = |name: &String| {
        name.ends_with(".safetensors")
            && !name.starts_with('.')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    match shards.iter().find(|name| !plain(name)) {
        Some(name) => {
            let name = igpt_dataset::shown(name);
            Err(StageError::new(format!("`model.safetensors.index.json`: `{name}` is no name of a shard")))
        }
        None => Ok(shards),
    }
}
