//! The best values of each column, which are set in bold.

use std::collections::BTreeMap;

use igpt_table::observe::Value;

use crate::params::{Better, Params};
use crate::summary::{CellValue, Summary, SummaryRow};

/// For each row whether each column's value is the best, of ours and, where they stand in one column
/// (`merged`), of the published ones. One value alone is not the best of anything.
pub(crate) fn bold(params: &Params, summary: &Summary, merged: &[bool]) -> Vec<Vec<bool>> {
    let mut best = vec![vec![false; params.columns.len()]; summary.rows.len()];
    let within = match &params.best {
        Some(rows) if params.within.is_empty() => &rows.within,
        _ => &params.within,
    };
    let class = |row: &SummaryRow| -> Vec<Value> {
        let named = params.rows.iter().zip(&row.key).filter(|(name, _)| within.contains(name));
        named.map(|(_, value)| value.clone()).collect()
    };
    for (c, column) in params.columns.iter().enumerate() {
        let sign = match column.better() {
            Better::Higher => 1.0,
            Better::Lower => -1.0,
            Better::None => continue,
        };
        let mut classes: BTreeMap<Vec<Value>, Vec<(usize, f64)>> = BTreeMap::new();
        for (i, row) in summary.rows.iter().enumerate() {
            let number = match (&row.cells[c].value, row.cells[c].published) {
                (CellValue::Numbers(s, _), _) => column.in_units(s.mean),
                (_, Some(published)) if merged[c] => published.value,
                _ => continue,
            };
            if !number.is_nan() {
                classes.entry(class(row)).or_default().push((i, sign * number));
            }
        }
        for found in classes.into_values().filter(|found| found.len() > 1) {
            let highest = found.iter().map(|(_, x)| *x).fold(f64::NEG_INFINITY, f64::max);
            // Means of the same numbers in another order may differ by a rounding.
            let tied = if highest.is_finite() { highest - 1e-12 * highest.abs() } else { highest };
            for (i, _) in found.iter().filter(|(_, x)| *x >= tied) {
                best[*i][c] = true;
            }
        }
    }
    best
}
