//! `audit`: recorded steps run again, and what they make is compared.

use super::support::Project;

const PIPELINE: &str = r#"
name: audited
stages:
  numbers: {uses: command, with: {run: "seq 5 > out"}}
  sum: {uses: command, in: {n: numbers.out}, with: {run: "cat n > out; echo $OF >> out", pass_env: [OF]}}
  below: {uses: command, in: {s: sum.out}, with: {run: "wc -l < s > out"}}
export: {below.out: result.txt}
"#;

#[test]
fn records_that_hold_are_told_from_one_that_does_not() {
    let project = Project::new(PIPELINE);
    let run = |arguments: &[&str], of: &str| {
        let output = project.command(arguments).env("OF", of).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(run(&["run", "pipeline.yaml"], "ten").0, Some(0));
    let (code, out) = run(&["audit", "pipeline.yaml"], "ten");
    assert_eq!((code, out.matches("identical").count()), (Some(0), 3), "{out}");
    // What a record cannot know of: a variable that is handed through.
    let (code, out) = run(&["audit", "pipeline.yaml"], "two");
    assert_eq!(code, Some(100));
    assert!(out.contains("different: out: its content from byte 11 on (line 6)"), "{out}");
    assert_eq!(out.matches("identical").count(), 2, "the step below is judged by what is recorded:\n{out}");
    let (_, json) = run(&["audit", "pipeline.yaml", "--json", "sum"], "two");
    let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(answer["steps"].as_array().unwrap().len(), 1);
    assert_eq!((&answer["holds"], &answer["steps"][0]["verdict"]), (&false.into(), &"different".into()));
    assert_eq!(std::fs::read_dir(project.path("artifacts/tmp-v1")).unwrap().count(), 0, "nothing is left");
    assert_eq!(project.igpt_flow(&["verify"]).code, 0);
}

#[test]
fn a_sample_is_a_share_and_a_step_without_a_result_is_no_success() {
    let project = Project::new(PIPELINE);
    let audit = |more: &[&str]| project.igpt_flow(&[&["audit", "pipeline.yaml"], more].concat());
    assert_eq!(audit(&[]).code, 101, "there is no store");
    assert_eq!(project.igpt_flow(&["run", "pipeline.yaml", "numbers"]).code, 0);
    let ran = audit(&[]);
    assert!(ran.code == 100 && ran.out.contains("not audited: it has no result"), "{}", ran.out);
    assert_eq!(audit(&["numbers"]).code, 0);
    project.run();
    let ran = audit(&["--sample", "34%"]);
    assert!(ran.out.contains("2 steps audited"), "{}", ran.out);
    assert_eq!(audit(&["--sample", "0%"]).code, 2);
}
