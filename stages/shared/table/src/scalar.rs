//! Texts in parameters that may be written as numbers: `row: 2` names the row of layer 2.

use std::collections::BTreeMap;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize as _, Deserializer, de::Error as _};

use crate::value::Value;

/// The schema of a text that may be written as a number.
pub fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "number", "boolean"]})
}

/// The schema of such texts by their names.
pub fn map_schema(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "additionalProperties": schema(generator)})
}

/// A text, however it is written: `2` is the text that a label 2 is compared as.
///
/// # Errors
/// Where one is a list, a mapping or nothing.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    as_text(&serde_json::Value::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// Texts by their names.
///
/// # Errors
/// Where one is a list, a mapping or nothing.
pub fn map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
    let texts = values.into_iter().map(|(name, value)| Ok((name, as_text(&value)?)));
    texts.collect::<Result<_, String>>().map_err(D::Error::custom)
}

/// A list of texts.
///
/// # Errors
/// Where one is a list, a mapping or nothing.
pub fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let values = Vec::<serde_json::Value>::deserialize(deserializer)?;
    values.iter().map(as_text).collect::<Result<_, _>>().map_err(D::Error::custom)
}

/// The schema of a list of such texts.
pub fn list_schema(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": schema(generator)})
}

fn as_text(value: &serde_json::Value) -> Result<String, String> {
    match value {
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
            Err(format!("expected a string, a number, true or false; found `{value}`"))
        }
        scalar => Ok(Value::of(scalar).text()),
    }
}
