//! Where a model computes: devices by name, threads, and the allocator's settings.

use burn::tensor::Device;
use igpt_contract::{StageContext, StageError};

use crate::error::ModelError;

/// A device and what its numbers are like.
#[derive(Debug, Clone)]
pub struct PickedDevice {
    /// The device, without automatic differentiation (`device.clone().autodiff()` adds it).
    pub device: Device,
    /// The numerics class, part of the key of every stage whose numbers depend on the device:
    /// results are byte-equal only within a class. `flex-f32`, `tch-cpu-f32`, `tch-cuda-f32`.
    pub class: &'static str,
}

/// The device of that name: `auto` (the GPU where this build has one, else the processor), `cpu`,
/// and with the cargo feature `tch` also `tch-cpu`, `cuda`, `cuda:1`.
///
/// # Errors
/// [`ModelError::Device`] for names that are unknown or not in this build.
pub fn pick_device(name: &str) -> Result<PickedDevice, ModelError> {
    match name {
        "cpu" => Ok(flex()),
        "auto" => Ok(accelerator(0).unwrap_or_else(flex)),
        "tch-cpu" => torch_cpu().ok_or_else(|| not_built(name)),
        _ => match cuda_index(name) {
            Some(index) => accelerator(index).ok_or_else(|| not_built(name)),
            None => Err(ModelError::Device {
                name: name.to_owned(),
                what: "unknown, expected `auto`, `cpu`, `tch-cpu`, `cuda` or `cuda:N`".to_owned(),
            }),
        },
    }
}

fn flex() -> PickedDevice {
    PickedDevice { device: Device::flex(), class: "flex-f32" }
}

/// The index in `cuda` or `cuda:N`.
fn cuda_index(name: &str) -> Option<usize> {
    match name.strip_prefix("cuda")? {
        "" => Some(0),
        rest => rest.strip_prefix(':')?.parse().ok(),
    }
}

fn not_built(name: &str) -> ModelError {
    let what = if cfg!(feature = "tch") {
        "libtorch finds no such GPU on this machine"
    } else {
        "not in this build; build with `--features tch` and libtorch (see the README)"
    };
    ModelError::Device { name: name.to_owned(), what: what.to_owned() }
}

#[cfg(feature = "tch")]
#[expect(deprecated, reason = "burn 0.22 is the last version with libtorch, which it deprecates")]
fn accelerator(index: usize) -> Option<PickedDevice> {
    let found = tch::Cuda::is_available() && (index as i64) < tch::Cuda::device_count();
    found.then(|| PickedDevice { device: Device::libtorch_cuda(index), class: "tch-cuda-f32" })
}

#[cfg(feature = "tch")]
#[expect(deprecated, reason = "burn 0.22 is the last version with libtorch, which it deprecates")]
fn torch_cpu() -> Option<PickedDevice> {
    Some(PickedDevice { device: Device::libtorch(), class: "tch-cpu-f32" })
}

#[cfg(not(feature = "tch"))]
fn accelerator(_index: usize) -> Option<PickedDevice> {
    None
}

#[cfg(not(feature = "tch"))]
fn torch_cpu() -> Option<PickedDevice> {
    None
}

/// Makes a process ready to compute for a step: the allocator, its threads, its device. Call it
/// before the first tensor.
///
/// # Errors
/// Where this build cannot compute on the step's device.
pub fn prepare(cx: &StageContext) -> Result<PickedDevice, StageError> {
    prepare_with(cx, cx.threads())
}

/// [`prepare`] with fewer threads than the step has.
///
/// # Errors
/// Where this build cannot compute on the step's device.
pub fn prepare_with(cx: &StageContext, threads: usize) -> Result<PickedDevice, StageError> {
    tune_allocator();
    set_threads(threads);
    pick_device(cx.device()).map_err(|error| StageError::caused("the device cannot be used", error))
}

/// Sets the number of threads of the tensor operations (at least 1). The first call in a process
/// decides: rayon's pool is built once. Results do not depend on it.
pub fn set_threads(threads: usize) {
    // The only error is "already built", which is what a second call means.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build_global();
}

/// Has LibTorch compute on the processor with one thread. Other than those of [`set_threads`], results of
/// LibTorch depend on how many it has: its sums are split among them.
pub fn single_torch_thread() {
    #[cfg(feature = "tch")]
    tch::set_num_threads(1);
}

/// Keeps freed tensors in the heap. By default glibc maps every large block anew and gives it back
/// when freed, so that each step pays for zeroed pages: 40% of the processor time of a training
/// step. Call it once, before the first tensor. Does nothing outside glibc.
pub fn tune_allocator() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt only sets the allocator's own parameters and may be called at any time.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_picked_by_name() {
        assert_eq!(pick_device("cpu").unwrap().class, "flex-f32");
        assert!(pick_device("auto").is_ok());
        let error = pick_device("gpu").unwrap_err().to_string();
        assert!(error.contains("unknown, expected `auto`, `cpu`"), "{error}");
    }

    #[cfg(not(feature = "tch"))]
    #[test]
    fn a_device_that_is_not_in_the_build_says_so() {
        let error = pick_device("cuda:1").unwrap_err().to_string();
        assert!(error.contains("--features tch"), "{error}");
    }
}
