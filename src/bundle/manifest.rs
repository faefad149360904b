//! `bundle.json`: what a bundle holds and what it was made of.

use std::collections::BTreeSet;

use igpt_contract::Digest;
use serde::{Deserialize, Serialize};

use crate::store::Program;

/// The name of the manifest, the first file of a bundle.
pub(super) const NAME: &str = "bundle.json";

/// The name of the RO-Crate's metadata.
pub(super) const METADATA: &str = "ro-crate-metadata.json";

/// What it is; a number for its format.
pub const FORMAT: &str = "igpt-flow bundle 1";

/// What a bundle holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BundleManifest {
    /// What this is.
    pub format: String,
    /// The program that wrote it.
    pub program: Program,
    /// The pipeline's name.
    pub pipeline: String,
    /// The pipeline's file in the bundle.
    pub file: String,
    /// The profiles that were chosen.
    pub profiles: Vec<String>,
    /// The values that were set on the command line.
    pub sets: Vec<String>,
    /// The numerics class of the run.
    pub numerics: String,
    /// The steps of the plan that have results, in its order.
    pub steps: Vec<BundleStep>,
    /// The names of the steps all of whose inputs and outputs are in the bundle, so that they can run again.
    pub rebuildable: Vec<String>,
    /// Every other file, sorted by name.
    pub files: Vec<BundleFile>,
}

/// A step and its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BundleStep {
    /// The step's name with its labels.
    pub name: String,
    /// Its key.
    pub key: Digest,
}

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BundleFile {
    /// Its name in the bundle.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// The digest of its bytes.
    pub digest: Digest,
}

impl BundleFile {
    /// The object that it is, where it lies among the objects.
    pub fn object(&self) -> Option<Digest> {
        let (digits, rest) = self.name.strip_prefix("store/objects-v1/")?.split_once('/')?;
        format!("{digits}{rest}").parse().ok().filter(|_| digits.len() == 2)
    }

    /// The key whose record it is, where it lies among the records.
    pub fn record(&self) -> Option<Digest> {
        let (digits, rest) = self.name.strip_prefix("store/records-v2/")?.split_once('/')?;
        let key: Digest = rest.strip_suffix(".json")?.parse().ok()?;
        (digits.len() == 2 && rest.starts_with(digits)).then_some(key)
    }

    /// Whether a bundle may hold a file of this name: an object under its own digest, a record, a text of the
    /// pipeline that stays in its folder, or the metadata.
    fn is_allowed(&self) -> bool {
        let is_text = || {
            let path = self.name.strip_prefix("pipeline/");
            let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
            path.is_some_and(|path| path.split('/').all(is_plain) && !path.contains(['\\', '\0']))
        };
        self.object().is_some_and(|object| object == self.digest)
            || self.record().is_some()
            || self.name == METADATA
            || is_text()
    }
}

impl BundleManifest {
    /// What is wrong with it: names that lead elsewhere, names that stand twice, more bytes than `most`.
    pub(super) fn fault(&self, most: u64) -> Option<String> {
        if self.format != FORMAT {
            return Some(format!("it is of the format `{}`, and `{FORMAT}` was expected", self.format));
        }
        let mut seen = BTreeSet::new();
        let mut total = 0_u64;
        for file in &self.files {
            if !file.is_allowed() {
                return Some(format!("it lists `{}`, which is no name of a file in a bundle", file.name));
            }
            if !seen.insert(&*file.name) {
                return Some(format!("it lists `{}` twice", file.name));
            }
            total = total.saturating_add(file.bytes);
        }
        if total > most {
            return Some(format!(
                "it unpacks to {total} bytes, more than the limit of {most} (`--max-size`)"
            ));
        }
        if !self.file.starts_with("pipeline/") || !seen.contains(&*self.file) {
            return Some(format!("its pipeline `{}` is not among its files", self.file));
        }
        None
    }
}
