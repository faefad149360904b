//! Linear maps for few rows at a time, as decoding has them: the weights lie in the order in which
//! they are read, and every element of a result is one sum over the inputs in their order.
//!
//! So neither the number of rows, nor how they are divided, nor the width of the processor's
//! vectors moves a bit.

use crate::ops::simd::{has_wide_vectors, vectorised};

/// Columns of a panel: two AVX-512 registers.
const PANEL: usize = 32;

/// A weight matrix in panels of 32 columns: `[panels][inputs][32]`, the last filled up with zeros.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    panels: Vec<f32>,
    /// One for each padded column; zeros where the map has no bias.
    bias: Vec<f32>,
    inputs: usize,
    outputs: usize,
}

impl Packed {
    /// The map of a weight `[inputs, outputs]`.
    pub(crate) fn new(weight: &[f32], inputs: usize, bias: Option<&[f32]>) -> Self {
        let outputs = weight.len() / inputs;
        Self::from_fn(inputs, outputs, bias, |input, output| weight[input * outputs + output])
    }

    /// The map of a weight `[outputs, inputs]`, like that of heads.
    pub(crate) fn transposed(weight: &[f32], inputs: usize) -> Self {
        Self::from_fn(inputs, weight.len() / inputs, None, |input, output| weight[output * inputs + input])
    }

    fn from_fn(
        inputs: usize,
        outputs: usize,
        bias: Option<&[f32]>,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let columns = outputs.next_multiple_of(PANEL);
        let mut panels = Vec::with_capacity(columns * inputs);
        for first in (0..columns).step_by(PANEL) {
            for input in 0..inputs {
                let column = |output| if output < outputs { weight(input, output) } else { 0.0 };
                panels.extend((first..first + PANEL).map(column));
            }
        }
        let mut padded = bias.unwrap_or_default().to_vec();
        padded.resize(columns, 0.0);
        Self { panels, bias: padded, inputs, outputs }
    }

    /// y = x W + b, or y += x W + b where `add`, row by row; `turned` is room for as many floats as
    /// `x` has.
    pub(crate) fn apply(&self, x: &[f32], y: &mut [f32], add: bool, turned: &mut [f32]) {
        let (k, n) = (self.inputs, self.outputs);
        let rows = x.len() / k;
        assert!(x.len() == rows * k && y.len() == rows * n, "{rows} rows of {k} and {n}");
        let turned = &mut turned[..x.len()];
        let mut blocks = [(0, 0); 4];
        let mut first = 0;
        // As many blocks of eight rows as there are, then of four, two and one.
        for (block, size) in blocks.iter_mut().zip([8, 4, 2, 1]) {
            let count = (rows - first) / size;
            *block = (first, count);
            for start in (first..first + count * size).step_by(size) {
                turn(&x[start * k..][..size * k], size, &mut turned[start * k..][..size * k]);
            }
            first += count * size;
        }
        let wide = has_wide_vectors();
        for (panel, first) in self.panels.chunks_exact(PANEL * k).zip((0..).step_by(PANEL)) {
            let columns = PANEL.min(n - first);
            let bias = &self.bias[first..first + PANEL];
            for ((start, count), size) in blocks.into_iter().zip([8, 4, 2, 1]) {
                for row in (start..start + count * size).step_by(size) {
                    let x = &turned[row * k..][..size * k];
                    let y = &mut y[row * n + first..];
                    if wide {
                        wide_block(x, panel, bias, y, n, columns, size, add);
                    } else {
                        narrow_block(x, panel, bias, y, n, columns, size, add);
                    }
                }
            }
        }
    }
}

/// `rows` rows become `rows` columns.
fn turn(x: &[f32], rows: usize, turned: &mut [f32]) {
    let k = x.len() / rows;
    for (row, x) in x.chunks_exact(k).enumerate() {
        for (i, v) in x.iter().enumerate() {
            turned[i * rows + row] = *v;
        }
    }
}

/// M rows by N columns, from column `at` of the panel on: the sums stay in registers.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the kernel's operands, all of them slices and sizes")]
fn tile<const M: usize, const N: usize>(
    x: &[f32],
    panel: &[f32],
    bias: &[f32],
    y: &mut [f32],
    n: usize,
    columns: usize,
    at: usize,
    add: bool,
) {
    let mut sums = [[0f32; N]; M];
    for sums in &mut sums {
        sums.copy_from_slice(&bias[at..at + N]);
    }
    for (x, w) in x.as_chunks::<M>().0.iter().zip(panel.as_chunks::<PANEL>().0) {
        let w: &[f32] = &w[at..at + N];
        for m in 0..M {
            for j in 0..N {
                sums[m][j] = x[m].mul_add(w[j], sums[m][j]);
            }
        }
    }
    let width = columns.saturating_sub(at).min(N);
    for (m, sums) in sums.iter().enumerate() {
        let y = &mut y[(m * n + at).min(m * n + columns)..][..width];
        for (y, sum) in y.iter_mut().zip(sums) {
            *y = if add { *y + sum } else { *sum };
        }
    }
}

vectorised! {
    /// A block of rows by a panel where there are 32 registers of 16.
    #[expect(clippy::too_many_arguments, reason = "as above")]
    fn wide_block(
        x: &[f32], panel: &[f32], bias: &[f32], y: &mut [f32], n: usize, columns: usize, rows: usize, add: bool,
    ) {
        match rows {
            8 => tile::<8, 32>(x, panel, bias, y, n, columns, 0, add),
            4 => tile::<4, 32>(x, panel, bias, y, n, columns, 0, add),
            2 => tile::<2, 32>(x, panel, bias, y, n, columns, 0, add),
            _ => tile::<1, 32>(x, panel, bias, y, n, columns, 0, add),
        }
    }
}

vectorised! {
    /// A block of rows by a panel where there are 16 registers of 8.
    #[expect(clippy::too_many_arguments, reason = "as above")]
    fn narrow_block(
        x: &[f32], panel: &[f32], bias: &[f32], y: &mut [f32], n: usize, columns: usize, rows: usize, add: bool,
    ) {
        match rows {
            8 => {
                for at in [0, 8, 16, 24] {
                    tile::<8, 8>(x, panel, bias, y, n, columns, at, add);
                }
            }
            4 => {
                for at in [0, 16] {
                    tile::<4, 16>(x, panel, bias, y, n, columns, at, add);
                }
            }
            2 => tile::<2, 32>(x, panel, bias, y, n, columns, 0, add),
            _ => tile::<1, 32>(x, panel, bias, y, n, columns, 0, add),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use igpt_contract::stream;
    use rand::RngExt as _;

    fn noise(purpose: &str, n: usize) -> Vec<f32> {
        let mut stream = stream(1, purpose);
        (0..n).map(|_| stream.random_range(-1.0..1.0)).collect()
    }

    #[test]
    fn every_number_of_rows_and_columns_makes_the_same_sums() {
        for (k, n) in [(5, 7), (32, 32), (33, 65), (64, 96), (1, 1)] {
            let (weight, bias) = (noise("weight", k * n), noise("bias", n));
            let x = noise("x", 23 * k);
            let expected = |row: usize, column: usize| {
                let mut sum = bias[column];
                for i in 0..k {
                    sum = x[row * k + i].mul_add(weight[i * n + column], sum);
                }
                sum
            };
            let packed = Packed::new(&weight, k, Some(&bias));
            let mut turned = vec![0.0; x.len()];
            for rows in [1, 2, 3, 7, 8, 15, 16, 23] {
                let mut y = vec![0.5; rows * n];
                packed.apply(&x[..rows * k], &mut y, false, &mut turned);
                for (i, y) in y.iter().enumerate() {
                    assert_eq!(*y, expected(i / n, i % n), "{rows} rows, {k} to {n}, at {i}");
                }
                packed.apply(&x[..rows * k], &mut y, true, &mut turned);
                assert_eq!(y[n - 1], expected(0, n - 1) + expected(0, n - 1));
            }
        }
    }

    /// The two blocks differ in how they use registers and in nothing else.
    #[test]
    fn narrow_and_wide_blocks_agree_to_the_bit() {
        let (k, n) = (37, 45);
        let packed = Packed::new(&noise("weight", k * n), k, None);
        for rows in [1, 2, 4, 8] {
            let x = noise("x", rows * k);
            let (mut wide, mut narrow) = (vec![0.0; rows * n], vec![0.0; rows * n]);
            for (first, panel) in [0, PANEL].into_iter().zip(packed.panels.chunks_exact(PANEL * k)) {
                let columns = PANEL.min(n - first);
                let bias = &packed.bias[first..first + PANEL];
                wide_block(&x, panel, bias, &mut wide[first..], n, columns, rows, false);
                narrow_block(&x, panel, bias, &mut narrow[first..], n, columns, rows, false);
            }
            assert_eq!(wide, narrow);
        }
    }

    #[test]
    fn a_transposed_weight_is_the_same_map() {
        let (k, n) = (6, 40);
        let weight = noise("weight", k * n);
        let turned: Vec<f32> =
            (0..n).flat_map(|j| (0..k).map(move |i| (i, j))).map(|(i, j)| weight[i * n + j]).collect();
        assert_eq!(Packed::new(&weight, k, None).panels, Packed::transposed(&turned, k).panels);
    }
}
