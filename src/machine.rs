//! What this machine has, for the run's default budget.

use crate::schedule::Budget;

/// Processors, memory (all but an eighth, at least 1 GiB) and GPUs of this machine. `jobs` replaces
/// the processor count; GPUs are those that `CUDA_VISIBLE_DEVICES` names, or the NVIDIA devices.
pub fn budget(jobs: Option<u32>, memory_mib: Option<u64>) -> Budget {
    let processors = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
    Budget {
        cpus: jobs.unwrap_or(processors).max(1),
        memory_mib: memory_mib.unwrap_or_else(|| (total_memory_mib() / 8 * 7).max(1024)),
        gpus: gpus(),
    }
}

/// The machine's memory in MiB; 4 GiB where it cannot be learnt.
fn total_memory_mib() -> u64 {
    // SAFETY: sysconf only reads.
    let (pages, size) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    match (u64::try_from(pages), u64::try_from(size)) {
        (Ok(pages), Ok(size)) if pages > 0 => (pages * size) >> 20,
        _ => 4096,
    }
}

fn gpus() -> u32 {
    if let Ok(visible) = std::env::var("CUDA_VISIBLE_DEVICES") {
        return visible.split(',').filter(|id| !id.trim().is_empty() && *id != "-1").count() as u32;
    }
    let is_gpu = |name: &str| {
        name.strip_prefix("nvidia").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let Ok(devices) = std::fs::read_dir("/dev") else { return 0 };
    devices.flatten().filter(|device| device.file_name().to_str().is_some_and(is_gpu)).count() as u32
}
