//! A small project that makes every kind of call, and a state of it from which each point starts.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::super::remains::{Snapshot, copy, differences, exports};
use super::super::support::{Project, Ran, within_limit};

const PIPELINE: &str = r#"
name: faults
stages:
  file:
    uses: command
    in: {x: ./input}
    with: {run: 'cat x x > out; echo file >> "$LOG"', pass_env: [LOG]}
  folder:
    uses: command
    in: {d: ./inputs}
    with:
      run: |
        mkdir -p out/sub out/empty
        cat d/a d/below/b > out/sub/all
        if [ -e d/gone ]; then cp d/gone out/sub; fi
        echo 'echo tool' > out/tool
        chmod +x out/tool
        ln -s sub/all out/link
        echo folder >> "$LOG"
      pass_env: [LOG]
  part:
    uses: command
    in: {x: folder.out/sub}
    with: {run: 'cat x/all > out; echo part >> "$LOG"', pass_env: [LOG]}
  last:
    uses: command
    in: {x: file.out, y: part.out}
    retries: 1
    with:
      run: |
        if [ ! -e "$LOG.tried" ]; then touch "$LOG.tried"; exit 1; fi
        cat x y > out
        echo last >> "$LOG"
      pass_env: [LOG]
export: {file.out: results/file, folder.out: results/folder, last.out: results/last}
"#;

/// The project with the state that each point starts from.
pub(super) struct Scene {
    project: Project,
    start: tempfile::TempDir,
    before: Snapshot,
    /// What must be exported in the end.
    pub(super) right: Snapshot,
    /// How many steps must be executed for that.
    pub(super) steps: usize,
}

impl Scene {
    /// An empty store.
    pub(super) fn empty() -> Self {
        Self::of(4, new_inputs)
    }

    /// A store with results of other inputs, which are exported.
    pub(super) fn changed() -> Self {
        Self::of(4, |project| {
            project.write("input", "old\n");
            project.write("inputs/a", "old a\n");
            project.write("inputs/below/b", "b\n");
            project.write("inputs/gone", "gone\n");
            project.run();
            fs::remove_file(project.path("log.tried")).unwrap();
            fs::remove_file(project.path("inputs/gone")).unwrap();
            new_inputs(project);
        })
    }

    /// A store with the results, whose exports were deleted.
    pub(super) fn recorded() -> Self {
        Self::of(0, |project| {
            new_inputs(project);
            project.run();
            fs::remove_dir_all(project.path("results")).unwrap();
        })
    }

    fn of(steps: usize, prepare: impl Fn(&Project)) -> Self {
        let straight = Project::new(PIPELINE);
        new_inputs(&straight);
        straight.run();
        let project = Project::new(PIPELINE);
        prepare(&project);
        project.write("log", "");
        let start = tempfile::tempdir().unwrap();
        copy(&project.path(""), start.path());
        let before = exports(&project);
        Self { project, start, before, right: exports(&straight), steps }
    }

    /// Back to the state that each point starts from.
    pub(super) fn reset(&self) {
        for item in fs::read_dir(self.project.path(".")).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        copy(self.start.path(), &self.project.path(""));
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.project.path("")
    }

    /// The names of exports that are not right.
    pub(super) fn differences(&self) -> Vec<PathBuf> {
        differences(&exports(&self.project), &self.right)
    }

    /// An export that is neither what was there before nor what is right.
    pub(super) fn torn(&self) -> Option<PathBuf> {
        exports(&self.project)
            .into_iter()
            .find(|(name, what)| {
                [&self.before, &self.right].iter().all(|whole| whole.get(name) != Some(what))
            })
            .map(|(name, _)| name)
    }

    /// A text without what differs from run to run: the project's folder, and long numbers in names.
    pub(super) fn plain(&self, text: &str) -> String {
        let folder = format!("{}/", self.project.path("").to_string_lossy().trim_end_matches('/'));
        let mut plain = String::new();
        for word in text.replace(&folder, "").split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
            let digits = word.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
            let is_number = digits.contains(|c: char| c.is_ascii_digit()) && digits.len() > 2;
            plain += &if is_number { word.replacen(digits, "…", 1) } else { word.to_owned() };
        }
        plain
    }

    /// The steps that were executed since the reset, one name for each time.
    pub(super) fn executed(&self) -> Vec<String> {
        self.project.executed()
    }

    /// The binary, changed by `with`; `None` where it does not end.
    pub(super) fn igpt_flow(&self, arguments: &[&str], with: impl FnOnce(&mut Command)) -> Option<Ran> {
        let mut command = self.project.command(arguments);
        with(&mut command);
        within_limit(command)
    }
}

fn new_inputs(project: &Project) {
    project.write("input", "new\n");
    project.write("inputs/a", "new a\n");
    project.write("inputs/below/b", "b\n");
}
