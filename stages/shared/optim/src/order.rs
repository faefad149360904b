//! Which examples a step trains on: a seeded permutation for each epoch.

use igpt_contract::Stream;
use rand_chacha::rand_core::Rng as _;

/// The largest batch, to catch typing errors.
pub const MOST_IMAGES: usize = 1 << 20;

/// A training row that a step draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// The epoch, from 0: where an image has several augmented views, it chooses among them.
    pub epoch: u64,
    /// The row, below the order's number of rows.
    pub row: usize,
}

/// The order of the training rows: one permutation after another, without end. A batch is a
/// function of the step alone, so resuming needs no more than the step's number; a batch at the
/// end of an epoch goes on into the next.
#[derive(Debug, Clone)]
pub struct EpochOrder {
    rows: usize,
    stream: Stream,
    /// The permutation that was needed last, with its epoch.
    epoch: Option<(u64, Vec<u32>)>,
}

impl EpochOrder {
    /// The order over rows `0..rows`. Epoch e shuffles with sub-stream e of `stream`
    /// (`cx.stream("data")`), so that no epoch depends on the one before.
    ///
    /// # Panics
    /// If there are no rows, or more than `u32::MAX`.
    pub fn new(rows: usize, stream: Stream) -> Self {
        assert!(rows > 0, "an order needs rows");
        assert!(u32::try_from(rows).is_ok(), "{rows} rows do not fit the order's 32 bits");
        Self { rows, stream, epoch: None }
    }

    /// The `size` rows of step `step` (from 1).
    pub fn batch(&mut self, step: u64, size: usize) -> Vec<Draw> {
        let first = (step - 1) * size as u64;
        (first..first + size as u64)
            .map(|position| {
                let (epoch, at) = (position / self.rows as u64, position % self.rows as u64);
                Draw { epoch, row: self.permutation(epoch)[at as usize] as usize }
            })
            .collect()
    }

    fn permutation(&mut self, epoch: u64) -> &[u32] {
        let (rows, stream) = (self.rows, &self.stream);
        let entry = self.epoch.take().filter(|(held, _)| *held == epoch);
        &self.epoch.insert(entry.unwrap_or_else(|| (epoch, shuffled(rows, stream, epoch)))).1
    }
}

/// Fisher-Yates. The bound comes from the high half of a 64 x 64 bit product, whose bias is below
/// rows / 2^64.
fn shuffled(rows: usize, stream: &Stream, epoch: u64) -> Vec<u32> {
    let mut random = stream.clone();
    random.set_stream(epoch);
    random.set_word_pos(0);
    let mut order: Vec<u32> = (0..rows as u32).collect();
    for i in (1..rows).rev() {
        let j = (u128::from(random.next_u64()) * (i as u128 + 1)) >> 64;
        order.swap(i, j as usize);
    }
    order
}

/// Splits a batch into at most `accumulation` micro-batches of nearly equal size, in order. The
/// gradients of mean losses, weighted by `micro.len() / batch.len()`, sum to the whole batch's.
pub fn micro_batches<T>(batch: &[T], accumulation: usize) -> impl Iterator<Item = &[T]> {
    batch.chunks(batch.len().div_ceil(accumulation.max(1)).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use igpt_contract::stream;

    #[test]
    fn each_epoch_is_a_permutation_of_its_own() {
        let mut order = EpochOrder::new(10, stream(7, "data"));
        let first = order.batch(1, 10);
        let second = order.batch(2, 10);
        assert_ne!(first, second);
        for (epoch, draws) in [first, second].into_iter().enumerate() {
            assert!(draws.iter().all(|draw| draw.epoch == epoch as u64));
            let mut rows: Vec<_> = draws.iter().map(|draw| draw.row).collect();
            rows.sort_unstable();
            assert_eq!(rows, (0..10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_batch_depends_on_its_step_alone() {
        let mut straight = EpochOrder::new(10, stream(7, "data"));
        let all: Vec<_> = (1..=9).map(|step| straight.batch(step, 4)).collect();
        let mut resumed = EpochOrder::new(10, stream(7, "data"));
        assert_eq!(resumed.batch(7, 4), all[6]);
        assert_eq!(resumed.batch(3, 4), all[2]);
        let pairs: Vec<_> = (1..=18).flat_map(|step| resumed.batch(step, 2)).collect();
        assert_eq!(pairs, all.concat());
    }

    #[test]
    fn micro_batches_cover_the_batch_in_order() {
        let batch: Vec<usize> = (0..7).collect();
        let parts: Vec<_> = micro_batches(&batch, 3).collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [3, 3, 1]);
        assert_eq!(parts.concat(), batch);
    }
}
