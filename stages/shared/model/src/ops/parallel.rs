//! Work on rows in parallel, always cut the same way: the cuts depend on shapes and never on the
//! number of threads, so that neither do the sums.

use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

/// Floats of the widest matrix that one piece of work should touch: half a MiB, about a level-2
/// cache.
const CACHED: usize = 1 << 17;

/// Most partial sums of a gradient over rows: enough for as many threads.
const MAX_LANES: usize = 16;

/// Floats that all partial sums of a gradient together may take, but for four of them: 256 MiB.
const LANE_BUDGET: usize = 1 << 26;

/// How many rows to work on at a time, where the widest matrix has `width` columns.
pub(super) fn chunk_rows(width: usize) -> usize {
    (CACHED / width.max(1)).clamp(32, 512) / 16 * 16
}

/// How rows are divided where each division keeps partial sums of `sums` floats: the rows of a
/// lane, a multiple of `chunk` rows.
pub(super) fn lane_rows(rows: usize, chunk: usize, sums: usize) -> usize {
    let chunks = rows.div_ceil(chunk).max(1);
    let lanes = (LANE_BUDGET / sums.max(1)).clamp(4, MAX_LANES).min(chunks);
    chunks.div_ceil(lanes) * chunk
}

/// The consecutive ranges of at most `chunk` rows that make up `rows` rows.
pub(super) fn chunks(rows: usize, chunk: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(chunk).map(move |start| start..rows.min(start + chunk))
}

/// A vector of `len` floats, written in parallel in chunks: `write` gets a chunk's index and the
/// chunk, zeroed while it is in cache. Also returns what `write` returned, in order.
pub(super) fn fill<R: Send>(
    len: usize,
    chunk: usize,
    write: impl Fn(usize, &mut [f32]) -> R + Sync,
) -> (Vec<f32>, Vec<R>) {
    let mut out = Vec::with_capacity(len);
    let results = out.spare_capacity_mut()[..len]
        .par_chunks_mut(chunk.max(1))
        .enumerate()
        .map(|(i, chunk)| write(i, zeroed(chunk)))
        .collect();
    // SAFETY: the chunks cover the first `len` elements and each was zeroed.
    unsafe { out.set_len(len) };
    (out, results)
}

/// [`fill`] for two vectors whose chunks belong together, one by one.
pub(super) fn fill_pair(
    (len_a, chunk_a): (usize, usize),
    (len_b, chunk_b): (usize, usize),
    write: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) -> (Vec<f32>, Vec<f32>) {
    let (chunk_a, chunk_b) = (chunk_a.max(1), chunk_b.max(1));
    assert_eq!(len_a.div_ceil(chunk_a), len_b.div_ceil(chunk_b), "as many chunks in both");
    let (mut a, mut b) = (Vec::with_capacity(len_a), Vec::with_capacity(len_b));
    a.spare_capacity_mut()[..len_a]
        .par_chunks_mut(chunk_a)
        .zip(b.spare_capacity_mut()[..len_b].par_chunks_mut(chunk_b))
        .enumerate()
        .for_each(|(i, (a, b))| write(i, zeroed(a), zeroed(b)));
    // SAFETY: both have as many chunks, so every chunk of either was zeroed.
    unsafe {
        a.set_len(len_a);
        b.set_len(len_b);
    }
    (a, b)
}

fn zeroed(chunk: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    for value in chunk.iter_mut() {
        value.write(0.0);
    }
    // SAFETY: every element was just written.
    unsafe { chunk.assume_init_mut() }
}

/// The element-wise sums of the lanes' vectors, added in the order of the lanes.
pub(super) fn reduce<const P: usize>(mut lanes: Vec<[Vec<f32>; P]>) -> [Vec<f32>; P] {
    let rest = lanes.split_off(lanes.len().min(1));
    let mut total = lanes.pop().unwrap_or_else(|| std::array::from_fn(|_| Vec::new()));
    for (p, total) in total.iter_mut().enumerate() {
        const CHUNK: usize = 1 << 14;
        total.par_chunks_mut(CHUNK).enumerate().for_each(|(i, total)| {
            for lane in &rest {
                let start = i * CHUNK;
                add(total, &lane[p][start..start + total.len()]);
            }
        });
    }
    total
}

super::simd::vectorised! {
    fn add(total: &mut [f32], lane: &[f32]) {
        super::simd::add_to(total, lane);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_every_row_once() {
        assert_eq!(chunks(7, 3).collect::<Vec<_>>(), [0..3, 3..6, 6..7]);
        let (out, sizes) = fill(10, 4, |i, chunk| {
            chunk.fill(i as f32);
            chunk.len()
        });
        assert_eq!(out, [0., 0., 0., 0., 1., 1., 1., 1., 2., 2.]);
        assert_eq!(sizes, [4, 4, 2]);
    }

    #[test]
    fn lanes_are_summed_in_order() {
        let [sums] = reduce(vec![[vec![1.0, 2.0]], [vec![10.0, 20.0]], [vec![0.5, 0.5]]]);
        assert_eq!(sums, [11.5, 22.5]);
        assert!(reduce::<1>(Vec::new())[0].is_empty());
    }

    #[test]
    fn partial_sums_stay_within_their_budget() {
        assert_eq!(lane_rows(8192, 256, 1 << 17), 512); // 32 chunks in 16 lanes
        assert_eq!(lane_rows(8192, 256, 1 << 25), 2048); // 4 lanes
        assert_eq!(lane_rows(10, 256, 1), 256);
    }
}
