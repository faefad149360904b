//! The `metrics` artifact: numbers by name, and curves.
//!
//! It holds no wall times: they change with every run, so equal results would no longer be equal bytes.
//! Times belong in the step's record.
//!
//! Steps in other languages write the same file, `metrics.json`: what is wrong with one is said with its
//! field and line.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::path::Path;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The name of the file.
pub const METRICS_FILE: &str = "metrics.json";

/// What the file looks like, for errors.
const SHAPE: &str = r#"{"values": {"accuracy": 0.5}, "facts": {"dataset": "mine"}, "curves": {"loss": [[0, 2.3], [1, 2.1]]}}"#;

/// A curve: `(x, y)` points, in the order of `x`.
pub type Curve = Vec<(f64, f64)>;

/// The content of a `metrics` artifact. Not-a-number and the infinities are written as the strings
/// `NaN`, `inf` and `-inf`, so that a diverged loss survives.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct MetricValues {
    /// Numbers by dotted name: `accuracy.test`, `loss.valid`, `layer.5.accuracy.valid`.
    #[serde(with = "values")]
    pub values: BTreeMap<String, f64>,
    /// Facts that are not numbers: `dataset`, `pooling`, `solver`.
    #[serde(default, deserialize_with = "facts::deserialize", skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// Curves by name: `loss.train`, `accuracy.by_layer`.
    #[serde(default, with = "curves", skip_serializing_if = "BTreeMap::is_empty")]
    pub curves: BTreeMap<String, Curve>,
}

impl MetricValues {
    /// Reads `metrics.json` from an artifact's folder.
    ///
    /// # Errors
    /// If the file is missing, or not of the form that [`Self::write`] writes: then the field, the line
    /// and the expected form are named.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let text = std::fs::read(folder.join(METRICS_FILE))?;
        Self::parse(&text).map_err(|what| io::Error::new(io::ErrorKind::InvalidData, what))
    }

    /// Reads the text of a `metrics.json`.
    ///
    /// # Errors
    /// What is wrong, where, and what was expected.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        // Editors on Windows begin a file so.
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        // A list would be taken for the fields in their order.
        if text.trim_ascii_start().starts_with(b"[") {
            return Err(format!(
                "`{METRICS_FILE}`: invalid type: sequence, expected an object; expected {SHAPE}"
            ));
        }
        serde_json::from_slice(text).map_err(|error| {
            let line = text.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1));
            let line = String::from_utf8_lossy(line.unwrap_or_default());
            // What Python's and JavaScript's writers make of a loss that diverged.
            // Below a field a fault of syntax comes as its text alone.
            let is_syntax = error.is_syntax() || error.to_string().contains("expected value");
            let bare = is_syntax && ["NaN", "Infinity", "nan", "inf"].iter().any(|word| line.contains(word));
            let hint = if bare {
                "; JSON has no such numbers: write \"NaN\", \"inf\" and \"-inf\" with quotes"
            } else {
                ""
            };
            format!("`{METRICS_FILE}`: {error}{hint}; expected {SHAPE}")
        })
    }

    /// Writes `metrics.json` into an artifact's folder; equal values give equal bytes.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        std::fs::write(folder.join(METRICS_FILE), text)
    }

    /// The metrics with one more value.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: f64) -> Self {
        self.values.insert(name.into(), value);
        self
    }
}

/// A map each of whose values is read with its name in front of what is wrong with it.
fn named<'de, T, D>(field: &'static str, deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct Named<T>(&'static str, PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Named<T> {
        type Value = BTreeMap<String, T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "an object for `{}`", self.0)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut read = BTreeMap::new();
            while let Some(name) = map.next_key::<String>()? {
                // The position at the end of the message is taken over by the error around it.
                let value = map
                    .next_value()
                    .map_err(|error| A::Error::custom(format!("`{}.{name}`: {error}", self.0)))?;
                if name.is_empty() {
                    return Err(A::Error::custom(format!("`{}` has a number without a name", self.0)));
                }
                if read.contains_key(&name) {
                    return Err(A::Error::custom(format!("`{}` has `{name}` twice", self.0)));
                }
                read.insert(name, value);
            }
            Ok(read)
        }
    }

    deserializer.deserialize_map(Named(field, PhantomData))
}

mod values {
    use super::BTreeMap;
    use crate::float::Float;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<String, f64>, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(map.iter().map(|(name, value)| (name, Float::from(*value))))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, f64>, D::Error> {
        let map: BTreeMap<String, Float> = super::named("values", d)?;
        map.into_iter().map(|(name, value)| Ok((name, value.value()?))).collect()
    }
}

mod facts {
    use super::BTreeMap;
    use serde::Deserializer;

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, String>, D::Error> {
        super::named("facts", d)
    }
}

mod curves {
    use super::{BTreeMap, Curve};
    use crate::float::Float;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<String, Curve>, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(map.iter().map(|(name, curve)| {
            let points: Vec<(Float, Float)> = curve.iter().map(|&(x, y)| (x.into(), y.into())).collect();
            (name, points)
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, Curve>, D::Error> {
        let map: BTreeMap<String, Vec<(Float, Float)>> = super::named("curves", d)?;
        map.into_iter()
            .map(|(name, points)| {
                let curve: Result<Curve, D::Error> =
                    points.into_iter().map(|(x, y)| Ok((x.value()?, y.value()?))).collect();
                Ok((name, curve?))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diverged_loss_survives_a_round_trip() {
        let mut metrics = MetricValues::default().with("loss", f64::NAN).with("accuracy", 0.1);
        metrics.curves.insert("loss".into(), vec![(0.0, 6.2), (1.0, f64::INFINITY)]);
        let dir = tempfile::tempdir().unwrap();
        metrics.write(dir.path()).unwrap();
        let read = MetricValues::read(dir.path()).unwrap();
        assert!(read.values["loss"].is_nan());
        assert_eq!(read.values["accuracy"], 0.1);
        assert_eq!(read.curves["loss"][1].1, f64::INFINITY);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_field_and_line() {
        for (text, what) in [
            ("{\"accuracy\": 0.5}", "missing field `values` at line 1"),
            ("[1]", "invalid type: sequence, expected an object"),
            ("{\"values\": {\n\"a\": null}}", "`values.a`: invalid type: null, expected a number, \"NaN\""),
            ("{\"values\": {\n\"a\": null}}", " at line 2 column 9"),
            (
                "{\"values\": {\"a\": \"high\"}}",
                "`values.a`: invalid value: string \"high\", expected a number",
            ),
            ("{\"values\": [1]}", "expected an object for `values`"),
            ("{\"values\": {\"a\": 1, \"b\": 2, \"a\": 3}}", "`values` has `a` twice"),
            ("{\"values\": {\"\": 1}}", "`values` has a number without a name"),
            ("{\"values\": {\"a\": NaN}}", "JSON has no such numbers: write \"NaN\""),
            (
                "{\"values\": {}, \"facts\": {\"n\": 3}}",
                "`facts.n`: invalid type: integer `3`, expected a string",
            ),
            ("{\"values\": {}, \"curves\": {\"c\": [1, 2]}}", "`curves.c`: invalid type: integer `1`"),
            ("", "EOF"),
        ] {
            let error = MetricValues::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(what), "{text}: no {what} in {error}");
            assert!(error.starts_with("`metrics.json`: ") && error.ends_with(SHAPE), "{error}");
        }
        let whole = MetricValues::parse(b"\xef\xbb\xbf{\"values\": {\"n\": 3}}").unwrap();
        assert_eq!(whole.values["n"], 3.0);
        assert_eq!(MetricValues::parse(SHAPE.as_bytes()).unwrap().curves["loss"].len(), 2);
    }
}
