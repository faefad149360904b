//! Mean, spread and second moments of features: for standardising, and for the metric in which
//! the fit is well conditioned.

use rayon::prelude::*;

use crate::examples::{Examples, chunks};
use crate::matmul::{MatrixView, matmul};

/// The affine map of each feature before it meets its weight: `(x - mean) * inverse_scale`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scaling {
    /// Mean of each feature over the training rows.
    pub(crate) mean: Vec<f64>,
    /// One over the standard deviation (that of scikit-learn's `StandardScaler`, divided by n);
    /// 1 where features are not standardised or do not vary.
    pub(crate) inverse_scale: Vec<f64>,
}

impl Scaling {
    /// Measures the features of the examples. Centring changes nothing but the meaning of the
    /// unpenalised intercept; dividing by the spread changes what the penalty means, and is done
    /// only where `standardise`.
    pub(crate) fn of(examples: &Examples<'_>, standardise: bool) -> Self {
        let (n, width) = (examples.len().max(1) as f64, examples.width());
        let mut mean = vec![0.0; width];
        for example in 0..examples.len() {
            for (sum, &x) in mean.iter_mut().zip(examples.row(example)) {
                *sum += f64::from(x);
            }
        }
        mean.iter_mut().for_each(|sum| *sum /= n);
        let mut inverse_scale = vec![1.0; width];
        if standardise {
            let mut squares = vec![0.0; width];
            for example in 0..examples.len() {
                for ((sum, &x), mean) in squares.iter_mut().zip(examples.row(example)).zip(&mean) {
                    *sum += (f64::from(x) - mean).powi(2);
                }
            }
            for ((scale, sum), mean) in inverse_scale.iter_mut().zip(squares).zip(&mean) {
                let deviation = (sum / n).sqrt();
                // Rounding leaves a constant feature a spread of about the mean's last digit.
                if deviation > 1e-12 * mean.abs() && deviation > 0.0 {
                    *scale = 1.0 / deviation;
                }
            }
        }
        Self { mean, inverse_scale }
    }
}

/// Rows of the second-moment matrix that one task computes.
const BLOCK: usize = 64;

/// `weight * sum of z z^T` over the examples, `z` the scaled features followed by a one for the
/// intercept: a square matrix of side width + 1 of which the lower triangle is filled.
///
/// Each task owns a block of rows of the result and reads every example in order, so the sums have
/// the same order on any number of threads.
pub(crate) fn second_moments(examples: &Examples<'_>, scaling: &Scaling, weight: f64) -> Vec<f64> {
    let side = examples.width() + 1;
    let mut moments = vec![0.0; side * side];
    moments.par_chunks_mut(BLOCK * side).enumerate().for_each(|(block, target)| {
        let first = block * BLOCK;
        let rows = target.len() / side;
        let columns = first + rows;
        let mut product = vec![0.0; rows * columns];
        let mut z = Vec::new();
        for chunk in chunks(0..examples.len()) {
            z.clear();
            for example in chunk.clone() {
                let features = examples.row(example).iter().zip(&scaling.mean).zip(&scaling.inverse_scale);
                let scaled = features.map(|((&x, mean), scale)| (f64::from(x) - mean) * scale);
                z.extend(scaled.chain([1.0]).take(columns));
            }
            let left = MatrixView::new(&z[first..], chunk.len(), rows, columns).transposed();
            matmul(&mut product, left, MatrixView::new(&z, chunk.len(), columns, columns), true);
        }
        for (target, product) in target.chunks_mut(side).zip(product.chunks(columns)) {
            target.iter_mut().zip(product).for_each(|(t, p)| *t = weight * p);
        }
    });
    moments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standardised_features_have_unit_moments_and_constants_are_left_alone() {
        let features: Vec<f32> = (0..200).flat_map(|i| [i as f32, 7.0, (i * i % 13) as f32]).collect();
        let examples = Examples::new(&features, 3, (0..200).collect(), vec![0; 200]);
        let scaling = Scaling::of(&examples, true);
        assert_eq!(scaling.inverse_scale[1], 1.0);
        let moments = second_moments(&examples, &scaling, 1.0);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(close(moments[0], 200.0) && close(moments[2 * 4 + 2], 200.0) && close(moments[15], 200.0));
        assert!(close(moments[5], 0.0) && close(moments[12], 0.0) && close(moments[14], 0.0));
    }
}
