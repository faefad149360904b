//! An axis of numbers: its range, its ticks and what is written at them.

use igpt_table::significant;

use crate::measure::{TEXT, width};

/// The numbers that an axis shows.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) ticks: Vec<f64>,
    digits: usize,
    start: f64,
    end: f64,
}

impl Axis {
    /// An axis through the values, with about `n` ticks at round numbers; see [`Self::drawn`].
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
        (low, high) = (low - room, high + room);
        let rough = (high - low) / n;
        let power = rough.log10().floor();
        let unit = 10_f64.powf(power);
        let mut step = unit * [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * unit >= rough).unwrap_or(10.0);
        if whole {
            step = step.max(1.0);
        }
        let digits = (-step.log10().floor()).max(0.0) as usize;
        let first = (low / step).ceil() as i64;
        let last = (high / step).floor() as i64;
        let ticks = (first..=last).map(|i| i as f64 * step).collect();
        Self { low, high, ticks, digits, start: 0.0, end: 1.0 }
    }

    /// The axis, drawn from `start` to `end`.
    pub(crate) fn drawn(self, start: f64, end: f64) -> Self {
        Self { start, end, ..self }
    }

    /// Where a value lies in the picture.
    pub(crate) fn at(&self, value: f64) -> f64 {
        self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)
    }

    /// What is written at a tick.
    pub(crate) fn label(&self, tick: f64) -> String {
        if self.digits > 6 || tick.abs() >= 1e7 {
            significant(tick)
        } else {
            format!("{tick:.*}", self.digits)
        }
    }

    /// The room that the widest label of a tick takes.
    pub(crate) fn widest(&self) -> f64 {
        self.ticks.iter().map(|tick| width(&self.label(*tick), TEXT)).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let axis = Axis::through([0.31, 0.77].into_iter(), 6.0, false);
        let labels: Vec<String> = axis.ticks.iter().map(|t| axis.label(*t)).collect();
        assert_eq!(labels, ["0.3", "0.4", "0.5", "0.6", "0.7"]);
        let layers = Axis::through((0..=3).map(f64::from), 10.0, true);
        assert_eq!(layers.ticks, [0.0, 1.0, 2.0, 3.0]);
        let nothing = Axis::through([f64::NAN].into_iter(), 6.0, false);
        assert!(nothing.ticks.iter().all(|t| t.is_finite()));
    }
}
