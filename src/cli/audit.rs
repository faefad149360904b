//! `audit FILE [STEP...]`: run cached steps again and compare the results.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use igpt_contract::counted;

use super::error::CliError;
use super::load::load_with;
use super::options::{RemoteArgs, SelectArgs};
use super::progress::with_verbosity;
use super::run::{INTERRUPTED, begin_guards, stop_on_interrupt};
use super::sharing::of_audit;
use super::terminal::Terminal;
use crate::engine::audit::{Sample, Verdict, audit as audit_steps};
use crate::engine::{self, Options};
use crate::event::Dispatcher;
use crate::execute::guard::Guards;
use crate::execute::local::Local;
use crate::plan::{Plan, StepId};
use crate::remote::Remote;
use crate::report::Plain;
use crate::schedule::OnFailure;
use crate::store::{Caches, Store};
use crate::{machine, registry};

/// What to audit.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    #[command(flatten)]
    select: SelectArgs,
    /// Audit only a random sample of this share of the steps, such as 5%.
    #[arg(long, value_name = "SHARE", default_value = "100%", value_parser = parse_share)]
    sample: f64,
    /// Seed of the sample; a different seed picks different steps.
    #[arg(long, value_name = "N", default_value_t = 0)]
    sample_seed: u64,
    /// Largest relative difference at which two numbers count as equal.
    #[arg(long, value_name = "NUMBER", default_value_t = 1e-5)]
    tolerance: f64,
    /// Number of CPUs that running steps may use [default: all CPUs].
    #[arg(long, short)]
    jobs: Option<u32>,
    /// Do not let stages or remotes use the network; commands are not restricted.
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

fn parse_share(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').map_or_else(
        || text.parse::<f64>().ok(),
        |percent| percent.parse::<f64>().ok().map(|percent| percent / 100.0),
    );
    let share = number.filter(|share| *share > 0.0 && *share <= 1.0);
    share.ok_or_else(|| "expected a share such as `5%` or `0.05`, above 0 and at most 100%".to_owned())
}

/// Audits. The exit code is 0 if every result is the same again, 100 if one is not.
pub(super) fn audit(
    store: &Path,
    json: bool,
    terminal: Terminal,
    args: &AuditArgs,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let guards = begin_guards()?;
    let select = &args.select;
    if select.cluster.is_some() {
        return Err(CliError::Usage {
            what: "--cluster: an audit runs on this machine".to_owned(),
            hint: Some("run it in a job on a node, with `--device`".to_owned()),
        });
    }
    let plan = load_with(&select.pipeline, &select.steps)?;
    let file = &select.pipeline.file;
    let file = std::path::absolute(file).map_err(CliError::file("find", file))?;
    let numerics = registry::numerics(&select.device).map_err(CliError::usage)?;
    let store = Store::open_existing(store)?;
    let _live = store.hold()?;
    let named = args.remote.remote.as_deref();
    let remote = of_audit(named, &plan, &engine::folder_of(&file), args.offline, &INTERRUPTED)?;
    let again = Again {
        plan: &plan,
        store: &store,
        name: "audit",
        folder: engine::folder_of(&file),
        jobs: args.jobs,
        targets: select.targets(&plan),
        device: select.device.clone(),
        numerics,
        offline: args.offline,
        remote,
        off_disk: false,
        sample: Sample { share: args.sample, seed: args.sample_seed },
        tolerance: args.tolerance,
    };
    let verdicts = again.run(terminal, guards)?;
    let bad = verdicts.iter().filter(|(_, verdict)| !verdict.holds()).count();
    if json {
        let steps: Vec<Value> = verdicts
            .iter()
            .map(|(id, verdict)| {
                let mut value = json!(verdict);
                value["step"] = plan.steps[*id].name.clone().into();
                value
            })
            .collect();
        writeln!(out, "{:#}", json!({"pipeline": plan.name, "holds": bad == 0, "steps": steps}))?;
    } else {
        for (id, verdict) in &verdicts {
            writeln!(out, "{:32} {}", plan.steps[*id].name, text(verdict))?;
        }
        let steps = counted(verdicts.len(), "step");
        writeln!(out, "{steps} audited: {} as recorded, {bad} not", verdicts.len() - bad)?;
    }
    if INTERRUPTED.load(std::sync::atomic::Ordering::Relaxed) {
        return Ok(ExitCode::from(130));
    }
    Ok(ExitCode::from(if bad == 0 { 0 } else { 100 }))
}

/// Steps that are run again and compared with their records.
pub(super) struct Again<'a> {
    pub(super) plan: &'a Plan,
    pub(super) store: &'a Store,
    /// What the run is called, and the store that it works in.
    pub(super) name: &'a str,
    /// The folder that paths in the pipeline are relative to.
    pub(super) folder: PathBuf,
    /// CPU slots; none: those of the machine.
    pub(super) jobs: Option<u32>,
    pub(super) targets: BTreeSet<String>,
    pub(super) device: String,
    pub(super) numerics: String,
    pub(super) offline: bool,
    /// Where inputs come from that are not here.
    pub(super) remote: Option<Arc<Remote>>,
    /// Whether nothing outside the store is looked at.
    pub(super) off_disk: bool,
    pub(super) sample: Sample,
    /// The largest relative difference between two numbers that counts as equal.
    pub(super) tolerance: f64,
}

impl Again<'_> {
    /// Runs them in a store of their own, which goes afterwards. Progress goes to standard error.
    pub(super) fn run(self, terminal: Terminal, guards: Guards) -> Result<Vec<(StepId, Verdict)>, CliError> {
        let scratch = Scratch::new(self.store, self.name)?;
        let options = Options {
            run: self.name.to_owned(),
            folder: self.folder,
            logs: scratch.logs()?,
            budget: machine::budget(self.jobs, None),
            on_failure: OnFailure::StopDependents,
            force: Default::default(),
            targets: self.targets,
            device: self.device,
            numerics: self.numerics,
            nodes: None,
            offline: self.offline,
            overwrite: false,
            keep_failed: false,
            off_disk: self.off_disk,
            remote: self.remote,
        };
        stop_on_interrupt();
        // The verdicts are the answer on standard output; progress goes beside it.
        let style = terminal.style(&std::io::stderr());
        let plain = Box::new(Plain::new(std::io::stderr(), style));
        let consumer = with_verbosity(terminal.verbosity(), plain, std::io::stderr(), options.logs.clone());
        let secrets = self.plan.secrets_with(|name| std::env::var(name).ok());
        let dispatcher = Dispatcher::start(vec![consumer], secrets).map_err(CliError::no_room("a thread"))?;
        let caches = RefCell::new(Caches::open(self.store));
        let verdicts = audit_steps(
            self.plan,
            self.store,
            scratch.store.clone(),
            &caches,
            &options,
            self.sample,
            self.tolerance,
            &Local::new(guards),
            &dispatcher.events(),
            &INTERRUPTED,
        );
        dispatcher.finish();
        Ok(verdicts?)
    }
}

/// A verdict in words.
pub(super) fn text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Same => "identical".to_owned(),
        Verdict::Close { largest } => format!("within tolerance (relative difference at most {largest:.1e})"),
        Verdict::Different { port, first } => format!("different: {port}: {first}"),
        Verdict::Failed { error } => format!("failed: {error}"),
        Verdict::NotAudited { why } => format!("not audited: {why}"),
    }
}

/// A store for the audit alone, on the same disk; it goes with the audit.
struct Scratch {
    store: Store,
}

impl Scratch {
    fn new(store: &Store, name: &str) -> Result<Self, CliError> {
        Ok(Self { store: store.scratch_store(name)? })
    }

    fn logs(&self) -> Result<std::path::PathBuf, CliError> {
        let logs = self.store.root().join("logs");
        std::fs::create_dir_all(&logs).map_err(CliError::file("create", &logs))?;
        Ok(logs)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.store.remove_scratch_store();
    }
}
