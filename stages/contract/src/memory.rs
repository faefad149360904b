//! How much memory a step takes, as far as that is known before it runs.

use serde::Serialize;

/// What a process takes that computes nothing: program, libraries, threads.
const PROCESS: f64 = 64.0 * MIB;
/// The same of one that computes on a GPU: the libraries of CUDA are gigabytes, of which the kernels in use are loaded.
const PROCESS_WITH_GPU: u64 = 4096;

const MIB: f64 = 1024.0 * 1024.0;

/// About how much memory a step takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// In the machine's memory in any case, in MiB: the program, data, weights while they are loaded.
    pub host_mib: u64,
    /// Where the step computes, in MiB: on a GPU in the GPU's memory, else in the machine's.
    pub device_mib: u64,
    /// How many processes compute it, each with as much.
    pub processes: u64,
    /// What each of several processes sends the others in a step of training, and takes from them, in MiB.
    pub exchanged_mib: u64,
}

impl Memory {
    /// From what a step holds, in bytes: data and weights while they are loaded, and what it computes with. The
    /// process itself is added.
    pub fn of_bytes(host: f64, device: f64) -> Self {
        Self { host_mib: mib(PROCESS + host), device_mib: mib(device), processes: 1, exchanged_mib: 0 }
    }

    /// The same in each of several processes, which exchange so many bytes a step.
    #[must_use]
    pub fn in_processes(self, processes: usize, exchanged: f64) -> Self {
        Self { processes: processes as u64, exchanged_mib: mib(exchanged), ..self }
    }

    /// In the machine's memory, in MiB, for a step that computes on the processor or on a GPU.
    pub fn of_machine(self, on_gpu: bool) -> u64 {
        let each = self.host_mib.saturating_add(if on_gpu { PROCESS_WITH_GPU } else { self.device_mib });
        each.saturating_mul(self.processes)
    }
}

fn mib(bytes: f64) -> u64 {
    // The conversion saturates: a network of any size has a number.
    (bytes / MIB).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_takes_what_is_computed_with_off_the_machine() {
        let memory = Memory::of_bytes(36.0 * MIB, 50_000.0 * MIB);
        assert_eq!((memory.host_mib, memory.device_mib), (100, 50_000));
        assert_eq!((memory.of_machine(false), memory.of_machine(true)), (50_100, 4196));
        assert_eq!(memory.in_processes(4, MIB).of_machine(false), 200_400);
        assert_eq!(Memory::of_bytes(0.0, f64::INFINITY).of_machine(false), u64::MAX);
    }
}
