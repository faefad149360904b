//! The best layer by the metrics of its probes: the function that every stage which chooses a layer
//! calls.

use std::collections::BTreeMap;

use crate::error::StageError;
use crate::io::LabelledInput;
use crate::metrics::MetricValues;

/// The layer that was chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BestLayer {
    /// The layer l, from 0.
    pub layer: usize,
    /// The value of the metric at that layer.
    pub value: f64,
}

/// The layer with the highest value of `metric` (with `lowest`, the lowest) among metrics artifacts
/// that are labelled with `layer`, one for each layer. On a tie the lowest layer wins; not-a-number is
/// worse than any number.
///
/// # Errors
/// If there is no artifact, one lacks the label or the metric, two have the same layer, or no value is
/// a number.
pub fn best_layer(inputs: &[LabelledInput], metric: &str, lowest: bool) -> Result<BestLayer, StageError> {
    let mut values = BTreeMap::new();
    for input in inputs {
        let layer = layer_of(input)?;
        let metrics = MetricValues::read(&input.path).map_err(|e| {
            StageError::caused(format!("cannot read the metrics of the probe of layer {layer}"), e)
        })?;
        let Some(value) = metrics.values.get(metric) else {
            let there: Vec<String> = metrics.values.keys().map(|name| format!("`{name}`")).collect();
            let what =
                format!("the probe of layer {layer} has no metric `{metric}`; it has {}", there.join(", "));
            return Err(StageError::new(what).hint("without a validation split there is no `accuracy.valid`"));
        };
        if values.insert(layer, *value).is_some() {
            let what = format!("expected one probe of each layer, found several of layer {layer}");
            return Err(StageError::new(what).hint("the probes may differ only in the label `layer`"));
        }
    }
    if values.is_empty() {
        return Err(StageError::new("expected at least one probe to choose a layer by, found no probe")
            .hint("connect the metrics of every layer's probe: `metrics: probe.*`"));
    }
    let mut best: Option<BestLayer> = None;
    for (layer, value) in values.into_iter().filter(|(_, value)| !value.is_nan()) {
        let better = |best: BestLayer| if lowest { value < best.value } else { value > best.value };
        if best.is_none_or(better) {
            best = Some(BestLayer { layer, value });
        }
    }
    best.ok_or_else(|| StageError::new(format!("expected a number as `{metric}`, found only not-a-number")))
}

/// The layer that an artifact's label names.
fn layer_of(input: &LabelledInput) -> Result<usize, StageError> {
    let label = input.labels.get("layer");
    label.and_then(serde_json::Value::as_u64).and_then(|layer| usize::try_from(layer).ok()).ok_or_else(|| {
        let found = label.map_or("none".to_owned(), ToString::to_string);
        StageError::new(format!("expected probes with the label `layer`, an integer ≥ 0, found {found}"))
            .hint("give the probe `matrix: {layer: ...}` and connect all of its instances: `probe.*`")
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;

    fn probe(dir: &Path, name: &str, layer: Value, accuracy: f64) -> LabelledInput {
        let path = dir.join(name);
        std::fs::create_dir_all(&path).unwrap();
        MetricValues::default().with("accuracy.valid", accuracy).write(&path).unwrap();
        LabelledInput { path, labels: [("layer".to_owned(), layer)].into() }
    }

    #[test]
    fn the_first_of_the_best_layers_is_taken_and_nan_never() {
        let dir = tempfile::tempdir().unwrap();
        let values = [(10, 0.5), (2, 0.7), (3, f64::NAN), (4, 0.7)];
        let inputs: Vec<_> =
            values.iter().map(|(l, x)| probe(dir.path(), &l.to_string(), json!(l), *x)).collect();
        assert_eq!(best_layer(&inputs, "accuracy.valid", false).unwrap(), BestLayer { layer: 2, value: 0.7 });
        assert_eq!(best_layer(&inputs, "accuracy.valid", true).unwrap().layer, 10);
        assert!(best_layer(&inputs[2..3], "accuracy.valid", false).is_err());
    }

    #[test]
    fn what_cannot_be_compared_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |inputs: &[LabelledInput], metric: &str| {
            best_layer(inputs, metric, false).unwrap_err().to_string()
        };
        let one = probe(dir.path(), "one", json!(1), 0.5);
        assert!(refused(&[], "accuracy.valid").contains("no probe"));
        let error = refused(std::slice::from_ref(&one), "accuracy.test");
        assert!(error.contains("layer 1 has no metric `accuracy.test`; it has `accuracy.valid`"), "{error}");
        let error = refused(&[one.clone(), one], "accuracy.valid");
        assert!(error.contains("several of layer 1"), "{error}");
        let error = refused(&[probe(dir.path(), "text", json!("last"), 0.5)], "accuracy.valid");
        assert!(error.contains("found \"last\""), "{error}");
    }
}
