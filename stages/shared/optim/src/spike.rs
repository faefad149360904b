//! The watch for a training loss that has diverged.

use serde::{Deserialize, Serialize};

use crate::exact::Exact;

/// A loss that will not recover.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Diverged {
    /// The loss, and so the weights, are no numbers any more.
    #[error("the {what} loss at step {step} is {loss}")]
    NotFinite {
        /// Which loss: `training`, `validation`, `test`.
        what: &'static str,
        /// The step.
        step: u64,
        /// The loss.
        loss: f64,
    },
    /// The smoothed loss has stayed far above its minimum.
    #[error(
        "the training loss spiked and did not recover: smoothed, it was {smoothed:.3} at step {step}, after {steps} steps more than {margin} nats above its minimum of {minimum:.3}"
    )]
    Spiked {
        /// The step.
        step: u64,
        /// The smoothed loss.
        smoothed: f64,
        /// Its minimum so far.
        minimum: f64,
        /// The margin in the loss's unit.
        margin: f64,
        /// For how many steps it has been that far above.
        steps: u64,
    },
}

impl Diverged {
    /// That a loss is a number.
    ///
    /// # Errors
    /// [`Self::NotFinite`] where it is not.
    pub fn check(what: &'static str, step: u64, loss: f64) -> Result<(), Self> {
        if loss.is_finite() { Ok(()) } else { Err(Self::NotFinite { what, step, loss }) }
    }

    /// What the user can do about it.
    pub const HINT: &str = "lower the learning rate, lengthen the warm-up, or clip the gradients (clip: 1.0)";
}

/// Watches the exponentially smoothed loss: it may exceed its minimum by more than [`Self::MARGIN`]
/// for at most [`Self::PATIENCE`] steps in a row. Part of a training's state: resuming restores it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SpikeWatch {
    smoothed: Option<Exact>,
    minimum: Exact,
    above: u64,
}

impl SpikeWatch {
    /// The weight of the past in the smoothed loss: an average over about 50 steps.
    pub const SMOOTHING: f64 = 0.98;
    /// How far above its minimum counts as a spike, in nats. Noise between batches of 32 images
    /// moves the smoothed loss by hundredths of a nat, a divergence by whole nats.
    pub const MARGIN: f64 = 0.5;
    /// How many steps in a row a spike may last.
    pub const PATIENCE: u64 = 200;

    /// Takes note of a step's loss.
    ///
    /// # Errors
    /// If the loss is not finite, or has spiked and not recovered.
    pub fn observe(&mut self, step: u64, loss: f64) -> Result<(), Diverged> {
        Diverged::check("training", step, loss)?;
        let smoothed = self.smoothed().map_or(loss, |s| Self::SMOOTHING * s + (1.0 - Self::SMOOTHING) * loss);
        let minimum = self.smoothed.map_or(smoothed, |_| self.minimum.0.min(smoothed));
        (self.smoothed, self.minimum) = (Some(Exact(smoothed)), Exact(minimum));
        self.above = if smoothed > minimum + Self::MARGIN { self.above + 1 } else { 0 };
        self.tolerate(step, Self::PATIENCE)
    }

    /// Judges a training at its last step: a spike that has not recovered by now never will.
    ///
    /// # Errors
    /// If the smoothed loss ends far above its minimum.
    pub fn finish(&self, step: u64) -> Result<(), Diverged> {
        self.tolerate(step, 0)
    }

    fn tolerate(&self, step: u64, patience: u64) -> Result<(), Diverged> {
        match self.smoothed() {
            Some(smoothed) if self.above > patience => {
                let (minimum, margin, steps) = (self.minimum.0, Self::MARGIN, self.above);
                Err(Diverged::Spiked { step, smoothed, minimum, margin, steps })
            }
            _ => Ok(()),
        }
    }

    /// The smoothed loss, once there is one.
    pub fn smoothed(&self) -> Option<f64> {
        self.smoothed.map(|smoothed| smoothed.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spike_that_recovers_is_forgiven_and_one_that_stays_is_not() {
        let mut watch = SpikeWatch::default();
        let mut step = 0;
        let mut feed = |watch: &mut SpikeWatch, loss: f64, n: u64| {
            (0..n).try_for_each(|_| {
                step += 1;
                watch.observe(step, loss)
            })
        };
        feed(&mut watch, 3.0, 100).unwrap();
        feed(&mut watch, 6.0, 100).unwrap();
        feed(&mut watch, 3.0, 300).unwrap();
        let error = feed(&mut watch, 6.0, 1000).unwrap_err();
        assert!(matches!(error, Diverged::Spiked { step, .. } if step < 800), "{error}");
    }

    #[test]
    fn a_training_must_not_end_within_a_spike() {
        let mut watch = SpikeWatch::default();
        (1..=50).try_for_each(|step| watch.observe(step, 3.0)).unwrap();
        watch.finish(50).unwrap();
        (51..=100).try_for_each(|step| watch.observe(step, 6.0)).unwrap();
        let error = watch.finish(100).unwrap_err();
        assert!(matches!(error, Diverged::Spiked { step: 100, .. }), "{error}");
    }

    #[test]
    fn a_loss_that_is_no_number_ends_at_once() {
        let error = SpikeWatch::default().observe(3, f64::NAN).unwrap_err();
        assert_eq!(error.to_string(), "the training loss at step 3 is NaN");
    }
}
