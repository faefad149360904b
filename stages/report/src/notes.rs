//! The notes below a table.

use crate::format::number;
use crate::params::{Column, Params};
use crate::statistics::ErrorBar;
use crate::summary::{CellValue, Summary};

/// How rows were picked and chosen, what means and errors are over, which fits have not converged.
pub(crate) fn notes(params: &Params, summary: &Summary, same: Option<usize>) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(pick) = &params.pick {
        let which = if pick.lowest { "lowest" } else { "highest" };
        let over = pick.over.join(", ");
        notes.push(format!("Only the {over} with the {which} {} of each.", pick.metric));
    }
    if let Some(best) = &params.best {
        let column = params.columns.iter().find(|c| c.metric == best.metric && c.only.is_empty());
        let by = column.map_or(best.metric.as_str(), Column::heading);
        let plain = Column { metric: best.metric.clone(), ..Column::default() };
        let column = column.unwrap_or(&plain);
        let winner = |&(row, value): &(usize, f64)| {
            format!("{} ({})", summary.rows[row].name(), number(column, column.of(value)))
        };
        let winners: Vec<String> = summary.winners.iter().map(winner).collect();
        let winners =
            if winners.is_empty() { "none, no row has a number".to_owned() } else { winners.join("; ") };
        notes.push(format!("Best {} by {by}: {winners}.", params.rows.join(", ")));
    }
    let of_columns = |error: ErrorBar, several: bool| {
        summary.rows.iter().any(|row| {
            params.columns.iter().zip(&row.cells).any(|(column, cell)| match &cell.value {
                CellValue::Numbers(s, expected) => {
                    column.error == error && (*expected > 1) == several && (several || s.error.is_some())
                }
                CellValue::NotRun | CellValue::NotApplicable | CellValue::Values(_) => false,
            })
        })
    };
    let over = match summary.averaged.as_slice() {
        [] => String::new(),
        axes => format!(" over {}", axes.join(", ")),
    };
    let count = match same {
        None => " (n: how many)".to_owned(),
        // Else it is in the title.
        Some(n) if params.title.is_empty() => format!(" (n = {n})"),
        Some(_) => String::new(),
    };
    if of_columns(ErrorBar::Sd, true) {
        notes.push(format!("Mean ± sample standard deviation{over}{count}."));
    }
    if of_columns(ErrorBar::Se, true) {
        notes.push(format!("Mean ± standard error{over}{count}, from their sample deviation."));
    }
    if of_columns(ErrorBar::Se, false) {
        let images = "of a single run √(p(1 − p)/N), N the number of images";
        notes.push(format!("± standard error {images}."));
    }
    if !summary.unconverged.is_empty() {
        let of = |(row, not, all): &(String, usize, usize)| match all {
            1 => row.clone(),
            _ => format!("{row} ({not} of {all})"),
        };
        let rows: Vec<String> = summary.unconverged.iter().map(of).collect();
        notes.push(format!(
            "Not converged: {}. With more iterations their numbers may be others.",
            rows.join("; ")
        ));
    }
    notes
}
