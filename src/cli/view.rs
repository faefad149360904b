//! `view [RUN...]`: runs as pages, in a file or served on this machine.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use clap::{Args, ValueHint};

use igpt_contract::counted;

use super::backing::{Of, backed};
use super::error::CliError;
use super::options::RemoteArgs;
use super::replan::replan;
use super::run::{INTERRUPTED, stop_on_interrupt};
use crate::pipeline::units;
use crate::report::bytes;
use crate::store::{RunFolder, Store};
use crate::view::{MOST_COMPARED, Medium, Run, RunPage, Server, compare_page, run_page};

/// What to show, and where.
#[derive(Debug, Args)]
pub(super) struct ViewArgs {
    /// The runs: ids or starts of ids, or `last`; several are compared [default with --output: the
    /// latest].
    #[arg(value_name = "RUN")]
    runs: Vec<String>,
    /// Write one self-contained page to this file instead of serving pages.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// Omit pictures and details of steps (parameters, inputs, logs) if the page would be larger than this; the
    /// details take at most 6 MiB.
    #[arg(long, value_name = "SIZE", default_value = "20MiB")]
    max_size: String,
    /// Also show absolute paths, the machine's name and the command line.
    #[arg(long)]
    with_machine: bool,
    /// Port to serve on [default: any free port].
    #[arg(long, value_name = "PORT", conflicts_with = "output")]
    port: Option<u16>,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Writes a page, or serves pages until it is interrupted.
pub(super) fn view(store: &Path, json: bool, args: &ViewArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let usage = |what: String, hint: &str| CliError::Usage { what, hint: Some(hint.to_owned()) };
    if json {
        return Err(usage(
            "--json: pages are not JSON".to_owned(),
            "`igpt-flow runs --json` and `igpt-flow show --json` print what pages show",
        ));
    }
    let max_size = units::memory_bytes(&args.max_size).ok_or_else(|| {
        usage(
            format!("--max-size: expected a size, found `{}`", args.max_size),
            "write it as 20MiB or 500KiB",
        )
    })?;
    let store = Store::open_existing(store)?;
    if args.runs.len() > MOST_COMPARED {
        let what = format!("at most {MOST_COMPARED} runs can be compared, found {}", args.runs.len());
        return Err(usage(what, "name fewer"));
    }
    match &args.output {
        Some(file) => write_page(&store, args, max_size, file, out),
        None => serve(store, args, max_size, out),
    }
}

fn read(store: &Store, folder: &RunFolder, args: &ViewArgs) -> Result<Run, CliError> {
    let store = backed(store, args.remote.remote.as_deref(), Of::Run(folder))?;
    Ok(Run::read(&store, folder, replan(&store, folder), Medium::File, args.with_machine))
}

fn write_page(
    store: &Store,
    args: &ViewArgs,
    max_size: u64,
    file: &Path,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let asked = if args.runs.is_empty() { vec!["last".to_owned()] } else { args.runs.clone() };
    let folders: Vec<RunFolder> =
        asked.iter().map(|asked| store.run(asked)).collect::<crate::store::Result<_>>()?;
    let runs: Vec<Run> = folders.iter().map(|folder| read(store, folder, args)).collect::<Result<_, _>>()?;
    let RunPage { html, left_out } = match &runs[..] {
        [run] => run_page(run, Medium::File, max_size),
        runs => RunPage { html: compare_page(runs, Medium::File), left_out: Vec::new() },
    };
    fs::write(file, &html).map_err(CliError::file("write", file))?;
    let what = match &folders[..] {
        [run] => format!("run {}", run.id()),
        runs => counted(runs.len(), "run"),
    };
    writeln!(out, "wrote {} ({what}, {})", file.display(), bytes(html.len() as u64))?;
    for what in left_out {
        writeln!(out, "left out: {what}")?;
    }
    if html.len() as u64 > max_size {
        writeln!(out, "the text alone is larger than --max-size {}", args.max_size)?;
    }
    Ok(())
}

fn serve(store: Store, args: &ViewArgs, max_size: u64, out: &mut dyn Write) -> Result<(), CliError> {
    let no_port = |source| CliError::Serve { port: args.port.unwrap_or(0), source };
    let path = match &args.runs[..] {
        [] => "/".to_owned(),
        [run] => format!("/run/{}", store.run(run)?.id()),
        _ => {
            return Err(CliError::Usage {
                what: "one run is served at a time".to_owned(),
                hint: Some(
                    "choose several in the list of runs, or write their comparison with `--output FILE`"
                        .to_owned(),
                ),
            });
        }
    };
    let (again, named) = (store.clone(), args.remote.remote.clone());
    // What is wrong with the settings of a remote is said before anything is served.
    backed(&store, named.as_deref(), Of::Nobody)?;
    // Each run's, which remembers what it asked its remote for.
    let known: Mutex<HashMap<String, Store>> = Mutex::default();
    let look = Box::new(move |folder: &RunFolder| {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let backed = || backed(&again, named.as_deref(), Of::Run(folder)).unwrap_or_else(|_| again.clone());
        let store = known.entry(folder.id().to_owned()).or_insert_with(backed).clone();
        drop(known);
        let planned = replan(&store, folder);
        (store, planned)
    });
    stop_on_interrupt();
    let server =
        Server::bind(store, args.port.unwrap_or(0), look, (args.with_machine, max_size), &INTERRUPTED)
            .map_err(no_port)?;
    writeln!(out, "{}", server.url(&path).map_err(no_port)?)?;
    if std::env::var_os("SSH_CONNECTION").is_some_and(|value| !value.is_empty()) {
        let port = server.port().map_err(no_port)?;
        writeln!(
            out,
            "from your own machine, first: ssh -L {port}:127.0.0.1:{port} {}",
            crate::store::host()
        )?;
    }
    writeln!(out, "only this machine and the address above can connect; Ctrl-C stops")?;
    out.flush()?;
    server.run().map_err(no_port)?;
    writeln!(out, "stopped")?;
    Ok(())
}
