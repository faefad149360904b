//! The order of the table's rows, by values and not by what a file makes of them.

use igpt_table::observe::Value;

use crate::params::Params;
use crate::summary::{Summary, SummaryRow};

/// The numbers of the summary's rows in the order that was asked for. A row without a value, or with
/// one that is not a number in a column of numbers, comes last, whichever way the order runs.
pub(crate) fn order(params: &Params, summary: &Summary) -> Vec<usize> {
    let mut order: Vec<usize> = (0..summary.rows.len()).collect();
    let Some(sort) = &params.sort else { return order };
    let column = params.columns.iter().position(|column| column.heading() == sort.by);
    let name = params.rows.iter().position(|name| *name == sort.by);
    if !sort.order.is_empty() {
        let whole = |row: &SummaryRow| vec![Value::Text(row.name())];
        let values =
            |row: &SummaryRow| if sort.by.is_empty() { whole(row) } else { values_of(row, column, name) };
        let place = |row: &SummaryRow| {
            let shown: Vec<String> = values(row).iter().map(Value::text).collect();
            let shown = shown.join(", ");
            sort.order.iter().position(|value| *value == shown).unwrap_or(sort.order.len())
        };
        let places: Vec<usize> = summary.rows.iter().map(place).collect();
        order.sort_by_key(|&i| places[i]);
        return order;
    }
    let values = |row: &SummaryRow| values_of(row, column, name);
    let says = |value: &Value| match value {
        Value::Number(x) => !x.is_nan(),
        Value::Text(_) => true,
        Value::Missing => false,
    };
    let keys: Vec<Vec<Value>> =
        summary.rows.iter().map(|row| values(row).into_iter().filter(says).collect()).collect();
    // A stable sort: equal rows stay in their natural order.
    order.sort_by(|&a, &b| {
        let (a, b) = (&keys[a], &keys[b]);
        let by_value = if sort.descending { b.cmp(a) } else { a.cmp(b) };
        a.is_empty().cmp(&b.is_empty()).then(by_value)
    });
    order
}

/// What a row has in a column, or as one of its own values.
fn values_of(row: &SummaryRow, column: Option<usize>, name: Option<usize>) -> Vec<Value> {
    match (column, name) {
        (Some(c), _) => row.cells[c].value.values(),
        (None, Some(i)) => vec![row.key[i].clone()],
        (None, None) => Vec::new(),
    }
}
