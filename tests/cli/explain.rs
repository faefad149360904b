//! `explain` follows a changed input to what caused it.

use serde_json::Value;

use super::support::Project;

const CHAIN: &str = r#"
name: chain
stages:
  data: {uses: command, in: {raw: ./raw}, with: {run: 'cat raw > out', env: {SIDE: "8"}}}
  probe:
    uses: command
    matrix: {layer: [1, 2, 3]}
    in: {data: data.out}
    with: {run: 'cat data > out; echo ${matrix.layer} >> out'}
  report: {uses: command, in: {probes: probe.out.*}, with: {run: 'cat probes/* > out'}}
"#;

fn chain() -> Project {
    let project = Project::new(CHAIN);
    project.write("raw", "raw\n");
    project.run();
    project
}

#[track_caller]
fn explained(project: &Project) -> String {
    project.run();
    let ran = project.igpt_flow(&["explain", "report"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran.out
}

#[test]
fn a_changed_parameter_upstream_is_named() {
    let project = chain();
    project.edit("SIDE: \"8\"", "SIDE: \"4\"");
    project.edit("cat raw > out", "cat raw raw > out");
    let text = explained(&project);
    let places = [
        "inputs.probes[layer=1]: ",
        "because `probe[layer=1]` and 2 other instances changed:",
        "because `data` changed:",
        "params.env.SIDE: \"8\" -> \"4\"",
    ];
    let found: Vec<_> = places.iter().map(|place| text.find(place)).collect();
    assert!(found.iter().all(Option::is_some) && found.is_sorted(), "{found:?}\n{text}");
    let json: Value = serde_json::from_str(&project.igpt_flow(&["explain", "report", "--json"]).out).unwrap();
    let causes = json[0]["causes"].as_array().unwrap();
    assert_eq!((causes.len(), &causes[1]["step"]["step"]), (2, &"data".into()), "{json}");
}

#[test]
fn a_changed_file_is_named() {
    let project = chain();
    project.write("raw", "other\n");
    let text = explained(&project);
    assert!(text.ends_with("  because the file `./raw` changed\n"), "{text}");
}

#[test]
fn an_output_that_changed_by_itself_is_told_from_a_change_upstream() {
    let project = Project::new(
        r#"
name: random
stages:
  draw: {uses: command, with: {run: 'echo draw >> "$LOG"; wc -c < "$LOG" > out', pass_env: [LOG]}}
  sum: {uses: command, in: {d: draw.out}, with: {run: 'cat d d > out'}}
"#,
    );
    project.run();
    project.write("log", "longer than before\n");
    assert_eq!(project.igpt_flow(&["run", "pipeline.yaml", "--force", "draw"]).code, 0);
    let ran = project.igpt_flow(&["explain", "sum"]);
    assert!(ran.out.ends_with("  because `draw` ran again and its output differs\n"), "{}", ran.out);
}
