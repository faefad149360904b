//! `plan FILE`: what a run would do, why, and what it should cost. Changes nothing.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use igpt_contract::Memory;
use serde_json::{Value, json};

use super::error::CliError;
use super::options::PlanArgs;
use super::outlooks::{Outlooks, outlooks};
use super::show::bytes;
use super::totals::Totals;
use crate::engine::estimate::{Basis, Estimate};
use crate::engine::forecast::{Forecast, Outlook};
use crate::plan::schema::plain;
use crate::plan::{PlannedStep, Work};
use crate::report::seconds;

/// How many characters of a parameter's value are shown.
const WIDTH: usize = 60;

/// The widest name of a step that the others are lined up with.
const NAME: usize = 40;

/// Shows the outlook, and where each parameter's value came from. Answers 100 where a step cannot
/// run as things are, as the run would.
pub(super) fn plan(
    store: &Path,
    json: bool,
    args: &PlanArgs,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let outlooks = outlooks(store, &args.select)?;
    let totals = Totals::of(&outlooks, &args.select.device);
    let Outlooks { plan, wanted } = &outlooks;
    let broken = wanted.iter().any(|(_, outlook)| matches!(outlook.forecast, Forecast::Broken(_)));
    let code = ExitCode::from(if broken { 100 } else { 0 });
    if json {
        let steps: Vec<_> = wanted.iter().map(|(id, outlook)| as_json(&plan.steps[*id], outlook)).collect();
        writeln!(out, "{:#}", json!({"pipeline": plan.name, "steps": steps, "total": totals.as_json()}))?;
        return Ok(code);
    }
    totals.tell(&plan.name, out)?;
    if !wanted.is_empty() {
        writeln!(out)?;
    }
    let names = wanted.iter().map(|(id, _)| plan.steps[*id].name.chars().count());
    let width = names.max().unwrap_or(0).min(NAME);
    for (id, outlook) in wanted {
        let step = &plan.steps[*id];
        let (name, kind) = (&step.name, step.work.kind());
        writeln!(out, "{name:width$} {kind:10} {}{}", text(outlook), cost(outlook))?;
        let memory = step.memory.filter(|_| !matches!(outlook.forecast, Forecast::Reused(_)));
        if let Some(shares) = memory.and_then(shares) {
            writeln!(out, "    {shares}")?;
        }
        for (param, value, origin) in params(step) {
            if args.defaults || origin != "default" {
                writeln!(out, "    {param} = {} from {origin}", shortened(value.as_ref()))?;
            }
        }
    }
    Ok(code)
}

fn text(outlook: &Outlook) -> String {
    match &outlook.forecast {
        Forecast::Reused(_) if !outlook.absent.is_empty() => {
            format!("cached; {} is missing, its recorded content is assumed", outlook.absent.join(", "))
        }
        Forecast::Reused(_) => "cached".to_owned(),
        Forecast::Runs { why, .. } => format!("runs: {why}"),
        Forecast::New => "runs: the store is new".to_owned(),
        Forecast::Below(step) => format!("runs if `{step}`'s output changes"),
        Forecast::Undecided => "runs if its search needs it".to_owned(),
        Forecast::Broken(why) => format!("cannot run: {why}"),
    }
}

/// What a step took, or should take.
fn cost(outlook: &Outlook) -> String {
    let size = outlook.past.map(|past| format!(", {}", bytes(past.bytes))).unwrap_or_default();
    let past = outlook.past.map(|past| seconds(past.cost.wall_s));
    match (&outlook.forecast, outlook.estimate, past) {
        (Forecast::Broken(_), ..) => String::new(),
        (Forecast::Reused(_), _, Some(past)) => format!(" [took {past}{size}]"),
        (_, Some(Estimate { wall_s, basis }), past) => {
            let time = seconds(wall_s);
            match (basis, past) {
                (Basis::Scaled, Some(past)) => format!(" [about {time}, scaled from {past}{size}]"),
                (Basis::Instances, _) => format!(" [about {time}, like its other instances]"),
                (Basis::Shapes, _) => format!(" [roughly {time}, by what it computes]"),
                _ => format!(" [about {time}{size}]"),
            }
        }
        _ => " [time unknown]".to_owned(),
    }
}

/// What a step takes that several processes compute.
fn shares(memory: Memory) -> Option<String> {
    let Memory { processor_mib, processes, exchanged_mib, .. } = memory;
    let size = |mib: u64| bytes(mib.saturating_mul(1 << 20));
    (processes > 1).then(|| {
        let (each, exchanged) = (size(processor_mib), size(exchanged_mib));
        format!("takes about {each} in each of {processes} processes, which exchange {exchanged} a step")
    })
}

/// Every parameter of a step: its dotted path, its value, and where that came from.
pub(super) fn params<'s>(step: &'s PlannedStep) -> Vec<(&'s str, Option<Value>, &'s str)> {
    let mut values = match &step.work {
        Work::Stage { params, .. } => params.clone(),
        Work::Command(command) => json!({
            "run": command.run,
            "shell": command.shell,
            "link": command.link,
            "outputs": command.outputs.iter().map(|(port, _)| port).collect::<Vec<_>>(),
            "env": command.env.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "pass_env": command.pass_env,
        }),
    };
    step.redact(&mut values);
    let param = |(path, origin): &'s (String, String)| {
        (path.as_str(), value_at(&values, path).cloned(), origin.as_str())
    };
    step.origins.iter().map(param).collect()
}

/// The value at a dotted path; names may hold dots themselves.
fn value_at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    if path.is_empty() {
        return Some(value);
    }
    value.as_object()?.iter().find_map(|(name, member)| {
        let rest = path.strip_prefix(name.as_str())?;
        if rest.is_empty() { Some(member) } else { value_at(member, rest.strip_prefix('.')?) }
    })
}

/// A value on one line, not too long.
fn shortened(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "?".to_owned(), plain).replace('\n', " ");
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

fn as_json(step: &PlannedStep, outlook: &Outlook) -> Value {
    let (state, key) = match &outlook.forecast {
        Forecast::Reused(key) => ("reused", Some(key)),
        Forecast::Runs { key, .. } => ("runs", Some(key)),
        Forecast::New => ("runs", None),
        Forecast::Below(_) => ("below", None),
        Forecast::Undecided => ("undecided", None),
        Forecast::Broken(_) => ("broken", None),
    };
    let params: Vec<Value> = params(step)
        .into_iter()
        .map(|(name, value, origin)| json!({"name": name, "value": value, "origin": origin}))
        .collect();
    json!({
        "step": step.name, "kind": step.work.kind(), "state": state, "key": key, "why": text(outlook),
        "cost": outlook.past.map(|past| past.cost), "bytes": outlook.past.map(|past| past.bytes),
        "estimate": outlook.estimate, "memory": step.memory, "absent_inputs": outlook.absent,
        "params": params,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Overrides;
    use crate::plan::testing::planned;

    #[test]
    fn parameters_have_their_values_and_defaults_are_among_them() {
        let text = "stages:\n  images: {uses: images, with: {source: shapes}}\n  pre:\n    uses: train\n    \
                    in: {images: images.images}\n    with: {steps: 7}\n";
        let plan = planned(text, &Overrides::default()).unwrap();
        let all = params(&plan.steps[1]);
        let of = |name: &str| {
            let (_, value, origin) = all.iter().find(|(path, _, _)| *path == name).unwrap();
            (value.clone().unwrap(), *origin)
        };
        assert_eq!(of("steps"), (json!(7), "pipeline"));
        assert_eq!(of("learning_rate"), (json!(0.003), "default"));
        assert_eq!(of("validation.fraction"), (json!(0.1), "default"));
    }

    #[test]
    fn names_may_hold_dots() {
        let value = json!({"a.b": {"c": 1}, "a": {"x": 2}});
        assert_eq!(value_at(&value, "a.b.c"), Some(&json!(1)));
        assert_eq!(value_at(&value, "a.x"), Some(&json!(2)));
        assert_eq!(value_at(&value, "ab"), None);
    }
}
