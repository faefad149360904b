//! The cluster's own commands: `sbatch`, `squeue`, `scancel`. Arguments are lists and never shell text;
//! an answer that does not come is told from a refusal.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The commands that are needed.
pub(super) const COMMANDS: [&str; 3] = ["sbatch", "squeue", "scancel"];

/// How long a command may take. They try for a while themselves where the controller is busy.
const LIMIT: Duration = Duration::from_secs(120);

/// How many jobs one command names at most: a command line has its limits.
const MANY: usize = 500;

/// What is heard where the controller did not answer: what was asked may have been done or not.
const UNREACHABLE: [&str; 12] = [
    "unable to contact",
    "timed out",
    "connection refused",
    "connection reset",
    "communication",
    "transmission",
    "zero bytes",
    "standby",
    "temporarily",
    "not responding",
    "unable to establish",
    "authentication",
];

/// What is heard where there is no room for more jobs of this user now.
const FULL: [&str; 3] = ["job submit limit", "submit limit", "maximum number of jobs"];

/// Why a submission did not do what it should.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Failed {
    /// No answer: nobody knows what came of it.
    Unreachable(String),
    /// There is no room for more jobs now.
    Full(String),
    /// No.
    Refused(String),
}

/// A task in the queue, as the cluster sees it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// Its number, for `scancel` and for people: `12_3`. Numbers are used again; names are not.
    pub(super) id: String,
    pub(super) task: u32,
    pub(super) state: String,
    pub(super) node: String,
    pub(super) reason: String,
    /// How long it has run, and may run; none where that is not told.
    pub(super) used: Option<Duration>,
    pub(super) limit: Option<Duration>,
    pub(super) name: String,
}

/// Where a command is that the cluster needs; none where it is not on the `PATH`.
pub(super) fn find(command: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(command)).find(|file| file.is_file())
}

/// Submits a script; answers the number of the job.
pub(super) fn submit(options: &[OsString], script: &str, arguments: &[OsString]) -> Result<String, Failed> {
    let mut command = command("sbatch");
    // The script comes on the standard input; what follows its name are its arguments.
    command.args(options).arg("/dev/stdin").args(arguments);
    let (code, out, err) = answer(command, script).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failed::Refused(format!("`sbatch` cannot be started: {error}")),
        _ => Failed::Unreachable(error.to_string()),
    })?;
    if code == Some(0) {
        let id = out.lines().next_back().unwrap_or_default().split(';').next().unwrap_or_default();
        return Ok(id.trim().to_owned());
    }
    let said = said(&err, &out);
    let lower = said.to_lowercase();
    Err(match () {
        () if FULL.iter().any(|words| lower.contains(words)) => Failed::Full(said),
        () if code.is_none() || UNREACHABLE.iter().any(|words| lower.contains(words)) => {
            Failed::Unreachable(said)
        }
        () => Failed::Refused(said),
    })
}

/// Every job of this user, those that ended lately too; the error says that nobody knows.
pub(super) fn queue() -> Result<Vec<Row>, String> {
    let mut command = command("squeue");
    command.args(["--me", "--noheader", "--states=all", "--array", "--format=%F|%K|%T|%N|%r|%M|%l|%j"]);
    match answer(command, "") {
        Ok((Some(0), out, _)) => Ok(out.lines().filter_map(row).collect()),
        Ok((_, out, err)) => Err(said(&err, &out)),
        Err(error) => Err(error.to_string()),
    }
}

/// Cancels jobs, or only tells them to end.
pub(super) fn cancel(ids: &[String], only_tell: bool) -> Result<(), String> {
    for ids in ids.chunks(MANY) {
        let mut command = command("scancel");
        if only_tell {
            command.args(["--batch", "--signal=TERM"]);
        }
        command.args(ids);
        match answer(command, "") {
            Ok((Some(0), ..)) => {}
            Ok((_, out, err)) => return Err(said(&err, &out)),
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

fn row(line: &str) -> Option<Row> {
    // The name comes last: those of other jobs may have anything in them.
    let fields: Vec<&str> = line.trim().splitn(8, '|').collect();
    let [id, task, state, node, reason, used, limit, name] = fields[..] else { return None };
    let task = task.parse().ok()?;
    let owned = str::to_owned;
    Some(Row {
        id: format!("{id}_{task}"),
        task,
        state: owned(state),
        node: owned(node),
        reason: owned(reason),
        used: time(used),
        limit: time(limit),
        name: owned(name),
    })
}

/// A time as the cluster writes it: `1-02:03:04`, `5:00`; no limit is a very long one.
fn time(text: &str) -> Option<Duration> {
    if text == "UNLIMITED" {
        return Some(Duration::MAX);
    }
    let (days, rest) = text.split_once('-').unwrap_or(("0", text));
    let fields: Vec<u64> = rest.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    let (minutes, seconds) = match fields[..] {
        [minutes, seconds] => (minutes, seconds),
        [hours, minutes, seconds] => (hours * 60 + minutes, seconds),
        _ => return None,
    };
    Some(Duration::from_secs((days.parse::<u64>().ok()? * 24 * 60 + minutes) * 60 + seconds))
}

fn said(err: &str, out: &str) -> String {
    let text = if err.trim().is_empty() { out } else { err };
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let text = lines.join("; ");
    if text.is_empty() { "no answer".to_owned() } else { text }
}

/// A command in an environment of which nothing steers it: we may be inside a job ourselves, and the
/// user may have defaults that are meant for other jobs.
fn command(name: &str) -> Command {
    let mut command = Command::new(name);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_foreign(name)) {
        command.env_remove(name);
    }
    // Ctrl-C is for us: a submission is not cut short by it.
    command.process_group(0);
    command
}

/// Whether a variable would steer the cluster's commands, or is this machine's alone.
fn is_foreign(name: &OsStr) -> bool {
    const PREFIXES: [&str; 6] = ["SLURM_", "SBATCH_", "SQUEUE_", "SCANCEL_", "SLURMD_", "SALLOC_"];
    let name = name.to_string_lossy();
    let steers = PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && name != "SLURM_CONF";
    steers || ["TMPDIR", "CUDA_VISIBLE_DEVICES", "XDG_RUNTIME_DIR"].contains(&&*name)
}

/// Runs a command to its end: its exit code, none where it was killed for its time, and what it said.
fn answer(mut command: Command, input: &str) -> io::Result<(Option<i32>, String, String)> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that has refused already does not read it.
        let _ = stdin.write_all(input.as_bytes());
    }
    let (out, err) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let err = std::thread::Builder::new().spawn_scoped(scope, || text(err))?;
        let out = std::thread::Builder::new().spawn_scoped(scope, || text(out))?;
        let code = wait(&mut child)?;
        let text = |told: std::thread::ScopedJoinHandle<'_, String>| told.join().unwrap_or_default();
        Ok((code, text(out), text(err)))
    })
}

fn text(from: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    let _ = from.map(|mut from| from.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

fn wait(child: &mut Child) -> io::Result<Option<i32>> {
    let since = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code());
        }
        if since.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_queue_is_read_whatever_others_call_their_jobs() {
        let right = row("12|3|PENDING||launch failed requeued held|0:00|1:30:00|igpt.a.b|c").unwrap();
        assert_eq!((right.id.as_str(), right.task, right.name.as_str()), ("12_3", 3, "igpt.a.b|c"));
        assert_eq!(right.reason, "launch failed requeued held");
        assert_eq!((right.used, right.limit), (Some(Duration::ZERO), Some(Duration::from_secs(5400))));
        assert_eq!(row("12|N/A|RUNNING|n1|None|0:01|1:00|no array"), None);
        assert_eq!(row("nonsense"), None);
    }

    #[test]
    fn times_are_read_as_the_cluster_writes_them() {
        for (text, seconds) in [("0:05", 5), ("10:00", 600), ("2:03:04", 7384), ("1-02:03:04", 93_784)] {
            assert_eq!(time(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(time("UNLIMITED"), Some(Duration::MAX));
        for text in ["", "NOT_SET", "INVALID", "5", "1-", "x:00"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn what_steers_the_cluster_is_not_passed_on() {
        for name in ["SLURM_JOB_ID", "SBATCH_PARTITION", "SQUEUE_FORMAT", "TMPDIR"] {
            assert!(is_foreign(OsStr::new(name)), "{name}");
        }
        for name in ["SLURM_CONF", "PATH", "IGPT_FLOW_MIRROR"] {
            assert!(!is_foreign(OsStr::new(name)), "{name}");
        }
    }
}
