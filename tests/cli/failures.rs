//! Failing steps: alone, retried, timed out, interrupted; and budgets.

use super::support::{Project, signal, wait_until};

fn two(first: &str, more: &str) -> Project {
    Project::new(&format!(
        r#"
name: two
stages:
  bad:
    uses: command
    with: {{run: '{first}', pass_env: [LOG]}}
{more}
  below:
    uses: command
    in: {{x: bad.out}}
    with: {{run: 'cp x out; echo below >> "$LOG"', pass_env: [LOG]}}
  aside:
    uses: command
    with: {{run: 'sleep 0.3; echo > out; echo aside >> "$LOG"', pass_env: [LOG]}}
  after:
    uses: command
    in: {{x: aside.out}}
    with: {{run: 'cp x out; echo after >> "$LOG"', pass_env: [LOG]}}
"#
    ))
}

#[test]
fn a_failure_lets_running_steps_finish_and_starts_none() {
    let project = two("echo deep trouble; exit 3", "");
    project.write("log", "");
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "--jobs", "2"]);
    assert_eq!(ran.code, 100, "{}", ran.out);
    assert!(ran.out.contains("bad") && ran.out.contains("exit status 3"), "{}", ran.out);
    assert_eq!(project.executed(), ["aside"]);
    let log = ran.out.lines().find_map(|line| line.trim().strip_prefix("log ")).unwrap();
    assert!(std::fs::read_to_string(log).unwrap().contains("deep trouble"));
    assert!(ran.out.contains("| deep trouble"), "{}", ran.out);
}

#[test]
fn keep_going_runs_all_that_is_not_below_the_failure() {
    let project = two("exit 1", "");
    project.write("log", "");
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "--keep-going"]);
    assert_eq!(ran.code, 100);
    assert_eq!(project.executed(), ["after", "aside"]);
    assert!(ran.out.contains("skip   below"), "{}", ran.out);
}

#[test]
fn an_output_that_is_missing_is_a_failure_and_never_recorded() {
    let project = two("true", "");
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, 100);
    assert!(ran.out.contains("`out`"), "{}", ran.out);
    project.edit("run: 'true'", "run: 'echo > out'");
    project.run();
}

#[test]
fn a_retry_is_another_attempt() {
    let fails_once = r#"if [ -e "$LOG.tried" ]; then echo > out; else touch "$LOG.tried"; exit 1; fi"#;
    let project = two(fails_once, "    retries: 1");
    project.write("log", "");
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.out.contains("attempt 2"), "{}", ran.out);
}

#[test]
fn a_time_out_ends_a_step_and_what_it_started() {
    let project = two(r#"sh -c "sleep 5; touch $LOG.late" ; sleep 20"#, "    timeout: 300ms");
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, 100);
    assert!(ran.out.contains("timed out"), "{}", ran.out);
    assert!(!project.path("log.late").exists());
}

#[test]
fn an_interrupt_stops_cleanly() {
    let project = two(r#"touch "$LOG.started"; sleep 30; echo > out"#, "");
    let child = project.start(&["run", "pipeline.yaml"]);
    wait_until("the step runs", || project.path("log.started").exists());
    signal(&child, "-INT");
    let status = { child }.wait().unwrap();
    assert_eq!(status.code(), Some(130));
}

#[test]
fn two_steps_of_six_tenths_of_the_memory_never_overlap() {
    let project = Project::new(
        r#"
name: memory
stages:
  step:
    uses: command
    matrix: {n: [1, 2]}
    resources: {cpus: 1, memory: 600MiB}
    with:
      run: 'echo start >> "$LOG"; sleep 0.2; echo end >> "$LOG"; echo ${matrix.n} > out'
      pass_env: [LOG]
"#,
    );
    project.write("log", "");
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "--jobs", "2", "--memory", "1000MiB"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert_eq!(project.read("log").lines().collect::<Vec<_>>(), ["start", "end", "start", "end"]);
}
