//! `values.tex`: the numbers of a pipeline, each by a key, `probe:layer=3/accuracy.test`: the step as it is
//! typed, a slash, the metric. Behind an `@` a key says how its number is written: `@2` with two decimals,
//! `@p1` as a percentage with one. Without it the number is written as it is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use igpt_contract::MetricRow;
use serde::{Deserialize, Serialize};

/// How the first line of such a file begins.
const FIRST: &str = "% igpt-flow values";
/// How the line begins that says what it was made of.
const MADE_OF: &str = "% made of ";
/// How the line of a number begins.
const NUMBER: &str = "\\igptdef{";

/// The ways to write a number, in the order of the file.
pub(super) const FORMS: [&str; 8] = ["", "@0", "@1", "@2", "@3", "@p0", "@p1", "@p2"];

/// What `\igpt` is made of. No name has an `@`, so the file can be read anywhere; everything expands, so
/// `\igpt` works in headings, captions and conditions. An unknown key is an error that names it.
const MACROS: &str = r"\def\igptdef#1#2#3#4#5#6#7#8#9{%
  \igptset{#1}{#2}\igptset{#1@0}{#3}\igptset{#1@1}{#4}\igptset{#1@2}{#5}\igptset{#1@3}{#6}%
  \igptset{#1@p0}{#7}\igptset{#1@p1}{#8}\igptset{#1@p2}{#9}}
\def\igptset#1{\expandafter\gdef\csname igpt/\detokenize{#1}\endcsname}
\def\igptfirst#1#2{#1}
\def\igptsecond#1#2{#2}
\def\igpt#1{\ifcsname igpt/\detokenize{#1}\endcsname\expandafter\igptfirst\else\expandafter\igptsecond\fi
  {\csname igpt/\detokenize{#1}\endcsname}{\igptunknown{#1}}}
\def\igptunknown#1{\csname msg_expandable_error:nnn\endcsname{igptflow}{unknown}{#1}}
\csname msg_set:nnn\endcsname{igptflow}{unknown}{unknown key '#1'}
";

/// What a file of values was made of, so that it can be checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MadeOf {
    /// The pipeline's file, from the folder of the values.
    pub pipeline: String,
    /// The profiles that were used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<String>,
    /// The values that were overridden.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<String>,
}

/// The key of a number: the step as it is typed, and the metric. What TeX would read as something else
/// (`%`, `#`, braces, spaces) is a hyphen.
pub fn key(step: &str, metric: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || ".:,=+-_/".contains(c) { c } else { '-' };
    format!(
        "{}/{}",
        step.chars().map(plain).collect::<String>(),
        metric.chars().map(plain).collect::<String>()
    )
}

/// The numbers of steps by their keys, and the keys that stand for two numbers and therefore for none. `steps`
/// are names as they are typed, with the step's rows; points of curves have no key.
pub fn numbers<'a>(
    steps: impl Iterator<Item = (String, &'a [MetricRow])>,
) -> (BTreeMap<String, f64>, Vec<String>) {
    let (mut numbers, mut twice) = (BTreeMap::new(), Vec::new());
    for (step, rows) in steps {
        for row in rows.iter().filter(|row| row.x.is_none()) {
            let key = key(&step, &row.metric);
            if numbers.insert(key.clone(), row.value).is_some() {
                twice.push(key);
            }
        }
    }
    for key in &twice {
        numbers.remove(key);
    }
    (numbers, twice)
}

/// A number in one of the [`FORMS`]; `None` for any other.
pub(super) fn text(value: f64, form: &str) -> Option<String> {
    if !FORMS.contains(&form) {
        return None;
    }
    if !value.is_finite() {
        return Some(value.to_string());
    }
    let (percent, digits) = match form.strip_prefix('@') {
        None => return Some(value.to_string()),
        Some(form) => form.strip_prefix('p').map_or((false, form), |digits| (true, digits)),
    };
    let digits: usize = digits.parse().ok()?;
    Some(format!("{:.digits$}", if percent { 100.0 * value } else { value }))
}

/// A key without its form, and the form.
pub(super) fn split(key: &str) -> (&str, &str) {
    key.find('@').map_or((key, ""), |at| key.split_at(at))
}

/// The text of `values.tex`.
pub fn write(made_of: &MadeOf, numbers: &BTreeMap<String, f64>) -> String {
    let mut file = format!(
        "{FIRST}: written by a program, do not edit. \\igpt{{KEY}} is a number, \\igpt{{KEY@p1}} a percentage.\n"
    );
    // Texts and lists of them have a JSON. Writing into a text cannot fail.
    let _ = writeln!(file, "{MADE_OF}{}", serde_json::to_string(made_of).unwrap_or_default());
    file.push_str(MACROS);
    for (key, value) in numbers {
        let _ = write!(file, "{NUMBER}{key}}}");
        for form in FORMS {
            let _ = write!(file, "{{{}}}", text(*value, form).unwrap_or_default());
        }
        file.push('\n');
    }
    file
}

/// A file of values as it lies there.
#[derive(Debug, Clone, PartialEq)]
pub struct ValuesFile {
    /// What it was made of; none where that line is not there any more.
    pub made_of: Option<MadeOf>,
    /// Key -> its line (from 1), and its texts in the order of the forms.
    pub numbers: BTreeMap<String, (usize, Vec<String>)>,
}

impl ValuesFile {
    /// Reads a file's text; `None` for any other LaTeX.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.starts_with(FIRST) {
            return None;
        }
        let mut file = Self { made_of: None, numbers: BTreeMap::new() };
        for (n, line) in text.lines().enumerate() {
            if let Some(made_of) = line.strip_prefix(MADE_OF) {
                file.made_of = serde_json::from_str(made_of).ok();
            }
            let number = line.trim().strip_prefix(NUMBER).and_then(|rest| rest.strip_suffix('}'));
            if let Some((key, texts)) = number.and_then(|rest| rest.split_once("}{")) {
                let texts = texts.split("}{").map(str::to_owned).collect();
                file.numbers.insert(key.to_owned(), (n + 1, texts));
            }
        }
        Some(file)
    }

    /// The line of a key, and its number in a form.
    pub(super) fn get(&self, key: &str, form: &str) -> Option<(usize, &str)> {
        let (line, texts) = self.numbers.get(key)?;
        let place = FORMS.iter().position(|one| *one == form)?;
        Some((*line, texts.get(place)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_their_form_says() {
        let texts = |value| FORMS.map(|form| text(value, form).unwrap());
        assert_eq!(texts(0.7085), ["0.7085", "1", "0.7", "0.71", "0.709", "71", "70.9", "70.85"]);
        assert_eq!(texts(-2.0), ["-2", "-2", "-2.0", "-2.00", "-2.000", "-200", "-200.0", "-200.00"]);
        assert!(texts(f64::NAN).iter().all(|text| text == "NaN"));
        assert_eq!(text(1.0, "@4"), None);
        assert_eq!(split("a:b=1/c@p1"), ("a:b=1/c", "@p1"));
    }

    #[test]
    fn a_file_reads_back() {
        let made_of = MadeOf { pipeline: "../p.yaml".into(), profiles: vec!["smoke".into()], sets: vec![] };
        let written = BTreeMap::from([("probe:layer=3/accuracy".to_owned(), 0.5), ("b/c".to_owned(), 3.0)]);
        let text = write(&made_of, &written);
        let file = ValuesFile::parse(&text).unwrap();
        assert_eq!(file.made_of, Some(made_of));
        assert_eq!(file.numbers.len(), 2);
        assert_eq!(file.get("probe:layer=3/accuracy", "@p1").unwrap().1, "50.0");
        let (line, _) = file.get("b/c", "").unwrap();
        assert!(text.lines().nth(line - 1).unwrap().starts_with("\\igptdef{b/c}{3}{3}{3.0}"), "{text}");
        assert_eq!(ValuesFile::parse("\\documentclass{article}"), None);
    }

    #[test]
    fn keys_hold_nothing_that_tex_reads_otherwise() {
        assert_eq!(key("probe:name=50% #1", "a{b}"), "probe:name=50---1/a-b-");
        let row = |metric: &str| MetricRow {
            step: "s".into(),
            labels: Default::default(),
            metric: metric.into(),
            x: None,
            value: 1.0,
        };
        let rows = [row("a b"), row("a-b"), row("c"), MetricRow { x: Some(1.0), ..row("curve") }];
        let (numbers, twice) = numbers([("s".to_owned(), &rows[..])].into_iter());
        assert_eq!(numbers.into_keys().collect::<Vec<_>>(), ["s/c"]);
        assert_eq!(twice, ["s/a-b"]);
    }
}
