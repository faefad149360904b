//! What a claim came to: a number, its standard error, and a verdict.

use std::collections::BTreeMap;

use igpt_table::significant;

use crate::params::Sign;

/// Whether a claim is borne out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Holds,
    Fails,
    /// The number is within two standard errors of zero, or its error is not known.
    Undecided,
    /// A group has no result.
    NotRun,
}

impl Verdict {
    /// By the number and its error: a number of less than two errors decides nothing.
    pub(crate) fn of(value: f64, error: Option<f64>, expect: Sign) -> Self {
        match error {
            Some(error) if value.abs() >= 2.0 * error => match (value > 0.0, value < 0.0, expect) {
                (true, _, Sign::Positive) | (_, true, Sign::Negative) => Self::Holds,
                _ => Self::Fails,
            },
            _ => Self::Undecided,
        }
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "does not hold",
            Self::Undecided => "undecided",
            Self::NotRun => "not run",
        }
    }
}

/// How numbers are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Shares, in percent; their differences in points.
    Percent,
    /// Correlations: two digits.
    Rho,
    /// Four significant digits.
    Plain,
}

impl Unit {
    pub(crate) fn of(percent: bool) -> Self {
        if percent { Self::Percent } else { Self::Plain }
    }

    /// A number.
    pub(crate) fn show(self, x: f64) -> String {
        match self {
            _ if !x.is_finite() => x.to_string().replace('-', "−"),
            Self::Percent => format!("{:.2}", 100.0 * x).replace('-', "−"),
            Self::Rho => format!("{x:.2}").replace('-', "−"),
            // The sign of an exponent too.
            Self::Plain => significant(x).replace('-', "−"),
        }
    }

    /// A number with its sign.
    pub(crate) fn signed(self, x: f64) -> String {
        let text = self.show(x);
        if x > 0.0 { format!("+{text}") } else { text }
    }
}

/// The result of a claim's comparison.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    /// What it compared: `difference`, `correlation`, `spread`.
    pub(crate) comparison: &'static str,
    pub(crate) unit: Unit,
    pub(crate) verdict: Verdict,
    /// The number, in the metric's own units; none where nothing was run, or no number can be said.
    pub(crate) value: Option<f64>,
    pub(crate) error: Option<f64>,
    /// The parts of the number and of the error, and how many they rest on, by name.
    pub(crate) parts: BTreeMap<String, f64>,
    /// What the number is made of, in words.
    pub(crate) figures: String,
}

impl Finding {
    /// Of a claim whose groups have no result.
    pub(crate) fn not_run(comparison: &'static str, unit: Unit, figures: String) -> Self {
        let parts = BTreeMap::new();
        Self { comparison, unit, verdict: Verdict::NotRun, value: None, error: None, parts, figures }
    }
}

/// A count with its noun: `1 run`, `10,000 images`.
pub(crate) fn grouped_count(n: usize, noun: &str) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{text} {noun}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_errors_decide() {
        use Sign::{Negative, Positive};
        assert_eq!(Verdict::of(0.02, Some(0.01), Positive), Verdict::Holds);
        assert_eq!(Verdict::of(0.0199, Some(0.01), Positive), Verdict::Undecided);
        assert_eq!(Verdict::of(-0.03, Some(0.01), Positive), Verdict::Fails);
        assert_eq!(Verdict::of(-0.03, Some(0.01), Negative), Verdict::Holds);
        assert_eq!(Verdict::of(0.5, None, Positive), Verdict::Undecided);
        assert_eq!(Verdict::of(f64::NAN, Some(0.0), Positive), Verdict::Undecided);
        // The last layer is itself the best: nothing lies between the two, for certain.
        assert_eq!(Verdict::of(0.0, Some(0.0), Positive), Verdict::Fails);
    }

    #[test]
    fn numbers_and_counts_are_shown_with_sign_and_commas() {
        assert_eq!(Unit::Percent.signed(0.0123), "+1.23");
        assert_eq!(Unit::Percent.signed(-0.0123), "−1.23");
        assert_eq!(Unit::Plain.signed(-3.61234), "−3.612");
        assert_eq!(Unit::Rho.show(-0.904), "−0.90");
        assert_eq!(Unit::Plain.show(f64::NEG_INFINITY), "−inf");
        assert_eq!(
            [1, 999, 10_000, 1_281_167].map(|n| grouped_count(n, "image")),
            ["1 image", "999 images", "10,000 images", "1,281,167 images"]
        );
    }
}
