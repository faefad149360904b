//! Greedy k-means++: the initial centres are colours of pixels.
//!
//! Arthur and Vassilvitskii ("k-means++: the advantages of careful seeding", 2007) draw each centre
//! with a probability proportional to the squared distance from the previous ones; of 2 + ln(k) such
//! draws the one with the least inertia is kept, as in their section 5 and in scikit-learn. The centres
//! are colours, so distances, potentials and draws are integers and exact.

use rand::{Rng, RngExt as _};
use rayon::prelude::*;

use crate::tree::{ColourTree, colour_distance2};

/// Draws `k` distinct colours of the tree, which must hold at least `k`.
pub(crate) fn seed(tree: &ColourTree, k: usize, random: &mut impl Rng) -> Vec<[u8; 3]> {
    let trials = 2 + (k as f64).ln() as usize;
    let mut potential = Potential::new(tree);
    let mut centres = Vec::with_capacity(k);
    let first = potential.draw_pixel(random.random_range(0..tree.total().weight));
    potential.admit(0, first);
    centres.push(first);
    while centres.len() < k {
        let left = potential.node[0].left;
        let candidates: Vec<[u8; 3]> =
            (0..trials).map(|_| potential.draw_far_pixel(random.random_range(0..left))).collect();
        let gains: Vec<u64> = candidates.par_iter().map(|&candidate| potential.gain(0, candidate)).collect();
        // The first one on a tie.
        let best = (0..trials).rev().max_by_key(|&trial| gains[trial]).unwrap_or(0);
        potential.admit(0, candidates[best]);
        centres.push(candidates[best]);
    }
    centres
}

/// Squared distances to the nearest centre so far.
struct Potential<'a> {
    tree: &'a ColourTree<'a>,
    /// By colour.
    distance2: Vec<u32>,
    /// By node of the tree.
    node: Vec<NodePotential>,
}

/// The potential under a node.
#[derive(Clone, Copy)]
struct NodePotential {
    /// The largest squared distance of a colour.
    most: u32,
    /// The sum over pixels of the squared distance.
    left: u64,
}

impl<'a> Potential<'a> {
    /// Without a centre every distance is at its maximum.
    fn new(tree: &'a ColourTree) -> Self {
        Self {
            tree,
            distance2: vec![u32::MAX; tree.colours.len()],
            node: vec![NodePotential { most: u32::MAX, left: 0 }; tree.nodes.len()],
        }
    }

    /// The colour of the pixel with that ordinal.
    fn draw_pixel(&self, mut ordinal: u64) -> [u8; 3] {
        let weights = self.tree.colours.weight.iter();
        let before = weights.take_while(|&&weight| {
            let passed = ordinal >= weight;
            ordinal -= if passed { weight } else { 0 };
            passed
        });
        self.tree.colours.rgb[before.count()]
    }

    /// The colour at a position in the potential, which must be less than the total.
    fn draw_far_pixel(&self, mut place: u64) -> [u8; 3] {
        let mut at = 0;
        while !self.tree.nodes[at].is_leaf() {
            let first = self.node[at + 1].left;
            if place < first {
                at += 1;
            } else {
                place -= first;
                at = self.tree.nodes[at].right as usize;
            }
        }
        let mut range = self.tree.nodes[at].range();
        let last = range.end - 1;
        let drawn = range.find(|&i| {
            let share = self.tree.colours.weight[i] * u64::from(self.distance2[i]);
            let here = place < share;
            place = place.saturating_sub(share);
            here
        });
        self.tree.colours.rgb[drawn.unwrap_or(last)]
    }

    /// How much a new centre would reduce the potential under a node.
    fn gain(&self, at: usize, centre: [u8; 3]) -> u64 {
        let node = &self.tree.nodes[at];
        if node.distance2(centre) >= self.node[at].most {
            return 0;
        }
        if !node.is_leaf() {
            return self.gain(at + 1, centre) + self.gain(node.right as usize, centre);
        }
        node.range()
            .map(|i| {
                let distance2 = colour_distance2(centre, self.tree.colours.rgb[i]);
                self.tree.colours.weight[i] * u64::from(self.distance2[i].saturating_sub(distance2))
            })
            .sum()
    }

    /// Adds a new centre to the potential under a node.
    fn admit(&mut self, at: usize, centre: [u8; 3]) {
        let node = &self.tree.nodes[at];
        if node.distance2(centre) >= self.node[at].most {
            return;
        }
        let mut now = NodePotential { most: 0, left: 0 };
        if node.is_leaf() {
            for i in node.range() {
                let distance2 = self.distance2[i].min(colour_distance2(centre, self.tree.colours.rgb[i]));
                self.distance2[i] = distance2;
                now.most = now.most.max(distance2);
                now.left += self.tree.colours.weight[i] * u64::from(distance2);
            }
        } else {
            for child in [at + 1, node.right as usize] {
                self.admit(child, centre);
                now.most = now.most.max(self.node[child].most);
                now.left += self.node[child].left;
            }
        }
        self.node[at] = now;
    }
}
