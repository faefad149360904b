//! Numbers as text.

use igpt_table::significant;

use crate::params::Column;
use crate::summary::PublishedValue;

/// A published number, with as many digits as were published.
pub(crate) fn published_number(published: &PublishedValue) -> String {
    let Some(std) = published.std else { return published.value.to_string() };
    let after_point = |x: f64| x.to_string().split('.').nth(1).map_or(0, str::len);
    let digits = after_point(published.value).max(after_point(std));
    format!("{:.digits$} ± {std:.digits$}", published.value)
}

/// A number as its column shows it.
pub(crate) fn number(column: &Column, x: f64) -> String {
    let x = if column.percent { 100.0 * x } else { x };
    match column.digits.map(usize::from).or(column.percent.then_some(2)) {
        _ if x.is_nan() => "NaN".to_owned(),
        _ if x.is_infinite() => if x > 0.0 { "∞" } else { "-∞" }.to_owned(),
        Some(digits) => format!("{x:.digits$}"),
        None => significant(x),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_their_column_says() {
        let percent = Column { percent: true, ..Column::default() };
        let plain = Column::default();
        let beside = |value, std| published_number(&PublishedValue { value, std, source: 0 });
        assert_eq!(beside(11.0, Some(0.9)), "11.0 ± 0.9");
        assert_eq!(beside(94.0, None), "94");
        assert_eq!(number(&percent, 0.43216), "43.22");
        assert_eq!(number(&Column { digits: Some(0), ..percent.clone() }, 0.43216), "43");
        assert_eq!(number(&percent, f64::NAN), "NaN");
        assert_eq!(number(&plain, f64::NEG_INFINITY), "-∞");
    }
}
