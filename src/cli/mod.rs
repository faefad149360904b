//! The command line: one file for each verb, and what they share.
//!
//! The exit codes are listed in `help.rs`.

mod attempt;
mod audit;
mod backing;
mod bundle;
mod candidates;
mod cause;
mod check;
mod cluster;
mod completion;
mod diff;
mod ending;
mod error;
mod expectations;
mod explain;
mod follow;
mod gc;
mod graph;
mod help;
mod history;
mod index;
mod junit;
mod lint;
mod load;
mod log_files;
mod logs;
mod man;
mod metrics;
mod new;
mod numbers;
mod options;
mod origin;
mod origin_forms;
mod origin_text;
mod outlooks;
mod plan;
mod progress;
mod recorded;
mod replan;
mod results;
mod run;
mod runs;
mod schema;
mod sharing;
mod show;
mod stage_example;
mod stage_params;
mod stages;
mod status;
mod step_events;
mod step_hint;
mod tasks;
mod terminal;
mod totals;
mod values;
mod verify;
mod verify_bundle;
mod view;
mod worker;

#[cfg(test)]
mod docs_tests;

use std::io::Write;
use std::panic::{UnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueHint};

use audit::AuditArgs;
use bundle::BundleArgs;
use cluster::CheckArgs;
pub use error::CliError;

use crate::machine;
use crate::report::clean::Clean;
use gc::GcArgs;
use graph::GraphArgs;
use history::{DiffArgs, StepArgs};
use lint::LintArgs;
use logs::LogArgs;
use metrics::MetricsArgs;
use new::NewArgs;
use options::{PipelineArgs, PlanArgs, RunArgs, SelectArgs};
use origin::OriginArgs;
use runs::ListArgs;
use sharing::{PullArgs, PushArgs, RemoteVerb};
use show::ShowArgs;
use terminal::Terminal;
use values::ValuesArgs;
use verify::VerifyArgs;
use view::ViewArgs;

/// The heading of the options that every verb takes.
const GLOBAL: &str = "Global options";

/// Run complete iGPT experiments from a YAML file, with every stage cached by content.
#[derive(Debug, Parser)]
#[command(name = "igpt-flow", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    /// Folder of the store [env: IGPT_FLOW_STORE] [default: artifacts].
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = GLOBAL)]
    store: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long, global = true, help_heading = GLOBAL)]
    json: bool,
    #[command(flatten)]
    terminal: Terminal,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a pipeline, or only some of its steps and their dependencies.
    Run(RunArgs),
    /// Show what a run would do, why, and the expected cost.
    Plan(PlanArgs),
    /// Show how many steps of a pipeline are cached.
    Status(SelectArgs),
    /// List the runs in the store, latest first.
    Runs(ListArgs),
    /// Explain why a step ran or was reused.
    Explain(StepArgs),
    /// Show a step's parameters, metrics, outputs and cost.
    Show(ShowArgs),
    /// Show where a result comes from: every step and input, back to the data.
    Origin(OriginArgs),
    /// Export numbers and curves as CSV, JSON or Parquet, for TensorBoard, or as JUnit XML.
    Metrics(MetricsArgs),
    /// Write a pipeline's numbers as LaTeX names, for a paper.
    Values(ValuesArgs),
    /// Check the numbers and tables in a LaTeX paper against a pipeline.
    Lint(LintArgs),
    /// Print a step's log.
    Logs(LogArgs),
    /// Compare two runs step by step.
    Diff(DiffArgs),
    /// View runs in a browser: tables, figures, graph, curves.
    ///
    /// Serves the runs in the store on this machine, including those in progress, or writes a self-contained
    /// page with `--output FILE`.
    View(ViewArgs),
    /// Check the store for damage, or check a bundle.
    ///
    /// Reads every stored file and record. Damaged ones are quarantined, along with the results made from
    /// them; the next run that needs them recomputes them.
    ///
    /// For a bundle, hashes every file, recomputes every key, and rebuilds the tables and figures offline, in
    /// a temporary store.
    Verify(VerifyArgs),
    /// Write a bundle, with which others can check tables and figures without the data.
    Bundle(BundleArgs),
    /// Re-run cached steps and compare the results.
    Audit(AuditArgs),
    /// List or delete unreferenced results.
    Gc(GcArgs),
    /// Share results with other machines.
    ///
    /// Uploads what the remote does not have yet: bytes first, records last. Also checks that the bytes of
    /// results already there are not missing.
    Push(PushArgs),
    /// Download results shared by other machines, with all their bytes.
    ///
    /// You do not need to `pull` before a run: it fetches records itself, and bytes when something reads them.
    Pull(PullArgs),
    /// Check a remote, or generate a key to sign results.
    Remote {
        #[command(subcommand)]
        verb: RemoteVerb,
    },
    /// Maintain the store index.
    Index {
        #[command(subcommand)]
        verb: IndexVerb,
    },
    /// Check a cluster before you run steps on it.
    Cluster {
        #[command(subcommand)]
        verb: ClusterVerb,
    },
    /// Check a pipeline without running it.
    Check(PipelineArgs),
    /// Write a commented pipeline to start from.
    New(NewArgs),
    /// Draw the graph of a pipeline's steps.
    Graph(GraphArgs),
    /// List the stage kinds, or describe one.
    Stages {
        /// The stage kind to describe.
        kind: Option<String>,
    },
    /// Print the JSON Schema of the pipeline language, for editors.
    Schema,
    /// Print the completion script for a shell.
    #[command(after_help = completion::SETUP)]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the man pages to a folder.
    Man {
        /// The folder, created if needed, such as ~/.local/share/man/man1.
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
    /// Do one job (the orchestrator starts this).
    #[command(hide = true)]
    Worker,
    /// Do what a task of a cluster is to do (the cluster starts this).
    #[command(hide = true)]
    Attempt {
        /// The folder of the submission.
        job: PathBuf,
    },
    /// Do a share of a step's work (its worker starts this).
    #[command(hide = true)]
    Rank,
}

impl Verb {
    /// Whether its output is for programs, and printed unchanged.
    fn is_for_programs(&self) -> bool {
        match self {
            Self::Logs(args) => args.raw,
            Self::Metrics(_) | Self::Values(_) | Self::Schema | Self::Completions { .. } => true,
            Self::Worker | Self::Rank | Self::Attempt { .. } => true,
            _ => false,
        }
    }
}

#[derive(Debug, Subcommand)]
enum ClusterVerb {
    /// Check the nodes with one tiny job for each kind of step in the settings.
    ///
    /// Reports whether the node sees the store, whether locks work, whether the program runs, the device's
    /// numerics class, and the difference between the clocks.
    Check(CheckArgs),
}

#[derive(Debug, Subcommand)]
enum IndexVerb {
    /// Delete the index and rebuild it from the records.
    Rebuild,
}

/// The command line's definition.
fn command() -> Command {
    help::with_help(candidates::with_candidates(Cli::command()))
}

/// The parsed command line. Help and usage errors end the process, as does `--version`.
fn parsed() -> Cli {
    let command = command().color(terminal::color_choice(std::env::args_os()));
    Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

/// Parses the command line, runs the verb, and answers the exit code.
pub fn main() -> ExitCode {
    guarded(|| {
        if let Some(code) = completion::answer() {
            return code;
        }
        let cli = parsed();
        let (json, colours) = (cli.json, cli.terminal.colours(&std::io::stderr()));
        // What `run` prints with `--json` is read line by line.
        let in_lines = matches!(cli.verb, Verb::Run(_));
        let mut out: Box<dyn Write> = match cli.verb.is_for_programs() || json {
            true => Box::new(std::io::stdout()),
            false => Box::new(Clean::new(std::io::stdout())),
        };
        crate::store::silence_expected_panics();
        machine::reset_sigchld();
        dispatch(cli, &mut out)
            .unwrap_or_else(|error| report_error(&error, json, in_lines, colours, &mut out))
    })
}

/// Does the work. A panic is a bug of ours and must not look like an unusable store.
fn guarded(work: impl FnOnce() -> ExitCode + UnwindSafe) -> ExitCode {
    catch_unwind(work).unwrap_or_else(|_| {
        print_error(&format!(
            "error: igpt-flow {} panicked (the message above)\n\nhint: this is a bug; please report it with that \
             message and the command. Results in the store are safe\n",
            env!("CARGO_PKG_VERSION")
        ));
        ExitCode::from(1)
    })
}

/// Prints an error; the answer is its exit code.
fn report_error(
    error: &CliError,
    json: bool,
    in_lines: bool,
    colours: bool,
    out: &mut dyn Write,
) -> ExitCode {
    match (error, error.as_json().filter(|_| json)) {
        // A reader that closed the pipe has seen enough.
        (CliError::Output(error), _) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        (_, Some(answer)) => {
            // If the answer cannot be written, the exit code remains.
            let _ = if in_lines { writeln!(out, "{answer}") } else { writeln!(out, "{answer:#}") };
        }
        (_, None) => print_error(&error.render(colours)),
    }
    error.exit_code()
}

/// Writes to standard error. If that is closed, the exit code has to do.
fn print_error(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// The store's folder: as named, or as the environment says, where it says something.
fn store_folder(named: Option<PathBuf>) -> PathBuf {
    let from_environment = || std::env::var_os("IGPT_FLOW_STORE").filter(|folder| !folder.is_empty());
    named.or_else(|| from_environment().map(PathBuf::from)).unwrap_or_else(|| PathBuf::from("artifacts"))
}

fn dispatch(cli: Cli, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let Cli { store, json, terminal, verb } = cli;
    let store = store_folder(store);
    match verb {
        Verb::Run(args) => return run::run(&store, json, terminal, &args, out),
        Verb::Plan(args) => return plan::plan(&store, json, &args, out),
        Verb::Status(args) => status::status(&store, json, &args, out)?,
        Verb::Runs(args) => runs::runs(&store, json, &args, out)?,
        Verb::Explain(args) => explain::explain(&store, json, &args, out)?,
        Verb::Show(args) => show::show(&store, json, &args, out)?,
        Verb::Origin(args) => origin::origin(&store, json, &args, out)?,
        Verb::Metrics(args) => metrics::metrics(&store, json, &args, out)?,
        Verb::Values(args) => values::values(&store, json, &args, out)?,
        Verb::Lint(args) => return lint::lint(&store, json, &args, out),
        Verb::Logs(args) => logs::logs(&store, json, &args, out)?,
        Verb::Diff(args) => diff::diff(&store, json, &args, out)?,
        Verb::Audit(args) => return audit::audit(&store, json, terminal, &args, out),
        Verb::View(args) => view::view(&store, json, &args, out)?,
        Verb::Verify(args) => match &args.bundle {
            None => return verify::verify(&store, json, terminal.verbosity(), &args.remote, out),
            Some(bundle) => return verify_bundle::verify_bundle(&store, json, terminal, bundle, &args, out),
        },
        Verb::Bundle(args) => bundle::bundle(&store, json, &args, out)?,
        Verb::Gc(args) => gc::gc(&store, json, terminal.verbosity(), &args, out)?,
        Verb::Push(args) => sharing::push(&store, json, args, out)?,
        Verb::Pull(args) => sharing::pull(&store, json, &args, out)?,
        Verb::Remote { verb } => sharing::remote(json, verb, out)?,
        Verb::Index { verb: IndexVerb::Rebuild } => index::rebuild(&store, json, out)?,
        Verb::Cluster { verb: ClusterVerb::Check(args) } => {
            return cluster::check_cluster(&store, json, &args, out);
        }
        Verb::Check(args) => check::check(&store, json, &args, out)?,
        Verb::New(args) => new::new(&args, terminal.verbosity(), out)?,
        Verb::Graph(args) => graph::graph(json, &args, out)?,
        Verb::Stages { kind } => stages::stages(json, kind.as_deref(), out)?,
        Verb::Schema => schema::schema(out)?,
        Verb::Completions { shell } => completion::register(shell, out)?,
        Verb::Man { dir } => man::man(&dir, out)?,
        Verb::Worker => worker::worker()?,
        Verb::Attempt { job } => attempt::attempt(&job)?,
        Verb::Rank => return worker::rank(),
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
        command().debug_assert();
    }
}
