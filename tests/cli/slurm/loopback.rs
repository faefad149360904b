//! A Slurm of the tests' own, where its daemons are installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use crate::remains::tell;
use crate::support::Project;

/// Nobody else disturbs the cluster, or somebody is about to.
static QUIET: RwLock<()> = RwLock::new(());

/// A cluster of three nodes, shared by the tests that run at the same time.
pub(crate) struct Loopback {
    folder: tempfile::TempDir,
    port: u16,
}

/// The cluster, as long as a test needs it.
pub(crate) struct Cluster {
    loopback: Arc<Loopback>,
    _quiet: Result<RwLockReadGuard<'static, ()>, RwLockWriteGuard<'static, ()>>,
}

/// The cluster for a test that disturbs nobody; nothing where there is none, which is said.
pub(crate) fn cluster() -> Option<Cluster> {
    let quiet = QUIET.read().unwrap_or_else(PoisonError::into_inner);
    Some(Cluster { loopback: loopback()?, _quiet: Ok(quiet) })
}

/// The cluster for a test that ends parts of it.
pub(crate) fn cluster_to_disturb() -> Option<Cluster> {
    let alone = QUIET.write().unwrap_or_else(PoisonError::into_inner);
    Some(Cluster { loopback: loopback()?, _quiet: Err(alone) })
}

fn loopback() -> Option<Arc<Loopback>> {
    static SHARED: Mutex<Weak<Loopback>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(there) = shared.upgrade() {
        return Some(there);
    }
    let is_there = |program: &str| {
        ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
            .iter()
            .any(|folder| Path::new(folder).join(program).exists())
    };
    let all = ["slurmctld", "slurmd", "munged", "sbatch", "squeue", "scontrol"];
    // SAFETY: a number is answered.
    let is_root = unsafe { libc::geteuid() } == 0;
    if let Some(missing) = all.into_iter().find(|program| !is_there(program)) {
        tell(&format!("skipped: steps on a Slurm of the tests' own ({missing} is not installed)"));
        return None;
    }
    if !is_root {
        tell("skipped: steps on a Slurm of the tests' own (needs root)");
        return None;
    }
    let port = free_ports();
    let new = Arc::new(Loopback { folder: tempfile::tempdir().unwrap(), port });
    new.script(&["start"]);
    *shared = Arc::downgrade(&new);
    Some(new)
}

/// A port with the next four free as well.
fn free_ports() -> u16 {
    let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    let first = 20_000 + (std::process::id() % 2000) as u16 * 10;
    let ports = (0..2000).map(|n| first.wrapping_add(n * 10)).filter(|port| *port > 10_000);
    let mut free = ports.filter(|port| (0..5).all(|n| is_free(port + n)));
    free.next().expect("no free ports")
}

impl Loopback {
    #[track_caller]
    fn script(&self, verb: &[&str]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/slurm/cluster.sh");
        let mut command = Command::new(script);
        // Whatever the tests were started in: these daemons must not be children that anybody waits for.
        let done = command.arg(self.folder.path()).arg(self.port.to_string()).args(verb).output().unwrap();
        assert!(done.status.success(), "cluster.sh {verb:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.script(&["stop"]);
    }
}

impl Cluster {
    /// What `SLURM_CONF` is to be.
    pub(crate) fn conf(&self) -> PathBuf {
        self.loopback.folder.path().join("slurm.conf")
    }

    /// Ends a node with all that runs on it, or the controller.
    #[track_caller]
    pub(crate) fn kill(&self, name: &str) {
        self.loopback.script(&["kill", name]);
    }

    /// Starts it again.
    #[track_caller]
    pub(crate) fn begin(&self, name: &str) {
        self.loopback.script(&["begin", name]);
    }

    /// What one of Slurm's commands prints.
    pub(crate) fn ask(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program).args(arguments).env("SLURM_CONF", self.conf()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Lets jobs that Slurm has put back into its queue begin at once, until `done`: it would hold them for
    /// two minutes.
    #[track_caller]
    pub(crate) fn release(&self, project: &Project, done: impl Fn() -> bool) {
        for _ in 0..150 {
            if done() {
                return;
            }
            for job in self.jobs_of(project).iter().filter(|job| job.ends_with("PENDING")) {
                let id = job.split(' ').next().unwrap();
                self.ask("scontrol", &["update", &format!("JobId={id}"), "StartTime=now"]);
            }
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
        panic!("waited in vain for jobs to begin again: {:?}", self.jobs_of(project));
    }

    /// The jobs of a project's runs that are in the queue, as `ID STATE`.
    pub(crate) fn jobs_of(&self, project: &Project) -> Vec<String> {
        // Their folder is one of the store's.
        let folder = fs::canonicalize(project.path("")).unwrap();
        let rows = self.ask("squeue", &["--noheader", "--array", "--format=%F_%K %T %Z"]);
        let rows = rows.lines().filter_map(|row| row.rsplit_once(' '));
        let its = rows.filter(|(_, place)| Path::new(place).starts_with(&folder));
        its.map(|(job, _)| job.to_owned()).collect()
    }
}
