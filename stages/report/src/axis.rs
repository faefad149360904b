//! An axis of numbers: its range, its ticks and what is written at them.

use std::ops::Range;

use igpt_plot::plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use igpt_plot::width;
use igpt_table::significant;

use crate::text_size::TICK;

/// The numbers that an axis shows.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) ticks: Vec<f64>,
    /// Whether it runs from high to low.
    pub(crate) reverse: bool,
    /// Whether equal distances are equal ratios.
    ratios: bool,
    /// Digits after the point of a tick's number; none where ticks have names, which others write.
    digits: Option<usize>,
}

impl Axis {
    /// An axis through the values, with about `n` ticks at round numbers.
    pub(crate) fn through(values: impl Iterator<Item = f64>, n: f64, whole: bool) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|v| v.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if high - low <= 1e-12 * high.abs().max(low.abs()) {
            let room = if low == 0.0 || whole { 1.0 } else { 0.1 * low.abs() };
            (low, high) = (low - room, high + room);
        }
        let room = 0.05 * (high - low);
        Self::over(low - room, high + room, n, whole)
    }

    /// An axis from one number to another.
    pub(crate) fn over(low: f64, high: f64, n: f64, whole: bool) -> Self {
        let rough = (high - low) / n;
        let unit = 10_f64.powf(rough.log10().floor());
        let mut step = unit * [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * unit >= rough).unwrap_or(10.0);
        if whole {
            step = step.max(1.0);
        }
        let digits = (-step.log10().floor()).max(0.0) as usize;
        // An end that is itself a round number has its tick, whatever its last bit is.
        let first = (low / step - 1e-9).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        let ticks = (first..=last).map(|i| i as f64 * step).collect();
        Self { low, high, ticks, reverse: false, ratios: false, digits: Some(digits) }
    }

    /// An axis of ratios through the values above 0, with at most about `n` ticks: powers of ten or,
    /// where there are few of them, two and five times these too, or round numbers.
    pub(crate) fn ratios(values: impl Iterator<Item = f64>, n: f64) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|v| v.is_finite() && *v > 0.0) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (1.0, 10.0);
        }
        if high / low < 1.0 + 1e-9 {
            (low, high) = (low / 2.0, high * 2.0);
        }
        let room = (high / low).powf(0.05);
        (low, high) = (low / room, high * room);
        let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
        let inside = |tick: &f64| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(tick);
        let fine = (first..=last).flat_map(|power| [1.0, 2.0, 5.0].map(|m| m * 10_f64.powi(power)));
        let mut ticks: Vec<f64> = fine.filter(inside).collect();
        if ticks.len() < 3 {
            ticks = Self::over(low, high, n.min(6.0), false).ticks.into_iter().filter(inside).collect();
        } else if ticks.len() as f64 > n {
            let powers: Vec<f64> = (first..=last).map(|power| 10_f64.powi(power)).filter(inside).collect();
            let every = (powers.len() as f64 / n).ceil().max(1.0) as usize;
            ticks = powers.into_iter().step_by(every).collect();
        }
        // Each tick has the digits that it needs.
        Self { low, high, ticks, reverse: false, ratios: true, digits: Some(usize::MAX) }
    }

    /// An axis of places 0, 1, 2... with names.
    pub(crate) fn places(n: usize) -> Self {
        let ticks = (0..n).map(|i| i as f64).collect();
        Self { low: -0.5, high: n.max(1) as f64 - 0.5, ticks, reverse: false, ratios: false, digits: None }
    }

    /// What is written at a tick.
    pub(crate) fn label(&self, tick: f64) -> String {
        match self.digits {
            None => String::new(),
            Some(digits) if digits > 6 || tick.abs() >= 1e7 => significant(tick),
            Some(digits) => format!("{tick:.digits$}"),
        }
    }

    /// The room that the widest label of a tick takes, in dots.
    pub(crate) fn widest(&self) -> f64 {
        self.ticks.iter().map(|tick| width(&self.label(*tick), TICK)).fold(0.0, f64::max)
    }
}

/// As plotters has it.
impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = if self.ratios {
            (value.max(f64::MIN_POSITIVE) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        let share = if self.reverse { 1.0 - share } else { share };
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<H: KeyPointHint>(&self, hint: H) -> Vec<f64> {
        // The second call is for lines between the ticks, of which there are none.
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(tick: &f64) -> String {
        significant(*tick)
    }

    fn format_ext(&self, tick: &f64) -> String {
        self.label(*tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_of_ratios_are_powers_or_round_numbers() {
        let labels = |values: &[f64], n: f64| -> Vec<String> {
            let axis = Axis::ratios(values.iter().copied(), n);
            axis.ticks.iter().map(|tick| axis.label(*tick)).collect()
        };
        assert_eq!(labels(&[1.0, 10_000.0], 9.0), ["1", "10", "100", "1000", "10000"]);
        assert_eq!(labels(&[0.9, 11.0], 9.0), ["1", "2", "5", "10"]);
        assert!(labels(&[2.4, 3.6], 9.0).len() >= 3);
        assert!(labels(&[1e-12, 1e12], 9.0).len() <= 9);
        assert!(!labels(&[-1.0, 0.0, f64::NAN], 9.0).is_empty());
        let axis = Axis::ratios([1.0, 100.0].into_iter(), 9.0);
        let place = |x: f64| axis.map(&x, (0, 1000));
        assert_eq!(place(10.0) - place(1.0), place(100.0) - place(10.0));
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let axis = Axis::through([0.31, 0.77].into_iter(), 6.0, false);
        let labels: Vec<String> = axis.ticks.iter().map(|t| axis.label(*t)).collect();
        assert_eq!(labels, ["0.3", "0.4", "0.5", "0.6", "0.7"]);
        let layers = Axis::through((0..=3).map(f64::from), 10.0, true);
        assert_eq!(layers.ticks, [0.0, 1.0, 2.0, 3.0]);
        let nothing = Axis::through([f64::NAN].into_iter(), 6.0, false);
        assert!(nothing.ticks.iter().all(|t| t.is_finite()));
        assert_eq!(Axis::over(0.0, 0.3, 3.0, false).ticks.len(), 4);
    }
}
