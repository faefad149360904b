//! What a search tried and chose, as the stages read it: one trains once more, one makes a table.

use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::error::StageError;

/// The content of a `choice` artifact (`choice.json`).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ChosenValue {
    /// The searched parameter, a dotted path.
    pub param: String,
    /// The winning value.
    pub value: Value,
    /// The name of the metric that decided.
    #[serde(default)]
    pub metric: String,
    /// Every value that was tried, in order.
    #[serde(default)]
    pub tried: Vec<TriedValue>,
}

/// A value that a search tried.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TriedValue {
    /// The value.
    pub value: Value,
    /// The metric that it came to; none where the candidate failed or diverged.
    pub metric: Option<f64>,
}

impl ChosenValue {
    /// Reads `choice.json` from an artifact's folder.
    ///
    /// # Errors
    /// If the file is missing or is no choice.
    pub fn read(folder: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(folder.join("choice.json"))?)?)
    }

    /// The number that a search chose for the parameter `param`, the only one that the reader takes.
    ///
    /// # Errors
    /// If the artifact is no choice, one of another parameter, or not of a number.
    pub fn number(folder: &Path, param: &str) -> Result<f64, StageError> {
        let choice = Self::read(folder)
            .map_err(|error| StageError::caused("the input `choice` is not what a search chose", error))?;
        if choice.param != param {
            let what = format!(
                "the input `choice` is a search's over `{}`, expected one over `{param}`",
                choice.param
            );
            return Err(StageError::new(what).hint("wire the `choice` of a search over that parameter"));
        }
        choice.value.as_f64().ok_or_else(|| {
            let what = format!("the input `choice` holds {} for `{param}`, expected a number", choice.value);
            StageError::new(what)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_of_another_parameter_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let write = |text: &str| std::fs::write(dir.path().join("choice.json"), text).unwrap();
        write(r#"{"param": "learning_rate", "value": 0.003, "metric": "loss.valid", "tried": []}"#);
        assert_eq!(ChosenValue::number(dir.path(), "learning_rate").unwrap(), 0.003);
        let error = ChosenValue::number(dir.path(), "learning_rates").unwrap_err().to_string();
        assert!(error.contains("over `learning_rate`, expected one over `learning_rates`"), "{error}");
        write(r#"{"param": "learning_rate", "value": "fast"}"#);
        let error = ChosenValue::number(dir.path(), "learning_rate").unwrap_err().to_string();
        assert!(error.contains("expected a number"), "{error}");
        write("{}");
        let error = ChosenValue::number(dir.path(), "learning_rate").unwrap_err().to_string();
        assert!(error.contains("not what a search chose"), "{error}");
    }
}
