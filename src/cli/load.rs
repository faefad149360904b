//! From the arguments to a plan, or to all errors of the pipeline, for every verb.

use std::collections::BTreeSet;
use std::mem::ManuallyDrop;
use std::path::Path;

use serde_json::{Value, json};

use super::error::CliError;
use super::options::PipelineArgs;
use super::step_hint::named;
use crate::cluster::{Cluster, Placed};
use crate::engine::folder_of;
use crate::engine::forecast::wanted;
use crate::engine::preflight::{diagnostic, preflight};
use crate::pipeline::secrets::Secrets;
use crate::pipeline::{Node, Overrides, Pipeline};
use crate::plan::{Catalog, Plan, plan, plan_placed};
use crate::registry;
use crate::store::{Caches, Store, StoreError};

/// Reads and plans the pipeline.
pub(super) fn load(args: &PipelineArgs) -> Result<Plan, CliError> {
    let overrides = Overrides { sets: args.sets.clone(), profiles: args.profiles.clone() };
    let catalog = Catalog::new(registry::stages());
    let planned = Pipeline::read(&args.file).and_then(|pipeline| plan(&pipeline, &catalog, &overrides));
    planned.map_err(CliError::Pipeline)
}

/// Checks what the pipeline needs outside of itself before anything runs; see [`preflight`].
pub(super) fn look_ahead(
    args: &PipelineArgs,
    plan: &Plan,
    store: &Path,
    targets: &BTreeSet<String>,
) -> Result<(), CliError> {
    let folder = folder_of(&args.file);
    let found = preflight(plan, &folder, store, targets);
    if found.is_empty() {
        return Ok(());
    }
    // Something is wrong: plan again, this time with the locations of all values.
    let overrides = Overrides { sets: args.sets.clone(), profiles: args.profiles.clone() };
    let pipeline = Pipeline::read(&args.file).map_err(CliError::Pipeline)?;
    let placed = plan_placed(&pipeline, &Catalog::new(registry::stages()), &overrides);
    let found = placed.map_or(found, |plan| preflight(&plan, &folder, store, targets));
    if found.is_empty() {
        // It was transient (too many open files, say).
        return Ok(());
    }
    let shown = pipeline.with_lines(found).into_iter().map(|one| one.masked(&plan.secrets));
    Err(CliError::Pipeline(shown.collect()))
}

/// A plan, and what it was made of: for the folder of a run.
pub(super) struct Loaded {
    pub(super) plan: Plan,
    /// The pipeline's files with their texts, its variables, and what the command line changed.
    pub(super) made_of: Value,
    /// What is hidden in all that is shown of the run.
    pub(super) secrets: Secrets,
}

/// As [`load_with`], with what the plan was made of. Secrets are hidden in that.
pub(super) fn load_whole<'a>(
    args: &PipelineArgs,
    steps: impl IntoIterator<Item = &'a String>,
) -> Result<Loaded, CliError> {
    let overrides = Overrides { sets: args.sets.clone(), profiles: args.profiles.clone() };
    // Freed with the process: it consists of many small pieces.
    let pipeline = ManuallyDrop::new(Pipeline::read(&args.file).map_err(CliError::Pipeline)?);
    let catalog = Catalog::new(registry::stages());
    let plan = plan(&pipeline, &catalog, &overrides).map_err(CliError::Pipeline)?;
    check_names(&plan, steps)?;
    let secrets = plan.secrets_with(|name| std::env::var(name).ok());
    // Relative to the pipeline's folder: records do not say where that is.
    let folder = folder_of(pipeline.file());
    let file = |(path, text): (&Path, &str)| {
        let name = path.strip_prefix(&folder).unwrap_or(path);
        json!({"name": name.to_string_lossy(), "text": secrets.mask(text)})
    };
    let files: Vec<Value> = pipeline.texts().map(file).collect();
    let sets: Vec<String> = args.sets.iter().map(|set| secrets.mask(set)).collect();
    let mut vars = Value::Object(plan.vars.clone());
    secrets.mask_value(&mut vars);
    let made_of = json!({
        "format": 1, "pipeline": plan.name, "seed": plan.seed, "files": files, "profiles": args.profiles,
        "sets": sets, "vars": vars,
    });
    Ok(Loaded { plan, made_of, secrets })
}

/// Checks the targets of the exports before anything runs: files of the user are not replaced.
pub(super) fn look_at_exports(
    args: &PipelineArgs,
    plan: &Plan,
    store: &Store,
    files: &mut Caches,
    targets: &BTreeSet<String>,
) -> Result<(), CliError> {
    let wanted = wanted(plan, targets);
    let folder = folder_of(&args.file);
    let folder = std::path::absolute(&folder).map_err(CliError::file("find", &folder))?;
    let mut found = Vec::new();
    for export in plan.exports.iter().filter(|export| !export.overwrite) {
        if !export.source.steps(&plan.searches).iter().any(|step| wanted[*step]) {
            continue;
        }
        match store.check_export(&folder.join(&export.path), files) {
            Ok(()) => {}
            Err(error @ StoreError::NotOurs { .. }) => {
                let what = format!("the export to `{}` would replace a file of yours", export.path.display());
                found.push(diagnostic(&export.place, what, error.hint()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let pipeline = Pipeline::read(&args.file).map_err(CliError::Pipeline)?;
    Err(CliError::Pipeline(pipeline.with_lines(found)))
}

/// Reads and plans the pipeline; every name of a step on the command line must be one of the plan.
pub(super) fn load_with<'a>(
    args: &PipelineArgs,
    steps: impl IntoIterator<Item = &'a String>,
) -> Result<Plan, CliError> {
    let plan = load(args)?;
    check_names(&plan, steps)?;
    Ok(plan)
}

/// The plan of a file as it stands, and with each of the profiles that it declares.
pub(super) fn load_profiles(file: &Path) -> Result<Vec<Plan>, CliError> {
    let pipeline = Pipeline::read(file).map_err(CliError::Pipeline)?;
    let catalog = Catalog::new(registry::stages());
    let declared = pipeline.root().get("profiles").and_then(Node::as_map).unwrap_or_default();
    let mut choices = vec![Vec::new()];
    choices.extend(declared.iter().map(|(name, _)| vec![name.text.clone()]));
    let planned = choices.into_iter().map(|profiles| {
        let overrides = Overrides { profiles, sets: Vec::new() };
        plan(&pipeline, &catalog, &overrides).map_err(CliError::Pipeline)
    });
    planned.collect()
}

/// A cluster, and the steps of a plan on it.
pub(super) fn placed(file: &Path, plan: &Plan, device: &str) -> Result<(Cluster, Placed), CliError> {
    let cluster = Cluster::read(file).map_err(CliError::Pipeline)?;
    let placed = cluster.place(plan, device, registry::numerics);
    let placed = placed.map_err(|failure| CliError::Usage { what: failure.error, hint: failure.hint })?;
    Ok((cluster, placed))
}

fn check_names<'a>(plan: &Plan, names: impl IntoIterator<Item = &'a String>) -> Result<(), CliError> {
    named(names, "the pipeline", plan.steps.iter().map(|step| step.name.as_str())).map(drop)
}
