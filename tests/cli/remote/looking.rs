//! Verbs that look at results whose bytes are in the remote alone: what they say, and what they fetch.

use std::fs;

use super::{Lab, PIPELINE, rows, run};
use crate::support::Project;
use crate::view::server::Served;

/// A machine that has taken all records, and of the bytes only what it exports.
fn reader(lab: &Lab) -> Project {
    lab.writer();
    let reader = lab.machine();
    run(&reader, &[]);
    reader
}

fn ok(project: &Project, arguments: &[&str]) -> String {
    let ran = project.igpt_flow(arguments);
    assert_eq!(ran.code, 0, "{arguments:?}: {}\n{}", ran.out, ran.err);
    ran.out
}

#[test]
fn bytes_that_are_elsewhere_are_said_to_be_there() {
    let lab = Lab::new();
    let reader = reader(&lab);
    let elsewhere = format!("not here but in the remote {}", lab.url);
    // By the run that took the record, which says where from; nothing is named here.
    let out = ok(&reader, &["show", "data"]);
    assert!(out.contains(&elsewhere) && out.contains("igpt-flow pull FILE"), "{out}");
    assert!(!out.contains("objects-v1"), "a path at which there is nothing: {out}");
    let json: serde_json::Value = serde_json::from_str(&ok(&reader, &["show", "data", "--json"])).unwrap();
    assert_eq!(json[0]["bytes"]["out"], serde_json::json!({"place": "elsewhere", "remote": lab.url}));
    // What was exported is here.
    let out = ok(&reader, &["show", "sum"]);
    assert!(!out.contains("remote") && out.contains("objects-v1"), "{out}");
    // To look is not to fetch: the rows are still there alone.
    assert!(ok(&reader, &["show", "data"]).contains(&elsewhere));
    // Without the remote nothing is said of it.
    let out = ok(&reader, &["show", "data", "--remote", "none"]);
    assert!(out.contains("not in the store") && !out.contains("in the remote"), "{out}");
    // What is gone there, too, is told from what cannot be asked for.
    let object = lab.object(rows(3000).as_bytes());
    let aside = object.with_extension("aside");
    fs::rename(&object, &aside).unwrap();
    let out = ok(&reader, &["show", "data"]);
    assert!(out.contains(&format!("neither here nor in the remote {}", lab.url)), "{out}");
    fs::rename(&aside, &object).unwrap();
    let moved = lab.folder.path().with_extension("away");
    fs::rename(lab.folder.path(), &moved).unwrap();
    let out = ok(&reader, &["show", "data"]);
    assert!(out.contains("cannot be asked"), "{out}");
    fs::rename(&moved, lab.folder.path()).unwrap();
    ok(&reader, &["pull", "pipeline.yaml"]);
    let out = ok(&reader, &["show", "data"]);
    assert!(!out.contains("remote") && out.contains("objects-v1"), "{out}");
}

/// The pipeline with a step that makes a table as stages do, a figure, and something large.
fn with_a_table(lab: &Lab) -> Project {
    let cells = r#"{"columns": [{"name": "b"}], "rows": [{"name": "x"}], "cells": [{"row": 0, "column": 0, "text": "2718.28", "value": 2718.28, "inputs": []}]}"#;
    let step = format!(
        r#"  table:
    uses: command
    with:
      run: |
        mkdir out
        printf '**T**\n\n| a | b |\n| :-- | --: |\n| x | 2718.28 |\n' > out/table.md
        echo '{cells}' > out/cells.json
        echo '<svg xmlns="http://www.w3.org/2000/svg"/>' > out/figure.svg
        seq 2000 > out/large
export:"#
    );
    Project::new(&format!("remote: {{url: '{}'}}\n{}", lab.url, PIPELINE.replace("export:", &step)))
}

#[test]
fn verbs_fetch_what_they_read_and_no_more() {
    let lab = Lab::new();
    run(&with_a_table(&lab), &["--push"]);
    let large: String = (1..=2000).map(|n| format!("{n}\n")).collect();
    let large = lab.object(large.as_bytes()).strip_prefix(lab.folder.path()).unwrap().to_owned();
    // A machine for each, which has none of the table's bytes.
    let reader = || {
        let reader = with_a_table(&lab);
        run(&reader, &[]);
        reader
    };
    let is_here = |reader: &Project| reader.path("artifacts").join(&large).exists();

    let one = reader();
    let file = |more: &[&str]| {
        ok(&one, &[&["view", "-o", "page.html"], more].concat());
        one.read("page.html")
    };
    let page = file(&[]);
    assert!(page.contains("2718.28") && page.contains("data:image/svg+xml"), "the table and the figure");
    assert!(
        !page.contains(&lab.url) && page.contains("not here but in the remote file:"),
        "paths are left out"
    );
    assert!(file(&["--with-machine"]).contains(&format!("not here but in the remote {}", lab.url)));
    assert!(!is_here(&one), "what the page does not show is not fetched");

    let one = reader();
    let served = Served::new(&one, &["last"]);
    let id = served.said.split("/run/").nth(1).unwrap().split('?').next().unwrap();
    let page = served.get(&format!("/run/{id}"));
    assert!(page.contains("2718.28") && page.contains("not here but in the remote") && !is_here(&one));

    let one = reader();
    let out = ok(&one, &["origin", "table", "--row", "1"]);
    assert!(out.contains("row 1 (x), b: 2718.28") && !is_here(&one), "{out}");
    let ran = reader().igpt_flow(&["origin", "table", "--row", "1", "--remote", "none"]);
    assert!(ran.code == 2 && ran.err.contains("its bytes are not in the store"), "{}", ran.err);

    let one = reader();
    assert!(ok(&one, &["values", "pipeline.yaml"]).contains("2718.28") && !is_here(&one));
}

#[test]
fn bundles_and_audits_fetch_what_they_need() {
    let lab = Lab::new();
    let reader = reader(&lab);
    let out = ok(&reader, &["bundle", "pipeline.yaml", "-o", "b.tar.zst"]);
    assert!(out.contains("can be rebuilt from it: sum"), "{out}");
    assert!(ok(&reader, &["verify", "b.tar.zst", "--commands"]).contains("sum"));
    let reader = lab.machine();
    run(&reader, &[]);
    let out = ok(&reader, &["audit", "pipeline.yaml"]);
    assert!(out.contains("4 steps audited: 4 as recorded"), "{out}");
    let reader = lab.machine();
    run(&reader, &[]);
    let ran = reader.igpt_flow(&["audit", "pipeline.yaml", "--remote", "none"]);
    assert!(ran.code == 100 && ran.out.contains("its inputs are not in the store"), "{}{}", ran.out, ran.err);
}

#[test]
fn damage_here_of_what_is_elsewhere_is_no_loss() {
    let lab = Lab::new();
    let reader = reader(&lab);
    ok(&reader, &["pull", "pipeline.yaml"]);
    let object = lab.object(rows(3000).as_bytes());
    let name = object.strip_prefix(lab.folder.path()).unwrap();
    let here = reader.path("artifacts").join(name);
    fs::remove_file(&here).unwrap();
    fs::write(&here, "damaged").unwrap();
    let ran = reader.igpt_flow(&["verify"]);
    assert_eq!(ran.code, 101, "{}{}", ran.out, ran.err);
    let right = format!("it is in the remote {} and is fetched when needed", lab.url);
    assert!(ran.out.contains(&right), "{}", ran.out);
}
