//! One layer measured: rows split, candidates searched, scores and predictions made.

use igpt_contract::{Known, MetricValues, StageContext, StageError, stream};
use igpt_dataset::{
    FeatureTable, FoldTable, LayerInfo, PredictionTable, RowKey, Split, untrained, unvalidated,
};

use crate::examples::Examples;
use crate::params::{Params, Solver};
use crate::search::{candidates, search};
use crate::split::{RowSplit, split};

/// The names that the metrics may have.
pub(crate) fn names(params: &Params) -> Known {
    let always = [
        "c",
        "features",
        "gradient",
        "iterations",
        "objective",
        "refit",
        "rows.test",
        "rows.test.untrained",
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
    let held_out = params.validation.fraction > 0.0;
    let valid = [("accuracy.valid", held_out), ("loss.valid", held_out && !params.refit)];
    let valid = valid.into_iter().filter_map(|(name, there)| there.then_some(name));
    let of_solver: &[&str] = match params.solver {
        Solver::Lbfgs => &["converged", "converged.search"],
        Solver::Sgd => &["learning_rate"],
    };
    let facts = ["dataset", "layers", "norm", "pooling", "pretraining", "solver"];
    Known::metrics(always.into_iter().chain(valid).chain(of_solver.iter().copied()), facts)
}

/// Searches, fits and scores: the metrics, the predictions of all test rows, and what each image was
/// used for. Scores are those of each test image's first view.
///
/// # Errors
/// See [`split`] and [`search`].
pub(crate) fn measure(
    params: &Params,
    table: &FeatureTable,
    cx: &StageContext,
) -> Result<(MetricValues, PredictionTable, FoldTable), StageError> {
    let parts = split(params, table)?;
    let mut folds = FoldTable::default();
    let images = parts.folds.iter().map(|(row, fold)| (table.key(*row), *fold));
    folds.extend(&table.info.name, &table.info.sets, images);
    let unseen = look_at(params, table, &parts, cx)?;
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

    let flag = |yes: bool| f64::from(u8::from(yes));
    let mut metrics = MetricValues::default()
        .with("c", if params.solver == Solver::Sgd { params.c.0[0] } else { found.choice })
        .with("features", table.dim as f64)
        .with("gradient", found.probe.gradient)
        .with("iterations", found.probe.iterations as f64)
        .with("objective", found.probe.objective)
        .with("refit", flag(all.is_some()))
        .with("rows.test", test.len() as f64)
        .with("rows.train", fitted_on.len() as f64)
        .with("rows.valid", valid.len() as f64)
        .with("standardise", flag(params.standardise));
    if unseen > 0 {
        metrics = metrics.with("rows.test.untrained", unseen as f64);
    }
    match params.solver {
        // SGD ends after its steps; the gradient says how far it is from the minimum.
        Solver::Sgd => metrics = metrics.with("learning_rate", found.choice),
        Solver::Lbfgs => {
            metrics = metrics.with("converged", flag(found.probe.converged));
            if all.is_some() || found.curve.len() > 1 {
                metrics = metrics.with("converged.search", flag(found.converged));
            }
        }
    }
    let test_score = found.probe.model.score(&test);
    if let Some(score) = test_score.filter(|score| score.accuracy <= 1.2 / n_class as f64) {
        cx.note(format!("the test accuracy of {:.4} is at chance level", score.accuracy));
    }
    let scores =
        [("train", found.probe.model.score(fitted_on)), ("valid", found.valid), ("test", test_score)];
    for (name, score) in scores.into_iter().filter_map(|(name, score)| Some((name, score?))) {
        metrics = metrics.with(format!("accuracy.{name}"), score.accuracy);
        // The probe that is reported was fitted to the held-out images: it has no validation loss.
        if name != "valid" || all.is_none() {
            metrics = metrics.with(format!("loss.{name}"), score.loss);
        }
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
    let LayerInfo { name, classes, sets, .. } = &table.info;
    let predictions = PredictionTable::new(keys, n_class, log_probs)
        .with_images(name, classes, sets)
        .with_layer(&table.info);
    if table.info.objective == "bert" && predictions.views() > 1 {
        vote(&mut metrics, &predictions, params);
    }
    Ok((metrics, predictions, folds))
}

/// Looks at what the rows can tell before anything is fitted. Answers how many test images are of
/// classes without training images.
///
/// # Errors
/// If no test image has a label and the parameters do not allow that, or there is a choice to be made
/// and no held-out image to make it by.
fn look_at(
    params: &Params,
    table: &FeatureTable,
    parts: &RowSplit,
    cx: &StageContext,
) -> Result<usize, StageError> {
    if let Some(note) = params.unlabelled_test.allow(parts.test.len(), parts.test_images)? {
        cx.note(note);
    }
    let classes = &table.info.classes;
    let labels = |rows: &[u32]| rows.iter().map(|row| table.labels[*row as usize]).collect::<Vec<i32>>();
    let (train, valid) = (labels(&parts.train), labels(&parts.valid));
    let wanted = params.validation.fraction;
    let choosing = candidates(params).len() > 1;
    if valid.is_empty() && wanted > 0.0 {
        let images = train.len();
        let found = format!("none of the {images} labelled training rows is held out by a share of {wanted}");
        if choosing {
            let by = if params.solver == Solver::Sgd { "`learning_rates`" } else { "`c`" };
            return Err(StageError::new(format!("{by} is a list to choose from, and {found}"))
                .hint("raise `validation.fraction`, or give one number"));
        }
        cx.note(format!("{found}: there is no validation score"));
    }
    if choosing
        && !valid.is_empty()
        && let Some(note) = unvalidated("rows", &valid, &train, classes)
    {
        cx.note(note);
    }
    if let Some(found) = untrained("held-out", valid.iter().copied(), train.iter().copied(), classes) {
        cx.note(format!("warning: {}", found.note));
    }
    let mut fitted = train;
    if params.refit {
        fitted.extend(valid);
    }
    let tested = labels(&parts.test);
    let Some(found) = untrained("test", tested, fitted, classes) else { return Ok(0) };
    cx.note(format!("warning: {}", found.note));
    Ok(found.images)
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
    // Several layers are none of them, and pixels are no layer of any network.
    if let Some(layers) = info.joined_layers() {
        metrics.facts.insert("layers".into(), layers);
    } else if info.n_layer > 0 {
        metrics.values.insert("layer".into(), info.layer as f64);
    }
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
