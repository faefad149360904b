//! The objectives' names, as pipelines and files spell them.

use crate::weights::Objective;

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
