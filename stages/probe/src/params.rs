//! What a pipeline may ask of a probe.

use igpt_contract::{Candidates, ParamError, UnlabelledTest, Validation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the probe is fitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Solver {
    /// To the minimum, by L-BFGS: what the paper does for CIFAR and STL-10 (section 3.4).
    #[default]
    Lbfgs,
    /// By stochastic gradient descent with momentum and a cosine schedule: what the paper does for
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
/// summed over the training rows) + 0.5 * ||W||^2, the intercept not penalised. Two classes are fitted
/// by one weight vector, as there: at equal C the probabilities are scikit-learn's.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How the minimum is sought: `lbfgs` or `sgd`.
    pub solver: Solver,
    /// C, the weight of the data against the penalty, from 1e-30 to 1e30: a number, or (`lbfgs`) a
    /// list of which the one with the best validation accuracy is taken; of equals the one of lower
    /// validation loss, then the smaller. A list needs held-out images. The paper names none; scikit-learn's default is 1.
    pub c: Candidates,
    /// Whether each feature is brought to mean 0 and standard deviation 1 of the training rows.
    pub standardise: bool,
    /// The fit counts as converged when no entry of the gradient of J / (C n) is larger:
    /// scikit-learn's `tol`. Its default of 1e-4 leaves J up to 1 % above the minimum at C = 100;
    /// 1e-6 leaves it below 1e-7 above. The metrics tell whether the fit `converged` and its largest
    /// `gradient`; of `sgd`, which ends after its `steps`, the gradient alone.
    pub tolerance: f64,
    /// L-BFGS iterations at most. A fit that needs more is said in a note, in the metric `converged`
    /// and below the tables of `report`.
    pub max_iterations: usize,
    /// The part of the official training images that is held out to choose by.
    pub validation: Validation,
    /// Whether, once C or the learning rate is chosen, the probe is fitted again with the held-out
    /// images folded back. Then `accuracy.valid` is that of the chosen candidate's first fit, which
    /// had not seen them; all else is of the second fit, of which there is no `loss.valid`.
    pub refit: bool,
    /// How many labelled training images are used, validation included, drawn with `label_seed`;
    /// 0 for all. A class with two of the drawn images has one held out and one to train on, whatever
    /// the split says (unless it holds out nothing).
    pub train_rows: usize,
    /// How many labelled training images of each class are used, validation included, drawn with
    /// `label_seed`; 0 for all. Held out as those of `train_rows`; not together with it.
    pub labels_per_class: usize,
    /// The seed of the draw of labels, apart from the pipeline's.
    pub label_seed: u64,
    /// SGD: learning rates, tried from the largest to the smallest until one has a higher validation
    /// loss than the best before (paper, section 3.4: 30, 10, 3, ... in this order); the one of the
    /// lowest is taken. With a `validation.fraction` of 0 the training loss decides: all of them seek
    /// the same minimum.
    pub learning_rates: Candidates,
    /// SGD: momentum (paper, section 3.4: 0.9).
    pub momentum: f64,
    /// SGD: examples a step.
    pub batch: usize,
    /// SGD: steps at each learning rate, which falls to 0 along a cosine.
    pub steps: usize,
    /// SGD: the seed of the order of the examples, apart from the pipeline's.
    pub shuffle_seed: u64,
    /// Where the features hold each test image under several masks: the seed of the draw between
    /// classes that as many masks name (section 4.6: ties are broken at random).
    pub tie_seed: u64,
    /// Where no test image has a label: `error`, or `keep` to go on without test scores.
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

/// Refuses what makes no sense together.
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
        let what = format!("expected a share from 0 to below 1, found {}", params.validation.fraction);
        return Err(ParamError::at("validation.fraction", what));
    }
    if params.c.0.len() > 1 && params.solver == Solver::Sgd {
        return Err(ParamError::at("c", "the solver `sgd` searches `learning_rates` and takes a single `c`"));
    }
    if params.c.0.len() > 1 && params.validation.fraction == 0.0 {
        return Err(ParamError::at(
            "c",
            "a list is searched on validation images, and `validation.fraction` is 0",
        ));
    }
    if params.train_rows > 0 && params.labels_per_class > 0 {
        return Err(ParamError::at("labels_per_class", "give either this or `train_rows`, not both"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_at_its_place() {
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
