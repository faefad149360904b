//! From observations to the cells of a table: grouping, means, sample deviations, holes.

use std::collections::{BTreeMap, BTreeSet};

use igpt_contract::StageError;
use igpt_table::cells::{ExpectedCell, inputs_of};
use igpt_table::observe::{InputRef, Observation, Value, require};

use crate::names;
use crate::params::{BestRow, Column, Params, Placeholder};
use crate::statistics::{Measured, Statistics};

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CellValue {
    /// Nothing was run that would fill it.
    NotRun,
    /// The row's steps have no such number: fine-tuning has no C.
    NotApplicable,
    /// Numbers, and how many there would be if every step had run to its end.
    Numbers(Statistics, usize),
    /// The distinct values of a label or fact, in natural order.
    Values(Vec<Value>),
}

impl CellValue {
    /// What the cell says, for an order and for the CSV file; empty where it says nothing.
    pub(crate) fn values(&self) -> Vec<Value> {
        match self {
            Self::NotRun | Self::NotApplicable => Vec::new(),
            Self::Numbers(statistics, _) => vec![Value::Number(statistics.mean)],
            Self::Values(values) => values.clone(),
        }
    }
}

/// A published number beside a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PublishedValue {
    /// The number, in the units of the heading.
    pub(crate) value: f64,
    /// What stands after `±`.
    pub(crate) std: Option<f64>,
    /// Its source, counted from 0.
    pub(crate) source: usize,
}

/// A cell: what we have, what was published, and where ours is from.
#[derive(Debug, Clone)]
pub(crate) struct SummaryCell {
    pub(crate) value: CellValue,
    pub(crate) published: Option<PublishedValue>,
    /// What was expected of it.
    pub(crate) expected: Option<ExpectedCell>,
    /// The inputs that the value comes from.
    pub(crate) inputs: Vec<InputRef>,
}

impl SummaryCell {
    /// Without a result.
    fn hole(value: CellValue) -> Self {
        Self { value, published: None, expected: None, inputs: Vec::new() }
    }
}

/// A row: its values, and a cell for each column.
#[derive(Debug, Clone)]
pub(crate) struct SummaryRow {
    pub(crate) key: Vec<Value>,
    pub(crate) cells: Vec<SummaryCell>,
    /// Whether it has artifacts; else it is there for a published number alone.
    pub(crate) ours: bool,
}

impl SummaryRow {
    /// The row's values, joined.
    pub(crate) fn name(&self) -> String {
        self.key.iter().map(Value::text).collect::<Vec<_>>().join(", ")
    }
}

/// A table before it has a form.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    /// In natural order.
    pub(crate) rows: Vec<SummaryRow>,
    /// Sources of published numbers, in the order of the parameters.
    pub(crate) sources: Vec<String>,
    /// The axes that means run over.
    pub(crate) averaged: Vec<String>,
    /// The winners: the row's number and what decided.
    pub(crate) winners: Vec<(usize, f64)>,
    /// How many artifacts have none of the rows' names, and so are in no row.
    pub(crate) outside: usize,
    /// Expectations of whole columns that have no number, by the columns' headings.
    pub(crate) unseen: Vec<(String, ExpectedCell)>,
    /// The rows with fits that have not converged: the name, how many, and of how many.
    pub(crate) unconverged: Vec<(String, usize, usize)>,
}

/// Groups the observations into rows and fills the cells.
///
/// # Errors
/// If a name is known to no artifact.
pub(crate) fn summarise(params: &Params, observations: &[Observation]) -> Result<Summary, StageError> {
    for (_, name) in names::of_table(params) {
        require(observations, name)?;
    }
    let groups = group(observations, &params.rows);
    let mut sources: Vec<String> = Vec::new();
    let mut rows: Vec<SummaryRow> = groups
        .iter()
        .map(|(key, members)| SummaryRow {
            key: key.clone(),
            cells: params
                .columns
                .iter()
                .map(|c| {
                    if c.leaves_out(&params.rows, key) {
                        SummaryCell::hole(CellValue::NotApplicable)
                    } else {
                        cell(c, members, observations)
                    }
                })
                .collect(),
            ours: true,
        })
        .collect();
    for name in &params.expected {
        if !rows.iter().any(|row| row.name() == *name) {
            rows.push(row_without_results(name, CellValue::NotRun, params));
        }
    }
    for published in &params.published {
        let source = sources.iter().position(|s| *s == published.source).unwrap_or_else(|| {
            sources.push(published.source.clone());
            sources.len() - 1
        });
        let row = rows.iter().position(|row| row.name() == published.row).unwrap_or_else(|| {
            let cell = match params.others {
                Placeholder::NotRun => CellValue::NotRun,
                Placeholder::Dash => CellValue::NotApplicable,
            };
            rows.push(row_without_results(&published.row, cell, params));
            rows.len() - 1
        });
        let column = params.columns.iter().position(|c| c.heading() == published.column);
        if let Some(cell) = column.and_then(|c| rows[row].cells.get_mut(c)) {
            cell.published = Some(PublishedValue { value: published.value, std: published.std, source });
        }
    }
    let unseen = expect(params, &mut rows);
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    let winners =
        params.best.as_ref().map_or_else(Vec::new, |best| winners(best, &params.rows, &rows, &groups));
    let averaged = averaged(&groups, &rows, params);
    let outside = observations.len() - groups.values().map(Vec::len).sum::<usize>();
    let unconverged = unconverged(&rows, &groups);
    Ok(Summary { rows, sources, averaged, winners, outside, unseen, unconverged })
}

/// Puts what was expected beside the cells; a row that is expected and not there is added. Returns
/// expectations of whole columns in which there is no number.
fn expect(params: &Params, rows: &mut Vec<SummaryRow>) -> Vec<(String, ExpectedCell)> {
    let mut unseen = Vec::new();
    for (c, column) in params.columns.iter().enumerate() {
        let result = |row: &SummaryRow| match &row.cells[c].value {
            CellValue::Numbers(s, _) => Some(column.in_units(s.mean)),
            CellValue::NotRun | CellValue::NotApplicable | CellValue::Values(_) => None,
        };
        // What is said of a row goes before what is said of all.
        let (all, of_rows): (Vec<_>, Vec<_>) = column.expect.iter().partition(|e| e.row.is_empty());
        for expectation in all {
            let found: Vec<usize> = (0..rows.len()).filter(|&i| result(&rows[i]).is_some()).collect();
            if found.is_empty() {
                unseen.push((column.heading().to_owned(), expectation.beside(None)));
            }
            for i in found {
                rows[i].cells[c].expected = Some(expectation.beside(result(&rows[i])));
            }
        }
        for expectation in of_rows {
            let row = rows.iter().position(|row| row.name() == expectation.row).unwrap_or_else(|| {
                rows.push(row_without_results(&expectation.row, CellValue::NotRun, params));
                rows.len() - 1
            });
            rows[row].cells[c].expected = Some(expectation.beside(result(&rows[row])));
        }
    }
    unseen
}

type Groups<'a> = BTreeMap<Vec<Value>, Vec<&'a Observation>>;

/// The observations by the values of some names; those that lack all of them belong to no group.
fn group<'a>(observations: &'a [Observation], names: &[String]) -> Groups<'a> {
    let mut groups = Groups::new();
    for observation in observations {
        let key: Vec<Value> =
            names.iter().map(|name| observation.get(name).cloned().unwrap_or(Value::Missing)).collect();
        if key.iter().any(|value| !matches!(value, Value::Missing)) {
            groups.entry(key).or_default().push(observation);
        }
    }
    groups
}

/// What a column shows of the members of a row. A hole is a member without the number, made as one
/// that has it elsewhere: the metrics of a probe are no hole in a column of training losses.
fn cell(column: &Column, members: &[&Observation], all: &[Observation]) -> SummaryCell {
    let holders: Vec<&Observation> = all.iter().filter(|o| o.get(&column.metric).is_some()).collect();
    let met: Vec<_> = members.iter().filter(|o| o.meets(&column.only)).collect();
    let found: Vec<&Value> = met.iter().filter_map(|o| o.get(&column.metric)).collect();
    let holes = met.iter().filter(|o| o.get(&column.metric).is_none());
    let holes = holes.filter(|o| holders.iter().any(|holder| o.is_like(holder))).count();
    if found.is_empty() {
        let value = if holes == 0 && !met.is_empty() { CellValue::NotApplicable } else { CellValue::NotRun };
        return SummaryCell::hole(value);
    }
    let inputs = inputs_of(met.iter().filter(|o| o.get(&column.metric).is_some()).map(|o| **o));
    let numbers: Option<Vec<Measured>> = met
        .iter()
        .filter(|o| o.get(&column.metric).is_some())
        .map(|o| match o.get(&column.metric) {
            Some(Value::Number(_)) => Measured::of(o, &column.metric, &column.count),
            _ => None,
        })
        .collect();
    // A mean of layers or of seeds says nothing: of a label the values are shown.
    let label = holders.iter().any(|holder| holder.is_label(&column.metric));
    let value = match numbers.filter(|_| !label).and_then(|numbers| Statistics::of(&numbers)) {
        Some(s) => CellValue::Numbers(Statistics { mean: column.of(s.mean), ..s }, found.len() + holes),
        None => {
            let distinct: BTreeSet<&Value> = found.into_iter().collect();
            CellValue::Values(distinct.into_iter().cloned().collect())
        }
    };
    SummaryCell { value, published: None, expected: None, inputs }
}

/// A row that no artifact is in: its name cut into as many values as rows have.
fn row_without_results(name: &str, cell: CellValue, params: &Params) -> SummaryRow {
    let n = params.rows.len();
    let mut key: Vec<Value> = name.splitn(n, ", ").map(|part| Value::Text(part.to_owned())).collect();
    key.resize(n, Value::Missing);
    SummaryRow { key, cells: vec![SummaryCell::hole(cell); params.columns.len()], ours: false }
}

/// The winners in the order of the rows.
fn winners(best: &BestRow, names: &[String], rows: &[SummaryRow], groups: &Groups<'_>) -> Vec<(usize, f64)> {
    let mut winners: BTreeMap<Vec<Value>, (usize, f64)> = BTreeMap::new();
    for (i, row) in rows.iter().enumerate() {
        let members = groups.get(&row.key).map_or(&[][..], Vec::as_slice);
        let numbers: Vec<Measured> =
            members.iter().filter_map(|o| Measured::of(o, &best.metric, "")).collect();
        let Some(Statistics { mean, .. }) = Statistics::of(&numbers) else { continue };
        if mean.is_nan() {
            continue;
        }
        let class: Vec<Value> = names
            .iter()
            .zip(&row.key)
            .filter(|(name, _)| best.within.contains(name))
            .map(|(_, value)| value.clone())
            .collect();
        let beats = |other: f64| if best.lowest { mean < other } else { mean > other };
        let winner = winners.entry(class).or_insert((i, mean));
        if beats(winner.1) {
            *winner = (i, mean);
        }
    }
    let mut winners: Vec<(usize, f64)> = winners.into_values().collect();
    winners.sort_by_key(|(i, _)| *i);
    winners
}

/// The rows with artifacts that say of a fit that it has not converged: `converged`, or that of the
/// fits a choice was made between, is 0.
fn unconverged(rows: &[SummaryRow], groups: &Groups<'_>) -> Vec<(String, usize, usize)> {
    let says = |o: &Observation, yes: bool| {
        ["converged", "converged.search"].iter().any(|name| match o.get(name) {
            Some(Value::Number(x)) => (*x == 0.0) == yes,
            _ => false,
        })
    };
    let of_row = |row: &SummaryRow| {
        let members = groups.get(&row.key).map_or(&[][..], Vec::as_slice);
        let not = members.iter().filter(|o| says(o, true)).count();
        let all = members.iter().filter(|o| says(o, true) || says(o, false)).count();
        (not > 0).then(|| (row.name(), not, all))
    };
    rows.iter().filter_map(of_row).collect()
}

/// The axes on which artifacts of one step differ that share a mean.
fn averaged(groups: &Groups<'_>, rows: &[SummaryRow], params: &Params) -> Vec<String> {
    let mut axes = BTreeSet::new();
    let picked = params.pick.iter().flat_map(|pick| &pick.over);
    let fixed: Vec<&String> = params.rows.iter().chain(picked).collect();
    for row in rows {
        let members = groups.get(&row.key).map_or(&[][..], Vec::as_slice);
        for (column, cell) in params.columns.iter().zip(&row.cells) {
            if !matches!(cell.value, CellValue::Numbers(..)) {
                continue;
            }
            let mut seen: BTreeMap<(String, &str), BTreeSet<&Value>> = BTreeMap::new();
            for member in members.iter().filter(|o| o.meets(&column.only) && o.get(&column.metric).is_some())
            {
                for axis in member.axes().filter(|axis| !fixed.iter().any(|name| name == axis)) {
                    seen.entry((member.step(), axis)).or_default().extend(member.get(axis));
                }
            }
            let several = seen.iter().filter(|(_, values)| values.len() > 1);
            axes.extend(several.map(|((_, axis), _)| (*axis).to_owned()));
        }
    }
    axes.into_iter().collect()
}
