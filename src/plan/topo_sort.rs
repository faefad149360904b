//! The order of the steps: each after all that it reads, else as in the file; cycles by name.

use std::collections::hash_map::{Entry, HashMap};

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{DfsPostOrder, EdgeRef as _};

/// The steps `0..count` in order, where `reads` holds `(reader, read)`.
///
/// # Errors
/// Every group of steps that read each other in a cycle, as one of its shortest cycles: each step
/// reads the next one, the last one reads the first.
pub(super) fn topo_sort(count: usize, reads: &[(usize, usize)]) -> Result<Vec<usize>, Vec<Vec<usize>>> {
    let mut graph = DiGraph::<(), ()>::with_capacity(count, reads.len());
    let nodes: Vec<NodeIndex> = (0..count).map(|_| graph.add_node(())).collect();
    for &(reader, read) in reads {
        graph.add_edge(nodes[reader], nodes[read], ());
    }
    let mut cycles: Vec<Vec<usize>> = petgraph::algo::tarjan_scc(&graph)
        .into_iter()
        .filter(|group| group.len() > 1 || graph.contains_edge(group[0], group[0]))
        .map(|group| cycle(&graph, &group))
        .collect();
    if !cycles.is_empty() {
        cycles.sort();
        return Err(cycles);
    }
    let mut order = Vec::with_capacity(count);
    let mut visit = DfsPostOrder::empty(&graph);
    for node in nodes {
        visit.move_to(node);
        while let Some(next) = visit.next(&graph) {
            order.push(next.index());
        }
    }
    Ok(order)
}

/// A shortest circle through the first step of a strongly connected group.
fn cycle(graph: &DiGraph<(), ()>, group: &[NodeIndex]) -> Vec<usize> {
    let Some(&start) = group.iter().min() else { return Vec::new() };
    let mut from: HashMap<NodeIndex, NodeIndex> = HashMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        let mut targets: Vec<NodeIndex> =
            graph.edges_directed(node, Direction::Outgoing).map(|edge| edge.target()).collect();
        targets.sort();
        for target in targets {
            if target == start {
                let mut path = vec![node.index()];
                let mut at = node;
                while at != start {
                    at = from[&at];
                    path.push(at.index());
                }
                path.reverse();
                return path;
            }
            if let Entry::Vacant(vacant) = from.entry(target) {
                vacant.insert(node);
                queue.push_back(target);
            }
        }
    }
    group.iter().map(|node| node.index()).collect()
}

#[cfg(test)]
mod tests {
    use super::topo_sort;

    #[test]
    fn each_step_comes_after_what_it_reads_and_else_as_written() {
        assert_eq!(topo_sort(4, &[(0, 2), (1, 0)]), Ok(vec![2, 0, 1, 3]));
        assert_eq!(topo_sort(3, &[]), Ok(vec![0, 1, 2]));
    }

    #[test]
    fn circles_are_named_in_full() {
        assert_eq!(
            topo_sort(5, &[(0, 1), (1, 2), (2, 0), (3, 3), (4, 0)]),
            Err(vec![vec![0, 1, 2], vec![3]])
        );
        assert_eq!(topo_sort(3, &[(0, 1), (1, 2), (2, 0), (1, 0)]), Err(vec![vec![0, 1]]));
    }
}
