//! What is known of outputs before anything runs: which parts a reference may name, and which names of
//! metrics a stage may ask for.

use std::borrow::Cow;
use std::sync::Arc;

use igpt_contract::{Known, KnownInput, KnownInputs, KnownOutputs};

use super::declared::Planned;
use super::search::SearchDecl;
use super::{PlannedInput, Source, StepId};

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
    pub(super) fn output(&self, planned: Planned, port: &str) -> Option<&Known> {
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
