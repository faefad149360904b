//! The page of a run.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::boxes::Boxes;
use super::curves::charts;
use super::graph::graph;
use super::in_full::{self, by_importance, chosen};
use super::links::Links;
use super::media::{Budget, Picture, could_show, pictures};
use super::origin::{Cells, Origins};
use super::page::{FRAME, Medium, Page};
use super::run::{Run, tally};
use super::step_list::step_list;
use super::step_page::body;
use super::tables::{self, ResultTable};
use super::timeline::timeline;
use crate::report::seconds;

/// Pictures and tables are looked for among so many steps, the most important ones.
const MANY: usize = 500;

/// A page, and what it leaves out.
pub(crate) struct RunPage {
    pub(crate) html: String,
    /// What did not fit, in words.
    pub(crate) left_out: Vec<String>,
}

/// What a run shows besides its steps.
struct Results {
    /// (step, table, what its cells are made of).
    tables: Vec<(usize, ResultTable, Cells)>,
    figures: Vec<Picture>,
    pictures: Vec<Picture>,
    more: usize,
}

impl Results {
    /// What the figures and pictures weigh, in bytes.
    fn weight(&self, run: &Run) -> u64 {
        self.figures.iter().chain(&self.pictures).map(|picture| picture.weight(run)).sum()
    }
}

/// Renders the page of a run in at most about `max_size` bytes.
pub(crate) fn run_page(run: &Run, medium: Medium, max_size: u64) -> RunPage {
    let is_served = medium == Medium::Served;
    let boxes = Boxes::of(run);
    let order = by_importance(run);
    let (looked_at, others) = order.split_at(order.len().min(MANY));
    let origins = Origins::of(&run.store, run, |_| true);
    let found = results(run, looked_at, &origins);
    let (head, pipeline) = (head(run), pipeline(run));
    // Text first: it is what the page is for. Of what the page may weigh besides, steps in full leave pictures a
    // half, if they need it.
    let without = Links::none(is_served);
    let frame = FRAME + (head.0.len() + pipeline.0.len()) as u64;
    let text = frame + Parts::of(run, &boxes, &found, &origins, &without).size();
    let left = max_size.saturating_sub(text);
    let links =
        chosen(run, &order, &origins, (left - found.weight(run).min(left / 2)).min(in_full::MOST), is_served);
    let parts = Parts::of(run, &boxes, &found, &origins, &links);
    let mut budget = Budget::new(max_size.saturating_sub(frame + parts.size()));
    let href = |step: usize| links.step(run, step);
    let figures = rendered(run, &found.figures, &href, &mut budget);
    let gallery = rendered(run, &found.pictures, &href, &mut budget);
    let mut left_out = budget.left_out();
    if found.more > 0 {
        left_out.push(format!("{} more pictures of outputs that hold many", found.more));
    }
    if links.detailed() < run.steps.len() {
        let what = "parameters, inputs and logs of";
        left_out.push(format!("{what} {} of {} steps", run.steps.len() - links.detailed(), run.steps.len()));
    }
    let outputs = |step: usize| run.steps[step].record.iter().flat_map(|record| record.outputs.values());
    let could = others.iter().filter(|step| outputs(**step).any(|output| could_show(&run.store, output)));
    match could.count() {
        0 => {}
        could => {
            left_out.push(format!("tables and pictures, if any, of {could} of {} steps", run.steps.len()))
        }
    }
    let has_results = !found.tables.is_empty() || !figures.is_empty();
    let has_pipeline = !run.made_of.files.is_empty();
    let sections = [
        (has_results, "#results", "Results"),
        (parts.graph.is_some(), "#graph", "Graph"),
        (parts.timeline.is_some(), "#timeline", "Timeline"),
        (!parts.curves.0.is_empty(), "#curves", "Curves"),
        (!gallery.is_empty(), "#pictures", "Pictures"),
        (true, "#steps", "Steps"),
        (has_pipeline, "#pipeline", "Pipeline"),
    ];
    let mut nav: Vec<(String, &'static str)> =
        if is_served { vec![("/".to_owned(), "← Runs")] } else { Vec::new() };
    nav.extend(sections.into_iter().filter(|(is, ..)| *is).map(|(_, href, text)| (href.to_owned(), text)));
    let body = html! {
        (head)
        @if !left_out.is_empty() {
            div.left-out { p { "Not on this page: " (left_out.join("; ")) "." } }
        }
        @if has_results { section #results aria-labelledby="h-results" {
            h2 #h-results { "Results" }
            @for (step, heading, table) in &parts.tables {
                @let own: Vec<&Markup> = figures.iter().filter(|(of, _)| of == step).map(|(_, figure)| figure).collect();
                (heading)
                @if own.is_empty() { (table) } @else { div.beside { div { (table) } div { @for figure in own { (figure) } } } }
            }
            @let alone: Vec<&Markup> = figures.iter().filter(|(of, _)| !parts.tables.iter().any(|(step, ..)| step == of)).map(|(_, figure)| figure).collect();
            @if !alone.is_empty() { div.gallery { @for figure in alone { (figure) } } }
        } }
        @if let Some(graph) = &parts.graph { section #graph aria-labelledby="h-graph" { h2 #h-graph { "Graph" } (graph) } }
        @if let Some(timeline) = &parts.timeline { section #timeline aria-labelledby="h-timeline" { h2 #h-timeline { "Timeline" } (timeline) } }
        @if !parts.curves.0.is_empty() { section #curves aria-labelledby="h-curves" { h2 #h-curves { "Curves" } (parts.curves) } }
        @if !gallery.is_empty() { section #pictures aria-labelledby="h-pictures" {
            h2 #h-pictures { "Pictures" }
            div.gallery { @for (_, picture) in &gallery { (picture) } }
        } }
        section #steps aria-labelledby="h-steps" { h2 #h-steps { "Steps" } (parts.steps) }
        @if has_pipeline { section #pipeline aria-labelledby="h-pipeline" { h2 #h-pipeline { "Pipeline" } (pipeline) } }
    };
    let title = format!("{} {}", run.text(&run.pipeline), run.id);
    let live = is_served.then(|| format!("/run/{}/events", run.id)).filter(|_| run.is_running());
    let page = Page { title: &title, nav, body, live, refreshed: false };
    RunPage { html: page.render(medium), left_out }
}

/// The parts of a page that lead to steps, but its pictures.
struct Parts {
    /// (step, heading, table).
    tables: Vec<(usize, Markup, Markup)>,
    graph: Option<Markup>,
    timeline: Option<Markup>,
    curves: Markup,
    steps: Markup,
}

impl Parts {
    fn of(run: &Run, boxes: &Boxes, found: &Results, origins: &Origins, links: &Links) -> Self {
        let href = |step: usize| links.step(run, step);
        let table = |(step, table, cells): &(usize, ResultTable, Cells)| {
            let heading = html! { h3 { a href=(href(*step)) { (run.text(&run.steps[*step].name)) } } };
            let table = html! {
                (table.render(run, &|row, column| cells.href(run, table, (row, column), links)))
                (cells.render(run, table, links))
            };
            (*step, heading, table)
        };
        Self {
            tables: found.tables.iter().map(table).collect(),
            graph: graph(run, boxes, links),
            timeline: timeline(run, boxes, links),
            curves: html! { @for chart in charts(&[(run, "", &href)]) { (chart.render()) } },
            steps: step_list(run, boxes, links, origins),
        }
    }

    /// What they weigh, in bytes.
    fn size(&self) -> u64 {
        let Self { tables, graph, timeline, curves, steps } = self;
        let all = [curves, steps].into_iter().chain(graph).chain(timeline);
        all.chain(tables.iter().flat_map(|(_, heading, table)| [heading, table]))
            .map(|part| part.0.len() as u64)
            .sum()
    }
}

/// The page of one step, for the server.
pub(crate) fn one_step(run: &Run, step: usize) -> Option<String> {
    let found = run.steps.get(step)?;
    let links = Links::none(true);
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

/// The texts that the run was made of.
fn pipeline(run: &Run) -> Markup {
    html! {
        @for file in &run.made_of.files { h3 { (run.text(&file.name)) } pre tabindex="0" { (run.text(&file.text)) } }
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

/// The results of these steps, in the order of the run.
fn results(run: &Run, steps: &[usize], origins: &Origins) -> Results {
    let mut results = Results { tables: Vec::new(), figures: Vec::new(), pictures: Vec::new(), more: 0 };
    for step in BTreeSet::from_iter(steps.iter().copied()) {
        for (port, artifact) in run.steps[step].record.iter().flat_map(|record| &record.outputs) {
            if !artifact.is_file()
                && let Some(table) = tables::read(&run.store, artifact)
            {
                results.tables.push((step, table, origins.cells(&run.store, run, step, port)));
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

#[cfg(test)]
mod tests {
    use super::super::testing::ran;
    use super::*;

    #[test]
    fn a_page_is_as_large_as_it_may_be_and_no_larger() {
        let written_out: Vec<_> = (0..700).map(|n| (format!("step_{n}"), n, 1)).collect();
        let instances: Vec<_> = (0..700).map(|n| (format!("step[n={n}]"), n, 1)).collect();
        for steps in [written_out, instances] {
            let (_dir, run) = ran(&steps);
            let size = |max_size: u64| run_page(&run, Medium::File, max_size).html.len() as u64;
            let (none, all) = (size(0), size(u64::MAX));
            assert!(all > none + 100_000, "{none}, {all}");
            assert!(!run_page(&run, Medium::File, u64::MAX).html.contains("tables and pictures"), "of none");
            for part in [4, 2] {
                let most = none + (all - none) / part;
                let found = size(most);
                // Short of a step, the words for headings, and the ids that rows have instead of links.
                assert!(found <= most && found > most - most / 8, "{found} of {most}");
            }
        }
    }
}
