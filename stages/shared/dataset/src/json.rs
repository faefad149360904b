//! JSON files of artifacts.

use std::path::Path;

use crate::error::DatasetError;

/// Reads a JSON file.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, DatasetError> {
    let bytes =
        std::fs::read(path).map_err(|error| DatasetError::caused(path, "cannot read the file", error))?;
    serde_json::from_slice(&bytes).map_err(|error| DatasetError::caused(path, "not the expected JSON", error))
}

/// Writes a JSON file, indented, with a newline at its end.
pub(crate) fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), DatasetError> {
    let failed = |error| DatasetError::caused(path, "cannot write the file", error);
    let mut text =
        serde_json::to_string_pretty(value).map_err(|error| failed(std::io::Error::from(error)))?;
    text.push('\n');
    std::fs::write(path, text).map_err(failed)
}
