//! The output `metrics`: losses in nats/token, and their curves.

use igpt_contract::{Known, MetricValues};
use igpt_corpus::Corpus;
use igpt_optim::Exact;

use crate::config::TrainingConfig;
use crate::log::TrainingLog;
use crate::params::Params;

/// The names of all metrics that a training may have.
pub(crate) fn names(params: &Params) -> Known {
    let always = [
        "steps",
        "epochs",
        "learning_rate",
        "warmup_steps",
        "images.train",
        "images.valid",
        "images.test",
        "loss.train",
        "loss.test",
        "model.parameters",
    ];
    let valid = ["loss.valid", "loss.valid.best", "loss.valid.best_step"];
    let valid = valid.into_iter().filter(|_| params.validation.fraction > 0.0);
    Known::metrics(always.into_iter().chain(valid), ["objective", "dataset"])
}

/// `loss.train` (the mean of the last 100 steps), `loss.valid` and its best, the amount of training,
/// and the curves by step.
pub(crate) fn values(
    params: &Params,
    config: &TrainingConfig,
    corpus: &Corpus,
    log: &TrainingLog,
) -> MetricValues {
    let images = params.steps as f64 * params.batch as f64;
    let mut metrics = MetricValues::default()
        .with("steps", params.steps as f64)
        .with("epochs", images / corpus.train.len() as f64)
        .with("learning_rate", params.learning_rate)
        .with("warmup_steps", config.schedule.warmup_steps as f64)
        .with("images.train", corpus.train.len() as f64)
        .with("images.valid", corpus.valid.len() as f64)
        .with("images.test", corpus.test.len() as f64);
    if let Some(loss) = log.final_train() {
        metrics = metrics.with("loss.train", loss);
    }
    if let Some((_, loss)) = log.valid.last() {
        metrics = metrics.with("loss.valid", loss.0);
    }
    if let Some((step, loss)) = log.valid.iter().min_by(|a, b| a.1.0.total_cmp(&b.1.0)) {
        metrics = metrics.with("loss.valid.best", loss.0).with("loss.valid.best_step", *step as f64);
    }
    metrics.facts.insert("objective".to_owned(), params.objective.as_str().to_owned());
    metrics.facts.insert("dataset".to_owned(), corpus.name.clone());
    let curves: [(&str, &[(u64, Exact)]); 4] = [
        ("loss.train", &log.train),
        ("loss.valid", &log.valid),
        ("learning_rate", &log.learning_rate),
        ("gradient_norm", &log.gradient_norm),
    ];
    for (name, curve) in curves.into_iter().filter(|(_, curve)| !curve.is_empty()) {
        let points = curve.iter().map(|(step, value)| (*step as f64, value.0)).collect();
        metrics.curves.insert(name.to_owned(), points);
    }
    metrics
}
