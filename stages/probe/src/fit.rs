//! Fitting the probe by L-BFGS in a metric of its own.
//!
//! Plain L-BFGS is slow on features that are correlated, the more the larger C. The curvature of
//! the objective at its start is known: `C p (1 - p) sum z z^T + I` for each class, with `z` the
//! scaled features and a one, and `p = 1 / K` (`2 I` for two classes). Its Cholesky factor serves as
//! the initial inverse Hessian, so that L-BFGS only has to learn how the curvature changes on the
//! way. The minimum stays the same. On 2,000 x 256 features this takes 100 iterations instead of 2,073 at C = 100,
//! and 25 instead of 60 at C = 0.01; computing the metric anew on the way saved nothing.

use crate::cholesky::Cholesky;
use crate::examples::Examples;
use crate::lbfgs::{Limits, Problem, minimise};
use crate::moments::{Scaling, second_moments};
use crate::softmax::{ProbeObjective, Softmax};

/// The settings of a multinomial logistic regression, which minimises the objective of
/// scikit-learn's `LogisticRegression`, `J = C * sum CE + 0.5 * ||W||^2`: the cross entropy summed
/// over the training rows, the intercept not penalised. Two classes are two rows of `W` here, whose
/// penalty is doubled: the same minimum as scikit-learn's, which has one row for them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearProbe {
    /// The inverse regularisation strength C, above 0.
    pub c: f64,
    /// Whether features are standardised over the training rows first.
    pub standardise: bool,
    /// The largest entry of the gradient of `J / (C n)` at which the fit counts as converged
    /// (scikit-learn's `tol`).
    pub tolerance: f64,
    /// The most iterations.
    pub max_iterations: usize,
}

/// A fitted probe.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedProbe {
    /// The classifier, on raw features.
    pub model: Softmax,
    /// `J` at the end.
    pub objective: f64,
    /// Iterations done.
    pub iterations: usize,
    /// Whether the tolerance was reached.
    pub converged: bool,
    /// The largest entry of the gradient of `J / (C n)` at the end: what the tolerance bounds.
    pub gradient: f64,
}

/// The number of curvature pairs that L-BFGS keeps.
const HISTORY: usize = 20;

/// Examples for each feature that the metric is computed from: enough for a covariance.
const EXAMPLES_PER_FEATURE: usize = 16;

/// The widest features that are preconditioned: memory grows with their square (128 MiB here), time
/// with their cube.
const WIDEST: usize = 4096;

impl LinearProbe {
    /// Fits the examples' classes, `0..n_class`. `watch` is called with (iteration, J, largest gradient
    /// entry) and may stop the fit with an error of its own.
    ///
    /// Memory beside the examples: the square of the width, and some tens of times the number of
    /// parameters, in float64.
    ///
    /// # Errors
    /// Only those of `watch`.
    pub fn fit<E>(
        &self,
        examples: &Examples<'_>,
        n_class: usize,
        watch: impl FnMut(usize, f64, f64) -> Result<(), E>,
    ) -> Result<FittedProbe, E> {
        let n = examples.len() as f64;
        let scaling = Scaling::of(examples, self.standardise);
        let objective = ProbeObjective { examples, scaling: &scaling, n_class, c: self.c };
        let tolerated = self.tolerance * self.c * n;
        let limits = Limits {
            // Two classes are often fitted to few rows, where 1e-6 leaves the log-probabilities 1e-4
            // from scikit-learn's: a step more brings them to 1e-5.
            gradient: if n_class == 2 { tolerated / 10.0 } else { tolerated },
            iterations: self.max_iterations,
            history: HISTORY,
        };
        let start = vec![0.0; objective.size()];
        let conditioned = Conditioned { metric: metric(&objective), objective };
        let minimum = minimise(&conditioned, start, limits, watch)?;
        Ok(FittedProbe {
            model: conditioned.objective.classifier(&minimum.x),
            objective: minimum.value,
            iterations: minimum.iterations,
            converged: minimum.converged || minimum.gradient <= tolerated,
            gradient: minimum.gradient / (self.c * n),
        })
    }
}

/// The objective with its metric.
struct Conditioned<'a> {
    objective: ProbeObjective<'a>,
    metric: Option<Cholesky>,
}

impl Problem for Conditioned<'_> {
    fn evaluate(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        self.objective.evaluate(x, gradient)
    }

    fn precondition(&self, gradient: &mut [f64]) {
        if let Some(metric) = &self.metric {
            for class in gradient.chunks_mut(self.objective.examples.width() + 1) {
                metric.solve(class);
            }
        }
    }
}

/// The curvature at the start, the same for every class. `None` where it would cost too much or
/// rounding has eaten it: then L-BFGS does without.
fn metric(objective: &ProbeObjective<'_>) -> Option<Cholesky> {
    let (n, width) = (objective.examples.len(), objective.examples.width());
    if width > WIDEST {
        return None;
    }
    // Every so many-eth example: any positive definite metric leads to the same minimum.
    let stride = (n / (EXAMPLES_PER_FEATURE * (width + 1))).max(1);
    let sample = objective.examples.pick((0..n).step_by(stride));
    let share = 1.0 / objective.n_class as f64;
    let weight = objective.c * share * (1.0 - share) * n as f64 / sample.len() as f64;
    let side = width + 1;
    let mut moments = second_moments(&sample, objective.scaling, weight);
    for i in 0..width {
        moments[i * side + i] += objective.penalty();
    }
    Cholesky::factor(moments, side)
}
