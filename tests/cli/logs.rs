//! `logs`: the last lines, and a log while it is written.

use std::process::{Child, Stdio};

use super::support::{Project, signal, wait_until, within_limit};

/// A step that says something, waits for the file `LOG.go`, and says more.
const SLOW: &str = r#"
name: slow
stages:
  first: {uses: command, with: {run: 'touch "$LOG.begun"; until [ -e "$LOG.first" ]; do sleep 0.02; done; echo > out', pass_env: [LOG]}}
  slow:
    uses: command
    in: {x: first.out}
    retries: 1
    with:
      run: |
        touch "$LOG.started"
        echo one; echo two; printf half
        until [ -e "$LOG.go" ]; do sleep 0.02; done
        echo " done"; echo three
        if [ ! -e "$LOG.again" ]; then touch "$LOG.again"; exit 1; fi
        echo > out
      pass_env: [LOG]
"#;

fn touch(project: &Project, name: &str) {
    project.write(name, "");
}

/// The log as it is followed, into a file of the project.
fn follow(project: &Project, arguments: &[&str]) -> Child {
    let file = std::fs::File::create(project.path("followed")).unwrap();
    let mut command = project.command(&[&["logs", "slow", "--follow"], arguments].concat());
    command.stdout(file).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn the_last_lines_of_a_log() {
    let project =
        Project::new("stages:\n  s: {uses: command, with: {run: 'seq 1 100; printf end; echo > out'}}\n");
    project.run();
    let tail = |n: &str| project.igpt_flow(&["logs", "s", "--tail", n]).out;
    assert_eq!(tail("2"), "100\nend\n");
    assert_eq!(tail("0"), "");
    assert_eq!(tail("1000").lines().count(), 101);
}

#[test]
fn a_log_is_followed_through_all_attempts_until_the_step_ends() {
    let project = Project::new(SLOW);
    touch(&project, "log.first");
    let mut run = project.start(&["run", "pipeline.yaml"]);
    wait_until("the step runs", || project.path("log.started").exists());
    let mut follower = follow(&project, &["--tail", "1"]);
    wait_until("the log is shown", || project.read("followed") == "two\n");
    touch(&project, "log.go");
    assert_eq!(follower.wait().unwrap().code(), Some(0));
    assert_eq!(run.wait().unwrap().code(), Some(0));
    let expected = "two\nhalf done\nthree\n==> attempt 2 <==\none\ntwo\nhalf done\nthree\n";
    assert_eq!(project.read("followed"), expected);
    // What has ended is shown and not waited for.
    let ran = within_limit(project.command(&["logs", "slow", "--follow"])).unwrap();
    assert_eq!((ran.code, ran.out), (0, "one\ntwo\nhalf done\nthree\n".into()));
}

#[test]
fn a_step_of_a_run_that_goes_on_is_waited_for() {
    let project = Project::new(SLOW);
    for name in ["log.first", "log.go", "log.again"] {
        touch(&project, name);
    }
    project.run();
    // Another run, in which the step has not begun.
    project.edit("echo one;", "echo anew;");
    for name in ["log.first", "log.begun"] {
        std::fs::remove_file(project.path(name)).unwrap();
    }
    let mut run = project.start(&["run", "pipeline.yaml", "--force", "first"]);
    wait_until("the first step runs", || project.path("log.begun").exists());
    let mut follower = follow(&project, &[]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    touch(&project, "log.first");
    assert_eq!(follower.wait().unwrap().code(), Some(0));
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert_eq!(project.read("followed"), "anew\ntwo\nhalf done\nthree\n");
}

#[test]
fn following_ends_with_an_interrupt_and_with_the_run() {
    let project = Project::new(SLOW);
    touch(&project, "log.first");
    let mut run = project.start(&["run", "pipeline.yaml"]);
    wait_until("the step runs", || project.path("log.started").exists());
    let mut follower = follow(&project, &[]);
    wait_until("the log is shown", || project.read("followed") == "one\ntwo\n");
    signal(&follower, "-INT");
    assert!(!follower.wait().unwrap().success());
    let mut follower = follow(&project, &[]);
    wait_until("the log is shown", || project.read("followed") == "one\ntwo\n");
    signal(&run, "-KILL");
    run.wait().unwrap();
    assert_eq!(follower.wait().unwrap().code(), Some(0), "nobody will write any more");
    assert_eq!(project.read("followed"), "one\ntwo\nhalf\n");
}

#[test]
fn one_step_is_followed_at_a_time_and_as_text() {
    let project = Project::new(
        "stages:\n  s: {uses: command, matrix: {n: [1, 2]}, with: {run: 'echo ${matrix.n} > out'}}\n",
    );
    project.run();
    let ran = project.igpt_flow(&["logs", "s", "--follow"]);
    assert!(ran.code == 2 && ran.err.contains("name one of s[n=1], s[n=2]"), "{}", ran.err);
    assert_eq!(project.igpt_flow(&["logs", "s[n=1]", "--follow", "--json"]).code, 2);
    assert_eq!(project.igpt_flow(&["logs", "s[n=1]", "--follow", "--attempt", "1"]).code, 2);
}
