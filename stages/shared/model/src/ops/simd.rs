//! Vector arithmetic for the fused operations: loops that the compiler turns into the widest
//! instructions of the processor, chosen at run time.
//!
//! Every sum runs in `LANES` fixed lanes and every multiply-add is explicit, so a processor with
//! wider vectors computes the same bits faster.

/// Declares a function whose body is compiled for AVX-512, for AVX2 with FMA, and for the target's
/// baseline, and picks among them by what the processor has.
macro_rules! vectorised {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            fn body($($arg: $type),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                fn avx512($($arg: $type),*) $(-> $ret)? { body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $type),*) $(-> $ret)? { body($($arg),*) }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    if is_x86_feature_detected!("avx512f")
                        && is_x86_feature_detected!("avx512vl")
                        && is_x86_feature_detected!("avx512dq")
                        && is_x86_feature_detected!("avx512bw")
                    {
                        // SAFETY: the processor has the features, as just detected.
                        return unsafe { avx512($($arg),*) };
                    }
                    // SAFETY: the processor has the features, as just detected.
                    return unsafe { avx2($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}
pub(super) use vectorised;

/// Partial sums of a reduction: one AVX-512 or two AVX2 registers of f32.
const LANES: usize = 16;

/// The sum of the elements.
#[inline(always)]
pub(super) fn sum(x: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] += chunk[i];
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

/// The inner product of two slices of one length.
#[inline(always)]
pub(super) fn dot(x: &[f32], y: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (xs, x_rest) = x.as_chunks::<LANES>();
    let (ys, y_rest) = y.as_chunks::<LANES>();
    for (x, y) in xs.iter().zip(ys) {
        for i in 0..LANES {
            lanes[i] = x[i].mul_add(y[i], lanes[i]);
        }
    }
    let rest = x_rest.iter().zip(y_rest).fold(0.0, |sum, (x, y)| x.mul_add(*y, sum));
    lanes.iter().sum::<f32>() + rest
}

/// The largest element; minus infinity for none.
#[inline(always)]
pub(super) fn max(x: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] = if chunk[i] > lanes[i] { chunk[i] } else { lanes[i] };
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |max, v| max.max(*v))
}

/// e^x with a relative error of about 1e-7 and no branch; not-a-number stays one. Below -50 the
/// result is 0, above 50 it is e^50: probabilities and sigmoids that far out differ from 0 and 1 by
/// less than f32's rounding. Kept, they would make every later product denormal, which processors
/// multiply some hundred times slower.
///
/// Range reduction to |r| <= ln(2)/2 with ln 2 in two parts, then the polynomial of Cephes' `expf`.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const FAR: f32 = 50.0;
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer
    // Written so that not-a-number passes through, unlike `clamp` by min and max.
    let vanishes = x < -FAR;
    let x = if vanishes { -FAR } else { x };
    let x = if x > FAR { FAR } else { x };
    let rounded = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let k = rounded - ROUND;
    let r = k.mul_add(-0.693_359_4, x);
    let r = k.mul_add(2.121_944_4e-4, r);
    let p = 1.987_569_1e-4f32;
    let p = p.mul_add(r, 1.398_199_9e-3);
    let p = p.mul_add(r, 8.333_452e-3);
    let p = p.mul_add(r, 4.166_579_6e-2);
    let p = p.mul_add(r, 1.666_666_6e-1);
    let p = p.mul_add(r, 0.5);
    let p = p.mul_add(r * r, r) + 1.0;
    // The sum's bits are ROUND's plus k. (`k as i32` would be computed one element at a time: that cast
    // saturates.) Not-a-number stays in p, whatever these bits are.
    let power = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    let power = f32::from_bits(if vanishes { 0 } else { power });
    p * power
}

/// y += x, element by element.
#[inline(always)]
pub(super) fn add_to(y: &mut [f32], x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += x;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    vectorised! {
        fn exp_all(x: &mut [f32]) {
            for v in x {
                *v = exp(*v);
            }
        }
    }

    #[test]
    fn exp_is_accurate_over_its_range_and_passes_not_a_number() {
        let x: Vec<f32> = (-5000..5000).map(|i| i as f32 / 100.0).collect();
        let mut y = x.clone();
        exp_all(&mut y);
        for (x, y) in x.iter().zip(y) {
            let expected = f64::from(*x).exp();
            assert!((f64::from(y) / expected - 1.0).abs() < 3e-7, "exp({x}) = {y}");
        }
        let mut odd = [f32::NAN, f32::NEG_INFINITY, -1e9, -50.01, f32::INFINITY];
        exp_all(&mut odd);
        assert!(odd[0].is_nan());
        assert_eq!(odd[1..4], [0.0; 3]);
        assert!((odd[4] / 5.184_705_5e21 - 1.0).abs() < 3e-7); // e^50
    }

    #[test]
    fn reductions_handle_every_length() {
        for n in 0..40 {
            let x: Vec<f32> = (0..n).map(|i| i as f32 - 7.0).collect();
            assert_eq!(sum(&x), x.iter().sum::<f32>());
            assert_eq!(dot(&x, &x), x.iter().map(|v| v * v).sum::<f32>());
            assert_eq!(max(&x), x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
