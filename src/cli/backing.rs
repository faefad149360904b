//! Which remote a verb means, and the store with that remote behind it for verbs that look at results: bytes come
//! when they are read, as in a run.

use std::sync::Arc;
use std::time::Duration;

use super::error::CliError;
use crate::history::MadeOf;
use crate::plan::{Plan, RemoteSetting};
use crate::remote::Supplier;
use crate::remote_address::{AddressFault, RemoteAddress};
use crate::store::{RunFolder, Store};

/// What leads to no remote.
const NONE: &str = "none";

/// The remote that the command line, the environment or the pipeline names, in this order.
pub(super) fn setting(named: Option<&str>, plan: Option<&Plan>) -> Result<Option<RemoteSetting>, CliError> {
    let from_environment = std::env::var("IGPT_FLOW_REMOTE").ok().filter(|text| !text.is_empty());
    let of_plan = plan.and_then(|plan| plan.remote.clone());
    let named = match named.map(str::to_owned).or(from_environment) {
        None => return Ok(of_plan),
        Some(text) if text == NONE => return Ok(None),
        Some(text) => text,
    };
    let address = named.parse().map_err(|fault: AddressFault| CliError::Usage {
        what: format!("`--remote` or IGPT_FLOW_REMOTE: {}", fault.what),
        hint: Some(fault.hint),
    })?;
    Ok(Some(match of_plan {
        Some(setting) => RemoteSetting { address, ..setting },
        None => RemoteSetting { address, push: false, sign: None, trust: Vec::new() },
    }))
}

/// Where results of a run of this pipeline are shared, if anywhere.
pub(super) fn address(named: Option<&str>, plan: &Plan) -> Result<Option<RemoteAddress>, CliError> {
    Ok(setting(named, Some(plan))?.map(|setting| setting.address))
}

/// How long a remote may be silent, where the environment says it.
pub(super) fn patience() -> Result<Option<Duration>, CliError> {
    match std::env::var("IGPT_FLOW_REMOTE_TIMEOUT").ok().filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => {
            let seconds = text.parse::<u32>().ok().filter(|seconds| *seconds > 0);
            let seconds = seconds.ok_or_else(|| CliError::Usage {
                what: format!("IGPT_FLOW_REMOTE_TIMEOUT: expected seconds, found `{text}`"),
                hint: Some(
                    "a remote that is silent for this long counts as unreachable; the default is 30"
                        .to_owned(),
                ),
            })?;
            Ok(Some(Duration::from_secs(seconds.into())))
        }
    }
}

/// Whose remote a verb that looks back means.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    /// The one that a run was to use.
    Run(&'a RunFolder),
    /// That of a pipeline.
    Plan(&'a Plan),
    /// No one's but the named one.
    Nobody,
}

/// The store with the remote behind it that the command line, the environment, or else the run or the pipeline
/// names. Nobody is asked before bytes are missing.
pub(super) fn backed(store: &Store, named: Option<&str>, of: Of<'_>) -> Result<Store, CliError> {
    let address = match of {
        Of::Plan(plan) => address(named, plan)?,
        Of::Nobody => setting(named, None)?.map(|setting| setting.address),
        Of::Run(run) => match is_named(named) {
            true => setting(named, None)?.map(|setting| setting.address),
            // An address that this version cannot read is no remote.
            false => MadeOf::read(store, run).and_then(|made_of| made_of.remote?.parse().ok()),
        },
    };
    match address {
        Some(address) => Ok(store.backed_by(Arc::new(Supplier::new(address, patience()?)))),
        None => Ok(store.clone()),
    }
}

/// The same with the remote of the run of this id, or `last`; with the named one where there is no such run.
pub(super) fn backed_for_run(store: &Store, named: Option<&str>, run: &str) -> Result<Store, CliError> {
    let run = store.run(run).ok();
    backed(store, named, run.as_ref().map_or(Of::Nobody, Of::Run))
}

/// Whether the command line or the environment says something of a remote.
fn is_named(named: Option<&str>) -> bool {
    named.is_some() || std::env::var_os("IGPT_FLOW_REMOTE").is_some_and(|text| !text.is_empty())
}
