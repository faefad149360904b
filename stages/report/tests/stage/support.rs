//! Runs the stage on metrics that a test makes up.

use std::path::Path;
use std::sync::{Arc, Mutex};

use igpt_contract::{
    DynStage, LabelledInput, Labels, MetricValues, Signal, StageContext, StageError, StageIo,
};
use igpt_report::Report;
use serde_json::{Value, json};

/// An artifact: its labels and metrics.
pub(crate) type Artifact = (Value, MetricValues);

/// What the stage wrote: Markdown, LaTeX, CSV, cells, SVG, PNG, PDF; and what it said.
#[derive(Debug, PartialEq)]
pub(crate) struct Written {
    pub(crate) md: String,
    pub(crate) tex: String,
    pub(crate) csv: String,
    pub(crate) cells: Value,
    pub(crate) svg: String,
    pub(crate) png: Vec<u8>,
    pub(crate) pdf: Vec<u8>,
    pub(crate) caption: String,
    pub(crate) expectations: Value,
    pub(crate) notes: String,
}

fn labels(value: &Value) -> Labels {
    serde_json::from_value(value.clone()).unwrap()
}

pub(crate) fn report(artifacts: &[Artifact], params: &Value) -> Result<Written, StageError> {
    let root = tempfile::tempdir().unwrap();
    let folder = |name: String| {
        let path = root.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    };
    let inputs = artifacts.iter().enumerate().map(|(i, (value, metrics))| {
        let path = folder(format!("metrics/{i}"));
        metrics.write(&path).unwrap();
        LabelledInput { path, labels: labels(value) }
    });
    let io = StageIo {
        inputs: [("metrics".to_owned(), inputs.collect())].into(),
        outputs: ["table", "figure"].map(|name| (name.to_owned(), folder(name.to_owned()))).into(),
    };
    let params =
        DynStage::complete(&Report, params).map_err(|e| StageError::new(format!("{}: {e}", e.path)))?;
    let notes = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&notes);
    let facts = Arc::new(Mutex::new(Value::Null));
    let kept = Arc::clone(&facts);
    let sink = move |signal| match signal {
        Signal::Note(text) => heard.lock().unwrap().push_str(&format!("{text}\n")),
        Signal::Fact { name, value } if name == "expectations" => *kept.lock().unwrap() = value,
        _ => {}
    };
    DynStage::run(&Report, &params, &io, &StageContext::new(0, 1, folder("checkpoints".into()), sink))?;
    let read = |path: &str| std::fs::read_to_string(root.path().join(Path::new(path))).unwrap();
    Ok(Written {
        md: read("table/table.md"),
        tex: read("table/table.tex"),
        csv: read("table/table.csv"),
        cells: serde_json::from_str(&read("table/cells.json")).unwrap(),
        svg: read("figure/figure.svg"),
        png: std::fs::read(root.path().join("figure/figure.png")).unwrap(),
        pdf: std::fs::read(root.path().join("figure/figure.pdf")).unwrap(),
        caption: read("figure/caption.tex"),
        expectations: facts.lock().unwrap().clone(),
        notes: notes.lock().unwrap().clone(),
    })
}

pub(crate) fn probe(layer: u32, seed: u32, valid: f64, test: f64) -> Artifact {
    let mut metrics = MetricValues::default()
        .with("accuracy.valid", valid)
        .with("accuracy.test", test)
        .with("c", 0.01)
        .with("converged", 1.0);
    metrics.facts.insert("pooling".into(), "mean".into());
    (json!({"layer": layer, "seed": seed, "step": "probe", "port": "metrics"}), metrics)
}

pub(crate) fn layers() -> Vec<Artifact> {
    vec![
        probe(0, 1, 0.31, 0.30),
        probe(0, 2, 0.33, 0.31),
        probe(2, 1, 0.45, 0.44),
        probe(2, 2, 0.47, 0.46),
        probe(10, 1, 0.41, 0.40),
    ]
}

pub(crate) fn columns() -> Value {
    json!({
        "title": "Probes & layers",
        "rows": ["layer"],
        "columns": [
            {"title": "Valid (%)", "metric": "accuracy.valid", "percent": true},
            {"title": "Test (%)", "metric": "accuracy.test", "percent": true, "digits": 1},
            {"title": "C", "metric": "c"},
            {"title": "Pooling", "metric": "pooling"}
        ],
        "published": [
            {"row": "2", "column": "Test (%)", "value": 96.3, "source": "Chen et al. 2020, table 2"},
            {"row": "other_model", "column": "Test (%)", "value": 95, "source": "Chen et al. 2020, table 2"}
        ],
        "best": {"metric": "accuracy.valid"}
    })
}

/// An artifact with some numbers.
pub(crate) fn artifact(labels: Value, numbers: &[(&str, f64)]) -> Artifact {
    (labels, numbers.iter().fold(MetricValues::default(), |metrics, (name, x)| metrics.with(*name, *x)))
}

/// Whether a figure has a text of its own that says so.
pub(crate) fn says(svg: &str, text: &str) -> bool {
    svg.contains(&format!(">\n{text}\n</text>"))
}

/// Keeps a file for somebody to look at, in the folder that `IGPT_KEEP` names, if it names one.
pub(crate) fn keep(name: &str, bytes: &[u8]) {
    if let Some(folder) = std::env::var_os("IGPT_KEEP") {
        std::fs::write(Path::new(&folder).join(name), bytes).unwrap();
    }
}
