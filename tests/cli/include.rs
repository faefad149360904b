//! `include`: pipelines that build on others share their steps, their variables and their results.

use super::support::Project;

const BASE: &str = r#"
name: base
seed: 3
vars: {word: small, sizes: {a: 1, b: 2}}
profiles: {big: {word: large}, wide: {sizes: {b: 20}}}
stages:
  first: {uses: command, with: {run: 'echo first >> $LOG; echo ${vars.word} ${vars.sizes.a} ${vars.sizes.b} > out', pass_env: [LOG]}}
  second: {uses: command, in: {x: first.out}, with: {run: 'echo second >> $LOG; cat x > out', pass_env: [LOG]}}
  aside: {uses: command, with: {run: 'echo aside >> $LOG; echo aside > out', pass_env: [LOG]}}
export: {aside.out: aside.txt}
"#;

const OWN: &str = r#"
name: own
include: base.yaml
vars: {sizes: {a: 10}, mine: 7}
profiles: {big: {mine: 70}}
stages:
  third: {uses: command, in: {x: first.out}, with: {run: 'echo third >> $LOG; cat x > out; echo ${vars.mine} >> out', pass_env: [LOG]}}
export: {third.out: third.txt}
"#;

fn project() -> Project {
    let project = Project::new(OWN);
    project.write("base.yaml", BASE);
    project
}

#[test]
fn included_steps_run_where_they_are_needed_and_are_shared() {
    let project = project();
    assert_eq!(project.run(), ["first", "third"], "`second`, `aside` and its export are not this pipeline's");
    assert_eq!(project.read("third.txt"), "small 10 2\n7\n");
    assert!(!project.path("aside.txt").exists());
    // What this pipeline says of a variable stands in no other one.
    project.write("log", "");
    assert_eq!(project.igpt_flow(&["run", "base.yaml", "--set", "vars.sizes.a=10"]).code, 0);
    assert_eq!(project.executed(), ["aside", "second"], "`first` is the one that was run here");
    assert_eq!(project.run(), Vec::<String>::new());
}

#[test]
fn of_included_steps_only_the_instances_that_are_needed_run() {
    let base = r#"
stages:
  data: {uses: command, matrix: {set: [x, y]}, with: {run: 'echo data ${matrix.set} >> $LOG; echo ${matrix.set} > out', pass_env: [LOG]}}
  many: {uses: command, matrix: {set: [x, y], n: [1, 2]}, in: {data: data.out}, with: {run: 'echo many ${matrix.set} ${matrix.n} >> $LOG; cat data > out; echo ${matrix.n} >> out', pass_env: [LOG]}}
"#;
    let project = Project::new(
        "include: base.yaml\nstages:\n  mine: {uses: command, matrix: {set: [y], n: [2]}, in: {x: many.out}, with: {run: 'echo mine >> $LOG; cat x > out', pass_env: [LOG]}}\nexport: {mine.out: mine.txt}\n",
    );
    project.write("base.yaml", base);
    assert_eq!(project.run(), ["data y", "many y 2", "mine"], "`x`, and the other `n`, are nobody's");
    assert_eq!(project.read("mine.txt"), "y\n2\n");
    let plan = project.igpt_flow(&["plan", "pipeline.yaml"]).out;
    assert!(plan.starts_with("`pipeline`: all 3 steps cached"), "{plan}");
}

#[test]
fn profiles_and_overrides_reach_into_included_pipelines() {
    let project = project();
    project.run_with(&["--profile", "big", "--profile", "wide"]);
    assert_eq!(project.read("third.txt"), "large 10 20\n70\n");
    project.run_with(&["--set", "vars.word=tiny", "--set", "stages.first.with.run=echo ${vars.word} > out"]);
    assert_eq!(project.read("third.txt"), "tiny\n7\n");
}

#[test]
fn a_fault_is_told_in_the_file_where_it_is_written() {
    let project = project();
    project.write(
        "base.yaml",
        &BASE.replace("uses: command, in: {x: first.out}", "uses: commnd, in: {x: first.out}"),
    );
    let ran = project.igpt_flow(&["check", "pipeline.yaml"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--> base.yaml:8:18"), "{}", ran.err);
    assert!(ran.err.contains("second: {uses: commnd"), "{}", ran.err);

    project.write("base.yaml", "stages: [\n");
    let ran = project.igpt_flow(&["check", "pipeline.yaml"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--> base.yaml:2:1"), "{}", ran.err);
}

#[test]
fn what_cannot_be_included_is_refused() {
    let told = |own: &str, base: &str| {
        let project = Project::new(own);
        project.write("base.yaml", base);
        let ran = project.igpt_flow(&["check", "pipeline.yaml"]);
        assert_eq!(ran.code, 2, "{}", ran.out);
        ran.err
    };
    let check = |own: &str, base: &str, expected: &[&str]| {
        let err = told(own, base);
        for text in expected {
            assert!(err.contains(text), "no `{text}` in\n{err}");
        }
    };
    check(
        &OWN.replace("third:", "first:")
            .replace("third.out", "first.out")
            .replace("in: {x: first.out}, ", ""),
        BASE,
        &["pipeline.yaml:7:3", "the step `first` is also a step of the included `base.yaml`"],
    );
    check(&OWN.replace("base.yaml", "bse.yaml"), BASE, &["pipeline.yaml:3:10", "`bse.yaml` cannot be read"]);
    check(&OWN.replace("base.yaml", "[base.yaml, base.yaml]"), BASE, &["`base.yaml` is included twice"]);
    check(&OWN.replace("base.yaml", "{a: b}"), BASE, &["`include` names pipeline files, found a map"]);
    check(&OWN.replace("base.yaml", "[]"), BASE, &["`include` must name 1 to 32 files, found 0"]);
    check(OWN, "- a\n", &["base.yaml:1:3", "must be a pipeline, found a list"]);
    check(OWN, &format!("include: pipeline.yaml\n{BASE}"), &["base.yaml:1:1", "may not include others"]);
}
