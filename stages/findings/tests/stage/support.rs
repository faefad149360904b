//! Small artifacts, and the stage run on them.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};

use igpt_contract::{
    DynStage, Known, KnownInput, KnownInputs, LabelledInput, Labels, MetricValues, Signal, Sought,
    StageContext, StageError, StageIo,
};
use igpt_dataset::{PredictionTable, RowKey, Split};
use igpt_findings::Findings;
use serde_json::Value;

/// Metrics with their labels, and perhaps predictions.
#[derive(Debug, Clone)]
pub(crate) struct Artifact {
    pub(crate) labels: Value,
    pub(crate) metrics: MetricValues,
    pub(crate) predictions: Option<PredictionTable>,
    /// Those of the metrics, unless a test says otherwise.
    pub(crate) predictions_labels: Option<Value>,
}

impl Artifact {
    pub(crate) fn with(mut self, name: &str, x: f64) -> Self {
        self.metrics = self.metrics.with(name, x);
        self
    }

    pub(crate) fn without_predictions(mut self) -> Self {
        self.predictions = None;
        self
    }
}

pub(crate) fn artifact(labels: Value, metrics: MetricValues) -> Artifact {
    Artifact { labels, metrics, predictions: None, predictions_labels: None }
}

/// The verdicts of a classifier of two classes on test images of class 1, and their accuracy.
pub(crate) fn judged(labels: Value, ids: &[u64], right: &[u8]) -> Artifact {
    let key = |id: &u64| RowKey { id: *id, split: Split::Test, label: 1, view: 0 };
    let log_probs = right.iter().flat_map(|right| match right {
        0 => [0.75_f32.ln(), 0.25_f32.ln()],
        _ => [0.25_f32.ln(), 0.75_f32.ln()],
    });
    let table = PredictionTable::new(ids.iter().map(key).collect(), 2, log_probs.collect());
    let metrics = MetricValues::default()
        .with("accuracy.test", table.accuracy().unwrap())
        .with("rows.test", ids.len() as f64);
    Artifact { predictions: Some(table), ..artifact(labels, metrics) }
}

/// What the stage wrote, and what it said.
#[derive(Debug, PartialEq)]
pub(crate) struct Written {
    pub(crate) md: String,
    pub(crate) tex: String,
    pub(crate) csv: String,
    pub(crate) metrics: MetricValues,
    pub(crate) notes: String,
}

fn labels(value: &Value) -> Labels {
    serde_json::from_value(value.clone()).unwrap()
}

/// What the stage said before it ran is true: nothing was missing, and it wrote no other names.
fn check_foreseen(artifacts: &[Artifact], params: &Value, written: &MetricValues) {
    let all: Vec<Labels> = artifacts.iter().map(|artifact| labels(&artifact.labels)).collect();
    let mut inputs = KnownInputs::default();
    for (artifact, labels) in artifacts.iter().zip(&all) {
        let known = Known::metrics(artifact.metrics.values.keys(), artifact.metrics.facts.keys());
        inputs.push("metrics", KnownInput { labels, known: Cow::Owned(known) });
    }
    assert_eq!(DynStage::misfits(&Findings, params, &inputs), []);
    let outputs = DynStage::foresee(&Findings, params, &inputs).outputs;
    let names = outputs["metrics"].metrics.as_ref().unwrap();
    for number in written.values.keys() {
        assert!(names.may_have(number, Sought::Number), "{number}");
    }
    assert!(written.facts.keys().all(|fact| names.facts.contains(fact)));
}

pub(crate) fn findings(artifacts: &[Artifact], params: &Value) -> Result<Written, StageError> {
    let root = tempfile::tempdir().unwrap();
    let folder = |name: String| {
        let path = root.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    };
    let (mut metrics, mut predictions) = (Vec::new(), Vec::new());
    for (i, artifact) in artifacts.iter().enumerate() {
        let path = folder(format!("metrics/{i}"));
        artifact.metrics.write(&path).unwrap();
        metrics.push(LabelledInput { path, labels: labels(&artifact.labels) });
        if let Some(table) = &artifact.predictions {
            let path = folder(format!("predictions/{i}"));
            table.write(&path).unwrap();
            let value = artifact.predictions_labels.as_ref().unwrap_or(&artifact.labels);
            predictions.push(LabelledInput { path, labels: labels(value) });
        }
    }
    let io = StageIo {
        inputs: [("metrics".to_owned(), metrics), ("predictions".to_owned(), predictions)].into(),
        outputs: ["table", "metrics"].map(|name| (name.to_owned(), folder(format!("out/{name}")))).into(),
    };
    let params =
        DynStage::complete(&Findings, params).map_err(|e| StageError::new(format!("{}: {e}", e.path)))?;
    let notes = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&notes);
    let sink = move |signal| {
        if let Signal::Note(text) = signal {
            heard.lock().unwrap().push_str(&format!("{text}\n"));
        }
    };
    DynStage::run(&Findings, &params, &io, &StageContext::new(0, 1, folder("checkpoints".into()), sink))?;
    let read = |path: &str| std::fs::read_to_string(root.path().join("out").join(path)).unwrap();
    let metrics = MetricValues::read(&root.path().join("out/metrics")).unwrap();
    check_foreseen(artifacts, &params, &metrics);
    Ok(Written {
        md: read("table/table.md"),
        tex: read("table/table.tex"),
        csv: read("table/table.csv"),
        metrics,
        notes: notes.lock().unwrap().clone(),
    })
}
