//! The page of a run.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::curves::charts;
use super::graph::{graph, title};
use super::links::Links;
use super::media::{Budget, Picture, pictures};
use super::origin::Origins;
use super::page::{Medium, Page};
use super::run::{Run, tally};
use super::step_page::{body, state};
use super::tables::{self, ResultTable};
use super::timeline::timeline;
use crate::report::seconds;

/// Above so many steps pictures and tables are looked for among those alone that are told in full.
const MANY: usize = 500;

/// Above so many steps of the YAML those out of view are laid out when they come into it.
const LONG: usize = 60;

/// Longer lists of instances are closed at first.
const OPEN: usize = 200;

/// A page, and what it leaves out.
pub(crate) struct RunPage {
    pub(crate) html: String,
    /// What did not fit, in words.
    pub(crate) left_out: Vec<String>,
}

/// What a run shows besides its steps.
struct Results {
    /// (step, port, table).
    tables: Vec<(usize, String, ResultTable)>,
    figures: Vec<Picture>,
    pictures: Vec<Picture>,
    more: usize,
}

/// Renders the page of a run in at most about `max_size` bytes.
pub(crate) fn run_page(run: &Run, medium: Medium, max_size: u64) -> RunPage {
    let links = Links::of(run, medium == Medium::Served);
    let href = |step: usize| links.step(run, step);
    let origins = Origins::of(&run.store, run, |step| links.is_detailed(step));
    let found = results(run, &links);
    let charts = charts(&[(run, "", &href)]);
    let graph = graph(run);
    let timeline = timeline(run, &href);
    // Text first: it is what the page is for. Pictures get what is left.
    let steps = steps(run, &links, &origins);
    let curves = html! { @for chart in &charts { (chart.render()) } };
    let tables: Vec<(usize, Markup)> = found
        .tables
        .iter()
        .map(|(step, port, table)| (*step, result_table(run, (*step, port), table, &origins, &links)))
        .collect();
    let tables_size: usize = tables.iter().map(|(_, table)| table.0.len()).sum();
    let texts =
        steps.0.len() + curves.0.len() + tables_size + graph.as_ref().map_or(0, |graph| graph.0.len());
    let mut budget = Budget::new(max_size.saturating_sub(texts as u64 + 96_000));
    let figures = rendered(run, &found.figures, &href, &mut budget);
    let gallery = rendered(run, &found.pictures, &href, &mut budget);
    if found.more > 0 {
        budget.left_out.push(format!("{} more pictures of outputs that hold many", found.more));
    }
    if links.detailed() < run.steps.len() {
        let what = "parameters, inputs and logs of";
        budget.left_out.push(format!(
            "{what} {} of {} steps",
            run.steps.len() - links.detailed(),
            run.steps.len()
        ));
    }
    let has_results = !found.tables.is_empty() || !figures.is_empty();
    let pipeline = !run.made_of.files.is_empty();
    let parts = [
        (has_results, "#results", "Results"),
        (true, "#graph", "Graph"),
        (timeline.is_some(), "#timeline", "Timeline"),
        (!charts.is_empty(), "#curves", "Curves"),
        (!gallery.is_empty(), "#pictures", "Pictures"),
        (true, "#steps", "Steps"),
        (pipeline, "#pipeline", "Pipeline"),
    ];
    let mut nav: Vec<(String, &'static str)> =
        if medium == Medium::Served { vec![("/".to_owned(), "← Runs")] } else { Vec::new() };
    nav.extend(parts.into_iter().filter(|(is, ..)| *is).map(|(_, href, text)| (href.to_owned(), text)));
    let body = html! {
        (head(run))
        @if !budget.left_out.is_empty() {
            div.left-out { p { "Not on this page: " (budget.left_out.join("; ")) "." } }
        }
        @if has_results { section #results aria-labelledby="h-results" {
            h2 #h-results { "Results" }
            @for (step, table) in &tables {
                @let own: Vec<&Markup> = figures.iter().filter(|(of, _)| of == step).map(|(_, figure)| figure).collect();
                h3 { a href=(href(*step)) { (run.text(&run.steps[*step].name)) } }
                @if own.is_empty() { (table) } @else { div.beside { div { (table) } div { @for figure in own { (figure) } } } }
            }
            @let alone: Vec<&Markup> = figures.iter().filter(|(of, _)| !tables.iter().any(|(step, _)| step == of)).map(|(_, figure)| figure).collect();
            @if !alone.is_empty() { div.gallery { @for figure in alone { (figure) } } }
        } }
        section #graph aria-labelledby="h-graph" {
            h2 #h-graph { "Graph" }
            @match &graph {
                Some(graph) => (graph),
                None => p { "The pipeline has " (run.nodes.len()) " steps, too many to draw; they are listed below." },
            }
        }
        @if let Some(timeline) = &timeline { section #timeline aria-labelledby="h-timeline" { h2 #h-timeline { "Timeline" } (timeline) } }
        @if !charts.is_empty() { section #curves aria-labelledby="h-curves" { h2 #h-curves { "Curves" } (curves) } }
        @if !gallery.is_empty() { section #pictures aria-labelledby="h-pictures" {
            h2 #h-pictures { "Pictures" }
            div.gallery { @for (_, picture) in &gallery { (picture) } }
        } }
        section #steps aria-labelledby="h-steps" { h2 #h-steps { "Steps" } (steps) }
        @if pipeline { section #pipeline aria-labelledby="h-pipeline" {
            h2 #h-pipeline { "Pipeline" }
            @for file in &run.made_of.files { h3 { (run.text(&file.name)) } pre tabindex="0" { (run.text(&file.text)) } }
        } }
    };
    let title = format!("{} {}", run.text(&run.pipeline), run.id);
    let live =
        (medium == Medium::Served).then(|| format!("/run/{}/events", run.id)).filter(|_| run.is_running());
    let page = Page { title: &title, nav, body, live, refreshed: false };
    RunPage { html: page.render(medium), left_out: budget.left_out }
}

/// The page of one step, for the server.
pub(crate) fn one_step(run: &Run, step: usize) -> Option<String> {
    let found = run.steps.get(step)?;
    let links = Links::served();
    let nav = vec![("/".to_owned(), "← Runs"), (format!("/run/{}", run.id), "← Run")];
    let content = html! {
        h1 { (run.text(&found.name)) }
        p { "A step of " a href={ "/run/" (run.id) } { (run.text(&run.pipeline)) " " (run.id) } }
        (body(run, step, &links))
        (Origins::of(&run.store, run, |other| other == step).render(run, step, &format!("o{step}"), &|step| Some(links.step(run, step))))
    };
    let title = format!("{} {}", run.text(&found.name), run.id);
    Some(Page { title: &title, nav, body: content, live: None, refreshed: false }.render(Medium::Served))
}

fn head(run: &Run) -> Markup {
    let overrides: Vec<String> = run
        .made_of
        .profiles
        .iter()
        .map(|name| format!("--profile {name}"))
        .chain(run.made_of.sets.iter().map(|set| format!("--set {set}")))
        .collect();
    html! {
        h1 { (run.text(&run.pipeline)) " " (badge(&run.status)) }
        @if !run.description.is_empty() { p { (run.text(&run.description)) } }
        dl.facts data-running[run.is_running()] {
            dt { "run" } dd.mono { (run.id) }
            @if let Some(started) = run.started { dt { "began" } dd { (started.strftime("%Y-%m-%d %H:%M:%S UTC")) } }
            @if let Some(wall) = run.wall_s { dt { "took" } dd { (seconds(wall)) } }
            dt { "steps" } dd { span #tally { (tally(|is| run.count(is))) } " of " (run.steps.len()) }
            @if !overrides.is_empty() { dt { "changed" } dd.mono { (run.text(&overrides.join(" "))) } }
            @if let Some(program) = run.program.as_ref().filter(|program| !program.version.is_empty()) {
                dt { "program" } dd { "igpt-flow " (program.version) @if let Some(commit) = program.short_commit() { ", commit " span.mono title=[program.commit.as_ref()] { (commit) } } }
            }
            @for (name, value) in &run.machine { dt { (name) } dd.mono { (run.text(value)) } }
            @for (path, error) in &run.exports {
                @let words = if error.is_some() { "not exported" } else { "exported" };
                dt { (words) } dd { span.mono { (run.text(path)) } @if let Some(error) = error { ": " (run.text(error)) } }
            }
        }
        @for note in run.notes.iter().take(20) { p.note { (run.text(note)) } }
    }
}

/// How a run stands.
pub(crate) fn badge(status: &str) -> Markup {
    let sign = match status {
        "succeeded" => "✓",
        "failed" => "✗",
        "running" => "◐",
        "interrupted" => "■",
        _ => "?",
    };
    html! { span.badge.(status) { span.sign { (sign) } " " (status) } }
}

fn results(run: &Run, links: &Links) -> Results {
    let mut results = Results { tables: Vec::new(), figures: Vec::new(), pictures: Vec::new(), more: 0 };
    let is_meant = |step: usize| run.steps.len() <= MANY || links.is_detailed(step);
    for step in (0..run.steps.len()).filter(|step| is_meant(*step)) {
        for (port, artifact) in run.steps[step].record.iter().flat_map(|record| &record.outputs) {
            if !artifact.is_file()
                && let Some(table) = tables::read(&run.store, artifact)
            {
                results.tables.push((step, port.clone(), table));
            }
        }
        let (found, more) = pictures(&run.store, run, step);
        results.more += more;
        let (figures, others): (Vec<_>, Vec<_>) = found.into_iter().partition(Picture::is_figure);
        results.figures.extend(figures);
        results.pictures.extend(others);
    }
    results
}

fn rendered(
    run: &Run,
    pictures: &[Picture],
    href: &dyn Fn(usize) -> String,
    budget: &mut Budget,
) -> Vec<(usize, Markup)> {
    let mut shown = |picture: &Picture| {
        Some((picture.step, picture.render(&run.store, run, &href(picture.step), budget)?))
    };
    pictures.iter().filter_map(&mut shown).collect()
}

fn result_table(
    run: &Run,
    (step, port): (usize, &str),
    table: &ResultTable,
    origins: &Origins,
    links: &Links,
) -> Markup {
    let cells = origins.cells(&run.store, run, step, port);
    html! {
        (table.render(run, &|row, column| cells.href(run, table, (row, column), links)))
        (cells.render(run, table, links))
    }
}

/// The steps: a list of the YAML's, and for each its instances with all that is known of them.
fn steps(run: &Run, links: &Links, origins: &Origins) -> Markup {
    // What is not in view is laid out later.
    let is_long = run.nodes.len() > LONG;
    html! {
        @if run.nodes.len() > 12 { p data-filter="step-table" {} }
        div.scroll tabindex="0" role="group" aria-label="Steps" { table.wide #step-table {
            thead { tr { th scope="col" { "step" } th scope="col" { "kind" } th scope="col" { "state" } th.num scope="col" { "took" } th scope="col" { "why it ran" } } }
            tbody { @for (n, node) in run.nodes.iter().enumerate() {
                @let (node_state, words) = node.state(&run.steps);
                tr #{ "r-" (n) } {
                    th scope="row" { a href={ "#n" (n) } { (run.text(&node.name)) } }
                    td.soft { (title(&run.text(&node.kind), node.steps.len())) }
                    td { span.st.(node_state.word()) data-node=(n) { (node_state.sign()) " " (words) } }
                    td.num { (took(run, &node.steps)) }
                    td.soft { (reasons(run, &node.steps)) }
                }
            } }
        } }
        @for (n, node) in run.nodes.iter().enumerate() {
            section.node-list[is_long] #{ "n" (n) } {
                @let is_alone = node.steps.len() == 1;
                @if !is_alone || !links.is_detailed(node.steps[0]) {
                    h3 { (run.text(&node.name)) " " span.soft { (title(&run.text(&node.kind), node.steps.len())) } }
                }
                @if !is_alone { (instances(run, n, &node.steps, links)) }
                @for step in node.steps.iter().filter(|step| links.is_detailed(**step)) {
                    details id={ "d" (step) } {
                        summary {
                            @if is_alone { h3 { (run.text(&node.name)) " " span.soft { (run.text(&node.kind)) } } }
                            @else { (run.text(&run.steps[*step].name)) }
                            " " (state(&run.steps[*step].seen, Some(*step)))
                            @if let Some(took) = run.steps[*step].took_s() { span.took { (seconds(took)) } }
                        }
                        div.body #{ "s" (step) } { (body(run, *step, links)) (origins.render(run, *step, &format!("o{step}"), &|step| Some(links.step(run, step)))) }
                    }
                }
            }
        }
    }
}

/// The instances of a step as lines; a long list is laid out when it is opened.
fn instances(run: &Run, n: usize, steps: &[usize], links: &Links) -> Markup {
    let list = instance_list(run, n, steps, links);
    html! {
        @if steps.len() > OPEN { details id={ "i" (n) } { summary { "All " (steps.len()) " instances" } (list) } }
        @else { (list) }
    }
}

fn instance_list(run: &Run, n: usize, steps: &[usize], links: &Links) -> Markup {
    html! {
        @if steps.len() > 12 { p data-filter={ "t" (n) } {} }
        div.scroll tabindex="0" role="group" aria-label={ "Instances of " (run.text(&run.nodes[n].name)) } { table #{ "t" (n) } {
            thead { tr { th scope="col" { "instance" } th scope="col" { "state" } th.num scope="col" { "took" } th scope="col" { "why it ran" } } }
            tbody { @for step in steps {
                @let seen = &run.steps[*step].seen;
                tr #{ "r" (step) } {
                    th scope="row" { @let to = links.step(run, *step);
                        @if to.starts_with("#r") { (run.text(&run.steps[*step].name)) } @else { a href=(to) { (run.text(&run.steps[*step].name)) } } }
                    td { (state(seen, Some(*step))) }
                    td.num { @if let Some(took) = run.steps[*step].took_s() { (seconds(took)) } }
                    td.soft { @if let Some(reason) = &seen.reason { (run.text(reason)) } }
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
