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

    /// One past the last element.
    fn end(&self) -> usize {
        if self.rows == 0 || self.cols == 0 {
            return 0;
        }
        (self.rows - 1) * self.row_stride + (self.cols - 1) * self.col_stride + 1
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
    #[should_panic(expected = "inner sizes")]
    fn sizes_are_checked() {
        matmul(&mut [0.0; 4], Matrix::new(&[0.0; 6], 3), Matrix::new(&[0.0; 4], 2), false);
    }
}
