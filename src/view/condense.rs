//! Graphs that are too large to read box by box: nodes that are alike share a box. How finely nodes are told
//! apart depends on how many boxes that makes; no two boxes ever read each other in a circle.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use super::layout::layers;

/// Up to so many nodes and arrows a graph is drawn as it is.
const NODES: usize = 100;
const ARROWS: usize = 400;

/// At most so many boxes a larger one has: what can be taken in at a look, and be found again.
const BOXES: usize = 40;

/// How many boxes there are where nothing but the depth tells nodes apart.
const BANDS: usize = 20;

/// A graph of boxes.
#[derive(Debug, PartialEq)]
pub(crate) struct Condensed {
    /// The nodes of each box, in order; boxes in the order of their first nodes.
    pub(crate) boxes: Vec<Vec<usize>>,
    /// Which box reads which: (from, to).
    pub(crate) edges: Vec<(usize, usize)>,
    /// For each box whether nodes of it read one another.
    pub(crate) is_knit: Vec<bool>,
}

/// The boxes of a graph of nodes (name, kind) and edges (from, to). The same graph has the same boxes.
pub(crate) fn condensed(nodes: &[(&str, &str)], edges: &[(usize, usize)]) -> Condensed {
    if nodes.len() <= NODES && edges.len() <= ARROWS {
        return Condensed::of(&(0..nodes.len()).collect::<Vec<_>>(), edges);
    }
    let found = Condensed::of(&likeness(nodes, edges), edges);
    Condensed { edges: without_detours(&found.edges, found.boxes.len()), ..found }
}

/// What is alike: a number for each node, the same for those that share a box.
fn likeness(nodes: &[(&str, &str)], edges: &[(usize, usize)]) -> Vec<usize> {
    let depth = layers(nodes.len(), edges);
    let looks = numbered(nodes.iter().map(|(name, kind)| (without_numbers(name), *kind)));
    let kinds = numbered(nodes.iter().map(|(_, kind)| kind));
    // Edges lead to greater depths, so that boxes of equal depth never read each other.
    for look in [&looks, &kinds] {
        let alike = numbered(look.iter().zip(&depth));
        if count(&alike) <= BOXES {
            return refined(alike, edges);
        }
    }
    // In a long chain of one look nothing tells a node from the next; that all are of one kind says nothing.
    for (look, least) in [(&looks, 1), (&kinds, 2)] {
        let alike = numbered(look.iter().zip(turns(look, &depth, edges)));
        if (least..=BOXES).contains(&count(&alike)) {
            return alike;
        }
    }
    let deepest = depth.iter().max().map_or(1, |most| most + 1);
    numbered(depth.iter().map(|depth| depth * BANDS.min(deepest) / deepest))
}

/// Tells those apart whose inputs or readers are in different boxes, as often as that leaves few enough boxes.
fn refined(mut alike: Vec<usize>, edges: &[(usize, usize)]) -> Vec<usize> {
    loop {
        let mut around: Vec<BTreeSet<(bool, usize)>> = vec![BTreeSet::new(); alike.len()];
        for (from, to) in edges {
            around[*to].insert((false, alike[*from]));
            around[*from].insert((true, alike[*to]));
        }
        let finer = numbered(alike.iter().zip(&around));
        if count(&finer) == count(&alike) || count(&finer) > BOXES {
            return alike;
        }
        alike = finer;
    }
}

/// How often at most the look changes on a way to each node. No edge leads to fewer turns, and one between
/// different looks leads to more.
fn turns(look: &[usize], depth: &[usize], edges: &[(usize, usize)]) -> Vec<usize> {
    let mut turns = vec![0; look.len()];
    let mut ordered: Vec<&(usize, usize)> = edges.iter().collect();
    ordered.sort_by_key(|(from, _)| depth[*from]);
    for (from, to) in ordered {
        turns[*to] = turns[*to].max(turns[*from] + usize::from(look[*from] != look[*to]));
    }
    turns
}

impl Condensed {
    fn of(alike: &[usize], edges: &[(usize, usize)]) -> Self {
        let mut boxes = vec![Vec::new(); count(alike)];
        alike.iter().enumerate().for_each(|(node, found)| boxes[*found].push(node));
        let mut is_knit = vec![false; boxes.len()];
        let mut between = BTreeSet::new();
        for (from, to) in edges.iter().map(|(from, to)| (alike[*from], alike[*to])) {
            match from == to {
                true => is_knit[from] = true,
                false => drop(between.insert((from, to))),
            }
        }
        Self { boxes, edges: between.into_iter().collect(), is_knit }
    }
}

/// The edges without those that a longer way implies.
fn without_detours(edges: &[(usize, usize)], boxes: usize) -> Vec<(usize, usize)> {
    let mut below = vec![Vec::new(); boxes];
    edges.iter().for_each(|(from, to)| below[*from].push(*to));
    let is_implied = |(from, to): &(usize, usize)| {
        let mut seen = vec![false; boxes];
        let mut next: Vec<usize> = below[*from].iter().copied().filter(|other| other != to).collect();
        while let Some(at) = next.pop() {
            if !std::mem::replace(&mut seen[at], true) {
                next.extend(&below[at]);
            }
        }
        seen[*to]
    };
    edges.iter().copied().filter(|edge| !is_implied(edge)).collect()
}

/// What these names share but for numbers, each pattern once, in the order in which they first appear: `train_*`
/// of `train_1` and `train_2`.
pub(crate) fn patterns(names: &[&str]) -> Vec<String> {
    let mut found: Vec<Vec<&str>> = Vec::new();
    let alike = numbered(names.iter().map(|name| without_numbers(name)));
    for (name, place) in names.iter().zip(alike) {
        let own = parts(name);
        match found.get_mut(place) {
            None => found.push(own),
            Some(pattern) => {
                pattern
                    .iter_mut()
                    .zip(own)
                    .filter(|(part, own)| *part != own)
                    .for_each(|(part, _)| *part = "*");
            }
        }
    }
    found.iter().map(|parts| parts.concat()).collect()
}

/// A name with a sign for each of its numbers.
fn without_numbers(name: &str) -> String {
    parts(name).iter().map(|part| if is_number(part) { "*" } else { part }).collect()
}

/// The numbers of a name and what is between them.
fn parts(name: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| letter.is_ascii_digit() != is_number(rest)).unwrap_or(rest.len());
        parts.push(&rest[..end]);
        rest = &rest[end..];
    }
    parts
}

fn is_number(part: &str) -> bool {
    part.starts_with(|letter: char| letter.is_ascii_digit())
}

/// Numbers for what is equal, from 0 in the order in which it first appears.
fn numbered<T: Hash + Eq>(all: impl Iterator<Item = T>) -> Vec<usize> {
    let mut known = HashMap::new();
    all.map(|one| {
        let next = known.len();
        *known.entry(one).or_insert(next)
    })
    .collect()
}

fn count(numbers: &[usize]) -> usize {
    numbers.iter().max().map_or(0, |most| most + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Edges = Vec<(usize, usize)>;

    fn condense(names: &[String], edges: &Edges) -> Condensed {
        let nodes: Vec<(&str, &str)> = names
            .iter()
            .map(|name| (name.as_str(), if name.starts_with("probe") { "probe" } else { "command" }))
            .collect();
        let found = condensed(&nodes, edges);
        assert_eq!(found, condensed(&nodes, edges));
        let mut all: Vec<usize> = found.boxes.concat();
        all.sort_unstable();
        assert_eq!(all, (0..names.len()).collect::<Vec<_>>(), "each node once");
        let depth = layers(found.boxes.len(), &found.edges);
        assert!(found.edges.iter().all(|(from, to)| depth[*from] < depth[*to]), "no circle: {found:?}");
        found
    }

    fn sizes(found: &Condensed) -> Vec<usize> {
        found.boxes.iter().map(Vec::len).collect()
    }

    /// A pseudo-random graph, the same every time.
    fn random(nodes: usize, reads: usize) -> Edges {
        let mut state = 1_u64;
        let mut next = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        (1..nodes).flat_map(|to| (0..next(reads + 1)).map(|_| (next(to), to)).collect::<Vec<_>>()).collect()
    }

    fn named(name: &str, count: usize) -> Vec<String> {
        (0..count).map(|n| format!("{name}_{n}")).collect()
    }

    #[test]
    fn a_graph_that_can_be_read_stays_as_it_is() {
        let edges = vec![(0, 1), (1, 2), (0, 2)];
        let found = condense(&named("a", 3), &edges);
        assert_eq!((sizes(&found), found.edges), (vec![1, 1, 1], vec![(0, 1), (0, 2), (1, 2)]));
    }

    #[test]
    fn steps_without_neighbours_and_chains_are_one_box() {
        assert_eq!(sizes(&condense(&named("a", 500), &vec![])), [500]);
        let chain = condense(&named("a", 1000), &(1..1000).map(|n| (n - 1, n)).collect());
        assert_eq!((sizes(&chain), chain.is_knit), (vec![1000], vec![true]));
        // Where the kinds take turns, by depth.
        let names: Vec<String> = (0..1000).map(|n| format!("{}_{n}", ["a", "probe"][n % 2])).collect();
        let chain = condense(&names, &(1..1000).map(|n| (n - 1, n)).collect());
        assert_eq!((sizes(&chain), chain.edges.len()), (vec![50; 20], 19));
    }

    #[test]
    fn probes_written_one_by_one_share_a_box_with_those_that_have_the_same_neighbours() {
        // data -> 2 networks -> 150 probes of each -> a table of each.
        let names = [
            named("data", 1),
            vec!["gpt".into(), "cnn".into()],
            named("probe", 300),
            vec!["t".into(), "u".into()],
        ];
        let probes = (0..300).flat_map(|n| [(1 + n % 2, 3 + n), (3 + n, 303 + n % 2)]);
        let found =
            condense(&names.concat(), &[(0, 1), (0, 2), (0, 303)].into_iter().chain(probes).collect());
        assert_eq!(sizes(&found), [1, 1, 1, 150, 150, 1, 1]);
        // data -> t follows from the others.
        assert_eq!(found.edges, [(0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)]);
    }

    #[test]
    fn many_small_pipelines_are_one() {
        let mut names = vec!["data".to_owned()];
        let mut edges = Vec::new();
        for n in 0..500 {
            names.extend([format!("prepare{n}"), format!("train{n}"), format!("probe{n}")]);
            let at = 1 + 3 * n;
            edges.extend([(0, at), (at, at + 1), (at + 1, at + 2), (0, at + 2)]);
        }
        let found = condense(&names, &edges);
        assert_eq!((sizes(&found), found.edges), (vec![1, 500, 500, 500], vec![(0, 1), (1, 2), (2, 3)]));
    }

    #[test]
    fn a_long_way_through_steps_of_one_kind_is_cut_by_depth() {
        let names: Vec<String> =
            (0..180).map(|n| format!("{}_{}", ["prepare", "train", "select"][n % 3], n / 3)).collect();
        let found = condense(&names, &(1..180).map(|n| (n - 1, n)).collect());
        assert_eq!((sizes(&found), found.edges.len()), (vec![9; BANDS], BANDS - 1));
    }

    #[test]
    fn no_graph_has_more_boxes_than_can_be_read() {
        let grid = |side: usize| -> Edges {
            (0..side * side)
                .flat_map(|n| [(n % side > 0).then(|| (n - 1, n)), (n >= side).then(|| (n - side, n))])
                .flatten()
                .collect()
        };
        let unlike: Vec<String> = (0..10_000).map(|n| format!("{}x", "y".repeat(n % 97))).collect();
        for (names, edges) in [
            (named("a", 500), random(500, 3)),
            (named("a", 10_000), random(10_000, 4)),
            (named("a", 10_000), grid(100)),
            (unlike.clone(), random(10_000, 2)),
            (unlike.clone(), (1..10_000).map(|n| (n - 1, n)).collect()),
            (named("a", 200), (0..200).flat_map(|to| (0..to).map(move |from| (from, to))).collect()),
        ] {
            let found = condense(&names, &edges);
            // Steps of one look may be one box.
            let least = 1 + usize::from(names == unlike);
            assert!((least..=BOXES).contains(&found.boxes.len()), "{} boxes", found.boxes.len());
            assert!(found.edges.len() < 2 * BOXES + 20, "{} arrows", found.edges.len());
        }
    }

    #[test]
    fn names_are_shared_but_for_their_numbers() {
        assert_eq!(patterns(&["l14_p3", "l14_p27"]), ["l14_p*"]);
        assert_eq!(patterns(&["7a", "8a"]), ["*a"]);
        assert_eq!(patterns(&["é1", "é22"]), ["é*"]);
        assert_eq!(patterns(&["b1", "a1", "a2", "b1"]), ["b1", "a*"]);
        assert_eq!(patterns(&["a", "a"]), ["a"]);
    }
}
