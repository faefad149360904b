//! `cluster check`: what a cluster's nodes see and have, by a tiny job for each kind of step.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueHint};
use serde_json::{Value, json};

use super::error::CliError;
use super::print_error;
use super::run::{INTERRUPTED, stop_on_interrupt};
use crate::cluster::{self, Cluster};
use crate::execute::Failure;
use crate::execute::slurm::check::{Checked, check};
use crate::execute::slurm::missing_command;
use crate::pipeline::units;
use crate::report::seconds;
use crate::store::Store;

/// Clocks that differ by more than this are told.
const APART_S: f64 = 2.0;

/// Which cluster is looked at, and for how long.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Settings of the cluster.
    #[arg(long, value_name = "FILE", default_value = cluster::FILE, value_hint = ValueHint::FilePath)]
    cluster: PathBuf,
    /// Device for steps without one in the settings: auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Time limit for each job to report, such as 90s or 10m.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_time)]
    limit: Duration,
}

fn parse_time(text: &str) -> Result<Duration, String> {
    units::duration(text).ok_or_else(|| format!("expected {}", units::DURATION))
}

/// Submits the jobs, one after another, and tells what they report. Answers 100 where something is wrong.
pub(super) fn check_cluster(
    store: &Path,
    json: bool,
    args: &CheckArgs,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let cluster = Cluster::read(&args.cluster).map_err(CliError::Pipeline)?;
    if let Some(missing) = missing_command() {
        return Err(CliError::Usage {
            what: format!("`{missing}` is not on the PATH"),
            hint: Some("run this on a login node of the cluster".to_owned()),
        });
    }
    let store = Store::open(store)?;
    let _live = store.hold()?;
    let program = std::env::current_exe()?;
    stop_on_interrupt();
    let mut answers = Vec::new();
    let mut is_sound = true;
    for (name, allocation, device) in cluster.samples() {
        let device = device.unwrap_or_else(|| args.device.clone());
        let say = |state: &str| print_error(&format!("{name}: {state}\n"));
        let checked = check(&store, &program, &allocation, &device, args.limit, &INTERRUPTED, say);
        is_sound &=
            checked.as_ref().is_ok_and(|checked| checked.report.locks && checked.report.numerics.is_ok());
        if json {
            answers.push(as_json(&name, &device, &checked));
        } else {
            writeln!(out, "{name}")?;
            tell(&device, &checked, out)?;
        }
        if INTERRUPTED.load(std::sync::atomic::Ordering::Relaxed) {
            return Ok(ExitCode::from(130));
        }
    }
    if json {
        writeln!(out, "{:#}", json!({"sound": is_sound, "checks": answers}))?;
    }
    Ok(ExitCode::from(if is_sound { 0 } else { 100 }))
}

fn tell(device: &str, checked: &Result<Checked, Failure>, out: &mut dyn Write) -> Result<(), CliError> {
    let Checked { report, took, ahead_s } = match checked {
        Ok(checked) => checked,
        Err(failure) => {
            writeln!(out, "  FAILED   {}", failure.error)?;
            if let Some(hint) = &failure.hint {
                writeln!(out, "           hint: {hint}")?;
            }
            return Ok(());
        }
    };
    writeln!(
        out,
        "  job      ran on {}, {} after it was submitted",
        report.node,
        seconds(took.as_secs_f64())
    )?;
    writeln!(out, "  store    seen from the node")?;
    writeln!(out, "  program  runs ({})", report.version)?;
    match report.locks {
        true => writeln!(out, "  locks    work between this machine and the node")?,
        false => writeln!(
            out,
            "  locks    DO NOT WORK between this machine and the node: use the store for one run at a time\n           hint: \
             Lustre needs the mount option `flock`, NFS version 4 or `lockd`"
        )?,
    }
    match &report.numerics {
        Ok(class) => writeln!(out, "  device   {device}: numerics class {class}")?,
        Err(error) => writeln!(out, "  device   {device}: {error}")?,
    }
    writeln!(out, "  GPUs     {}", report.gpus)?;
    match ahead_s.abs() < APART_S {
        true => writeln!(out, "  clock    same as this machine's")?,
        false => {
            let where_to = if *ahead_s > 0.0 { "ahead of" } else { "behind" };
            writeln!(out, "  clock    {} {where_to} this machine's", seconds(ahead_s.abs()))?;
        }
    }
    Ok(())
}

fn as_json(name: &str, device: &str, checked: &Result<Checked, Failure>) -> Value {
    match checked {
        Ok(Checked { report, took, ahead_s }) => json!({
            "steps": name, "node": report.node, "seconds": took.as_secs_f64(), "version": report.version,
            "locks": report.locks, "device": device, "numerics": report.numerics.as_ref().ok(),
            "error": report.numerics.as_ref().err(), "gpus": report.gpus, "clock_ahead_s": ahead_s,
        }),
        Err(failure) => json!({"steps": name, "error": failure.error, "hint": failure.hint}),
    }
}
