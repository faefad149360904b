//! The parameters of `probe`, and their checks.

use igpt_contract::{Candidates, ParamError, UnlabelledTest, Validation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the probe is fitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Solver {
    /// L-BFGS, to the minimum. The paper's choice for CIFAR and STL-10 (section 3.4).
    #[default]
    Lbfgs,
    /// Stochastic gradient descent with momentum and a cosine schedule. The paper's choice for
    /// ImageNet (section 3.4).
    Sgd,
}

impl Solver {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Lbfgs => "lbfgs",
            Self::Sgd => "sgd",
        }
    }
}

/// Parameters of `probe`: multinomial logistic regression on the features of one layer.
///
/// The objective is that of scikit-learn's `LogisticRegression`: J = C * (cross entropy in nats,
/// summed over the training rows) + 0.5 * ||W||^2, without a penalty on the intercept. As in
/// scikit-learn, two classes are fitted with a single weight vector, so that equal C gives equal
/// probabilities.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The solver: `lbfgs` or `sgd`.
    pub solver: Solver,
    /// The inverse regularisation strength C, from 1e-30 to 1e30: a number, or (`lbfgs` only) a list,
    /// from which the value with the best validation accuracy is chosen; ties go to the lower
    /// validation loss, then to the smaller C. A list needs held-out images. scikit-learn's default is
    /// 1; the paper does not state its value.
    pub c: Candidates,
    /// Whether to standardise each feature to mean 0 and standard deviation 1 over the training rows.
    pub standardise: bool,
    /// The fit has converged when no entry of the gradient of J / (C n) is larger (scikit-learn's
    /// `tol`). scikit-learn's default of 1e-4 leaves J up to 1 % above the minimum at C = 100, 1e-6
    /// less than 1e-7. The metric `converged` says whether a fit with `lbfgs` has; `gradient` is the
    /// largest entry.
    pub tolerance: f64,
    /// The maximum number of L-BFGS iterations. A fit that needs more is reported in a note, in the
    /// metric `converged` and below the tables of `report`.
    pub max_iterations: usize,
    /// Which training images to hold out for choosing C or the learning rate.
    pub validation: Validation,
    /// Whether the probe is retrained on train + validation once C or the learning rate is chosen.
    /// `accuracy.valid` is then that of the first fit, which has not seen the held-out images; all
    /// other metrics are of the second fit, which has no `loss.valid`.
    pub refit: bool,
    /// How many labelled training images to use, validation included, drawn with `label_seed`; 0 uses
    /// all. If at least two images of a class are drawn, at least one is held out and at least one is
    /// trained on, whatever the split (unless it holds out nothing).
    pub train_rows: usize,
    /// How many labelled training images of each class to use, validation included, drawn with
    /// `label_seed`; 0 uses all. Images are held out as with `train_rows`, which you cannot combine
    /// with this.
    pub labels_per_class: usize,
    /// The seed for drawing labels, separate from the pipeline's.
    pub label_seed: u64,
    /// SGD: the learning rates to try, from large to small, until one has a higher validation loss
    /// than the best so far; the one with the lowest loss is chosen. The paper tries 30, 10, 3, ... in
    /// this order (section 3.4). With a `validation.fraction` of 0 the training loss decides, since
    /// all minimise the same objective.
    pub learning_rates: Candidates,
    /// SGD: momentum. The paper uses 0.9 (section 3.4).
    pub momentum: f64,
    /// SGD: examples per step.
    pub batch: usize,
    /// SGD: steps for each learning rate, which decays to 0 along a cosine.
    pub steps: usize,
    /// SGD: the seed of the order of examples, separate from the pipeline's.
    pub shuffle_seed: u64,
    /// For test images with several masks: the seed for breaking ties in the vote over them, at random
    /// as in the paper (section 4.6).
    pub tie_seed: u64,
    /// If no test image has a label: `error`, or `keep` to continue without test scores.
    pub unlabelled_test: UnlabelledTest,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            solver: Solver::default(),
            c: Candidates(vec![1.0]),
            standardise: true,
            tolerance: 1e-6,
            max_iterations: 1000,
            validation: Validation::default(),
            refit: true,
            train_rows: 0,
            labels_per_class: 0,
            label_seed: 0,
            learning_rates: Candidates(vec![30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01]),
            momentum: 0.9,
            batch: 128,
            steps: 10_000,
            shuffle_seed: 0,
            tie_seed: 0,
            unlabelled_test: UnlabelledTest::Error,
        }
    }
}

/// Checks the values, each and together.
pub(crate) fn check(params: &Params) -> Result<(), ParamError> {
    let positive = |name: &str, values: &[f64]| match values.iter().find(|x| !(**x > 0.0 && x.is_finite())) {
        Some(x) => Err(ParamError::at(name, format!("expected numbers above 0, found {x}"))),
        None if values.is_empty() => Err(ParamError::at(name, "expected at least one number, found none")),
        None => Ok(()),
    };
    positive("c", &params.c.0)?;
    // Beyond, products of C leave the range of float64.
    if let Some(c) = params.c.0.iter().find(|c| !(1e-30..=1e30).contains(*c)) {
        return Err(ParamError::at("c", format!("expected numbers from 1e-30 to 1e30, found {c:e}")));
    }
    positive("tolerance", &[params.tolerance])?;
    positive("learning_rates", &params.learning_rates.0)?;
    for (name, value) in
        [("max_iterations", params.max_iterations), ("batch", params.batch), ("steps", params.steps)]
    {
        if value == 0 {
            return Err(ParamError::at(name, "expected at least 1, found 0"));
        }
    }
    if !(0.0..1.0).contains(&params.momentum) {
        let what = format!("expected a number from 0 to below 1, found {}", params.momentum);
        return Err(ParamError::at("momentum", what));
    }
    if !(0.0..1.0).contains(&params.validation.fraction) {
        let what = format!("expected a number from 0 to below 1, found {}", params.validation.fraction);
        return Err(ParamError::at("validation.fraction", what));
    }
    if params.c.0.len() > 1 && params.solver == Solver::Sgd {
        return Err(ParamError::at(
            "c",
            "the solver `sgd` takes a single `c`; it searches over `learning_rates`",
        ));
    }
    if params.c.0.len() > 1 && params.validation.fraction == 0.0 {
        return Err(ParamError::at(
            "c",
            "choosing from a list needs validation images, but `validation.fraction` is 0",
        ));
    }
    if params.train_rows > 0 && params.labels_per_class > 0 {
        return Err(ParamError::at("labels_per_class", "cannot be combined with `train_rows`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_values_are_refused_by_name() {
        assert_eq!(check(&Params::default()), Ok(()));
        let path = |change: fn(&mut Params)| {
            let mut params = Params::default();
            change(&mut params);
            check(&params).unwrap_err().path
        };
        assert_eq!(path(|p| p.c.0 = vec![1.0, 0.0]), "c");
        assert_eq!(path(|p| p.c.0 = vec![1e31]), "c");
        assert_eq!(path(|p| p.tolerance = f64::NAN), "tolerance");
        assert_eq!(path(|p| p.learning_rates.0.clear()), "learning_rates");
        assert_eq!(path(|p| p.momentum = 1.0), "momentum");
        assert_eq!(path(|p| p.validation.fraction = 1.0), "validation.fraction");
        assert_eq!(path(|p| (p.c.0, p.solver) = (vec![1.0, 2.0], Solver::Sgd)), "c");
        assert_eq!(path(|p| (p.c.0, p.validation.fraction) = (vec![1.0, 2.0], 0.0)), "c");
        assert_eq!(path(|p| (p.train_rows, p.labels_per_class) = (1, 1)), "labels_per_class");
    }
}
