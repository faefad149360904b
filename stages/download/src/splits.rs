//! The names of split folders, and the split of each.

use std::collections::{BTreeMap, BTreeSet};

use igpt_contract::{ParamError, StageError};
use igpt_dataset::{Split, name_list, shown};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which top-level folders (or values of a label file's column `split`) are splits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Splits {
    /// `none`: no folder is a split; `train`, `val` and `test` are classes like any other.
    No(NoSplits),
    /// The names of each split.
    By(SplitNames),
}

/// The word `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NoSplits {
    /// No splits.
    None,
}

/// The folder names of each split, in upper or lower case. Images in other top-level folders are
/// skipped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitNames {
    /// The names for training images.
    #[serde(default)]
    pub train: OneOrMany,
    /// The names for test images.
    #[serde(default)]
    pub test: OneOrMany,
}

/// One name or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    fn all(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

/// The default names, in lower case.
const DEFAULT_NAMES: [(&str, Split); 5] = [
    ("train", Split::Train),
    ("val", Split::Test),
    ("valid", Split::Test),
    ("validation", Split::Test),
    ("test", Split::Test),
];

/// The split of each name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SplitMap {
    names: BTreeMap<String, Split>,
    /// Whether the user set them.
    pub(crate) given: bool,
}

impl SplitMap {
    /// The names that the parameter sets, or the default ones.
    pub(crate) fn new(splits: Option<&Splits>) -> Self {
        let names = match splits {
            None => DEFAULT_NAMES.map(|(name, split)| (name.to_owned(), split)).into(),
            Some(Splits::No(_)) => BTreeMap::new(),
            Some(Splits::By(SplitNames { train, test })) => {
                let pairs = |names: &OneOrMany, split| -> Vec<_> {
                    names.all().iter().map(|name| (name.to_lowercase(), split)).collect()
                };
                pairs(train, Split::Train).into_iter().chain(pairs(test, Split::Test)).collect()
            }
        };
        Self { names, given: splits.is_some() }
    }

    /// The split of a name, in any case.
    pub(crate) fn split(&self, name: &str) -> Option<Split> {
        self.names.get(&name.to_lowercase()).copied()
    }

    /// Whether there are no splits.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Refuses several test splits that the user did not name; `tests` are their names in lower case,
    /// and `refuse` makes an error that says where.
    ///
    /// # Errors
    /// If there are several.
    pub(crate) fn check_one_test(
        &self,
        tests: &BTreeSet<String>,
        refuse: impl FnOnce(&str) -> StageError,
    ) -> Result<(), StageError> {
        if self.given || tests.len() < 2 {
            return Ok(());
        }
        let tests = name_list(tests.iter().map(String::as_str));
        let what = format!("expected one test split, found {tests}");
        Err(refuse(&what).hint(
            "for example, `splits: {train: [train], test: [val]}` tests on `val`; `splits: {train: [train, val], \
             test: [test]}` also trains on it",
        ))
    }

    /// All names, for an error: `train`, `val`.
    pub(crate) fn listed(&self) -> String {
        let names: Vec<String> = self.names.keys().map(|name| format!("`{}`", shown(name))).collect();
        names.join(", ")
    }

    /// The names that are not among `found`.
    pub(crate) fn missing<'n>(&self, found: impl IntoIterator<Item = &'n str>) -> Vec<&str> {
        let found: Vec<String> = found.into_iter().map(str::to_lowercase).collect();
        self.names.keys().filter(|name| !found.contains(name)).map(String::as_str).collect()
    }
}

impl Splits {
    /// Refuses names that are not valid or are used twice.
    pub(crate) fn check(&self) -> Result<(), ParamError> {
        let Self::By(SplitNames { train, test }) = self else { return Ok(()) };
        let mut seen: Vec<String> = Vec::new();
        for name in train.all().iter().chain(test.all()) {
            let lower = name.to_lowercase();
            if lower.trim().is_empty() || lower.contains('/') {
                let what = format!("expected names of top folders, found `{}`", shown(name));
                return Err(ParamError::at("splits", what));
            }
            if seen.contains(&lower) {
                let what =
                    format!("expected each name once, found `{}` twice (case is ignored)", shown(name));
                return Err(ParamError::at("splits", what));
            }
            seen.push(lower);
        }
        if seen.is_empty() {
            let what = "expected names of folders, or `none`, found no names";
            return Err(ParamError::at("splits", what));
        }
        Ok(())
    }
}
