//! The stage from end to end: from a folder of features to metrics and predictions.

use std::path::Path;

use std::sync::{Arc, Mutex};

use igpt_contract::{DynStage, LabelledInput, MetricValues, Signal, StageContext, StageError, StageIo};
use igpt_dataset::{FeatureTable, Fold, FoldTable, LayerInfo, PredictionTable, Split};
use igpt_probe::Probe;
use igpt_testing::Trial;
use serde_json::{Value, json};

const OUTPUTS: [&str; 3] = ["metrics", "predictions", "folds"];

/// Three classes, 240 training and 60 test images of 5 features: clusters that overlap a little.
fn table() -> FeatureTable {
    let (train, test, dim) = (240, 60, 5);
    let n = train + test;
    let labels: Vec<i32> = (0..n).map(|i| (i * 7 % 3) as i32).collect();
    // A fixed scatter: digits of an irrational multiple, evenly spread in [-1, 1).
    let noise = |i: usize| (i as f64 * 0.618_033_988_749_895).fract() * 2.0 - 1.0;
    let value = |row: usize, j: usize| {
        let class = labels[row] as f64;
        (1.4 * (class * (j + 1) as f64).sin() + 1.5 * noise(row * dim + j) + 0.5) as f32
    };
    let info = LayerInfo {
        name: "clusters".into(),
        classes: ["a", "b", "c"].map(String::from).into(),
        sets: Vec::new(),
        dim,
        layer: 2,
        joined: Vec::new(),
        n_layer: 4,
        n_embd: dim,
        preset: None,
        pooling: "mean".into(),
        norm: "pre".into(),
        objective: "autoregressive".into(),
    };
    FeatureTable {
        info,
        ids: (0..train as u64).chain(0..test as u64).collect(),
        splits: (0..n).map(|i| if i < train { Split::Train } else { Split::Test }).collect(),
        values: (0..n * dim).map(|i| value(i / dim, i % dim)).collect(),
        labels,
        views: vec![0; n],
        dim,
    }
}

/// Runs the stage on a table; the bytes of its two files.
fn run_on(
    table: &FeatureTable,
    params: &Value,
    threads: usize,
    out: &Path,
) -> Result<[Vec<u8>; 2], StageError> {
    let folder = |name: &str| {
        let path = out.join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    };
    table.write(&folder("features")).unwrap();
    let input = LabelledInput { path: out.join("features"), labels: Default::default() };
    let outputs = OUTPUTS.map(|name| (name.to_owned(), folder(name)));
    let io = StageIo { inputs: [("features".to_owned(), vec![input])].into(), outputs: outputs.into() };
    let params =
        DynStage::complete(&Probe, params).map_err(|e| StageError::new(format!("{}: {e}", e.path)))?;
    DynStage::run(&Probe, &params, &io, &StageContext::new(0, threads, out.join("checkpoints"), |_| {}))?;
    Ok(["metrics/metrics.json", "predictions/predictions.parquet"]
        .map(|f| std::fs::read(out.join(f)).unwrap()))
}

/// Runs it in a folder of its own, and reads what it wrote.
fn run(params: Value) -> Result<(MetricValues, PredictionTable), StageError> {
    let out = tempfile::tempdir().unwrap();
    run_on(&table(), &params, 1, out.path())?;
    let metrics = MetricValues::read(&out.path().join("metrics")).unwrap();
    Ok((metrics, PredictionTable::read(&out.path().join("predictions")).unwrap()))
}

#[test]
fn metrics_and_predictions_tell_the_same_story() {
    let (metrics, predictions) = run(json!({"c": [0.01, 1, 100]})).unwrap();
    assert_eq!(predictions.keys.len(), 60);
    assert_eq!(predictions.accuracy().unwrap(), metrics.values["accuracy.test"]);
    assert!(metrics.values["accuracy.test"] > 0.6, "{}", metrics.values["accuracy.test"]);
    assert_eq!(metrics.values["rows.valid"], 24.0);
    // Refitted on all training images.
    assert_eq!(metrics.values["rows.train"], 240.0);
    assert_eq!(metrics.values["converged"], 1.0);
    assert_eq!(metrics.values["layer"], 2.0);
    assert_eq!((metrics.facts["pooling"].as_str(), metrics.facts["norm"].as_str()), ("mean", "pre"));
    let curve = &metrics.curves["accuracy.valid.by_c"];
    assert_eq!(curve.iter().map(|(c, _)| *c).collect::<Vec<_>>(), [0.01, 1.0, 100.0]);
    let best = curve.iter().map(|(_, accuracy)| *accuracy).fold(0.0, f64::max);
    assert_eq!(metrics.values["accuracy.valid"], best);
}

#[test]
fn the_contract_is_kept() {
    let mut trial = Trial::new(Probe);
    table().write(&trial.input("features")).unwrap();
    trial.check(&json!({}));
}

#[test]
fn the_same_bytes_at_every_run_and_on_any_number_of_threads() {
    let bytes = |threads, params: &Value| {
        run_on(&table(), params, threads, tempfile::tempdir().unwrap().path()).unwrap()
    };
    for params in [json!({}), json!({"solver": "sgd", "steps": 300, "train_rows": 200})] {
        assert_eq!(bytes(1, &params), bytes(1, &params));
        assert_eq!(bytes(1, &params), bytes(3, &params));
    }
}

#[test]
fn descent_tries_rates_from_large_to_small_and_stops_at_the_first_worse() {
    let (metrics, _) = run(json!({"solver": "sgd", "steps": 500, "learning_rates": [0.01, 30, 1]})).unwrap();
    let curve = &metrics.curves["accuracy.valid.by_learning_rate"];
    let rates: Vec<f64> = curve.iter().map(|(rate, _)| *rate).collect();
    assert!([30.0, 1.0, 0.01].starts_with(&rates) && rates.len() > 1, "{rates:?}");
    let worse = curve.windows(2).position(|pair| pair[1].1 < pair[0].1);
    assert!(worse.is_none_or(|at| at + 2 == curve.len()), "{curve:?}");
    assert!(rates.contains(&metrics.values["learning_rate"]));
}

#[test]
fn few_labels_are_drawn_by_their_own_seed() {
    let few = |seed| run(json!({"labels_per_class": 10, "label_seed": seed})).unwrap().0;
    let (one, two) = (few(1), few(2));
    assert_eq!(one.values["rows.train"], 30.0);
    assert_ne!(one.values["objective"], two.values["objective"]);
    let error = run(json!({"labels_per_class": 100})).unwrap_err();
    assert!(error.to_string().contains("fewer labels"), "{error}");
    let error = run(json!({"train_rows": 1000})).unwrap_err();
    assert!(error.to_string().contains("found 240"), "{error}");
}

#[test]
fn without_validation_there_is_no_validation_score() {
    let (metrics, _) = run(json!({"validation": {"fraction": 0}})).unwrap();
    assert!(!metrics.values.contains_key("accuracy.valid"));
    assert_eq!((metrics.values["rows.train"], metrics.values["rows.valid"]), (240.0, 0.0));
}

/// Section 4.6: a probe fitted under one mask, evaluated under several.
#[test]
fn the_masks_of_a_bert_network_vote() {
    let mut several = table();
    several.info.objective = "bert".into();
    let single = several.clone();
    // Views 1 and 2 of each test image are those of other images of its class, 3 and 6 rows on.
    let test: Vec<usize> = single.rows_of(Split::Test).collect();
    let rows: Vec<(usize, u16)> = (0..240)
        .map(|row| (row, 0))
        .chain(test.iter().flat_map(|row| (0..3).map(move |view| (*row, view))))
        .collect();
    let source =
        |row: usize, view: u16| if row < 240 { row } else { 240 + (row - 240 + 3 * view as usize) % 60 };
    several.ids = rows.iter().map(|(row, _)| single.ids[*row]).collect();
    several.splits = rows.iter().map(|(row, _)| single.splits[*row]).collect();
    several.labels = rows.iter().map(|(row, _)| single.labels[*row]).collect();
    several.views = rows.iter().map(|(_, view)| *view).collect();
    several.values = rows.iter().flat_map(|(row, view)| single.row(source(*row, *view)).to_vec()).collect();
    let run = |table: &FeatureTable| {
        let out = tempfile::tempdir().unwrap();
        run_on(table, &json!({}), 1, out.path()).unwrap();
        let metrics = MetricValues::read(&out.path().join("metrics")).unwrap();
        (metrics, PredictionTable::read(&out.path().join("predictions")).unwrap())
    };
    let ((one, _), (three, predictions)) = (run(&single), run(&several));
    assert_eq!(one.values["accuracy.test"], three.values["accuracy.test"]);
    assert_eq!((one.values["rows.test"], three.values["rows.test"]), (60.0, 60.0));
    assert!(!one.values.contains_key("accuracy.test.masks"));
    assert_eq!(predictions.keys.len(), 180);
    let right = predictions
        .predicted
        .chunks(3)
        .zip(test)
        .filter(|(votes, row)| votes.iter().filter(|class| **class == single.labels[*row]).count() > 1);
    // Three votes for three classes tie now and then; the draw may then be right too.
    let (right, voted) = (right.count() as f64 / 60.0, three.values["accuracy.test.masks"]);
    assert!(voted >= right && voted > three.values["accuracy.test"], "{right} {voted}");
    assert_eq!(three.values["masks.test"], 3.0);
}

#[test]
fn a_class_without_training_examples_is_never_predicted() {
    let mut table = table();
    for row in 0..240 {
        if table.labels[row] == 1 {
            table.labels[row] = -1;
        }
    }
    let out = tempfile::tempdir().unwrap();
    run_on(&table, &json!({}), 1, out.path()).unwrap();
    let predictions = PredictionTable::read(&out.path().join("predictions")).unwrap();
    assert!(predictions.predicted.iter().all(|class| *class != 1));
    assert_eq!(predictions.log_probs[1], f32::NEG_INFINITY);
    assert_eq!(MetricValues::read(&out.path().join("metrics")).unwrap().values["loss.test"], f64::INFINITY);
}

/// Runs the stage on a table; its metrics, and what it said.
fn told(table: &FeatureTable, params: &Value) -> Result<(MetricValues, String), StageError> {
    let out = tempfile::tempdir().unwrap();
    let folder = |name: &str| {
        let path = out.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    };
    table.write(&folder("features")).unwrap();
    let input = LabelledInput { path: folder("features"), labels: Default::default() };
    let outputs = OUTPUTS.map(|name| (name.to_owned(), folder(name)));
    let io = StageIo { inputs: [("features".to_owned(), vec![input])].into(), outputs: outputs.into() };
    let params =
        DynStage::complete(&Probe, params).map_err(|e| StageError::new(format!("{}: {e}", e.path)))?;
    let notes = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&notes);
    let sink = move |signal| {
        if let Signal::Note(text) = signal {
            heard.lock().unwrap().push_str(&format!("{text}\n"));
        }
    };
    DynStage::run(&Probe, &params, &io, &StageContext::new(0, 1, folder("checkpoints"), sink))?;
    let said = notes.lock().unwrap().clone();
    Ok((MetricValues::read(&out.path().join("metrics")).unwrap(), said))
}

fn refused(table: &FeatureTable, params: Value) -> String {
    told(table, &params).unwrap_err().to_string()
}

/// The first `train` training images of the table, and its test images.
fn shortened(train: usize) -> FeatureTable {
    let whole = table();
    let rows: Vec<usize> = (0..train).chain(240..300).collect();
    FeatureTable {
        ids: rows.iter().map(|row| whole.ids[*row]).collect(),
        splits: rows.iter().map(|row| whole.splits[*row]).collect(),
        labels: rows.iter().map(|row| whole.labels[*row]).collect(),
        views: vec![0; rows.len()],
        values: rows.iter().flat_map(|row| whole.row(*row).to_vec()).collect(),
        ..whole
    }
}

#[test]
fn a_choice_without_held_out_images_is_refused() {
    // A tenth of 4 images rounds to none.
    let table = shortened(4);
    let error = refused(&table, json!({"c": [0.001, 1, 1000]}));
    assert!(error.contains("`c` is a list to choose from, and none of the 4 labelled"), "{error}");
    let error = refused(&table, json!({"solver": "sgd", "steps": 10}));
    assert!(error.contains("`learning_rates` is a list"), "{error}");
    assert!(refused(&table, json!({"c": [1, 2], "validation": {"fraction": 0}})).starts_with("c: "));
    // Nothing is chosen: nothing is refused, and there is no validation score.
    let (metrics, said) = told(&table, &json!({})).unwrap();
    assert!(said.contains("there is no validation score"), "{said}");
    assert!(!metrics.values.contains_key("accuracy.valid"));
    // A list of one value twice is no choice.
    assert!(told(&table, &json!({"c": [1, 1]})).is_ok());
}

#[test]
fn a_draw_of_few_labels_has_every_class_held_out_and_trained_on() {
    for seed in 0..5 {
        let params = json!({"labels_per_class": 2, "label_seed": seed, "c": [0.1, 1], "refit": false});
        let (metrics, said) = told(&table(), &params).unwrap();
        assert_eq!((metrics.values["rows.train"], metrics.values["rows.valid"]), (3.0, 3.0));
        assert!(!said.contains("warning"), "{said}");
    }
    // One label a class trains: nothing is left to choose by.
    let error = refused(&table(), json!({"labels_per_class": 1, "c": [0.1, 1]}));
    assert!(error.contains("`c` is a list to choose from"), "{error}");
    // Where the held-out images lack a class it is said.
    let (_, said) = told(&shortened(12), &json!({"c": [0.1, 1]})).unwrap();
    assert!(said.contains("classes without any of the 1 held-out images"), "{said}");
}

#[test]
fn test_images_without_labels_are_an_error_unless_that_is_meant() {
    let mut table = table();
    table.labels[240..].fill(-1);
    let error = refused(&table, json!({}));
    assert!(error.contains("none of the 60 test images has a label"), "{error}");
    let (metrics, said) = told(&table, &json!({"unlabelled_test": "keep"})).unwrap();
    assert!(said.contains("there are no test scores"), "{said}");
    assert!(metrics.values.keys().all(|name| name != "accuracy.test" && name != "loss.test"));
    assert_eq!(metrics.values["rows.test"], 0.0);
    table.labels[240] = 1;
    let (metrics, said) = told(&table, &json!({})).unwrap();
    assert!(said.contains("59 of 60 test images have no label"), "{said}");
    assert_eq!(metrics.values["rows.test"], 1.0);
}

#[test]
fn test_classes_without_training_images_are_named_before_the_fit() {
    let mut table = table();
    table.labels[..240].iter_mut().filter(|label| **label == 1).for_each(|label| *label = -1);
    let (metrics, said) = told(&table, &json!({})).unwrap();
    let untrained = table.labels[240..].iter().filter(|label| **label == 1).count();
    let note =
        format!("warning: {untrained} of 60 test images (33 %) are of 1 class without training images: b;");
    let (before, after) = (said.find(&note), said.find("C 1:"));
    assert!(before.is_some_and(|before| after.is_some_and(|after| before < after)), "{said}");
    assert_eq!(metrics.values["rows.test.untrained"], untrained as f64);
    let (metrics, said) = told(&shortened(240), &json!({})).unwrap();
    assert!(!said.contains("warning") && !metrics.values.contains_key("rows.test.untrained"), "{said}");
}

#[test]
fn the_folds_are_among_the_artifacts() {
    let out = tempfile::tempdir().unwrap();
    let mut table = table();
    table.labels[7] = -1;
    run_on(&table, &json!({}), 1, out.path()).unwrap();
    let folds = FoldTable::read(&out.path().join("folds")).unwrap().rows;
    let count = |fold| folds.iter().filter(|row| row.fold == fold).count() as f64;
    let metrics = MetricValues::read(&out.path().join("metrics")).unwrap().values;
    // Refitted: the held-out images are among those that it was fitted to.
    assert_eq!(count(Fold::Train) + count(Fold::Valid), metrics["rows.train"]);
    assert_eq!((count(Fold::Valid), count(Fold::Test)), (metrics["rows.valid"], 60.0));
    assert_eq!((folds.len(), folds[7].fold, folds[7].id), (300, Fold::Unused, 7));
    assert!(folds.iter().all(|row| &*row.set == "clusters" && row.image == row.id));
    // The classes that predictions name are in their file.
    let predictions = PredictionTable::read(&out.path().join("predictions")).unwrap();
    assert_eq!(predictions.about["igpt.classes"], r#"["a","b","c"]"#);
    assert_eq!(predictions.about["igpt.dataset"], "clusters");
}

#[test]
fn validation_scores_are_those_of_a_fit_that_has_not_seen_the_images() {
    let (refitted, _) = told(&table(), &json!({"c": [0.01, 1]})).unwrap();
    let (first, _) = told(&table(), &json!({"c": [0.01, 1], "refit": false})).unwrap();
    assert_eq!((refitted.values["refit"], first.values["refit"]), (1.0, 0.0));
    assert_eq!(refitted.values["accuracy.valid"], first.values["accuracy.valid"]);
    assert!(!refitted.values.contains_key("loss.valid") && first.values.contains_key("loss.valid"));
    assert_ne!(refitted.values["loss.train"], first.values["loss.train"]);
}

#[test]
fn a_fit_that_has_not_converged_is_told_and_measured() {
    let (metrics, said) = told(&table(), &json!({"max_iterations": 2})).unwrap();
    assert!(said.contains("the last fit, with C 1, has not converged: after 2 iterations"), "{said}");
    assert!(said.contains("raise `max_iterations`"), "{said}");
    assert_eq!((metrics.values["converged"], metrics.values["converged.search"]), (0.0, 0.0));
    assert!(metrics.values["gradient"] > 1e-6);
    let (metrics, said) = told(&table(), &json!({})).unwrap();
    assert!(metrics.values["gradient"] <= 1e-6 && !said.contains("not converged"), "{said}");
    assert_eq!((metrics.values["converged"], metrics.values["converged.search"]), (1.0, 1.0));
    // A descent ends after its steps: it has a gradient, and no `converged` that would always be 0.
    let (metrics, said) = told(&table(), &json!({"solver": "sgd", "steps": 20})).unwrap();
    assert!(!metrics.values.contains_key("converged") && metrics.values["gradient"] > 0.0);
    assert!(!said.contains("converged"), "{said}");
}

/// Two classes: the descent seeks the same minimum as L-BFGS, whose numbers are scikit-learn's.
#[test]
fn both_solvers_have_one_objective_for_two_classes() {
    let mut table = table();
    table.labels.iter_mut().for_each(|label| *label = i32::from(*label == 2));
    let common = json!({"validation": {"fraction": 0}, "c": 0.01});
    let with = |more: Value| {
        let mut params = common.clone();
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        told(&table, &params).unwrap().0.values
    };
    let exact = with(json!({}));
    let descent = with(json!({"solver": "sgd", "steps": 4000, "learning_rates": [0.3, 0.1]}));
    for name in ["objective", "loss.train", "loss.test"] {
        let off = (descent[name] / exact[name] - 1.0).abs();
        assert!(off < 1e-4, "{name}: {} and {}", descent[name], exact[name]);
    }
}

#[test]
fn odd_features_and_extreme_penalties_give_numbers_or_named_errors() {
    let finite = |table: &FeatureTable, params: Value| {
        let (metrics, said) = told(table, &params).unwrap();
        let bad: Vec<_> = metrics.values.iter().filter(|(_, value)| !value.is_finite()).collect();
        assert!(bad.is_empty(), "{bad:?} {said}");
        metrics.values
    };
    // Next to nothing is learnt at one end, everything that there is at the other.
    let guess = finite(&table(), json!({"c": 1e-30}));
    assert!((guess["loss.train"] - 3f64.ln()).abs() < 1e-3, "{guess:?}");
    let (last, most) = (finite(&table(), json!({"c": 1e30})), finite(&table(), json!({"c": 1e6})));
    assert!((last["loss.train"] - most["loss.train"]).abs() < 1e-3, "{last:?} {most:?}");
    assert_eq!(last["accuracy.train"], most["accuracy.train"]);
    // A constant feature says nothing, scaled or not; only constant ones leave guessing.
    let mut constant = table();
    constant.values.chunks_mut(5).for_each(|row| row[2] = 7.25);
    finite(&constant, json!({}));
    finite(&constant, json!({"standardise": false}));
    constant.values.fill(0.1);
    let guess = finite(&constant, json!({}));
    assert!((guess["loss.train"] - 3f64.ln()).abs() < 1e-2, "{guess:?}");
    // Huge and tiny features are brought to scale.
    let mut huge = table();
    huge.values.iter_mut().for_each(|x| *x *= 1e30);
    let (huge, plain) = (finite(&huge, json!({})), finite(&table(), json!({})));
    assert_eq!(huge["accuracy.test"], plain["accuracy.test"]);
    let mut all = table();
    all.labels[..240].fill(1);
    assert!(refused(&all, json!({})).contains("at least 2 classes, found 1"));
    all.labels[..240].fill(-1);
    assert!(refused(&all, json!({})).contains("found 0"));
}

#[test]
fn bad_input_is_named() {
    let error = run(json!({"regularisation": 1})).unwrap_err().to_string();
    assert!(error.contains("regularisation"), "{error}");
    let error = run(json!({"c": "one"})).unwrap_err().to_string();
    assert!(error.starts_with("c: ") && error.contains("a number or a list of numbers"), "{error}");
    let mut table = table();
    table.values[12] = f32::NAN;
    let error = run_on(&table, &json!({}), 1, tempfile::tempdir().unwrap().path()).unwrap_err().to_string();
    assert_eq!(error, "image 2 has a feature that is not finite");
}

/// A fixture's features as the stage's input: all its training rows.
fn reference(folder: &Path) -> FeatureTable {
    let read = |name: &str| igpt_fixtures::npy_data(&folder.join(name));
    let floats = |name: &str| -> Vec<f32> {
        read(name).as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    let labels = |name: &str| -> Vec<i32> {
        read(name).as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes) as i32).collect()
    };
    let (train, test) = (labels("train_labels.npy"), labels("test_labels.npy"));
    let values = [floats("train_features.npy"), floats("test_features.npy")].concat();
    let n = train.len() + test.len();
    let dim = values.len() / n;
    let classes = 1 + train.iter().copied().max().unwrap_or_default();
    let info = LayerInfo {
        name: "reference".into(),
        classes: (0..classes).map(|class| class.to_string()).collect(),
        dim,
        n_embd: dim,
        preset: None,
        ..table().info
    };
    FeatureTable {
        info,
        ids: (0..train.len() as u64).chain(0..test.len() as u64).collect(),
        splits: (0..n).map(|i| if i < train.len() { Split::Train } else { Split::Test }).collect(),
        labels: [train, test].concat(),
        views: vec![0; n],
        values,
        dim,
    }
}

#[test]
fn joined_layers_are_not_called_by_the_first_of_them_and_pixels_are_no_layer() {
    let metrics = |joined: &[usize], n_layer: usize| {
        let mut table = table();
        table.info.joined = joined.to_vec();
        table.info.n_layer = n_layer;
        let dir = tempfile::tempdir().unwrap();
        run_on(&table, &json!({"c": 1.0}), 1, dir.path()).unwrap();
        MetricValues::read(&dir.path().join("metrics")).unwrap()
    };
    let (one, joined, pixels) = (metrics(&[], 4), metrics(&[1, 2, 3], 4), metrics(&[], 0));
    assert_eq!((one.values.get("layer"), one.facts.get("layers")), (Some(&2.0), None));
    assert_eq!(joined.values.get("layer"), None);
    assert_eq!(joined.facts["layers"], "1, 2, 3");
    assert_eq!((pixels.values.get("layer"), pixels.facts.get("layers")), (None, None));
}

/// With the stage's own learning rates, whatever the order of the examples.
#[test]
fn descent_comes_within_half_a_point_of_lbfgs() {
    igpt_fixtures::fixtures("lbfgs_probe").for_each(|folder| check_descent(&reference(&folder)));
}

fn check_descent(table: &FeatureTable) {
    let accuracy = |params: Value| {
        let dir = tempfile::tempdir().unwrap();
        run_on(table, &params, 1, dir.path()).unwrap();
        MetricValues::read(&dir.path().join("metrics")).unwrap().values["accuracy.test"]
    };
    for c in [0.01, 0.1, 1.0] {
        let lbfgs = accuracy(json!({"c": c}));
        for seed in [0, 1] {
            let sgd = accuracy(json!({"c": c, "solver": "sgd", "shuffle_seed": seed, "steps": 3000}));
            assert!(sgd >= lbfgs - 0.005, "C {c}, order {seed}: sgd {sgd}, lbfgs {lbfgs}");
        }
    }
}
