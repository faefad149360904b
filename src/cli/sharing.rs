//! `push`, `pull`, `remote`: results that several machines share. And the remote of the other verbs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::{Args, Subcommand};
use serde_json::json;

use igpt_contract::{Digest, counted};

use super::backing::{patience, setting};
use super::error::CliError;
use super::load::{load, load_with};
use super::options::{On, PipelineArgs, RemoteArgs, SelectArgs};
use super::outlooks::look_ahead;
use crate::engine::folder_of;
use crate::engine::forecast::wanted;
use crate::plan::{Plan, RemoteSetting};
use crate::remote::{Access, Pushed, Remote, RemoteFault, keygen};
use crate::store::{Store, StoreError};

/// What is shared.
#[derive(Debug, Args)]
pub(super) struct PushArgs {
    /// The pipeline whose results to share [default: all results in the store].
    #[arg(value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Override a value, such as vars.side=8 (repeatable).
    #[arg(long = "set", value_name = "PATH=VALUE", requires = "file")]
    sets: Vec<String>,
    /// Use a profile of the pipeline (repeatable).
    #[arg(long = "profile", value_name = "NAME", requires = "file")]
    profiles: Vec<String>,
    /// Compute device for stages: auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Settings of the cluster on which the results were computed.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    cluster: Option<PathBuf>,
    #[command(flatten)]
    remote: RemoteArgs,
    /// Sign the results with the secret key in this file, instead of the pipeline's `sign`.
    #[arg(long, value_name = "KEY", value_hint = clap::ValueHint::FilePath)]
    sign: Option<PathBuf>,
}

/// What is taken.
#[derive(Debug, Args)]
pub(super) struct PullArgs {
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// What is done with a remote.
#[derive(Debug, Subcommand)]
pub(super) enum RemoteVerb {
    /// Check whether a remote responds, is readable and is writable.
    Check {
        /// The pipeline whose `remote` to check.
        #[arg(value_hint = clap::ValueHint::FilePath)]
        file: Option<PathBuf>,
        #[command(flatten)]
        remote: RemoteArgs,
        /// Also check whether it is writable.
        #[arg(long)]
        push: bool,
    },
    /// Generate a secret key to sign results with, and print its public key.
    Keygen {
        /// The file for the secret key; must not exist yet.
        #[arg(value_hint = clap::ValueHint::FilePath)]
        file: PathBuf,
    },
}

/// Opens a remote; paths of keys in a pipeline are relative to its `folder`.
fn open(
    setting: RemoteSetting,
    folder: &Path,
    cancelled: Option<&'static AtomicBool>,
) -> Result<Remote, CliError> {
    let patience = patience()?;
    let RemoteSetting { address, push, sign, trust } = setting;
    let sign = sign.filter(|_| push).map(|path| folder.join(path));
    Ok(Remote::open(address, &Access { push, sign, trust, patience, cancelled })?)
}

/// The remote of a run, asked for the first time. Nothing more is moved once `cancelled` is set.
pub(super) fn of_run(
    named: Option<&str>,
    push: bool,
    plan: &Plan,
    folder: &Path,
    offline: bool,
    cancelled: &'static AtomicBool,
) -> Result<Option<Arc<Remote>>, CliError> {
    let Some(mut setting) = setting(named, Some(plan))? else {
        return if push { Err(none()) } else { Ok(None) };
    };
    setting.push |= push;
    begun(setting, folder, offline, cancelled)
}

/// The same for an audit, which shares nothing.
pub(super) fn of_audit(
    named: Option<&str>,
    plan: &Plan,
    folder: &Path,
    offline: bool,
    cancelled: &'static AtomicBool,
) -> Result<Option<Arc<Remote>>, CliError> {
    match setting(named, Some(plan))? {
        Some(setting) => begun(RemoteSetting { push: false, ..setting }, folder, offline, cancelled),
        None => Ok(None),
    }
}

fn begun(
    setting: RemoteSetting,
    folder: &Path,
    offline: bool,
    cancelled: &'static AtomicBool,
) -> Result<Option<Arc<Remote>>, CliError> {
    if offline && setting.address.is_network() {
        return Ok(None);
    }
    let remote = open(setting, folder, Some(cancelled))?;
    remote.begin()?;
    Ok(Some(Arc::new(remote)))
}

/// The plan of a pipeline that may be named, and the folder that paths in it are relative to.
fn planned(pipeline: Option<&PipelineArgs>) -> Result<(Option<Plan>, PathBuf), CliError> {
    let folder = pipeline.map_or_else(PathBuf::new, |args| folder_of(&args.file));
    Ok((pipeline.map(load).transpose()?, folder))
}

fn none() -> CliError {
    CliError::Usage {
        what: "no remote is given".to_owned(),
        hint: Some(
            "add `remote: s3://bucket/prefix` to the pipeline, or use `--remote URL` or IGPT_FLOW_REMOTE"
                .to_owned(),
        ),
    }
}

/// The remote of a verb that is about it: it must answer.
pub(super) fn reached(
    named: Option<&str>,
    plan: Option<&Plan>,
    folder: &Path,
    push: bool,
    sign: Option<PathBuf>,
) -> Result<Remote, CliError> {
    let mut setting = setting(named, plan)?.ok_or_else(none)?;
    setting.push = push;
    // As typed: relative to where it was.
    if let Some(path) = sign {
        setting.sign = Some(std::path::absolute(&path).map_err(CliError::file("find", &path))?);
    }
    let remote = open(setting, folder, None)?;
    remote.reach()?;
    Ok(remote)
}

/// Shares results.
pub(super) fn push(store: &Path, json: bool, args: PushArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let PushArgs { file, sets, profiles, device, cluster, remote, sign } = args;
    let pipeline = file.map(|file| PipelineArgs { file, sets, profiles });
    let (plan, folder) = planned(pipeline.as_ref())?;
    let opened = Store::open_existing(store)?;
    let _live = opened.hold()?;
    let keys: Vec<Digest> = match (&pipeline, &plan) {
        (Some(args), Some(plan)) => {
            let on = On { device: &device, cluster: cluster.as_deref() };
            let outlooks = look_ahead(store, plan, &args.file, on)?;
            let keys = outlooks.iter().filter_map(|outlook| outlook.forecast.key());
            keys.filter(|key| opened.path_of_record(key).exists()).collect()
        }
        _ => opened.keys()?,
    };
    let remote = reached(remote.remote.as_deref(), plan.as_ref(), &folder, true, sign)?;
    let pushed = remote.push(&opened, &keys, true);
    let count = |of| pushed.iter().filter(|pushed| **pushed == of).count();
    let (shared, known, absent) = (count(Pushed::Shared), count(Pushed::Known), count(Pushed::Absent));
    let steps = plan.as_ref().map(|plan| plan.steps.len());
    if json {
        let left = count(Pushed::Off);
        let answer = json!({
            "remote": remote.address().to_string(), "shared": shared, "known": known, "absent": absent,
            "left": left, "steps": steps, "notes": remote.take_notes(),
        });
        writeln!(out, "{answer:#}")?;
        return ended(&remote, left);
    }
    tell_notes(&remote, out)?;
    let of = steps.map_or_else(String::new, |steps| format!(" of {}", counted(steps, "step")));
    let results = counted(keys.len(), "result");
    writeln!(out, "{results}{of}: {shared} shared now, {known} there already")?;
    if absent > 0 {
        writeln!(out, "{} cannot be shared: the bytes are not in the store", counted(absent, "result"))?;
    }
    out.flush()?;
    ended(&remote, count(Pushed::Off))
}

/// Takes results of a pipeline, with their bytes.
pub(super) fn pull(store: &Path, json: bool, args: &PullArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let select = &args.select;
    let plan = load_with(&select.pipeline, &select.steps)?;
    let file = &select.pipeline.file;
    let remote = reached(args.remote.remote.as_deref(), Some(&plan), &folder_of(file), false, None)?;
    let opened = Store::open(store)?;
    let _live = opened.hold()?;
    let is_here = |key: &Digest| opened.path_of_record(key).exists();
    // A record tells the keys of the steps below it.
    let outlooks = loop {
        let outlooks = look_ahead(store, &plan, file, select.on())?;
        let keys = outlooks.iter().filter_map(|outlook| outlook.forecast.key());
        let open: Vec<Digest> = keys.filter(|key| !is_here(key) && !remote.was_asked(key)).collect();
        if open.is_empty() || remote.is_off() || remote.look_up(&opened, &open) == 0 {
            break outlooks;
        }
    };
    let (wanted, mut here, mut lacking) = (wanted(&plan, &select.targets(&plan)), 0, Vec::new());
    for (id, outlook) in outlooks.iter().enumerate().filter(|(id, _)| wanted[*id]) {
        let record = outlook.forecast.key().and_then(|key| opened.record(&key));
        let whole = match record {
            None => false,
            Some(record) => {
                let mut whole = true;
                for artifact in record.outputs.values() {
                    match remote.fetch(&opened, artifact, None) {
                        Ok(()) => {}
                        Err(StoreError::Missing { .. }) => whole = false,
                        Err(error) => return Err(error.into()),
                    }
                }
                whole
            }
        };
        if whole { here += 1 } else { lacking.push(&plan.steps[id].name) }
    }
    let summary = remote.summary();
    if json {
        let answer = json!({
            "remote": remote.address().to_string(), "here": here, "lacking": lacking, "moved": summary,
            "notes": remote.take_notes(),
        });
        writeln!(out, "{answer:#}")?;
        return ended(&remote, lacking.len());
    }
    tell_notes(&remote, out)?;
    writeln!(out, "{}", summary.unwrap_or_else(|| "nothing had to be downloaded".to_owned()))?;
    writeln!(out, "{here} of {} here with all bytes", counted(here + lacking.len(), "step"))?;
    for step in lacking {
        writeln!(out, "  not there: {step}")?;
    }
    out.flush()?;
    ended(&remote, 1)
}

/// `remote check`, `remote keygen`.
pub(super) fn remote(json: bool, verb: RemoteVerb, out: &mut dyn Write) -> Result<(), CliError> {
    let (file, remote, push) = match verb {
        RemoteVerb::Check { file, remote, push } => (file, remote, push),
        RemoteVerb::Keygen { file } => {
            let public = keygen(&file)?.to_string();
            match json {
                true => writeln!(out, "{:#}", json!({"secret_key": file, "public_key": public}))?,
                false => {
                    writeln!(out, "{public}")?;
                    out.flush()?;
                }
            }
            return Ok(());
        }
    };
    let pipeline = file.map(|file| PipelineArgs { file, sets: Vec::new(), profiles: Vec::new() });
    let (plan, folder) = planned(pipeline.as_ref())?;
    let push = push || plan.as_ref().and_then(|plan| plan.remote.as_ref()).is_some_and(|remote| remote.push);
    let began = Instant::now();
    let remote = reached(remote.remote.as_deref(), plan.as_ref(), &folder, push, None)?;
    let seconds = began.elapsed().as_secs_f64();
    let exclusive = if push { Some(remote.is_exclusive()?) } else { None };
    let address = remote.address();
    if json {
        let answer = json!({
            "remote": address.to_string(), "read": true, "write": push.then_some(true), "exclusive": exclusive,
            "seconds": seconds,
        });
        writeln!(out, "{answer:#}")?;
        return Ok(());
    }
    writeln!(out, "{address} responds ({:.0} ms)", 1e3 * seconds)?;
    writeln!(out, "  can be read")?;
    match exclusive {
        None => writeln!(out, "  writing was not tested (`--push` tests it)")?,
        Some(true) => writeln!(out, "  can be written; if two machines write one record, the first wins")?,
        Some(false) => {
            writeln!(out, "  can be written")?;
            writeln!(
                out,
                "  BUT it ignores `If-None-Match`: if two machines write one record, the last wins"
            )?;
        }
    }
    Ok(())
}

fn tell_notes(remote: &Remote, out: &mut dyn Write) -> std::io::Result<()> {
    remote.take_notes().iter().try_for_each(|note| writeln!(out, "note   {note}"))
}

/// A remote that went away in the middle is an error of the verbs that are about it.
fn ended(remote: &Remote, left: usize) -> Result<(), CliError> {
    if left == 0 || !remote.is_off() {
        return Ok(());
    }
    let what = "it stopped midway; the same command continues from there".to_owned();
    Err(RemoteFault::Away { address: remote.address().clone(), what }.into())
}
