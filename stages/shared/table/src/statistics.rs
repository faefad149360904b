//! Mean and deviation of a few numbers, exact where all are equal: what several seeds agree in to the last digit differs by
//! nothing, and a difference of nothing decides nothing.

/// The mean; NaN without any number.
pub fn mean(numbers: &[f64]) -> f64 {
    let n = numbers.len() as f64;
    let Some(first) = numbers.first().filter(|_| numbers.iter().all(|x| x.is_finite())) else {
        return numbers.iter().sum::<f64>() / n;
    };
    // A sum of equal numbers divided by their number is not that number: three times 0.1 make 0.30000000000000004.
    first + numbers.iter().map(|x| (x - first) / n).sum::<f64>()
}

/// The sample standard deviation (divided by n - 1); none below two numbers.
pub fn deviation(numbers: &[f64]) -> Option<f64> {
    let mean = mean(numbers);
    let squares: f64 = numbers.iter().map(|x| (x - mean).powi(2)).sum();
    (numbers.len() > 1).then(|| (squares / (numbers.len() - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_have_themselves_as_mean_and_no_deviation() {
        for x in [0.1, 0.7, 1e308, -1e-300, 0.0] {
            for n in 1..40 {
                assert_eq!(mean(&vec![x; n]), x, "{n} times {x}");
                assert_eq!(deviation(&vec![x; n]), (n > 1).then_some(0.0), "{n} times {x}");
            }
        }
    }

    #[test]
    fn what_is_no_finite_number_stays_what_it_is() {
        assert!(mean(&[]).is_nan() && mean(&[1.0, f64::NAN]).is_nan());
        assert_eq!(mean(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert_eq!((deviation(&[]), deviation(&[3.0])), (None, None));
    }

    #[test]
    fn a_deviation_is_that_of_a_sample() {
        assert_eq!(mean(&[1.0, 2.0, 3.0, 4.0]), 2.5);
        assert!((deviation(&[1.0, 2.0, 3.0, 4.0]).unwrap() - (5.0_f64 / 3.0).sqrt()).abs() < 1e-15);
    }
}
