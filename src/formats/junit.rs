//! A run as JUnit XML, which CI servers show: a test case for each step.

use std::fmt::Write as _;

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// The pipeline's name.
    pub name: String,
    /// When the run began or ended, in UTC without a zone, as the format has it.
    pub timestamp: String,
    /// Its steps.
    pub cases: Vec<Case>,
}

/// A step.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The step's name.
    pub name: String,
    /// How long it took in this run; 0 where it was cached.
    pub seconds: f64,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Its outputs are there.
    Passed,
    /// It failed.
    Failed {
        /// Why.
        error: String,
        /// What it wrote.
        output: String,
    },
    /// It did not run.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// The file's text. Characters that XML cannot hold are left out.
pub fn junit(suite: &Suite) -> String {
    let count = |is: fn(&Outcome) -> bool| suite.cases.iter().filter(|case| is(&case.outcome)).count();
    let failures = count(|outcome| matches!(outcome, Outcome::Failed { .. }));
    let skipped = count(|outcome| matches!(outcome, Outcome::Skipped { .. }));
    let (name, tests) = (escaped(&suite.name), suite.cases.len());
    let seconds: f64 = suite.cases.iter().map(|case| case.seconds).sum();
    let counts = format!(
        "name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"{seconds:.3}\""
    );
    let mut text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n");
    let timestamp = escaped(&suite.timestamp);
    // Writing into a text cannot fail.
    let _ = writeln!(text, "  <testsuite {counts} timestamp=\"{timestamp}\">");
    for case in &suite.cases {
        let (step, seconds) = (escaped(&case.name), case.seconds);
        let _ = write!(text, "    <testcase classname=\"{name}\" name=\"{step}\" time=\"{seconds:.3}\"");
        let _ = match &case.outcome {
            Outcome::Passed => writeln!(text, "/>"),
            Outcome::Skipped { reason } => {
                writeln!(text, "><skipped message=\"{}\"/></testcase>", escaped(reason))
            }
            Outcome::Failed { error, output } => writeln!(
                text,
                "><failure message=\"{}\">{}</failure><system-out>{}</system-out></testcase>",
                escaped(error.lines().next().unwrap_or_default()),
                escaped(error),
                escaped(output)
            ),
        };
    }
    text + "  </testsuite>\n</testsuites>\n"
}

/// A text in an attribute or an element.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => escaped.push(c),
            // XML 1.0 has no other characters, not even written as numbers.
            _ => {}
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_their_output_and_no_character_that_xml_forbids() {
        let case = |name: &str, seconds, outcome| Case { name: name.into(), seconds, outcome };
        let failed = Outcome::Failed {
            error: "exit code 3\n<why>".into(),
            output: "a\u{0}b\u{1b} & \"c\"\u{ffff}".into(),
        };
        let suite = Suite {
            name: "p<1>".into(),
            timestamp: "2026-01-02T03:04:05".into(),
            cases: vec![
                case("good", 1.25, Outcome::Passed),
                case("bad[x=\"1\"]", 0.5, failed),
                case("below", 0.0, Outcome::Skipped { reason: "`bad` failed".into() }),
            ],
        };
        assert_eq!(
            junit(&suite),
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="p&lt;1&gt;" tests="3" failures="1" errors="0" skipped="1" time="1.750">
  <testsuite name="p&lt;1&gt;" tests="3" failures="1" errors="0" skipped="1" time="1.750" timestamp="2026-01-02T03:04:05">
    <testcase classname="p&lt;1&gt;" name="good" time="1.250"/>
    <testcase classname="p&lt;1&gt;" name="bad[x=&quot;1&quot;]" time="0.500"><failure message="exit code 3">exit code 3
&lt;why&gt;</failure><system-out>ab &amp; &quot;c&quot;</system-out></testcase>
    <testcase classname="p&lt;1&gt;" name="below" time="0.000"><skipped message="`bad` failed"/></testcase>
  </testsuite>
</testsuites>
"#
        );
    }
}
