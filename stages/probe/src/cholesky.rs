//! The Cholesky factor of a symmetric positive definite matrix, and solving with it.

/// A lower triangular `L` with `L L^T = A`.
pub(crate) struct Cholesky {
    side: usize,
    /// Rows of `L`; what is above the diagonal is never read.
    rows: Vec<f64>,
}

impl Cholesky {
    /// Factors the matrix whose lower triangle is given, row after row. `None` where it is not
    /// positive definite to working precision.
    pub(crate) fn factor(mut rows: Vec<f64>, side: usize) -> Option<Self> {
        for i in 0..side {
            let (above, row) = rows.split_at_mut(i * side);
            for j in 0..i {
                let earlier = &above[j * side..=j * side + j];
                row[j] = (row[j] - dot(&row[..j], &earlier[..j])) / earlier[j];
            }
            let pivot = row[i] - dot(&row[..i], &row[..i]);
            if pivot.is_nan() || pivot <= row[i].abs() * 1e-14 {
                return None;
            }
            row[i] = pivot.sqrt();
        }
        Some(Self { side, rows })
    }

    /// Replaces `b` by `A^-1 b`.
    pub(crate) fn solve(&self, b: &mut [f64]) {
        let row = |i: usize| &self.rows[i * self.side..=i * self.side + i];
        for i in 0..self.side {
            let (known, rest) = b.split_at_mut(i);
            rest[0] = (rest[0] - dot(&row(i)[..i], known)) / row(i)[i];
        }
        for i in (0..self.side).rev() {
            let (rest, known) = b.split_at_mut(i);
            known[0] /= row(i)[i];
            for (b, l) in rest.iter_mut().zip(row(i)) {
                *b -= l * known[0];
            }
        }
    }
}

/// The inner product, in eight running sums, so that the compiler may use wide registers.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (wide_a, rest_a) = a.as_chunks::<8>();
    let (wide_b, rest_b) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in wide_a.iter().zip(wide_b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solving_undoes_the_product() {
        let side = 21;
        let at = |i: usize, j: usize| if i == j { 30.0 + i as f64 } else { ((i * j) % 7) as f64 - 3.0 };
        let matrix: Vec<f64> = (0..side * side).map(|e| at(e / side, e % side)).collect();
        let x: Vec<f64> = (0..side).map(|i| i as f64 - 8.0).collect();
        let mut b: Vec<f64> = matrix.chunks(side).map(|row| dot(row, &x)).collect();
        Cholesky::factor(matrix, side).unwrap().solve(&mut b);
        assert!(b.iter().zip(&x).all(|(b, x)| (b - x).abs() < 1e-12));
    }

    #[test]
    fn an_indefinite_matrix_has_no_factor() {
        assert!(Cholesky::factor(vec![1.0, 0.0, 2.0, 1.0], 2).is_none());
        assert!(Cholesky::factor(vec![f64::NAN], 1).is_none());
    }
}
