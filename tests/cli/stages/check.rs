//! `run --check`: a run whose result is not what was expected of it.

use crate::support::Project;

const PIPELINE: &str = r#"
name: expected
vars: {value: 50.0}
stages:
  measured:
    uses: command
    matrix: {seed: [1, 2]}
    with:
      run: 'mkdir out; echo "{\"values\": {\"accuracy.test\": 0.5${matrix.seed}}}" > out/metrics.json'
  table:
    uses: report
    in: {metrics: [{ours: "measured.*"}]}
    with:
      rows: [step]
      columns:
        - {metric: accuracy.test, percent: true, expect: {value: "${vars.value}", tolerance: 1.0, source: the draft}}
export: {table.table: results}
"#;

#[test]
fn a_missed_expectation_ends_a_checked_run_with_its_own_code() {
    let project = Project::new(PIPELINE);
    let run = |value: &str, more: &[&str]| {
        let set = format!("vars.value={value}");
        project.igpt_flow(&[&["run", "pipeline.yaml", "--set", &set], more].concat())
    };
    let missed = run("50.0", &["--check"]);
    assert_eq!(missed.code, 100, "{}", missed.out);
    assert!(
        missed.out.contains("check: table: ours / accuracy.test: expected 50 within 1, found 51.5"),
        "{}",
        missed.out
    );
    assert!(missed.out.contains("check: 0 of 1 expectation met"), "{}", missed.out);
    // Everything ran, and was exported.
    assert!(project.read("results/table.md").contains("+1.5 ✗"));
    // The result is cached, and missed all the same; who does not ask is not told.
    assert_eq!(run("50.0", &["--check"]).code, 100);
    assert_eq!(run("50.0", &[]).code, 0);
    let met = run("51.0", &["--check"]);
    assert_eq!(met.code, 0, "{}", met.out);
    assert!(met.out.contains("check: 1 of 1 expectation met"), "{}", met.out);
}
