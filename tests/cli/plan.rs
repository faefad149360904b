//! Looking ahead: `plan`, `status`, `check` and `graph`, with steps, profiles and values named.

use serde_json::Value;

use super::support::{Project, tree};

const CHAIN: &str = r#"
name: chain
vars: {word: small}
profiles: {big: {word: large}}
stages:
  first:
    uses: command
    in: {x: ./input}
    with: {run: 'cat x > out; echo ${vars.word} >> out'}
  second: {uses: command, in: {x: first.out}, with: {run: 'cat x x > out'}}
  third: {uses: command, in: {x: second.out}, with: {run: 'cat x x > out'}}
  aside: {uses: command, with: {run: 'echo aside > out'}}
"#;

fn chain() -> Project {
    let project = Project::new(CHAIN);
    project.write("input", "input\n");
    project
}

fn json(project: &Project, arguments: &[&str]) -> Value {
    let ran = project.igpt_flow(&[arguments, &["--json"]].concat());
    serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{arguments:?}: {e}\n{}\n{}", ran.out, ran.err))
}

#[test]
fn a_step_is_shown_with_what_it_needs() {
    let project = chain();
    let names = |shown: &Value| -> Vec<String> {
        let steps = shown["steps"].as_array().unwrap();
        steps.iter().map(|step| step["step"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&json(&project, &["plan", "pipeline.yaml", "second"])), ["first", "second"]);
    let status = json(&project, &["status", "pipeline.yaml", "second"]);
    assert_eq!((status["steps"].as_u64(), status["done"].as_u64()), (Some(2), Some(0)));
}

#[test]
fn a_name_that_no_step_has_is_refused_by_every_verb_that_takes_one() {
    let project = chain();
    for verb in ["run", "plan", "status"] {
        let ran = project.igpt_flow(&[verb, "pipeline.yaml", "secnd"]);
        assert_eq!(ran.code, 2, "{verb}: {}", ran.out);
        assert!(ran.err.contains("did you mean `second`?"), "{verb}: {}", ran.err);
    }
    for verb in ["check", "graph"] {
        assert_eq!(project.igpt_flow(&[verb, "pipeline.yaml", "second"]).code, 2, "{verb} takes no step");
    }
    assert!(!project.path("artifacts").exists());
}

#[test]
fn plan_makes_nothing_in_a_folder_that_is_no_store() {
    let project = chain();
    std::fs::create_dir(project.path("plain")).unwrap();
    let ran = project.igpt_flow(&["plan", "pipeline.yaml", "--store", "plain"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(std::fs::read_dir(project.path("plain")).unwrap().count(), 0);
    assert!(ran.out.contains("[time unknown]") && ran.out.contains("time    unknown: "), "{}", ran.out);
}

#[test]
fn a_missing_input_and_a_bad_device_are_told_with_and_without_a_store() {
    let project = chain();
    for store in [false, true] {
        if store {
            project.write("input", "input\n");
            project.run();
        }
        std::fs::remove_file(project.path("input")).unwrap();
        let ran = project.igpt_flow(&["plan", "pipeline.yaml"]);
        if store {
            // What was recorded of it stands in.
            assert_eq!(ran.code, 0, "{}", ran.out);
            assert!(ran.out.contains("is missing, its recorded content is assumed"), "{}", ran.out);
        } else {
            assert_eq!(ran.code, 100, "{}", ran.out);
            assert!(ran.out.contains("input`: No such file"), "the cause is told:\n{}", ran.out);
        }
        assert_eq!(project.igpt_flow(&["plan", "pipeline.yaml", "aside"]).code, 0);
        let ran = project.igpt_flow(&["plan", "pipeline.yaml", "--device", "abacus"]);
        assert_eq!(ran.code, 2, "{}", ran.out);
    }
}

#[test]
fn steps_below_a_change_are_estimated_by_their_last_results() {
    let project = chain();
    project.run();
    project.edit("cat x > out", "cat x x > out");
    let plan = json(&project, &["plan", "pipeline.yaml"]);
    let steps = plan["steps"].as_array().unwrap();
    for (step, state) in steps.iter().zip(["runs", "below", "below", "reused"]) {
        assert_eq!(step["state"], state);
        assert!(step["cost"]["wall_s"].is_number() && step["bytes"].as_u64() > Some(0), "{step}");
    }
    let sum: u64 = steps[..3].iter().map(|step| step["bytes"].as_u64().unwrap()).sum();
    assert_eq!(plan["total"]["bytes"].as_u64(), Some(sum));
    assert_eq!((plan["total"]["steps"].as_u64(), plan["total"]["unknown"].as_u64()), (Some(3), Some(0)));
    let path = plan["total"]["critical_path"].as_array().unwrap();
    assert_eq!(
        path.iter().map(|step| step.as_str().unwrap()).collect::<Vec<_>>(),
        ["first", "second", "third"]
    );
    let text = project.igpt_flow(&["plan", "pipeline.yaml"]).out;
    let summary = "`chain`: 3 of 4 steps to run, 1 cached, 2 of them only if an output before them changes\n";
    assert!(text.starts_with(summary), "{text}");
    assert!(text.contains("longest first > second > third: "), "{text}");
    assert!(text.contains("runs if `first`'s output changes [about "), "{text}");
}

#[test]
fn a_new_instance_is_estimated_by_the_others() {
    let text = |layers: &str| {
        format!(
            "stages:\n  s: {{uses: command, matrix: {{n: {layers}}}, with: {{run: 'sleep 0.1; echo ${{matrix.n}} > out'}}}}\n"
        )
    };
    let project = Project::new(&text("[1, 2]"));
    project.run();
    project.write("pipeline.yaml", &text("[1, 2, 3]"));
    let plan = json(&project, &["plan", "pipeline.yaml"]);
    let new = &plan["steps"][2];
    assert_eq!((&new["state"], &new["estimate"]["basis"]), (&"runs".into(), &"instances".into()));
    assert!(new["estimate"]["wall_s"].as_f64().unwrap() >= 0.1, "{new}");
    assert!(plan["steps"][0]["estimate"].is_null() && new["cost"].is_null(), "{plan}");
}

#[test]
fn parameters_are_shown_with_value_and_origin() {
    let project = chain();
    let ran = project.igpt_flow(&["plan", "pipeline.yaml", "--profile", "big"]);
    assert!(
        ran.out.contains("run = cat x > out; echo large >> out from vars.word (profile big)"),
        "{}",
        ran.out
    );
    let plan = json(&project, &["plan", "pipeline.yaml", "aside", "--set", "stages.aside.with.run=echo"]);
    let run = &plan["steps"][0]["params"][0];
    assert_eq!(*run, serde_json::json!({"name": "run", "value": "echo", "origin": "--set"}));
}

#[test]
fn set_and_profile_reach_the_steps() {
    let project = Project::new(&format!("{CHAIN}export: {{first.out: result}}\n"));
    project.write("input", "input\n");
    project.run_with(&["first", "--profile", "big"]);
    project.run_with(&["--profile", "big"]);
    assert_eq!(project.read("result"), "input\nlarge\n");
    project.run_with(&["--set", "vars.word=other"]);
    assert_eq!(project.read("result"), "input\nother\n");
    assert_eq!(project.igpt_flow(&["run", "pipeline.yaml", "--profile", "huge"]).code, 2);
}

#[test]
fn looking_changes_no_file() {
    let project = chain();
    project.run();
    let before = tree(&project.path("artifacts"));
    for verb in ["plan", "status", "check", "graph"] {
        assert_eq!(project.igpt_flow(&[verb, "pipeline.yaml"]).code, 0, "{verb}");
    }
    assert!(tree(&project.path("artifacts")) == before, "the store is as it was");
}

#[test]
fn errors_of_a_pipeline_are_json_where_json_is_asked_for() {
    let project = Project::new("name: x\nstages:\n  a: {uses: comand}\n");
    // `gc` looks for a store first.
    std::fs::create_dir_all(project.path("artifacts/records-v2")).unwrap();
    for verb in ["plan", "status", "check", "graph", "gc", "run"] {
        let ran = project.igpt_flow(&[verb, "pipeline.yaml", "--json"]);
        assert_eq!(ran.code, 2, "{verb}");
        let answer: Value =
            serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{verb}: {e}\n{}", ran.out));
        assert_eq!(answer["errors"][0]["place"]["line"], 3, "{verb}: {answer}");
        assert!(ran.err.is_empty(), "{verb}: {}", ran.err);
    }
}

#[test]
fn a_graph_is_drawn_in_every_format_and_one_at_a_time() {
    let project = chain();
    let drawn = |format: &str| project.igpt_flow(&["graph", "pipeline.yaml", "--format", format]).out;
    assert!(drawn("text").contains("second [command]\n  <- first (out)\n"));
    assert!(drawn("dot").starts_with("digraph \"chain\" {"));
    assert!(drawn("mermaid").starts_with("flowchart LR\n"));
    let graph = json(&project, &["graph", "pipeline.yaml"]);
    assert_eq!((graph["nodes"].as_array().unwrap().len(), graph["edges"].as_array().unwrap().len()), (4, 2));
    let both = project.igpt_flow(&["graph", "pipeline.yaml", "--format", "dot", "--json"]);
    assert_eq!(both.code, 2);
    assert!(both.err.contains("hint"), "{}", both.err);
}

#[test]
fn check_says_what_a_pipeline_holds() {
    let project = chain();
    let ran = project.igpt_flow(&["check", "pipeline.yaml"]);
    assert_eq!((ran.code, ran.out.trim()), (0, "pipeline.yaml is valid: 4 steps, 0 exports"));
    assert_eq!(json(&project, &["check", "pipeline.yaml"])["ok"], true);
}
