//! Results for other programs: `metrics` as tables, event files and JUnit XML; `metrics.json` of commands.

use std::process::Command;

use super::support::Project;

const CURVES: &str = r#"
name: curves
stages:
  train:
    uses: command
    matrix: {layer: [0, 1]}
    with:
      run: |
        mkdir out
        cat > out/metrics.json <<X
        {"values": {"accuracy": 0.${matrix.layer}5, "loss": "NaN"}, "curves": {"loss.train": [[1, 2.5], [300, "inf"]]}}
        X
  wrong: {uses: command, with: {run: 'mkdir out; echo "{\"accuracy\": 3}" > out/metrics.json'}}
"#;

#[test]
fn numbers_of_a_run_and_of_a_pipeline_are_the_same_rows() {
    let project = Project::new(CURVES);
    project.run();
    let ran = project.igpt_flow(&["metrics"]);
    assert_eq!(
        ran.out,
        "step,layer,metric,x,value\n\
         train,0,accuracy,,0.05\ntrain,0,loss,,NaN\ntrain,0,loss.train,1,2.5\ntrain,0,loss.train,300,inf\n\
         train,1,accuracy,,0.15\ntrain,1,loss,,NaN\ntrain,1,loss.train,1,2.5\ntrain,1,loss.train,300,inf\n"
    );
    assert_eq!(project.igpt_flow(&["metrics", "pipeline.yaml"]).out, ran.out);
    let one = project.igpt_flow(&["metrics", "last", "train:layer=1", "--json"]).out;
    let rows: serde_json::Value = serde_json::from_str(&one).unwrap();
    assert_eq!((rows.as_array().unwrap().len(), &rows[1]["value"]), (4, &"NaN".into()));
    assert_eq!(rows[0]["labels"]["layer"], 1);
    project.igpt_flow(&["metrics", "-o", "numbers.json"]);
    assert!(project.read("numbers.json").starts_with('['));
    project.igpt_flow(&["metrics", "--csv", "-o", "numbers.txt"]);
    assert_eq!(project.read("numbers.txt"), ran.out);
    // What was changed since has no numbers yet.
    project.edit("0.${matrix.layer}5", "0.${matrix.layer}6");
    let ran = project.igpt_flow(&["metrics", "pipeline.yaml", "train"]);
    assert_eq!((ran.out.lines().count(), ran.err.lines().count()), (1, 2), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("not cached: train:layer=0"), "{}", ran.err);
}

#[test]
fn what_cannot_be_written_is_said() {
    let project = Project::new(CURVES);
    project.run();
    let refused = |arguments: &[&str], code, what: &str| {
        let ran = project.igpt_flow(arguments);
        assert!(ran.code == code && ran.err.contains(what), "{arguments:?}: {} {}", ran.code, ran.err);
    };
    refused(&["metrics", "--csv", "-o", "x.json"], 2, "a different format than the extension of `x.json`");
    refused(&["metrics", "last", "nothing"], 2, "has no step `nothing`");
    refused(&["metrics", "no-such-run"], 2, "no-such-run");
    refused(&["metrics", "pipeline.yaml", "--junit", "j.xml"], 2, "found a pipeline file");
    refused(&["metrics", "-o", "no/such/folder.csv"], 1, "no/such/folder.csv");
    if !cfg!(feature = "stages") {
        refused(&["metrics", "-o", "x.parquet"], 2, "this binary has no stages");
    }
}

/// The event files themselves are pinned byte by byte in `src/formats/tensorboard.rs`.
#[test]
fn tensorboard_reads_the_curves() {
    let project = Project::new(CURVES);
    project.run();
    for _ in 0..2 {
        let ran = project.igpt_flow(&["metrics", "--tensorboard", "board"]);
        assert_eq!(ran.out, "wrote the curves of 2 steps to board\n", "{}", ran.err);
    }
    let files = std::fs::read_dir(project.path("board/train:layer=1")).unwrap().count();
    assert_eq!(files, 1, "written again, not added to");
    let python = std::env::var("IGPT_FLOW_PYTHON").unwrap_or("python3".to_owned());
    let script = "import sys\n\
                  try: from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n\
                  except ImportError: sys.exit(9)\n\
                  found = EventAccumulator('board/train:layer=1'); found.Reload()\n\
                  print([(point.step, point.value) for point in found.Scalars('loss.train')])";
    match Command::new(&python).args(["-c", script]).current_dir(project.path("")).output() {
        Ok(ran) if ran.status.code() == Some(9) => {
            eprintln!("skipped: TensorBoard (not installed for {python})")
        }
        Err(error) => eprintln!("skipped: TensorBoard ({python}: {error})"),
        Ok(ran) => assert_eq!(
            String::from_utf8_lossy(&ran.stdout),
            "[(1, 2.5), (300, inf)]\n",
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        ),
    }
}

#[test]
fn junit_has_a_case_for_each_step_with_the_output_of_failures() {
    let project = Project::new(
        r#"
name: ci
stages:
  good: {uses: command, with: {run: 'echo > out'}}
  bad: {uses: command, with: {run: 'printf "\033[31mred\000 & <x>"; exit 3'}}
  below: {uses: command, in: {x: bad.out}, with: {run: 'cp x out'}}
"#,
    );
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "--keep-going", "--junit", "junit.xml"]);
    assert_eq!(ran.code, 100);
    let xml = project.read("junit.xml");
    for text in [
        "tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\"",
        "<testcase classname=\"ci\" name=\"good\" time=\"0.",
        "<failure message=\"the command failed: exit status 3\">",
        "<system-out>red &amp; &lt;x&gt;</system-out>",
        "name=\"below\" time=\"0.000\"><skipped message=\"",
    ] {
        assert!(xml.contains(text), "no {text} in:\n{xml}");
    }
    project.igpt_flow(&["metrics", "last", "--junit", "again.xml"]);
    assert_eq!(project.read("again.xml"), xml);
}

#[test]
fn a_metrics_file_of_another_form_is_said_with_field_and_line() {
    let project = Project::new(CURVES);
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let note = ran.out.lines().find(|line| line.starts_with("note   wrong:")).unwrap();
    assert!(
        note.contains(
            "missing field `values` at line 1 column 15; expected {\"values\": {\"accuracy\": 0.5}"
        ),
        "{note}"
    );
}

/// The examples of docs/outputs.md in other languages write the same numbers.
#[test]
fn the_documented_examples_write_metrics() {
    let page = include_str!("../../docs/outputs.md");
    let example = |language: &str| {
        let start = format!("```{language}\n# metrics\n");
        page.split(&start).nth(1).unwrap_or_else(|| panic!("no {language}")).split("```").next().unwrap()
    };
    for (language, program, name) in
        [("sh", "sh", "step.sh"), ("python", "python3", "step.py"), ("r", "Rscript", "step.R")]
    {
        if Command::new(program).arg("--version").output().is_err() {
            eprintln!("skipped: the example in {language} ({program} is not installed)");
            continue;
        }
        let project = Project::new(&format!(
            "name: example\nstages:\n  mine: {{uses: command, in: {{code: ./{name}}}, with: {{run: [{program}, code]}}}}\n"
        ));
        project.write(name, example(language));
        project.run();
        let rows = project.igpt_flow(&["metrics"]).out;
        assert_eq!(
            rows,
            "step,metric,x,value\nmine,accuracy,,0.9\nmine,loss,,NaN\nmine,loss.train,1,2.5\nmine,loss.train,2,1.25\n",
            "{language}"
        );
    }
}
