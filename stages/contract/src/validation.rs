//! The validation split, which every training stage shares.

use rand_chacha::rand_core::Rng as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rng::stream;

/// The validation split: which of the official training images are held out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// The share of training images to hold out, 0 ≤ fraction < 1; 0 trains on all of them. Section 3.1:
    /// 0.1 for CIFAR and STL-10, 0.04 for ImageNet.
    #[serde(default = "Validation::default_fraction")]
    pub fraction: f64,
    /// The seed of the split. It is independent of the pipeline's seed, so that experiments with several
    /// seeds share one split.
    #[serde(default)]
    pub seed: u64,
}

impl Validation {
    fn default_fraction() -> f64 {
        0.1
    }
}

impl Default for Validation {
    fn default() -> Self {
        Self { fraction: Self::default_fraction(), seed: 0 }
    }
}

/// For each of `n` training rows, whether it is held out: exactly `round(fraction * n)` rows,
/// drawn without replacement. The rows are numbered in the artifact's order.
pub fn validation_split(n: usize, validation: Validation) -> Vec<bool> {
    let held_out = (validation.fraction.clamp(0.0, 1.0) * n as f64).round() as usize;
    let mut random = stream(validation.seed, "validation split");
    let mut rows: Vec<u64> = (0..n as u64).collect();
    // Each row draws a key; the rows with the smallest keys are held out.
    rows.sort_by_cached_key(|row| (random.next_u64(), *row));
    let mut mask = vec![false; n];
    for row in &rows[..held_out] {
        mask[*row as usize] = true;
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(n: usize, fraction: f64) -> usize {
        validation_split(n, Validation { fraction, seed: 0 }).iter().filter(|held| **held).count()
    }

    #[test]
    fn the_share_is_exact_and_zero_folds_back() {
        assert_eq!(count(50_000, 0.1), 5_000);
        assert_eq!(count(50_000, 0.04), 2_000);
        assert_eq!(count(7, 0.0), 0);
        assert_eq!(count(0, 0.5), 0);
    }

    #[test]
    fn another_seed_holds_out_other_rows() {
        let of = |seed| validation_split(1000, Validation { fraction: 0.1, seed });
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
