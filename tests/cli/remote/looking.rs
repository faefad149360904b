//! Verbs that look at results whose bytes are in the remote alone: what they say, and what they fetch.

use std::fs;

use super::{Lab, PIPELINE, rows, run};
use crate::support::Project;

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

#[test]
fn a_page_fetches_the_tables_and_pictures_that_it_shows() {
    let lab = Lab::new();
    let text = |lab: &Lab| {
        let table = "  table: {uses: command, with: {run: 'mkdir out; printf \"**T**\\n\\n| a | b |\\n| :-- | --: |\\n| x | \
                     2718.28 |\\n\" > out/table.md; echo \"<svg xmlns=\\\"http://www.w3.org/2000/svg\\\"/>\" > \
                     out/figure.svg; seq 2000 > out/large'}}\nexport:";
        format!("remote: {{url: '{}'}}\n{}", lab.url, PIPELINE.replace("export:", table))
    };
    let writer = Project::new(&text(&lab));
    writer.write("log", "");
    run(&writer, &["--push"]);
    let reader = Project::new(&text(&lab));
    run(&reader, &[]);
    ok(&reader, &["view", "-o", "page.html"]);
    let page = reader.read("page.html");
    assert!(page.contains("2718.28") && page.contains("data:image/svg+xml"), "the table and the figure");
    let large: String = (1..=2000).map(|n| format!("{n}\n")).collect();
    let large = lab.object(large.as_bytes());
    let here = reader
        .path("artifacts/objects-v1")
        .join(large.strip_prefix(lab.folder.path().join("objects-v1")).unwrap());
    assert!(!here.exists(), "what the page does not show is not fetched");
    assert!(
        !page.contains(&lab.url) && page.contains("not here but in the remote file:"),
        "paths are left out"
    );
    ok(&reader, &["view", "-o", "page.html", "--with-machine"]);
    assert!(reader.read("page.html").contains(&format!("not here but in the remote {}", lab.url)));
}

#[test]
fn bundles_and_audits_fetch_what_they_need() {
    let lab = Lab::new();
    let reader = reader(&lab);
    let out = ok(&reader, &["bundle", "pipeline.yaml", "-o", "b.tar.zst"]);
    assert!(out.contains("can be made again from it: sum"), "{out}");
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
    let right = format!("it is in the remote {} and comes when it is needed", lab.url);
    assert!(ran.out.contains(&right), "{}", ran.out);
}
