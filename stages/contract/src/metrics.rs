//! The `metrics` artifact: numbers by name, and curves.
//!
//! It holds no wall times: they change with every run, so equal results would no longer be equal bytes.
//! Times belong in the step's record.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// A curve: `(x, y)` points, in the order of `x`.
pub type Curve = Vec<(f64, f64)>;

/// The content of a `metrics` artifact. Not-a-number and the infinities are written as the strings
/// `NaN`, `inf` and `-inf`, so that a diverged loss survives.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricValues {
    /// Numbers by dotted name: `accuracy.test`, `loss.valid`, `layer.5.accuracy.valid`.
    #[serde(with = "values")]
    pub values: BTreeMap<String, f64>,
    /// Facts that are not numbers: `dataset`, `pooling`, `solver`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// Curves by name: `loss.train`, `accuracy.by_layer`.
    #[serde(default, with = "curves", skip_serializing_if = "BTreeMap::is_empty")]
    pub curves: BTreeMap<String, Curve>,
}

impl MetricValues {
    /// Reads `metrics.json` from an artifact's folder.
    ///
    /// # Errors
    /// If the file is missing or was not written by [`Self::write`].
    pub fn read(folder: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(folder.join("metrics.json"))?)?)
    }

    /// Writes `metrics.json` into an artifact's folder; equal values give equal bytes.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        std::fs::write(folder.join("metrics.json"), text)
    }

    /// The metrics with one more value.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: f64) -> Self {
        self.values.insert(name.into(), value);
        self
    }
}

mod values {
    use super::BTreeMap;
    use crate::float::Float;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<String, f64>, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(map.iter().map(|(name, value)| (name, Float::from(*value))))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, f64>, D::Error> {
        let map = BTreeMap::<String, Float>::deserialize(d)?;
        map.into_iter().map(|(name, value)| Ok((name, value.value()?))).collect()
    }
}

mod curves {
    use super::{BTreeMap, Curve};
    use crate::float::Float;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<String, Curve>, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(map.iter().map(|(name, curve)| {
            let points: Vec<(Float, Float)> = curve.iter().map(|&(x, y)| (x.into(), y.into())).collect();
            (name, points)
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, Curve>, D::Error> {
        let map = BTreeMap::<String, Vec<(Float, Float)>>::deserialize(d)?;
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
}
