//! What is known of outputs before anything runs: which parts a reference may name, and which names of
//! metrics a stage may ask for. Without it a slip would be told after the training.

use std::borrow::Cow;
use std::sync::Arc;

use igpt_contract::{Known, KnownInput, KnownInputs, KnownOutputs, Sought};

use super::params::{Searched, WrittenParams};
use super::planner::{DeclaredStep, Planned, Planner};
use super::schema::ParamFault;
use super::search::SearchDecl;
use super::{PlannedInput, Source, StepId, Work};
use crate::pipeline::{Faults, Mark};

/// How many parts a hint lists.
const MAX_LISTED: usize = 20;

/// What is known of the outputs of the steps and searches in the plan, by their numbers.
#[derive(Default)]
pub(super) struct KnownByStep {
    steps: Vec<Arc<KnownOutputs>>,
    winners: Vec<KnownOutputs>,
}

impl KnownByStep {
    /// Adds the next step of the plan.
    pub(super) fn push_step(&mut self, known: KnownOutputs) {
        // The instances of a matrix are mostly alike.
        let same = self.steps.last().filter(|last| ***last == known).cloned();
        self.steps.push(same.unwrap_or_else(|| Arc::new(known)));
    }

    /// Adds the next search of the plan, over these steps.
    pub(super) fn push_search(&mut self, candidates: &[StepId], search: &SearchDecl) {
        let mut candidates = candidates.iter().map(|step| &self.steps[*step]);
        let mut winner = candidates.next().map(|first| (**first).clone()).unwrap_or_default();
        for other in candidates {
            winner.retain(|port, _| other.contains_key(port));
            for (port, known) in &mut winner {
                *known = std::mem::take(known).or(&other[port]);
            }
        }
        // What a table sees of a search: the parameter as a label, the metric, whether it was chosen.
        winner.insert("choice", Known::metrics([&search.metric], [search.param.as_str(), "chosen"]));
        self.winners.push(winner);
    }

    /// What is known of an output.
    fn output(&self, planned: Planned, port: &str) -> Option<&Known> {
        match planned {
            Planned::Step(step) => self.steps.get(step)?.get(port),
            Planned::Search(search) => self.winners.get(search)?.get(port),
            Planned::Nothing => None,
        }
    }

    /// What is known of the inputs of a step.
    pub(super) fn inputs<'a>(&'a self, inputs: &'a [PlannedInput]) -> KnownInputs<'a> {
        let mut all = KnownInputs::default();
        for input in inputs {
            let (planned, port, part) = match &input.source {
                Source::Step { step, port, part } => (Planned::Step(*step), port.as_str(), part),
                Source::Winner { search, port, part } => (Planned::Search(*search), port.as_str(), part),
                Source::Path(_) | Source::Glob { .. } => (Planned::Nothing, "", &None),
            };
            let known = match (self.output(planned, port), part) {
                (None, _) => Cow::Owned(Known::default()),
                (Some(known), None) => Cow::Borrowed(known),
                (Some(known), Some(_)) => Cow::Owned(known.part()),
            };
            all.push(&input.port, KnownInput { labels: &input.labels, known });
        }
        all
    }
}

impl Planner<'_> {
    /// Whether an output may have that part; tells where it cannot.
    pub(super) fn check_part(
        &self,
        planned: Planned,
        port: &str,
        part: Option<&str>,
        whole: impl Fn() -> String,
        mark: Mark,
        faults: &mut Faults,
    ) -> bool {
        let Some(part) = part else { return true };
        let parts = self.known_outputs.output(planned, port).and_then(|known| known.parts.as_ref());
        let Some(parts) = parts.filter(|parts| !parts.iter().any(|name| is_same(name, part))) else {
            return true;
        };
        let whole = whole();
        faults.push(mark, format!("`{whole}` has no part `{part}`")).hint(listed(&whole, parts));
        false
    }

    /// What is known of what a step will make; tells which of its parameters cannot fit its inputs.
    pub(super) fn foresee(
        &self,
        declared: &DeclaredStep<'_>,
        work: &Work,
        inputs: &KnownInputs<'_>,
        searched: Option<Searched<'_>>,
        faults: &mut Faults,
    ) -> KnownOutputs {
        let Work::Stage { stage, params, .. } = work else { return KnownOutputs::new() };
        for misfit in stage.misfits(params, inputs) {
            // A parameter that is not written out is told where its input is.
            let input = declared.decl.inputs.iter().find(|(key, _)| key.text == misfit.port);
            let step = input.map_or(declared.decl.mark, |(_, node)| node.mark);
            let written = WrittenParams { with: declared.decl.with, step, searched };
            let path = misfit.path.split('.').filter(|word| !word.is_empty()).map(str::to_owned).collect();
            let fault =
                ParamFault { path, at_key: false, message: misfit.what, hint: None, names: misfit.name };
            written.report(&format!("step `{}`", declared.decl.name), vec![fault], faults);
        }
        stage.foresee(params, inputs)
    }
}

/// That the metric which decides a search is one that a candidate may have.
pub(super) fn check_deciding<'a>(
    search: &SearchDecl,
    candidates: impl Iterator<Item = &'a KnownOutputs> + Clone,
    faults: &mut Faults,
) {
    let all = candidates.map(|outputs| outputs.get(search.port.as_str())?.metrics.as_ref());
    let may_have = |known: Option<&igpt_contract::MetricNames>| {
        known.is_none_or(|names| names.may_have(&search.metric, Sought::Number))
    };
    if all.clone().any(may_have) {
        return;
    }
    let mut there: Vec<&String> = all.flatten().flat_map(|names| &names.numbers).collect();
    if there.is_empty() {
        return;
    }
    there.sort();
    there.dedup();
    let what = format!("`{}` has no metric `{}`", search.port, search.metric);
    faults.push(search.port_mark, what).suggest(&search.metric, "metrics", there);
}

/// Whether a part has that name; a number may be named without its zeros.
fn is_same(part: &str, name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let bare = |text: &str| text.trim_start_matches('0').len();
    part == name
        || (digits(part)
            && digits(name)
            && part[part.len() - bare(part)..] == name[name.len() - bare(name)..])
}

/// The parts that there are, for a hint.
fn listed(whole: &str, parts: &[String]) -> String {
    let numbers: Option<Vec<u64>> = parts.iter().map(|part| part.parse().ok()).collect();
    let is_range =
        numbers.is_some_and(|all| all.len() > 2 && all.windows(2).all(|pair| pair[1] == pair[0] + 1));
    match parts {
        [] => "it has no parts".to_owned(),
        [first, .., last] if is_range => format!("it has the parts `{whole}/{first}` to `{whole}/{last}`"),
        _ => {
            let shown: Vec<String> =
                parts.iter().take(MAX_LISTED).map(|part| format!("`{whole}/{part}`")).collect();
            let more = if parts.len() > MAX_LISTED { ", ..." } else { "" };
            format!("it has {}{more}", shown.join(", "))
        }
    }
}
