//! Numbers as a paper writes them: `96.3`, `-0.5`, `76{,}000`.

/// A number in a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Literal {
    /// As it stands there, without what groups its digits.
    pub(super) text: String,
    /// Its decimals.
    pub(super) decimals: usize,
    /// Its digits but for leading zeros.
    pub(super) significant: usize,
    /// What follows it.
    pub(super) after: String,
}

impl Literal {
    pub(super) fn value(&self) -> f64 {
        self.text.parse().unwrap_or(f64::NAN)
    }

    /// The number that this literal can say, with as many decimals: as it is, or as a percentage, whichever
    /// is nearer.
    pub(super) fn nearest_text(&self, value: f64) -> String {
        let written = self.value();
        let nearer =
            if (100.0 * value - written).abs() < (value - written).abs() { 100.0 * value } else { value };
        let digits = self.decimals;
        format!("{nearer:.digits$}")
    }
}

/// The numbers in a line without its comment.
pub(super) fn literals(line: &str) -> Vec<Literal> {
    let chars: Vec<char> = line.chars().collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        let c = chars[at];
        let is_start =
            c.is_ascii_digit() || (c == '.' && chars.get(at + 1).is_some_and(char::is_ascii_digit));
        if !is_start {
            at += 1;
            continue;
        }
        let before = at.checked_sub(1).map(|at| chars[at]);
        // Part of a name: `cifar10`, `\alpha2`.
        let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let mut text = String::new();
        // A minus, but not the dash of a range.
        let before_minus = at.checked_sub(2).map(|at| chars[at]);
        if before == Some('-') && !before_minus.is_some_and(|c| c.is_alphanumeric() || c == '-') {
            text.push('-');
        }
        let mut points = 0;
        while at < chars.len() {
            let rest = &chars[at..];
            match rest {
                [c, ..] if c.is_ascii_digit() => text.push(*c),
                ['.', digit, ..] if digit.is_ascii_digit() => {
                    points += 1;
                    text.push('.');
                }
                ['{', ',', '}', digit, ..] if digit.is_ascii_digit() && points == 0 => at += 2,
                _ => break,
            }
            at += 1;
        }
        if in_word || points > 1 {
            continue;
        }
        let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let significant =
            text.trim_start_matches(['-', '0', '.']).chars().filter(char::is_ascii_digit).count();
        let after = chars[at..].iter().take(12).collect();
        found.push(Literal { text, decimals, significant, after });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_as_papers_write_them() {
        let texts = |line: &str| literals(line).into_iter().map(|found| found.text).collect::<Vec<_>>();
        assert_eq!(texts(r"reaches 96.3\,\% and $-0.5$ at 76{,}000{,}000"), ["96.3", "-0.5", "76000000"]);
        assert_eq!(texts("CIFAR10, pages 3--5, version 1.2.3, .5."), ["3", "5", ".5"]);
        let found = &literals("0.0720 x")[0];
        assert_eq!((found.decimals, found.significant), (4, 3));
    }

    #[test]
    fn a_number_is_said_as_it_is_or_as_a_percentage() {
        let literal = |text: &str| literals(text).remove(0);
        assert_eq!(literal("96.3").nearest_text(0.9634), "96.3");
        assert_eq!(literal("0.96").nearest_text(0.9634), "0.96");
        assert_eq!(literal("95.1").nearest_text(0.9634), "96.3");
    }
}
