//! The boxes of a run's graph: a step of the YAML each, or of a large pipeline several that are alike.

use std::borrow::Cow;
use std::collections::BTreeSet;

use igpt_contract::Digest;

use super::condense::{Condensed, condensed, patterns};
use super::links::Links;
use super::progress::State;
use super::run::{Run, state_of};

/// A name has at most so many patterns.
const PATTERNS: usize = 6;

/// The boxes, and what they read of each other.
#[derive(Debug)]
pub(crate) struct Boxes {
    pub(crate) all: Vec<NodeBox>,
    /// (from, to).
    pub(crate) edges: Vec<(usize, usize)>,
    /// The box of each node.
    pub(crate) of: Vec<usize>,
}

/// A box.
#[derive(Debug)]
pub(crate) struct NodeBox {
    /// Its nodes, and all of their instances.
    pub(crate) nodes: Vec<usize>,
    pub(crate) steps: Vec<usize>,
    /// What it is called: the name of its node, or what the names of its nodes share: `prepare_*, train_*`.
    pub(crate) name: String,
    /// Its kind with the number of instances: `probe ×27`.
    pub(crate) title: String,
    /// Whether nodes of it read one another.
    pub(crate) is_knit: bool,
}

impl Boxes {
    /// The boxes of a run. They follow from its steps alone, whatever became of those.
    pub(crate) fn of(run: &Run) -> Self {
        let nodes: Vec<(&str, &str)> =
            run.nodes.iter().map(|node| (node.name.as_str(), node.kind.as_str())).collect();
        let edges: Vec<(usize, usize)> = run.edges.iter().map(|edge| (edge.from, edge.to)).collect();
        let Condensed { boxes, edges, is_knit } = condensed(&nodes, &edges);
        let mut of = vec![0; nodes.len()];
        for (place, members) in boxes.iter().enumerate() {
            members.iter().for_each(|node| of[*node] = place);
        }
        let all = boxes.into_iter().zip(is_knit).map(|(nodes, is_knit)| NodeBox::of(run, nodes, is_knit));
        Self { all: all.collect(), edges, of }
    }

    /// Whether steps share boxes.
    pub(crate) fn is_condensed(&self) -> bool {
        self.all.len() < self.of.len()
    }
}

impl NodeBox {
    fn of(run: &Run, nodes: Vec<usize>, is_knit: bool) -> Self {
        let steps: Vec<usize> = nodes.iter().flat_map(|node| &run.nodes[*node].steps).copied().collect();
        let names: Vec<&str> = nodes.iter().map(|node| run.nodes[*node].name.as_str()).collect();
        let kinds: BTreeSet<&str> = nodes.iter().map(|node| run.nodes[*node].kind.as_str()).collect();
        let kind = match kinds.len() {
            1 => kinds.first().map_or(Cow::Borrowed(""), |kind| run.text(kind)),
            kinds => Cow::Owned(format!("{kinds} kinds")),
        };
        let patterns = patterns(&names);
        let mut shown: Vec<Cow<'_, str>> =
            patterns.iter().take(PATTERNS).map(|name| run.text(name)).collect();
        if patterns.len() > PATTERNS {
            shown.push("…".into());
        }
        let name = shown.join(", ");
        Self { title: title(&kind, steps.len()), nodes, steps, name, is_knit }
    }

    /// What tells the box from all others of the page, also from those of the same run at another time.
    pub(crate) fn id(&self) -> String {
        match self.nodes[..] {
            [node] => node.to_string(),
            _ => {
                let members: Vec<u8> = self.nodes.iter().flat_map(|node| node.to_le_bytes()).collect();
                format!("{}-{}", self.nodes[0], Digest::of(&members).short())
            }
        }
    }

    /// Where its steps are listed.
    pub(crate) fn href(&self, run: &Run, links: &Links) -> String {
        match self.nodes[..] {
            [node] => links.node(run, node),
            _ => format!("#{}", self.anchor()),
        }
    }

    /// The place of its list, where it has several nodes.
    pub(crate) fn anchor(&self) -> String {
        format!("g{}", self.nodes[0])
    }

    /// What became of its steps, in words, and the state that matters most.
    pub(crate) fn state(&self, run: &Run) -> (State, String) {
        state_of(&self.steps, |step| &run.steps[step].seen)
    }
}

/// `probe ×27`.
pub(crate) fn title(kind: &str, instances: usize) -> String {
    if instances > 1 { format!("{kind} ×{instances}") } else { kind.to_owned() }
}

/// A text for a narrow place.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::ran;
    use super::*;

    #[test]
    fn a_box_of_several_names_is_called_by_them() {
        let names = (0..120).map(|n| format!("s{}_{n}", "x".repeat(n % 60)));
        let (_dir, run) = ran(&names.map(|name| (name, 0, 1)).collect::<Vec<_>>());
        let boxes = Boxes::of(&run);
        assert_eq!(boxes.all.len(), 1);
        assert_eq!(boxes.all[0].name, "s_*, sx_*, sxx_*, sxxx_*, sxxxx_*, sxxxxx_*, …");
        assert_eq!(shortened(&boxes.all[0].name, 10), "s_*, sx_*…");
    }
}
