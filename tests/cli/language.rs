//! The pipeline language from outside: texts, values set on the command line, inputs, secrets.

use super::support::{Project, tree};

#[test]
fn texts_reach_a_command_as_they_are_written() {
    let project = Project::new(
        "vars: {python: 3.10, commit: 12345e67}
stages:
  s: {uses: command, with: {run: 'printf \"%s\" \"${vars.python} ${vars.commit} $CUDA $HEX\" > out', env: {CUDA: 12.10, HEX: 0x1F}}}
export: {s.out: o.txt}
",
    );
    project.run();
    assert_eq!(project.read("o.txt"), "3.10 12345e67 12.10 0x1F");
}

#[test]
fn a_value_that_is_set_arrives_whole() {
    let project = Project::new(
        "vars: {x: d}
stages:
  s: {uses: command, with: {run: 'printf \"[%s]\" \"$V\" > out', env: {V: \"${vars.x}\"}}}
export: {s.out: o.txt}
",
    );
    let values = [
        "cats #1",
        "|",
        "two\nlines",
        "#ff0000",
        "",
        "*.csv",
        "@me",
        "---",
        "a: b",
        "[red] cats",
        " x ",
        "1.50",
    ];
    for value in values {
        project.run_with(&["--set", &format!("vars.x={value}")]);
        assert_eq!(project.read("o.txt"), format!("[{value}]"));
    }
}

#[test]
fn what_is_missing_is_told_before_anything_runs() {
    let project = Project::new(
        "stages:
  long: {uses: command, with: {run: 'echo long >> $LOG; echo > out', pass_env: [LOG]}}
  late: {uses: command, in: {a: long.out, cfg: ./config-typo.json}, with: {run: 'cat a > out'}}
export:
  long.out: artifacts/x
",
    );
    project.write("log", "");
    for arguments in [&["check", "pipeline.yaml"][..], &["run", "pipeline.yaml", "--keep-going"]] {
        let ran = project.igpt_flow(arguments);
        assert_eq!(ran.code, 2, "{}", ran.out);
        assert!(ran.err.contains("the input `./config-typo.json` does not exist"), "{}", ran.err);
        assert!(ran.err.contains("pipeline.yaml:3:48"), "with line and column: {}", ran.err);
        assert!(ran.err.contains("the export to `artifacts/x` is inside the store"), "{}", ran.err);
    }
    assert!(project.executed().is_empty() && !project.path("artifacts").exists());
    // What is not asked for may be missing.
    project.edit("  long.out: artifacts/x", "  long.out: x");
    project.run_with(&["long"]);
    let elsewhere = project.igpt_flow(&["check", "pipeline.yaml", "--store", "x/store"]);
    assert_eq!(elsewhere.code, 2);
}

#[test]
fn patterns_give_a_folder_of_what_they_name_and_nothing_else() {
    let project = Project::new(
        "stages:
  s:
    uses: command
    in: {src: {files: [\"src/**/*.py\", \"*.toml\"], ignore: [\"**/__pycache__\"]}}
    with: {run: 'echo s >> $LOG; cd src; find . ! -type d | sort > ../out', pass_env: [LOG]}
export: {s.out: o.txt}
",
    );
    for name in
        ["src/b.py", "src/deep/a.py", "src/__pycache__/x.py", "src/data.csv", "setup.toml", "aside.txt"]
    {
        project.write(name, name);
    }
    assert_eq!(project.run(), ["s"]);
    assert_eq!(project.read("o.txt"), "./setup.toml\n./src/b.py\n./src/deep/a.py\n");
    project.write("src/data.csv", "other");
    project.write("src/__pycache__/y.py", "other");
    assert!(project.run().is_empty(), "what is not named does not matter");
    project.write("src/deep/c.py", "new");
    assert_eq!(project.run(), ["s"]);
    project.edit("*.toml", "*.cfg");
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert!(ran.code == 2 && ran.err.contains("no file matches the pattern `*.cfg`"), "{}", ran.err);
}

#[test]
fn a_secret_reaches_its_command_and_no_file() {
    let project = Project::new(
        "vars: {token: null, host: a}
secrets: [token]
stages:
  s:
    uses: command
    with:
      run: 'echo s >> $LOG; echo \"$TOKEN\" | wc -c | grep -q 15; echo \"$HOST_URL\" | wc -c > out'
      env: {TOKEN: \"${vars.token}\", HOST_URL: \"https://me:${vars.token}@${vars.host}/x\"}
      pass_env: [LOG]
export: {s.out: o.txt}
",
    );
    let secret = ["--set", "vars.token=hunter2hunter2"];
    assert_eq!(project.run_with(&secret), ["s"]);
    let shown = project.igpt_flow(&["plan", "pipeline.yaml", secret[0], secret[1]]);
    assert!(!shown.out.contains("hunter2") && shown.out.contains("***"), "{}", shown.out);
    let wrong = project.igpt_flow(&[
        "check",
        "pipeline.yaml",
        secret[0],
        secret[1],
        "--set",
        "vars.tokn=hunter2hunter2",
    ]);
    assert!(wrong.code == 2 && !wrong.err.contains("hunter2"), "{}", wrong.err);
    for (path, bytes) in tree(&project.path("artifacts")) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("hunter2"), "{} holds the secret", path.display());
    }
    project.edit("host: a", "host: b");
    assert_eq!(project.run_with(&secret), ["s"], "where it is sent is in the key");
    assert!(project.run_with(&secret).is_empty());
    assert!(project.run_with(&["--set", "vars.token=other"]).is_empty(), "which secret it was is not");
}

#[test]
fn what_a_failing_command_printed_is_shown_without_secrets() {
    let project = Project::new(
        "vars: {token: null}
secrets: [token]
stages:
  s:
    uses: command
    with: {run: 'echo \"denied: $TOKEN $PASSED\"; exit 3', env: {TOKEN: \"${vars.token}\"}, pass_env: [PASSED]}
",
    );
    let arguments = ["run", "pipeline.yaml", "--set", "vars.token=hunter2hunter2"];
    for json in [&[][..], &["--json"]] {
        let mut command = project.command(&[&arguments, json].concat());
        let ran = command.env("PASSED", "hf_passed_on").output().unwrap();
        let shown = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
        assert_eq!(ran.status.code(), Some(100), "{shown}");
        assert!(shown.contains("denied: *** ***"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("hf_passed"), "{shown}");
    }
    for (path, bytes) in tree(&project.path("artifacts")) {
        let text = String::from_utf8_lossy(&bytes);
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        assert!(is_log || !text.contains("hunter2"), "{} holds the secret", path.display());
    }
}
