//! The operations of aten that tch has no name for.

use std::ffi::c_char;
use std::ptr;

use tch::Tensor;
use torch_sys::C_tensor;

use crate::adam::AdamRule;
use crate::text::error_text;

unsafe extern "C" {
    fn igpt_aten_gradients(
        result: *const C_tensor,
        slope: *const C_tensor,
        operands: *const *const C_tensor,
        n: usize,
        found: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn igpt_aten_adam(
        values: *const *const C_tensor,
        gradients: *const *const C_tensor,
        means: *const *const C_tensor,
        squares: *const *const C_tensor,
        n: usize,
        step: f64,
        rate: f64,
        beta1: f64,
        beta2: f64,
        decay: f64,
        epsilon: f64,
    ) -> *mut c_char;
}

/// Panics with LibTorch's message, as tch's own operations do.
fn check(error: *mut c_char) {
    if let Some(text) = error_text(error) {
        panic!("LibTorch: {text}");
    }
}

/// The gradients of `operands` from `slope`, that of `result`, which was computed from them.
///
/// Frees what the tape kept: a result has its gradients once.
///
/// # Panics
/// If an operand has no part in the result, or LibTorch fails (out of memory, say).
pub fn gradients(result: &Tensor, slope: &Tensor, operands: &[&Tensor]) -> Vec<Tensor> {
    let inputs: Vec<_> = operands.iter().map(|operand| operand.as_ptr()).collect();
    let mut found = vec![ptr::null_mut(); operands.len()];
    // SAFETY: all point to live tensors, and both arrays have the given number of elements.
    check(unsafe {
        igpt_aten_gradients(
            result.as_ptr(),
            slope.as_ptr(),
            inputs.as_ptr(),
            inputs.len(),
            found.as_mut_ptr(),
        )
    });
    // SAFETY: each is a tensor that the call above allocated for us.
    found.into_iter().map(|tensor| unsafe { Tensor::from_ptr(tensor) }).collect()
}

/// A parameter, its gradient, and the running means of the gradient and of its square.
#[derive(Debug)]
pub struct AdamTensors {
    /// Changed in place.
    pub value: Tensor,
    /// Read.
    pub gradient: Tensor,
    /// Changed in place.
    pub mean: Tensor,
    /// Changed in place.
    pub square: Tensor,
}

/// Updates parameters and their means in place, in one pass over all of them.
///
/// # Panics
/// If shapes or types differ.
pub fn adam(all: &[AdamTensors], rule: AdamRule) {
    let AdamRule { step, learning_rate, beta1, beta2, epsilon, weight_decay } = rule;
    let of = |part: fn(&AdamTensors) -> &Tensor| all.iter().map(|one| part(one).as_ptr()).collect::<Vec<_>>();
    let (values, gradients) = (of(|one| &one.value), of(|one| &one.gradient));
    let (means, squares) = (of(|one| &one.mean), of(|one| &one.square));
    // SAFETY: all point to live tensors, and the arrays have the given number of elements.
    check(unsafe {
        igpt_aten_adam(
            values.as_ptr(),
            gradients.as_ptr(),
            means.as_ptr(),
            squares.as_ptr(),
            all.len(),
            step as f64,
            learning_rate,
            beta1,
            beta2,
            weight_decay,
            epsilon,
        )
    });
}
