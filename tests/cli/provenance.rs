//! Where results come from: `origin`, what exports say of themselves, and stores without the original data.

use std::fs;

use serde_json::Value;

use super::support::{Project, tree};

const PIPELINE: &str = r#"
name: traced
stages:
  clean: {uses: command, in: {raw: ./data.csv}, with: {pass_env: [LOG], run: 'echo clean >> $LOG; grep -v "^#" raw > out'}}
  count:
    uses: command
    matrix: {n: [1, 2]}
    in: {rows: clean.out}
    with: {pass_env: [LOG], run: 'echo count >> $LOG; head -n ${matrix.n} rows | wc -c > out'}
  table:
    uses: command
    in: {counts: count.*}
    with: {pass_env: [LOG], run: 'echo table >> $LOG; mkdir out; cat counts/* > out/table.md; echo more > out/notes'}
export: {table.out: results/table, clean.out: results/clean.csv}
"#;

fn project() -> Project {
    let project = Project::new(PIPELINE);
    project.write("data.csv", "#h\n1\n22\n333\n");
    project
}

fn json(project: &Project, arguments: &[&str]) -> Value {
    let ran = project.igpt_flow(arguments);
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn a_file_a_step_and_a_digest_lead_to_the_same_data() {
    let project = project();
    project.run();
    let data = blake3::hash(b"#h\n1\n22\n333\n").to_string();
    let of_file = json(&project, &["origin", "results/table/table.md", "--json"]);
    let names: Vec<&str> =
        of_file["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(names, ["table", "count[n=1]", "count[n=2]", "clean"]);
    assert_eq!(of_file["found"][0]["within"], "table.md");
    let end = &of_file["steps"][3]["inputs"][0];
    assert_eq!(
        (&end["digest"], &end["source"]["outside"]),
        (&Value::from(data.as_str()), &"./data.csv".into())
    );
    assert_eq!(of_file["is_whole"], true);
    let key = of_file["steps"][0]["key"].as_str().unwrap().to_owned();
    for asked in ["table", "results/table", &key, &key[..10]] {
        let found = json(&project, &["origin", asked, "--json"]);
        assert_eq!(found["steps"], of_file["steps"], "{asked}");
    }
    let ran = project.igpt_flow(&["origin", "count:n=2"]);
    for text in ["count[n=2] [command version 3]", "in rows: `clean`, out (", &data, "run = ", "igpt-flow 0."]
    {
        assert!(ran.out.contains(text), "no `{text}` in:\n{}", ran.out);
    }
    let dot = project.igpt_flow(&["origin", "table", "--dot"]).out;
    assert!(dot.starts_with("digraph origin {") && dot.contains("./data.csv ("), "{dot}");
    let shown = project.igpt_flow(&["show", "table"]).out;
    assert!(shown.contains("in counts [n=2]: `count[n=2]`, out ("), "{shown}");
}

#[test]
fn what_has_no_origin_is_said_with_what_could_be_meant() {
    let project = project();
    project.run();
    for (asked, code, text) in [
        ("tabel", 2, "did you mean `table`?"),
        ("results/none", 1, "results/none"),
        ("data.csv", 2, "no step in this store produced"),
        ("0123456789", 2, "no step, output or file"),
    ] {
        let ran = project.igpt_flow(&["origin", asked]);
        assert_eq!(ran.code, code, "{asked}: {}", ran.err);
        assert!(ran.err.contains(text), "{asked}: {}", ran.err);
    }
    project.write("results/table/table.md", "edited");
    let ran = project.igpt_flow(&["origin", "results/table/table.md"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("was changed since"), "{}", ran.err);
    let ran = project.igpt_flow(&["origin", "clean", "--row", "1"]);
    assert!(ran.code == 2 && ran.err.contains("--row"), "{}", ran.err);
}

#[test]
fn a_row_of_a_table_leads_to_its_own_inputs_alone() {
    let pipeline = r#"
name: cells
stages:
  one: {uses: command, with: {run: 'echo 1 > out'}}
  two: {uses: command, with: {run: 'echo 2 > out'}}
  table:
    uses: command
    in: {first: one.out, second: two.out}
    with:
      run: |
        mkdir out; cat first second > out/table.md
        cat > out/cells.json <<END
        {"columns": [{"name": "score", "heading": "Score"}], "rows": [{"name": "a"}, {"name": "b"}], "cells": [
          {"row": 0, "column": 0, "text": "1.0", "value": 1, "inputs": [{"port": "first", "index": 0}]},
          {"row": 1, "column": 0, "text": "2.0", "value": 2, "inputs": [{"port": "second", "index": 0}]}]}
        END
export: {table.out: results/table}
"#;
    let project = Project::new(pipeline);
    project.write("log", "");
    assert_eq!(project.igpt_flow(&["run", "pipeline.yaml"]).code, 0);
    let steps = |arguments: &[&str]| -> Vec<String> {
        let found = json(&project, &[&["origin", "results/table/table.md", "--json"], arguments].concat());
        found["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["step"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(steps(&[]), ["table", "one", "two"]);
    assert_eq!(steps(&["--row", "2"]), ["table", "two"]);
    assert_eq!(steps(&["--row", "1", "--column", "Score"]), ["table", "one"]);
    let ran = project.igpt_flow(&["origin", "results/table/table.md", "--row", "2"]);
    assert!(ran.out.contains("row 2 (b), Score: 2.0"), "{}", ran.out);
    for (arguments, text) in [(["--row", "3"], "from 1 to 2"), (["--row", "0"], "from 1 to 2")] {
        let ran = project.igpt_flow(&[&["origin", "table"][..], &arguments].concat());
        assert!(ran.code == 2 && ran.err.contains(text), "{}", ran.err);
    }
    let ran = project.igpt_flow(&["origin", "table", "--row", "1", "--column", "none"]);
    assert!(ran.code == 2 && ran.err.contains("columns are Score"), "{}", ran.err);
}

#[test]
fn an_export_says_where_it_came_from_and_only_that_moves() {
    let project = project();
    project.run();
    let said: Value = serde_json::from_str(&project.read("results/table/provenance.json")).unwrap();
    assert_eq!((&said["step"], &said["port"]), (&"table".into(), &"out".into()));
    let show = said["commands"][0].as_str().unwrap().to_owned();
    let ran = project.igpt_flow(&show.split(' ').skip(1).collect::<Vec<_>>());
    assert!(ran.code == 0 && ran.out.contains("`table`"), "{}", ran.err);
    assert!(project.path("results/clean.csv.provenance.json").is_file());
    // All cached: nothing is written.
    let before = tree(&project.path("results"));
    project.run();
    assert_eq!(tree(&project.path("results")), before);
    // Another machine, another day: only these files differ.
    let other = self::project();
    other.run();
    let (mine, others) = (tree(&project.path("results")), tree(&other.path("results")));
    for ((path, mine), (_, other)) in mine.iter().zip(&others) {
        let moves = path.to_string_lossy().ends_with("provenance.json");
        assert_eq!(mine == other, !moves, "{}", path.display());
    }
    // Without it, as an earlier version left an export, it is completed.
    fs::remove_file(project.path("results/table/provenance.json")).unwrap();
    assert_eq!(project.run(), [""; 0]);
    assert!(project.path("results/table/provenance.json").is_file());
    // A newer result brings a newer one.
    project.write("data.csv", "#h\n1\n4444\n");
    project.run();
    let newer: Value = serde_json::from_str(&project.read("results/table/provenance.json")).unwrap();
    assert_ne!(newer["digest"], said["digest"]);
    assert_eq!(newer["keys"][0], json(&project, &["origin", "table", "--json"])["steps"][0]["key"]);
}

#[test]
fn a_provenance_file_of_the_users_is_left_alone() {
    let project = project();
    project.write("results/clean.csv.provenance.json", "mine");
    project.write("results/table/provenance.json", "{\"format\": \"mine, too\"}");
    project.run();
    assert_eq!(project.read("results/clean.csv.provenance.json"), "mine");
    project.write("data.csv", "#h\n5\n");
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(project.read("results/table/provenance.json"), "{\"format\": \"mine, too\"}");
    assert!(ran.out.contains("left alone"), "{}", ran.out);
    // One of ours that the user wrote into is his as well.
    let second = self::project();
    second.run();
    let edited = second.read("results/table/provenance.json").replace("table", "chair");
    second.write("results/table/provenance.json", &edited);
    second.write("data.csv", "#h\n5\n");
    second.run();
    assert_eq!(second.read("results/table/provenance.json"), edited);
    assert!(
        second.read("results/table/table.md").ends_with("\n2\n2\n"),
        "the export itself is the newer one"
    );
}

#[test]
fn what_exports_say_of_themselves_is_no_input_of_others() {
    let project = project();
    project.run();
    project.write(
        "reader.yaml",
        "name: reader\nstages:\n  all: {uses: command, in: {it: ./results}, with: {run: 'find it -type f | sort > out'}}\n  \
         some: {uses: command, in: {it: {files: 'results/**/*'}}, with: {run: 'find it -type f | sort > out'}}\n\
         export: {all.out: all.txt, some.out: some.txt}\n",
    );
    let ran = project.igpt_flow(&["run", "reader.yaml"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(project.read("all.txt"), "it/clean.csv\nit/table/notes\nit/table/table.md\n");
    assert!(!project.read("some.txt").contains("provenance"), "{}", project.read("some.txt"));
    fs::remove_file(project.path("results/table/provenance.json")).unwrap();
    project.run();
    let ran = project.igpt_flow(&["run", "reader.yaml"]);
    assert!(ran.out.contains("0 executed, 2 reused"), "{}", ran.out);
}

#[test]
fn a_store_without_the_original_data_answers() {
    let project = project();
    project.run();
    fs::remove_file(project.path("data.csv")).unwrap();
    let status = project.igpt_flow(&["status", "pipeline.yaml"]);
    assert!(
        status.out.contains("all 4 steps cached") && status.out.contains("not on disk: ./data.csv"),
        "{}",
        status.out
    );
    let plan = project.igpt_flow(&["plan", "pipeline.yaml"]);
    assert!(plan.code == 0 && plan.out.contains("./data.csv is missing"), "{}", plan.out);
    assert_eq!(project.igpt_flow(&["origin", "table"]).code, 0);
    assert_eq!(project.igpt_flow(&["show", "clean"]).code, 0);
    let audit = project.igpt_flow(&["audit", "pipeline.yaml", "table", "count"]);
    assert!(
        audit.code == 0 && audit.out.contains("3 steps audited: 3 as recorded"),
        "{}{}",
        audit.out,
        audit.err
    );
    // What must run needs it, and says so.
    project.edit("grep -v", "grep -iv");
    let plan = project.igpt_flow(&["plan", "pipeline.yaml"]);
    assert!(plan.code == 100 && plan.out.contains("data.csv`: No such file"), "{}", plan.out);
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert!(ran.code == 2 && ran.err.contains("data.csv"), "{}", ran.err);
}
