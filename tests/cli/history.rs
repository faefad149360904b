//! Looking back: `explain`, `show`, `logs`, `diff`, `runs`, over runs that ended well and ill.

use serde_json::Value;

use super::support::{Project, Ran};

const TWO: &str = r#"
name: two
stages:
  a:
    uses: command
    with: {run: 'echo said; echo $X > out', env: {X: "1"}}
  b: {uses: command, in: {x: a.out}, with: {run: 'cat x x > out'}}
"#;

/// The ids of the runs, the oldest first.
fn runs(project: &Project) -> Vec<String> {
    let ran = project.igpt_flow(&["runs"]);
    ran.out.lines().rev().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[track_caller]
fn right(ran: Ran) -> String {
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    ran.out
}

#[test]
fn explain_tells_a_run_by_its_own_events() {
    let project = Project::new(TWO);
    project.run();
    project.run();
    project.run_with(&["--force", "a"]);
    let runs = runs(&project);
    let explain = |run: &str| right(project.igpt_flow(&["explain", "a", "--run", run]));
    assert!(explain(&runs[0]).contains("ran; no earlier run"), "{}", explain(&runs[0]));
    let second = explain(&runs[1]);
    assert!(
        second.contains("reused") && second.contains(&format!("since run {} created", runs[0])),
        "{second}"
    );
    assert!(explain(&runs[2]).contains("it was forced"), "{}", explain(&runs[2]));
}

#[test]
fn explain_tells_why_a_failed_step_ran_and_why_it_failed() {
    let project = Project::new(TWO);
    project.run();
    project.edit("X: \"1\"", "X: \"2\"");
    project.edit("echo said", "exit 3");
    assert_eq!(project.igpt_flow(&["run", "pipeline.yaml"]).code, 100);
    let text = right(project.igpt_flow(&["explain", "a"]));
    for word in ["exit status 3", "it ran because", "env.X"] {
        assert!(text.contains(word), "no `{word}` in:\n{text}");
    }
    let text = right(project.igpt_flow(&["explain", "b"]));
    assert!(text.contains("skipped: `a` failed"), "{text}");
    let json = right(project.igpt_flow(&["explain", "a", "--json"]));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert!(json[0]["error"].as_str().unwrap().contains("exit status 3"), "{json}");
    assert!(json[0]["reason"].as_str().unwrap().contains("env.X"), "{json}");
}

#[test]
fn an_unknown_step_or_run_is_a_usage_error_that_says_which() {
    let project = Project::new(TWO);
    project.run();
    let first = &runs(&project)[0];
    let ran = project.igpt_flow(&["explain", "c", "--run", first]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains(&format!("run {first} has no step `c`")), "{}", ran.err);
    let ran = project.igpt_flow(&["explain", "c"]);
    assert!(ran.code == 2 && ran.err.contains("no run has a step `c`"), "{}", ran.err);
    for verb in [&["explain", "a", "--run", "1999"][..], &["diff", "1999"], &["logs", "a", "--run", "1999"]] {
        let ran = project.igpt_flow(verb);
        assert_eq!(ran.code, 2, "{verb:?}: {}", ran.err);
        assert!(ran.err.contains("hint"), "{}", ran.err);
    }
}

#[test]
fn show_tells_what_a_step_was_made_of_and_where_its_output_is() {
    let project = Project::new(TWO);
    project.run();
    let text = right(project.igpt_flow(&["show", "a"]));
    for word in ["command version 3, key ", "param env = {\"X\":\"1\"}", "cost ", "out out "] {
        assert!(text.contains(word), "no `{word}` in:\n{text}");
    }
    let path = text.lines().map(str::trim).find(|line| line.starts_with('/')).unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "1\n");
}

#[test]
fn logs_are_those_of_the_run_that_did_the_work() {
    let project = Project::new(TWO);
    project.run();
    project.run();
    assert_eq!(right(project.igpt_flow(&["logs", "a"])), "said\n");
    let json: Value = serde_json::from_str(&right(project.igpt_flow(&["logs", "a", "--json"]))).unwrap();
    let path = json[0]["log"].as_str().unwrap();
    assert!(path.contains(&runs(&project)[0]), "{path}");
}

#[test]
fn diff_names_what_changed_and_what_came_of_it() {
    let project = Project::new(TWO);
    project.run();
    project.edit("X: \"1\"", "X: \"2\"");
    project.run();
    let first = &runs(&project)[0];
    let text = right(project.igpt_flow(&["diff", first]));
    assert!(text.contains("0 steps equal, 2 different") && text.contains("env.X"), "{text}");
    let json: Value = serde_json::from_str(&right(project.igpt_flow(&["diff", first, "--json"]))).unwrap();
    assert_eq!(json["differences"][0]["outputs"], serde_json::json!(["out"]), "{json}");
}

#[test]
fn the_index_is_rebuilt_from_the_records() {
    let project = Project::new(TWO);
    project.run();
    assert!(right(project.igpt_flow(&["index", "rebuild"])).contains("from 2 records"));
    let json: Value =
        serde_json::from_str(&right(project.igpt_flow(&["index", "rebuild", "--json"]))).unwrap();
    assert_eq!(json["records"], 2);
    assert!(project.run().is_empty());
}

#[test]
fn runs_are_listed_with_what_they_did_and_can_be_chosen() {
    let project = Project::new(&format!("profiles: {{big: {{word: large}}}}\nvars: {{word: small}}\n{TWO}"));
    project.run();
    project.run_with(&["--profile", "big", "--set", "vars.word=it"]);
    project.edit("echo said", "exit 3");
    assert_eq!(project.igpt_flow(&["run", "pipeline.yaml"]).code, 100);
    let text = right(project.igpt_flow(&["runs"]));
    let [failed, reused, first] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert!(
        failed.contains("  failed ") && failed.ends_with("two: 0 executed, 0 reused, 1 failed, 1 skipped"),
        "{text}"
    );
    assert!(reused.ends_with("two: 0 executed, 2 reused  --profile big --set vars.word=it"), "{text}");
    assert!(first.ends_with("two: 2 executed, 0 reused") && first.contains(" s ago  succeeded "), "{text}");
    let ids = runs(&project);
    let chosen = |arguments: &[&str]| -> Vec<String> {
        let json = right(project.igpt_flow(&[&["runs", "--json"], arguments].concat()));
        let json: Value = serde_json::from_str(&json).unwrap();
        json.as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(chosen(&["--failed"]), ids[2..]);
    assert_eq!(chosen(&["--limit", "1"]), ids[2..]);
    assert_eq!(chosen(&["--pipeline", "two", "--since", "1h"]).len(), 3);
    assert!(chosen(&["--pipeline", "three"]).is_empty() && chosen(&["--since", "2999-01-01"]).is_empty());
    assert_eq!(project.igpt_flow(&["runs", "--since", "once"]).code, 2);
    assert!(right(project.igpt_flow(&["runs", "--limit", "2"])).ends_with("`--limit 0` lists all\n"));
    let json: Value = serde_json::from_str(&right(project.igpt_flow(&["runs", "--json"]))).unwrap();
    let run = &json[1];
    assert_eq!(
        (&run["profiles"], &run["sets"]),
        (&serde_json::json!(["big"]), &serde_json::json!(["vars.word=it"]))
    );
    assert_eq!(
        (run["executed"].as_u64(), run["reused"].as_u64(), run["done"].as_u64()),
        (Some(0), Some(2), Some(2))
    );
    assert!(run["wall_s"].is_number() && run["started"].is_string() && run["arguments"].is_array(), "{run}");
}
