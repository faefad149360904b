//! What may happen to a step from outside while it runs, and what it may leave behind.

use super::support::{Project, signal, wait_until};

#[test]
fn an_input_that_changes_under_a_step_is_not_recorded() {
    let project = Project::new(
        r#"
name: edited
stages:
  slow:
    uses: command
    in: {x: ./input}
    with: {run: 'touch "$LOG.started"; until [ -e "$LOG.go" ]; do sleep 0.01; done; cat x > out', pass_env: [LOG]}
export: {slow.out: result}
"#,
    );
    project.write("input", "old");
    let mut child = project.start(&["run", "pipeline.yaml"]);
    wait_until("the step runs", || project.path("log.started").exists());
    project.write("input", "new");
    project.write("log.go", "");
    assert_eq!(child.wait().unwrap().code(), Some(100));
    // The content of before is back, and must not find the result of what was between.
    project.write("input", "old");
    project.run();
    assert_eq!(project.read("result"), "old");
}

#[test]
fn what_a_command_left_in_the_background_cannot_touch_its_output() {
    let project = Project::new(
        r#"
name: background
stages:
  early:
    uses: command
    with: {run: 'echo whole > out; (sleep 0.3; echo late >> out; touch "$LOG.late") & exit 0', pass_env: [LOG]}
export: {early.out: result}
"#,
    );
    project.run();
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(!project.path("log.late").exists());
    assert_eq!(project.read("result"), "whole\n");
    assert_eq!(project.igpt_flow(&["verify"]).code, 0);
}

#[test]
fn a_command_whose_run_was_killed_is_ended_and_done_again() {
    let project = Project::new(
        r#"
name: orphan
stages:
  slow:
    uses: command
    with: {run: 'echo start >> "$LOG"; sleep 1; echo end >> "$LOG"; echo > out', pass_env: [LOG]}
"#,
    );
    project.write("log", "");
    let mut child = project.start(&["run", "pipeline.yaml"]);
    wait_until("the step runs", || project.read("log").contains("start"));
    signal(&child, "-KILL");
    child.wait().unwrap();
    assert_eq!(project.igpt_flow(&["run", "pipeline.yaml"]).code, 0);
    assert_eq!(project.read("log").lines().collect::<Vec<_>>(), ["start", "start", "end"]);
}

#[test]
fn a_failed_attempt_leaves_no_scratch() {
    let project = Project::new(
        r#"
name: large
stages:
  fails: {uses: command, with: {run: 'head -c 100000 /dev/zero > out; exit 1'}}
"#,
    );
    assert_eq!(project.igpt_flow(&["run", "pipeline.yaml"]).code, 100);
    assert!(super::support::tree(&project.path("artifacts/work-v1")).is_empty());
}

#[test]
fn a_hang_up_stops_a_run_as_an_interrupt_does() {
    let project = Project::new(
        r#"
name: hangup
stages:
  slow:
    uses: command
    with: {run: 'touch "$LOG.started"; sleep 30; echo > out', pass_env: [LOG]}
"#,
    );
    let mut child = project.start(&["run", "pipeline.yaml"]);
    wait_until("the step runs", || project.path("log.started").exists());
    signal(&child, "-HUP");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
