//! The stage from artifacts to artifacts.

use igpt_concat::Concat;
use igpt_contract::{DynStage as _, MetricValues, StageError};
use igpt_dataset::{FeatureTable, LayerInfo, Split};
use igpt_testing::Trial;
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
            joined: Vec::new(),
            n_layer: 6,
            n_embd: DIM,
            preset: None,
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

/// The stage on layers whose probes have these accuracies.
fn trial(accuracies: &[f64]) -> Trial {
    trial_of((0..accuracies.len()).map(layer), accuracies)
}

fn trial_of(layers: impl IntoIterator<Item = FeatureTable>, accuracies: &[f64]) -> Trial {
    let mut trial = Trial::new(Concat);
    let features = trial.input("features");
    for (l, (layer, accuracy)) in layers.into_iter().zip(accuracies).enumerate() {
        let folder = features.join(l.to_string());
        std::fs::create_dir(&folder).unwrap();
        layer.write(&folder).unwrap();
        let probe = trial.labelled_input("metrics", [("layer".to_owned(), json!(l))].into());
        MetricValues::default().with("accuracy.valid", *accuracy).write(&probe).unwrap();
    }
    trial
}

fn run(trial: &Trial, params: Value) -> Result<(FeatureTable, MetricValues), StageError> {
    let outputs = trial.run(&params)?;
    let table = FeatureTable::read(outputs.folder("features")).unwrap();
    Ok((table, MetricValues::read(outputs.folder("metrics")).unwrap()))
}

#[test]
fn five_layers_round_the_best_become_one() {
    let trial = trial(&[0.1, 0.2, 0.3, 0.6, 0.5, 0.4, 0.3]);
    trial.check(&json!({}));
    let (table, metrics) = run(&trial, json!({})).unwrap();
    assert_eq!((table.dim, table.len(), table.info.layer), (5 * DIM, 7, 1));
    assert_eq!(table.info.joined, [1, 2, 3, 4, 5]);
    let row = |i: usize| (1..6).flat_map(move |l| (0..DIM).map(move |j| (100 * l + 10 * i + j) as f32));
    assert_eq!(table.row(4), row(4).collect::<Vec<f32>>());
    assert_eq!((table.ids, table.splits), (layer(1).ids, layer(1).splits));
    assert_eq!((metrics.values["layer.best"], metrics.values["features"]), (3.0, 15.0));
    assert_eq!(metrics.values["accuracy.valid"], 0.6);
    assert_eq!(metrics.facts["layers"], "1, 2, 3, 4, 5");
}

#[test]
fn the_last_layer_takes_those_before_it() {
    let trial = trial(&[0.1, 0.2, 0.3, 0.6, 0.5, 0.4, 0.7]);
    let (_, metrics) = run(&trial, json!({ "layers": 3 })).unwrap();
    assert_eq!(metrics.facts["layers"], "4, 5, 6");
    let (_, metrics) = run(&trial, json!({ "layers": 2, "lowest": true })).unwrap();
    assert_eq!(metrics.facts["layers"], "0, 1");
    let error = run(&trial, json!({ "metric": "accuracy.test" })).unwrap_err().to_string();
    assert!(error.contains("no metric `accuracy.test`"), "{error}");
}

#[test]
fn layers_of_other_images_are_refused() {
    let mut other = layer(2);
    other.ids[6] = 99;
    let trial = trial_of([layer(0), layer(1), other], &[0.1, 0.2, 0.3]);
    let error = run(&trial, json!({ "layers": 2 })).unwrap_err().to_string();
    assert!(error.contains("same images"), "{error}");
    assert_eq!(Concat.complete(&json!({ "layers": 0 })).unwrap_err().path, "layers");
}
