//! `origin FILE|STEP|DIGEST`: where a result comes from, the whole way back.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::backing::backed_for_run;
use super::error::CliError;
use super::history::{StepArgs, find};
use super::options::RemoteArgs;
use super::origin_forms::{Asked, AskedCell, as_json, dot};
use super::origin_text::tell;
use crate::provenance::place::{self, Place};
use crate::provenance::{Cell, CellColumn, TableCells, Trace};
use crate::step_name;
use crate::store::Store;

/// What is traced back.
#[derive(Debug, Args)]
pub(super) struct OriginArgs {
    /// An exported file or folder, a step such as `probe` or `probe:layer=3`, or a key or digest (at least
    /// its first six digits).
    #[arg(value_name = "FILE|STEP|DIGEST", value_hint = clap::ValueHint::AnyPath)]
    of: String,
    /// The run: an id or the start of one, or `last` [default: the latest run with the step].
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// For a table: only the origin of the numbers in this row. The first row below the heading is 1.
    #[arg(long, value_name = "N")]
    row: Option<usize>,
    /// With `--row`: only this column of results, given by heading or number.
    #[arg(long, value_name = "COLUMN", requires = "row")]
    column: Option<String>,
    /// Also show parameters with default values.
    #[arg(long)]
    all: bool,
    /// Print the graph as DOT, for Graphviz.
    #[arg(long, conflicts_with = "json")]
    dot: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Traces what `args` names, and tells it.
pub(super) fn origin(
    store: &Path,
    json: bool,
    args: &OriginArgs,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let store = Store::open_existing(store)?;
    let mut asked = asked(&store, args)?;
    let keys: Vec<_> = asked.places.iter().map(|place| place.key).collect();
    let mut trace = Trace::of(&store, &keys);
    if let Some(row) = args.row {
        // With a remote behind it that may have the table.
        let run = asked.run.as_deref().unwrap_or("last");
        let store = backed_for_run(&store, args.remote.remote.as_deref(), run)?;
        let cells = cells(&store, &asked, &trace, row, args.column.as_deref())?;
        let start = trace.starts.first().copied().unwrap_or_default();
        let inputs: BTreeSet<usize> =
            cells.iter().flat_map(|asked| asked.cell.inputs(&trace.nodes[start])).collect();
        trace = trace.narrowed(start, |place, _| inputs.contains(&place));
        asked.cells = cells;
    }
    if json {
        writeln!(out, "{:#}", as_json(&asked, &trace, args.all))?;
    } else if args.dot {
        dot(&trace, out)?;
    } else {
        tell(&asked, &trace, args.all, out)?;
    }
    Ok(())
}

/// What the user means: a path where it looks like one, a step, a file, a digest.
fn asked(store: &Store, args: &OriginArgs) -> Result<Asked, CliError> {
    let text = &args.of;
    let path = Path::new(text);
    if text.contains('/') || (path.exists() && args.run.is_none() && find(store, &step_args(args)).is_err()) {
        return file(store, path);
    }
    let error = match steps(store, args) {
        Ok(asked) => return Ok(asked),
        Err(error) => error,
    };
    if !place::is_digest(text) {
        return Err(error);
    }
    let places = place::find(store, text)?;
    let mut digests: Vec<_> = places.iter().map(|place| place.digest).collect();
    digests.sort();
    digests.dedup();
    match digests[..] {
        [] => Err(CliError::Usage {
            what: format!("no step, output or file in the store has a digest that begins with `{text}`"),
            hint: Some("`igpt-flow show STEP` prints keys and digests".to_owned()),
        }),
        [_] => Ok(Asked::one_of(text, store, &places)),
        _ => Err(CliError::Usage {
            what: format!("{} digests begin with `{text}`", digests.len()),
            hint: Some("give more digits".to_owned()),
        }),
    }
}

/// The steps of that name.
fn steps(store: &Store, args: &OriginArgs) -> Result<Asked, CliError> {
    let found = find(store, &step_args(args))?;
    let unkeyed = found.steps.iter().find(|step| step.key.is_none());
    let places: Vec<Place> = found.steps.iter().filter_map(|step| step.key.map(step_place)).collect();
    match (places.is_empty(), unkeyed) {
        (true, Some(step)) => Err(CliError::Usage {
            what: format!("run {} did not reach `{}` ({})", found.run.id(), step.name, step.outcome),
            hint: Some(format!("`igpt-flow explain {}` says why", step_name::typed(&step.name))),
        }),
        _ => Ok(Asked { places, run: Some(found.run.id().to_owned()), ..Asked::of(&args.of) }),
    }
}

fn step_args(args: &OriginArgs) -> StepArgs {
    let Ok(step) = step_name::parse(&args.of);
    StepArgs { step, run: args.run.clone() }
}

fn step_place(key: igpt_contract::Digest) -> Place {
    Place { key, port: None, within: PathBuf::new(), digest: key }
}

/// A file or folder on disk.
fn file(store: &Store, path: &Path) -> Result<Asked, CliError> {
    let shown = path.display();
    if let Err(source) = path.metadata() {
        return Err(CliError::File { doing: "read", path: path.to_owned(), source });
    }
    let found = place::on_disk(store, path)?;
    if !found.places.is_empty() {
        return Ok(Asked::one_of(&shown.to_string(), store, &found.places));
    }
    let (what, hint) = match found.export {
        Some(export) => {
            let digest = export.artifact.digest;
            (
                format!("`{shown}` was changed since igpt-flow exported it"),
                format!("to trace what was exported: `igpt-flow origin {}`", digest.short()),
            )
        }
        None => (
            format!("no step in this store produced `{shown}`"),
            "`--store` names the store of the run that wrote it".to_owned(),
        ),
    };
    Err(CliError::Usage { what, hint: Some(hint) })
}

/// The cells of a row, or one of them.
fn cells(
    store: &Store,
    asked: &Asked,
    trace: &Trace,
    row: usize,
    column: Option<&str>,
) -> Result<Vec<AskedCell>, CliError> {
    let no_table = |hint: &str| CliError::Usage {
        what: format!("--row: `{}` is not a table with known cells", asked.text),
        hint: Some(hint.to_owned()),
    };
    let ([place], Some(record)) =
        (&asked.places[..], trace.starts.first().and_then(|at| trace.nodes[*at].record.as_ref()))
    else {
        return Err(no_table("name one table, such as an exported results/table.md"));
    };
    let outputs =
        record.outputs.iter().filter(|(port, _)| place.port.as_ref().is_none_or(|meant| meant == *port));
    let folder = place.within.parent().unwrap_or(Path::new(""));
    let read = outputs.clone().map(|(_, artifact)| TableCells::read(store, artifact, folder));
    let table = read
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| no_table(&format!("its `cells.json` cannot be read: {error}")))?;
    let table = table.into_iter().flatten().next().ok_or_else(|| {
        let place = outputs.clone().find_map(|(_, artifact)| store.whereabouts(artifact).words());
        match place {
            Some(words) => no_table(&format!("its bytes are {words}")),
            None => {
                no_table("the output has no `cells.json`; re-run the `report` with this version to write it")
            }
        }
    })?;
    let at = column.map(|column| column_of(&table.columns, column)).transpose()?;
    let rows = table.rows.len();
    if row == 0 || row > rows {
        return Err(CliError::Usage {
            what: format!("--row: expected a number from 1 to {rows}, found {row}"),
            hint: Some("the first row below the heading is 1".to_owned()),
        });
    }
    let meant = |cell: &Cell| cell.row + 1 == row && at.is_none_or(|at| cell.column == at);
    let named = |cell: Cell| AskedCell {
        row: table.rows[cell.row].name.clone(),
        column: table.columns[cell.column].shown().to_owned(),
        cell,
    };
    let found: Vec<AskedCell> = table.cells.into_iter().filter(meant).map(named).collect();
    if found.is_empty() {
        return Err(CliError::Usage {
            what: format!("--column: row {row} has no number there"),
            hint: Some("without --column all numbers of the row are traced".to_owned()),
        });
    }
    Ok(found)
}

/// The column of that heading, name or number.
fn column_of(columns: &[CellColumn], asked: &str) -> Result<usize, CliError> {
    let is_meant = |column: &CellColumn| column.shown() == asked || column.name == asked;
    if let Some(at) = columns.iter().position(is_meant) {
        return Ok(at);
    }
    match asked.parse::<usize>() {
        Ok(number) if (1..=columns.len()).contains(&number) => Ok(number - 1),
        _ => {
            let known: Vec<&str> = columns.iter().map(CellColumn::shown).collect();
            Err(CliError::Usage {
                what: format!("--column: the table has no column `{asked}`"),
                hint: Some(format!("its columns are {}", known.join(", "))),
            })
        }
    }
}
