//! The list of the store's runs, with filters, and boxes to choose those that are to be compared.

use maud::html;

use super::masks::Mask;
use super::page::{Medium, Page};
use super::run_page::badge;
use crate::history::{RunFacts, began};
use crate::report::seconds;
use crate::store::Store;

/// How many runs a page lists.
const RUNS: usize = 100;

/// Which runs are asked for.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Filter {
    pub(crate) pipeline: String,
    pub(crate) status: String,
    /// Only runs that began before the one with this id.
    pub(crate) before: String,
}

const STATUS: [&str; 5] = ["running", "succeeded", "failed", "interrupted", "unfinished"];

/// The page.
///
/// # Errors
/// Where the store cannot be read.
pub(crate) fn list_page(store: &Store, filter: &Filter) -> crate::store::Result<String> {
    let folders = store.runs()?;
    let mask = Mask::of([crate::store::host()]);
    let is_meant = |run: &RunFacts| {
        (filter.pipeline.is_empty() || run.pipeline.contains(&filter.pipeline))
            && (filter.status.is_empty() || run.status == filter.status)
    };
    let is_earlier = |id: &str| filter.before.is_empty() || id < filter.before.as_str();
    let mut found = folders
        .iter()
        .rev()
        .filter(|folder| began(folder.id()).is_some() && is_earlier(folder.id()))
        .map(|folder| RunFacts::of(store, folder))
        .filter(is_meant);
    let shown: Vec<RunFacts> = found.by_ref().take(RUNS).collect();
    let older = found.next().and_then(|_| shown.last()).map(|last| {
        let query = |name: &str, value: &str| format!("{name}={}&", encoded(value));
        format!(
            "/?{}{}before={}",
            query("pipeline", &filter.pipeline),
            query("status", &filter.status),
            last.id
        )
    });
    let body = html! {
        h1 { "Runs" }
        form.filter method="get" action="/" {
            label { "Pipeline" input type="search" name="pipeline" value=(filter.pipeline); }
            label { "Status" select name="status" {
                option value="" selected[filter.status.is_empty()] { "any" }
                @for status in STATUS { option value=(status) selected[filter.status == status] { (status) } }
            } }
            button type="submit" { "Filter" }
            @if *filter != Filter::default() { a href="/" { "All runs" } }
        }
        @if shown.is_empty() { p { @if folders.is_empty() { "The store has no runs yet." } @else { "No run is like that." } } }
        @else {
            form method="get" action="/compare" {
                div.scroll tabindex="0" role="group" aria-label="Runs" { table.wide {
                    thead { tr {
                        th scope="col" { "compare" } th scope="col" { "pipeline" } th scope="col" { "status" } th scope="col" { "began (UTC)" }
                        th.num scope="col" { "took" } th scope="col" { "steps" } th scope="col" { "changed" }
                    } }
                    tbody { @for run in &shown { tr {
                        td { input type="checkbox" name="run" value=(run.id) aria-label={ "Compare " (run.id) }; }
                        th scope="row" { a href={ "/run/" (run.id) } { (mask.text(&run.pipeline)) } }
                        td { (badge(&run.status)) }
                        td.when { @if let Some(started) = run.started { (started.strftime("%Y-%m-%d %H:%M:%S")) } }
                        td.num { @if let Some(wall) = run.counts.wall_s { (seconds(wall)) } }
                        td { (did(run)) }
                        td.mono { (mask.text(&run.overrides())) }
                    } } }
                } }
                p { button type="submit" { "Compare the chosen runs" } }
            }
        }
        @if let Some(older) = older { p { a href=(older) { "Older runs" } } }
    };
    let page = Page { title: "Runs", nav: Vec::new(), body, live: None, refreshed: filter.before.is_empty() };
    Ok(page.render(Medium::Served))
}

fn did(run: &RunFacts) -> String {
    let counts = &run.counts;
    let counts = [
        (counts.executed, "executed"),
        (counts.reused, "reused"),
        (counts.failed, "failed"),
        (counts.skipped, "skipped"),
    ];
    let said: Vec<String> =
        counts.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    said.join(", ")
}

/// A value in an address.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
