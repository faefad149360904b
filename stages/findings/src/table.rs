//! The findings as a table, as CSV and as metrics.

use igpt_contract::{Known, MetricValues};
use igpt_table::cells::ExpectedCell;
use igpt_table::{Align, Cell, Field, Heading, TextTable, expect};

use crate::finding::{Finding, Unit, Verdict};
use crate::params::{Claim, Params};

/// The table: claim, ours, standard error, verdict, the paper's result. The parts of a number and the
/// source of a claim are footnotes.
pub(crate) fn text_table(params: &Params, findings: &[Finding]) -> TextTable {
    let mut footnotes: Vec<String> = Vec::new();
    let mut note = |text: &str| match footnotes.iter().position(|known| known == text) {
        Some(i) => i + 1,
        None => {
            footnotes.push(text.to_owned());
            footnotes.len()
        }
    };
    let mut rows = Vec::new();
    let checked = params.claims.iter().any(|claim| claim.expect.number().is_some());
    for (claim, finding) in params.claims.iter().zip(findings) {
        let number = |x: Option<f64>, shown: fn(Unit, f64) -> String| {
            x.map_or_else(|| "–".to_owned(), |x| shown(finding.unit, x))
        };
        let paper = if claim.paper.is_empty() { "–" } else { &claim.paper };
        let ours = number(finding.value, Unit::signed);
        let mut row = vec![
            Cell::new(&claim.claim),
            Cell { footnote: Some(note(&finding.figures)), ..Cell::number(&ours, "") },
            Cell::number(&number(finding.error, Unit::show), ""),
            Cell::new(finding.verdict.text()).strong(finding.verdict == Verdict::Holds),
            Cell { footnote: Some(note(&claim.source)), ..Cell::new(paper) },
        ];
        if checked {
            let delta = expected(claim, finding).map_or(Cell::new("–"), |expected| Cell {
                footnote: Some(note(&expected.source)),
                ..Cell::new(expected.text())
            });
            row.insert(2, delta);
        }
        rows.push(row);
    }
    let mut headings = vec![
        ("finding", Align::Wide(0.34)),
        ("ours", Align::Right),
        ("s.e.", Align::Right),
        ("verdict", Align::Left),
        ("paper", Align::Wide(0.16)),
    ];
    let mut notes = Vec::new();
    if checked {
        headings.insert(2, ("Δ", Align::Right));
        headings[0].1 = Align::Wide(0.26);
        notes.push(expect::NOTE.to_owned());
    }
    let note_below = "A finding holds, or does not, where its number lies two standard errors (s.e.) or more from \
                  zero; within them it is undecided. Differences of percentages are in points.";
    notes.insert(0, note_below.to_owned());
    TextTable {
        title: params.title.clone(),
        headings: headings.into_iter().map(|(text, align)| Heading::new(text, align)).collect(),
        rows,
        notes,
        footnotes,
        latex: params.latex,
    }
}

/// A claim's number beside the one that was expected, if one was, in the units of the table.
pub(crate) fn expected(claim: &Claim, finding: &Finding) -> Option<ExpectedCell> {
    let unit = if finding.unit == Unit::Percent { 100.0 } else { 1.0 };
    Some(claim.expect.number()?.beside(finding.value.map(|x| unit * x)))
}

/// Headings and rows of the findings with full precision; shares stay shares.
pub(crate) fn csv(params: &Params, findings: &[Finding]) -> (Vec<String>, Vec<Vec<Field>>) {
    let headings = [
        "name",
        "claim",
        "comparison",
        "ours",
        "standard_error",
        "standard_error.runs",
        "standard_error.images",
        "runs",
        "images",
        "points",
        "verdict",
        "figures",
        "paper",
        "source",
        "expected",
        "tolerance",
        "met",
    ];
    let text = |text: &str| if text.is_empty() { Field::Empty } else { Field::Text(text.to_owned()) };
    let number = |x: Option<f64>| x.map_or(Field::Empty, |x| text(&x.to_string()));
    let row = |(claim, finding): (&Claim, &Finding)| {
        let expected = expected(claim, finding);
        let part = |name: &str| number(finding.parts.get(name).copied());
        vec![
            text(&claim.name),
            text(&claim.claim),
            text(finding.comparison),
            number(finding.value),
            number(finding.error),
            part("standard_error.runs"),
            part("standard_error.images"),
            part("runs"),
            part("images"),
            part("points"),
            text(finding.verdict.text()),
            text(&finding.figures),
            text(&claim.paper),
            text(&claim.source),
            number(expected.as_ref().map(|e| e.value)),
            number(expected.as_ref().map(|e| e.tolerance)),
            expected.map_or(Field::Empty, |e| Field::Integer(e.met.into())),
        ]
    };
    (headings.map(str::to_owned).to_vec(), params.claims.iter().zip(findings).map(row).collect())
}

/// The names of all metrics that the findings may have.
pub(crate) fn names(params: &Params) -> Known {
    let mut numbers: Vec<String> = VERDICTS.into_iter().map(verdict_name).collect();
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
fn verdict_name(verdict: Verdict) -> String {
    verdict.text().replace(' ', "_")
}

/// `NAME.ours`, `NAME.standard_error` and the rest under each claim's name, the verdicts as facts,
/// and how many of each there are.
pub(crate) fn metrics(params: &Params, findings: &[Finding]) -> MetricValues {
    let mut metrics = MetricValues::default();
    for verdict in VERDICTS {
        let n = findings.iter().filter(|finding| finding.verdict == verdict).count();
        metrics = metrics.with(verdict_name(verdict), n as f64);
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
