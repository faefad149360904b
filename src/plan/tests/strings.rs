//! Where a string is wanted, a number is the text that was written; where a number is, the number.

use serde_json::json;

use crate::pipeline::{Overrides, render};
use crate::plan::testing::planned;
use crate::plan::{Command, Invocation, Plan, Work};

fn plan_of(yaml: &str, sets: &[&str]) -> Plan {
    let overrides =
        Overrides { sets: sets.iter().map(|set| (*set).to_owned()).collect(), ..Overrides::default() };
    planned(yaml, &overrides).unwrap_or_else(|errors| panic!("{}", render(&errors, false)))
}

fn run(plan: &Plan, step: usize) -> &str {
    match &command(plan, step).run {
        Invocation::Script(text) => text,
        Invocation::Argv(_) => panic!("a list"),
    }
}

fn command(plan: &Plan, step: usize) -> &Command {
    match &plan.steps[step].work {
        Work::Command(command) => command,
        Work::Stage { .. } => panic!("a stage"),
    }
}

fn env(plan: &Plan) -> Vec<&str> {
    command(plan, 0).env.iter().map(|(_, value)| value.as_str()).collect()
}

const VERSIONS: &str = "name: 1.10
description: of ${vars.python}
vars: {python: 3.10, commit: 12345e67, hex: 0x1F, old: 010, many: 1_000, yes: True, list: [1e3, 2.50], deep: {x: 4.0}, again: \"${vars.python}\"}
stages:
  s:
    uses: command
    with:
      run: python${vars.python} ${vars.commit} ${vars.list.1} ${vars.again}
      outputs: [1]
      env: {A: 12.10, B: \"${vars.hex}\", C: \"${vars.old}\", D: \"${vars.many}\", E: \"${vars.yes}\", F: \"${vars.list.0}\", G: \"${vars.deep.x}\", H: \"${vars.again}\", I: false}
export: {s.1: 2.0}
";

#[test]
fn texts_keep_the_spelling_of_the_file() {
    let plan = plan_of(VERSIONS, &[]);
    assert_eq!((plan.name.as_str(), plan.description.as_str()), ("1.10", "of 3.10"));
    assert_eq!(run(&plan, 0), "python3.10 12345e67 2.50 3.10");
    assert_eq!(env(&plan), ["12.10", "0x1F", "010", "1_000", "True", "1e3", "4.0", "3.10", "false"]);
    assert_eq!(command(&plan, 0).outputs[0].0, "1");
    assert_eq!(plan.exports[0].path.to_str(), Some("2.0"));
}

#[test]
fn profiles_sets_and_files_spell_alike() {
    let yaml = VERSIONS.replace("stages:", "profiles: {p: {python: 3.20}}\nstages:");
    let overrides = Overrides { profiles: vec!["p".into()], ..Overrides::default() };
    let planned = planned(&yaml, &overrides).unwrap_or_else(|errors| panic!("{}", render(&errors, false)));
    assert!(run(&planned, 0).starts_with("python3.20 "));
    let plan = plan_of(VERSIONS, &["vars.python=3.30", "stages.s.with.env.A=1e1", "vars.list=[5.50, 6.60]"]);
    assert_eq!(run(&plan, 0), "python3.30 12345e67 6.60 3.30");
    assert_eq!((env(&plan)[0], env(&plan)[5]), ("1e1", "5.50"));
}

#[test]
fn axes_are_numbers_in_labels_and_as_written_in_texts() {
    let plan = plan_of(
        "vars: {by: {\"3.10\": ten}}
stages:
  s:
    uses: command
    matrix: {python: [3.10, 3.9], include: [{python: 4.00}]}
    with: {run: \"p ${matrix.python}\"}
  t:
    uses: command
    matrix: {python: [3.10], way: [\"${vars.by[matrix.python]}\"]}
    in: {x: s.out}
    with: {run: \"${matrix.way}\"}
export: {s.out: \"out/${matrix.python}\"}
",
        &[],
    );
    let names: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["s[python=3.10]", "s[python=3.9]", "s[python=4.00]", "t[python=3.10,way=ten]"]);
    assert_eq!(plan.steps[0].labels["python"], json!(3.1));
    assert_eq!(run(&plan, 2), "p 4.00");
    assert_eq!(run(&plan, 3), "ten");
    assert_eq!(plan.exports[0].path.to_str(), Some("out/3.10"));
}

#[test]
fn a_parameter_takes_what_its_type_is() {
    let plan = plan_of(
        "vars: {rate: 1e-2}
stages:
  images: {uses: images, with: {source: shapes}}
  t: {uses: train, in: {images: images.images}, with: {learning_rate: \"${vars.rate}\", steps: 0x10}}
",
        &[],
    );
    let Work::Stage { params, keyed, .. } = &plan.steps[1].work else { panic!("a command") };
    assert_eq!((&params["learning_rate"], &params["steps"]), (&json!(0.01), &json!(16)));
    assert_eq!(keyed, &json!({"steps": 16, "learning_rate": 0.01}));
}

#[test]
fn what_is_left_empty_is_empty() {
    let plan = plan_of(
        "name:
description:
seed:
include:
vars:
profiles:
#  small: {n: 1}
stages:
  s:
    uses: command
    in:
    with: {run: x}
    matrix:
    #  seed: [0, 1]
    search:
    resources:
    seed:
    retries:
    timeout:
export:
",
        &[],
    );
    assert_eq!((plan.name.as_str(), plan.steps.len()), ("pipeline", 1));
    let plan = plan_of("vars: {w: null}\nstages:\n  i: {uses: report, with: \"${vars.w}\"}\n", &[]);
    assert_eq!(plan.steps.len(), 1);
}
