//! The outputs `metrics` and `predictions`.

use igpt_contract::{Known, MetricValues, StageContext};
use igpt_dataset::{LayerInfo, PredictionTable, RowKey, TokensInfo};
use igpt_model::{GptConfig, ModelCard};

use crate::evaluate::Evaluation;
use crate::images::Images;
use crate::params::{Augment, Loss, Params};
use crate::start::Start;
use crate::state::{RateSearch, Trial};

/// The names of all metrics that a fine-tuning may have.
pub(crate) fn names(params: &Params) -> Known {
    let always = [
        "images.train",
        "images.valid",
        "images.test",
        "head_layer",
        "learning_rate",
        "learning_rates.tried",
        "steps",
        "steps.best",
        "loss.train",
        "accuracy.test",
        "loss.test",
        "accuracy.test.masks",
        "loss.test.masks",
        "masks.test",
    ];
    let valid = ["accuracy.valid", "loss.valid"].into_iter().filter(|_| params.validation.fraction > 0.0);
    let generative = (params.loss == Loss::Joint).then_some("loss.train.generative");
    let facts = ["objective", "loss", "augment", "start", "head", "dataset"];
    Known::metrics(always.into_iter().chain(valid).chain(generative), facts)
}

/// The metrics of the winning learning rate.
pub(crate) fn values(
    params: &Params,
    images: &Images,
    start: &Start,
    search: &RateSearch,
    winner: &Trial,
) -> MetricValues {
    let n = |rows: usize| rows as f64;
    let mut metrics = MetricValues::default()
        .with("images.train", n(images.train().len()))
        .with("images.valid", n(images.valid().len()))
        .with("images.test", n(images.test().len()))
        .with("head_layer", start.layer as f64)
        .with("learning_rate", params.learning_rates[winner.index])
        .with("learning_rates.tried", n(search.tried.len()))
        .with("steps", winner.step as f64);
    if let Some(best) = winner.best {
        metrics = metrics.with("steps.best", best.step as f64);
        if let Some(accuracy) = best.accuracy {
            metrics = metrics.with("accuracy.valid", accuracy.0);
        }
    }
    let at_best = |points: &[(f64, f64)]| {
        let best = winner.best?.step as f64;
        points.iter().find(|(step, _)| *step == best).map(|(_, loss)| *loss)
    };
    let curves = &winner.curves;
    for (name, points) in [
        ("loss.train.generative", &curves.train_generative),
        ("loss.train", &curves.train_classification),
        ("loss.valid", &curves.valid_classification),
        ("accuracy.valid", &curves.valid_accuracy),
    ] {
        let curve = points.curve();
        if curve.is_empty() {
            continue;
        }
        if let (true, Some(loss)) = (name.starts_with("loss"), at_best(&curve)) {
            metrics = metrics.with(name, loss);
        }
        metrics.curves.insert(name.to_owned(), curve);
    }
    let mut by_rate: Vec<(f64, f64)> = search
        .tried
        .iter()
        .filter_map(|trial| Some((params.learning_rates[trial.index], trial.best?.accuracy?.0)))
        .collect();
    by_rate.reverse(); // Rates fall, the axis of a curve rises.
    if by_rate.len() > 1 {
        metrics.curves.insert("accuracy.valid.by_learning_rate".to_owned(), by_rate);
    }
    metrics.facts.extend(facts(params, &start.card));
    metrics.facts.insert("head".to_owned(), start.chosen.as_str().to_owned());
    metrics.facts.insert("dataset".to_owned(), images.info().name.clone());
    metrics
}

fn facts(params: &Params, card: &ModelCard) -> [(String, String); 4] {
    let fact = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    [
        fact("objective", card.objective.as_str()),
        fact(
            "loss",
            match params.loss {
                Loss::Joint => "joint",
                Loss::Classifier => "classifier",
            },
        ),
        fact(
            "augment",
            match params.augment {
                Augment::None => "none",
                Augment::PadCropFlip => "pad_crop_flip",
            },
        ),
        fact("start", if card.step == 0 { "random" } else { "pretrained" }),
    ]
}

/// The predictions for each test image; those under several masks are its views.
pub(crate) fn predictions(images: &Images, start: &Start, tests: &[Evaluation]) -> PredictionTable {
    let classes = images.classes();
    let (mut keys, mut log_probs) = (Vec::new(), Vec::new());
    // Without test images there are no predictions.
    let rows = images.test().iter().enumerate().filter(|_| !tests.is_empty());
    for (i, row) in rows {
        for (view, test) in tests.iter().enumerate() {
            keys.push(RowKey { view: view as u16, ..images.key(*row) });
            log_probs.extend(test.log_probs[i * classes..][..classes].iter().map(|p| *p as f32));
        }
    }
    let TokensInfo { name, classes: names, sets, .. } = images.info();
    PredictionTable::new(keys, classes, log_probs)
        .with_images(name, names, sets)
        .with_layer(&head_layer(images, start))
}

/// What the class head reads: the mean over positions of the block's normalised input (sections 2.3 and 2.4).
fn head_layer(images: &Images, start: &Start) -> LayerInfo {
    let TokensInfo { name, classes, sets, .. } = images.info().clone();
    let GptConfig { n_layer, n_embd, .. } = start.card.config;
    LayerInfo {
        name,
        classes,
        sets,
        dim: n_embd,
        layer: start.layer,
        joined: Vec::new(),
        n_layer,
        n_embd,
        preset: start.card.config.named_size().map(|preset| preset.as_str().to_owned()),
        pooling: "mean".to_owned(),
        norm: "pre".to_owned(),
        objective: start.card.objective.as_str().to_owned(),
    }
}

/// Adds the scores of the test images: under the first mask, and of the vote over several masks
/// (section 4.6).
pub(crate) fn test(
    metrics: &mut MetricValues,
    tests: &[Evaluation],
    predictions: &PredictionTable,
    cx: &StageContext,
) {
    let Some(first) = tests.first() else { return };
    let mut add = |name: &str, value: f64| metrics.values.insert(name.to_owned(), value);
    add("accuracy.test", first.accuracy);
    add("loss.test", first.loss);
    if tests.len() > 1 {
        let voted = predictions.voted(&cx.stream("evaluation ties"));
        voted.accuracy().map(|accuracy| add("accuracy.test.masks", accuracy));
        voted.loss().map(|loss| add("loss.test.masks", loss));
        add("masks.test", tests.len() as f64);
    }
}

/// Warns if the network is no better than always naming one class.
pub(crate) fn warn_of_chance(images: &Images, test: &Evaluation, cx: &StageContext) {
    let mut counts = vec![0usize; images.classes()];
    images.test().iter().for_each(|row| counts[images.label(*row)] += 1);
    let rows = images.test().len().max(1) as f64;
    let chance = counts.into_iter().max().unwrap_or_default() as f64 / rows;
    if test.accuracy <= chance {
        cx.note(format!(
            "warning: the test accuracy {:.4} is no better than always naming the most frequent class \
             ({chance:.4}); train longer, or with another learning rate",
            test.accuracy
        ));
    }
}
