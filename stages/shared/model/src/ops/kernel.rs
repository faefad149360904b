//! The two inner loops of decoding, with the processor's vectors named: compilers do not find them.
//!
//! Every element of a result is one chain of multiply-adds in the order of the inputs, so the three
//! implementations (16, 8 and 1 floats wide) agree to the bit.

/// Columns of a panel: two registers of 16 floats.
pub(super) const PANEL: usize = 32;
/// Chains over rows that [`weighted`] keeps apart.
pub(super) const CHAINS: usize = 4;

/// Which vectors the processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// AVX-512: 32 registers of 16.
    Wide,
    /// AVX2 with FMA: 16 registers of 8.
    Narrow,
    /// Whatever the compiler makes of it.
    Plain,
}

impl Width {
    /// The widest that the processor has.
    pub(super) fn of_processor() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self::Wide;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self::Narrow;
            }
        }
        Self::Plain
    }
}

/// `sums[m][j] += x[k][m] panel[k][j]` over k: `x` `[K,M]`, `panel` `[K,32]`. The width must be the
/// processor's or narrower.
#[inline]
pub(super) fn product<const M: usize>(width: Width, x: &[f32], panel: &[f32], sums: &mut [[f32; PANEL]; M]) {
    assert_eq!(x.len() * PANEL, panel.len() * M, "as many rows in both");
    match width {
        // SAFETY: the processor has the vectors, and the rows of both are there, checked above.
        #[cfg(target_arch = "x86_64")]
        Width::Wide => unsafe { x86::product_wide(x, panel, sums) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Width::Narrow => unsafe {
            match M {
                8 => x86::product_narrow::<M, 1>(x, panel, sums),
                4 => x86::product_narrow::<M, 2>(x, panel, sums),
                _ => x86::product_narrow::<M, 4>(x, panel, sums),
            }
        },
        _ => {
            for (x, w) in x.as_chunks::<M>().0.iter().zip(panel.as_chunks::<PANEL>().0) {
                for (x, sums) in x.iter().zip(sums.iter_mut()) {
                    for (sum, w) in sums.iter_mut().zip(w) {
                        *sum = x.mul_add(*w, *sum);
                    }
                }
            }
        }
    }
}

/// `sums[k mod 4][j] += weights[k] rows[k stride + j]` over k, for 16 W columns j.
#[inline]
pub(super) fn weighted<const W: usize, const C: usize>(
    width: Width,
    weights: &[f32],
    rows: &[f32],
    stride: usize,
    sums: &mut [[[f32; 16]; W]; C],
) {
    let last = weights.len().saturating_sub(1);
    assert!(weights.len().is_multiple_of(C), "whole groups of rows");
    assert!(weights.is_empty() || rows.len() >= last * stride + 16 * W, "as many rows as weights");
    match width {
        // SAFETY: the processor has the vectors, and every row is there, checked above.
        #[cfg(target_arch = "x86_64")]
        Width::Wide => unsafe { x86::weighted_wide(weights, rows, stride, sums) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Width::Narrow => unsafe { x86::weighted_narrow(weights, rows, stride, sums) },
        _ => {
            for (k, weight) in weights.iter().enumerate() {
                let row = rows[k * stride..].as_chunks::<16>().0;
                for (sums, row) in sums[k % C].iter_mut().zip(row) {
                    for (sum, v) in sums.iter_mut().zip(row) {
                        *sum = weight.mul_add(*v, *sum);
                    }
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::PANEL;
    use std::arch::x86_64::{
        _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
        _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
    };

    /// # Safety
    /// `x` has M floats for each 32 of `panel`.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn product_wide<const M: usize>(
        x: &[f32],
        panel: &[f32],
        sums: &mut [[f32; PANEL]; M],
    ) {
        let mut held = [[_mm512_setzero_ps(); 2]; M];
        // SAFETY: all offsets lie within a row of 32 or, by the caller's promise, within `x`.
        unsafe {
            for (held, sums) in held.iter_mut().zip(sums.iter()) {
                *held = [_mm512_loadu_ps(sums.as_ptr()), _mm512_loadu_ps(sums.as_ptr().add(16))];
            }
            for k in 0..panel.len() / PANEL {
                let w = panel.as_ptr().add(k * PANEL);
                let (low, high) = (_mm512_loadu_ps(w), _mm512_loadu_ps(w.add(16)));
                for (m, held) in held.iter_mut().enumerate() {
                    let x = _mm512_set1_ps(*x.as_ptr().add(k * M + m));
                    *held = [_mm512_fmadd_ps(x, low, held[0]), _mm512_fmadd_ps(x, high, held[1])];
                }
            }
            for (held, sums) in held.iter().zip(sums.iter_mut()) {
                _mm512_storeu_ps(sums.as_mut_ptr(), held[0]);
                _mm512_storeu_ps(sums.as_mut_ptr().add(16), held[1]);
            }
        }
    }

    /// N registers of each row at a time, from the left.
    ///
    /// # Safety
    /// `x` has M floats for each 32 of `panel`; N is 1, 2 or 4.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn product_narrow<const M: usize, const N: usize>(
        x: &[f32],
        panel: &[f32],
        sums: &mut [[f32; PANEL]; M],
    ) {
        for first in (0..PANEL).step_by(8 * N) {
            let mut held = [[_mm256_setzero_ps(); N]; M];
            // SAFETY: as above.
            unsafe {
                for (held, sums) in held.iter_mut().zip(sums.iter()) {
                    for (n, held) in held.iter_mut().enumerate() {
                        *held = _mm256_loadu_ps(sums.as_ptr().add(first + 8 * n));
                    }
                }
                for k in 0..panel.len() / PANEL {
                    let w = panel.as_ptr().add(k * PANEL + first);
                    let mut row = [_mm256_setzero_ps(); N];
                    for (n, row) in row.iter_mut().enumerate() {
                        *row = _mm256_loadu_ps(w.add(8 * n));
                    }
                    for (m, held) in held.iter_mut().enumerate() {
                        let x = _mm256_set1_ps(*x.as_ptr().add(k * M + m));
                        for (held, row) in held.iter_mut().zip(row) {
                            *held = _mm256_fmadd_ps(x, row, *held);
                        }
                    }
                }
                for (held, sums) in held.iter().zip(sums.iter_mut()) {
                    for (n, held) in held.iter().enumerate() {
                        _mm256_storeu_ps(sums.as_mut_ptr().add(first + 8 * n), *held);
                    }
                }
            }
        }
    }

    /// # Safety
    /// There is a row of 16 W floats in `rows` for each weight, `stride` apart, and their number is
    /// a multiple of C.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn weighted_wide<const W: usize, const C: usize>(
        weights: &[f32],
        rows: &[f32],
        stride: usize,
        sums: &mut [[[f32; 16]; W]; C],
    ) {
        let mut held = [[_mm512_setzero_ps(); W]; C];
        // SAFETY: all rows are there, by the caller's promise.
        unsafe {
            for (held, sums) in held.iter_mut().flatten().zip(sums.iter().flatten()) {
                *held = _mm512_loadu_ps(sums.as_ptr());
            }
            for group in (0..weights.len()).step_by(C) {
                for (chain, held) in held.iter_mut().enumerate() {
                    let k = group + chain;
                    let weight = _mm512_set1_ps(*weights.as_ptr().add(k));
                    let row = rows.as_ptr().add(k * stride);
                    for (w, held) in held.iter_mut().enumerate() {
                        *held = _mm512_fmadd_ps(weight, _mm512_loadu_ps(row.add(16 * w)), *held);
                    }
                }
            }
            for (held, sums) in held.iter().flatten().zip(sums.iter_mut().flatten()) {
                _mm512_storeu_ps(sums.as_mut_ptr(), *held);
            }
        }
    }

    /// # Safety
    /// As for [`weighted_wide`].
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn weighted_narrow<const W: usize, const C: usize>(
        weights: &[f32],
        rows: &[f32],
        stride: usize,
        sums: &mut [[[f32; 16]; W]; C],
    ) {
        let mut held = [[[_mm256_setzero_ps(); 2]; W]; C];
        // SAFETY: all rows are there, by the caller's promise.
        unsafe {
            for (held, sums) in held.iter_mut().flatten().zip(sums.iter().flatten()) {
                *held = [_mm256_loadu_ps(sums.as_ptr()), _mm256_loadu_ps(sums.as_ptr().add(8))];
            }
            for group in (0..weights.len()).step_by(C) {
                for (chain, held) in held.iter_mut().enumerate() {
                    let k = group + chain;
                    let weight = _mm256_set1_ps(*weights.as_ptr().add(k));
                    let row = rows.as_ptr().add(k * stride);
                    for (w, held) in held.iter_mut().enumerate() {
                        let row = row.add(16 * w);
                        *held = [
                            _mm256_fmadd_ps(weight, _mm256_loadu_ps(row), held[0]),
                            _mm256_fmadd_ps(weight, _mm256_loadu_ps(row.add(8)), held[1]),
                        ];
                    }
                }
            }
            for (held, sums) in held.iter().flatten().zip(sums.iter_mut().flatten()) {
                _mm256_storeu_ps(sums.as_mut_ptr(), held[0]);
                _mm256_storeu_ps(sums.as_mut_ptr().add(8), held[1]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every width that the processor has.
    fn widths() -> Vec<Width> {
        match Width::of_processor() {
            Width::Wide => vec![Width::Plain, Width::Narrow, Width::Wide],
            Width::Narrow => vec![Width::Plain, Width::Narrow],
            Width::Plain => vec![Width::Plain],
        }
    }

    fn noise(n: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * i + 7 * i) % 101) as f32 / 17.0 - 3.0).collect()
    }

    #[test]
    fn every_width_computes_the_same_bits() {
        fn products<const M: usize>(width: Width) -> [[f32; PANEL]; M] {
            let mut sums = [[0.25; PANEL]; M];
            product(width, &noise(37 * M), &noise(37 * PANEL), &mut sums);
            sums
        }
        fn weights<const W: usize, const C: usize>(width: Width) -> [[[f32; 16]; W]; C] {
            let mut sums = [[[0.5; 16]; W]; C];
            weighted(width, &noise(36), &noise(36 * 70), 70, &mut sums);
            sums
        }
        for width in widths() {
            assert_eq!(products::<8>(width), products::<8>(Width::Plain), "{width:?}");
            assert_eq!(products::<4>(width), products::<4>(Width::Plain), "{width:?}");
            assert_eq!(products::<1>(width), products::<1>(Width::Plain), "{width:?}");
            assert_eq!(weights::<4, 1>(width), weights::<4, 1>(Width::Plain), "{width:?}");
            assert_eq!(weights::<1, CHAINS>(width), weights::<1, CHAINS>(Width::Plain), "{width:?}");
        }
    }
}
