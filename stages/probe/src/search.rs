//! Choosing C or the learning rate on the validation images, and the final fit.

use igpt_contract::{Curve, StageContext, StageError, counted, stream};

use crate::examples::Examples;
use crate::fit::{FittedProbe, LinearProbe};
use crate::params::{Params, Solver};
use crate::sgd::Descent;
use crate::softmax::{Score, Softmax};

/// The result of a search.
#[derive(Debug, Clone)]
pub(crate) struct SearchResult {
    /// The probe to be tested.
    pub(crate) probe: FittedProbe,
    /// The chosen candidate: C, or the learning rate.
    pub(crate) choice: f64,
    /// The chosen candidate's score on the validation images, before it was retrained on train +
    /// validation; none without validation images.
    pub(crate) valid: Option<Score>,
    /// Whether every fit that was compared reached the tolerance.
    pub(crate) converged: bool,
    /// Validation accuracy by candidate, in the order of candidates.
    pub(crate) curve: Curve,
}

/// The candidates of a search, each once, in the order in which they are tried.
pub(crate) fn candidates(params: &Params) -> Vec<f64> {
    let mut candidates = match params.solver {
        Solver::Lbfgs => params.c.0.clone(),
        Solver::Sgd => params.learning_rates.0.clone(),
    };
    candidates.sort_by(f64::total_cmp);
    candidates.dedup();
    if params.solver == Solver::Sgd {
        candidates.reverse();
    }
    candidates
}

/// Fits every candidate on `train`, takes the best on `valid`, and fits it once more on `all` where
/// that is given. Labels are classes of `0..n_class`; those that no training example has are never
/// predicted.
///
/// # Errors
/// If the step is cancelled, every fit diverged or there are fewer than two classes to tell apart.
pub(crate) fn search(
    params: &Params,
    train: &Examples<'_>,
    valid: &Examples<'_>,
    all: Option<&Examples<'_>>,
    n_class: usize,
    cx: &StageContext,
) -> Result<SearchResult, StageError> {
    let candidates = candidates(params);
    let mut best: Option<(f64, FittedProbe, Score)> = None;
    let mut curve = Vec::new();
    let mut converged = true;
    for &candidate in &candidates {
        let probe = fit(params, candidate, train, n_class, cx)?;
        if !probe.objective.is_finite() {
            cx.note(format!(
                "{} {candidate}: diverged after {}",
                name(params),
                counted(probe.iterations, "iteration")
            ));
            continue;
        }
        converged &= probe.converged;
        // Without validation images the training loss decides between learning rates.
        let scored = if valid.is_empty() { train } else { valid };
        let Some(score) = probe.model.score(scored) else { continue };
        if !valid.is_empty() {
            curve.push((candidate, score.accuracy));
        }
        cx.note(format!(
            "{} {candidate}: {} accuracy {:.4}, loss {:.4} nats, {}{}",
            name(params),
            if valid.is_empty() { "training" } else { "validation" },
            score.accuracy,
            score.loss,
            counted(probe.iterations, "iteration"),
            if probe.converged || params.solver == Solver::Sgd { "" } else { ", not converged" }
        ));
        // The primary measure, and what decides between equals. Of learning rates the one of the
        // lowest loss wins: all seek one minimum, and accuracy on a few images is mostly noise.
        let by_loss = valid.is_empty() || params.solver == Solver::Sgd;
        let rank = |s: &Score| if by_loss { (-s.loss, s.accuracy) } else { (s.accuracy, -s.loss) };
        let worse = best.as_ref().is_some_and(|(_, _, other)| rank(&score).0 < rank(other).0);
        if best.as_ref().is_none_or(|(_, _, other)| rank(&score) > rank(other)) {
            best = Some((candidate, probe, score));
        }
        if worse && params.solver == Solver::Sgd {
            break;
        }
    }
    let Some((choice, mut probe, score)) = best else {
        return Err(StageError::new(format!("every fit diverged (tried {candidates:?})"))
            .hint("try smaller `learning_rates`, or `standardise: true`"));
    };
    if let Some(all) = all {
        probe = fit(params, choice, all, n_class, cx)?;
        if !probe.objective.is_finite() {
            let what = format!("the fit with {} {choice} on train + validation diverged", name(params));
            return Err(StageError::new(what).hint("try smaller `learning_rates`, or `refit: false`"));
        }
    }
    warn_if_not_converged(params, choice, &probe, cx);
    Ok(SearchResult { probe, choice, valid: (!valid.is_empty()).then_some(score), converged, curve })
}

/// The name of the parameter that is searched over.
fn name(params: &Params) -> &'static str {
    match params.solver {
        Solver::Lbfgs => "C",
        Solver::Sgd => "learning rate",
    }
}

/// Warns if the reported fit has not converged, and says what to do.
fn warn_if_not_converged(params: &Params, choice: f64, probe: &FittedProbe, cx: &StageContext) {
    if probe.converged || params.solver == Solver::Sgd {
        return;
    }
    let remedy = if probe.iterations >= params.max_iterations {
        "raise `max_iterations` or `tolerance`"
    } else {
        "rounding prevents further progress: raise `tolerance`, or use a smaller `c`"
    };
    cx.note(format!(
        "warning: the last fit, with C {choice}, has not converged: after {} the largest entry of \
         the gradient is {:.1e}, above the `tolerance` of {:.1e}; {remedy}",
        counted(probe.iterations, "iteration"),
        probe.gradient,
        params.tolerance
    ));
}

/// Fits one candidate, on the classes that there are examples of.
fn fit(
    params: &Params,
    candidate: f64,
    examples: &Examples<'_>,
    n_class: usize,
    cx: &StageContext,
) -> Result<FittedProbe, StageError> {
    let mut present: Vec<u32> = examples.classes().to_vec();
    present.sort_unstable();
    present.dedup();
    if present.len() < 2 {
        let what = format!("expected training examples of at least 2 classes, found {}", present.len());
        return Err(StageError::new(what));
    }
    let dense = examples.relabelled(|class| present.partition_point(|p| *p < class) as u32);
    let mut probe = match params.solver {
        Solver::Lbfgs => {
            let probe = LinearProbe {
                c: candidate,
                standardise: params.standardise,
                tolerance: params.tolerance,
                max_iterations: params.max_iterations,
            };
            probe.fit(&dense, present.len(), |iteration, value, _| {
                cx.progress(iteration as u64, params.max_iterations as u64, "iterations");
                cx.metric("objective", iteration as f64, value);
                cx.check()
            })?
        }
        Solver::Sgd => {
            let descent = Descent {
                c: params.c.0[0],
                standardise: params.standardise,
                tolerance: params.tolerance,
                learning_rate: candidate,
                momentum: params.momentum,
                batch: params.batch,
                steps: params.steps,
            };
            let mut random = stream(params.shuffle_seed, "batches");
            descent.fit(&dense, present.len(), &mut random, |step, loss| {
                if step % 100 == 0 {
                    cx.progress(step as u64, params.steps as u64, "steps");
                    cx.metric("loss.batch", step as f64, loss);
                }
                cx.check()
            })?
        }
    };
    probe.model = with_all_classes(&probe.model, &present, n_class);
    Ok(probe)
}

/// The classifier with a row for every class; those without examples have a probability of zero.
fn with_all_classes(model: &Softmax, present: &[u32], n_class: usize) -> Softmax {
    let width = model.weights.len() / model.bias.len();
    let mut all = Softmax { weights: vec![0.0; n_class * width], bias: vec![f64::NEG_INFINITY; n_class] };
    for (row, &class) in present.iter().enumerate() {
        let class = class as usize;
        all.weights[class * width..(class + 1) * width]
            .copy_from_slice(&model.weights[row * width..][..width]);
        all.bias[class] = model.bias[row];
    }
    all
}
