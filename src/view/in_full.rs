//! Which steps a page tells in full: the most important ones, as many as its budget of bytes holds.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::links::Links;
use super::origin::Origins;
use super::progress::State;
use super::run::Run;
use super::step_page::{body, state};
use crate::report::seconds;

/// What steps told in full may weigh, however large the page may be. A MiB of them is about 40,000 elements, which a
/// browser makes although they are closed: a page of 10,000 steps opens in under 3 s with 6 MiB, in up to 4 with all.
pub(crate) const MOST: u64 = 6 << 20;

/// What a page gains at most by a step besides what is told of it: a section, and a link in its row. A row without
/// the link has an id, so that the page gains a little less.
const AROUND: u64 =
    r##"<section class="node-list" id="n9999999"></section><a href="#n9999999"></a>"##.len() as u64;

/// The steps, the most important first: the failed ones, those under way, those that nobody reads, one of each
/// step of the YAML, and among equals the most expensive.
pub(crate) fn by_importance(run: &Run) -> Vec<usize> {
    let mut is_read = vec![false; run.steps.len()];
    run.steps.iter().flat_map(|step| &step.reads).for_each(|read| is_read[*read] = true);
    let first: BTreeSet<usize> = run.nodes.iter().filter_map(|node| node.steps.first().copied()).collect();
    let cost = |step: usize| run.steps[step].record.as_ref().map_or(0.0, |record| record.cost.wall_s);
    let rank = |step: usize| match run.steps[step].seen.state {
        State::Failed => 0,
        State::Running | State::Queued => 1,
        _ if !is_read[step] => 2,
        _ if first.contains(&step) => 3,
        _ => 4,
    };
    let mut order: Vec<usize> = (0..run.steps.len()).collect();
    order.sort_by(|a, b| rank(*a).cmp(&rank(*b)).then(cost(*b).total_cmp(&cost(*a))).then(a.cmp(b)));
    order
}

/// The links of a page that tells in full what fits these bytes. It ends at the first step that does not, so
/// that none is left out in favour of a less important one.
pub(crate) fn chosen(run: &Run, order: &[usize], origins: &Origins, budget: u64, served: bool) -> Links {
    // Where links lead is not known yet; they weigh no more than those to what has no place on the page.
    let links = Links::none(served);
    let mut left = budget;
    let fits = |step: &&usize| {
        let size = in_full(run, **step, &links, origins).0.len() as u64 + AROUND;
        let fits = size <= left;
        left = left.saturating_sub(size);
        fits
    };
    Links::of(order.iter().take_while(fits).copied().collect(), served)
}

/// All that is known of a step, to be opened.
pub(crate) fn in_full(run: &Run, step: usize, links: &Links, origins: &Origins) -> Markup {
    let found = &run.steps[step];
    let node = &run.nodes[found.node];
    html! {
        details id={ "d" (step) } {
            summary {
                @if node.steps.len() == 1 { h3 { (run.text(&node.name)) " " span.soft { (run.text(&node.kind)) } } }
                @else { (run.text(&found.name)) }
                " " (state(&found.seen, Some(step)))
                @if let Some(took) = found.took_s() { span.took { (seconds(took)) } }
            }
            div.body #{ "s" (step) } {
                (body(run, step, links))
                (origins.render(run, step, &format!("o{step}"), &|step| Some(links.step(run, step))))
            }
        }
    }
}
