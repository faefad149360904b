//! What a search tried and chose, for the stages that read it: to train again, or to make a table.

use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::error::StageError;

/// The content of a `choice` artifact (`choice.json`).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ChosenValue {
    /// The dotted path of the parameter that was searched.
    pub param: String,
    /// The winning value.
    pub value: Value,
    /// The metric that was compared.
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
    /// The metric it reached; `None` if the candidate failed or diverged.
    pub metric: Option<f64>,
}

impl ChosenValue {
    /// Reads `choice.json` from an artifact's folder.
    ///
    /// # Errors
    /// If the file is missing or is not a choice.
    pub fn read(folder: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(folder.join("choice.json"))?)?)
    }

    /// The number that a search chose for the parameter `param`.
    ///
    /// # Errors
    /// If the artifact is not a choice, is of another parameter, or the value is not a number.
    pub fn number(folder: &Path, param: &str) -> Result<f64, StageError> {
        let choice = Self::read(folder)
            .map_err(|error| StageError::caused("the input `choice` is not the result of a search", error))?;
        if choice.param != param {
            let what = format!(
                "the input `choice` is of a search over `{}`, expected one over `{param}`",
                choice.param
            );
            return Err(
                StageError::new(what).hint("connect the output `choice` of a search over that parameter")
            );
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
        assert!(error.contains("not the result of a search"), "{error}");
    }
}
