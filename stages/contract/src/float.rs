//! Floats that may not be finite, as JSON: `NaN`, `inf` and `-inf` are written as strings.
//!
//! For fields: `#[serde(with = "igpt_contract::float")]`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A float or, where JSON has no number for it, a string.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Float {
    Finite(f64),
    Text(String),
}

impl From<f64> for Float {
    fn from(value: f64) -> Self {
        if value.is_finite() { Self::Finite(value) } else { Self::Text(value.to_string()) }
    }
}

impl Float {
    pub(crate) fn value<E: serde::de::Error>(self) -> Result<f64, E> {
        match self {
            Self::Finite(value) => Ok(value),
            Self::Text(text) => text.parse().map_err(|_| E::custom(format!("`{text}` is not a number"))),
        }
    }
}

/// Writes a float.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    Float::from(*value).serialize(serializer)
}

/// Reads a float.
///
/// # Errors
/// If the string is not a number.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Float::deserialize(deserializer)?.value()
}
