//! `bundle FILE -o OUT`: what a reviewer needs to check tables and figures without the data.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use clap::Args;
use igpt_contract::{counted, kinds};
use serde::Deserialize as _;
use serde_json::json;

use super::backing::{Of, backed};
use super::error::CliError;
use super::load::{Loaded, load_whole, placed};
use super::options::{RemoteArgs, SelectArgs};
use super::outlooks::look_ahead;
use super::show::bytes;
use crate::bundle::{BundleManifest, BundleStep, PipelineFile, Selection, Steps, select, write_bundle};
use crate::engine::forecast::{Forecast, wanted};
use crate::history::{MadeOf, PipelineText};
use crate::plan::Plan;
use crate::registry;
use crate::store::{Program, Record, Store, StoreError};

/// What is bundled, and where it goes.
#[derive(Debug, Args)]
pub(super) struct BundleArgs {
    #[command(flatten)]
    select: SelectArgs,
    /// The bundle to write.
    #[arg(long, short, value_name = "FILE.tar.zst", value_hint = clap::ValueHint::FilePath)]
    output: PathBuf,
    /// Also include artifacts of these kinds, such as features,model (kinds as in `igpt-flow stages`).
    #[arg(long, value_name = "KIND,...", value_delimiter = ',')]
    with: Vec<String>,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Shorter names of kinds.
const ALIASES: [(&str, &[&str]); 3] = [
    ("features", &["feature-layers", "feature-layer"]),
    ("models", &["model", "checkpoints"]),
    ("images", &["image-set"]),
];

/// Writes a bundle.
pub(super) fn bundle(
    store: &Path,
    json: bool,
    args: &BundleArgs,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let select_args = &args.select;
    let Loaded { plan, made_of, .. } = load_whole(&select_args.pipeline, &select_args.steps)?;
    let more = with(&args.with)?;
    let store = backed(&Store::open_existing(store)?, args.remote.remote.as_deref(), Of::Plan(&plan))?;
    let _live = store.hold()?;
    let numerics = match &select_args.cluster {
        None => registry::numerics(&select_args.device).map_err(CliError::usage)?,
        Some(file) => class_on(file, &plan, &select_args.device)?,
    };
    let records = recorded(&store, &plan, select_args)?;
    let steps = Steps { plan: &plan, store: &store, records };
    let selection = select(&steps, &more).map_err(|error| match error {
        StoreError::Missing { .. } => CliError::Usage {
            what: format!(
                "a bundle needs bytes that are neither in the store nor in a reachable remote ({error})"
            ),
            hint: Some("run the pipeline with the step that produces them as its target".to_owned()),
        },
        error => error.into(),
    })?;
    let name = |id: &usize| plan.steps[*id].name.clone();
    let made_of = MadeOf::deserialize(made_of).map_err(|error| CliError::usage(error.to_string()))?;
    let texts = texts(&made_of.files)?;
    let manifest = BundleManifest {
        format: crate::bundle::FORMAT.to_owned(),
        program: Program::this(),
        pipeline: plan.name.clone(),
        file: format!("pipeline/{}", texts.first().map(|file| file.name.as_str()).unwrap_or_default()),
        profiles: select_args.pipeline.profiles.clone(),
        sets: made_of.sets,
        numerics,
        steps: steps
            .records
            .iter()
            .map(|(id, record)| BundleStep { name: name(id), key: record.key })
            .collect(),
        rebuildable: selection.rebuildable.iter().map(name).collect(),
        files: Vec::new(),
    };
    let manifest = write_bundle(&store, &selection, &texts, manifest, &args.output)?;
    let size = args.output.metadata().map_err(CliError::file("read", &args.output))?.len();
    if json {
        let left: Vec<_> =
            selection.not_rebuildable.iter().map(|(id, why)| json!({"step": name(id), "why": why})).collect();
        writeln!(
            out,
            "{:#}",
            json!({
                "bundle": args.output, "bytes": size, "objects": selection.objects.len(),
                "records": selection.records.len(), "rebuildable": manifest.rebuildable, "not_rebuildable": left,
            })
        )?;
        return Ok(());
    }
    tell(&plan, &selection, size, &args.output, out)
}

fn tell(
    plan: &Plan,
    selection: &Selection,
    size: u64,
    to: &Path,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let (records, objects) =
        (counted(selection.records.len(), "record"), counted(selection.objects.len(), "object"));
    writeln!(out, "{}: {}, {records} and {objects}", to.display(), bytes(size))?;
    for id in &selection.rebuildable {
        writeln!(out, "  can be rebuilt from it: {}", plan.steps[*id].name)?;
    }
    for (id, why) in &selection.not_rebuildable {
        writeln!(out, "  cannot be rebuilt from it: {}: {why}", plan.steps[*id].name)?;
    }
    writeln!(out, "to check it: igpt-flow verify {}", to.display())?;
    Ok(())
}

/// The kinds that `--with` names.
fn with(names: &[String]) -> Result<BTreeSet<String>, CliError> {
    let mut found = BTreeSet::new();
    for name in names {
        if let Some((_, kinds)) = ALIASES.iter().find(|(alias, _)| alias == name) {
            found.extend(kinds.iter().map(|kind| (*kind).to_owned()));
        } else if kinds().iter().any(|kind| kind.name == name) {
            found.insert(name.clone());
        } else {
            let known: Vec<&str> = kinds().iter().map(|kind| kind.name).collect();
            return Err(CliError::Usage {
                what: format!("--with: unknown artifact kind `{name}`"),
                hint: Some(format!("the kinds are {}; or features, models, images", known.join(", "))),
            });
        }
    }
    Ok(found)
}

/// The one numerics class of the steps on a cluster.
fn class_on(cluster: &Path, plan: &Plan, device: &str) -> Result<String, CliError> {
    let (_, placed) = placed(cluster, plan, device)?;
    let dependent = plan.steps.iter().filter(|step| step.work.is_device_dependent());
    let classes: BTreeSet<&str> = dependent
        .filter_map(|step| placed.nodes.0.get(&step.name))
        .map(|node| node.numerics.as_str())
        .collect();
    let mut classes = classes.into_iter();
    match (classes.next(), classes.next()) {
        (None, _) => registry::numerics("cpu").map_err(CliError::usage),
        (Some(class), None) => Ok(class.to_owned()),
        (Some(one), Some(other)) => Err(CliError::Usage {
            what: format!("a bundle holds results of one numerics class, found `{one}` and `{other}`"),
            hint: Some("name steps of only one of them".to_owned()),
        }),
    }
}

/// The records of the wanted steps, all of which must have results.
fn recorded(store: &Store, plan: &Plan, args: &SelectArgs) -> Result<BTreeMap<usize, Record>, CliError> {
    let outlooks = look_ahead(store.root(), plan, &args.pipeline.file, args.on())?;
    let wanted = wanted(plan, &args.targets(plan));
    let mut records = BTreeMap::new();
    for (id, outlook) in outlooks.iter().enumerate().filter(|(id, _)| wanted[*id]) {
        match outlook.forecast {
            Forecast::Reused(key) => drop(records.insert(id, store.record(&key)).flatten()),
            // A candidate that a search could do without.
            Forecast::Undecided => {}
            _ => {
                return Err(CliError::Usage {
                    what: format!("`{}` has no up-to-date result", plan.steps[id].name),
                    hint: Some(format!("`igpt-flow run {}` makes it", args.pipeline.file.display())),
                });
            }
        }
    }
    Ok(records.into_iter().filter_map(|(id, record)| Some((id, record?))).collect())
}

/// The texts of a pipeline, so placed that what it includes by relative paths is found.
fn texts(files: &[PipelineText]) -> Result<Vec<PipelineFile>, CliError> {
    let files: Vec<(&Path, &str)> = files.iter().map(|file| (Path::new(&file.name), &*file.text)).collect();
    if let Some((path, _)) = files.iter().find(|(path, _)| path.is_absolute()) {
        return Err(CliError::Usage {
            what: format!("the pipeline includes `{}` by an absolute path", path.display()),
            hint: Some("a bundle needs includes that are relative to the file that includes them".to_owned()),
        });
    }
    // Names of folders above the pipeline's own are nobody's business.
    let ups = |path: &Path| {
        let (mut depth, mut most) = (0_usize, 0);
        for part in path.components() {
            match part {
                Component::ParentDir if depth == 0 => most += 1,
                Component::ParentDir => depth -= 1,
                Component::Normal(_) => depth += 1,
                _ => {}
            }
        }
        most
    };
    let above = files.iter().map(|(path, _)| ups(path)).max().unwrap_or(0);
    let place = |(path, text): (&Path, &str)| {
        let mut at: Vec<String> = (1..=above).map(|n| format!("folder{n}")).collect();
        for part in path.components() {
            match part {
                Component::ParentDir => drop(at.pop()),
                Component::Normal(name) => at.push(name.to_string_lossy().into_owned()),
                _ => {}
            }
        }
        PipelineFile { name: at.join("/"), text: text.to_owned() }
    };
    Ok(files.into_iter().map(place).collect())
}
