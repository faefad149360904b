//! What a run would do, without doing it: the `plan` verb.

use std::path::{Path, PathBuf};

use igpt_contract::Digest;

use super::estimate::{Estimate, Machine, Measured, estimates};
use super::rebuild_reason::{last_record, rebuild_reason};
use super::resolve::{Recorded, Resolver, Results, Winner};
pub(crate) use super::scheduling::wanted;
use super::search;
use crate::execute::Failure;
use crate::plan::{Plan, PlannedStep, Source, StepId};
use crate::store::{Cost, Record, StoreError};

/// What would become of a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Forecast {
    /// Its outputs are there.
    Reused(Digest),
    /// It would run: no record with this key, and why there is none.
    Runs {
        /// The key.
        key: Digest,
        /// What changed since the step's last result.
        why: String,
    },
    /// It would run: there is no store yet.
    New,
    /// It would run or not: something above it runs, and equal outputs would cut it off.
    Below(String),
    /// A search would decide whether it runs.
    Undecided,
    /// Its inputs cannot be read.
    Broken(String),
}

impl Forecast {
    /// The step's key, where it is known already.
    pub fn key(&self) -> Option<Digest> {
        match self {
            Self::Reused(key) | Self::Runs { key, .. } => Some(*key),
            Self::New | Self::Below(_) | Self::Undecided | Self::Broken(_) => None,
        }
    }
}

/// What would become of a step, and what it took before.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlook {
    /// What would become of it.
    pub forecast: Forecast,
    /// Of a step that is there: what its result took. Of any other: what the last result of a step
    /// of that name in this pipeline took, the best guess there is; none where there was none.
    pub past: Option<Past>,
    /// How long it should take, where it is not there and something is known of it.
    pub estimate: Option<Estimate>,
    /// Inputs that are not on disk and for which the digests of the step's last record stand in.
    pub absent: Vec<String>,
}

/// What a result took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Past {
    /// Time and memory.
    pub cost: Cost,
    /// Bytes of its outputs.
    pub bytes: u64,
}

impl From<&Record> for Past {
    fn from(record: &Record) -> Self {
        Self { cost: record.cost, bytes: record.outputs.values().map(|artifact| artifact.bytes).sum() }
    }
}

/// The outlook of every step on a machine of so many processors, in the plan's order, and what those that
/// are reused led to.
///
/// # Errors
/// If the store is unusable.
pub fn forecast(resolver: &Resolver<'_>, cpus: u32) -> Result<(Vec<Outlook>, Results), StoreError> {
    let mut results = Results::default();
    let mut outlooks: Vec<Outlook> = Vec::new();
    let mut measured = Vec::new();
    for (id, step) in resolver.plan.steps.iter().enumerate() {
        let last = last_record(resolver, step);
        let mut past = last.as_ref().map(Past::from);
        measured.push(last.as_ref().map(|last| Measured::new(step, last)));
        let mut absent = Vec::new();
        let forecast = match blocked_by(resolver, step, &results) {
            Some((above, hole)) => {
                let name = resolver.plan.steps[above].name.clone();
                match outlooks[above].forecast {
                    Forecast::Broken(_) if !hole => Forecast::Broken(format!("`{name}` cannot run")),
                    _ => Forecast::Below(name),
                }
            }
            None => match resolver.resolve_recorded(step, &results, last.as_ref()) {
                Err(error) => Forecast::Broken(Failure::from(error).error),
                Ok(Recorded { material, absent: gone }) => {
                    let key = material.key();
                    absent = gone;
                    match resolver.store.record(&key) {
                        Some(record) => {
                            past = Some(Past::from(&record));
                            results.keys.insert(id, key);
                            results.steps.insert(id, record.outputs);
                            Forecast::Reused(key)
                        }
                        None if !absent.is_empty() => {
                            Forecast::Broken(match resolver.resolve(step, &results) {
                                Err(error) => Failure::from(error).error,
                                Ok(_) => needs(&absent),
                            })
                        }
                        None => Forecast::Runs { key, why: rebuild_reason(last.as_ref(), &material) },
                    }
                }
            },
        };
        outlooks.push(Outlook { forecast, past, estimate: None, absent });
        decide_searches(resolver, &mut results, id)?;
    }
    leave_out_candidates(resolver, &results, &mut outlooks);
    restore_missing(resolver, &results, &mut outlooks)?;
    let machine = Machine { cpus, numerics: resolver.numerics };
    for (outlook, estimate) in outlooks.iter_mut().zip(estimates(resolver.plan, &measured, machine)) {
        let is_cached = matches!(outlook.forecast, Forecast::Reused(_));
        outlook.estimate = estimate.filter(|_| !is_cached);
    }
    Ok((outlooks, results))
}

/// Steps whose recorded outputs are no longer in the store run as well, where one that runs reads
/// them.
fn restore_missing(
    resolver: &Resolver<'_>,
    results: &Results,
    outlooks: &mut [Outlook],
) -> Result<(), StoreError> {
    for (id, step) in resolver.plan.steps.iter().enumerate().rev() {
        if !matches!(outlooks[id].forecast, Forecast::Runs { .. }) {
            continue;
        }
        for input in &step.inputs {
            if let Some(above) = resolver.missing(&input.source, results)?
                && let Forecast::Reused(key) = outlooks[above].forecast
            {
                let why = match &resolver.plan.remote {
                    None => format!("`{}` needs its outputs, which are no longer in the store", step.name),
                    Some(remote) => format!(
                        "`{}` needs its outputs, which are not here; a run looks for them in the remote {} first",
                        step.name, remote.address
                    ),
                };
                let outlook = &mut outlooks[above];
                outlook.forecast = match outlook.absent.is_empty() {
                    true => Forecast::Runs { key, why },
                    false => Forecast::Broken(format!("{why}; {}", needs(&outlook.absent))),
                };
            }
        }
    }
    Ok(())
}

/// The outlook where there is no store yet: every step is new. What the pipeline reads from disk
/// must be there all the same; its paths are relative to `folder`.
pub fn forecast_new(plan: &Plan, folder: &Path, machine: Machine<'_>) -> Vec<Outlook> {
    let missing = |step: &PlannedStep| {
        step.inputs.iter().find_map(|input| {
            let error = match &input.source {
                Source::Path(path) => {
                    // Without the `.` in the middle, for people who read it.
                    let path: PathBuf = folder.join(path).components().collect();
                    let source = path.metadata().err()?;
                    StoreError::Io { doing: "read", path, source }
                }
                Source::Glob { files, ignore } => {
                    let exports: Vec<PathBuf> =
                        plan.exports.iter().map(|export| folder.join(&export.path)).collect();
                    super::glob::expand(folder, files, ignore, &exports).err()?.into()
                }
                Source::Step { .. } | Source::Winner { .. } => return None,
            };
            Some(Failure::from(error).error)
        })
    };
    let forecast = |step: &PlannedStep| missing(step).map_or(Forecast::New, Forecast::Broken);
    let estimates = estimates(plan, &vec![None; plan.steps.len()], machine);
    let outlook =
        |(step, estimate)| Outlook { forecast: forecast(step), past: None, estimate, absent: Vec::new() };
    plan.steps.iter().zip(estimates).map(outlook).collect()
}

/// What a step lacks that must run.
fn needs(absent: &[String]) -> String {
    let names: Vec<String> = absent.iter().map(|path| format!("`{path}`")).collect();
    format!("it needs {}, which is not there", names.join(", "))
}

/// The first step above that has no outputs to go on from, and whether this one could do without.
fn blocked_by(resolver: &Resolver<'_>, step: &PlannedStep, results: &Results) -> Option<(StepId, bool)> {
    step.inputs.iter().find_map(|input| {
        let missing = |step: &StepId| !results.steps.contains_key(step);
        let above = input.source.steps(&resolver.plan.searches).into_iter().find(missing)?;
        let open = resolver.artifact(&input.source, results).is_ok_and(|artifact| artifact.is_none());
        open.then_some((above, input.may_miss))
    })
}

/// Names the winner of a search all of whose needed candidates are recorded.
fn decide_searches(
    resolver: &Resolver<'_>,
    results: &mut Results,
    settled: StepId,
) -> Result<(), StoreError> {
    let searches = &resolver.plan.searches;
    for (number, one) in searches.iter().enumerate().filter(|(_, one)| one.candidates.contains(&settled)) {
        let standing =
            search::standing(resolver.store, one, results, |step| results.steps.contains_key(&step))?;
        if let (true, Some(step)) = (standing.decided, standing.best) {
            let choice = resolver.store.peek_files(&[("choice.json", &search::choice_text(one, &standing))]);
            results.winners.insert(number, Winner { step, choice });
        }
    }
    Ok(())
}

/// Candidates that did not run and are not needed, or whose need is not known yet.
fn leave_out_candidates(resolver: &Resolver<'_>, results: &Results, outlooks: &mut [Outlook]) {
    for (number, search) in resolver.plan.searches.iter().enumerate() {
        let first_open = search.candidates.iter().position(|step| !results.steps.contains_key(step));
        let later = first_open.map_or(&[][..], |open| &search.candidates[open..]);
        let decided = results.winners.contains_key(&number);
        for (n, step) in later.iter().enumerate() {
            if n > 0 || decided {
                outlooks[*step].forecast = Forecast::Undecided;
            }
        }
    }
}
