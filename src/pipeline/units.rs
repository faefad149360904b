//! Durations and sizes with their units.

use std::time::Duration;

/// What a duration looks like, for messages.
pub const DURATION: &str = "a duration with its unit, such as `90s`, `45m`, `2h` or `1h30m`";
/// What an amount of memory looks like, for messages.
pub const MEMORY: &str = "an amount of memory with its unit, such as `512MiB` or `2GiB`";

/// Parses `90s`, `45m`, `2h`, `1d`, `1h30m`; units are ms, s, m, h, d, from large to small.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    let mut last = f64::INFINITY;
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let unit = match &after[..end] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        if unit >= last {
            return None;
        }
        last = unit;
        total = total.checked_add(Duration::try_from_secs_f64(number * unit).ok()?)?;
        rest = after[end..].trim_start();
    }
    (total > Duration::ZERO).then_some(total)
}

/// Parses `2GiB`, `512 MiB`, `1.5GB` into MiB, rounded up; units are KiB to TiB and KB to TB.
pub fn memory_mib(text: &str) -> Option<u64> {
    let mib = (bytes(text)? / (1024.0 * 1024.0)).ceil();
    (mib < 1e12).then_some(mib as u64)
}

/// Parses the same into bytes.
pub fn memory_bytes(text: &str) -> Option<u64> {
    bytes(text).filter(|bytes| *bytes < 1e18).map(|bytes| bytes as u64)
}

fn bytes(text: &str) -> Option<f64> {
    let (number, unit) = leading_number(text.trim())?;
    let of = match unit.trim() {
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "TiB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "KB" | "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        _ => return None,
    };
    Some(number * of)
}

fn leading_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("2h"), Some(Duration::from_secs(7200)));
        assert_eq!(duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(duration("1.5s"), Some(Duration::from_millis(1500)));
        for wrong in ["", "2", "h", "2 weeks", "-1s", "0s", "30m1h", "1e9d", ".s", "1s1s"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn memory_has_units_and_is_rounded_up() {
        assert_eq!(memory_mib("2GiB"), Some(2048));
        assert_eq!(memory_mib("1.5 GiB"), Some(1536));
        assert_eq!(memory_mib("2GB"), Some(1908));
        assert_eq!(memory_mib("1KiB"), Some(1));
        for wrong in ["", "2", "GiB", "2gib", "two GiB", "999999999999999TiB"] {
            assert_eq!(memory_mib(wrong), None, "{wrong}");
        }
    }
}
