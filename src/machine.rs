//! What this machine has, for the run's default budget, and what we take of it for ourselves.

use std::fs;
use std::path::{Path, PathBuf};

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

/// Makes the end of children heard, whatever whoever started us thinks of it: a child of a process
/// that ignores SIGCHLD ends unseen.
pub fn reset_sigchld() {
    // SAFETY: the default installs no handler.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Makes the best of the limits that we are given. A process that runs steps, and each of its workers,
/// does so at its start.
pub fn adjust_limits() {
    raise_file_limit();
    spare_address_space();
}

/// Raises the soft limit of open files to the hard one: a step needs a handful, and machines have
/// many processors. Where it cannot be raised, fewer steps run at once.
fn raise_file_limit() {
    // SAFETY: `getrlimit` fills the struct, all-zero bytes of which are a valid one.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            // More helps nobody, and macOS refuses what is called unlimited.
            limit.rlim_cur = limit.rlim_cur.max(limit.rlim_max.min(10_240));
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

/// Keeps the allocator's reserves small where the address space is limited (`ulimit -v`): 64 MiB for
/// each thread would soon leave none to start another with.
fn spare_address_space() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `getrlimit` fills the struct, all-zero bytes of which are a valid one.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) == 0 && limit.rlim_cur != libc::RLIM_INFINITY {
            let one_a_gib = (limit.rlim_cur >> 30).clamp(1, 64);
            libc::mallopt(libc::M_ARENA_MAX, one_a_gib as i32);
        }
    }
}

/// Whether so many bytes of address space are free in one piece. Most allocations end the process
/// where there is none (`ulimit -v`), and a thread that just started panics: so whoever is about to
/// need much, and can do without, asks first. Costs microseconds.
pub fn has_address_space(bytes: usize) -> bool {
    // SAFETY: a new mapping that nobody can read or write, taken back at once.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let place = libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_NONE, flags, -1, 0);
        place != libc::MAP_FAILED && libc::munmap(place, bytes) == 0
    }
}

/// The memory that we may use in MiB: the machine's, or what a container or a batch system leaves us
/// of it; 4 GiB where it cannot be learnt.
fn total_memory_mib() -> u64 {
    // SAFETY: sysconf only reads.
    let (pages, size) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    let physical = match (u64::try_from(pages), u64::try_from(size)) {
        (Ok(pages), Ok(size)) if pages > 0 => (pages * size) >> 20,
        _ => 4096,
    };
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let files = limit_files(&groups).into_iter();
    let limits = files.filter_map(|file| limit_mib(&fs::read_to_string(file).ok()?));
    limits.fold(physical, u64::min)
}

/// The files that limit the memory of a process with this text in `/proc/self/cgroup`: those of its
/// group and of every group around it, in both versions of control groups. Many do not exist.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    const V2: (&str, &str) = ("/sys/fs/cgroup", "memory.max");
    const V1: (&str, &str) = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes");
    // A container sees its own group as the root, whatever its groups' names are outside.
    let mut files = vec![Path::new(V2.0).join(V2.1), Path::new(V1.0).join(V1.1)];
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let (root, name) = match controllers {
            "" => V2,
            _ if controllers.split(',').any(|controller| controller == "memory") => V1,
            _ => continue,
        };
        let around = Path::new(group).ancestors().filter_map(|group| group.strip_prefix("/").ok());
        let inside = around.filter(|group| !group.as_os_str().is_empty());
        files.extend(inside.map(|group| Path::new(root).join(group).join(name)));
    }
    files
}

/// A limit in MiB; none where there is none (`max`) or the text is something else.
fn limit_mib(text: &str) -> Option<u64> {
    text.trim().parse::<u64>().ok().map(|bytes| bytes >> 20)
}

fn gpus() -> u32 {
    if let Ok(visible) = std::env::var("CUDA_VISIBLE_DEVICES") {
        return visible.split(',').filter(|id| !id.trim().is_empty() && *id != "-1").count() as u32;
    }
    let is_gpu = |name: &str| {
        name.strip_prefix("nvidia").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let Ok(devices) = fs::read_dir("/dev") else { return 0 };
    devices.flatten().filter(|device| device.file_name().to_str().is_some_and(is_gpu)).count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_of_bytes_or_none() {
        assert_eq!(limit_mib("8589934592\n"), Some(8192));
        assert_eq!(limit_mib("max\n"), None);
        assert_eq!(limit_mib("9223372036854771712\n"), Some((1 << 43) - 1), "version 1 without a limit");
        assert_eq!(limit_mib(""), None);
    }

    #[test]
    fn address_space_is_asked_for_and_given_back() {
        (0..1000).for_each(|_| assert!(has_address_space(64 << 20)));
        assert!(!has_address_space(usize::MAX >> 1), "more than a processor can address");
    }

    #[test]
    fn the_groups_around_a_process_limit_it_too() {
        let shown = |text: &str| -> Vec<String> {
            let inner = limit_files(text).split_off(2);
            inner.iter().map(|file| file.display().to_string()).collect()
        };
        assert_eq!(
            shown("0::/user.slice/job\n"),
            ["/sys/fs/cgroup/user.slice/job/memory.max", "/sys/fs/cgroup/user.slice/memory.max"]
        );
        assert_eq!(
            shown("9:name=systemd:/x\n4:hugetlb,memory:/slurm\n0::/\n"),
            ["/sys/fs/cgroup/memory/slurm/memory.limit_in_bytes"]
        );
        assert!(shown("nonsense").is_empty());
        assert!(total_memory_mib() > 0);
    }
}
