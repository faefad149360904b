//! A safe face for the matrix product: views with strides, checked before the kernel runs.

use gemm::Parallelism;

/// A matrix in somebody's memory.
#[derive(Clone, Copy)]
pub(crate) struct MatrixView<'a> {
    data: &'a [f64],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> MatrixView<'a> {
    /// `rows` rows of `columns` numbers, `stride` apart.
    ///
    /// # Panics
    /// If the rows do not fit into `data`.
    pub(crate) fn new(data: &'a [f64], rows: usize, columns: usize, stride: usize) -> Self {
        assert!(columns <= stride, "rows of {columns} numbers overlap at a stride of {stride}");
        assert!(rows == 0 || (rows - 1) * stride + columns <= data.len(), "the view leaves its memory");
        Self { data, rows, columns, row_stride: stride, column_stride: 1 }
    }

    /// The transposed matrix, in the same memory.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// `target = left * right`, or `target += left * right` where `accumulate`; `target` holds the
/// product's rows one after another. Runs on the calling thread, so the sums have one order.
///
/// # Panics
/// If the shapes do not fit.
pub(crate) fn matmul(target: &mut [f64], left: MatrixView<'_>, right: MatrixView<'_>, accumulate: bool) {
    assert_eq!(left.columns, right.rows, "the inner dimensions differ");
    assert_eq!(target.len(), left.rows * right.columns, "the target has another size");
    // SAFETY: `MatrixView::new` has checked that every element of both views lies in its slice, the
    // target's size was checked above, and a unique borrow cannot overlap the shared ones.
    unsafe {
        gemm::gemm(
            left.rows,
            right.columns,
            left.columns,
            target.as_mut_ptr(),
            1,
            right.columns as isize,
            accumulate,
            left.data.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.data.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_of_transposed_views_is_that_of_paper() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut gram = vec![1.0; 9];
        let view = MatrixView::new(&a, 2, 3, 3);
        matmul(&mut gram, view.transposed(), view, false);
        assert_eq!(gram, [17.0, 22.0, 27.0, 22.0, 29.0, 36.0, 27.0, 36.0, 45.0]);
        matmul(&mut gram, view.transposed(), view, true);
        assert_eq!(gram[0], 34.0);
    }
}
