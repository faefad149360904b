//! Fitting the probe by stochastic gradient descent, as the paper does for ImageNet (section 3.4):
//! momentum, a cosine schedule down to 0, high learning rates.

use igpt_contract::Stream;
use rand::seq::SliceRandom as _;

use crate::examples::Examples;
use crate::fit::FittedProbe;
use crate::moments::Scaling;
use crate::softmax::ProbeObjective;

/// The settings of stochastic gradient descent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Descent {
    /// The inverse regularisation strength C: the objective is that of
    /// [`LinearProbe`](crate::LinearProbe), divided by `C n`.
    pub(crate) c: f64,
    /// Whether features are standardised over the training rows first.
    pub(crate) standardise: bool,
    /// The largest entry of the full gradient at the end at which the fit counts as converged.
    pub(crate) tolerance: f64,
    /// The learning rate at the start.
    pub(crate) learning_rate: f64,
    /// Momentum.
    pub(crate) momentum: f64,
    /// Examples per step; every example is drawn once before any is drawn again.
    pub(crate) batch: usize,
    /// The number of steps.
    pub(crate) steps: usize,
}

impl Descent {
    /// Fits the examples' classes, `0..n_class`, in an order drawn from `random`. `watch` is called with
    /// (step, batch loss) and may stop the fit with an error of its own. A diverged fit has an
    /// objective that is not finite.
    ///
    /// # Errors
    /// Only those of `watch`.
    pub(crate) fn fit<E>(
        &self,
        examples: &Examples<'_>,
        n_class: usize,
        random: &mut Stream,
        mut watch: impl FnMut(usize, f64) -> Result<(), E>,
    ) -> Result<FittedProbe, E> {
        let scaling = Scaling::of(examples, self.standardise);
        let objective = ProbeObjective { examples, scaling: &scaling, n_class, c: self.c };
        let mut theta = vec![0.0; objective.size()];
        let mut velocity = theta.clone();
        let mut gradient = theta.clone();
        let mut order: Vec<usize> = (0..examples.len()).collect();
        let batch = self.batch.min(examples.len());
        let mut next = order.len();
        let mut iterations = 0;
        for step in 0..self.steps {
            if next + batch > order.len() {
                order.shuffle(random);
                next = 0;
            }
            let loss = objective.estimate(&theta, &order[next..next + batch], &mut gradient);
            next += batch;
            watch(step, loss)?;
            if !loss.is_finite() {
                break;
            }
            let phase = std::f64::consts::PI * step as f64 / self.steps as f64;
            let rate = self.learning_rate * 0.5 * (1.0 + phase.cos());
            for ((theta, velocity), gradient) in theta.iter_mut().zip(&mut velocity).zip(&gradient) {
                *velocity = self.momentum * *velocity + gradient;
                *theta -= rate * *velocity;
            }
            iterations += 1;
        }
        let value = objective.evaluate(&theta, &mut gradient);
        let largest = gradient.iter().fold(0.0, |largest: f64, g| largest.max(g.abs()));
        Ok(FittedProbe {
            model: objective.classifier(&theta),
            objective: value,
            iterations,
            converged: value.is_finite() && largest <= self.tolerance * self.c * examples.len() as f64,
            gradient: largest / (self.c * examples.len() as f64),
        })
    }
}
