//! The stage from artifacts to artifacts.

use std::path::Path;

use igpt_concat::Concat;
use igpt_contract::{DynStage as _, LabelledInput, MetricValues, StageContext, StageError, StageIo};
use igpt_dataset::{FeatureTable, LayerInfo, Split};
use serde_json::{Value, json};

const DIM: usize = 3;

/// Features of 7 images: number j of row i of layer l is 100 l + 10 i + j.
fn layer(l: usize) -> FeatureTable {
    let n = 7;
    FeatureTable {
        info: LayerInfo {
            name: "numbers".into(),
            classes: vec!["a".into()],
            sets: Vec::new(),
            dim: DIM,
            layer: l,
            n_layer: 6,
            n_embd: DIM,
            pooling: "mean".into(),
            norm: "pre".into(),
            objective: "autoregressive".into(),
        },
        ids: (0..n as u64).collect(),
        splits: (0..n).map(|i| if i < 5 { Split::Train } else { Split::Test }).collect(),
        labels: vec![0; n],
        views: vec![0; n],
        dim: DIM,
        values: (0..n * DIM).map(|i| (100 * l + 10 * (i / DIM) + i % DIM) as f32).collect(),
    }
}

/// Runs the stage on layers 0 to 6 whose probes have these accuracies.
fn run(dir: &Path, accuracies: &[f64], params: Value) -> Result<(FeatureTable, MetricValues), StageError> {
    let folder = |name: &str| {
        let path = dir.join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    };
    let probes = accuracies.iter().enumerate().map(|(l, accuracy)| {
        if !dir.join(format!("features/{l}")).exists() {
            layer(l).write(&folder(&format!("features/{l}"))).unwrap();
        }
        let path = folder(&format!("probe {l}"));
        MetricValues::default().with("accuracy.valid", *accuracy).write(&path).unwrap();
        LabelledInput { path, labels: [("layer".to_owned(), json!(l))].into() }
    });
    let features = LabelledInput { path: dir.join("features"), labels: Default::default() };
    let inputs = [("metrics".to_owned(), probes.collect()), ("features".to_owned(), vec![features])];
    let out = tempfile::tempdir().unwrap();
    let output = |name: &str| {
        std::fs::create_dir(out.path().join(name)).unwrap();
        (name.to_owned(), out.path().join(name))
    };
    let io = StageIo { inputs: inputs.into(), outputs: ["features", "metrics"].map(output).into() };
    let cx = StageContext::new(0, 1, dir.join("checkpoints"), |_| {});
    Concat.run(&Concat.complete(&params).unwrap(), &io, &cx)?;
    let table = FeatureTable::read(&out.path().join("features")).unwrap();
    Ok((table, MetricValues::read(&out.path().join("metrics")).unwrap()))
}

#[test]
fn five_layers_round_the_best_become_one() {
    let dir = tempfile::tempdir().unwrap();
    let (table, metrics) = run(dir.path(), &[0.1, 0.2, 0.3, 0.6, 0.5, 0.4, 0.3], json!({})).unwrap();
    assert_eq!((table.dim, table.len(), table.info.layer), (5 * DIM, 7, 1));
    let row = |i: usize| (1..6).flat_map(move |l| (0..DIM).map(move |j| (100 * l + 10 * i + j) as f32));
    assert_eq!(table.row(4), row(4).collect::<Vec<f32>>());
    assert_eq!((table.ids, table.splits), (layer(1).ids, layer(1).splits));
    assert_eq!((metrics.values["layer.best"], metrics.values["features"]), (3.0, 15.0));
    assert_eq!(metrics.values["accuracy.valid"], 0.6);
    assert_eq!(metrics.facts["layers"], "1, 2, 3, 4, 5");
}

#[test]
fn the_last_layer_takes_those_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let accuracies = [0.1, 0.2, 0.3, 0.6, 0.5, 0.4, 0.7];
    let (_, metrics) = run(dir.path(), &accuracies, json!({ "layers": 3 })).unwrap();
    assert_eq!(metrics.facts["layers"], "4, 5, 6");
    let (_, metrics) = run(dir.path(), &accuracies, json!({ "layers": 2, "lowest": true })).unwrap();
    assert_eq!(metrics.facts["layers"], "0, 1");
    let error = run(dir.path(), &accuracies, json!({ "metric": "accuracy.test" })).unwrap_err().to_string();
    assert!(error.contains("no metric `accuracy.test`"), "{error}");
}

#[test]
fn layers_of_other_images_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut other = layer(2);
    other.ids[6] = 99;
    let path = dir.path().join("features/2");
    std::fs::create_dir_all(&path).unwrap();
    other.write(&path).unwrap();
    let error = run(dir.path(), &[0.1, 0.2, 0.3], json!({ "layers": 2 })).unwrap_err().to_string();
    assert!(error.contains("same images"), "{error}");
    assert_eq!(Concat.complete(&json!({ "layers": 0 })).unwrap_err().path, "layers");
}
