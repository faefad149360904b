//! Linear maps for few rows at a time, as decoding has them: the weights lie in the order in which
//! they are read, and every element of a result is one sum over the inputs in their order.
//!
//! So neither the number of rows, nor how they are divided, nor the width of the processor's
//! vectors moves a bit.

use std::ops::Range;

use crate::ops::kernel::{PANEL, Width, product};
use crate::ops::matmul::{Matrix, transpose};

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
                transpose(Matrix::new(&x[start * k..][..size * k], k), &mut turned[start * k..][..size * k]);
            }
            first += count * size;
        }
        let width = Width::of_processor();
        for (panel, first) in self.panels.chunks_exact(PANEL * k).zip((0..).step_by(PANEL)) {
            let columns = first..n.min(first + PANEL);
            let bias = self.bias[first..].first_chunk().expect("biases are padded");
            let block = Block { width, panel, bias, columns, n, add };
            for ((start, count), size) in blocks.into_iter().zip([8, 4, 2, 1]) {
                for row in (start..start + count * size).step_by(size) {
                    let (x, y) = (&turned[row * k..][..size * k], &mut y[row * n..][..size * n]);
                    match size {
                        8 => block.compute::<8>(x, y),
                        4 => block.compute::<4>(x, y),
                        2 => block.compute::<2>(x, y),
                        _ => block.compute::<1>(x, y),
                    }
                }
            }
        }
    }
}

/// A panel, and where its columns lie in the result.
struct Block<'a> {
    width: Width,
    panel: &'a [f32],
    bias: &'a [f32; PANEL],
    columns: Range<usize>,
    /// The length of a row of the result.
    n: usize,
    add: bool,
}

impl Block<'_> {
    /// The panel's columns of M rows `y`, from the turned rows `x`.
    fn compute<const M: usize>(&self, x: &[f32], y: &mut [f32]) {
        let mut sums = [*self.bias; M];
        product(self.width, x, self.panel, &mut sums);
        for (sums, y) in sums.iter().zip(y.chunks_exact_mut(self.n)) {
            for (y, sum) in y[self.columns.clone()].iter_mut().zip(sums) {
                *y = if self.add { *y + sum } else { *sum };
            }
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

    #[test]
    fn a_transposed_weight_is_the_same_map() {
        let (k, n) = (6, 40);
        let weight = noise("weight", k * n);
        let turned: Vec<f32> =
            (0..n).flat_map(|j| (0..k).map(move |i| (i, j))).map(|(i, j)| weight[i * n + j]).collect();
        assert_eq!(Packed::new(&weight, k, None).panels, Packed::transposed(&turned, k).panels);
    }
}
