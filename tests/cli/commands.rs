//! How commands are run: strictly, by which interpreter, with which environment and which logs.

use super::support::{Project, wait_until};

#[test]
fn a_command_that_fails_in_the_middle_fails_its_step() {
    let project = Project::new(
        r#"
stages:
  rows: {uses: command, with: {run: "cat /no/such > rows\necho \"$(wc -l < rows)\" > out"}}
  pipe: {uses: command, with: {run: "cat /no/such | sort > out"}}
  inner: {uses: command, with: {run: "x=$(cat /no/such | sort)\necho \"$x\" > out"}}
  bash: {uses: command, with: {run: "cat /no/such | sort > out", shell: bash}}
  both: {uses: command, with: {run: "false || echo well > out; true | cat"}}
"#,
    );
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "--keep-going"]);
    assert_eq!(ran.code, 100, "{}", ran.out);
    assert!(ran.out.contains("1 executed, 0 reused, 4 failed"), "{}", ran.out);
    assert!(ran.out.contains("done   both"), "{}", ran.out);
}

#[test]
fn a_list_needs_no_shell_and_an_interpreter_may_be_named() {
    let project = Project::new(
        r#"
stages:
  list: {uses: command, with: {run: [cp, "$HOME *", out]}, in: {"x": ./x}}
  arrays: {uses: command, with: {run: 'a=(one two); echo "$${#a[@]}" > out', shell: bash}}
  python: {uses: command, with: {run: "print(1 + 1, file=open('out', 'w'))", shell: python3}}
  traced: {uses: command, with: {run: 'echo > out', shell: [bash, -x]}}
  absent: {uses: command, with: {run: [no-such-program-at-all]}}
export: {arrays.out: arrays, python.out: python}
"#,
    );
    project.write("x", "x");
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "--keep-going"]);
    assert_eq!(ran.code, 100, "{}", ran.out);
    assert_eq!((project.read("arrays"), project.read("python")), ("2\n".into(), "2\n".into()));
    let logs = project.igpt_flow(&["logs", "list"]).out;
    assert!(logs.contains("'$HOME *'"), "the shell touched it: {logs}");
    assert!(project.igpt_flow(&["logs", "traced"]).out.contains("+ echo"));
    assert!(ran.out.contains("cannot start `no-such-program-at-all`"), "{}", ran.out);
    assert!(ran.out.contains("`PATH`"), "{}", ran.out);
}

#[test]
fn a_command_reads_nothing_and_has_no_terminal() {
    let project = Project::new(
        r#"
stages:
  s: {uses: command, with: {run: "sleep 0.1; cat > out; { true < /dev/tty; } 2> /dev/null && echo tty >> out || true; grep SigBlk /proc/self/status | tr -d '0[:space:]' >> out"}}
export: {s.out: out}
"#,
    );
    project.run();
    assert_eq!(project.read("out"), "SigBlk:");
}

#[test]
fn a_reader_that_stops_early_is_explained() {
    let project = Project::new("stages:\n  s: {uses: command, with: {run: 'yes | head -n 1 > out'}}\n");
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, 100, "{}", ran.out);
    assert!(ran.out.contains("exit status 141") && ran.out.contains("cat > /dev/null"), "{}", ran.out);
}

#[test]
fn what_the_shell_is_enters_the_key_and_its_default_does_not() {
    let project = Project::new(
        "stages:\n  s: {uses: command, with: {run: 'echo > out; echo s >> \"$LOG\"', pass_env: [LOG]}}\n",
    );
    assert_eq!(project.run(), ["s"]);
    project.edit("pass_env: [LOG]", "pass_env: [LOG], shell: sh, link: false");
    assert!(project.run().is_empty());
    project.edit("shell: sh", "shell: bash");
    assert_eq!(project.run(), ["s"]);
}

#[test]
fn a_command_sees_no_gpu_that_it_did_not_lease() {
    let project = Project::new(
        r#"
stages:
  none: {uses: command, with: {run: 'echo "[$CUDA_VISIBLE_DEVICES]" > out'}}
  one: {uses: command, resources: {gpus: 1}, with: {run: 'echo  "[$CUDA_VISIBLE_DEVICES]" > out'}}
  large: {uses: command, resources: {memory: 9000TiB, cpus: 60000}, with: {run: 'echo > out'}}
export: {none.out: none, one.out: one}
"#,
    );
    let out = project.command(&["run", "pipeline.yaml"]).env("CUDA_VISIBLE_DEVICES", "3").output().unwrap();
    let told = String::from_utf8(out.stdout).unwrap();
    assert_eq!((project.read("none"), project.read("one")), ("[]\n".into(), "[3]\n".into()));
    assert!(told.contains("of memory, this run has") && told.contains("60000 CPUs"), "{told}");
}

#[test]
fn each_attempt_has_a_log_of_its_own() {
    let project = Project::new(
        r#"
stages:
  s:
    uses: command
    retry: {times: 2, delay: 20ms, backoff: 2}
    with: {run: 'echo x >> "$LOG"; echo "attempt $(wc -l < "$LOG" | tr -d " ")"; exit 3', pass_env: [LOG]}
"#,
    );
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, 100);
    for attempt in 1..=3 {
        assert!(ran.out.contains(&format!("| attempt {attempt}")), "{}", ran.out);
        let log = project.igpt_flow(&["logs", "s", "--attempt", &attempt.to_string()]);
        assert_eq!(log.out, format!("attempt {attempt}\n"));
    }
    assert_eq!(project.igpt_flow(&["logs", "s"]).out, "attempt 3\n");
    let ran = project.igpt_flow(&["logs", "s", "--attempt", "4"]);
    assert!(ran.code == 2 && ran.err.contains("there were 3 attempts"), "{}", ran.err);
}

#[test]
fn a_step_that_waits_for_its_next_attempt_holds_up_nobody() {
    let project = Project::new(
        r#"
stages:
  flaky:
    uses: command
    retry: {times: 1, delay: 1h}
    with: {run: 'touch "$LOG.failed"; exit 1', pass_env: [LOG]}
  other:
    uses: command
    with: {run: 'until [ -e "$LOG.failed" ]; do sleep 0.01; done; echo > out; touch "$LOG.other"', pass_env: [LOG]}
  after: {uses: command, in: {x: other.out}, with: {run: 'cp x out; touch "$LOG.after"', pass_env: [LOG]}}
"#,
    );
    let child = project.start(&["run", "pipeline.yaml", "--jobs", "2"]);
    wait_until("the others are done", || project.path("log.after").exists());
    super::support::signal(&child, "-INT");
    assert_eq!({ child }.wait().unwrap().code(), Some(130), "nobody waits for the hour to pass");
}

#[test]
fn the_scratch_of_a_failure_can_be_kept() {
    let project =
        Project::new("stages:\n  s: {uses: command, retries: 1, with: {run: 'echo half > part; exit 1'}}\n");
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "--keep-failed"]);
    let kept: Vec<&str> =
        ran.out.lines().filter_map(|line| line.split_once("folder was kept: ")).map(|k| k.1).collect();
    assert_eq!(kept.len(), 2, "{}", ran.out);
    for folder in kept {
        assert_eq!(std::fs::read_to_string(format!("{folder}/part")).unwrap(), "half\n");
    }
    assert_eq!(project.igpt_flow(&["gc", "--delete"]).code, 0);
    assert!(super::support::tree(&project.path("artifacts/work-v1")).is_empty());
}

#[test]
fn logs_and_tails_cannot_steer_a_terminal() {
    let project = Project::new(
        r#"
stages:
  bar:
    uses: command
    with:
      run: |
        i=0; while [ $i -lt 3000 ]; do printf '\r%3d%%|####' $i; i=$((i+1)); done; echo
        printf '\033[2J\033]0;title\007wipes\n'
        exit 3
"#,
    );
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert!(ran.out.contains("| 2999%|####\n       | wipes\n"), "{}", ran.out);
    assert_eq!(project.igpt_flow(&["logs", "bar"]).out, "2999%|####\nwipes\n");
    assert!(project.igpt_flow(&["logs", "bar", "--raw"]).out.contains("\r2998%|####\r2999%"));
}

#[test]
fn names_and_values_cannot_steer_a_terminal() {
    let project = Project::new(
        "name: \"p\\e[2J\\u202e\"\nstages:\n  s: {uses: command, matrix: {x: [\"a\\nFAILED b\\e[1m\"]}, with: {run: 'exit 1'}}\n",
    );
    for verb in [&["run", "pipeline.yaml"][..], &["plan", "pipeline.yaml"], &["runs"], &["logs", "s"]] {
        let ran = project.igpt_flow(verb);
        let said = ran.out + &ran.err;
        let bad = said.chars().find(|c| (c.is_control() && *c != '\n' && *c != '\t') || *c == '\u{202e}');
        assert_eq!(bad, None, "{verb:?}: {said}");
    }
}

#[test]
fn a_shell_hears_of_its_children() {
    let project = Project::new(
        "stages:\n  s: {uses: command, with: {run: 'for i in 1 2 3; do sleep 0.01 & done; wait; echo all > out'}}\n\
         export: {s.out: result.txt}\n",
    );
    project.run();
    assert_eq!(project.read("result.txt"), "all\n");
}

#[test]
fn the_language_of_a_command_is_the_same_for_everybody() {
    let project = Project::new(
        r#"
stages:
  letters: {uses: command, with: {run: 'printf "%s" "$LANG" > out'}}
  own: {uses: command, with: {run: 'printf "%s" "$LANG" > out', env: {LANG: de_DE.UTF-8}}}
  passed: {uses: command, with: {run: 'printf %s "$LANG" > out', pass_env: [LANG]}}
export: {letters.out: letters, own.out: own, passed.out: passed}
"#,
    );
    let mut command = project.command(&["run", "pipeline.yaml"]);
    command.env("LANG", "tr_TR");
    assert!(command.output().unwrap().status.success());
    let found = ["letters", "own", "passed"].map(|name| project.read(name));
    assert_eq!(found, ["C.UTF-8", "de_DE.UTF-8", "tr_TR"]);
}
