//! Where links to steps lead: to their places on the page, or where they have none, to pages of their own.

use std::collections::BTreeSet;

use super::run::Run;

/// The addresses of steps.
#[derive(Debug)]
pub(crate) struct Links {
    /// The steps that have all that is known of them on the page; the others have a line.
    detailed: BTreeSet<usize>,
    /// Whether a server answers for the steps that have no place on the page.
    served: bool,
}

impl Links {
    /// For a page that tells these steps in full.
    pub(crate) fn of(detailed: BTreeSet<usize>, served: bool) -> Self {
        Self { detailed, served }
    }

    /// For a page that tells none in full.
    pub(crate) fn none(served: bool) -> Self {
        Self::of(BTreeSet::new(), served)
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

    /// Where a step of the YAML is told: its only instance, or the list of them.
    pub(crate) fn node(&self, run: &Run, node: usize) -> String {
        match run.nodes[node].steps[..] {
            [step] if !self.is_detailed(step) => self.step(run, step),
            _ => format!("#n{node}"),
        }
    }

    /// Where the origin of a step's result is told.
    pub(crate) fn origin(&self, run: &Run, step: usize) -> String {
        if self.is_detailed(step) { format!("#o{step}") } else { self.step(run, step) }
    }
}
