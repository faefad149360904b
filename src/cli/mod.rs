//! The command line: one file for each verb, and what they share.
//!
//! Exit codes: 0 ok, 1 unexpected, 2 usage or pipeline, 100 a step failed, 101 store unusable,
//! 130 interrupted.

mod audit;
mod check;
mod diff;
mod ending;
mod error;
mod explain;
mod follow;
mod gc;
mod graph;
mod history;
mod index;
mod load;
mod logs;
mod new;
mod options;
mod plan;
mod results;
mod run;
mod run_facts;
mod runs;
mod schema;
mod show;
mod stages;
mod status;
mod tasks;
mod told;
mod totals;
mod verify;
mod worker;

use std::io::{IsTerminal as _, Write};
use std::panic::{UnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use audit::AuditArgs;
pub use error::CliError;

use crate::machine;
use crate::report::clean::Clean;
use gc::GcArgs;
use graph::GraphArgs;
use history::{DiffArgs, StepArgs};
use logs::LogArgs;
use options::{PipelineArgs, PlanArgs, RunArgs, SelectArgs};
use runs::ListArgs;

/// Run whole iGPT experiments from a YAML file; every stage is cached by content.
#[derive(Debug, Parser)]
#[command(name = "igpt-flow", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    /// The store's folder [env: IGPT_FLOW_STORE] [default: artifacts].
    #[arg(long, global = true, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a pipeline, or only what some of its steps need.
    Run(RunArgs),
    /// Show what a run would do, why, and what it should cost; changes nothing.
    Plan(PlanArgs),
    /// Show what of a pipeline is in the store.
    Status(SelectArgs),
    /// List the runs of the store, the latest first.
    Runs(ListArgs),
    /// Show why a step ran or was reused: which field of its key changed, from what to what.
    Explain(StepArgs),
    /// Show a step's parameters, metrics, outputs and cost.
    Show(StepArgs),
    /// Print what a step wrote while it ran.
    Logs(LogArgs),
    /// Show what differs between two runs.
    Diff(DiffArgs),
    /// Check all that the store keeps; what is damaged is set aside, and what was made from it.
    Verify,
    /// Run recorded steps again and compare what they make with what is recorded.
    Audit(AuditArgs),
    /// Say what nothing names any more, in bytes, or delete it.
    Gc(GcArgs),
    /// Look after the index.
    Index {
        #[command(subcommand)]
        verb: IndexVerb,
    },
    /// Say whether a pipeline is right, or all that is wrong with it; runs nothing.
    Check(PipelineArgs),
    /// Write a commented pipeline to start from.
    New {
        /// The file to write; it must not exist. Standard output unless given.
        file: Option<PathBuf>,
    },
    /// Show the steps of a pipeline and their wires.
    Graph(GraphArgs),
    /// List the stage kinds, or show one with its ports and parameters.
    Stages {
        /// The kind to show.
        kind: Option<String>,
    },
    /// Print the JSON Schema of the pipeline language, for editors.
    Schema,
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Do one job (the orchestrator starts this).
    #[command(hide = true)]
    Worker,
}

impl Verb {
    /// Whether what it prints is taken as it is, and not looked at by people.
    fn is_for_programs(&self) -> bool {
        match self {
            Self::Logs(args) => args.raw,
            Self::Schema | Self::Completions { .. } | Self::Worker => true,
            _ => false,
        }
    }
}

#[derive(Debug, Subcommand)]
enum IndexVerb {
    /// Throw the index away and build it again from the records.
    Rebuild,
}

/// Parses the command line, runs the verb, and answers the exit code.
pub fn main() -> ExitCode {
    guarded(|| {
        let cli = Cli::parse();
        let json = cli.json;
        // What `run` prints with `--json` is read line by line.
        let in_lines = matches!(cli.verb, Verb::Run(_));
        let mut out: Box<dyn Write> = match cli.verb.is_for_programs() || json {
            true => Box::new(std::io::stdout()),
            false => Box::new(Clean::new(std::io::stdout())),
        };
        crate::store::hush_expected_panics();
        machine::hear_of_children();
        dispatch(cli, &mut out).unwrap_or_else(|error| tell(&error, json, in_lines, &mut out))
    })
}

/// Does the work; a panic is a bug of ours and must not look like a store that cannot be used.
fn guarded(work: impl FnOnce() -> ExitCode + UnwindSafe) -> ExitCode {
    catch_unwind(work).unwrap_or_else(|_| {
        complain(&format!(
            "error: igpt-flow {} stopped at a fault of its own (the message above)\n\nhint: please report it \
             with that message and the command; results in the store are safe\n",
            env!("CARGO_PKG_VERSION")
        ));
        ExitCode::from(1)
    })
}

/// Tells an error, and answers its exit code.
fn tell(error: &CliError, json: bool, in_lines: bool, out: &mut dyn Write) -> ExitCode {
    match (error, error.as_json().filter(|_| json)) {
        // A reader that has seen enough is no failure.
        (CliError::Output(error), _) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        (_, Some(answer)) => {
            // Who does not read the answer has the exit code.
            let _ = if in_lines { writeln!(out, "{answer}") } else { writeln!(out, "{answer:#}") };
        }
        (_, None) => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            complain(&error.render(colour));
        }
    }
    error.exit_code()
}

/// Writes to standard error. Where that is closed the exit code has to do, and no panic helps.
fn complain(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// The store's folder: as named, or as the environment says, where it says something.
fn store_folder(named: Option<PathBuf>) -> PathBuf {
    let from_environment = || std::env::var_os("IGPT_FLOW_STORE").filter(|folder| !folder.is_empty());
    named.or_else(|| from_environment().map(PathBuf::from)).unwrap_or_else(|| PathBuf::from("artifacts"))
}

fn dispatch(cli: Cli, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let Cli { store, json, verb } = cli;
    let store = store_folder(store);
    match verb {
        Verb::Run(args) => return run::run(&store, json, &args, out),
        Verb::Plan(args) => return plan::plan(&store, json, &args, out),
        Verb::Status(args) => status::status(&store, json, &args, out)?,
        Verb::Runs(args) => runs::runs(&store, json, &args, out)?,
        Verb::Explain(args) => explain::explain(&store, json, &args, out)?,
        Verb::Show(args) => show::show(&store, json, &args, out)?,
        Verb::Logs(args) => logs::logs(&store, json, &args, out)?,
        Verb::Diff(args) => diff::diff(&store, json, &args, out)?,
        Verb::Audit(args) => return audit::audit(&store, json, &args, out),
        Verb::Verify => return verify::verify(&store, json, out),
        Verb::Gc(args) => gc::gc(&store, json, &args, out)?,
        Verb::Index { verb: IndexVerb::Rebuild } => index::rebuild(&store, json, out)?,
        Verb::Check(args) => check::check(&store, json, &args, out)?,
        Verb::New { file } => new::new(file.as_deref(), out)?,
        Verb::Graph(args) => graph::graph(json, &args, out)?,
        Verb::Stages { kind } => stages::stages(json, kind.as_deref(), out)?,
        Verb::Schema => schema::schema(out)?,
        Verb::Completions { shell } => {
            // Into memory first: the generator panics where it cannot write.
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "igpt-flow", &mut text);
            out.write_all(&text)?;
        }
        Verb::Worker => worker::worker()?,
    }
    // Standard output of a process is never asked whether its last line arrived.
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_unexpected_not_an_unusable_store() {
        let code = guarded(|| panic!("this panic is a test's"));
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(1)));
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
