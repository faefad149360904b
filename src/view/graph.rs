//! The graph of a run's steps as a drawing: a box for each step of the YAML, with its state.

use maud::{Markup, html};

use super::layout::layout;
use super::run::{Node, Run};

/// Above so many boxes nobody finds his way; the steps are listed all the same.
const MOST: usize = 200;

const WIDTH: f64 = 172.0;
const HEIGHT: f64 = 56.0;
const ACROSS: f64 = 22.0;
const DOWN: f64 = 40.0;
const MARGIN: f64 = 6.0;
/// How many characters fit a box.
const NAME: usize = 19;
const STATE: usize = 26;

/// The graph; `None` where it would be too large.
pub(crate) fn graph(run: &Run) -> Option<Markup> {
    if run.nodes.is_empty() || run.nodes.len() > MOST {
        return None;
    }
    let edges: Vec<(usize, usize)> = run.edges.iter().map(|edge| (edge.from, edge.to)).collect();
    let layout = layout(run.nodes.len(), &edges);
    let x = |column: f64| px(MARGIN + column * (WIDTH + ACROSS));
    let y = |layer: usize| px(MARGIN + layer as f64 * (HEIGHT + DOWN));
    let width = 2.0 * MARGIN + layout.columns * (WIDTH + ACROSS) - ACROSS;
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
        div.scroll tabindex="0" role="group" aria-label="Graph of the steps" {
            svg.graph width=(px(width)) height=(px(height)) viewBox={ "0 0 " (px(width)) " " (px(height)) } {
                defs {
                    marker #arrow viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto" {
                        path.arrow d="M0 0L8 4L0 8z" {}
                    }
                }
                @for line in lines { path.edge d=(line) marker-end="url(#arrow)" {} }
                @for (n, (node, (column, layer))) in run.nodes.iter().zip(&layout.nodes).enumerate() {
                    (node_box(run, n, node, x(*column), y(*layer)))
                }
            }
        }
    })
}

fn node_box(run: &Run, n: usize, node: &Node, x: f64, y: f64) -> Markup {
    let (state, words) = node.state(&run.steps);
    let name = run.text(&node.name);
    let title = title(&run.text(&node.kind), node.steps.len());
    html! {
        a href={ "#n" (n) } {
            g.node.(state.word()) data-node=(n) {
                title { (name) ": " (title) ", " (words) }
                rect x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx="6" {}
                text.name x=(x + 10.0) y=(y + 17.0) { (shortened(&name, NAME)) }
                text.kind x=(x + 10.0) y=(y + 32.0) { (shortened(&title, STATE)) }
                text.state x=(x + 10.0) y=(y + 48.0) { (state.sign()) " " (shortened(&words, STATE - 2)) }
            }
        }
    }
}

/// `probe ×27`.
pub(crate) fn title(kind: &str, instances: usize) -> String {
    if instances > 1 { format!("{kind} ×{instances}") } else { kind.to_owned() }
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

fn px(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
