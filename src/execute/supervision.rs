//! What an executor is told of an attempt besides the job, and what processes of all kinds share.

use std::path::Path;
use std::process::ExitStatus;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::event::Standing;

/// How an attempt is supervised.
pub struct Supervision<'a> {
    /// Where the log goes.
    pub log: &'a Path,
    /// How long the attempt may take.
    pub timeout: Option<Duration>,
    /// How long it may take to end once it was told to, where the step says.
    pub grace: Option<Duration>,
    /// Set when the run is being stopped.
    pub cancelled: &'a AtomicBool,
    /// Told where the attempt is, where it does not begin here and at once.
    pub state: &'a (dyn Fn(Standing) + Send + Sync),
}

/// The variable that says which GPUs a process sees.
pub(super) const GPUS: &str = "CUDA_VISIBLE_DEVICES";

/// The variable that shows a process the GPUs that it was given and no others; nothing for a step
/// that was given none. Ours may be a selection itself, as on a cluster.
pub(super) fn visible_gpus(gpus: &[u32]) -> Option<(&'static str, String)> {
    let ours = std::env::var(GPUS).unwrap_or_default();
    let ours: Vec<&str> = ours.split(',').filter(|name| !name.is_empty()).collect();
    let name = |gpu: &u32| ours.get(*gpu as usize).map_or_else(|| gpu.to_string(), |name| (*name).to_owned());
    let names: Vec<String> = gpus.iter().map(name).collect();
    (!names.is_empty()).then(|| (GPUS, names.join(",")))
}

/// An exit status in words.
pub(super) fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        let cause = match signal {
            libc::SIGKILL => " (killed, perhaps for memory)",
            libc::SIGSEGV => " (segmentation fault)",
            libc::SIGABRT => " (aborted)",
            libc::SIGXFSZ => " (a file grew over the limit)",
            _ => "",
        };
        return format!("killed by signal {signal}{cause}");
    }
    status.code().map_or_else(|| "no exit status".to_owned(), |code| format!("exit status {code}"))
}
