//! One layer measured: rows split, candidates searched, scores and predictions made.

use igpt_contract::{Known, MetricValues, StageContext, StageError, stream};
use igpt_dataset::{FeatureTable, LayerInfo, PredictionTable, RowKey, Split};

use crate::examples::Examples;
use crate::params::{Params, Solver};
use crate::search::search;
use crate::split::split;

/// The names that the metrics may have.
pub(crate) fn names(params: &Params) -> Known {
    let always = [
        "c",
        "converged",
        "features",
        "iterations",
        "objective",
        "rows.test",
        "rows.train",
        "rows.valid",
        "standardise",
        "accuracy.train",
        "loss.train",
        "accuracy.test",
        "loss.test",
        "accuracy.test.masks",
        "loss.test.masks",
        "masks.test",
        "layer",
        "n_layer",
    ];
    let valid = ["accuracy.valid", "loss.valid"].into_iter().filter(|_| params.validation.fraction > 0.0);
    let rate = (params.solver == Solver::Sgd).then_some("learning_rate");
    let facts = ["dataset", "norm", "pooling", "pretraining", "solver"];
    Known::metrics(always.into_iter().chain(valid).chain(rate), facts)
}

/// Searches, fits and scores: the metrics, and the predictions of all test rows. Scores are those of
/// each test image's first view.
///
/// # Errors
/// See [`split`] and [`search`].
pub(crate) fn measure(
    params: &Params,
    table: &FeatureTable,
    cx: &StageContext,
) -> Result<(MetricValues, PredictionTable), StageError> {
    let parts = split(params, table)?;
    let n_class = table.info.classes.len();
    let examples = |rows: Vec<u32>| {
        let classes = rows.iter().map(|&row| table.labels[row as usize].max(0) as u32).collect();
        Examples::new(&table.values, table.dim, rows, classes)
    };
    let (train, valid) = (examples(parts.train.clone()), examples(parts.valid));
    let all = (params.refit && !parts.held_out.is_empty()).then(|| {
        let mut rows = [parts.train, parts.held_out].concat();
        rows.sort_unstable();
        examples(rows)
    });
    let found = search(params, &train, &valid, all.as_ref(), n_class, cx)?;
    let fitted_on = all.as_ref().unwrap_or(&train);
    let test = examples(parts.test);

    let mut metrics = MetricValues::default()
        .with("c", if params.solver == Solver::Sgd { params.c.0[0] } else { found.choice })
        .with("converged", f64::from(u8::from(found.probe.converged)))
        .with("features", table.dim as f64)
        .with("iterations", found.probe.iterations as f64)
        .with("objective", found.probe.objective)
        .with("rows.test", test.len() as f64)
        .with("rows.train", fitted_on.len() as f64)
        .with("rows.valid", valid.len() as f64)
        .with("standardise", f64::from(u8::from(params.standardise)));
    if params.solver == Solver::Sgd {
        metrics = metrics.with("learning_rate", found.choice);
    }
    let train_score = found.probe.model.score(fitted_on);
    let test_score = found.probe.model.score(&test);
    if test_score.accuracy <= 1.2 / n_class as f64 {
        cx.note(format!("the test accuracy of {:.4} is that of guessing", test_score.accuracy));
    }
    let scores = [
        ("train", fitted_on.len(), train_score),
        ("valid", valid.len(), found.valid),
        ("test", test.len(), test_score),
    ];
    for (name, _, score) in scores.into_iter().filter(|(_, n, _)| *n > 0) {
        metrics = metrics.with(format!("accuracy.{name}"), score.accuracy);
        metrics = metrics.with(format!("loss.{name}"), score.loss);
    }
    if found.curve.len() > 1 {
        let by = if params.solver == Solver::Sgd { "learning_rate" } else { "c" };
        metrics.curves.insert(format!("accuracy.valid.by_{by}"), found.curve);
    }
    describe(&mut metrics, params, &table.info);

    let rows: Vec<usize> = table.rows_of(Split::Test).collect();
    let keys: Vec<RowKey> = rows.iter().map(|&row| table.key(row)).collect();
    let log_probs = found.probe.model.log_probabilities(&examples(rows.iter().map(|&r| r as u32).collect()));
    let log_probs = log_probs.iter().map(|&x| x as f32).collect();
    let predictions = PredictionTable::new(keys, n_class, log_probs);
    if table.info.objective == "bert" && predictions.views() > 1 {
        vote(&mut metrics, &predictions, params);
    }
    Ok((metrics, predictions))
}

/// Adds what the masks of each test image say together (section 4.6).
fn vote(metrics: &mut MetricValues, predictions: &PredictionTable, params: &Params) {
    let voted = predictions.voted(&stream(params.tie_seed, "evaluation ties"));
    let views = predictions.views() as f64;
    for (name, value) in [
        ("accuracy.test.masks", voted.accuracy()),
        ("loss.test.masks", voted.loss()),
        ("masks.test", Some(views)),
    ] {
        metrics.values.extend(value.map(|value| (name.to_owned(), value)));
    }
}

/// What the features are, for tables that say so.
fn describe(metrics: &mut MetricValues, params: &Params, info: &LayerInfo) {
    metrics.values.insert("layer".into(), info.layer as f64);
    metrics.values.insert("n_layer".into(), info.n_layer as f64);
    for (name, text) in [
        ("dataset", info.name.as_str()),
        ("norm", &info.norm),
        ("pooling", &info.pooling),
        ("pretraining", &info.objective),
        ("solver", params.solver.as_str()),
    ] {
        metrics.facts.insert(name.into(), text.to_owned());
    }
}
