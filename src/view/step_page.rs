//! A step: what became of it and why, its parameters, inputs, outputs, numbers, cost, notes, error and log.

use maud::{Markup, html};

use super::links::Links;
use super::progress::{State, StepProgress};
use super::run::{Run, Step};
use crate::report::{bytes, number, seconds};
use crate::store::Whereabouts;

/// How many of a list are shown: inputs of a fan-in, metrics.
const ITEMS: usize = 60;

/// A state as a sign and words.
pub(crate) fn state(seen: &StepProgress, place: Option<usize>) -> Markup {
    html! { span.st.(seen.state.word()) data-step=[place] { span.sign { (seen.state.sign()) } " " (seen.words()) } }
}

/// All that is known of a step.
pub(crate) fn body(run: &Run, place: usize, links: &Links) -> Markup {
    let step = &run.steps[place];
    let log = run.log(step);
    html! {
        (facts(run, step))
        (failure(run, step, log.is_empty()))
        (params(run, step))
        (inputs(run, step, links))
        (outputs(run, step))
        (metrics(run, step))
        @if !step.seen.notes.is_empty() {
            h4 { "Notes" }
            ul { @for note in &step.seen.notes { li { (run.text(note)) } } }
        }
        @if !log.is_empty() {
            h4 { "End of the log" }
            pre tabindex="0" { @for line in log { (run.text(line)) "\n" } }
        }
    }
}

fn facts(run: &Run, step: &Step) -> Markup {
    let record = step.record.as_ref();
    let elsewhere = record.filter(|record| record.run != run.id);
    html! {
        dl.facts {
            dt { "state" } dd { (state(&step.seen, None)) @if step.seen.attempt > 1 { " (attempt " (step.seen.attempt) ")" } }
            @if let Some(reason) = &step.seen.reason {
                dt { @if step.seen.state == State::Skipped { "because" } @else { "why it ran" } } dd { (run.text(reason)) }
            }
            @if let Some(place) = &step.seen.place {
                @if let Some(job) = &place.job { dt { "job in Slurm" } dd.mono { (job) } }
                @if let Some(node) = &place.node { dt { @if step.seen.state == State::Running { "runs on" } @else { "ran on" } } dd.mono { (node) } }
            }
            @if let Some(record) = elsewhere {
                dt { "made by" } dd { "run " span.mono { (record.run) } @if record.step != step.name { ", there as " (run.text(&record.step)) } ", " (record.finished.strftime("%Y-%m-%d")) }
            }
            @if let Some(took) = step.took_s() { dt { "took" } dd { (seconds(took)) } }
            @if let Some(record) = record {
                dt { "cost" } dd { (seconds(record.cost.wall_s)) ", " (seconds(record.cost.cpu_s)) " CPU, peak memory " (format!("{:.0}", record.cost.peak_memory_mib)) " MiB" }
                dt { "kind" } dd { (run.text(&record.material.stage)) " version " (record.material.version) }
                @if let Some(seed) = record.material.seed { dt { "seed" } dd { (seed) } }
                @if let Some(numerics) = &record.material.numerics { dt { "numerics" } dd { (numerics) ", " (record.instruction_set) } }
                @if !record.program.version.is_empty() {
                    dt { "program" } dd { "igpt-flow " (record.program.version) @if let Some(commit) = &record.program.commit { ", commit " span.mono { (commit) } } }
                }
                @for (name, value) in &record.facts { dt { (run.text(name)) } dd.mono { (run.text(&plain(value))) } }
                @if run.mask.shows_machine() { dt { "host" } dd { (record.host) } }
            } @else if !step.kind.is_empty() { dt { "kind" } dd { (run.text(&step.kind)) } }
            @if let Some(key) = step.seen.key { dt { "key" } dd.mono { (key.to_string()) } }
        }
    }
}

/// Its error, with the lines of the log that came with it where there is no log.
fn failure(run: &Run, step: &Step, is_without_log: bool) -> Markup {
    let Some((error, hint, tail)) = &step.seen.failure else { return html! {} };
    html! {
        div.error {
            h4 { @if step.seen.state == State::Failed { "Error" } @else { "Error of the attempt before" } }
            pre tabindex="0" { (run.text(error)) }
            @if let Some(hint) = hint { p { "Hint: " (run.text(hint)) } }
            @if is_without_log && !tail.is_empty() { pre tabindex="0" { @for line in tail { (run.text(line)) "\n" } } }
        }
    }
}

fn params(run: &Run, step: &Step) -> Markup {
    if step.params.is_empty() {
        return html! {};
    }
    let (defaults, set): (Vec<_>, Vec<_>) = step.params.iter().partition(|param| param.from == "default");
    let knows_origin = step.params.iter().any(|param| !param.from.is_empty());
    let rows = |params: &[&super::planned::Param]| {
        html! { @for param in params { tr {
            th scope="row" { (run.text(&param.name)) }
            td.mono { (run.text(&param.value)) }
            @if knows_origin { td.soft { (run.text(&param.from)) } }
        } } }
    };
    html! {
        h4 { "Parameters" @if !defaults.is_empty() { " (" (defaults.len()) " more at their defaults)" } }
        div.scroll tabindex="0" role="group" aria-label={ "Parameters of " (run.text(&step.name)) } { table {
            thead { tr { th scope="col" { "parameter" } th scope="col" { "value" } @if knows_origin { th scope="col" { "from" } } } }
            tbody { (rows(&set)) (rows(&defaults)) }
        } }
    }
}

fn inputs(run: &Run, step: &Step, links: &Links) -> Markup {
    if step.inputs.is_empty() {
        return html! {};
    }
    html! {
        h4 { "Inputs" }
        div.scroll tabindex="0" role="group" aria-label={ "Inputs of " (run.text(&step.name)) } { table {
            thead { tr { th scope="col" { "port" } th scope="col" { "from" } th scope="col" { "content" } } }
            tbody {
                @for input in step.inputs.iter().take(ITEMS) { tr {
                    th scope="row" { (run.text(&input.port)) @if !input.labels.is_empty() { " " span.soft { (run.text(&input.labels)) } } }
                    td { @match input.step {
                        Some(other) => a href=(links.step(run, other)) { (run.text(&input.text)) },
                        None => (run.text(&input.text)),
                    } }
                    td.mono.soft { @if let Some(digest) = input.digest { (digest.short()) } }
                } }
                @if step.inputs.len() > ITEMS { tr { td colspan="3" { "and " (step.inputs.len() - ITEMS) " more" } } }
            }
        } }
    }
}

fn outputs(run: &Run, step: &Step) -> Markup {
    let Some(record) = step.record.as_ref().filter(|record| !record.outputs.is_empty()) else {
        return html! {};
    };
    let places: Vec<Whereabouts> =
        record.outputs.values().map(|artifact| run.store.whereabouts(artifact)).collect();
    let is_away = places.iter().any(|place| *place != Whereabouts::Here);
    html! {
        h4 { "Outputs" }
        div.scroll tabindex="0" role="group" aria-label={ "Outputs of " (run.text(&step.name)) } { table {
            thead { tr { th scope="col" { "port" } th scope="col" { "content" } th.num scope="col" { "size" } th.num scope="col" { "files" } @if is_away { th scope="col" { "bytes" } } } }
            tbody { @for ((port, artifact), place) in record.outputs.iter().zip(&places) { tr {
                th scope="row" { (run.text(port)) }
                td.mono.soft { (artifact.digest.short()) }
                td.num { (bytes(artifact.bytes)) }
                td.num { (artifact.files) }
                @if is_away { td.soft { (run.text(&place.words().unwrap_or_else(|| place.word().to_owned()))) } }
            } } }
        } }
        @if let Some(hint) = places.iter().find_map(Whereabouts::hint) { p.soft { (hint) } }
    }
}

fn metrics(run: &Run, step: &Step) -> Markup {
    let Some(record) = step.record.as_ref() else { return html! {} };
    let (values, facts) = (&record.metrics.values, &record.metrics.facts);
    if values.is_empty() && facts.is_empty() {
        return html! {};
    }
    html! {
        h4 { "Metrics" }
        div.scroll tabindex="0" role="group" aria-label={ "Metrics of " (run.text(&step.name)) } { table {
            thead { tr { th scope="col" { "metric" } th.num scope="col" { "value" } } }
            tbody {
                @for (name, value) in values.iter().take(ITEMS) { tr { th scope="row" { (run.text(name)) } td.num title=(value) { (shown(*value)) } } }
                @if values.len() > ITEMS { tr { td colspan="2" { "and " (values.len() - ITEMS) " more" } } }
                @for (name, value) in facts.iter().take(ITEMS) { tr { th scope="row" { (run.text(name)) } td { (run.text(value)) } } }
            }
        } }
    }
}

/// A whole number as it is, any other in four digits.
pub(crate) fn shown(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e12 { value.to_string() } else { number(value) }
}

/// A text as it is, anything else as JSON.
fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
