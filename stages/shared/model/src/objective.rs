//! The training objectives, with their names in pipelines and files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The training objective of a network (section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Predicts each token from those before it.
    #[default]
    Autoregressive,
    /// Predicts masked tokens from all others.
    Bert,
}

impl Objective {
    /// `autoregressive` or `bert`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Autoregressive => "autoregressive",
            Self::Bert => "bert",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_pipelines() {
        for objective in [Objective::Autoregressive, Objective::Bert] {
            assert_eq!(serde_json::json!(objective), objective.as_str());
        }
    }
}
