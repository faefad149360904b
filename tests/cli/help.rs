//! `--help`, man pages, and how much is printed: `-q`, `-v`, `--color`.

use super::support::Project;

const PAIR: &str = r#"
name: pair
stages:
  good: {uses: command, with: {run: 'echo > out'}}
  bad: {uses: command, with: {run: 'exit 3'}}
"#;

#[test]
fn the_help_has_groups_an_example_and_the_exit_codes() {
    let project = Project::new(PAIR);
    let ran = project.igpt_flow(&["--help"]);
    assert_eq!(ran.code, 0);
    for text in [
        "\nRun pipelines:\n  run     Run a pipeline",
        "\nMaintain the store:\n",
        "List or delete unreferenced results",
        "\nExamples:\n  igpt-flow new my.yaml --template photos",
        "\n  100  a step failed",
        "--color <WHEN>",
    ] {
        assert!(ran.out.contains(text), "no `{text}` in:\n{}", ran.out);
    }
    assert!(ran.out.lines().all(|line| line.len() <= 100), "{}", ran.out);
    assert!(!ran.out.contains('\x1b'));
    assert!(project.igpt_flow(&["--help", "--color", "always"]).out.contains("\x1b[1mrun\x1b[0m"));
}

#[test]
fn there_is_a_man_page_for_each_verb() {
    let project = Project::new(PAIR);
    let ran = project.igpt_flow(&["man", "pages/man1"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let page = project.read("pages/man1/igpt-flow-run.1");
    for text in [".TH igpt-flow-run 1", "igpt\\-flow run", "EXIT STATUS", "a step failed"] {
        assert!(page.contains(text), "no `{text}` in:\n{page}");
    }
    assert!(project.read("pages/man1/igpt-flow.1").contains("EXAMPLES"));
    assert!(project.path("pages/man1/igpt-flow-index-rebuild.1").exists());
    assert!(!project.path("pages/man1/igpt-flow-worker.1").exists(), "what is hidden has no page");
    assert_eq!(project.igpt_flow(&["man", "pipeline.yaml"]).code, 1);
}

#[test]
fn quiet_prints_failures_and_results_only() {
    let project = Project::new(PAIR);
    let ran = project.igpt_flow(&["-q", "run", "pipeline.yaml", "good"]);
    assert_eq!((ran.code, ran.out.lines().count()), (0, 1), "{}", ran.out);
    assert!(ran.out.starts_with("result good.out"), "{}", ran.out);
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "--quiet"]);
    assert_eq!(ran.code, 100);
    assert!(ran.out.starts_with("FAILED bad"), "{}", ran.out);
}

#[test]
fn quiet_says_that_an_export_is_not_the_result() {
    let project =
        Project::new("stages: {a: {uses: command, with: {run: 'echo 1 > out'}}}\nexport: {a.out: o}\n");
    project.run();
    project.write("o", "mine");
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "-q"]);
    assert!(ran.code == 0 && ran.out.contains("was changed after it was exported"), "{}", ran.out);
}

#[test]
fn verbose_prints_reasons_logs_and_cached_steps() {
    let project = Project::new(PAIR);
    project.run_with(&["good"]);
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "-v"]);
    assert!(ran.out.contains("cached good (key "), "{}", ran.out);
    let log = ran.out.lines().find_map(|line| line.strip_prefix("       log ")).unwrap();
    assert!(log.ends_with("/logs/bad.log") && std::path::Path::new(log).is_file(), "{log}");
    assert_eq!(project.igpt_flow(&["run", "pipeline.yaml", "-v", "-q"]).code, 2);
}

#[test]
fn colours_of_errors_follow_the_option_and_the_environment() {
    let project = Project::new("stages: 3\n");
    let error = |arguments: &[&str], variable: &str| {
        let mut command = project.command(&[&["check", "pipeline.yaml"], arguments].concat());
        let output = command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env(variable, "1").output();
        String::from_utf8(output.unwrap().stderr).unwrap().contains('\x1b')
    };
    assert!(!error(&[], "UNRELATED"), "this is no terminal");
    assert!(error(&["--color", "always"], "UNRELATED") && error(&[], "CLICOLOR_FORCE"));
    assert!(!error(&["--color=never"], "CLICOLOR_FORCE") && error(&["--color=always"], "NO_COLOR"));
}
