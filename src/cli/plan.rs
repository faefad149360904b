//! `plan FILE`: what a run would do, why, and what it should cost. Changes nothing.

use std::cell::RefCell;
use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::error::CliError;
use super::load::load;
use super::options::PipelineArgs;
use crate::engine::folder_of;
use crate::engine::forecast::{Forecast, forecast};
use crate::engine::resolve::Resolver;
use crate::plan::{Plan, PlannedStep};
use crate::registry;
use crate::report::seconds;
use crate::store::{Cost, Files, Store};

/// A plan with the forecast of each of its steps.
pub(super) type Forecasts = (Plan, Vec<(Forecast, Option<Cost>)>);

/// Loads a pipeline and forecasts its run. A store that is not there is not made.
pub(super) fn forecasts(store: &Path, args: &PipelineArgs) -> Result<Forecasts, CliError> {
    let plan = load(args)?;
    if !store.is_dir() {
        let all = plan.steps.iter().map(|_| (Forecast::New, None)).collect();
        return Ok((plan, all));
    }
    let store = Store::open(store)?;
    let files = RefCell::new(Files::open(&store));
    let numerics = registry::numerics(&args.device).map_err(CliError::usage)?;
    let folder = std::path::absolute(folder_of(&args.file))?;
    let resolver =
        Resolver { plan: &plan, store: &store, files: &files, folder: &folder, numerics: &numerics };
    let forecasts = forecast(&resolver)?;
    Ok((plan, forecasts))
}

/// Shows the forecast, and where each parameter's value came from.
pub(super) fn plan(
    store: &Path,
    json: bool,
    args: &PipelineArgs,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let (plan, forecasts) = forecasts(store, args)?;
    let named = |step: &PlannedStep| {
        args.steps.is_empty() || args.steps.iter().any(|name| *name == step.name || *name == step.base)
    };
    let shown = plan.steps.iter().zip(&forecasts).filter(|(step, _)| named(step));
    if json {
        let steps: Vec<_> = shown.map(|(step, (forecast, cost))| as_json(step, forecast, *cost)).collect();
        writeln!(out, "{:#}", json!({"pipeline": plan.name, "steps": steps}))?;
        return Ok(());
    }
    let mut runs = 0;
    for (step, (forecast, cost)) in shown {
        let text = text(forecast);
        runs += usize::from(!matches!(forecast, Forecast::Reused(_)));
        let last = cost.map(|cost| format!(" [took {}]", seconds(cost.wall_s))).unwrap_or_default();
        writeln!(out, "{:32} {:10} {text}{last}", step.name, step.work.kind())?;
        for (param, origin) in step.origins.iter().filter(|(_, origin)| origin != "default") {
            writeln!(out, "    {param} from {origin}")?;
        }
    }
    writeln!(out, "{runs} of {} steps are not in the store yet", plan.steps.len())?;
    Ok(())
}

fn text(forecast: &Forecast) -> String {
    match forecast {
        Forecast::Reused(key) => format!("is there ({})", key.short()),
        Forecast::Runs { key, why } => format!("would run: {why} ({})", key.short()),
        Forecast::New => "would run: the store is new".to_owned(),
        Forecast::Below(step) => format!("would run, unless `{step}` makes what it made before"),
        Forecast::Undecided => "depends on its search".to_owned(),
        Forecast::Broken(why) => format!("cannot run: {why}"),
    }
}

fn as_json(step: &PlannedStep, forecast: &Forecast, cost: Option<Cost>) -> serde_json::Value {
    let (state, key) = match forecast {
        Forecast::Reused(key) => ("reused", Some(key)),
        Forecast::Runs { key, .. } => ("runs", Some(key)),
        Forecast::New => ("runs", None),
        Forecast::Below(_) => ("below", None),
        Forecast::Undecided => ("undecided", None),
        Forecast::Broken(_) => ("broken", None),
    };
    json!({
        "step": step.name, "kind": step.work.kind(), "state": state, "key": key, "why": text(forecast),
        "cost": cost, "origins": step.origins,
    })
}
