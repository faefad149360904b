//! What steps ask of the cluster, and how it is asked.

use std::path::Path;
use std::time::Duration;

/// Jobs with a lower time limit are not told ahead of it.
const SHORT: Duration = Duration::from_secs(300);

/// How the cluster is used, whatever the steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How many steps are there at once, waiting or running.
    pub jobs: u32,
    /// How often the queue is asked for.
    pub poll: Duration,
    /// How long steps that are ready gather before they are submitted together.
    pub gather: Duration,
    /// How long before its time limit a job is told to end.
    pub notice: Duration,
}

/// What a step asks for. Steps that ask for the same are submitted together.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allocation {
    /// The partition; the cluster's default where there is none. So are the next ones.
    pub partition: Option<String>,
    /// Who pays.
    pub account: Option<String>,
    /// The quality of service.
    pub qos: Option<String>,
    /// Features that the node must have.
    pub constraint: Option<String>,
    /// Nodes, at least 1; what follows is of each.
    pub nodes: u32,
    /// Processors, at least 1.
    pub cpus: u32,
    /// Memory in MiB; 0 is what the cluster gives.
    pub memory_mib: u64,
    /// GPUs.
    pub gpus: u32,
    /// Their type.
    pub gpu_type: Option<String>,
    /// The time limit of a step; the partition's where there is none.
    pub time: Option<Duration>,
    /// Further options of `sbatch`.
    pub options: Vec<String>,
    /// Lines of shell before the program.
    pub prelude: Vec<String>,
    /// How many steps one task does, one after another.
    pub series: u32,
}

impl Allocation {
    /// The options of `sbatch` for tasks that do up to so many of these steps in series.
    pub(super) fn options(&self, steps: u32, notice: Duration) -> Vec<String> {
        // Ours come last, and win.
        let mut options = self.options.clone();
        let named = [
            ("partition", &self.partition),
            ("account", &self.account),
            ("qos", &self.qos),
            ("constraint", &self.constraint),
        ];
        options.extend(
            named.into_iter().filter_map(|(name, value)| Some(format!("--{name}={}", value.as_ref()?))),
        );
        options.push(format!("--nodes={}", self.nodes.max(1)));
        options.push("--ntasks-per-node=1".to_owned());
        options.push(format!("--cpus-per-task={}", self.cpus.max(1)));
        if self.memory_mib > 0 {
            options.push(format!("--mem={}M", self.memory_mib));
        }
        if self.gpus > 0 {
            let of = self.gpu_type.as_ref().map(|of| format!(":{of}")).unwrap_or_default();
            options.push(format!("--gres=gpu{of}:{}", self.gpus));
        }
        if let Some(time) = self.time {
            let time = time * steps;
            options.push(format!("--time={}", time.as_secs().div_ceil(60).max(1)));
        }
        // It may come a minute early.
        if let Some(ahead) = self.told_ahead(self.time.map(|time| time * steps), notice) {
            options.push(format!("--signal=B:TERM@{}", ahead.as_secs().max(1)));
        }
        options
    }

    /// How long before its time limit a job is told to end. A short one has only the TERM that comes with the limit.
    pub(super) fn told_ahead(&self, limit: Option<Duration>, notice: Duration) -> Option<Duration> {
        match limit.filter(|_| self.time.is_some()) {
            Some(limit) => (limit >= SHORT).then(|| notice.min(limit / 4)),
            // The partition's limit is not known when it is submitted.
            None => Some(notice),
        }
    }

    /// The script of a task: what comes before the program, and the program with its arguments, which are the
    /// script's. No text of a user's but the prelude is in it.
    pub(super) fn script(&self) -> String {
        if self.prelude.is_empty() {
            return "#!/bin/sh\nexec \"$@\"\n".to_owned();
        }
        // In a login shell `module` is known.
        format!("#!/bin/bash -l\nset -e\n{}\nexec \"$@\"\n", self.prelude.join("\n"))
    }

    /// The time limit in words.
    pub(super) fn limit(&self) -> String {
        match self.time {
            Some(time) => format!("`time: {}m`", time.as_secs().div_ceil(60)),
            None => "the partition's".to_owned(),
        }
    }
}

/// The options that are the same for every submission: its name, where its output goes, that only the
/// cluster's own failures put it into the queue once more.
pub(super) fn common(name: &str, comment: &str, folder: &Path, tasks: usize) -> Vec<std::ffi::OsString> {
    let mut chdir = std::ffi::OsString::from("--chdir=");
    chdir.push(folder);
    let texts = [
        "--parsable".to_owned(),
        format!("--job-name={name}"),
        format!("--comment={comment}"),
        format!("--array=0-{}", tasks.saturating_sub(1)),
        // Relative to the folder: in a path of the user's a `%` would mean something.
        "--output=%a.log".to_owned(),
        "--open-mode=append".to_owned(),
        "--requeue".to_owned(),
        "--export=ALL".to_owned(),
    ];
    let mut options: Vec<std::ffi::OsString> = texts.map(Into::into).into();
    options.push(chdir);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_step_asks_for_is_a_list_of_options() {
        let allocation = Allocation {
            partition: Some("gpu; rm -rf /".into()),
            nodes: 2,
            cpus: 8,
            memory_mib: 4096,
            gpus: 2,
            gpu_type: Some("a100".into()),
            time: Some(Duration::from_secs(90 * 60)),
            options: vec!["--exclusive".into()],
            series: 1,
            ..Allocation::default()
        };
        let options = allocation.options(1, Duration::from_secs(120));
        let right = [
            "--exclusive",
            "--partition=gpu; rm -rf /",
            "--nodes=2",
            "--ntasks-per-node=1",
            "--cpus-per-task=8",
            "--mem=4096M",
            "--gres=gpu:a100:2",
            "--time=90",
            "--signal=B:TERM@120",
        ];
        assert_eq!(options, right);
        let short = Allocation { time: Some(Duration::from_secs(60)), ..allocation.clone() };
        let short = short.options(1, Duration::from_secs(120));
        assert!(
            short.iter().all(|option| !option.starts_with("--signal")),
            "it would be told at once: {short:?}"
        );
        let series = allocation.options(3, Duration::from_secs(120));
        assert!(
            series.contains(&"--time=270".to_owned()),
            "a series takes the time of its steps: {series:?}"
        );
        assert_eq!(allocation.script(), "#!/bin/sh\nexec \"$@\"\n");
    }
}
