//! The two passes of resampling with AVX2, to the same bytes.
//!
//! The processor multiplies 16-bit numbers and adds pairs of products in one instruction, four times as many as it
//! multiplies of 32 bits. A weight has 24 bits, so it is taken as `high * 2^11 + low`, each with a sum of its
//! own: (Σ byte · high) · 2^11 + Σ byte · low is the sum of 32-bit products to the bit.

use std::arch::x86_64::*;

use crate::taps::{FRACTION, Taps};

/// Bits of the lower part of a weight.
const LOW: i32 = 11;

/// Pixels of a row that are made at once.
const PIXELS: usize = 4;

/// Bytes of a row that are made at once along the columns.
const BLOCK: usize = 32;

/// `N` weights in their two parts.
#[derive(Clone, Copy)]
struct Parts<const N: usize> {
    high: [i16; N],
    low: [i16; N],
}

impl<const N: usize> Parts<N> {
    fn of(weights: &[i32; N]) -> Self {
        Self {
            high: weights.map(|weight| (weight >> LOW) as i16),
            low: weights.map(|weight| (weight & ((1 << LOW) - 1)) as i16),
        }
    }

    fn all(weights: &[i32]) -> Vec<Self> {
        weights.as_chunks().0.iter().map(Self::of).collect()
    }
}

/// Both passes over an image of `width` by any number of pixels, to as many pixels as there are taps.
#[target_feature(enable = "avx2")]
pub(crate) fn both_passes(rgb: &[u8], width: usize, columns: &Taps, rows: &Taps, out: &mut [u8]) {
    let side = columns.first.len();
    let stride = 3 * side;
    // Taps reach beyond the last source row, where there are zeros; whole vectors reach beyond a row's end.
    let top = rows.first[0];
    let reach = rows.first[rows.first.len() - 1] + rows.count - top;
    let mut narrow = vec![0; stride * reach + BLOCK + 3 * PIXELS];
    let used = columns.used(width);
    let mut row = vec![0; 3 * (used.len() + columns.count) + 16];
    let weights = Parts::all(&columns.weights);
    // Where the taps of each pixel begin in `row`; whole vectors of pixels, of which nobody reads those after the last.
    let mut pixels: Vec<(usize, &[Parts<4>])> = columns
        .first
        .iter()
        .zip(weights.chunks_exact(columns.count / 4))
        .map(|(first, weights)| (3 * (first - used.start), weights))
        .collect();
    pixels.resize(side.next_multiple_of(PIXELS), pixels[side - 1]);
    for (y, source) in rgb.chunks_exact(3 * width).skip(top).take(reach).enumerate() {
        row[..3 * used.len()].copy_from_slice(&source[3 * used.start..3 * used.end]);
        for (group, [a, b, c, d]) in pixels.as_chunks::<PIXELS>().0.iter().enumerate() {
            let sums = [weighted(&row, *a), weighted(&row, *b), weighted(&row, *c), weighted(&row, *d)];
            store16(rgb_of(sums), &mut narrow[stride * y + 12 * group..]);
        }
    }
    let weights = Parts::all(&rows.weights);
    let weights = weights.chunks_exact(rows.count / 2);
    for ((out, &first), weights) in out.chunks_exact_mut(stride).zip(&rows.first).zip(weights) {
        let narrow = &narrow[stride * (first - top)..];
        let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
        let rest_at = BLOCK * blocks.len();
        for (block, out) in blocks.iter_mut().enumerate() {
            store32(along_columns(&narrow[BLOCK * block..], stride, weights), out);
        }
        if !rest.is_empty() {
            let mut block = [0; BLOCK];
            store32(along_columns(&narrow[rest_at..], stride, weights), &mut block);
            rest.copy_from_slice(&block[..rest.len()]);
        }
    }
}

/// The weighted sums of a pixel whose taps begin `at` a byte of the row, each in two halves: red, red, green, green;
/// blue, blue, 0, 0.
#[inline]
#[target_feature(enable = "avx2")]
fn weighted(row: &[u8], (at, weights): (usize, &[Parts<4>])) -> __m256i {
    // Four pixels of three bytes become 16-bit numbers by channel: the reds and greens, the blues and nothing.
    #[rustfmt::skip]
    let by_channel = _mm256_setr_epi8(
        0, -1, 3, -1, 6, -1, 9, -1, 1, -1, 4, -1, 7, -1, 10, -1,
        2, -1, 5, -1, 8, -1, 11, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    );
    let (mut high, mut low) = (_mm256_setzero_si256(), _mm256_setzero_si256());
    let row = &row[at..at + 12 * weights.len() + 4];
    for (four, weights) in row.windows(16).step_by(12).zip(weights) {
        let four = _mm256_broadcastsi128_si256(load16(four));
        let four = _mm256_shuffle_epi8(four, by_channel);
        high = _mm256_add_epi32(high, _mm256_madd_epi16(four, repeated(weights.high)));
        low = _mm256_add_epi32(low, _mm256_madd_epi16(four, repeated(weights.low)));
    }
    joined(high, low)
}

/// The bytes of four pixels, one after another, from their sums in halves; four more bytes follow.
#[inline]
#[target_feature(enable = "avx2")]
fn rgb_of([a, b, c, d]: [__m256i; PIXELS]) -> __m128i {
    let ab = rounded(_mm256_hadd_epi32(a, b));
    let cd = rounded(_mm256_hadd_epi32(c, d));
    let words = _mm256_packs_epi32(ab, cd);
    let bytes = _mm256_packus_epi16(words, words);
    // Red and green of the four; their blue and 0.
    let (red_green, blue) = (_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes));
    let four_each = _mm_unpacklo_epi16(red_green, blue);
    let three_each = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    _mm_shuffle_epi8(four_each, three_each)
}

/// A block of a row from the rows that it is made of, each `stride` bytes after the other.
#[inline]
#[target_feature(enable = "avx2")]
fn along_columns(narrow: &[u8], stride: usize, weights: &[Parts<2>]) -> __m256i {
    let nothing = _mm256_setzero_si256();
    let (mut high, mut low) = ([nothing; 4], [nothing; 4]);
    for (rows, weights) in narrow.windows(stride + BLOCK).step_by(2 * stride).zip(weights) {
        let (upper, lower) = (load32(rows), load32(&rows[stride..]));
        let (first, second) = (_mm256_unpacklo_epi8(upper, lower), _mm256_unpackhi_epi8(upper, lower));
        let pairs = [
            _mm256_unpacklo_epi8(first, nothing),
            _mm256_unpackhi_epi8(first, nothing),
            _mm256_unpacklo_epi8(second, nothing),
            _mm256_unpackhi_epi8(second, nothing),
        ];
        let (more, less) = (pair(weights.high), pair(weights.low));
        for i in 0..4 {
            high[i] = _mm256_add_epi32(high[i], _mm256_madd_epi16(pairs[i], more));
            low[i] = _mm256_add_epi32(low[i], _mm256_madd_epi16(pairs[i], less));
        }
    }
    let sum = |i: usize| rounded(joined(high[i], low[i]));
    let (first, second) = (_mm256_packs_epi32(sum(0), sum(1)), _mm256_packs_epi32(sum(2), sum(3)));
    _mm256_packus_epi16(first, second)
}

/// The sum of the products from those of the weights' parts.
#[inline]
#[target_feature(enable = "avx2")]
fn joined(high: __m256i, low: __m256i) -> __m256i {
    _mm256_add_epi32(_mm256_slli_epi32::<LOW>(high), low)
}

/// Sums as whole levels, which the next packing brings to a byte's range.
#[inline]
#[target_feature(enable = "avx2")]
fn rounded(sums: __m256i) -> __m256i {
    let half = _mm256_set1_epi32(1 << (FRACTION - 1));
    _mm256_srai_epi32::<{ FRACTION as i32 }>(_mm256_add_epi32(sums, half))
}

/// Four numbers, four times.
#[inline]
#[target_feature(enable = "avx2")]
fn repeated(four: [i16; 4]) -> __m256i {
    let [a, b, c, d] = four.map(|number| u64::from(number as u16));
    _mm256_set1_epi64x((a | b << 16 | c << 32 | d << 48) as i64)
}

/// Two numbers, eight times.
#[inline]
#[target_feature(enable = "avx2")]
fn pair(two: [i16; 2]) -> __m256i {
    let [a, b] = two.map(|number| u32::from(number as u16));
    _mm256_set1_epi32((a | b << 16) as i32)
}

#[inline]
#[target_feature(enable = "avx2")]
fn load16(bytes: &[u8]) -> __m128i {
    let bytes: &[u8; 16] = bytes.first_chunk().expect("a vector");
    // SAFETY: reads the 16 bytes of the array, wherever it lies.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load32(bytes: &[u8]) -> __m256i {
    let bytes: &[u8; 32] = bytes.first_chunk().expect("a vector");
    // SAFETY: reads the 32 bytes of the array, wherever it lies.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store16(vector: __m128i, out: &mut [u8]) {
    let out: &mut [u8; 16] = out.first_chunk_mut().expect("a vector");
    // SAFETY: writes the 16 bytes of the array, wherever it lies.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), vector) };
}

#[inline]
#[target_feature(enable = "avx2")]
fn store32(vector: __m256i, out: &mut [u8; 32]) {
    // SAFETY: writes the 32 bytes of the array, wherever it lies.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), vector) };
}
