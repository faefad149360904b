//! The steps of a run: a table of the YAML's, and for each its instances with what is known of them.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::boxes::{Boxes, NodeBox, title};
use super::in_full::in_full;
use super::links::Links;
use super::origin::Origins;
use super::run::Run;
use super::step_page::state;
use crate::report::seconds;

/// Longer tables have a filter.
const SHORT: usize = 12;

/// Above so many steps of the YAML those out of view are laid out when they come into it.
const LONG: usize = 60;

/// Longer lists of instances are closed at first, with what is told of them: a browser lays out what is open.
const OPEN: usize = 200;

/// The steps, by the boxes of the graph: those that share one are a list of their own.
pub(crate) fn step_list(run: &Run, boxes: &Boxes, links: &Links, origins: &Origins) -> Markup {
    let is_alone = |found: &NodeBox| found.nodes.len() == 1;
    let lists = boxes.all.chunk_by(|a, b| is_alone(a) && is_alone(b));
    html! {
        @if run.nodes.len() > SHORT { p data-filter="step-table" {} }
        div #step-table { @for list in lists { @match list {
            [several] if !is_alone(several) => (shared(run, several, links, origins)),
            alone => {
                @let nodes: Vec<usize> = alone.iter().flat_map(|found| &found.nodes).copied().collect();
                (rows(run, &nodes, "Steps", links))
            },
        } } }
        @for found in boxes.all.iter().filter(|found| is_alone(found)) { (section(run, found.nodes[0], links, origins)) }
    }
}

/// The steps of a box.
fn shared(run: &Run, found: &NodeBox, links: &Links, origins: &Origins) -> Markup {
    let (state, words) = found.state(run);
    html! { details.shared id=(found.anchor()) {
        summary {
            h3 { (found.name) " " span.soft { (found.title) } } " "
            span.st.(state.word()) data-node=(found.id()) { (state.sign()) " " (words) }
            span.took { (took(run, &found.steps)) }
        }
        (rows(run, &found.nodes, &found.name, links))
        @for node in &found.nodes { (section(run, *node, links, origins)) }
    } }
}

fn rows(run: &Run, nodes: &[usize], label: &str, links: &Links) -> Markup {
    html! { div.scroll tabindex="0" role="group" aria-label=(label) { table.wide {
        thead { tr { th scope="col" { "step" } th scope="col" { "kind" } th scope="col" { "state" } th.num scope="col" { "took" } th scope="col" { "why it ran" } } }
        tbody { @for node in nodes { (row(run, *node, links)) } }
    } } }
}

fn row(run: &Run, n: usize, links: &Links) -> Markup {
    let node = &run.nodes[n];
    let (state, words) = node.state(&run.steps);
    // The only line of a step that is not told in full.
    let only = match node.steps[..] {
        [step] if !links.is_detailed(step) => Some(step),
        _ => None,
    };
    html! { tr id=[only.map(|step| format!("r{step}"))] {
        th scope="row" { (linked(run, &node.name, &links.node(run, n))) }
        td.soft { (title(&run.text(&node.kind), node.steps.len())) }
        td { span.st.(state.word()) data-node=(n) { (state.sign()) " " (words) } }
        td.num { (took(run, &node.steps)) }
        td.soft { (reasons(run, &node.steps)) }
    } }
}

/// A name that leads to where more is told, if that is not this line.
fn linked(run: &Run, name: &str, href: &str) -> Markup {
    html! { @if href.starts_with("#r") { (run.text(name)) } @else { a href=(href) { (run.text(name)) } } }
}

/// What there is of a step of the YAML besides its line: its instances, and those that are told in full.
fn section(run: &Run, n: usize, links: &Links, origins: &Origins) -> Markup {
    let node = &run.nodes[n];
    let is_long = run.nodes.len() > LONG;
    let in_full = || {
        let told = node.steps.iter().filter(|step| links.is_detailed(**step));
        html! { @for step in told { (in_full(run, *step, links, origins)) } }
    };
    if let [step] = node.steps[..] {
        return html! { @if links.is_detailed(step) { section.node-list[is_long] #{ "n" (n) } { (in_full()) } } };
    }
    html! { section.node-list[is_long] #{ "n" (n) } {
        h3 { (run.text(&node.name)) " " span.soft { (title(&run.text(&node.kind), node.steps.len())) } }
        @if node.steps.len() > OPEN {
            details id={ "i" (n) } { summary { "All " (node.steps.len()) " instances" } (instances(run, n, links)) (in_full()) }
        } @else { (instances(run, n, links)) (in_full()) }
    } }
}

/// The instances of a step as lines.
fn instances(run: &Run, n: usize, links: &Links) -> Markup {
    let steps = &run.nodes[n].steps;
    html! {
        @if steps.len() > SHORT { p data-filter={ "t" (n) } {} }
        div.scroll tabindex="0" role="group" aria-label={ "Instances of " (run.text(&run.nodes[n].name)) } { table #{ "t" (n) } {
            thead { tr { th scope="col" { "instance" } th scope="col" { "state" } th.num scope="col" { "took" } th scope="col" { "why it ran" } } }
            tbody { @for step in steps {
                @let found = &run.steps[*step];
                tr id=[(!links.is_detailed(*step)).then(|| format!("r{step}"))] {
                    th scope="row" { (linked(run, &found.name, &links.step(run, *step))) }
                    td { (state(&found.seen, Some(*step))) }
                    td.num { @if let Some(took) = found.took_s() { (seconds(took)) } }
                    td.soft { @if let Some(reason) = &found.seen.reason { (run.text(reason)) } }
                }
            } }
        } }
    }
}

fn took(run: &Run, steps: &[usize]) -> String {
    let took: Vec<f64> = steps.iter().filter_map(|step| run.steps[*step].took_s()).collect();
    if took.is_empty() { String::new() } else { seconds(took.iter().sum()) }
}

/// The reasons of the instances, each once.
fn reasons(run: &Run, steps: &[usize]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let reasons = steps.iter().filter_map(|step| run.steps[*step].seen.reason.as_deref());
    reasons.for_each(|reason| *counts.entry(reason).or_default() += 1);
    let mut said: Vec<String> = counts.keys().take(2).map(|reason| run.text(reason).into_owned()).collect();
    if counts.len() > 2 {
        said.push(format!("{} more reasons", counts.len() - 2));
    }
    said.join("; ")
}
