//! The stage kind `report`: one table and one figure from any set of metrics artifacts.
//!
//! The numbers come from the artifacts, what to show of them from the pipeline; published numbers
//! stand beside ours with their sources. Equal inputs make equal bytes, in whatever order they come.

mod axis;
mod bars;
mod check;
mod csv;
mod draw;
mod figure;
mod figure_params;
mod format;
mod frame;
mod join;
mod layout;
mod legend;
mod names;
mod notes;
mod order;
mod params;
mod pick;
mod plot;
mod series;
mod statistics;
mod summary;
mod text_size;
mod text_table;

use igpt_contract::{
    Choice, Figure as FigureKind, KnownInputs, Many, Metrics, Misfit, Out, ParamError, Resources, Sought,
    Stage, StageContext, StageError, StageIo, StageSpec, Table, counted,
};
use igpt_table::observe;

pub use figure_params::{ExtraSeries, Figure, PlotKind, Reference};
pub use params::{BestRow, Column, Params, Placeholder, Published, Sort};
pub use statistics::ErrorBar;

const METRICS: Many<Metrics> = Many::new("metrics", "the metrics to report, each with its labels");
const CHOICES: Many<Choice> = Many::new(
    "choices",
    "the results of searches: each candidate is an artifact, with the searched parameter as a label and the fact `chosen`",
);
const TABLE: Out<Table> = Out::new("table", "the table as Markdown, LaTeX and CSV");
const FIGURE: Out<FigureKind> = Out::new("figure", "the figure as SVG and PNG");

/// Results tables and figures.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report;

impl Stage for Report {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "report",
            summary: "gathers metrics into a table (Markdown, LaTeX, CSV) and a figure (SVG, PNG)",
            // 5: fits that have not converged are named below the table.
            version: 5,
            inputs: vec![METRICS.port(), CHOICES.port()],
            outputs: vec![TABLE.port(), FIGURE.port()],
            seeded: false,
            device_dependent: false,
            isolated: false,
            unkeyed: &[],
            resources: Resources { cpus: 1, memory_mib: 0, gpus: 0 },
        }
    }

    fn check(&self, params: &Params) -> Result<(), ParamError> {
        check::check(params)
    }

    fn misfits(&self, params: &Params, inputs: &KnownInputs<'_>) -> Vec<Misfit> {
        inputs.lacking(&[METRICS.name, CHOICES.name], Sought::Any, names::all(params))
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        let mut found = observe::tried(io.many(&CHOICES))?;
        if found.is_empty() || !io.many(&METRICS).is_empty() {
            found.extend(observe::read(io.many(&METRICS))?);
        }
        let all = found.len();
        let observations = match &params.pick {
            Some(by) => pick::pick(by, found)?,
            None => found,
        };
        let summary = summary::summarise(params, &observations)?;
        let order = order::order(params, &summary);
        let text = text_table::text_table(params, &summary, &order);
        let csv = csv::csv(params, &summary, &order);
        let (plot, notes) = figure::plot(params, &observations)?;
        igpt_table::write(io.output(&TABLE), &text, &csv)?;
        draw::figure(&plot, io.output(&FIGURE))
            .map_err(|e| StageError::caused("the figure could not be drawn", e))?;
        cx.note(format!(
            "{} from {}",
            counted(text.rows.len(), "row"),
            counted(observations.len(), "metrics artifact")
        ));
        if observations.len() < all {
            cx.note(format!("picked {} of {all} artifacts", observations.len()));
        }
        if summary.outside > 0 {
            cx.note(format!(
                "left out {} without any of {:?}",
                counted(summary.outside, "artifact"),
                params.rows
            ));
        }
        for note in notes {
            cx.note(note);
        }
        Ok(())
    }
}
