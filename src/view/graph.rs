//! The graph of a run's steps as a drawing: boxes with their states.

use maud::{Markup, html};

use super::boxes::{Boxes, NodeBox, shortened};
use super::layout::layout;
use super::links::Links;
use super::run::Run;

const WIDTH: f64 = 172.0;
const HEIGHT: f64 = 56.0;
const ACROSS: f64 = 22.0;
const DOWN: f64 = 40.0;
const MARGIN: f64 = 6.0;
/// How many characters fit a box.
const NAME: usize = 19;
const STATE: usize = 26;

/// The graph; `None` where there is nothing to draw.
pub(crate) fn graph(run: &Run, boxes: &Boxes, links: &Links) -> Option<Markup> {
    if boxes.all.is_empty() {
        return None;
    }
    let edges = &boxes.edges;
    let layout = layout(boxes.all.len(), edges);
    let x = |column: f64| px(MARGIN + column * (WIDTH + ACROSS));
    let y = |layer: usize| px(MARGIN + layer as f64 * (HEIGHT + DOWN));
    // A box that reads itself has its arrow at the right.
    let width = MARGIN + layout.columns * (WIDTH + ACROSS);
    let height = 2.0 * MARGIN + layout.layers as f64 * (HEIGHT + DOWN) - DOWN;
    let lines = edges.iter().zip(&layout.edges).map(|((from, to), columns)| {
        let middle = |column: f64| x(column) + WIDTH / 2.0;
        let (first, last) = (layout.nodes[*from].1, layout.nodes[*to].1);
        let mut line = format!("M{} {}", middle(columns[0]), y(first) + HEIGHT);
        for (n, pair) in columns.windows(2).enumerate() {
            let (start, end) = (y(first + n) + HEIGHT, y((first + n + 1).min(last.max(first + 1))));
            let half = px(f64::midpoint(start, end));
            line +=
                &format!("C{} {half} {} {half} {} {end}", middle(pair[0]), middle(pair[1]), middle(pair[1]));
            if n + 2 < columns.len() {
                line += &format!("v{HEIGHT}");
            }
        }
        line
    });
    Some(html! {
        @if boxes.is_condensed() {
            p.soft {
                "The pipeline has " (run.nodes.len()) " steps: those that are alike share a box, which leads to their list. Arrows that "
                "follow from others are left out."
                @if boxes.all.iter().any(|found| found.is_knit) { " An arrow from a box to itself says that steps of it read one another." }
            }
        }
        div.scroll tabindex="0" role="group" aria-label="Graph of the steps" {
            svg.graph width=(px(width)) height=(px(height)) viewBox={ "0 0 " (px(width)) " " (px(height)) } {
                defs {
                    marker #arrow viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto" {
                        path.arrow d="M0 0L8 4L0 8z" {}
                    }
                }
                @for line in lines { path.edge d=(line) marker-end="url(#arrow)" {} }
                @for (found, (column, layer)) in boxes.all.iter().zip(&layout.nodes) {
                    (drawn_box(run, found, &found.href(run, links), x(*column), y(*layer)))
                }
            }
        }
    })
}

fn drawn_box(run: &Run, found: &NodeBox, href: &str, x: f64, y: f64) -> Markup {
    let (state, words) = found.state(run);
    let (name, title) = (&found.name, &found.title);
    let is_several = found.nodes.len() > 1;
    let right = px(x + WIDTH);
    html! {
        a href=(href) {
            g.node.(state.word()) data-node=(found.id()) {
                title { (name) ": " @if found.steps.len() > found.nodes.len() && is_several { (found.nodes.len()) " steps, " } (title) ", " (words) }
                // Sheets behind it, since it is several.
                @if is_several { path.behind d={ "M" (px(x + 8.0)) " " (y) "v-4h" (WIDTH - 4.0) "v" (HEIGHT - 4.0) "h-4" } {} }
                rect x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx="6" {}
                text.name x=(x + 10.0) y=(y + 17.0) { (shortened(name, NAME)) }
                text.kind x=(x + 10.0) y=(y + 32.0) { (shortened(title, STATE)) }
                text.state x=(x + 10.0) y=(y + 48.0) { (state.sign()) " " (shortened(&words, STATE - 2)) }
            }
        }
        @if found.is_knit {
            path.edge d={ "M" (right) " " (y + HEIGHT - 14.0) "c16 0 16 -28 2 -28" } marker-end="url(#arrow)" {}
        }
    }
}

fn px(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
