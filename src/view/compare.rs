//! Several runs beside each other: what differs in their parameters, their numbers, their curves on one
//! chart, their tables.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::curves::{Told, charts};
use super::origin::Origins;
use super::page::{Medium, Page};
use super::run::Run;
use super::run_page::badge;
use super::step_page::shown;
use super::tables::{self, ResultTable};
use crate::report::seconds;

/// How many runs are compared, and how many rows of what differs are shown.
pub(crate) const RUNS: usize = 8;
const ROWS: usize = 300;
/// Of how many steps tables are looked for.
const STEPS: usize = 2000;

/// Of how many steps of a run the origins are told.
const ORIGINS: usize = 200;

/// Tables of a run, each with its step.
type StepTables = Vec<(usize, ResultTable)>;
/// Where a step of a run is told.
type Href = Box<dyn Fn(usize) -> String>;
/// A name, and a value for each run that has one.
type Rows = BTreeMap<(usize, String), Vec<Option<String>>>;

/// The page.
pub(crate) fn compare_page(runs: &[Run], medium: Medium) -> String {
    let letters: Vec<String> =
        (0..runs.len()).map(|n| char::from(b'A' + (n % 26) as u8).to_string()).collect();
    let params = differing(params(runs));
    let metrics = differing(metrics(runs));
    let tables: Vec<StepTables> = runs.iter().map(tables_of).collect();
    let told: Vec<BTreeSet<usize>> =
        runs.iter().zip(&tables).map(|(run, tables)| told(run, tables)).collect();
    let hrefs: Vec<Href> = runs
        .iter()
        .zip(&letters)
        .zip(&told)
        .map(|((run, letter), told)| {
            let (id, letter, told) = (run.id.clone(), letter.clone(), told.clone());
            let of = move |step: usize| match (medium, told.contains(&step)) {
                (Medium::Served, _) => format!("/run/{id}/step/{step}"),
                (Medium::File, true) => format!("#{}", place(&letter, step)),
                (Medium::File, false) => "#runs".to_owned(),
            };
            Box::new(of) as Href
        })
        .collect();
    let lettered: Vec<Told<'_>> = runs
        .iter()
        .zip(&letters)
        .zip(&hrefs)
        .map(|((run, letter), href)| (run, &**letter, &**href))
        .collect();
    let charts = charts(&lettered);
    let tables = tables_beside(runs, &tables, &letters, &hrefs);
    let origins = if medium == Medium::Served { Vec::new() } else { origins(runs, &letters, &told) };
    let mut nav = if medium == Medium::Served { vec![("/".to_owned(), "← Runs")] } else { Vec::new() };
    nav.push(("#parameters".to_owned(), "Parameters"));
    nav.push(("#metrics".to_owned(), "Metrics"));
    if !charts.is_empty() {
        nav.push(("#curves".to_owned(), "Curves"));
    }
    if !tables.is_empty() {
        nav.push(("#tables".to_owned(), "Tables"));
    }
    if !origins.is_empty() {
        nav.push(("#origins".to_owned(), "Origins"));
    }
    let body = html! {
        h1 { "Comparison of " (runs.len()) " runs" }
        div.scroll tabindex="0" role="group" aria-label="Runs" { table #runs {
            thead { tr { th scope="col" { "run" } th scope="col" { "pipeline" } th scope="col" { "status" } th.num scope="col" { "took" } th scope="col" { "id" } } }
            tbody { @for (n, run) in runs.iter().enumerate() { tr {
                th scope="row" { strong { (letters[n]) } }
                td { @if medium == Medium::Served { a href={ "/run/" (run.id) } { (run.text(&run.pipeline)) } } @else { (run.text(&run.pipeline)) } }
                td { (badge(&run.status)) }
                td.num { @if let Some(wall) = run.wall_s { (seconds(wall)) } }
                td.mono { (run.id) }
            } } }
        } }
        section #parameters { h2 { "Parameters that differ" } (rows(runs, &letters, &params, "parameter", false)) }
        section #metrics { h2 { "Metrics that differ" } (rows(runs, &letters, &metrics, "metric", true)) }
        @if !charts.is_empty() { section #curves { h2 { "Curves" } @for chart in &charts { (chart.render()) } } }
        @if !tables.is_empty() { section #tables { h2 { "Tables" } @for table in &tables { (table) } } }
        @if !origins.is_empty() { section #origins { h2 { "Origins" } @for origin in &origins { (origin) } } }
    };
    Page { title: "Comparison", nav, body, live: None, refreshed: false }.render(medium)
}

/// The tables of a run, each with its step.
fn tables_of(run: &Run) -> StepTables {
    let of_step = |(step, told): (usize, &super::run::Step)| {
        let outputs = told.record.iter().flat_map(|record| record.outputs.values());
        let trees = outputs.filter(|artifact| !artifact.is_file());
        let tables = trees.filter_map(|artifact| tables::read(&run.store, artifact));
        tables.map(|table| (step, table)).collect::<StepTables>()
    };
    run.steps.iter().take(STEPS).enumerate().flat_map(of_step).collect()
}

/// The steps whose origins are told: those with tables, and those with curves.
fn told(run: &Run, tables: &StepTables) -> BTreeSet<usize> {
    let curves = run.steps.iter().enumerate().filter(|(_, step)| !step.curves().is_empty());
    tables.iter().map(|(step, _)| *step).chain(curves.map(|(step, _)| step)).take(ORIGINS).collect()
}

/// The way back of each step that a number or a curve leads to.
fn origins(runs: &[Run], letters: &[String], told: &[BTreeSet<usize>]) -> Vec<Markup> {
    let mut all = Vec::new();
    for ((run, letter), told) in runs.iter().zip(letters).zip(told) {
        let origins = Origins::of(&run.store, run, |step| told.contains(&step));
        let href = |step: usize| told.contains(&step).then(|| format!("#{}", place(letter, step)));
        all.extend(told.iter().map(|&step| {
            html! {
                h3 { (letter) ": " (run.text(&run.steps[step].name)) }
                (origins.render(run, step, &place(letter, step), &href))
            }
        }));
    }
    all
}

/// Where on the page the origin of a run's step is told.
fn place(letter: &str, step: usize) -> String {
    format!("o{letter}{step}")
}

/// Every parameter of every step, by the order of the steps and its name.
fn params(runs: &[Run]) -> Rows {
    gather(runs, |step| {
        step.params
            .iter()
            .map(|param| (format!("{}.{}", step.name, param.name), param.value.clone()))
            .collect()
    })
}

fn metrics(runs: &[Run]) -> Rows {
    gather(runs, |step| {
        let values = step.record.iter().flat_map(|record| &record.metrics.values);
        values.map(|(name, value)| (format!("{} {name}", step.name), shown(*value))).collect()
    })
}

fn gather(runs: &[Run], of: impl Fn(&super::run::Step) -> Vec<(String, String)>) -> Rows {
    let mut order: BTreeMap<String, usize> = BTreeMap::new();
    let mut rows = Rows::new();
    for (n, run) in runs.iter().enumerate() {
        for step in &run.steps {
            let count = order.len();
            let place = *order.entry(step.name.clone()).or_insert(count);
            for (name, value) in of(step) {
                rows.entry((place, name)).or_insert_with(|| vec![None; runs.len()])[n] = Some(value);
            }
        }
    }
    rows
}

fn differing(rows: Rows) -> Vec<(String, Vec<Option<String>>)> {
    let differ = |values: &Vec<Option<String>>| values.iter().any(|value| *value != values[0]);
    rows.into_iter().filter(|(_, values)| differ(values)).map(|((_, name), values)| (name, values)).collect()
}

fn rows(
    runs: &[Run],
    letters: &[String],
    rows: &[(String, Vec<Option<String>>)],
    what: &str,
    are_numbers: bool,
) -> Markup {
    if rows.is_empty() {
        return html! { p { "None." } };
    }
    html! {
        div.scroll tabindex="0" role="group" aria-label={ "What differs: " (what) } { table {
            thead { tr { th scope="col" { (what) } @for letter in letters { th.num[are_numbers] scope="col" { (letter) } } } }
            tbody { @for (name, values) in rows.iter().take(ROWS) { tr {
                th scope="row" { (runs[0].text(name)) }
                @for value in values {
                    td.num[are_numbers].mono[!are_numbers] { @match value { Some(value) => (runs[0].text(value)), None => "–" } }
                }
            } } }
        } }
        @if rows.len() > ROWS { p.note { "and " (rows.len() - ROWS) " more" } }
    }
}

/// The tables of each step that has one, a column for each run.
fn tables_beside(runs: &[Run], tables: &[StepTables], letters: &[String], hrefs: &[Href]) -> Vec<Markup> {
    let mut found: BTreeMap<String, Vec<(usize, Markup)>> = BTreeMap::new();
    for (n, run) in runs.iter().enumerate() {
        for (step, table) in &tables[n] {
            let shown = table.render(run, &|_, _| Some(hrefs[n](*step)));
            found.entry(run.text(&run.steps[*step].name).into_owned()).or_default().push((n, shown));
        }
    }
    let beside = |(name, tables): (String, Vec<(usize, Markup)>)| {
        html! {
            h3 { (name) }
            div.beside { @for (n, table) in &tables { div { h4 { (letters[*n]) " " span.mono { (runs[*n].id) } } (table) } } }
        }
    };
    found.into_iter().map(beside).collect()
}
