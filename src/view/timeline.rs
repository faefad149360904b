//! When steps ran: a row for each that was executed, with a bar, and the path that took longest.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::boxes::Boxes;
use super::links::Links;
use super::progress::State;
use super::run::{Run, Step};
use crate::report::seconds;

/// Above so many executed steps a row is a box of the graph with all of its steps.
const ROWS: usize = 80;
/// How many bars there are at most: the longest.
const BARS: usize = 3000;
/// How many steps of the critical path are named.
const NAMED: usize = 12;

/// A row: its name, where it leads, its bars as (start, end, whether on the critical path).
struct Row {
    name: String,
    href: String,
    bars: Vec<(f64, f64, bool, &'static str)>,
    /// How long its steps took together, those that are not drawn included.
    took_s: f64,
    is_critical: bool,
}

/// The timeline; `None` where nothing ran.
pub(crate) fn timeline(run: &Run, boxes: &Boxes, links: &Links) -> Option<Markup> {
    let href = |step: usize| links.step(run, step);
    let mut ran: Vec<usize> =
        (0..run.steps.len()).filter(|step| span(run, &run.steps[*step]).is_some()).collect();
    let end = ran.iter().filter_map(|step| Some(span(run, &run.steps[*step])?.1)).fold(0.0, f64::max);
    if ran.is_empty() {
        return None;
    }
    let (path, critical_s) = run.critical_path();
    let on_path: BTreeSet<usize> = path.iter().copied().collect();
    let is_many = ran.len() > ROWS;
    let left_out = ran.len().saturating_sub(BARS);
    if left_out > 0 {
        ran.sort_by(|a, b| length(&run.steps[*b]).total_cmp(&length(&run.steps[*a])).then(a.cmp(b)));
        ran.truncate(BARS);
        ran.sort_unstable();
    }
    let mut rows: Vec<Row> = Vec::new();
    let mut place = vec![usize::MAX; boxes.all.len()];
    for step in ran {
        let Some((start, stop)) = span(run, &run.steps[step]) else { continue };
        let bar = (start, stop, on_path.contains(&step), run.steps[step].seen.state.word());
        let of = boxes.of[run.steps[step].node];
        if is_many && place[of] != usize::MAX {
            let row = &mut rows[place[of]];
            row.bars.push(bar);
            row.is_critical |= bar.2;
            continue;
        }
        place[of] = rows.len();
        let (name, href) = match is_many {
            true => (boxes.all[of].name.clone(), boxes.all[of].href(run, links)),
            false => (run.text(&run.steps[step].name).into_owned(), href(step)),
        };
        let all = if is_many { &boxes.all[of].steps[..] } else { std::slice::from_ref(&step) };
        let spans = all.iter().filter_map(|step| span(run, &run.steps[*step]));
        let took_s = spans.map(|(start, stop)| stop - start).sum();
        rows.push(Row { name, href, bars: vec![bar], took_s, is_critical: bar.2 });
    }
    rows.sort_by(|a, b| a.bars[0].0.total_cmp(&b.bars[0].0));
    let scale = 1000.0 / end.max(1e-9);
    Some(html! {
        @if path.len() > 1 {
            p {
                "Critical path, " (seconds(critical_s)) " of " (seconds(run.wall_s.unwrap_or(end))) ": "
                @for (n, step) in shown_path(&path).into_iter().enumerate() {
                    @if n > 0 { " → " }
                    @match step {
                        Some(step) => a href=(href(step)) { (run.text(&run.steps[step].name)) },
                        None => { "… " (path.len() - NAMED) " more …" },
                    }
                }
                ". More processors would not make the run shorter than this."
            }
        }
        div.scroll tabindex="0" role="group" aria-label="Timeline" {
            table.timeline {
                thead { tr {
                    th scope="col" { "step" }
                    th scope="col" { span.axis { span { "0 s" } span { (seconds(end / 2.0)) } span { (seconds(end)) } } }
                    th.num scope="col" { "took" }
                } }
                tbody {
                    @for row in &rows {
                        tr.critical[row.is_critical] {
                            th scope="row" { a href=(row.href) { (row.name) } @if row.is_critical { " " abbr title="on the critical path" { "◆" } } }
                            td { svg.bars viewBox="0 0 1000 16" preserveAspectRatio="none" aria-hidden="true" {
                                @for (start, stop, is_critical, state) in &row.bars {
                                    rect.bar.(state).critical[*is_critical] x=(px(start * scale)) y="2" height="12"
                                        width=(px(((stop - start) * scale).max(2.0))) {}
                                }
                            } }
                            td.num { (seconds(row.took_s)) }
                        }
                    }
                }
            }
        }
        @if is_many { p.note { "A row is a box of the graph with all of its steps; the time is their sum." } }
        @if left_out > 0 { p.note { (left_out) " shorter steps are not drawn." } }
    })
}

/// When a step's last attempt began and ended, or until when it ran as far as is known.
fn span(run: &Run, step: &Step) -> Option<(f64, f64)> {
    let is_open = matches!(step.seen.state, State::Running | State::Queued | State::Stopped);
    Some((step.seen.began_s?, step.seen.ended_s.or(is_open.then_some(run.last_s))?))
}

fn length(step: &Step) -> f64 {
    step.took_s().unwrap_or(0.0)
}

/// The first and the last steps of a path; none for those between.
fn shown_path(path: &[usize]) -> Vec<Option<usize>> {
    if path.len() <= NAMED {
        return path.iter().copied().map(Some).collect();
    }
    let (first, last) = (&path[..NAMED / 2], &path[path.len() - NAMED / 2..]);
    first.iter().copied().map(Some).chain([None]).chain(last.iter().copied().map(Some)).collect()
}

fn px(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
