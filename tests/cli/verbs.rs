//! The other verbs: what they print, and their exit codes.

use super::support::Project;

const SMALL: &str = r#"
name: small
stages:
  a:
    uses: command
    with: {run: 'echo 1 > out', env: {X: "1"}}
  b:
    uses: command
    in: {a: a.out}
    with: {run: 'cat a a > out'}
"#;

#[test]
fn a_broken_pipeline_shows_every_error_with_its_place() {
    let project = Project::new("name: x\nstages:\n  a: {uses: comand}\n  b: {uses: command, wiht: {}}\n");
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, 2);
    for text in ["pipeline.yaml:3:13", "pipeline.yaml:4:", "command", "with", "hint"] {
        assert!(ran.err.contains(text), "no `{text}` in:\n{}", ran.err);
    }
    assert_eq!(project.igpt_flow(&["check", "pipeline.yaml"]).code, 2);
    assert!(!project.path("artifacts").exists(), "a broken pipeline touches nothing");
}

#[test]
fn a_missing_file_is_a_usage_error() {
    let project = Project::new("");
    let ran = project.igpt_flow(&["run", "nowhere.yaml"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("nowhere.yaml"), "{}", ran.err);
}

#[test]
fn plan_changes_nothing_and_says_what_would_run() {
    let project = Project::new(SMALL);
    let before = project.igpt_flow(&["plan", "pipeline.yaml"]);
    assert_eq!(before.code, 0, "{}", before.err);
    assert!(before.out.starts_with("`small`: 2 steps to run\n"), "{}", before.out);
    assert!(!project.path("artifacts").exists());
    project.run();
    let after = project.igpt_flow(&["plan", "pipeline.yaml"]);
    assert!(
        after.out.starts_with("`small`: all 2 steps cached\n\na command    cached [took "),
        "{}",
        after.out
    );
}

#[test]
fn the_first_line_of_run_names_the_store() {
    let project = Project::new(SMALL);
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert!(ran.out.lines().next().unwrap().contains("artifacts"), "{}", ran.out);
}

#[test]
fn explain_names_the_field_with_old_and_new() {
    let project = Project::new(SMALL);
    project.run();
    project.edit("X: \"1\"", "X: \"2\"");
    project.run();
    let ran = project.igpt_flow(&["explain", "a"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    for text in ["env.X", "1", "2"] {
        assert!(ran.out.contains(text), "no `{text}` in:\n{}", ran.out);
    }
}

#[test]
fn json_output_is_json() {
    let project = Project::new(SMALL);
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "--json"]);
    for line in ran.out.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{line}: {e}"));
    }
    for verb in
        [&["plan", "pipeline.yaml"][..], &["status", "pipeline.yaml"], &["runs"], &["show", "a"], &["stages"]]
    {
        let ran = project.igpt_flow(&[verb, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{verb:?}: {}", ran.err);
        serde_json::from_str::<serde_json::Value>(&ran.out)
            .unwrap_or_else(|e| panic!("{verb:?}: {e}\n{}", ran.out));
    }
}

#[test]
fn gc_keeps_what_a_pipeline_names() {
    let project = Project::new(SMALL);
    project.run();
    project.edit("X: \"1\"", "X: \"2\"");
    project.run();
    let dry = project.igpt_flow(&["gc", "pipeline.yaml"]);
    assert_eq!(dry.code, 0, "{}", dry.err);
    let ran = project.igpt_flow(&["gc", "pipeline.yaml", "--delete"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(project.run().is_empty());
    assert_eq!(project.igpt_flow(&["verify"]).code, 0);
}

#[test]
fn some_axes_name_all_instances_that_have_them() {
    let project = Project::new(
        "stages:
  probe:
    uses: command
    matrix: {layer: [1, 2], seed: [0, 1]}
    with: {run: 'echo ${matrix.layer} ${matrix.seed} > out'}
",
    );
    let results = |names: &[&str]| {
        let ran = project.igpt_flow(&[&["run", "pipeline.yaml"], names].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        let lines = ran.out.lines().filter_map(|line| line.strip_prefix("result "));
        (lines.map(|line| line[..line.find('.').unwrap()].to_owned()).collect::<Vec<_>>(), ran.out)
    };
    assert_eq!(results(&["probe:layer=2"]).0, ["probe[layer=2,seed=0]", "probe[layer=2,seed=1]"]);
    assert_eq!(results(&["probe:seed=1,layer=2"]).0, ["probe[layer=2,seed=1]"]);
    // Both of seed 1, and that of layer 1 and seed 0 for the first time.
    let (_, out) = results(&["probe", "--force", "probe:seed=1"]);
    assert!(out.contains("3 executed, 1 reused, "), "{out}");
    let shown = project.igpt_flow(&["show", "probe:seed=1", "--json"]);
    assert_eq!(shown.out.matches("\"outcome\":").count(), 2, "{}", shown.out);
}
