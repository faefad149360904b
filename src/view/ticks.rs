//! Round values along an axis.

/// About `most` round values from `low` to `high`, with their texts.
pub(crate) fn ticks(low: f64, high: f64, most: usize) -> Vec<(f64, String)> {
    let width = high - low;
    if !(width.is_finite() && width > 0.0) || most == 0 {
        return Vec::new();
    }
    let rough = width / most as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|n| n * power)
        .find(|step| *step >= rough)
        .unwrap_or(10.0 * power);
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    // Numbers so far from zero that their steps are lost in rounding have no ticks.
    if last < first || last - first > 4 * most as i64 {
        return Vec::new();
    }
    let digits = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
    let size = low.abs().max(high.abs());
    (first..=last)
        .map(|n| {
            let value = n as f64 * step;
            let text = match size {
                size if !(1e-4..1e6).contains(&size) => short(value),
                _ => format!("{value:.digits$}"),
            };
            (value, text)
        })
        .collect()
}

/// The powers of ten from `low` to `high`, both above zero.
pub(crate) fn powers(low: f64, high: f64) -> Vec<(f64, String)> {
    let (first, last) = (low.log10().ceil() as i32, high.log10().floor() as i32);
    let every = ((last - first) / 8 + 1).max(1) as usize;
    let text = |value: f64| if (1e-3..1e6).contains(&value) { value.to_string() } else { short(value) };
    (first..=last).step_by(every).map(|n| 10_f64.powi(n)).map(|value| (value, text(value))).collect()
}

/// `2.5e6`, and plain zero.
fn short(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(low: f64, high: f64) -> Vec<String> {
        ticks(low, high, 5).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(texts(0.0, 1.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(-3.0, 17.0), ["0", "5", "10", "15"]);
        assert_eq!(texts(2.13, 2.21), ["2.14", "2.16", "2.18", "2.20"]);
        assert_eq!(texts(0.0, 3e6), ["0", "1e6", "2e6", "3e6"]);
        assert!(texts(1.0, 1.0).is_empty() && texts(f64::NAN, 1.0).is_empty());
        let powers: Vec<String> = powers(0.001, 12.0).into_iter().map(|(_, text)| text).collect();
        assert_eq!(powers, ["0.001", "0.01", "0.1", "1", "10"]);
        assert!(texts(1e300, 1.000_000_000_000_000_2e300).len() < 21);
    }
}
