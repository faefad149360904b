//! Searches: which candidate is best so far, and whether the rest is still wanted.

use std::collections::BTreeMap;
use std::path::Path;

use igpt_contract::MetricValues;
use serde_json::{Value, json};

use super::Run;
use super::resolve::{Results, Winner};
use crate::event::Event;
use crate::execute::Failure;
use crate::pipeline::nearest;
use crate::plan::{Search, StepId};
use crate::schedule::Outcome;
use crate::store::{Store, StoreError};

/// The state of a search after some candidates are settled.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The tried candidates with their metric; none where the candidate failed.
    pub tried: Vec<(StepId, Option<f64>)>,
    /// The best candidate so far.
    pub best: Option<StepId>,
    /// Whether no further candidate is wanted.
    pub decided: bool,
}

/// Looks at the candidates in order; stops at the first whose outcome is not known (`metric`
/// returns none). A failed candidate, and a metric that is not a number, is worse than any.
fn standing_by(search: &Search, metric: impl Fn(StepId) -> Option<Option<f64>>) -> Standing {
    let mut standing = Standing { tried: Vec::new(), best: None, decided: false };
    let mut best_value = None;
    for &candidate in &search.candidates {
        let Some(value) = metric(candidate) else { return standing };
        standing.tried.push((candidate, value));
        let usable = value.filter(|value| !value.is_nan());
        let better = match (usable, best_value) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(value), Some(best)) => {
                if search.maximise {
                    value > best
                } else {
                    value < best
                }
            }
        };
        if better {
            best_value = usable;
            standing.best = Some(candidate);
        } else if search.stop_first_worse && best_value.is_some() {
            break;
        }
    }
    standing.decided = true;
    standing
}

/// Looks at a search with the metrics of the candidates that are `settled`.
///
/// # Errors
/// If a metrics artifact cannot be read.
pub fn standing(
    store: &Store,
    search: &Search,
    results: &Results,
    settled: impl Fn(StepId) -> bool,
) -> Result<Standing, StoreError> {
    let mut metrics = BTreeMap::new();
    for &candidate in search.candidates.iter().filter(|candidate| settled(**candidate)) {
        metrics.insert(candidate, metric_of(store, search, results, candidate)?);
    }
    Ok(standing_by(search, |candidate| metrics.get(&candidate).copied()))
}

/// The deciding metric of a candidate; none where it failed.
fn metric_of(
    store: &Store,
    search: &Search,
    results: &Results,
    candidate: StepId,
) -> Result<Option<f64>, StoreError> {
    let metrics = metrics_of(store, search, results, candidate)?;
    Ok(metrics.and_then(|metrics| metrics.values.get(&search.metric.1).copied()))
}

/// All that a candidate measured; none where it failed. The planner has checked the port.
fn metrics_of(
    store: &Store,
    search: &Search,
    results: &Results,
    candidate: StepId,
) -> Result<Option<MetricValues>, StoreError> {
    let Some(artifact) = results.steps.get(&candidate).and_then(|outputs| outputs.get(&search.metric.0))
    else {
        return Ok(None);
    };
    // What was collected or damaged is in the record as well.
    let recorded = || Some(store.record(results.keys.get(&candidate)?)?.metrics);
    let text = store.read_entry(artifact, Path::new("metrics.json"));
    match (text, search.metric.0 == "metrics") {
        (Err(StoreError::Missing { .. }), true) => Ok(recorded()),
        (text, _) => Ok(text?.and_then(|text| serde_json::from_slice::<MetricValues>(&text).ok())),
    }
}

/// What to say of a candidate that succeeded without the metric that decides.
fn metric_missing(search: &Search, has: &MetricValues) -> Failure {
    let wanted = &search.metric.1;
    let names: Vec<&str> = has.values.keys().map(String::as_str).collect();
    let there = match &names[..] {
        [] => "it has none".to_owned(),
        names => format!("it has {}", names.join(", ")),
    };
    let hint = match nearest(wanted, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("name one of them in `metric` of the search `{}`", search.name),
    };
    let error =
        format!("no candidate of the search `{}` has the metric `{wanted}` so far; {there}", search.name);
    Failure { error, hint: (!names.is_empty()).then_some(hint) }
}

/// The text of the `choice` artifact: the parameter, the winning value, and every tried one with
/// its metric. Names of steps stay out of it.
pub fn choice_text(search: &Search, standing: &Standing) -> Vec<u8> {
    let value_of = |step: StepId| {
        let position = search.candidates.iter().position(|candidate| *candidate == step);
        position.map_or(Value::Null, |position| search.values[position].clone())
    };
    let tried: Vec<Value> = standing
        .tried
        .iter()
        .map(|(step, metric)| json!({"value": value_of(*step), "metric": metric}))
        .collect();
    let choice = json!({
        "param": search.param,
        "value": standing.best.map(value_of),
        "metric": search.metric.1,
        "tried": tried,
    });
    format!("{choice:#}\n").into_bytes()
}

impl Run<'_> {
    /// Looks at a search when one of its candidates is settled: once it is decided, names the
    /// winner and leaves out the rest. Returns the candidate's outcome: where no candidate ended
    /// well, the last one carries the failure to all below.
    pub(super) fn advance(
        &mut self,
        number: usize,
        just_settled: StepId,
        outcome: Outcome,
    ) -> Result<Outcome, StoreError> {
        let search = &self.plan().searches[number];
        if self.results.winners.contains_key(&number) {
            return Ok(outcome);
        }
        if outcome == Outcome::Done {
            self.bring_metrics(just_settled, &search.metric.0);
        }
        let store = self.resolver.store;
        let settled = |candidate| candidate == just_settled || self.schedule.outcome(candidate).is_some();
        let standing = self::standing(store, search, &self.results, settled)?;
        // A misspelt metric would fail every candidate, and each may have cost a training: the first
        // one tells. One that lacks what others have is worse than any of them, no more.
        if standing.best.is_none()
            && let Some(has) = metrics_of(store, search, &self.results, just_settled)?
            && !has.values.contains_key(&search.metric.1)
        {
            self.send_failed(just_settled, &metric_missing(search, &has), false);
            self.leave_out_rest(search, just_settled);
            self.counts.failed += 1;
            return Ok(Outcome::Failed);
        }
        if !standing.decided {
            return Ok(outcome);
        }
        if let Some(best) = standing.best {
            let choice = store.insert_files(&[("choice.json", &choice_text(search, &standing))])?;
            self.results.winners.insert(number, Winner { step: best, choice });
            let position = search.candidates.iter().position(|candidate| *candidate == best);
            self.events.send(Event::SearchSettled {
                step: search.name.clone(),
                value: position.map(|position| search.values[position].clone()).unwrap_or_default(),
                tried: (standing.tried.len(), search.candidates.len()),
            });
        }
        self.leave_out_rest(search, just_settled);
        if standing.best.is_none() {
            self.counts.failed += 1;
            return Ok(Outcome::Failed);
        }
        Ok(outcome)
    }

    /// Leaves out the candidates that nobody wants any more.
    fn leave_out_rest(&mut self, search: &Search, just_settled: StepId) {
        for &candidate in search.candidates.iter().filter(|candidate| **candidate != just_settled) {
            if self.schedule.outcome(candidate).is_none() {
                self.schedule.settle(candidate, Outcome::LeftOut);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::engine::testing::{self, AtOnce};
    use crate::engine::{Options, Summary, run};
    use crate::event::{Consumer, Dispatcher, Numbered, RunStatus};
    use crate::pipeline::Overrides;
    use crate::plan::testing::planned;
    use crate::schedule::OnFailure;
    use crate::store::{Caches, Store};

    fn search(stop_first_worse: bool) -> Search {
        Search {
            name: "pre".into(),
            param: "learning_rate".into(),
            candidates: vec![0, 1, 2],
            values: vec![json!(0.01), json!(0.003), json!(0.001)],
            metric: ("metrics".into(), "loss.valid".into()),
            maximise: false,
            stop_first_worse,
        }
    }

    fn check(losses: &[Option<f64>], stop: bool, best: Option<StepId>, tried: usize, decided: bool) {
        let standing = standing_by(&search(stop), |step| losses.get(step).copied());
        assert_eq!((standing.best, standing.tried.len(), standing.decided), (best, tried, decided));
    }

    #[test]
    fn the_first_worse_candidate_ends_the_search() {
        check(&[Some(3.0), Some(3.5), Some(2.0)], true, Some(0), 2, true);
        check(&[Some(3.0), Some(3.5), Some(2.0)], false, Some(2), 3, true);
    }

    #[test]
    fn an_unknown_candidate_leaves_it_open() {
        check(&[Some(3.0)], true, Some(0), 1, false);
    }

    #[test]
    fn a_diverged_or_failed_candidate_is_worse_than_any() {
        check(&[None, Some(f64::NAN), Some(2.0)], true, Some(2), 3, true);
        check(&[None, None, None], true, None, 3, true);
    }

    struct Recorder(Arc<Mutex<Vec<Event>>>);

    impl Consumer for Recorder {
        fn take(&mut self, event: &Numbered) {
            self.0.lock().unwrap().push(event.event.clone());
        }
    }

    /// Runs a search with this metric; returns the run's end and its events.
    fn searched(metric: &str) -> (Summary, Vec<Event>) {
        let text = format!(
            r#"
stages:
  images: {{uses: images, with: {{source: shapes}}}}
  pre:
    uses: train
    in: {{images: images.images}}
    search: {{param: learning_rate, values: [0.1, 0.01, 0.001], metric: {metric}, goal: min}}
  below: {{uses: report, in: {{metrics: pre.metrics}}}}
"#
        );
        let plan = planned(&text, &Overrides::default()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let caches = RefCell::new(Caches::open(&store));
        let options = Options { on_failure: OnFailure::StopDependents, ..testing::options(dir.path()) };
        let events = Arc::new(Mutex::new(Vec::new()));
        let kept = Box::new(Recorder(events.clone()));
        let dispatcher = Dispatcher::start(vec![kept], Default::default()).unwrap();
        let summary = run(&plan, &store, &caches, &options, &AtOnce, &dispatcher.events(), &false.into());
        dispatcher.finish();
        let events = events.lock().unwrap().clone();
        (summary.unwrap(), events)
    }

    #[test]
    fn a_metric_that_nobody_has_fails_at_the_first_candidate_and_says_so() {
        let (summary, events) = searched("metrics.loss.vaild");
        assert_eq!((summary.status, summary.executed), (RunStatus::Failed, 2), "images and one candidate");
        let failures: Vec<&Event> =
            events.iter().filter(|event| matches!(event, Event::StepFailed { .. })).collect();
        let [Event::StepFailed { step, error, hint, .. }] = &failures[..] else { panic!("{events:?}") };
        assert!(step.starts_with("pre["), "{step}");
        assert!(error.contains("`pre` has the metric `loss.vaild`") && error.ends_with("it has loss.valid"));
        assert_eq!(hint.as_deref(), Some("did you mean `loss.valid`?"));
        let skipped = |event: &Event| matches!(event, Event::StepSkipped { step, .. } if step == "below");
        assert!(events.iter().any(skipped), "{events:?}");
    }

    #[test]
    fn a_metric_that_is_there_decides() {
        let (summary, events) = searched("metrics.loss.valid");
        assert_eq!((summary.status, summary.executed), (RunStatus::Succeeded, 5));
        assert!(events.iter().any(|event| matches!(event, Event::SearchSettled { tried: (3, 3), .. })));
    }
}
