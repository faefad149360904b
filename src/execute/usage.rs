//! What processes use of the machine.

/// What a process (or its ended children) has used of the machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    pub(super) cpu_s: f64,
    pub(super) peak_memory_mib: f64,
}

/// Reads the resource use of `RUSAGE_SELF`, or of `RUSAGE_CHILDREN`.
pub(super) fn usage(who: libc::c_int) -> Usage {
    // SAFETY: getrusage fills the struct that it is given; all-zero bytes are a valid one.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(who, &raw mut usage);
        usage
    };
    Usage::from_rusage(&usage)
}

impl Usage {
    /// Nothing used.
    pub(super) const ZERO: Self = Self { cpu_s: 0.0, peak_memory_mib: 0.0 };

    /// With what others used at the same time; of memory what the largest process did.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            cpu_s: self.cpu_s + other.cpu_s,
            peak_memory_mib: self.peak_memory_mib.max(other.peak_memory_mib),
        }
    }

    /// What an ended child used.
    pub(super) fn from_rusage(usage: &libc::rusage) -> Self {
        let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
        // Linux counts the peak in KiB, macOS in bytes.
        let per_mib = if cfg!(target_os = "macos") { 1024.0 * 1024.0 } else { 1024.0 };
        Self {
            cpu_s: seconds(usage.ru_utime) + seconds(usage.ru_stime),
            peak_memory_mib: usage.ru_maxrss as f64 / per_mib,
        }
    }
}
