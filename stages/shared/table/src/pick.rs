//! The parameter that selects the best of several artifacts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Keeps only the best, by a metric, among artifacts that differ only in some labels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pick {
    /// The metric that decides: `accuracy.valid`, so that the best layer is chosen on validation
    /// images. It should not be the metric you show or compare: the best of several is better by
    /// chance alone. Ties go to the first in natural order.
    pub metric: String,
    /// The labels to choose over: `[layer]`. All other labels must be equal.
    pub over: Vec<String>,
    /// Whether the lowest value is the best, as for losses.
    #[serde(default)]
    pub lowest: bool,
}
