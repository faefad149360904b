//! The stage kind `report`: one table and one figure from any set of metrics artifacts.
//!
//! The numbers come from the artifacts, what to show of them from the pipeline; published numbers
//! stand beside ours with their sources. Equal inputs make equal bytes, in whatever order they come.

mod axis;
mod bars;
mod bold;
mod cells;
mod check;
mod csv;
mod curves;
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
use igpt_table::cells::ExpectedCell;
use igpt_table::{expect, observe};

pub use figure_params::{ExtraSeries, Figure, FigureStyle, PlotKind, Reference, Scale, Statement};
pub use params::{BestRow, Better, Column, Params, Placeholder, Published, Sort};
pub use statistics::ErrorBar;

const METRICS: Many<Metrics> = Many::new("metrics", "the metrics to report, each with its labels");
const CHOICES: Many<Choice> = Many::new(
    "choices",
    "the results of searches: each candidate is an artifact, with the searched parameter as a label and the fact `chosen`",
);
const TABLE: Out<Table> = Out::new("table", "the table as Markdown, LaTeX and CSV");
const FIGURE: Out<FigureKind> =
    Out::new("figure", "the figure as SVG, PDF and PNG, and its caption for LaTeX");

/// Results tables and figures.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report;

impl Stage for Report {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "report",
            summary: "collects metrics in a table (Markdown, LaTeX, CSV) and a figure (SVG, PDF, PNG)",
            // 6: `cells.json`; booktabs, one rule for digits, the best of each column; PDF.
            version: 7,
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
        let mut found = observe::tried(CHOICES.name, io.many(&CHOICES))?;
        if found.is_empty() || !io.many(&METRICS).is_empty() {
            found.extend(observe::read(METRICS.name, io.many(&METRICS))?);
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
        let mut cells = cells::cells(params, &summary, &order, &text.title);
        cells.add_port(METRICS.name, io.many(&METRICS));
        cells.add_port(CHOICES.name, io.many(&CHOICES));
        igpt_table::write(io.output(&TABLE), &text, &csv, &cells)?;
        draw::figure(&plot, io.output(&FIGURE))
            .map_err(|e| StageError::caused("the figure could not be drawn", e))?;
        expect::report(cx, &expected(params, &summary));
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

/// All that was expected, by the row and the column.
fn expected(params: &Params, summary: &summary::Summary) -> Vec<(String, ExpectedCell)> {
    let mut all = summary.unseen.clone();
    for row in &summary.rows {
        for (column, cell) in params.columns.iter().zip(&row.cells) {
            let name = format!("{} / {}", row.name(), column.heading());
            all.extend(cell.expected.clone().map(|expected| (name, expected)));
        }
    }
    all
}
