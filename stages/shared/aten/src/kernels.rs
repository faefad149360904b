//! The passes of `kernels.cu` over tensors on a CUDA device, compiled for their sizes when first used.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use cudarc::driver::sys::CUdevice_attribute;
use cudarc::driver::{CudaContext, CudaFunction, CudaStream, LaunchConfig, PushKernelArg as _};
use cudarc::nvrtc::{CompileOptions, Ptx, compile_ptx_with_opts};
use tch::{Device, Kind, Tensor};

/// Rows of a norm that one block works on, a warp each.
const ROWS: u32 = 8;
/// Threads of a block of the other passes.
const THREADS: u32 = 256;
/// Elements that a thread of those passes reads at a time.
const GROUP: i64 = 8;
/// The widest rows of a norm whose backward pass keeps a row in registers.
const WIDEST: i64 = 1536;

/// What lies between two linear maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// GELU by its approximation with tanh.
    GeluTanh,
    /// GELU by erf.
    GeluErf,
    /// x sigmoid(1.702 x).
    Quick,
}

/// Whether the kernels run where `x` is: on a GPU that converts bfloat16 (Ampere or later), with its
/// driver and the compiler of kernels (NVRTC, which PyTorch brings along).
fn run_on(x: &Tensor) -> bool {
    static KNOWN: LazyLock<Mutex<HashMap<usize, bool>>> = LazyLock::new(Mutex::default);
    let Device::Cuda(device) = x.device() else { return false };
    let mut known = KNOWN.lock().expect("no panic while asking");
    *known.entry(device).or_insert_with(|| {
        // SAFETY: both only look for libraries and open them.
        let libraries =
            unsafe { cudarc::driver::sys::is_culib_present() && cudarc::nvrtc::sys::is_culib_present() };
        let major = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR;
        libraries
            && CudaContext::new(device)
                .and_then(|context| context.attribute(major))
                .is_ok_and(|major| major >= 8)
    })
}

/// Whether the kernels can work on the rows of `x`, bfloat16 ones included.
pub fn take(x: &Tensor) -> bool {
    run_on(x) && columns(x) % GROUP == 0
}

/// Whether [`norm`] and its backward pass can.
pub fn take_norm(x: &Tensor) -> bool {
    take(x) && columns(x) <= WIDEST
}

/// What a kernel's source is compiled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Variant {
    Norm { width: i64, centred: bool },
    Activation(Activation),
    Any,
}

impl Variant {
    fn definitions(self) -> Vec<String> {
        match self {
            Self::Norm { width, centred } => {
                vec![format!("-DWIDTH={width}"), format!("-DCENTRED={}", u8::from(centred))]
            }
            Self::Activation(activation) => vec![format!("-DACTIVATION={}", activation as u8)],
            Self::Any => Vec::new(),
        }
    }
}

/// What a kernel was compiled for: the device's index, what the source was compiled with, the name.
type Use = (usize, Variant, &'static str);

/// A kernel that is ready to run on a device.
#[derive(Debug, Clone)]
struct Kernel {
    function: CudaFunction,
    stream: Arc<CudaStream>,
    /// The device's multiprocessors.
    processors: u32,
}

impl Kernel {
    /// The kernel of that name for the device of `near`, from a table of those that were needed so far.
    fn on(near: &Tensor, variant: Variant, name: &'static str) -> Self {
        static READY: LazyLock<Mutex<HashMap<Use, Kernel>>> = LazyLock::new(Mutex::default);
        let Device::Cuda(device) = near.device() else { panic!("the kernels are CUDA's") };
        let mut ready = READY.lock().expect("no panic while compiling");
        ready.entry((device, variant, name)).or_insert_with(|| Self::make(device, variant, name)).clone()
    }

    fn make(device: usize, variant: Variant, name: &str) -> Self {
        let context = CudaContext::new(device).expect("a tensor's device can be used");
        let module = context.load_module(compile(variant)).expect("the driver takes what its compiler made");
        let function = module.load_function(name).expect("the source has it");
        let processors = context
            .attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)
            .expect("every device says it");
        Self { function, stream: context.default_stream(), processors: processors as u32 }
    }

    /// Runs on LibTorch's stream, which is the default one, after what was asked of it before.
    fn run(&self, grid: (u32, u32), block: (u32, u32), args: &[Arg<'_>]) {
        let mut launch = self.stream.launch_builder(&self.function);
        for arg in args {
            match arg {
                Arg::At(address) => launch.arg(address),
                Arg::Count(n) => launch.arg(*n),
                Arg::Value(x) => launch.arg(*x),
            };
        }
        let config = LaunchConfig {
            grid_dim: (grid.0, grid.1, 1),
            block_dim: (block.0, block.1, 1),
            shared_mem_bytes: 0,
        };
        // SAFETY: the callers pass what the kernel takes: tensors of the given sizes.
        unsafe { launch.launch(config) }.expect("the kernel starts");
    }
}

/// An argument of a kernel.
#[derive(Debug, Clone, Copy)]
enum Arg<'a> {
    At(u64),
    Count(&'a i32),
    Value(&'a f32),
}

fn at(tensor: &Tensor) -> Arg<'static> {
    assert!(tensor.is_contiguous(), "kernels take tensors without gaps");
    Arg::At(tensor.data_ptr() as u64)
}

fn compile(variant: Variant) -> Ptx {
    // The least that `run_on` asks for; the driver makes the device's own code of it.
    let options = CompileOptions {
        arch: Some("compute_80"),
        options: variant.definitions(),
        name: Some("kernels.cu".to_owned()),
        ..CompileOptions::default()
    };
    compile_ptx_with_opts(include_str!("kernels.cu"), options).expect("the source compiles")
}

/// The length of a row.
fn columns(tensor: &Tensor) -> i64 {
    *tensor.size().last().expect("a vector or more")
}

/// Rows and columns of a tensor as a matrix of its last dimension.
fn matrix(tensor: &Tensor) -> (i32, i64) {
    let columns = columns(tensor);
    ((tensor.numel() as i64 / columns).try_into().expect("fewer than 2^31 rows"), columns)
}

fn empty(size: &[i64], kind: Kind, near: &Tensor) -> Tensor {
    Tensor::empty(size, (kind, near.device()))
}

/// A norm's result in bfloat16, with the mean and the scale of each row.
#[derive(Debug)]
pub struct Normed {
    /// As the operand, in bfloat16.
    pub y: Tensor,
    /// `[rows]`; zeros where the norm has no bias.
    pub means: Tensor,
    /// `[rows]`
    pub scales: Tensor,
}

/// Normalises the last dimension of `x`, float32: layer norm with a bias, without one
/// x / sqrt(mean(x^2) + eps) gain.
pub fn norm(x: &Tensor, gain: &Tensor, bias: Option<&Tensor>, eps: f64) -> Normed {
    let (rows, width) = matrix(x);
    let y = empty(&x.size(), Kind::BFloat16, x);
    let [means, scales] = [(); 2].map(|()| empty(&[rows.into()], Kind::Float, x));
    let kernel = Kernel::on(x, Variant::Norm { width, centred: bias.is_some() }, "norm_forward");
    let args = [
        at(x),
        at(gain),
        at(bias.unwrap_or(gain)),
        at(&y),
        at(&means),
        at(&scales),
        Arg::Count(&rows),
        Arg::Value(&(eps as f32)),
    ];
    kernel.run(((rows as u32).div_ceil(ROWS), 1), (32, ROWS), &args);
    Normed { y, means, scales }
}

/// The gradients of x, gain and, where it is centred, bias, float32, from that of the result, bfloat16;
/// that of x with what it is `so_far`, float32.
pub fn norm_backward(
    dy: &Tensor,
    (x, gain): (&Tensor, &Tensor),
    (means, scales): (&Tensor, &Tensor),
    so_far: Option<&Tensor>,
    centred: bool,
) -> (Tensor, Tensor, Option<Tensor>) {
    let (rows, width) = matrix(x);
    let kernel = Kernel::on(x, Variant::Norm { width, centred }, "norm_backward");
    let blocks = (2 * kernel.processors).min((rows as u32).div_ceil(ROWS));
    let dx = empty(&x.size(), Kind::Float, x);
    let [dgain, dbias] = [(); 2].map(|()| empty(&[blocks.into(), width], Kind::Float, x));
    let so_far = so_far.map_or(Arg::At(0), at);
    let given = [at(dy), at(x), at(gain), at(means), at(scales), so_far];
    let args = [&given[..], &[at(&dx), at(&dgain), at(&dbias), Arg::Count(&rows)]].concat();
    kernel.run((blocks, 1), (32, ROWS), &args);
    (dx, over_rows(&dgain), centred.then(|| over_rows(&dbias)))
}

/// The same gradient in bfloat16 from float32, and its sums over rows, float32.
pub fn halve_and_sum(dy: &Tensor) -> (Tensor, Tensor) {
    let half = empty(&dy.size(), Kind::BFloat16, dy);
    let sums = summed("halve_and_sum", Variant::Any, dy, &[at(dy), at(&half)]);
    (half, sums)
}

/// The sums over rows of a bfloat16 gradient, float32.
pub fn sum_rows(dy: &Tensor) -> Tensor {
    summed("sum_rows", Variant::Any, dy, &[at(dy)])
}

/// The gradient of an activation's input `x` from that of its output, both bfloat16, and its sums over
/// rows, float32.
pub fn activation_backward(dy: &Tensor, x: &Tensor, activation: Activation) -> (Tensor, Tensor) {
    let dx = empty(&dy.size(), Kind::BFloat16, dy);
    let args = [at(dy), at(x), at(&dx)];
    let sums = summed("activation_backward", Variant::Activation(activation), dy, &args);
    (dx, sums)
}

/// A float32 residual plus a bfloat16 branch.
pub fn add_residual(residual: &Tensor, y: &Tensor) -> Tensor {
    let out = empty(&residual.size(), Kind::Float, residual);
    let groups = i32::try_from(residual.numel() as i64 / GROUP).expect("fewer than 2^34 elements");
    let kernel = Kernel::on(residual, Variant::Any, "add_residual");
    let args = [at(residual), at(y), at(&out), Arg::Count(&groups)];
    kernel.run(((groups as u32).div_ceil(THREADS), 1), (THREADS, 1), &args);
    out
}

/// Runs a kernel that writes sums over the rows of `dy` in parts, and adds the parts up.
fn summed(name: &'static str, variant: Variant, dy: &Tensor, args: &[Arg<'_>]) -> Tensor {
    let (rows, columns) = matrix(dy);
    let groups = (columns / GROUP) as i32;
    let kernel = Kernel::on(dy, variant, name);
    let across = THREADS.min(groups as u32);
    let (down, tiles) = (THREADS / across, (groups as u32).div_ceil(across));
    let blocks = (4 * kernel.processors).div_ceil(tiles).min((rows as u32).div_ceil(down));
    let sums = empty(&[(blocks * down).into(), columns], Kind::Float, dy);
    let sizes = [at(&sums), Arg::Count(&rows), Arg::Count(&groups)];
    let args: Vec<Arg<'_>> = args.iter().chain(&sizes).copied().collect();
    kernel.run((blocks, tiles), (across, down), &args);
    over_rows(&sums)
}

fn over_rows(parts: &Tensor) -> Tensor {
    parts.sum_dim_intlist(0_i64, false, Kind::Float)
}
