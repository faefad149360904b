//! Sums over lanes, equal shares of a batch, by a fixed binary tree: `((0 + 1) + (2 + 3)) + ...`.
//!
//! Float addition is not associative. A sum in the order of lanes could only be made by one process, and
//! one of each process's own sum would be another for every number of them. Of a tree each process can
//! make a branch, and whoever adds up the branches gets the same bits.

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};

/// Whether lanes can be summed by a binary tree, and each of so many ranks can make a branch of it.
pub fn splits(lanes: usize, ranks: usize) -> bool {
    lanes.is_power_of_two() && ranks.is_power_of_two() && ranks <= lanes
}

/// A sum that is being made: the finished branches, of which each is smaller than the one before it. Of n
/// lanes it holds log2(n) + 1 at most.
#[derive(Debug)]
pub struct LaneTree<T> {
    /// Each with the number of lanes in it.
    branches: Vec<(usize, T)>,
}

impl<T> Default for LaneTree<T> {
    fn default() -> Self {
        Self { branches: Vec::new() }
    }
}

impl<T> LaneTree<T> {
    /// Adds the next lane.
    pub fn push(&mut self, lane: T, mut add: impl FnMut(T, T) -> T) {
        let (mut lanes, mut sum) = (1, lane);
        while let Some((_, before)) = self.branches.pop_if(|(size, _)| *size == lanes) {
            sum = add(before, sum);
            lanes *= 2;
        }
        self.branches.push((lanes, sum));
    }

    /// The sum of all lanes, whose number must be a power of two; none where it is not.
    pub fn sum(mut self) -> Option<T> {
        let (_, sum) = self.branches.pop()?;
        self.branches.is_empty().then_some(sum)
    }
}

/// The sum of two lanes' gradients.
pub fn add_gradients<M: Module>(model: &M, a: GradientsParams, b: GradientsParams) -> GradientsParams {
    let mut sum = GradientsAccumulator::new();
    sum.accumulate(model, a);
    sum.accumulate(model, b);
    sum.grads()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lanes: impl IntoIterator<Item = String>) -> Option<String> {
        let mut tree = LaneTree::default();
        for lane in lanes {
            tree.push(lane, |a, b| format!("({a}+{b})"));
        }
        tree.sum()
    }

    #[test]
    fn the_tree_is_that_of_its_branches() {
        let lanes: Vec<String> = (0..8).map(|lane| lane.to_string()).collect();
        let whole = text(lanes.clone()).unwrap();
        assert_eq!(whole, "(((0+1)+(2+3))+((4+5)+(6+7)))");
        for ranks in [1, 2, 4, 8] {
            assert!(splits(8, ranks));
            let branches = lanes.chunks(8 / ranks).map(|share| text(share.to_vec()).unwrap());
            assert_eq!(text(branches).unwrap(), whole, "{ranks} ranks");
        }
        assert_eq!(text(lanes.into_iter().take(3)), None);
        assert!(!splits(8, 3) && !splits(6, 2) && !splits(2, 4));
    }
}
