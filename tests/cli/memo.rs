//! What runs and what does not: keys from content, early cutoff, reverted changes, parts, fan-in.

use super::support::Project;

/// leaf -> upper -> (count, shout); `count` sees only the number of lines.
const CHAIN: &str = r#"
name: chain
stages:
  upper:
    uses: command
    in: {text: ./leaf.txt}
    with: {run: 'tr a-z A-Z < text > out; echo upper >> "$LOG"', pass_env: [LOG]}
  lines:
    uses: command
    in: {text: upper.out}
    with: {run: 'wc -l < text > out; echo lines >> "$LOG"', pass_env: [LOG]}
  report:
    uses: command
    in: {count: lines.out}
    with: {run: 'echo "lines: $(cat count)" > out; echo report >> "$LOG"', pass_env: [LOG]}
export: {report.out: result.txt}
"#;

fn chain() -> Project {
    let project = Project::new(CHAIN);
    project.write("leaf.txt", "a\nb\n");
    project
}

#[test]
fn a_second_run_executes_nothing() {
    let project = chain();
    assert_eq!(project.run(), ["lines", "report", "upper"]);
    assert_eq!(project.read("result.txt").split_whitespace().collect::<Vec<_>>(), ["lines:", "2"]);
    assert!(project.run().is_empty());
}

#[test]
fn equal_output_cuts_off_everything_below() {
    let project = chain();
    project.run();
    project.write("leaf.txt", "c\nd\n");
    assert_eq!(project.run(), ["lines", "upper"]);
    project.write("leaf.txt", "a\nb\n");
    assert!(project.run().is_empty(), "a reverted input runs nothing");
}

#[test]
fn touching_moving_and_renaming_run_nothing() {
    let project = chain();
    project.run();
    project.write("leaf.txt", "a\nb\n");
    assert!(project.run().is_empty(), "the same content again");
    std::fs::rename(project.path("leaf.txt"), project.path("renamed.txt")).unwrap();
    project.edit("./leaf.txt", "./renamed.txt");
    project.edit("upper:", "capitals:");
    project.edit("upper.out", "capitals.out");
    project.edit("name: chain", "name: other");
    assert!(project.run().is_empty(), "other names, the same work");
    std::fs::rename(project.path("artifacts"), project.path("elsewhere")).unwrap();
    assert!(project.run_with(&["--store", "elsewhere"]).is_empty(), "the store at another place");
}

#[test]
fn a_missing_export_is_restored_and_a_changed_one_left_without_executing() {
    let project = chain();
    project.run();
    let content = project.read("result.txt");
    std::fs::remove_file(project.path("result.txt")).unwrap();
    assert!(project.run().is_empty());
    assert_eq!(project.read("result.txt"), content);
    project.write("result.txt", "my notes");
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert!(ran.code == 0 && ran.out.contains("left alone"), "{}", ran.out);
    assert_eq!(project.read("result.txt"), "my notes");
    // A new result must not be lost for it in silence.
    project.edit("lines: $(cat count)", "rows: $(cat count)");
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert!(ran.code == 100 && ran.out.contains("was changed since igpt-flow wrote it"), "{}", ran.out);
    assert_eq!(project.read("result.txt"), "my notes");
    assert!(project.run_with(&["--overwrite"]).is_empty());
    let kept = project.read("result.txt.bak");
    assert_eq!((project.read("result.txt"), kept), (content.replace("lines", "rows"), "my notes".to_owned()));
}

#[test]
fn an_export_onto_a_foreign_file_is_refused_before_the_first_step() {
    let project = chain();
    project.write("result.txt", "precious");
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, 2, "{}\n{}", ran.out, ran.err);
    assert!(
        ran.err.contains("would replace a file of yours") && ran.err.contains("pipeline.yaml:"),
        "{}",
        ran.err
    );
    assert_eq!(project.read("result.txt"), "precious");
    let plan = project.igpt_flow(&["plan", "pipeline.yaml"]);
    assert!(plan.code == 0, "there is no store yet: {}", plan.out);
    project.write("log", "");
    assert_eq!(project.run_with(&["--overwrite"]).len(), 3);
    assert_eq!(project.read("result.txt.bak"), "precious");
    project.write("result.txt.bak", "precious");
    // What the file itself allows.
    project.write("result.txt", "mine");
    project.edit("report.out: result.txt", "report.out: {path: result.txt, overwrite: true}");
    assert!(project.run().is_empty());
    assert_eq!(project.read("result.txt.bak2"), "mine");
}

#[test]
fn an_edited_command_runs_itself_and_what_its_output_moves() {
    let project = chain();
    project.run();
    project.edit("lines: $(cat count)", "there are $(cat count)");
    assert_eq!(project.run(), ["report"]);
    project.edit("there are $(cat count)", "lines: $(cat count)");
    assert!(project.run().is_empty());
}

#[test]
fn a_forced_step_runs_and_a_target_runs_only_what_it_needs() {
    let project = chain();
    assert_eq!(project.run_with(&["lines"]), ["lines", "upper"]);
    assert_eq!(project.run(), ["report"]);
    assert_eq!(project.run_with(&["--force", "lines"]), ["lines"]);
}

#[test]
fn passed_names_stay_out_of_the_key_and_declared_values_enter_it() {
    let project = Project::new(
        r#"
name: env
stages:
  a:
    uses: command
    with: {run: 'echo "$X" > out; echo a >> "$LOG"', env: {X: "1"}, pass_env: [LOG]}
"#,
    );
    assert_eq!(project.run(), ["a"]);
    std::fs::rename(project.path("log"), project.path("log2")).unwrap();
    assert!(project.run().is_empty());
    project.edit("X: \"1\"", "X: \"2\"");
    assert_eq!(project.run(), ["a"]);
}

#[test]
fn a_matrix_pairs_equal_axes_and_a_fan_in_labels_the_rest() {
    let project = Project::new(
        r#"
name: matrix
stages:
  make:
    uses: command
    matrix: {n: [1, 2, 3], exclude: [{n: 2}]}
    with: {run: 'echo ${matrix.n} > out; echo make${matrix.n} >> "$LOG"', pass_env: [LOG]}
  double:
    uses: command
    matrix: {n: [1, 3]}
    in: {x: make.out}
    with: {run: 'expr $(cat x) \* 2 > out; echo double${matrix.n} >> "$LOG"', pass_env: [LOG]}
export: {double.out: "double-${matrix.n}.txt"}
"#,
    );
    assert_eq!(project.run(), ["double1", "double3", "make1", "make3"]);
    assert_eq!((project.read("double-1.txt").trim(), project.read("double-3.txt").trim()), ("2", "6"));
    project.edit("n: [1, 2, 3]", "n: [1, 2, 3, 4]");
    assert_eq!(project.run(), ["make4"], "one more instance runs alone");
}

#[test]
fn a_part_is_all_that_enters_the_key() {
    let project = Project::new(
        r#"
name: parts
stages:
  layers:
    uses: command
    in: {second: ./second.txt}
    with: {run: 'mkdir -p out/1 out/2; echo one > out/1/x; cp second out/2/x; echo layers >> "$LOG"', pass_env: [LOG]}
  probe:
    uses: command
    matrix: {layer: [1, 2]}
    in: {layer: "layers.out/${matrix.layer}"}
    with: {run: 'cat layer/x > out; echo probe${matrix.layer} >> "$LOG"', pass_env: [LOG]}
"#,
    );
    project.write("second.txt", "two");
    assert_eq!(project.run(), ["layers", "probe1", "probe2"]);
    project.write("second.txt", "another two");
    assert_eq!(project.run(), ["layers", "probe2"]);
}

#[test]
fn instances_that_are_one_and_the_same_work_are_noted_once() {
    let draws = |seed: &str| {
        format!(
            "stages:\n  draw:\n    uses: command\n    matrix: {{seed: [0, 1, 2], k: [a]}}\n    \
             with: {{run: 'echo {seed} > out'}}\n"
        )
    };
    let project = Project::new(&draws("7"));
    let note = "note   `draw[k=a,seed=1]` is the same work as `draw[k=a,seed=0]`: parameters and inputs are the same for every `seed`";
    // Also where everything is cached, and with `-q`.
    for quiet in ["-v", "-v", "-q"] {
        let ran = project.igpt_flow(&["run", "pipeline.yaml", "-j", "1", quiet]);
        assert_eq!((ran.code, ran.out.matches(note).count()), (0, 1), "{}", ran.out);
        assert!(ran.out.contains("did you mean `seed: ${matrix.seed}` in the step?"), "{}", ran.out);
    }
    let ran = Project::new(&draws("${matrix.seed}")).igpt_flow(&["run", "pipeline.yaml"]);
    assert!(ran.code == 0 && !ran.out.contains("same work"), "{}", ran.out);
}
