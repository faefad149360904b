//! Mean and spread of numbers, and how sure a share of test images is.

use igpt_table::observe::{Observation, images};
use igpt_table::statistics;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to show after `±` and as error bars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorBar {
    /// The sample standard deviation; nothing for a single number.
    #[default]
    Sd,
    /// The standard error of the mean: sd / sqrt(n) for n numbers, sqrt(p (1 - p) / N) for a single
    /// share p of N test images.
    Se,
}

/// A number and, if it is a share of images, their number where known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    pub(crate) value: f64,
    pub(crate) images: Option<f64>,
}

impl Measured {
    /// The number of that name, with the images behind it; see [`images`].
    pub(crate) fn of(observation: &Observation, name: &str, count: &str) -> Option<Self> {
        let value = observation.get(name)?.number()?;
        Some(Self { value, images: images(observation, name, count) })
    }
}

/// Mean and spread of the numbers that share a cell or a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Statistics {
    /// The mean; NaN as soon as one number is.
    pub(crate) mean: f64,
    /// The sample standard deviation (divided by n - 1); none for a single number.
    pub(crate) deviation: Option<f64>,
    /// The standard error of the mean: of several numbers from their deviation, of a single share
    /// from the images behind it; none where neither is known.
    pub(crate) error: Option<f64>,
    /// How many numbers there are.
    pub(crate) n: usize,
}

impl Statistics {
    /// Of some numbers; `None` without any.
    pub(crate) fn of(numbers: &[Measured]) -> Option<Self> {
        let n = numbers.len();
        let values: Vec<f64> = numbers.iter().map(|m| m.value).collect();
        let (mean, deviation) = (statistics::mean(&values), statistics::deviation(&values));
        let error = match (deviation, numbers) {
            (Some(deviation), _) => Some(deviation / (n as f64).sqrt()),
            (None, [Measured { value: p, images: Some(images) }]) if (0.0..=1.0).contains(p) => {
                Some((p * (1.0 - p) / images).sqrt())
            }
            _ => None,
        };
        (n > 0).then_some(Self { mean, deviation, error, n })
    }

    /// What stands after `±`.
    pub(crate) fn spread(&self, error: ErrorBar) -> Option<f64> {
        match error {
            ErrorBar::Sd => self.deviation,
            ErrorBar::Se => self.error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[f64], images: Option<f64>) -> Option<Statistics> {
        let numbers: Vec<Measured> = numbers.iter().map(|&value| Measured { value, images }).collect();
        Statistics::of(&numbers)
    }

    #[test]
    fn deviations_are_those_of_a_sample() {
        let s = of(&[1.0, 2.0, 3.0, 4.0], None).unwrap();
        assert_eq!((s.mean, s.n), (2.5, 4));
        assert!((s.deviation.unwrap() - (5.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        assert!((s.error.unwrap() - (5.0_f64 / 12.0).sqrt()).abs() < 1e-15);
        assert_eq!(of(&[7.0], None), Some(Statistics { mean: 7.0, deviation: None, error: None, n: 1 }));
        assert_eq!(of(&[], None), None);
        assert!(of(&[1.0, f64::NAN], None).unwrap().mean.is_nan());
    }

    #[test]
    fn a_single_share_has_the_error_of_its_images() {
        let error = of(&[0.5], Some(10_000.0)).unwrap().error.unwrap();
        assert!((error - 0.005).abs() < 1e-15);
        assert_eq!(of(&[1.5], Some(10_000.0)).unwrap().error, None);
        assert_eq!(of(&[1.0], Some(4.0)).unwrap().error, Some(0.0));
    }
}
