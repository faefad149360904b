//! How much memory a step takes, as far as that is known before it runs.

use serde::Serialize;

/// What a process takes that computes nothing: program, libraries, threads.
const PROCESS: f64 = 64.0 * MIB;
/// The same of one that computes on a GPU, an allowance: CUDA's libraries are gigabytes, of which a part is loaded.
const PROCESS_WITH_GPU: f64 = 4096.0 * MIB;

const MIB: f64 = 1024.0 * 1024.0;

/// About how much memory a step takes, in MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Of the machine, where it computes on the processor.
    pub processor_mib: u64,
    /// Of the machine, where it computes on a GPU.
    pub beside_gpu_mib: u64,
    /// Of the GPU then.
    pub gpu_mib: u64,
    /// How many processes compute it, each with as much.
    pub processes: u64,
    /// What each of several processes sends the others in a step of training, and takes from them.
    pub exchanged_mib: u64,
}

impl Memory {
    /// From what a step holds, in bytes: on the processor, and with a GPU in the machine's memory and in the
    /// GPU's. The process itself is added.
    pub fn of_bytes(processor: f64, beside_gpu: f64, gpu: f64) -> Self {
        Self {
            processor_mib: mib(PROCESS + processor),
            beside_gpu_mib: mib(PROCESS_WITH_GPU + beside_gpu),
            gpu_mib: mib(gpu),
            processes: 1,
            exchanged_mib: 0,
        }
    }

    /// Of a step that computes on the processor, wherever the run does.
    pub fn of_processor(bytes: f64) -> Self {
        let processor_mib = mib(PROCESS + bytes);
        Self { processor_mib, beside_gpu_mib: processor_mib, gpu_mib: 0, processes: 1, exchanged_mib: 0 }
    }

    /// The same in each of several processes, which exchange so many bytes a step.
    #[must_use]
    pub fn in_processes(self, processes: usize, exchanged: f64) -> Self {
        Self { processes: processes as u64, exchanged_mib: mib(exchanged), ..self }
    }

    /// Of the machine, for a step that computes on the processor or on a GPU; of all its processes.
    pub fn of_machine(self, on_gpu: bool) -> u64 {
        let each = if on_gpu { self.beside_gpu_mib } else { self.processor_mib };
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
        let memory = Memory::of_bytes(50_000.0 * MIB, 36.0 * MIB, 49_000.0 * MIB);
        assert_eq!(
            (memory.of_machine(false), memory.of_machine(true), memory.gpu_mib),
            (50_064, 4132, 49_000)
        );
        assert_eq!(memory.in_processes(4, MIB).of_machine(false), 200_256);
        assert_eq!(Memory::of_bytes(f64::INFINITY, 0.0, 0.0).of_machine(false), u64::MAX);
        let probe = Memory::of_processor(MIB);
        assert_eq!((probe.of_machine(false), probe.of_machine(true)), (65, 65));
    }
}
