//! What a run of a pipeline would do, step by step: for `plan`, `status` and `gc`.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::error::CliError;
use super::load::{load_with, placed};
use super::options::{On, SelectArgs};
use crate::engine::estimate::Machine;
use crate::engine::folder_of;
use crate::engine::forecast::{Outlook, forecast, forecast_new, wanted};
use crate::engine::resolve::{Resolver, Results};
use crate::machine;
use crate::plan::{Export, Plan};
use crate::registry;
use crate::store::{Artifact, Caches, Store, StoreError};

/// A plan, and the outlook of the steps that are wanted, by their number.
pub(super) struct Outlooks {
    pub(super) plan: Plan,
    pub(super) wanted: Vec<(usize, Outlook)>,
}

/// Loads a pipeline and looks ahead at its run.
pub(super) fn outlooks(store: &Path, args: &SelectArgs) -> Result<Outlooks, CliError> {
    let plan = load_with(&args.pipeline, &args.steps)?;
    let all = look_ahead(store, &plan, &args.pipeline.file, args.on())?;
    let wanted = wanted(&plan, &args.targets(&plan));
    let wanted = all.into_iter().enumerate().filter(|(id, _)| wanted[*id]).collect();
    Ok(Outlooks { plan, wanted })
}

/// The outlook of every step of a plan. A store that is not there is not made.
pub(super) fn look_ahead(
    store: &Path,
    plan: &Plan,
    file: &Path,
    on: On<'_>,
) -> Result<Vec<Outlook>, CliError> {
    Ok(look_ahead_and(store, plan, file, on, |_, _| Ok(()))?.0)
}

/// What each export of a plan should hold now, by its path; none where its step has no result.
pub(super) type ExportsNow = Vec<(PathBuf, Option<Artifact>)>;

/// The outlook of every step of a plan, and what its exports should hold.
pub(super) fn look_ahead_to_exports(
    store: &Path,
    plan: &Plan,
    file: &Path,
    on: On<'_>,
) -> Result<(Vec<Outlook>, ExportsNow), CliError> {
    let (outlooks, exports) = look_ahead_and(store, plan, file, on, |resolver, results| {
        let export = |export: &Export| {
            let path = resolver.path(&export.path);
            let artifact = resolver.artifact(&export.source, results)?;
            let artifact = artifact.map(|artifact| resolver.store.fitting(&artifact, &path)).transpose()?;
            Ok((path, artifact))
        };
        plan.exports.iter().map(export).collect()
    })?;
    let exports = match exports {
        Some(exports) => exports,
        None => {
            let folder = folder_in_full(file)?;
            plan.exports.iter().map(|export| (folder.join(&export.path), None)).collect()
        }
    };
    Ok((outlooks, exports))
}

/// The folder of a pipeline's file, absolute.
fn folder_in_full(file: &Path) -> Result<PathBuf, CliError> {
    let folder = folder_of(file);
    std::path::absolute(&folder).map_err(CliError::file("find", &folder))
}

/// The outlook of every step of a plan, and what `then` makes of the results; none where there is no store.
fn look_ahead_and<T>(
    store: &Path,
    plan: &Plan,
    file: &Path,
    on: On<'_>,
    then: impl FnOnce(&Resolver<'_>, &Results) -> Result<T, StoreError>,
) -> Result<(Vec<Outlook>, Option<T>), CliError> {
    // Of steps on a cluster the classes are the cluster's.
    let numerics = match on.cluster {
        None => registry::numerics(on.device).map_err(CliError::usage)?,
        Some(_) => registry::numerics("cpu").map_err(CliError::usage)?,
    };
    let cluster = on.cluster.map(|file| placed(file, plan, on.device)).transpose()?;
    let nodes = cluster.as_ref().map(|(_, placed)| &placed.nodes);
    let cpus = machine::budget(None, None).cpus;
    let folder = folder_in_full(file)?;
    let store = match Store::open_existing(store) {
        Ok(store) => store,
        Err(StoreError::Absent { .. }) => {
            return Ok((forecast_new(plan, &folder, Machine { cpus, numerics: &numerics }), None));
        }
        Err(error) => return Err(error.into()),
    };
    let caches = RefCell::new(Caches::open(&store));
    let resolver = Resolver::new(plan, &store, &caches, &folder, &numerics).on(nodes);
    let (outlooks, results) = forecast(&resolver, cpus)?;
    Ok((outlooks, Some(then(&resolver, &results)?)))
}
