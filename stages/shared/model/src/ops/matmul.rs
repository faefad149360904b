//! Matrix products on slices: a checked front of the `gemm` crate, on the calling thread.

/// A matrix in a slice, with the distances between its rows and between its columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// The matrix of rows of `cols` elements, one after the other.
    pub(super) fn new(data: &'a [f32], cols: usize) -> Self {
        Self::strided(data, data.len() / cols.max(1), cols, cols)
    }

    /// `rows` rows of `cols` elements, `row_stride` apart.
    pub(super) fn strided(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        let matrix = Self { data, rows, cols, row_stride, col_stride: 1 };
        assert!(matrix.end() <= data.len(), "{rows}x{cols} matrix in {} floats", data.len());
        matrix
    }

    /// The transpose, without moving anything.
    pub(super) fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    /// Columns `from` up to `to`.
    pub(super) fn columns(self, from: usize, to: usize) -> Self {
        assert!(from <= to && to <= self.cols, "columns {from}..{to} of {}", self.cols);
        Self { data: &self.data[from * self.col_stride..], cols: to - from, ..self }
    }

    /// One past the last element.
    fn end(&self) -> usize {
        if self.rows == 0 || self.cols == 0 {
            return 0;
        }
        (self.rows - 1) * self.row_stride + (self.cols - 1) * self.col_stride + 1
    }
}

/// Writes the transpose of `a`, row after row. A product with a transpose on its right orders it anew in
/// every call; where several calls use one, it is quicker to do that once.
pub(super) fn transpose(a: Matrix<'_>, out: &mut [f32]) {
    /// Rows whose columns are copied together: a cache line of the result.
    const TILE: usize = 16;
    assert_eq!(out.len(), a.rows * a.cols, "size of the transpose");
    assert_eq!(a.col_stride, 1, "a matrix that is no transpose itself");
    let row = |i: usize| &a.data[i * a.row_stride..][..a.cols];
    let whole = a.rows / TILE * TILE;
    for first in (0..whole).step_by(TILE) {
        let rows: [&[f32]; TILE] = std::array::from_fn(|i| row(first + i));
        for (col, out) in out.chunks_exact_mut(a.rows).enumerate() {
            for (out, row) in out[first..first + TILE].iter_mut().zip(rows) {
                *out = row[col];
            }
        }
    }
    for i in whole..a.rows {
        for (out, v) in out[i..].iter_mut().step_by(a.rows).zip(row(i)) {
            *out = *v;
        }
    }
}

/// c = a b, or c += a b where `accumulate`; c has `b.cols` columns, row after row.
pub(super) fn matmul(c: &mut [f32], a: Matrix<'_>, b: Matrix<'_>, accumulate: bool) {
    assert_eq!(c.len(), a.rows * b.cols, "size of the product");
    // SAFETY: `c` holds the product's rows, checked above.
    unsafe { matmul_strided(c.as_mut_ptr(), b.cols, a, b, accumulate) }
}

/// [`matmul`] into rows that are `row_stride` apart.
///
/// # Safety
/// `c` must be valid for writes of `a.rows` rows of `b.cols` elements that far apart, initialised where
/// `accumulate`, and
/// nobody else may touch these elements meanwhile.
pub(super) unsafe fn matmul_strided(
    c: *mut f32,
    row_stride: usize,
    a: Matrix<'_>,
    b: Matrix<'_>,
    accumulate: bool,
) {
    assert_eq!(a.cols, b.rows, "inner sizes of a product");
    assert!(a.end() <= a.data.len() && b.end() <= b.data.len());
    // SAFETY: `a` and `b` lie within their slices, checked above; `c` is the caller's promise.
    unsafe {
        gemm::gemm(
            a.rows,
            b.cols,
            a.cols,
            c,
            1,
            row_stride as isize,
            accumulate,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_transposes_and_accumulation() {
        let a = [1., 2., 3., 4., 5., 6.]; // 2x3
        let b = [1., 0., 0., 1., 1., 1.]; // 3x2
        let mut c = [0.0; 4];
        matmul(&mut c, Matrix::new(&a, 3), Matrix::new(&b, 2), false);
        assert_eq!(c, [4., 5., 10., 11.]);
        matmul(&mut c, Matrix::new(&b, 2).t(), Matrix::new(&a, 3).t(), true);
        assert_eq!(c, [8., 15., 15., 22.]);
    }

    #[test]
    fn transposes_of_any_size_and_of_some_columns() {
        let (rows, cols) = (37, 5);
        let a: Vec<f32> = (0..rows * cols).map(|i| i as f32).collect();
        let mut out = vec![0.0; rows * 3];
        transpose(Matrix::new(&a, cols).columns(1, 4), &mut out);
        for (i, found) in out.iter().enumerate() {
            assert_eq!(*found, ((i % rows) * cols + 1 + i / rows) as f32);
        }
    }

    #[test]
    #[should_panic(expected = "inner sizes")]
    fn sizes_are_checked() {
        matmul(&mut [0.0; 4], Matrix::new(&[0.0; 6], 3), Matrix::new(&[0.0; 4], 2), false);
    }
}
