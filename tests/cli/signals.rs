//! Signals, time-outs and kills: no process of a step outlives it, at no distance and in no order.

use std::process::Command;
use std::time::Duration;

use super::support::{Project, signal, wait_until};

/// A step that writes the numbers of its processes into the log: itself, a child of its, and a
/// daemon in a session of its own. They do not end by themselves.
const FAMILY: &str = r#"
stages:
  family:
    uses: command
    grace: 300ms
MORE
    with:
      run: |
        echo $$ >> "$LOG"
        sleep 1000 & echo $! >> "$LOG"
        python3 -c "import subprocess; print(subprocess.Popen(['sleep', '1000'], start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid)" >> "$LOG"
        LAST
      pass_env: [LOG]
"#;

fn family(more: &str, last: &str) -> Project {
    let project = Project::new(&FAMILY.replace("MORE", more).replace("LAST", last));
    project.write("log", "");
    project
}

fn lives(pid: &str) -> bool {
    // A process that has ended and is not reaped yet is dead.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with(['Z', 'X']))
}

fn nobody_lives(project: &Project) -> bool {
    let pids = project.read("log");
    assert!(pids.lines().count() >= 3, "{pids}");
    !pids.lines().any(lives)
}

#[test]
fn a_daemon_ends_with_its_step() {
    let project = family("", "echo > out");
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(nobody_lives(&project));
}

#[test]
fn a_time_out_ends_daemons_and_what_ignores_it() {
    let project = family("    timeout: 4s", "trap '' TERM; while true; do sleep 1000; done");
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert!(ran.out.contains("timed out after 4s"), "{}", ran.out);
    assert!(nobody_lives(&project));
}

#[test]
fn an_interrupt_asks_before_it_kills() {
    let project = Project::new(
        r#"
stages:
  saves:
    uses: command
    with: {run: "trap 'sleep 0.2; echo saved > \"$LOG.saved\"; exit 1' TERM\ntouch \"$LOG.started\"\nsleep 1000 & wait", pass_env: [LOG]}
"#,
    );
    for name in ["-INT", "-TERM", "-HUP"] {
        let mut child = project.start(&["run", "pipeline.yaml"]);
        wait_until("the step runs", || project.path("log.started").exists());
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert_eq!(project.read("log.saved"), "saved\n", "{name}");
        for file in ["log.saved", "log.started"] {
            std::fs::remove_file(project.path(file)).unwrap();
        }
    }
}

#[test]
fn a_second_signal_ends_at_once_and_leaves_nothing() {
    for distance in [0, 1, 5, 50] {
        let project = family("", "trap '' TERM; while true; do sleep 1000; done");
        let mut child = project.start(&["run", "pipeline.yaml"]);
        wait_until("the family is there", || project.read("log").lines().count() >= 3);
        signal(&child, "-INT");
        std::thread::sleep(Duration::from_millis(distance));
        signal(&child, "-TERM");
        let code = child.wait().unwrap().code();
        assert!(matches!(code, Some(130 | 143)), "{code:?}");
        assert!(nobody_lives(&project), "with {distance} ms between them");
    }
}

#[test]
fn a_killed_run_takes_its_commands_along() {
    let project = family("", "while true; do sleep 1000; done");
    let mut child = project.start(&["run", "pipeline.yaml"]);
    wait_until("the family is there", || project.read("log").lines().count() >= 3);
    signal(&child, "-KILL");
    child.wait().unwrap();
    wait_until("nobody lives", || nobody_lives(&project));
}

#[test]
fn a_killed_guardian_takes_its_commands_along() {
    let project = family("", "while true; do sleep 1000; done");
    let mut child = project.start(&["run", "pipeline.yaml"]);
    wait_until("the family is there", || project.read("log").lines().count() >= 3);
    let shell = project.read("log").lines().next().unwrap().to_owned();
    let stat = std::fs::read_to_string(format!("/proc/{shell}/stat")).unwrap();
    let guardian = stat.rsplit(')').next().unwrap().split_whitespace().nth(1).unwrap().to_owned();
    assert!(Command::new("kill").args(["-KILL", &guardian]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(100));
    wait_until("nobody lives", || nobody_lives(&project));
}

#[test]
fn whoever_waits_for_an_orphan_is_told_which_process_matters() {
    let project = Project::new(
        r#"
stages:
  slow:
    uses: command
    grace: 3s
    with:
      run: |
        trap '' TERM
        echo $$ >> "$LOG"
        if [ $(wc -l < "$LOG") = 1 ]; then while true; do sleep 1; done; fi
        echo > out
      pass_env: [LOG]
"#,
    );
    project.write("log", "");
    let mut child = project.start(&["run", "pipeline.yaml"]);
    wait_until("the step runs", || project.read("log").lines().count() == 1);
    let shell = project.read("log").lines().next().unwrap().to_owned();
    // A step may run for a moment before its lock says so.
    let locks = || std::fs::read_dir(project.path("artifacts/locks-v1")).unwrap();
    let is_named =
        |path| std::fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("{shell}\n")));
    wait_until("the lock names the step's process", || locks().any(|lock| is_named(lock.unwrap().path())));
    signal(&child, "-KILL");
    child.wait().unwrap();
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.out.contains(&format!("waiting: process {shell} on ")), "{}", ran.out);
}

#[test]
fn a_time_out_covers_what_comes_after_the_command() {
    // Its last moment is the command's own: what is left is the hashing, for which there is no time.
    let project = Project::new("stages:\n  s: {uses: command, timeout: 1ms, with: {run: 'echo > out'}}\n");
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, 100, "{}", ran.out);
    assert!(ran.out.contains("timed out after 1ms"), "{}", ran.out);
}
