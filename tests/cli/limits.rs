//! Limits of the machine: slower progress, or an error that says what to do; never a panic.

use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Output};

use super::support::Project;

const MANY: &str = r#"
stages:
  s: {uses: command, matrix: {i: {range: [0, 11]}}, with: {run: 'sleep 0.05; echo ${matrix.i} > out'}}
"#;

/// The binary's run below a shell that sets limits first.
fn limited(project: &Project, limits: &str) -> Output {
    let ours = project.command(&["run", "pipeline.yaml", "--jobs", "16"]);
    let mut shell = Command::new("bash");
    shell
        .arg("-c")
        .arg(format!("{limits}; exec \"$0\" \"$@\""))
        .arg(ours.get_program())
        .args(ours.get_args());
    shell.current_dir(project.path("")).env_remove("IGPT_FLOW_STORE").output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn few_descriptors_make_a_run_slower() {
    let project = Project::new(MANY);
    let output = limited(&project, "ulimit -n 40");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    // A soft limit is raised.
    let project = Project::new(MANY);
    let output = limited(&project, "ulimit -Sn 40");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn little_address_space_is_no_panic() {
    for kib in [60_000, 100_000, 200_000] {
        let project = Project::new(MANY);
        let output = limited(&project, &format!("ulimit -v {kib}"));
        assert!(!said(&output).contains("panicked"), "{kib}: {}", said(&output));
    }
    // Enough for one step after another, and for many threads' reserves it is not.
    let project = Project::new(MANY);
    let output = limited(&project, "ulimit -v 250000");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn an_ignored_sigchld_is_not_inherited() {
    let project = Project::new(MANY);
    let output = limited(&project, "trap '' CHLD");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn a_run_under_nohup_survives_its_terminal() {
    let project = Project::new(
        "stages:\n  s: {uses: command, with: {run: 'kill -HUP $PARENT; echo > out', pass_env: [PARENT]}}\n",
    );
    let output = limited(&project, "trap '' HUP; export PARENT=$$");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn json_that_cannot_be_written_is_a_failure() {
    let project = Project::new(MANY);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = project.command(&["run", "pipeline.yaml", "--json"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("error: cannot write the output"), "{}", said(&output));
    assert!(!said(&output).contains("panicked"), "{}", said(&output));
}

#[test]
fn a_folder_whose_name_is_not_utf_8_is_no_obstacle() {
    let project = Project::new("");
    let folder = project.path("").join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("x"), "x").unwrap();
    std::fs::write(
        folder.join("p.yaml"),
        "stages:\n  s: {uses: command, in: {x: ./x}, with: {run: 'cp x out'}}\n  t: {uses: command, with: {run: 'exit 1'}}\nexport: {s.out: r}\n",
    )
    .unwrap();
    let run = |arguments: &[&str]| project.command(arguments).current_dir(&folder).output().unwrap();
    for (step, code) in [("s", 0), ("t", 100)] {
        let output = run(&["run", "p.yaml", step, "--json"]);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        let lines = String::from_utf8(output.stdout).unwrap();
        let last = lines.lines().last().unwrap();
        assert!(last.contains("run_finished"), "{lines}");
    }
    let output = run(&["run", "p.yaml", "s"]);
    assert!(said(&output).contains("1 reused"), "{}", said(&output));
    assert_eq!(std::fs::read_to_string(folder.join("r")).unwrap(), "x");
    for verb in [&["logs", "t"][..], &["runs"], &["show", "s"], &["verify"], &["plan", "p.yaml"]] {
        assert_eq!(run(verb).status.code(), Some(0), "{verb:?}: {}", said(&run(verb)));
    }
}
