//! The library that makes calls fail, and what it tells.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Kinds of fault, as `shim.c` explains them.
pub(super) const KINDS: [&str; 7] = ["ENOSPC", "FULL", "EIO", "EMFILE", "SHORT", "KILL", "KILL_AFTER"];

/// The compiled library, and the file through which it tells.
pub(super) struct Shim {
    folder: tempfile::TempDir,
}

/// What became of a run under the library.
pub(super) struct Told {
    /// How many calls the kind of fault could have struck.
    pub(super) calls: u64,
    /// The call that was struck with its path; empty where none was.
    pub(super) what: String,
}

impl Shim {
    /// Compiles the library; `None` where there is no C compiler.
    pub(super) fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/faults/shim.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(folder.path().join("shim.so")).arg(source);
        let made = compiler.arg("-ldl").output().ok()?;
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some(Self { folder })
    }

    fn control(&self) -> PathBuf {
        self.folder.path().join("control")
    }

    /// Has the command strike its call number `at` (0: only count) on something in its folder.
    pub(super) fn load(&self, command: &mut Command, kind: &str, at: u64) {
        fs::write(self.control(), [0; 4096]).unwrap();
        let root = command.get_current_dir().unwrap().to_owned();
        command
            .env("LD_PRELOAD", self.folder.path().join("shim.so"))
            .env("FAULT_CONTROL", self.control())
            .env("FAULT_ROOT", root)
            .env("FAULT_KIND", kind)
            .env("FAULT_AT", at.to_string())
            // One thread, so that the calls have one order.
            .env("RAYON_NUM_THREADS", "1");
    }

    pub(super) fn told(&self) -> Told {
        let control = fs::read(self.control()).unwrap();
        let calls = u64::from_ne_bytes(control[..8].try_into().unwrap());
        let what = control[16..].split(|byte| *byte == 0).next().unwrap();
        Told { calls, what: String::from_utf8_lossy(what).into_owned() }
    }
}
