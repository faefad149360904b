//! `metrics RUN|FILE [STEP...]`: numbers and curves for other programs.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use igpt_contract::{MetricRow, counted};

use super::error::CliError;
use super::options::{On, PipelineArgs};
use super::recorded::{Recorded, names_a_file, of_pipeline, of_run};
use super::{junit, print_error};
use crate::formats::{self, EVENT_FILE, Scalar};
use crate::registry;
use crate::step_name::{self, typed};
use crate::store::Store;

/// What is written, of which steps.
#[derive(Debug, Args)]
pub(super) struct MetricsArgs {
    /// A run (an id or the start of one, or `last`), or a pipeline file, for its cached steps.
    #[arg(value_name = "RUN|FILE", default_value = "last")]
    run_or_file: String,
    /// Only these steps: `probe` selects all of its instances, `probe:layer=3` those with layer 3.
    #[arg(value_name = "STEP", value_parser = step_name::parse)]
    steps: Vec<String>,
    /// Write to this file; its extension (.csv, .json, .parquet) selects the format.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// One row per number: step, axes, metric, x, value [the default].
    #[arg(long, group = "format")]
    csv: bool,
    /// The same rows as Parquet; needs --output.
    #[arg(long, group = "format", requires = "output")]
    parquet: bool,
    /// Write curves for TensorBoard to this folder, with one subfolder per step.
    #[arg(long, group = "format", value_name = "DIR", conflicts_with = "output", value_hint = ValueHint::DirPath)]
    tensorboard: Option<PathBuf>,
    /// Write the outcome of each step of a run to this file, as JUnit XML for CI.
    #[arg(long, group = "format", value_name = "FILE", conflicts_with_all = ["output", "steps"], value_hint = ValueHint::FilePath)]
    junit: Option<PathBuf>,
    /// With a pipeline file: override a value (repeatable).
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
    /// With a pipeline file: use a profile (repeatable).
    #[arg(long = "profile", value_name = "NAME")]
    profiles: Vec<String>,
    /// With a pipeline file: look up the results of this device: auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "auto")]
    device: String,
}

/// The formats of rows.
#[derive(Clone, Copy, PartialEq)]
enum Format {
    Csv,
    Json,
    Parquet,
}

/// Writes the numbers.
pub(super) fn metrics(
    store: &Path,
    json: bool,
    args: &MetricsArgs,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let format = format(json, args)?;
    let file = names_a_file(&args.run_or_file);
    if let Some(path) = &args.junit {
        if file.is_some() {
            let what = "--junit needs a run, found a pipeline file";
            let hint = "name a run: `igpt-flow runs` lists them, `last` is the latest".to_owned();
            return Err(CliError::Usage { what: what.to_owned(), hint: Some(hint) });
        }
        return junit::write(&Store::open_existing(store)?.run(&args.run_or_file)?, path);
    }
    let steps = match file {
        Some(file) => {
            let pipeline = PipelineArgs { file, sets: args.sets.clone(), profiles: args.profiles.clone() };
            let found = of_pipeline(store, &pipeline, On::device(&args.device), &args.steps)?;
            for name in &found.missing {
                print_error(&format!("not cached: {}\n", crate::report::clean::one_line(&typed(name))));
            }
            found.steps
        }
        None => {
            let store = Store::open_existing(store)?;
            of_run(&store, &store.run(&args.run_or_file)?, &args.steps)?
        }
    };
    if let Some(folder) = &args.tensorboard {
        return tensorboard(folder, &steps, out);
    }
    let rows: Vec<MetricRow> = steps.iter().flat_map(Recorded::rows).collect();
    let text = match format {
        Format::Csv => formats::csv(&rows),
        Format::Json => format!("{:#}\n", formats::json(&rows)),
        Format::Parquet => {
            let path = args.output.as_deref().unwrap_or(Path::new(""));
            return registry::write_parquet(&rows, path).map_err(CliError::usage);
        }
    };
    match &args.output {
        Some(path) => fs::write(path, text).map_err(CliError::file("write", path)),
        None => Ok(out.write_all(text.as_bytes())?),
    }
}

/// The format: of an option, else of the file's ending.
fn format(json: bool, args: &MetricsArgs) -> Result<Format, CliError> {
    let ending =
        args.output.as_ref().and_then(|path| path.extension()).map(|ending| ending.to_string_lossy());
    let of_file = match ending.as_deref() {
        Some("json") => Some(Format::Json),
        Some("parquet") => Some(Format::Parquet),
        Some("csv") => Some(Format::Csv),
        _ => None,
    };
    let format = match (args.parquet, json, args.csv) {
        (true, ..) => Format::Parquet,
        (_, true, _) => Format::Json,
        (.., true) => Format::Csv,
        _ => of_file.unwrap_or(Format::Csv),
    };
    match &args.output {
        Some(path) if of_file.is_some_and(|of_file| of_file != format) => Err(CliError::usage(format!(
            "the options select a different format than the extension of `{}`",
            path.display()
        ))),
        _ => Ok(format),
    }
}

/// Writes an event file for each step that has curves.
fn tensorboard(folder: &Path, steps: &[Recorded], out: &mut dyn Write) -> Result<(), CliError> {
    let mut written = 0;
    for step in steps.iter().filter(|step| !step.record.metrics.curves.is_empty()) {
        let folder = folder.join(file_name(&typed(&step.name)));
        fs::create_dir_all(&folder).map_err(CliError::file("create", &folder))?;
        // Of an earlier result: TensorBoard would draw both as one.
        for item in fs::read_dir(&folder).map_err(CliError::file("read", &folder))?.flatten() {
            if item.file_name().to_string_lossy().ends_with(EVENT_FILE) {
                fs::remove_file(item.path()).map_err(CliError::file("remove", &item.path()))?;
            }
        }
        let finished = step.record.finished;
        let scalars = step.record.metrics.curves.iter().flat_map(|(tag, curve)| {
            curve.iter().map(|(x, y)| Scalar { tag, step: x.round() as i64, value: *y as f32 })
        });
        let bytes = formats::event_file(finished.as_millisecond() as f64 / 1000.0, scalars);
        let path = folder.join(format!("events.out.tfevents.{}{EVENT_FILE}", finished.as_second()));
        fs::write(&path, bytes).map_err(CliError::file("write", &path))?;
        written += 1;
    }
    writeln!(out, "wrote the curves of {} to {}", counted(written, "step"), folder.display())?;
    Ok(())
}

/// A step's name as that of a folder.
fn file_name(name: &str) -> String {
    name.chars().map(|c| if matches!(c, '/' | '\\' | '\0') { '-' } else { c }).collect()
}
