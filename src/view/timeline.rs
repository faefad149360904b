//! When steps ran: a row for each that was executed, with a bar, and the path that took longest.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::boxes::{Boxes, shortened};
use super::links::Links;
use super::progress::State;
use super::run::{Run, Step};
use crate::report::seconds;

/// Above so many executed steps a row is a box of the graph with all of its steps.
const ROWS: usize = 80;
/// How many bars there are at most: the longest, and the longest of each row.
const BARS: usize = 3000;
/// How many steps of the critical path are named.
const NAMED: usize = 12;
/// How many characters of a box's name stand in its row.
const NAME: usize = 48;

/// A row: a step, or a box with all of its steps.
struct Row {
    name: String,
    href: String,
    /// (start, end, whether on the critical path, state).
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
    let all_ran = ran.len();
    if all_ran > BARS {
        ran.sort_by(|a, b| length(&run.steps[*b]).total_cmp(&length(&run.steps[*a])).then(a.cmp(b)));
        let mut has_row = BTreeSet::new();
        let mut rank = 0;
        ran.retain(|step| {
            let is_first = has_row.insert(boxes.of[run.steps[*step].node]);
            rank += 1;
            rank <= BARS || is_first
        });
        ran.sort_unstable();
    }
    let left_out = all_ran - ran.len();
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
            true => (shortened(&boxes.all[of].name, NAME), boxes.all[of].href(run, links)),
            false => (run.text(&run.steps[step].name).into_owned(), href(step)),
        };
        let all = if is_many { &boxes.all[of].steps[..] } else { std::slice::from_ref(&step) };
        let spans = all.iter().filter_map(|step| span(run, &run.steps[*step]));
        let took_s = spans.map(|(start, stop)| stop - start).sum();
        rows.push(Row { name, href, bars: vec![bar], took_s, is_critical: bar.2 });
    }
    let began = |row: &Row| row.bars.iter().map(|bar| bar.0).fold(f64::INFINITY, f64::min);
    rows.sort_by(|a, b| began(a).total_cmp(&began(b)));
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

#[cfg(test)]
mod tests {
    use super::super::testing::ran;
    use super::*;

    /// The rows by their names, with how many bars each has.
    fn rows(steps: &[(String, u32, u32)]) -> (Vec<(String, usize)>, String) {
        let (_dir, run) = ran(steps);
        let drawn = timeline(&run, &Boxes::of(&run), &Links::none(false)).unwrap().0;
        let row = |text: &str| {
            let name = text.split("<a href=").nth(1)?.split('>').nth(1)?.split('<').next()?.to_owned();
            Some((name, text.matches("<rect ").count()))
        };
        (drawn.split("<tr").filter_map(row).collect(), drawn)
    }

    #[test]
    fn rows_stand_in_the_order_in_which_they_began() {
        // The first step of `early` in the pipeline is not the first that began.
        let mut steps = vec![("early_0".to_owned(), 50, 1), ("late_0".to_owned(), 20, 1)];
        steps.extend((1..101).map(|n| (format!("late_{n}"), 20 + n, 1)));
        steps.extend((1..101).map(|n| (format!("early_{n}"), 10 + n, 1)));
        assert_eq!(rows(&steps).0, [("early_*".to_owned(), 101), ("late_*".to_owned(), 101)]);
    }

    #[test]
    fn every_box_has_its_longest_step() {
        let mut steps: Vec<_> = (0..BARS as u32 + 5).map(|n| (format!("long_{n}"), n, 9)).collect();
        steps.extend((0..4).map(|n| (format!("short_{n}"), 1 + n, 1)));
        let (rows, drawn) = rows(&steps);
        assert_eq!(rows, [("long_*".to_owned(), BARS), ("short_*".to_owned(), 1)]);
        assert!(drawn.contains("8 shorter steps are not drawn"));
    }
}
