//! What a run would do, without doing it: the `plan` verb.

use igpt_contract::Digest;

use super::resolve::{Made, Resolver, Winner};
use super::search;
use super::why::{last_record, why};
use crate::plan::StepId;
use crate::store::{Cost, StoreError};

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

/// The forecast of every step, in the plan's order, and what the step cost when it last ran.
///
/// # Errors
/// If the store is unusable.
pub fn forecast(resolver: &Resolver<'_>) -> Result<Vec<(Forecast, Option<Cost>)>, StoreError> {
    let plan = resolver.plan;
    let mut made = Made::default();
    let mut forecasts: Vec<(Forecast, Option<Cost>)> = Vec::new();
    for (id, step) in plan.steps.iter().enumerate() {
        let waits =
            step.inputs.iter().find_map(|input| {
                let missing = |step: &StepId| !made.steps.contains_key(step);
                input.source.steps(&plan.searches).into_iter().find(missing).filter(|_| {
                    resolver.artifact(&input.source, &made).is_ok_and(|artifact| artifact.is_none())
                })
            });
        if let Some(above) = waits {
            forecasts.push((Forecast::Below(plan.steps[above].name.clone()), None));
            continue;
        }
        let forecast = match resolver.resolve(step, &made) {
            Err(error) => (Forecast::Broken(error.to_string()), None),
            Ok((material, _)) => {
                let key = material.key();
                match resolver.store.record(&key) {
                    Some(record) => {
                        let cost = record.cost;
                        made.steps.insert(id, record.outputs);
                        (Forecast::Reused(key), Some(cost))
                    }
                    None => {
                        let last = last_record(resolver, step);
                        let why = why(last.as_ref(), &material);
                        (Forecast::Runs { key, why }, last.map(|last| last.cost))
                    }
                }
            }
        };
        forecasts.push(forecast);
        decide_searches(resolver, &mut made, id)?;
    }
    leave_out_candidates(resolver, &made, &mut forecasts);
    Ok(forecasts)
}

/// Names the winner of a search all of whose needed candidates are recorded.
fn decide_searches(resolver: &Resolver<'_>, made: &mut Made, settled: StepId) -> Result<(), StoreError> {
    let searches = &resolver.plan.searches;
    for (number, one) in searches.iter().enumerate().filter(|(_, one)| one.candidates.contains(&settled)) {
        let standing = search::look(resolver.store, one, made, |step| made.steps.contains_key(&step))?;
        if let (true, Some(step)) = (standing.decided, standing.best) {
            let choice = resolver.store.peek_files(&[("choice.json", &search::choice_text(one, &standing))]);
            made.winners.insert(number, Winner { step, choice });
        }
    }
    Ok(())
}

/// Candidates that did not run and are not needed, or whose need is not known yet.
fn leave_out_candidates(resolver: &Resolver<'_>, made: &Made, forecasts: &mut [(Forecast, Option<Cost>)]) {
    for (number, search) in resolver.plan.searches.iter().enumerate() {
        let first_open = search.candidates.iter().position(|step| !made.steps.contains_key(step));
        let later = first_open.map_or(&[][..], |open| &search.candidates[open..]);
        let decided = made.winners.contains_key(&number);
        for (n, step) in later.iter().enumerate() {
            if n > 0 || decided {
                forecasts[*step].0 = Forecast::Undecided;
            }
        }
    }
}
