//! From a digest, or a file on disk, to the steps that made it.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use igpt_contract::{Digest, hash_file};
use rayon::prelude::*;

use crate::store::{Artifact, InputSource, Store, StoreError};

/// Fewer digits of a digest are no digest but a word.
pub const FEWEST_DIGITS: usize = 6;

/// An output of a step, or something within it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The step's key.
    pub key: Digest,
    /// The output port; none where the step itself was meant, by its key.
    pub port: Option<String>,
    /// The file or part within the output; empty where the whole output is meant.
    pub within: PathBuf,
    /// The digest of what is there; that of the key where the step was meant.
    pub digest: Digest,
}

/// What a file or folder on disk is.
#[derive(Debug, Clone, PartialEq)]
pub struct OnDisk {
    /// Where its bytes are outputs of steps; empty where none has them.
    pub places: Vec<Place>,
    /// The export that it is, or that it lies in, where the store has a note of one.
    pub export: Option<ExportNote>,
}

/// What the store noted of an export.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportNote {
    /// Where it was put.
    pub path: PathBuf,
    /// What was put there.
    pub artifact: Artifact,
}

/// Whether a text can be the beginning of a digest.
pub fn is_digest(text: &str) -> bool {
    (FEWEST_DIGITS..=64).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Where the digests are that begin like this: keys of steps; else outputs; else files of outputs; else parts
/// that were read. Sorted; the whole store is looked through.
///
/// # Errors
/// Where the store's records cannot be listed.
pub fn find(store: &Store, beginning: &str) -> Result<Vec<Place>, StoreError> {
    let keys = store.keys()?;
    let fits = |digest: &Digest| digest.to_string().starts_with(beginning);
    let steps = keys.iter().filter(|key| fits(key));
    let steps: Vec<Place> =
        steps.map(|key| Place { key: *key, port: None, within: PathBuf::new(), digest: *key }).collect();
    if !steps.is_empty() {
        return Ok(steps);
    }
    let outputs: Vec<(Digest, BTreeMap<String, Artifact>)> =
        keys.par_iter().filter_map(|key| Some((*key, store.outputs(key)?))).collect();
    let mut found = outputs_with(&outputs, &fits);
    if found.is_empty() {
        found = files_with(store, &outputs, &fits);
    }
    if found.is_empty() {
        found = parts_with(store, &keys, &fits);
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// What a file or a folder on disk is: by its bytes, and by what the store noted when it exported it. A
/// folder is known by its export alone.
///
/// # Errors
/// Where it cannot be read, or the store's records cannot be listed.
pub fn on_disk(store: &Store, path: &Path) -> Result<OnDisk, StoreError> {
    let export = store.export_at(path)?.map(|(path, artifact)| ExportNote { path, artifact });
    let digest = match path.is_dir() {
        true => export
            .as_ref()
            .filter(|export| real(&export.path) == real(path))
            .map(|export| export.artifact.digest),
        false => Some(
            hash_file(path).map_err(|source| StoreError::Io { doing: "read", path: path.into(), source })?.0,
        ),
    };
    let places = digest.map(|digest| find(store, &digest.to_string())).transpose()?.unwrap_or_default();
    Ok(OnDisk { places, export })
}

/// Of several places with the same bytes, the one that the latest run has; its key's step may stand in many
/// runs. Without a run that has one, the first.
pub fn latest(store: &Store, places: &[Place]) -> Option<Place> {
    if let [one] = places {
        return Some(one.clone());
    }
    let of_run = |run: crate::store::RunFolder| {
        let keys: HashSet<Digest> = run.keys().into_iter().collect();
        places.iter().find(|place| keys.contains(&place.key)).cloned()
    };
    let runs = store.runs().unwrap_or_default();
    runs.into_iter().rev().find_map(of_run).or_else(|| places.first().cloned())
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn outputs_with(
    outputs: &[(Digest, BTreeMap<String, Artifact>)],
    fits: &dyn Fn(&Digest) -> bool,
) -> Vec<Place> {
    let all = outputs
        .iter()
        .flat_map(|(key, ports)| ports.iter().map(move |(port, artifact)| (key, port, artifact)));
    let found = all.filter(|(_, _, artifact)| fits(&artifact.digest));
    let place = |(key, port, artifact): (&Digest, &String, &Artifact)| Place {
        key: *key,
        port: Some(port.clone()),
        within: PathBuf::new(),
        digest: artifact.digest,
    };
    found.map(place).collect()
}

/// Files in trees. Trees whose manifests are gone hold nothing that could be known.
fn files_with(
    store: &Store,
    outputs: &[(Digest, BTreeMap<String, Artifact>)],
    fits: &(dyn Fn(&Digest) -> bool + Sync),
) -> Vec<Place> {
    let within = |(key, ports): &(Digest, BTreeMap<String, Artifact>)| {
        let mut found = Vec::new();
        for (port, artifact) in ports.iter().filter(|(_, artifact)| !artifact.is_file()) {
            for entry in store.entries(artifact).unwrap_or_default() {
                if let Some((digest, _)) = entry.file().filter(|(digest, _)| fits(digest)) {
                    found.push(Place { key: *key, port: Some(port.clone()), within: entry.name, digest });
                }
            }
        }
        found
    };
    outputs.par_iter().flat_map_iter(within).collect()
}

/// Parts that steps read: their readers know whose they are, also when the whole is gone.
fn parts_with(store: &Store, keys: &[Digest], fits: &(dyn Fn(&Digest) -> bool + Sync)) -> Vec<Place> {
    let read = |key: &Digest| {
        let mut found = Vec::new();
        let Some(record) = store.record(key) else { return found };
        for (port, inputs) in &record.material.inputs {
            let sources = record.sources.get(port).map_or(&[][..], Vec::as_slice);
            for (input, source) in inputs.iter().zip(sources).filter(|(input, _)| fits(&input.digest)) {
                if let InputSource::Step { key, port, part } = source {
                    let within = part.as_deref().map(PathBuf::from).unwrap_or_default();
                    found.push(Place { key: *key, port: Some(port.clone()), within, digest: input.digest });
                }
            }
        }
        found
    };
    keys.par_iter().flat_map_iter(read).collect()
}
