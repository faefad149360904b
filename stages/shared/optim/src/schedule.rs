//! The learning rate as a function of the step: linear warm-up, then a cosine to 0 or a constant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The learning rate after the warm-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// Half a cosine, from the peak to 0 at the last step. The paper's choice for pre-training (section
    /// 3.4).
    #[default]
    Cosine,
    /// The peak until the last step. The paper's choice for fine-tuning (section 3.4).
    Constant,
}

/// A learning-rate schedule. Steps are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The largest learning rate, reached at step `warmup_steps`.
    pub peak: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// All steps, warm-up included.
    pub total_steps: u64,
    /// The schedule after the warm-up.
    pub decay: Decay,
}

impl Schedule {
    /// The learning rate of step `t` (from 1), with W warm-up steps of N:
    /// `peak * t / W` while `t <= W`, then `peak * 0.5 * (1 + cos(pi * (t - W) / (N - W)))`, which
    /// is 0 at and after step N; or the peak throughout for [`Decay::Constant`].
    pub fn at(&self, t: u64) -> f64 {
        if t <= self.warmup_steps {
            return self.peak * t as f64 / self.warmup_steps.max(1) as f64;
        }
        match self.decay {
            Decay::Constant => self.peak,
            Decay::Cosine if t >= self.total_steps => 0.0,
            Decay::Cosine => {
                // Here W < t < N, so the denominator is positive.
                let done = (t - self.warmup_steps) as f64 / (self.total_steps - self.warmup_steps) as f64;
                self.peak * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_warmup_starts_just_below_the_peak_and_the_last_step_is_zero() {
        let schedule = Schedule { peak: 1.0, warmup_steps: 0, total_steps: 100, decay: Decay::Cosine };
        assert!(schedule.at(1) > 0.999 && schedule.at(1) < 1.0);
        assert!((schedule.at(50) - 0.5).abs() < 1e-12);
        assert_eq!(schedule.at(100), 0.0);
        assert_eq!(schedule.at(1000), 0.0);
    }

    #[test]
    fn a_constant_stays_at_the_peak() {
        let schedule = Schedule { peak: 0.5, warmup_steps: 4, total_steps: 10, decay: Decay::Constant };
        assert_eq!((schedule.at(1), schedule.at(4), schedule.at(10)), (0.125, 0.5, 0.5));
    }

    #[test]
    fn a_warmup_as_long_as_the_training_never_decays() {
        let schedule = Schedule { peak: 1.0, warmup_steps: 10, total_steps: 10, decay: Decay::Cosine };
        assert_eq!(schedule.at(10), 1.0);
        assert_eq!(schedule.at(11), 0.0);
    }
}
