//! A project folder of its own for each test, and the binary run in it.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A folder with a pipeline, removed at the end.
pub(crate) struct Project {
    folder: tempfile::TempDir,
}

/// What a run said.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Project {
    /// A project with this `pipeline.yaml`.
    pub(crate) fn new(pipeline: &str) -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        project.write("pipeline.yaml", pipeline);
        project
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Replaces a text of the pipeline that must be there.
    pub(crate) fn edit(&self, old: &str, new: &str) {
        let text = self.read("pipeline.yaml");
        assert!(text.contains(old), "no `{old}` in the pipeline");
        self.write("pipeline.yaml", &text.replace(old, new));
    }

    /// The binary with these arguments, in the project's folder. Commands note their executions in
    /// the file that `LOG` names.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_igpt-flow"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("LOG", self.path("log"))
            .env_remove("IGPT_FLOW_STORE")
            .env_remove("IGPT_FLOW_REMOTE")
            .stdin(Stdio::null());
        // However the tests were started (`nohup`, in the background): a signal is a signal.
        // SAFETY: setting a signal's default is safe between fork and exec.
        unsafe {
            command.pre_exec(|| {
                for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGPIPE] {
                    libc::signal(signal, libc::SIG_DFL);
                }
                Ok(())
            });
        }
        command
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    pub(crate) fn igpt_flow(&self, arguments: &[&str]) -> Ran {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        Ran {
            code: status.code().unwrap_or(-1),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Runs the pipeline, which must end well, and answers which steps were executed, sorted.
    #[track_caller]
    pub(crate) fn run(&self) -> Vec<String> {
        self.run_with(&[])
    }

    #[track_caller]
    pub(crate) fn run_with(&self, more: &[&str]) -> Vec<String> {
        self.write("log", "");
        let ran = self.igpt_flow(&[&["run", "pipeline.yaml"], more].concat());
        assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
        self.executed()
    }

    /// Which steps noted themselves in the log, sorted.
    pub(crate) fn executed(&self) -> Vec<String> {
        let mut steps: Vec<String> = self.read("log").lines().map(str::to_owned).collect();
        steps.sort();
        steps
    }
}

/// Runs a command to its end; `None` where it has not ended after a minute, and is killed.
pub(crate) fn within_limit(mut command: Command) -> Option<Ran> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (id, (end, ended)) = (child.id(), mpsc::channel());
    std::thread::spawn(move || drop(end.send(child.wait_with_output().unwrap())));
    let Ok(output) = ended.recv_timeout(Duration::from_secs(60)) else {
        Command::new("kill").args(["-KILL", &id.to_string()]).status().unwrap();
        return None;
    };
    Some(Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Polls until `done`, for at most twenty seconds.
#[track_caller]
pub(crate) fn wait_until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..6000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain until {what}");
}

/// Sends a signal to a process.
pub(crate) fn signal(child: &Child, signal: &str) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Every file below a folder with its bytes, for comparisons.
pub(crate) fn tree(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files.push((path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}
