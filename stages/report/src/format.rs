//! Numbers as text.

use igpt_table::significant;

use crate::params::Column;
use crate::summary::PublishedValue;

/// A published number and its deviation, with as many digits as were published, and at least as many
/// after the point as `least` says.
pub(crate) fn published_number(published: &PublishedValue, least: usize) -> (String, Option<String>) {
    let Some(std) = published.std else {
        let digits = after_point(published.value).max(least);
        return match least {
            0 => (published.value.to_string(), None),
            _ => (format!("{:.digits$}", published.value), None),
        };
    };
    let digits = after_point(published.value).max(after_point(std));
    (format!("{:.digits$}", published.value), Some(format!("{std:.digits$}")))
}

/// How many digits a number has after its point.
pub(crate) fn after_point(x: f64) -> usize {
    x.to_string().split('.').nth(1).map_or(0, str::len)
}

/// A number as its column shows it.
pub(crate) fn number(column: &Column, x: f64) -> String {
    let x = if column.percent { 100.0 * x } else { x };
    match column.digits.map(usize::from).or(column.percent.then_some(2)) {
        _ if x.is_nan() => "NaN".to_owned(),
        _ if x.is_infinite() => if x > 0.0 { "∞" } else { "-∞" }.to_owned(),
        // No more digits than a number has.
        Some(digits) if x.abs() < 1e15 => without_negative_zero(format!("{x:.digits$}")),
        _ => significant(x),
    }
}

fn without_negative_zero(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|c| matches!(c, b'0' | b'.')) => rest.to_owned(),
        _ => text,
    }
}

/// A number and its error, to the same place: that of the second significant digit of the error, unless
/// the column says how many digits it shows.
pub(crate) fn with_error(column: &Column, x: f64, error: Option<f64>) -> (String, Option<String>) {
    let shown = error.map(|error| if column.percent { 100.0 * error } else { error });
    let digits = column.digits.or_else(|| shown.and_then(places));
    let column = Column { digits, percent: column.percent, ..Column::default() };
    (number(&column, x), error.map(|error| number(&column, error)))
}

/// How many digits after the point show two significant digits of an error; none of one that has none.
fn places(error: f64) -> Option<u8> {
    if !error.is_finite() || error <= 0.0 {
        return None;
    }
    let places = |error: f64| (1.0 - error.log10().floor()).clamp(0.0, 15.0);
    // 0.0996 is shown as 0.10.
    let unit = 10_f64.powf(places(error));
    Some(places((error * unit).round() / unit) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_their_column_says() {
        let percent = Column { percent: true, ..Column::default() };
        let plain = Column::default();
        let beside = |value, std| published_number(&PublishedValue { value, std, source: 0 }, 0);
        assert_eq!(beside(11.0, Some(0.9)), ("11.0".to_owned(), Some("0.9".to_owned())));
        assert_eq!(beside(94.0, None), ("94".to_owned(), None));
        assert_eq!(number(&percent, 0.43216), "43.22");
        assert_eq!(number(&Column { digits: Some(0), ..percent.clone() }, 0.43216), "43");
        assert_eq!(number(&percent, f64::NAN), "NaN");
        assert_eq!(number(&plain, f64::NEG_INFINITY), "-∞");
        assert_eq!((number(&percent, -0.0), number(&percent, -1e-9)), ("0.00".to_owned(), "0.00".to_owned()));
        assert_eq!(
            (number(&percent, -0.01), number(&percent, 1.2e27)),
            ("-1.00".to_owned(), "1.200e29".to_owned())
        );
    }

    #[test]
    fn an_error_has_two_significant_digits_and_its_number_as_many_places() {
        let shown = |x: f64, error: f64| {
            let (x, error) = with_error(&Column::default(), x, Some(error));
            format!("{x} ± {}", error.unwrap())
        };
        assert_eq!(shown(26.83, 1.54), "26.8 ± 1.5");
        assert_eq!(shown(5.7049, 0.1234), "5.70 ± 0.12");
        assert_eq!(shown(0.5, 0.0996), "0.50 ± 0.10");
        assert_eq!(shown(12_345.6, 123.4), "12346 ± 123");
        assert_eq!(shown(0.01, 0.0), "0.01 ± 0");
        assert_eq!(shown(1.0, f64::NAN), "1 ± NaN");
        let digits = Column { digits: Some(1), percent: true, ..Column::default() };
        assert_eq!(with_error(&digits, 0.12345, Some(0.01)), ("12.3".to_owned(), Some("1.0".to_owned())));
    }
}
