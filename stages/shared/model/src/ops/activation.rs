//! The MLP's three non-linearities and their slopes, on slices.
//!
//! Each has the form x g(x); its slope is g(x) + x g'(x). The two approximate GELUs are sigmoids:
//! (1 + tanh u) / 2 = sigmoid(2u).

use crate::config::Activation;
use crate::ops::simd::{exp, vectorised};

/// sqrt(2 / pi)
const SQRT_2_OVER_PI: f32 = 0.797_884_6;
/// The cubic term of GPT-2's GELU.
const CUBIC: f32 = 0.044_715;
/// The slope of the released code's GELU.
pub(super) const QUICK: f32 = 1.702;

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// g(x) and x g'(x) of the tanh approximation.
#[inline(always)]
fn gelu_tanh(x: f32) -> (f32, f32) {
    let square = x * x;
    let u2 = 2.0 * SQRT_2_OVER_PI * x * square.mul_add(CUBIC, 1.0);
    let slope = 2.0 * SQRT_2_OVER_PI * square.mul_add(3.0 * CUBIC, 1.0);
    let g = sigmoid(u2);
    (g, x * slope * g * (1.0 - g))
}

/// g(x) and x g'(x) of x sigmoid(1.702 x).
#[inline(always)]
fn quick_gelu(x: f32) -> (f32, f32) {
    let g = sigmoid(QUICK * x);
    (g, QUICK * x * g * (1.0 - g))
}

/// The normal distribution function at x, and x times its density. The error function is formula
/// 7.1.26 of Abramowitz and Stegun, to 1.5e-7.
#[inline(always)]
fn gelu_erf(x: f32) -> (f32, f32) {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let e = exp(-z * z);
    let t = 1.0 / z.mul_add(0.327_591_1, 1.0);
    let p = 1.061_405_4f32;
    let p = p.mul_add(t, -1.453_152_1);
    let p = p.mul_add(t, 1.421_413_8);
    let p = p.mul_add(t, -0.284_496_72);
    let p = p.mul_add(t, 0.254_829_6);
    // The upper tail 1 - Phi(|x|), which keeps its precision where Phi itself is close to 0.
    let tail = 0.5 * p * t * e;
    let g = if x < 0.0 { tail } else { 1.0 - tail };
    (g, x * e * (0.5 * SQRT_2_OVER_PI)) // 1 / sqrt(2 pi)
}

vectorised! {
    /// y = x g(x).
    pub(crate) fn forward(x: &[f32], y: &mut [f32], activation: Activation) {
        #[inline(always)]
        fn each(x: &[f32], y: &mut [f32], parts: impl Fn(f32) -> (f32, f32)) {
            for (y, x) in y.iter_mut().zip(x) {
                *y = x * parts(*x).0;
            }
        }
        match activation {
            Activation::GeluTanh => each(x, y, gelu_tanh),
            Activation::GeluErf => each(x, y, gelu_erf),
            Activation::QuickGelu => each(x, y, quick_gelu),
        }
    }
}

vectorised! {
    /// y = x g(x) once more, and d, the gradient with respect to y, becomes that with respect to x.
    pub(super) fn backward(x: &[f32], y: &mut [f32], d: &mut [f32], activation: Activation) {
        #[inline(always)]
        fn each(x: &[f32], y: &mut [f32], d: &mut [f32], parts: impl Fn(f32) -> (f32, f32)) {
            for ((d, y), x) in d.iter_mut().zip(y).zip(x) {
                let (g, xdg) = parts(*x);
                *y = x * g;
                *d *= g + xdg;
            }
        }
        match activation {
            Activation::GeluTanh => each(x, y, d, gelu_tanh),
            Activation::GeluErf => each(x, y, d, gelu_erf),
            Activation::QuickGelu => each(x, y, d, quick_gelu),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_those_of_the_values() {
        for activation in [Activation::GeluTanh, Activation::GeluErf, Activation::QuickGelu] {
            let x: Vec<f32> = (-80..=80).map(|i| i as f32 / 10.0).collect();
            let at = |h: f32| {
                let x: Vec<f32> = x.iter().map(|x| x + h).collect();
                let mut y = vec![0.0; x.len()];
                forward(&x, &mut y, activation);
                y
            };
            let (above, below) = (at(5e-3), at(-5e-3));
            let (mut y, mut d) = (vec![0.0; x.len()], vec![1.0; x.len()]);
            backward(&x, &mut y, &mut d, activation);
            assert_eq!(y, at(0.0));
            for i in 0..x.len() {
                let slope = (above[i] - below[i]) / 1e-2;
                assert!((slope - d[i]).abs() < 5e-4, "{activation:?} at {}: {slope} {}", x[i], d[i]);
            }
        }
    }
}
