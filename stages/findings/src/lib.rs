//! The stage kind `findings`: claims, each tested by one comparison of metrics with its standard error.
//!
//! Claims and the paper's results come from the pipeline, the numbers from the artifacts. With
//! predictions beside the metrics, groups are compared image by image. Equal inputs make
//! equal bytes, in whatever order they come.

mod cells;
mod correlation;
mod difference;
#[cfg(test)]
mod difference_tests;
mod finding;
mod params;
mod predictions;
mod select;
mod spread;
mod statistics;
mod table;

/// Numbers of steps as Parquet, for the orchestrator, which has no Parquet of its own.
pub use igpt_dataset::write_metric_rows;

use igpt_contract::{
    KnownInputs, KnownOutputs, Many, Metrics, Misfit, Out, ParamError, Predictions, Resources, Sought, Stage,
    StageContext, StageError, StageIo, StageSpec, Table,
};
use igpt_table::expect;
use igpt_table::observe::{self, Observation};

pub use params::{Claim, Correlation, Difference, Expected, Group, GroupPair, Operand, Params, Sign, Spread};

use finding::{Finding, Verdict};
use predictions::PredictionIndex;

const METRICS_IN: Many<Metrics> = Many::new("metrics", "the metrics to compare, each with its labels");
const PREDICTIONS: Many<Predictions> = Many::new(
    "predictions",
    "the predictions of the same steps, under the same names, to compare image by image",
);
const TABLE: Out<Table> = Out::new("table", "the findings as Markdown, LaTeX and CSV");
const METRICS_OUT: Out<Metrics> =
    Out::new("metrics", "each claim's number, standard error and verdict, and how many hold");

/// Claims and their verdicts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Findings;

impl Stage for Findings {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "findings",
            summary: "tests claims by comparing metrics, with standard errors (Markdown, LaTeX, CSV)",
            // 2: `cells.json`; booktabs, footnotes in one paragraph; expected numbers.
            // 3: texts of several lines are set ragged in LaTeX.
            version: 4,
            inputs: vec![METRICS_IN.port(), PREDICTIONS.port()],
            outputs: vec![TABLE.port(), METRICS_OUT.port()],
            seeded: false,
            device_dependent: false,
            isolated: false,
            unkeyed: &[],
            resources: Resources { cpus: 1, memory_mib: 512, gpus: 0 },
        }
    }

    fn check(&self, params: &Params) -> Result<(), ParamError> {
        params::check(params)
    }

    fn foresee(&self, params: &Params, _: &KnownInputs<'_>) -> KnownOutputs {
        [(METRICS_OUT.name, table::names(params))].into()
    }

    fn misfits(&self, params: &Params, inputs: &KnownInputs<'_>) -> Vec<Misfit> {
        let claims = params.claims.iter().enumerate();
        let names = claims.flat_map(|(i, claim)| {
            select::names(claim).into_iter().map(move |(path, name)| (format!("claims.{i}.{path}"), name))
        });
        inputs.lacking(&[METRICS_IN.name], Sought::Any, names)
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        let all = observe::read(METRICS_IN.name, io.many(&METRICS_IN))?;
        let predictions = PredictionIndex::open(io.many(&PREDICTIONS), &all)?;
        let mut findings = Vec::with_capacity(params.claims.len());
        for claim in &params.claims {
            cx.check()?;
            findings.push(decide(claim, &all, &predictions).map_err(|error| with_claim(claim, error))?);
        }
        let (text, csv) = (table::text_table(params, &findings), table::csv(params, &findings));
        let mut cells = cells::cells(params, &findings, &all, io.many(&PREDICTIONS));
        cells.add_port(METRICS_IN.name, io.many(&METRICS_IN));
        cells.add_port(PREDICTIONS.name, io.many(&PREDICTIONS));
        igpt_table::write(io.output(&TABLE), &text, &csv, &cells)?;
        table::metrics(params, &findings).write(io.output(&METRICS_OUT))?;
        let expected = params.claims.iter().zip(&findings);
        let expected = expected
            .filter_map(|(claim, finding)| Some((claim.name.clone(), table::expected(claim, finding)?)));
        expect::report(cx, &expected.collect::<Vec<_>>());
        for (claim, finding) in params.claims.iter().zip(&findings) {
            if finding.verdict == Verdict::NotRun {
                cx.note(format!("`{}` is not run: {}", claim.name, finding.figures));
            }
        }
        predictions.into_notes().into_iter().for_each(|note| cx.note(note));
        Ok(())
    }
}

/// The claim's comparison; `check` has seen that there is one.
fn decide(claim: &Claim, all: &[Observation], predictions: &PredictionIndex) -> Result<Finding, StageError> {
    select::require_names(claim, all)?;
    match claim {
        Claim { difference: Some(difference), .. } => {
            difference::compare(difference, claim.expect.sign(), all, predictions)
        }
        Claim { correlation: Some(correlation), .. } => {
            Ok(correlation::correlate(correlation, claim.expect.sign(), all))
        }
        Claim { spread: Some(spread), .. } => Ok(spread::spread(spread, claim.expect.sign(), all)),
        _ => Err(StageError::new("expected a comparison, found none")),
    }
}

/// An error with the name of its claim.
fn with_claim(claim: &Claim, error: StageError) -> StageError {
    match error {
        StageError::Failed { what, hint, source } => {
            StageError::Failed { what: format!("claim `{}`: {what}", claim.name), hint, source }
        }
        cancelled => cancelled,
    }
}
