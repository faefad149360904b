//! The statistics that findings rest on, as plain functions of numbers.

pub(crate) use igpt_table::statistics::{deviation, mean};

/// The standard error of a mean, s / sqrt(n); none below two numbers.
pub(crate) fn mean_error(numbers: &[f64]) -> Option<f64> {
    Some(deviation(numbers)? / (numbers.len() as f64).sqrt())
}

/// The standard error of a share p of n independent trials, sqrt(p (1 - p) / n); none without a
/// trial, or where p is no share.
pub(crate) fn share_error(p: f64, n: f64) -> Option<f64> {
    (n >= 1.0 && (0.0..=1.0).contains(&p)).then(|| (p * (1.0 - p) / n).sqrt())
}

/// The standard error of a sample standard deviation s of n normal numbers, s / sqrt(2 (n - 1));
/// none below two numbers.
pub(crate) fn deviation_error(s: f64, n: usize) -> Option<f64> {
    (n > 1).then(|| s / (2.0 * (n - 1) as f64).sqrt())
}

/// The square root of the sum of squares: the standard error of a sum of independent numbers.
pub(crate) fn in_squares(errors: impl IntoIterator<Item = f64>) -> f64 {
    errors.into_iter().map(|e| e * e).sum::<f64>().sqrt()
}

/// Spearman's rank correlation: that of Pearson between the ranks, equal numbers sharing the mean of
/// theirs. None below two points, where one side is constant, or where a number is not one.
///
/// # Panics
/// If there are not as many `x` as `y`: both are the caller's own.
pub(crate) fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    assert_eq!(x.len(), y.len(), "a point has two numbers");
    if x.iter().chain(y).any(|number| number.is_nan()) {
        return None;
    }
    pearson(&ranks(x), &ranks(y))
}

/// The standard deviation of Spearman's rho of n points whose order is random: 1 / sqrt(n - 1).
pub(crate) fn rank_error(n: usize) -> Option<f64> {
    (n > 1).then(|| 1.0 / ((n - 1) as f64).sqrt())
}

/// The ranks of numbers, from 1.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let rank = |x: f64| {
        let below = numbers.iter().filter(|other| **other < x).count();
        let equal = numbers.iter().filter(|other| **other == x).count();
        below as f64 + (equal + 1) as f64 / 2.0
    };
    numbers.iter().map(|x| rank(*x)).collect()
}

fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        let (a, b) = (a - mean_x, b - mean_y);
        (xx, yy, xy) = (xx + a * a, yy + b * b, xy + a * b);
    }
    // Not xx * yy: rounding would leave 1 at 0.9999999999999999.
    (xx > 0.0 && yy > 0.0).then(|| (xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn near(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
    }

    #[test]
    fn errors_are_those_worked_out_by_hand() {
        // 2, 4, 4, 4, 5, 5, 7, 9: mean 5, squares 32, s = sqrt(32 / 7).
        let numbers = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        near(deviation(&numbers), (32.0_f64 / 7.0).sqrt());
        near(mean_error(&numbers), (4.0_f64 / 7.0).sqrt());
        assert_eq!((deviation(&[1.0]), mean_error(&[]), deviation_error(1.0, 1)), (None, None, None));
        // 0.8 of 100: sqrt(0.16 / 100).
        near(share_error(0.8, 100.0), 0.04);
        assert_eq!(share_error(1.2, 100.0), None);
        assert_eq!(share_error(0.5, 0.0), None);
        near(deviation_error(4.0, 9), 1.0);
        near(Some(in_squares([3.0, 4.0])), 5.0);
        near(rank_error(5), 0.5);
    }

    #[test]
    fn equal_differences_have_no_error() {
        assert_eq!(mean_error(&[0.25; 4]), Some(0.0));
    }

    #[test]
    fn rho_is_that_worked_out_by_hand() {
        // Without ties: 1 - 6 * sum(d^2) / (n (n^2 - 1)), d = 0, 1, -1, 0, 0: 1 - 12 / 120.
        near(spearman(&[1.0, 2.0, 3.0, 4.0, 5.0], &[10.0, 30.0, 20.0, 40.0, 90.0]), 0.9);
        near(spearman(&[1.0, 2.0, 3.0], &[9.0, 8.0, -7.0]), -1.0);
        // With a tie: ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4. Centred: -1.5, 0, 0, 1.5 and -1.5,
        // -0.5, 0.5, 1.5: 4.5 / sqrt(4.5 * 5).
        near(spearman(&[1.0, 2.0, 2.0, 3.0], &[1.0, 2.0, 3.0, 4.0]), 4.5 / 22.5_f64.sqrt());
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(spearman(&[1.0], &[1.0]), None);
        assert_eq!(spearman(&[1.0, f64::NAN], &[1.0, 2.0]), None);
        // An infinite loss is the worst of all, not a number that cannot be ranked.
        near(spearman(&[1.0, f64::INFINITY], &[2.0, 1.0]), -1.0);
    }
}
