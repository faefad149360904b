//! An octree over distinct colours, split in binary steps, and the two searches on it that make exact
//! k-means fast: which colours are nearer to a new centre, and which centre is nearest to each colour.
//!
//! Every sum over colours is a sum of integers, so it is exact in any order: results depend on neither the
//! tree nor the number of threads.

use igpt_dataset::morton;
use rayon::prelude::*;

use crate::histogram::Colours;

/// The most colours in a leaf: below this, comparing boxes costs more than comparing colours.
const LEAF: usize = 8;
/// The approximate number of parallel tasks, independent of the number of threads.
const TASKS: usize = 128;

/// A range of colours, with its bounding box and its sum.
#[derive(Debug, Clone)]
pub(crate) struct TreeNode {
    /// The corners of the bounding box.
    pub(crate) lo: [u8; 3],
    pub(crate) hi: [u8; 3],
    /// The colours' range.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The second child; the first follows its parent. 0 in a leaf.
    pub(crate) right: u32,
    /// The pixels of all colours, and their sum of red, green and blue.
    pub(crate) total: ColourSum,
}

impl TreeNode {
    pub(crate) fn is_leaf(&self) -> bool {
        self.right == 0
    }

    pub(crate) fn range(&self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The squared distance from a colour to the nearest point of the box.
    pub(crate) fn distance2(&self, colour: [u8; 3]) -> u32 {
        (0..3).map(|i| square(colour[i].abs_diff(colour[i].clamp(self.lo[i], self.hi[i])))).sum()
    }
}

fn square(x: u8) -> u32 {
    u32::from(x) * u32::from(x)
}

/// The squared distance between two colours.
pub(crate) fn colour_distance2(a: [u8; 3], b: [u8; 3]) -> u32 {
    (0..3).map(|i| square(a[i].abs_diff(b[i]))).sum()
}

/// The squared distance from a centre to a colour.
pub(crate) fn centre_distance2(centre: &[f64; 3], colour: [u8; 3]) -> f64 {
    let d = |i: usize| centre[i] - f64::from(colour[i]);
    d(0) * d(0) + d(1) * d(1) + d(2) * d(2)
}

/// Pixels and their sum of colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ColourSum {
    pub(crate) weight: u64,
    pub(crate) sum: [u64; 3],
}

impl ColourSum {
    pub(crate) fn add(&mut self, other: &Self) {
        self.weight += other.weight;
        for i in 0..3 {
            self.sum[i] += other.sum[i];
        }
    }

    fn of(rgb: [u8; 3], weight: u64) -> Self {
        Self { weight, sum: rgb.map(|x| u64::from(x) * weight) }
    }

    /// The mean colour; there must be at least one pixel.
    pub(crate) fn mean(&self) -> [f64; 3] {
        self.sum.map(|sum| sum as f64 / self.weight as f64)
    }
}

/// Distinct colours in a tree of bounding boxes.
pub(crate) struct ColourTree<'a> {
    pub(crate) colours: &'a Colours,
    /// In preorder; the root first.
    pub(crate) nodes: Vec<TreeNode>,
    /// Roots of disjoint subtrees that hold all colours: the parallel tasks.
    tasks: Vec<usize>,
}

impl<'a> ColourTree<'a> {
    /// Builds the tree over at least one colour, in Morton order.
    pub(crate) fn new(colours: &'a Colours) -> Self {
        let mut nodes = Vec::with_capacity(4 * colours.len() / LEAF + 1);
        build(colours, 0, colours.len(), &mut nodes);
        let mut tree = Self { colours, nodes, tasks: Vec::new() };
        let most = (colours.len() / TASKS).max(LEAF);
        let mut pending = vec![0];
        while let Some(node) = pending.pop() {
            if tree.nodes[node].is_leaf() || tree.nodes[node].range().len() <= most {
                tree.tasks.push(node);
            } else {
                pending.push(tree.nodes[node].right as usize);
                pending.push(node + 1);
            }
        }
        tree
    }

    /// The number of pixels and the sum of their colours.
    pub(crate) fn total(&self) -> &ColourSum {
        &self.nodes[0].total
    }

    /// The sum of the pixels nearest to each centre.
    pub(crate) fn assign(&self, centres: &[[f64; 3]]) -> Vec<ColourSum> {
        let none = || vec![ColourSum::default(); centres.len()];
        let owned = self.tasks.par_iter().fold(none, |mut totals, &task| {
            self.visit(task, centres, &mut |owner, owned| match owned {
                Owned::TreeNode(node) => totals[owner].add(&node.total),
                Owned::Colour(i) => {
                    totals[owner].add(&ColourSum::of(self.colours.rgb[i], self.colours.weight[i]))
                }
            });
            totals
        });
        owned.reduce(none, |mut a, b| {
            a.iter_mut().zip(&b).for_each(|(a, b)| a.add(b));
            a
        })
    }

    /// The sum over all pixels of the squared distance to the nearest centre.
    pub(crate) fn inertia(&self, centres: &[[f64; 3]]) -> f64 {
        // Floating-point sums: collected by task, and added up in the tasks' order.
        self.by_colour(centres, |sum: &mut f64, i, d2| *sum += self.colours.weight[i] as f64 * d2)
            .iter()
            .sum()
    }

    /// The `n` colours that are farthest from their nearest centre, the farthest first.
    pub(crate) fn farthest(&self, centres: &[[f64; 3]], n: usize) -> Vec<[u8; 3]> {
        let tasks = self.by_colour(centres, |colours: &mut Vec<(f64, usize)>, i, d2| colours.push((d2, i)));
        let mut colours = tasks.concat();
        colours.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        colours.iter().take(n).map(|&(_, i)| self.colours.rgb[i]).collect()
    }

    /// Folds over every colour and its squared distance to the nearest centre; returns a result for each
    /// task.
    fn by_colour<T: Default + Send>(
        &self,
        centres: &[[f64; 3]],
        fold: impl Fn(&mut T, usize, f64) + Sync,
    ) -> Vec<T> {
        let task = |&task: &usize| {
            let mut folded = T::default();
            self.visit(task, centres, &mut |owner, owned| {
                let range = match owned {
                    Owned::TreeNode(node) => node.range(),
                    Owned::Colour(i) => i..i + 1,
                };
                for i in range {
                    fold(&mut folded, i, centre_distance2(&centres[owner], self.colours.rgb[i]));
                }
            });
            folded
        };
        self.tasks.par_iter().map(task).collect()
    }

    /// Assigns every colour under `root` to its nearest centre, in the largest possible ranges.
    fn visit(&self, root: usize, centres: &[[f64; 3]], hand: &mut impl FnMut(usize, Owned<'_>)) {
        let mut candidates: Vec<u32> = (0..centres.len() as u32).collect();
        self.descend(root, centres, &mut candidates, 0, hand);
    }

    /// The filtering step of Kanungo et al. ("An efficient k-means clustering algorithm", 2002):
    /// of the candidates from `first` on, those that are nearest nowhere in the node's box are dropped.
    fn descend(
        &self,
        at: usize,
        centres: &[[f64; 3]],
        candidates: &mut Vec<u32>,
        first: usize,
        hand: &mut impl FnMut(usize, Owned<'_>),
    ) {
        let node = &self.nodes[at];
        let end = candidates.len();
        if node.is_leaf() {
            for i in node.range() {
                let owner = nearest(&self.colours.rgb[i].map(f64::from), centres, &candidates[first..]);
                hand(owner as usize, Owned::Colour(i));
            }
            return;
        }
        let (lo, hi) = (node.lo.map(f64::from), node.hi.map(f64::from));
        let middle: [f64; 3] = std::array::from_fn(|i| 0.5 * (lo[i] + hi[i]));
        let best = nearest(&middle, centres, &candidates[first..]);
        let ruler = &centres[best as usize];
        // The nearest one first: it is also the most likely one for a colour.
        candidates.push(best);
        for i in first..end {
            let candidate = candidates[i];
            if candidate != best && !dominates(ruler, &centres[candidate as usize], &lo, &hi) {
                candidates.push(candidate);
            }
        }
        if candidates.len() == end + 1 {
            hand(best as usize, Owned::TreeNode(node));
        } else {
            self.descend(at + 1, centres, candidates, end, hand);
            self.descend(node.right as usize, centres, candidates, end, hand);
        }
        candidates.truncate(end);
    }
}

/// What a centre is nearest to: all colours of a node, or one.
enum Owned<'a> {
    TreeNode(&'a TreeNode),
    Colour(usize),
}

/// Whether centre `a` is at least as near as centre `b` everywhere in the box from `lo` to `hi`: it is if
/// it is at the corner farthest towards `b`.
fn dominates(a: &[f64; 3], b: &[f64; 3], lo: &[f64; 3], hi: &[f64; 3]) -> bool {
    let margin = |i: usize| {
        let corner = if b[i] > a[i] { hi[i] } else { lo[i] };
        (b[i] - a[i]) * (b[i] + a[i] - 2.0 * corner)
    };
    margin(0) + margin(1) + margin(2) >= 0.0
}

/// The candidate nearest to a point; there must be at least one.
fn nearest(point: &[f64; 3], centres: &[[f64; 3]], candidates: &[u32]) -> u32 {
    let (mut best, mut least) = (candidates[0], f64::INFINITY);
    for &candidate in candidates {
        let c = &centres[candidate as usize];
        let d = [c[0] - point[0], c[1] - point[1], c[2] - point[2]];
        let d2 = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
        if d2 < least {
            (best, least) = (candidate, d2);
        }
    }
    best
}

impl TreeNode {
    /// Extends the box to include another one.
    fn widen(&mut self, lo: [u8; 3], hi: [u8; 3]) {
        self.lo = std::array::from_fn(|i| self.lo[i].min(lo[i]));
        self.hi = std::array::from_fn(|i| self.hi[i].max(hi[i]));
    }
}

/// Appends the subtree of the colours `start..end` in preorder.
fn build(colours: &Colours, start: usize, end: usize, nodes: &mut Vec<TreeNode>) {
    let at = nodes.len();
    let rgb = &colours.rgb[start..end];
    let (lo, hi) = ([u8::MAX; 3], [0; 3]);
    nodes.push(TreeNode {
        lo,
        hi,
        start: start as u32,
        end: end as u32,
        right: 0,
        total: ColourSum::default(),
    });
    if rgb.len() <= LEAF {
        let node = &mut nodes[at];
        for (&rgb, &weight) in rgb.iter().zip(&colours.weight[start..end]) {
            node.widen(rgb, rgb);
            node.total.add(&ColourSum::of(rgb, weight));
        }
        return;
    }
    // The codes are distinct and sorted: split where the highest differing bit changes.
    let (first, last) = (morton(rgb[0]), morton(rgb[rgb.len() - 1]));
    let below = (1u32 << (first ^ last).ilog2()) - 1;
    let cut = start + rgb.partition_point(|&rgb| morton(rgb) < last & !below);
    build(colours, start, cut, nodes);
    let right = nodes.len();
    build(colours, cut, end, nodes);
    for child in [at + 1, right] {
        let TreeNode { lo, hi, total, .. } = nodes[child].clone();
        let node = &mut nodes[at];
        node.widen(lo, hi);
        node.total.add(&total);
    }
    nodes[at].right = right as u32;
}
