//! Both norms over the rows of a matrix: layer norm (gain and bias) and the released code's, which
//! divides by the root mean square and has a gain only.

use crate::ops::NORM_EPS;
use crate::ops::parallel::{chunk_rows, chunks, fill, fill_and_sum, lane_rows};
use crate::ops::simd::{add_to, dot, sum, vectorised};

/// Puts the normalised row, before gain and bias, into `y` and returns the reciprocal deviation.
#[inline(always)]
fn normalise(x: &[f32], y: &mut [f32], centre: bool) -> f32 {
    let c = x.len() as f32;
    let mean = if centre { sum(x) / c } else { 0.0 };
    for (y, x) in y.iter_mut().zip(x) {
        *y = x - mean;
    }
    let scale = 1.0 / (dot(y, y) / c + NORM_EPS as f32).sqrt();
    for y in y {
        *y *= scale;
    }
    scale
}

vectorised! {
    /// The norm of each row of `x`, on the calling thread.
    pub(crate) fn forward_rows(x: &[f32], gain: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
        let c = gain.len();
        for (x, y) in x.chunks_exact(c).zip(y.chunks_exact_mut(c)) {
            normalise(x, y, bias.is_some());
            match bias {
                Some(bias) => {
                    for i in 0..c {
                        y[i] = y[i].mul_add(gain[i], bias[i]);
                    }
                }
                None => {
                    for i in 0..c {
                        y[i] *= gain[i];
                    }
                }
            }
        }
    }
}

vectorised! {
    /// With n the normalised row and g = dy gain: dx = (g - mean(g) - n mean(g n)) / deviation, the
    /// mean of g only where the row was centred; and what other readers of x gave so far.
    fn backward_rows(
        x: &[f32],
        gain: &[f32],
        dy: &[f32],
        so_far: Option<&[f32]>,
        dx: &mut [f32],
        sums: (&mut [f32], Option<&mut [f32]>),
        n: &mut [f32],
    ) {
        let c = gain.len();
        let (dgain, dbias) = sums;
        let centre = dbias.is_some();
        let mut none = [];
        let dbias = dbias.unwrap_or(&mut none);
        let rows = x.chunks_exact(c).zip(dy.chunks_exact(c)).zip(dx.chunks_exact_mut(c));
        for (row, ((x, dy), dx)) in rows.enumerate() {
            let scale = normalise(x, n, centre);
            for i in 0..c {
                dx[i] = dy[i] * gain[i];
                dgain[i] = dy[i].mul_add(n[i], dgain[i]);
            }
            for (dbias, dy) in dbias.iter_mut().zip(dy) {
                *dbias += dy;
            }
            let mean = if centre { sum(dx) / c as f32 } else { 0.0 };
            let along = dot(dx, n) / c as f32;
            for i in 0..c {
                dx[i] = (dx[i] - mean - n[i] * along) * scale;
            }
            if let Some(so_far) = so_far {
                add_to(dx, &so_far[row * c..][..c]);
            }
        }
    }
}

/// The norm of each row of `x`: layer norm with a bias, root-mean-square norm without.
pub(super) fn forward(x: &[f32], gain: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let chunk = chunk_rows(gain.len()) * gain.len();
    fill(x.len(), chunk, |i, y, _| {
        forward_rows(&x[i * chunk..][..y.len()], gain, bias, y);
    })
}

/// The gradients of x, gain and bias (empty unless wanted), from that of [`forward`]'s result; that of
/// x with what it is `so_far`.
pub(super) fn backward(
    x: &[f32],
    gain: &[f32],
    dy: &[f32],
    so_far: Option<&[f32]>,
    with_bias: bool,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let c = gain.len();
    let chunk = chunk_rows(c);
    let lane = lane_rows(x.len() / c, chunk, 2 * c);
    let sums = [c, if with_bias { c } else { 0 }];
    let (dx, [dgain, dbias]) = fill_and_sum(x.len(), lane * c, sums, |i, dx, [dgain, dbias], rooms| {
        dgain.fill(0.0);
        dbias.fill(0.0);
        let [n] = rooms.of([c]);
        for range in chunks(dx.len() / c, chunk) {
            let dx = &mut dx[range.start * c..range.end * c];
            let range = (i * lane + range.start) * c..(i * lane + range.end) * c;
            let dbias = with_bias.then_some(&mut dbias[..]);
            let (x, dy, so_far) = (&x[range.clone()], &dy[range.clone()], so_far.map(|all| &all[range]));
            backward_rows(x, gain, dy, so_far, dx, (dgain, dbias), n);
        }
    });
    (dx, dgain, dbias)
}
