//! Numbers in sentences.

/// `1 step`, `3 steps`.
pub(super) fn count(n: impl TryInto<u64>, noun: &str) -> String {
    let n = n.try_into().unwrap_or(u64::MAX);
    let ending = match noun {
        _ if n == 1 => "",
        noun if noun.ends_with("ch") => "es",
        _ => "s",
    };
    format!("{n} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn one_is_singular() {
        let texts = [count(0, "step"), count(1, "step"), count(2, "step"), count(2, "search")];
        assert_eq!(texts, ["0 steps", "1 step", "2 steps", "2 searches"]);
    }
}
