//! Where links to steps lead: to their places on the page, or where they have none, to pages of their own.

use std::collections::BTreeSet;

use super::progress::State;
use super::run::Run;

/// How many steps have all that is known of them on the page of the run; the others have a line.
const DETAILED: usize = 400;

/// The addresses of steps.
#[derive(Debug)]
pub(crate) struct Links {
    detailed: BTreeSet<usize>,
    /// Whether a server answers for the steps that have no place on the page.
    served: bool,
}

impl Links {
    /// For the page of a run: where there are too many steps, the failed ones, those that nobody reads
    /// and the most expensive ones are told in full, and one of each kind at least.
    pub(crate) fn of(run: &Run, served: bool) -> Self {
        let mut order: Vec<usize> = (0..run.steps.len()).collect();
        if order.len() > DETAILED {
            let mut is_read = vec![false; order.len()];
            run.steps.iter().flat_map(|step| &step.reads).for_each(|read| is_read[*read] = true);
            let first: BTreeSet<usize> =
                run.nodes.iter().filter_map(|node| node.steps.first().copied()).collect();
            let cost = |step: usize| run.steps[step].record.as_ref().map_or(0.0, |record| record.cost.wall_s);
            let rank = |step: usize| match run.steps[step].seen.state {
                State::Failed => 0,
                State::Running | State::Queued => 1,
                _ if !is_read[step] => 2,
                _ if first.contains(&step) => 3,
                _ => 4,
            };
            order.sort_by(|a, b| rank(*a).cmp(&rank(*b)).then(cost(*b).total_cmp(&cost(*a))).then(a.cmp(b)));
            order.truncate(DETAILED);
        }
        Self { detailed: order.into_iter().collect(), served }
    }

    /// For a page that has no other step.
    pub(crate) fn served() -> Self {
        Self { detailed: BTreeSet::new(), served: true }
    }

    /// Whether all that is known of a step is on the page.
    pub(crate) fn is_detailed(&self, step: usize) -> bool {
        self.detailed.contains(&step)
    }

    /// How many steps have all of it on the page.
    pub(crate) fn detailed(&self) -> usize {
        self.detailed.len()
    }

    /// Where a step is told.
    pub(crate) fn step(&self, run: &Run, step: usize) -> String {
        match (self.is_detailed(step), self.served) {
            (true, _) => format!("#s{step}"),
            (false, true) => format!("/run/{}/step/{step}", run.id),
            (false, false) => format!("#r{step}"),
        }
    }

    /// Where the origin of a step's result is told.
    pub(crate) fn origin(&self, run: &Run, step: usize) -> String {
        if self.is_detailed(step) { format!("#o{step}") } else { self.step(run, step) }
    }
}
