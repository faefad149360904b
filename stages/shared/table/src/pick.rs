//! How a pipeline asks for the best of several artifacts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Of artifacts that differ only in some labels, the best by a metric.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pick {
    /// The name of the number that decides: `accuracy.valid`, so that the best layer is chosen by
    /// validation. It should not be the number that is shown or compared, or the best is better by
    /// chance alone. Of equal artifacts the first in natural order is taken.
    pub metric: String,
    /// The labels that are chosen among: `[layer]`. All other labels must agree.
    pub over: Vec<String>,
    /// Whether the lowest wins (losses).
    #[serde(default)]
    pub lowest: bool,
}
