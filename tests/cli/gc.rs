//! `gc`: what stays, for whom.

use serde_json::Value;

use super::support::Project;

const VARIED: &str = r#"
name: varied
vars: {word: small}
profiles: {big: {word: large}}
stages:
  a: {uses: command, with: {run: 'echo ${vars.word} > out; echo a >> "$LOG"', pass_env: [LOG]}}
"#;

/// What `gc` would delete, by step.
fn garbage(project: &Project, arguments: &[&str]) -> Vec<String> {
    let ran = project.igpt_flow(&[&["gc", "--json"], arguments].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(answer["deleted"], false);
    let records = answer["records"].as_array().unwrap().iter();
    records.map(|record| record["step"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn two_projects_that_type_the_same_words_keep_their_results() {
    let project = Project::new("");
    for name in ["one", "two"] {
        let pipeline = format!("stages: {{{name}: {{uses: command, with: {{run: 'echo {name} > out'}}}}}}\n");
        project.write(&format!("{name}/pipeline.yaml"), &pipeline);
        let mut run = project.command(&["run", "pipeline.yaml", "--store", "../artifacts"]);
        assert!(run.current_dir(project.path(name)).output().unwrap().status.success());
    }
    assert!(garbage(&project, &[]).is_empty(), "the latest run of each project stays");
    project.write("two/pipeline.yaml", "stages: {three: {uses: command, with: {run: 'echo > out'}}}\n");
    let mut run = project.command(&["run", "pipeline.yaml", "--store", "../artifacts"]);
    assert!(run.current_dir(project.path("two")).output().unwrap().status.success());
    assert_eq!(garbage(&project, &[]), ["two"], "what a later run of the same replaced goes");
}

#[test]
fn the_profiles_of_a_named_file_stay() {
    let project = Project::new(VARIED);
    project.run_with(&["--profile", "big"]);
    // The same words on another pipeline: no recent run keeps the results any more.
    project.write("saved.yaml", VARIED);
    project.edit("echo ${vars.word}", "echo other");
    project.run_with(&["--profile", "big"]);
    assert_eq!(garbage(&project, &[]), ["a"]);
    assert!(garbage(&project, &["saved.yaml"]).is_empty());
    assert_eq!(project.igpt_flow(&["gc", "saved.yaml", "--delete"]).code, 0);
    project.write("pipeline.yaml", VARIED);
    assert!(project.run_with(&["--profile", "big"]).is_empty());
}
