//! Where the nodes of a graph stand: in layers from top to bottom, with few crossings and short edges
//! (Sugiyama's method: layers, order by barycentres, places by least squares). The same graph is laid out
//! in the same way everywhere.

/// The distance of two neighbours in a layer; a node of its own takes 1, an edge that passes less.
const GAP: f64 = 1.0;
const PASSING: f64 = 0.35;

/// How often the order and the places are improved.
const SWEEPS: usize = 12;

/// Where everything stands. Columns are multiples of a node's width, layers count from 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Layout {
    /// (column, layer) of each node.
    pub(crate) nodes: Vec<(f64, usize)>,
    /// For each edge the columns that it passes, from the layer of its start to that of its end.
    pub(crate) edges: Vec<Vec<f64>>,
    /// How many columns and layers there are.
    pub(crate) columns: f64,
    pub(crate) layers: usize,
}

/// Lays out `nodes` nodes with these edges (from, to).
pub(crate) fn layout(nodes: usize, edges: &[(usize, usize)]) -> Layout {
    let layer = layers(nodes, edges);
    let mut grid = Grid::new(&layer, edges);
    grid.order();
    grid.place();
    let left = grid.x.iter().copied().fold(f64::INFINITY, f64::min);
    let right = grid.x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let x = |item: usize| grid.x[item] - left;
    Layout {
        nodes: (0..nodes).map(|node| (x(node), layer[node])).collect(),
        edges: grid.chains.iter().map(|chain| chain.iter().map(|item| x(*item)).collect()).collect(),
        columns: if nodes == 0 { 0.0 } else { right - left + 1.0 },
        layers: layer.iter().max().map_or(0, |most| most + 1),
    }
}

/// The layer of each node: below all that it reads; what reads nothing stands above its first reader.
pub(super) fn layers(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut layer = vec![0_usize; nodes];
    let mut waits_for = vec![0; nodes];
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for (from, to) in edges {
        waits_for[*to] += 1;
        below[*from].push(*to);
    }
    let sources: Vec<usize> = (0..nodes).filter(|node| waits_for[*node] == 0).collect();
    let mut ready = sources.clone();
    while let Some(node) = ready.pop() {
        for reader in below[node].clone() {
            layer[reader] = layer[reader].max(layer[node] + 1);
            waits_for[reader] -= 1;
            if waits_for[reader] == 0 {
                ready.push(reader);
            }
        }
    }
    for node in sources {
        if let Some(first) = below[node].iter().map(|reader| layer[*reader]).min() {
            layer[node] = first.saturating_sub(1);
        }
    }
    layer
}

/// Nodes and, in every layer that an edge passes, an item for it.
struct Grid {
    rows: Vec<Vec<usize>>,
    /// For each item those above and below it.
    above: Vec<Vec<usize>>,
    below: Vec<Vec<usize>>,
    chains: Vec<Vec<usize>>,
    x: Vec<f64>,
    nodes: usize,
}

impl Grid {
    fn new(layer: &[usize], edges: &[(usize, usize)]) -> Self {
        let count = layer.iter().max().map_or(0, |most| most + 1);
        let mut rows = vec![Vec::new(); count];
        layer.iter().enumerate().for_each(|(node, layer)| rows[*layer].push(node));
        let mut items = layer.len();
        let mut chains = Vec::with_capacity(edges.len());
        for (from, to) in edges {
            let mut chain = vec![*from];
            for row in rows.iter_mut().take(layer[*to]).skip(layer[*from] + 1) {
                row.push(items);
                chain.push(items);
                items += 1;
            }
            chain.push(*to);
            chains.push(chain);
        }
        let (mut above, mut below) = (vec![Vec::new(); items], vec![Vec::new(); items]);
        for pair in chains.iter().flat_map(|chain| chain.windows(2)) {
            below[pair[0]].push(pair[1]);
            above[pair[1]].push(pair[0]);
        }
        Self { rows, above, below, chains, x: vec![0.0; items], nodes: layer.len() }
    }

    /// Sorts each layer by the mean place of the neighbours, down and up, and keeps the best order.
    fn order(&mut self) {
        let mut best = (self.crossings(), self.rows.clone());
        for sweep in 0..SWEEPS {
            let down = sweep % 2 == 0;
            let count = self.rows.len();
            for step in 1..count {
                let (row, fixed) = if down { (step, step - 1) } else { (count - 1 - step, count - step) };
                let mut place = vec![0.0; self.x.len()];
                self.rows[fixed].iter().enumerate().for_each(|(n, item)| place[*item] = n as f64);
                let neighbours = if down { &self.above } else { &self.below };
                let mut keyed: Vec<(f64, usize)> = self.rows[row]
                    .iter()
                    .enumerate()
                    .map(|(n, item)| {
                        (mean(neighbours[*item].iter().map(|other| place[*other])).unwrap_or(n as f64), *item)
                    })
                    .collect();
                keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
                self.rows[row] = keyed.into_iter().map(|(_, item)| item).collect();
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.rows.clone());
            }
        }
        self.rows = best.1;
    }

    fn crossings(&self) -> usize {
        let mut place = vec![0; self.x.len()];
        self.rows.iter().flat_map(|row| row.iter().enumerate()).for_each(|(n, item)| place[*item] = n);
        let crossings = |row: &Vec<usize>| {
            let ends: Vec<(usize, usize)> = row
                .iter()
                .flat_map(|item| self.below[*item].iter().map(|other| (place[*item], place[*other])))
                .collect();
            let crossed = |n: usize| {
                ends[n + 1..].iter().filter(|end| (ends[n].0 < end.0) & (ends[n].1 > end.1)).count()
            };
            (0..ends.len()).map(crossed).sum::<usize>()
        };
        self.rows.iter().map(crossings).sum()
    }

    /// Moves every item towards its neighbours as far as those beside it let it.
    fn place(&mut self) {
        for row in &self.rows {
            let mut at = 0.0;
            for pair in row.windows(2) {
                self.x[pair[0]] = at;
                at += self.gap(pair[0], pair[1]);
            }
            if let Some(last) = row.last() {
                self.x[*last] = at;
            }
        }
        for sweep in 0..2 * SWEEPS {
            let rows: Vec<usize> = if sweep % 2 == 0 {
                (0..self.rows.len()).collect()
            } else {
                (0..self.rows.len()).rev().collect()
            };
            for row in rows {
                let row = self.rows[row].clone();
                let wanted: Vec<f64> = row
                    .iter()
                    .map(|item| {
                        let all = self.above[*item].iter().chain(&self.below[*item]);
                        mean(all.map(|other| self.x[*other])).unwrap_or(self.x[*item])
                    })
                    .collect();
                let gaps: Vec<f64> = row.windows(2).map(|pair| self.gap(pair[0], pair[1])).collect();
                for (item, x) in row.iter().zip(spread(&wanted, &gaps)) {
                    self.x[*item] = x;
                }
            }
        }
    }

    fn gap(&self, a: usize, b: usize) -> f64 {
        let half = |item: usize| if item < self.nodes { GAP / 2.0 } else { PASSING / 2.0 };
        half(a) + half(b)
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

/// The places nearest to the wanted ones (least squares) that keep the order and the gaps: neighbours that
/// would overlap are moved as one block.
fn spread(wanted: &[f64], gaps: &[f64]) -> Vec<f64> {
    let mut offsets = vec![0.0];
    gaps.iter().for_each(|gap| offsets.push(offsets[offsets.len() - 1] + gap));
    // (mean place of the block's start, members)
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for (wanted, offset) in wanted.iter().zip(&offsets) {
        let mut block = (wanted - offset, 1);
        while let Some((at, members)) = blocks.last().copied().filter(|(at, _)| *at > block.0) {
            blocks.pop();
            let all = members + block.1;
            block = ((at * members as f64 + block.0 * block.1 as f64) / all as f64, all);
        }
        blocks.push(block);
    }
    let starts = blocks.iter().flat_map(|(at, members)| std::iter::repeat_n(*at, *members));
    starts.zip(&offsets).map(|(at, offset)| at + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_a_line_and_a_diamond_is_even() {
        let chain = layout(3, &[(0, 1), (1, 2)]);
        assert_eq!(chain.nodes, [(0.0, 0), (0.0, 1), (0.0, 2)]);
        assert_eq!((chain.columns, chain.layers), (1.0, 3));
        let diamond = layout(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]);
        let x: Vec<f64> = diamond.nodes.iter().map(|(x, _)| *x).collect();
        assert!((x[0] - x[3]).abs() < 0.01 && (x[2] - x[1] - 1.0).abs() < 0.01, "{x:?}");
    }

    #[test]
    fn long_edges_pass_beside_nodes_and_sources_stand_near_their_readers() {
        // 0 -> 1 -> 2 -> 3, 0 -> 3, and 4 is read by 3 alone.
        let found = layout(5, &[(0, 1), (1, 2), (2, 3), (0, 3), (4, 3)]);
        assert_eq!(found.nodes.iter().map(|(_, layer)| *layer).collect::<Vec<_>>(), [0, 1, 2, 3, 2]);
        assert_eq!(found.edges[3].len(), 4);
        for layer in [1, 2] {
            let passing = found.edges[3][layer];
            let beside = found.nodes.iter().filter(|(_, l)| *l == layer);
            assert!(beside.clone().all(|(x, _)| (x - passing).abs() > 0.6), "{found:?}");
        }
    }

    #[test]
    fn no_two_nodes_overlap_and_crossings_that_need_not_be_are_not() {
        let edges: Vec<(usize, usize)> = (0..6).flat_map(|n| [(n, 11 - n), (n, 6 + (n * 5) % 6)]).collect();
        let found = layout(12, &edges);
        for (n, a) in found.nodes.iter().enumerate() {
            assert!(
                found.nodes[n + 1..].iter().all(|b| a.1 != b.1 || (a.0 - b.0).abs() > 0.999),
                "{found:?}"
            );
        }
        let crossed = layout(4, &[(0, 3), (1, 2)]);
        assert!((crossed.nodes[0].0 < crossed.nodes[1].0) == (crossed.nodes[3].0 < crossed.nodes[2].0));
    }

    #[test]
    fn a_circle_and_nothing_are_laid_out_too() {
        assert_eq!(layout(0, &[]), Layout::default());
        assert_eq!(layout(2, &[(0, 1), (1, 0)]).nodes.len(), 2);
    }
}
