//! `values FILE`: the numbers of a pipeline as names for LaTeX.

use std::fs;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use clap::{Args, ValueHint};
use igpt_contract::counted;
use serde_json::json;

use super::error::CliError;
use super::options::SelectArgs;
use super::recorded::{OfPipeline, of_pipeline};
use super::{numbers, print_error};
use crate::paper::{self, MadeOf};
use crate::report::clean::one_line;
use crate::step_name::typed;

/// Of which pipeline, and where to.
#[derive(Debug, Args)]
pub(super) struct ValuesArgs {
    #[command(flatten)]
    select: SelectArgs,
    /// The file to write, for `\input` in the paper [default: standard output].
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
}

/// Writes the file.
pub(super) fn values(
    store: &Path,
    json: bool,
    args: &ValuesArgs,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let SelectArgs { pipeline, steps, .. } = &args.select;
    let OfPipeline { steps: recorded, missing, store, .. } =
        of_pipeline(store, pipeline, args.select.on(), steps)?;
    let (numbers, twice) = numbers::of_steps(store.as_ref(), &recorded);
    for key in twice {
        print_error(&format!("warning: two numbers have the key `{key}`; it is left out\n"));
    }
    if !missing.is_empty() {
        let some = missing
            .iter()
            .take(3)
            .map(|name| one_line(&typed(name)).into_owned())
            .collect::<Vec<_>>()
            .join(", ");
        let more = if missing.len() > 3 { ", ..." } else { "" };
        print_error(&format!("warning: {} without a result: {some}{more}\n", counted(missing.len(), "step")));
    }
    if json {
        let finite = |value: &f64| if value.is_finite() { json!(value) } else { json!(value.to_string()) };
        let values: serde_json::Map<_, _> =
            numbers.iter().map(|(key, value)| (key.clone(), finite(value))).collect();
        writeln!(out, "{:#}", json!({"values": values, "missing": missing}))?;
        return Ok(());
    }
    let folder = args.output.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
    let made_of = MadeOf {
        pipeline: relative(&pipeline.file, folder)?,
        profiles: pipeline.profiles.clone(),
        sets: pipeline.sets.clone(),
    };
    let text = paper::write(&made_of, &numbers);
    match &args.output {
        None => out.write_all(text.as_bytes())?,
        Some(path) => {
            if !may_be_replaced(path) {
                let what = format!("`{}` was not written by `igpt-flow values`", path.display());
                return Err(CliError::Usage {
                    what,
                    hint: Some("choose another name, or move the file".to_owned()),
                });
            }
            fs::write(path, text).map_err(CliError::file("write", path))?;
        }
    }
    Ok(())
}

/// Whether a file of values may be written there: where there is none, an empty one, or one of values. `-o paper.tex` is a
/// slip, whatever the paper is encoded in.
fn may_be_replaced(path: &Path) -> bool {
    // The terminal or a pipe: nothing is replaced, and reading from there may have no end.
    if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        return true;
    }
    match fs::read(path) {
        Ok(bytes) => bytes.is_empty() || paper::ValuesFile::parse(&String::from_utf8_lossy(&bytes)).is_some(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// A path as it is written from a folder.
fn relative(path: &Path, folder: &Path) -> Result<String, CliError> {
    let real = |path: &Path| fs::canonicalize(path).map_err(CliError::file("find", path));
    let path = real(path)?;
    let folder = real(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?;
    let (to, from): (Vec<Component<'_>>, Vec<Component<'_>>) =
        (path.components().collect(), folder.components().collect());
    let same = to.iter().zip(&from).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n(Path::new(".."), from.len() - same);
    let way: PathBuf = up.chain(to[same..].iter().map(|part| Path::new(part.as_os_str()))).collect();
    Ok(way.to_string_lossy().into_owned())
}
