//! Leaves out the instances that nothing needs of the steps that are included from other files: a table
//! of one cell of a large experiment does not run the other cells.

use super::planner::Planner;
use super::types::{Plan, Search, Source, StepId};

impl Planner<'_> {
    /// Keeps the pipeline's own steps, what is exported, and all that these read.
    pub(super) fn prune(&mut self) {
        let is_own =
            |base: &str| self.index.get(base).is_none_or(|b| self.declared_steps[*b].decl.mark.is_own());
        let own: Vec<bool> = self.plan.steps.iter().map(|step| is_own(&step.base)).collect();
        if !own.contains(&false) {
            return;
        }
        let kept = needed(&self.plan, own);
        renumber(&mut self.plan, &kept);
    }
}

/// Which steps are needed, given those that are in any case.
fn needed(plan: &Plan, mut needed: Vec<bool>) -> Vec<bool> {
    let exported = plan.exports.iter().flat_map(|export| export.source.steps(&plan.searches));
    let mut open: Vec<StepId> = (0..needed.len()).filter(|step| needed[*step]).chain(exported).collect();
    open.iter().for_each(|step| needed[*step] = true);
    let mut search_of: Vec<Option<&Search>> = vec![None; needed.len()];
    for search in &plan.searches {
        search.candidates.iter().for_each(|step| search_of[*step] = Some(search));
    }
    while let Some(step) = open.pop() {
        // A search is tried whole.
        let candidates = search_of[step].into_iter().flat_map(|search| search.candidates.iter().copied());
        for before in plan.steps[step].reads(&plan.searches).chain(candidates) {
            if !std::mem::replace(&mut needed[before], true) {
                open.push(before);
            }
        }
    }
    needed
}

/// Removes the steps that are not kept, and the searches over them, and numbers the others anew.
fn renumber(plan: &mut Plan, kept: &[bool]) {
    let numbers = |kept: &mut dyn Iterator<Item = bool>| -> Vec<usize> {
        kept.scan(0, |next, kept| {
            let number = *next;
            *next += usize::from(kept);
            Some(number)
        })
        .collect()
    };
    let steps = numbers(&mut kept.iter().copied());
    let is_kept = |search: &Search| search.candidates.iter().all(|step| kept[*step]);
    let searches = numbers(&mut plan.searches.iter().map(is_kept));
    let mut place = 0..;
    plan.steps.retain(|_| place.next().is_some_and(|step: StepId| kept[step]));
    plan.searches.retain(is_kept);
    plan.searches.iter_mut().flat_map(|search| &mut search.candidates).for_each(|step| *step = steps[*step]);
    let inputs = plan.steps.iter_mut().flat_map(|step| &mut step.inputs).map(|input| &mut input.source);
    for source in inputs.chain(plan.exports.iter_mut().map(|export| &mut export.source)) {
        match source {
            Source::Step { step, .. } => *step = steps[*step],
            Source::Winner { search, .. } => *search = searches[*search],
            Source::Path(_) | Source::Glob { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Overrides;
    use crate::plan::testing::planned;

    const PIPELINE: &str = r#"
stages:
  images: {uses: images, matrix: {n: [1, 2]}, with: {source: shapes}}
  pre:
    uses: train
    matrix: {n: [1, 2]}
    in: {images: images.images}
    search: {param: learning_rate, values: [0.01, 0.003], metric: metrics.loss.valid, goal: min}
  features: {uses: features, matrix: {n: [1, 2]}, in: {model: pre.model, images: images.images}}
"#;

    #[test]
    fn a_search_is_kept_whole_or_left_out_whole_and_numbers_follow() {
        let mut plan = planned(PIPELINE, &Overrides::default()).unwrap();
        let last = plan.steps.iter().map(|step| step.name == "features[n=2]").collect();
        let kept = needed(&plan, last);
        renumber(&mut plan, &kept);
        let names: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
        let tried = ["pre[learning_rate=0.01,n=2]", "pre[learning_rate=0.003,n=2]"];
        assert_eq!(names, ["images[n=2]", tried[0], tried[1], "features[n=2]"]);
        let [search] = &plan.searches[..] else { panic!("{:?}", plan.searches) };
        assert_eq!((search.name.as_str(), &search.candidates[..]), ("pre[n=2]", &[1, 2][..]));
        let reads: Vec<StepId> = plan.steps[3].reads(&plan.searches).collect();
        assert_eq!(reads, [1, 2, 0]);
    }
}
