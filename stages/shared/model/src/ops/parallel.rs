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

/// Floats of partial sums that are worked on at a time, but for two lanes a thread: a MiB, about a level-2 cache.
const AT_ONCE: usize = 1 << 18;

/// The consecutive ranges of at most `chunk` rows that make up `rows` rows.
pub(super) fn chunks(rows: usize, chunk: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(chunk).map(move |start| start..rows.min(start + chunk))
}

/// Room for what a piece of work computes on its way, which the next piece finds as it was left: memory that is in cache,
/// and that nobody has to zero again.
#[derive(Debug, Default)]
pub(super) struct Rooms([Vec<f32>; 3]);

impl Rooms {
    /// The rooms in so many floats each, with whatever is in them.
    pub(super) fn of<const N: usize>(&mut self, sizes: [usize; N]) -> [&mut [f32]; N] {
        let mut rooms = self.0.iter_mut();
        sizes.map(|size| {
            let room = rooms.next().expect("there are as many rooms as anybody wants");
            if room.len() < size {
                room.resize(size, 0.0);
            }
            &mut room[..size]
        })
    }
}

/// A vector of `len` floats, written in parallel in chunks: `write` gets a chunk's index and the
/// chunk, zeroed while it is in cache.
pub(super) fn fill(
    len: usize,
    chunk: usize,
    write: impl Fn(usize, &mut [f32], &mut Rooms) + Sync,
) -> Vec<f32> {
    let mut out = Vec::with_capacity(len);
    out.spare_capacity_mut()[..len]
        .par_chunks_mut(chunk.max(1))
        .enumerate()
        .for_each_init(Rooms::default, |rooms, (i, chunk)| write(i, zeroed(chunk), rooms));
    // SAFETY: the chunks cover the first `len` elements and each was zeroed.
    unsafe { out.set_len(len) };
    out
}

/// [`fill`] with a lane for each chunk, which adds up vectors of the lengths `sums` over its rows; also returns the sums of
/// all lanes. `write` finds in its lane's sums what another has left there, and overwrites it.
///
/// Few lanes are worked on at a time, and added in their order: they take as little memory as may be, which is in cache
/// when the next ones come.
pub(super) fn fill_and_sum<const P: usize>(
    len: usize,
    lane: usize,
    sums: [usize; P],
    write: impl Fn(usize, &mut [f32], &mut [Vec<f32>; P], &mut Rooms) + Sync,
) -> (Vec<f32>, [Vec<f32>; P]) {
    let mut out = Vec::with_capacity(len);
    let mut chunks: Vec<_> = out.spare_capacity_mut()[..len].chunks_mut(lane.max(1)).collect();
    let at_once = AT_ONCE / sums.iter().sum::<usize>().max(1);
    let at_once = at_once.max(1).next_multiple_of(2 * rayon::current_num_threads());
    let zeros = || sums.map(|n| vec![0f32; n]);
    let mut lanes: Vec<_> = (0..at_once.min(chunks.len())).map(|_| zeros()).collect();
    let mut total = zeros();
    for (wave, chunks) in chunks.chunks_mut(at_once).enumerate() {
        let lanes = &mut lanes[..chunks.len()];
        lanes.par_iter_mut().zip(chunks).enumerate().for_each_init(
            Rooms::default,
            |rooms, (i, (sums, chunk))| {
                write(wave * at_once + i, zeroed(chunk), sums, rooms);
            },
        );
        // The sums of the first lane are the total so far, and the total's zeros are its.
        if wave == 0 {
            std::mem::swap(&mut total, &mut lanes[0]);
        }
        let added = &lanes[usize::from(wave == 0)..];
        for (p, total) in total.iter_mut().enumerate() {
            add_lanes(total, added, |sums| &sums[p]);
        }
    }
    // SAFETY: the chunks cover the first `len` elements and each was zeroed.
    unsafe { out.set_len(len) };
    (out, total)
}

/// Adds the vector of each lane to the total, in the order of the lanes.
fn add_lanes<L: Sync>(total: &mut [f32], lanes: &[L], vector: impl Fn(&L) -> &[f32] + Sync) {
    const CHUNK: usize = 1 << 14;
    total.par_chunks_mut(CHUNK).enumerate().for_each(|(i, total)| {
        for lane in lanes {
            add(total, &vector(lane)[i * CHUNK..][..total.len()]);
        }
    });
}

/// [`fill`] for two vectors whose chunks belong together, one by one.
pub(super) fn fill_pair(
    (len_a, chunk_a): (usize, usize),
    (len_b, chunk_b): (usize, usize),
    write: impl Fn(usize, &mut [f32], &mut [f32], &mut Rooms) + Sync,
) -> (Vec<f32>, Vec<f32>) {
    let (chunk_a, chunk_b) = (chunk_a.max(1), chunk_b.max(1));
    assert_eq!(len_a.div_ceil(chunk_a), len_b.div_ceil(chunk_b), "as many chunks in both");
    let (mut a, mut b) = (Vec::with_capacity(len_a), Vec::with_capacity(len_b));
    a.spare_capacity_mut()[..len_a]
        .par_chunks_mut(chunk_a)
        .zip(b.spare_capacity_mut()[..len_b].par_chunks_mut(chunk_b))
        .enumerate()
        .for_each_init(Rooms::default, |rooms, (i, (a, b))| write(i, zeroed(a), zeroed(b), rooms));
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
        let out = fill(10, 4, |i, chunk, _| chunk.fill(i as f32));
        assert_eq!(out, [0., 0., 0., 0., 1., 1., 1., 1., 2., 2.]);
    }

    #[test]
    fn lanes_are_summed_in_order_however_many_are_worked_on_at_a_time() {
        // Of 5 that is added to 1e8, 8 arrives: another grouping has another sum. Two at a time, or all at once.
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        for sums in [1, AT_ONCE] {
            let (out, [large, counts]) = one.install(|| {
                fill_and_sum(40, 1, [sums, 1], |i, chunk, [large, count], _| {
                    chunk.fill(i as f32);
                    large.fill(if i == 0 { 1e8 } else { 5.0 });
                    count.fill(i as f32);
                })
            });
            assert_eq!(out, (0..40).map(|i| i as f32).collect::<Vec<_>>());
            assert!(large.len() == sums && large.iter().all(|sum| *sum == 1e8 + 39.0 * 8.0));
            assert_eq!(counts, [780.0]);
        }
        let (out, [total]) = fill_and_sum(0, 4, [2], |_, _, _, _| unreachable!("there is no lane"));
        assert!(out.is_empty() && total == [0.0, 0.0]);
    }

    #[test]
    fn rooms_grow_and_keep_what_was_left() {
        let mut rooms = Rooms::default();
        rooms.of([2])[0].fill(7.0);
        let [a, b] = rooms.of([3, 1]);
        assert_eq!((&*a, &*b), (&[7.0, 7.0, 0.0][..], &[0.0][..]));
    }

    #[test]
    fn partial_sums_stay_within_their_budget() {
        assert_eq!(lane_rows(8192, 256, 1 << 17), 512); // 32 chunks in 16 lanes
        assert_eq!(lane_rows(8192, 256, 1 << 25), 2048); // 4 lanes
        assert_eq!(lane_rows(10, 256, 1), 256);
    }
}
