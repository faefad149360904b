//! The stage kinds that a pipeline may use, as the planner sees them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use igpt_contract::{DynStage, StageSpec};
use serde_json::Value;

/// The name of the built-in kind that runs shell commands.
pub const COMMAND: &str = "command";

/// The stage kinds by name.
#[derive(Default)]
pub struct Catalog(BTreeMap<&'static str, CatalogEntry>);

/// A stage kind with what the planner asks of it more than once.
pub struct CatalogEntry {
    /// The implementation.
    pub stage: Arc<dyn DynStage>,
    /// What it is and needs.
    pub spec: StageSpec,
    schema: OnceLock<Value>,
    defaults: OnceLock<Option<Value>>,
}

impl Catalog {
    /// A catalog of these stages. The last of several with one name is kept; `command` is built in
    /// and cannot be replaced.
    pub fn new(stages: impl IntoIterator<Item = Arc<dyn DynStage>>) -> Self {
        let entries = stages.into_iter().map(|stage| {
            let spec = stage.spec();
            (spec.name, CatalogEntry { stage, spec, schema: OnceLock::new(), defaults: OnceLock::new() })
        });
        Self(entries.filter(|(name, _)| *name != COMMAND).collect())
    }

    /// The stage of that name.
    pub fn get(&self, name: &str) -> Option<&CatalogEntry> {
        self.0.get(name)
    }

    /// Every stage, by name.
    pub fn entries(&self) -> impl Iterator<Item = &CatalogEntry> {
        self.0.values()
    }

    /// The names that `uses` may have, `command` included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().copied().chain([COMMAND])
    }
}

impl CatalogEntry {
    /// The JSON Schema of the parameters.
    pub fn schema(&self) -> &Value {
        self.schema.get_or_init(|| self.stage.params_schema().to_value())
    }

    /// The parameters of a step that gives none; `None` if some must be given.
    pub fn defaults(&self) -> Option<&Value> {
        self.defaults.get_or_init(|| self.stage.complete(&Value::Object(Default::default())).ok()).as_ref()
    }
}
