//! What a step is given, and what becomes of results whose bytes are gone.

use std::fs;

use super::support::Project;

#[test]
fn a_command_may_change_its_inputs_and_nobody_sees_it() {
    let project = Project::new(
        r#"
stages:
  make: {uses: command, with: {run: "mkdir -p out/sub; echo a > out/sub/x; mkdir out/empty; ln -s sub/x out/l"}}
  change:
    uses: command
    in: {d: make.out, raw: ./raw, run: ./tool.sh}
    with: {run: "find d raw -type f | wc -l > out; gunzip raw/x.gz; echo b >> d/sub/x; ls d >> out; ./run >> out"}
  look: {uses: command, in: {d: make.out, raw: ./raw}, with: {run: "cat d/l > out; ls raw >> out"}}
export: {change.out: change.txt, look.out: look.txt}
"#,
    );
    fs::create_dir(project.path("raw")).unwrap();
    let mut gzip = std::process::Command::new("sh");
    gzip.args(["-c", "echo row | gzip > raw/x.gz"]).current_dir(project.path(""));
    assert!(gzip.status().unwrap().success());
    project.write("tool.sh", "#!/bin/sh\necho hi\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(project.path("tool.sh"), mode).unwrap();
    assert_eq!(project.igpt_flow(&["run", "pipeline.yaml"]).code, 0);
    assert_eq!(project.read("change.txt"), "2\nempty\nl\nsub\nhi\n");
    assert_eq!(project.read("look.txt"), "a\nx.gz\n");
    assert_eq!(project.igpt_flow(&["verify"]).code, 0);
}

#[test]
fn who_writes_into_a_linked_input_records_nothing_and_the_object_is_made_again() {
    let project = Project::new(
        r#"
stages:
  make: {uses: command, with: {run: "echo one > out"}}
  writes: {uses: command, in: {a: make.out}, with: {run: "chmod u+w $(readlink a); echo two >> a; cat a > out", link: true}}
  reads: {uses: command, in: {a: make.out}, with: {run: "cat a > out", link: [a]}}
export: {make.out: make.txt, reads.out: reads.txt}
"#,
    );
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "--keep-going", "-j", "1"]);
    assert_eq!(ran.code, 100, "{}", ran.out);
    assert!(
        ran.out.contains("FAILED writes") && ran.out.contains("must not write to linked inputs"),
        "{}",
        ran.out
    );
    assert_eq!((project.read("make.txt"), project.read("reads.txt")), ("one\n".into(), "one\n".into()));
    assert_eq!(project.igpt_flow(&["verify"]).code, 0, "what was damaged is set aside and made again");
}

#[test]
fn a_port_of_a_command_gathers_a_folder_with_labels() {
    let project = Project::new(
        r#"
stages:
  part: {uses: command, matrix: {n: [1, 2], kind: [a/b]}, with: {run: "echo ${matrix.n} > out"}}
  all: {uses: command, in: {parts: part.*}, with: {run: "ls parts > out; cat parts/labels.json >> out; cat parts/*n=2* >> out"}}
export: {all.out: all.txt}
"#,
    );
    assert_eq!(project.igpt_flow(&["run", "pipeline.yaml"]).code, 0);
    let all = project.read("all.txt");
    assert!(all.contains("labels.json") && all.contains("\"n\": 2") && all.ends_with("]\n2\n"), "{all}");
}

#[test]
fn a_record_stands_without_its_bytes_until_somebody_needs_them() {
    let project = Project::new(
        r#"
stages:
  first: {uses: command, with: {run: 'echo first >> "$LOG"; mkdir -p out/sub; echo 1 > out/sub/x', pass_env: [LOG]}}
  second: {uses: command, in: {a: first.out/sub}, with: {run: 'echo second >> "$LOG"; sed s/1/one/ a/x > out', pass_env: [LOG]}}
  third: {uses: command, in: {b: second.out}, with: {run: 'echo third >> "$LOG"; cat b > out; echo 3 >> out', pass_env: [LOG]}}
export: {third.out: result.txt}
"#,
    );
    assert_eq!(project.run(), ["first", "second", "third"]);
    fs::remove_dir_all(project.path("artifacts/objects-v1")).unwrap();
    assert!(project.run().is_empty(), "nobody reads what is gone");
    // The last one needs what the second made, and that what the first made.
    project.edit("echo 3", "echo three");
    let plan = project.igpt_flow(&["plan", "pipeline.yaml"]).out;
    assert_eq!(plan.matches("no longer in the store").count(), 2, "{plan}");
    assert_eq!(project.run(), ["first", "second", "third"]);
    assert_eq!(project.read("result.txt"), "one\nthree\n");
    // An export is somebody.
    fs::remove_dir_all(project.path("artifacts/objects-v1")).unwrap();
    fs::remove_file(project.path("result.txt")).unwrap();
    assert_eq!(project.run(), ["first", "second", "third"]);
    assert_eq!(project.read("result.txt"), "one\nthree\n");
}

#[test]
fn what_is_made_again_with_other_bytes_moves_what_reads_it() {
    let project = Project::new(
        r#"
stages:
  first: {uses: command, with: {run: 'echo first >> "$LOG"; echo $OF > out', pass_env: [LOG, OF]}}
  second: {uses: command, in: {a: first.out}, with: {run: 'echo second >> "$LOG"; cat a > out', pass_env: [LOG]}}
  third: {uses: command, in: {a: first.out}, with: {run: 'echo third >> "$LOG"; cat a > out; echo 3 >> out', pass_env: [LOG]}}
export: {second.out: second.txt, third.out: third.txt}
"#,
    );
    let run = |of: &str| {
        project.write("log", "");
        let status = project.command(&["run", "pipeline.yaml"]).env("OF", of).output().unwrap().status;
        assert!(status.success());
        project.executed()
    };
    assert_eq!(run("one"), ["first", "second", "third"]);
    fs::remove_dir_all(project.path("artifacts/objects-v1")).unwrap();
    project.edit("echo 3", "echo three");
    // What is reused from the old bytes would not fit what is made from the new ones.
    assert_eq!(run("two"), ["first", "second", "third"]);
    assert_eq!(
        (project.read("second.txt"), project.read("third.txt")),
        ("two\n".into(), "two\nthree\n".into())
    );
}

#[test]
fn a_run_keeps_what_it_was_made_of() {
    let project = Project::new(
        "vars: {n: 1, token: null}\nsecrets: [token]\nprofiles: {two: {n: 2}}\nstages:\n  s: {uses: command, with: {run: \
         'echo ${vars.n} > out', env: {T: '${vars.token}'}}}\nexport: {s.out: out.txt}\n",
    );
    project.run_with(&["--profile", "two", "--set", "vars.token=hunter22"]);
    let run = fs::read_dir(project.path("artifacts/runs-v2")).unwrap().next().unwrap().unwrap().path();
    let digest = fs::read_to_string(run.join("plan")).unwrap();
    let (folder, name) = digest.trim().split_at(2);
    let text = project.read(&format!("artifacts/objects-v1/{folder}/{name}"));
    let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&plan["profiles"][0], &plan["vars"]["n"]), (&"two".into(), &2.into()));
    assert!(plan["files"][0]["text"].as_str().unwrap().starts_with("vars:"));
    assert_eq!(plan["sets"][0], "vars.token=***");
    for (path, bytes) in super::support::tree(&project.path("artifacts")) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("hunter22"), "{} holds a secret", path.display());
    }
}
