//! Numbers as texts.

/// Four significant digits; whole numbers in full.
pub fn significant(x: f64) -> String {
    let magnitude = x.abs();
    if x.fract() == 0.0 && magnitude < 1e15 {
        return format!("{x:.0}");
    }
    if !(1e-4..1e6).contains(&magnitude) {
        return format!("{x:.3e}");
    }
    let digits = (3 - magnitude.log10().floor() as i32).max(0) as usize;
    let text = format!("{x:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_digits_say_enough() {
        let shown = [0.001, 2.5, 1e-7, 123_456.7, 1.0 / 3.0, 50_000.0, 1.00001].map(significant);
        assert_eq!(shown, ["0.001", "2.5", "1.000e-7", "123457", "0.3333", "50000", "1"]);
    }
}
