//! The findings as a table, as CSV and as metrics.

use igpt_contract::{Known, MetricValues};
use igpt_table::{Align, Cell, Grid, Heading};

use crate::finding::{Finding, Verdict};
use crate::params::{Claim, Params};

/// The table: claim, ours, standard error, verdict, the paper's figure. What a number is made of and
/// where a claim comes from stand below it.
pub(crate) fn grid(params: &Params, findings: &[Finding]) -> Grid {
    let mut footnotes: Vec<String> = Vec::new();
    let mut note = |text: &str| match footnotes.iter().position(|known| known == text) {
        Some(i) => i + 1,
        None => {
            footnotes.push(text.to_owned());
            footnotes.len()
        }
    };
    let mut rows = Vec::new();
    for (claim, finding) in params.claims.iter().zip(findings) {
        let number = |x: Option<f64>, shown: fn(crate::finding::Unit, f64) -> String| {
            x.map_or_else(|| "–".to_owned(), |x| shown(finding.unit, x))
        };
        let paper = if claim.paper.is_empty() { "–" } else { &claim.paper };
        let ours = number(finding.value, crate::finding::Unit::signed);
        rows.push(vec![
            Cell::new(&claim.claim),
            Cell { note: Some(note(&finding.figures)), ..Cell::new(ours) },
            Cell::new(number(finding.error, crate::finding::Unit::show)),
            Cell::new(finding.verdict.text()).strong(finding.verdict == Verdict::Holds),
            Cell { note: Some(note(&claim.source)), ..Cell::new(paper) },
        ]);
    }
    let headings = [
        ("finding", Align::Wide(0.34)),
        ("ours", Align::Right),
        ("s.e.", Align::Right),
        ("verdict", Align::Left),
        ("paper", Align::Wide(0.16)),
    ];
    let remark = "A finding holds, or does not, where its number lies two standard errors (s.e.) or more from \
                  zero; within them it is undecided. Differences of percentages are in points.";
    Grid {
        title: params.title.clone(),
        headings: headings.into_iter().map(|(text, align)| Heading::new(text, align)).collect(),
        rows,
        remarks: vec![remark.to_owned()],
        footnotes,
    }
}

/// The findings with full precision, a line each; shares stay shares.
pub(crate) fn csv(params: &Params, findings: &[Finding]) -> String {
    let mut text = String::from(
        "name,claim,comparison,ours,standard_error,standard_error.runs,standard_error.images,runs,images,\
         points,verdict,figures,paper,source\n",
    );
    for (claim, finding) in params.claims.iter().zip(findings) {
        let number = |x: Option<f64>| x.map_or_else(String::new, |x| x.to_string());
        let part = |name: &str| number(finding.parts.get(name).copied());
        let fields = [
            claim.name.clone(),
            claim.claim.clone(),
            finding.comparison.to_owned(),
            number(finding.value),
            number(finding.error),
            part("standard_error.runs"),
            part("standard_error.images"),
            part("runs"),
            part("images"),
            part("points"),
            finding.verdict.text().to_owned(),
            finding.figures.clone(),
            claim.paper.clone(),
            claim.source.clone(),
        ];
        text += &fields.map(|field| quoted(&field)).join(",");
        text.push('\n');
    }
    text
}

/// A field as RFC 4180 has it.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// The names that the metrics may have.
pub(crate) fn names(params: &Params) -> Known {
    let mut numbers: Vec<String> = VERDICTS.into_iter().map(counted).collect();
    let mut facts = Vec::new();
    for claim in &params.claims {
        let parts: &[&str] = match claim {
            Claim { difference: Some(_), .. } => {
                &["runs", "images", "standard_error.runs", "standard_error.images"]
            }
            Claim { correlation: Some(_), .. } => &["points"],
            _ => &["runs.*", "deviation.*"],
        };
        let all = ["ours", "standard_error"].iter().chain(parts);
        numbers.extend(all.map(|part| format!("{}.{part}", claim.name)));
        facts.push(format!("{}.verdict", claim.name));
    }
    Known::metrics(numbers, facts)
}

const VERDICTS: [Verdict; 4] = [Verdict::Holds, Verdict::Fails, Verdict::Undecided, Verdict::NotRun];

/// The name of the number of claims with a verdict.
fn counted(verdict: Verdict) -> String {
    verdict.text().replace(' ', "_")
}

/// `NAME.ours`, `NAME.standard_error` and the rest under each claim's name, the verdicts as facts,
/// and how many of each there are.
pub(crate) fn metrics(params: &Params, findings: &[Finding]) -> MetricValues {
    let mut metrics = MetricValues::default();
    for verdict in VERDICTS {
        let n = findings.iter().filter(|finding| finding.verdict == verdict).count();
        metrics = metrics.with(counted(verdict), n as f64);
    }
    for (Claim { name, .. }, finding) in params.claims.iter().zip(findings) {
        let numbers = [("ours", finding.value), ("standard_error", finding.error)];
        let numbers = numbers.into_iter().filter_map(|(what, x)| Some((what.to_owned(), x?)));
        for (what, x) in numbers.chain(finding.parts.clone()) {
            metrics.values.insert(format!("{name}.{what}"), x);
        }
        metrics.facts.insert(format!("{name}.verdict"), finding.verdict.text().to_owned());
    }
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        assert_eq!(quoted("a b"), "a b");
        assert_eq!(quoted("10,000 \"images\""), "\"10,000 \"\"images\"\"\"");
    }
}
