//! Completion: what the program answers to shells, and bash, zsh and fish themselves where they are.

use std::process::{Command, Stdio};

use super::remains::tell;
use super::support::Project;

const SWEEP: &str = r#"
name: sweep
vars: {side: 8}
profiles: {smoke: {side: 4}, paper: {side: 32}}
stages:
  data: {uses: command, with: {run: 'echo ${vars.side} > out'}}
  probe:
    uses: command
    matrix: {layer: [1, 2], seed: [0, 1]}
    in: {data: data.out}
    with: {run: 'echo ${matrix.layer} ${matrix.seed} > out'}
  report: {uses: command, in: {probes: probe.out.*}, with: {run: 'echo > out'}}
"#;

/// What the program answers to fish, without the descriptions; the last word is the one being typed.
fn answers(project: &Project, words: &[&str]) -> Vec<String> {
    let arguments = [&["--", "igpt-flow"], words].concat();
    let output = project.command(&arguments).env("IGPT_FLOW_COMPLETE", "fish").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let values = text.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned());
    values.filter(|value| !value.starts_with('-')).collect()
}

#[test]
fn steps_and_instances_come_from_the_pipeline_on_the_line() {
    let project = Project::new(SWEEP);
    assert_eq!(answers(&project, &["run", "pipeline.yaml", ""]), ["data", "probe", "report"]);
    assert_eq!(answers(&project, &["plan", "pipeline.yaml", "--json", "rep"]), ["report"]);
    assert_eq!(
        answers(&project, &["run", "pipeline.yaml", "probe:layer=2"]),
        ["probe:layer=2,seed=0", "probe:layer=2,seed=1"]
    );
    assert_eq!(answers(&project, &["run", "pipeline.yaml", "--force", "probe[layer=1,seed=0"]).len(), 1);
    assert_eq!(answers(&project, &["run", "pipeline.yaml", "--profile", ""]), ["smoke", "paper"]);
    assert_eq!(answers(&project, &["run", "pipeline.yaml", "--set", "vars."]), ["vars.side="]);
    assert_eq!(answers(&project, &["run", "pipeline.yaml", "--device", "c"]), ["cpu"]);
    assert_eq!(answers(&project, &["run", "pipe"]), ["pipeline.yaml"]);
    assert_eq!(answers(&project, &["stages", "comm"]), ["command"]);
    project.edit("uses: command", "uses: nothing");
    assert_eq!(
        answers(&project, &["run", "pipeline.yaml", "pr"]),
        ["probe"],
        "an invalid pipeline has names"
    );
    assert!(answers(&project, &["run", "absent.yaml", ""]).is_empty());
}

#[test]
fn runs_and_their_steps_come_from_the_store() {
    let project = Project::new(SWEEP);
    assert_eq!(answers(&project, &["diff", ""]), ["last"], "there is no store yet");
    assert!(!project.path("artifacts").exists());
    project.run_with(&["data"]);
    let runs = answers(&project, &["diff", ""]);
    assert_eq!(runs.len(), 2);
    assert_eq!(answers(&project, &["show", "data", "--run", &runs[1][..10]]), [&*runs[1]]);
    assert_eq!(answers(&project, &["explain", "d"]), ["data"]);
    assert_eq!(answers(&project, &["--store", "artifacts", "logs", "--run", "last", "da"]), ["data"]);
}

#[test]
fn an_instance_needs_no_quotes() {
    let project = Project::new(SWEEP);
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "probe:seed=1,layer=2"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("result probe[layer=2,seed=1].out"), "{}", ran.out);
    for verb in ["explain", "show", "logs"] {
        let ran = project.igpt_flow(&[verb, "probe:layer=2,seed=1"]);
        assert_eq!(ran.code, 0, "{verb}: {}", ran.err);
    }
    for verb in [&["run", "pipeline.yaml", "probe:layer=3"][..], &["show", "probe:layer=3"]] {
        let ran = project.igpt_flow(verb);
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains(", as in probe:layer="), "the hint can be typed as it is: {}", ran.err);
    }
}

/// What a shell prints for a script; `None` where the shell is not installed.
fn shell(project: &Project, command: &[&str]) -> Option<String> {
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_igpt-flow")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new(command[0]);
    shell.args(&command[1..]).current_dir(project.path("")).env("PATH", path).env("HOME", project.path(""));
    match shell.stdin(Stdio::null()).output() {
        Ok(output) => Some(String::from_utf8(output.stdout).unwrap()),
        Err(_) => {
            tell(&format!("skipped: completion in {0} ({0} is not installed)", command[0]));
            None
        }
    }
}

#[test]
fn bash_completes_a_step_and_an_instance() {
    let project = Project::new(SWEEP);
    // Bash hands over the words as it splits them.
    let script = r#"
        source <(igpt-flow completions bash)
        COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
        ask() {
            COMP_LINE=$1; shift; COMP_POINT=${#COMP_LINE}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9
            _igpt_flow igpt-flow
            echo "${COMPREPLY[*]}"
        }
        ask 'igpt-flow run pipeline.yaml rep' igpt-flow run pipeline.yaml rep
        ask 'igpt-flow run pipeline.yaml ' igpt-flow run pipeline.yaml ''
        ask 'igpt-flow run pipeline.yaml probe:layer=2' igpt-flow run pipeline.yaml probe : layer = 2
        ask 'igpt-flow run pipeline.yaml --profile=' igpt-flow run pipeline.yaml --profile =
        complete -p igpt-flow | grep -c _igpt_flow
    "#;
    let Some(said) = shell(&project, &["bash", "--norc", "-c", script]) else { return };
    assert_eq!(said, "report\ndata probe report\n2,seed=0 2,seed=1\nsmoke paper\n1\n");
}

#[test]
fn fish_completes_a_step_and_an_instance() {
    let project = Project::new(SWEEP);
    let script = "igpt-flow completions fish | source; \
                  complete --do-complete 'igpt-flow run pipeline.yaml rep'; \
                  complete --do-complete 'igpt-flow run pipeline.yaml probe:layer=2'";
    let Some(said) = shell(&project, &["fish", "--no-config", "-c", script]) else { return };
    let values: Vec<&str> = said.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(values, ["report", "probe:layer=2,seed=0", "probe:layer=2,seed=1"]);
}

#[test]
fn zsh_completes_a_step() {
    let project = Project::new(SWEEP);
    // Zsh completes on a terminal only: one of its own.
    let script = r#"
        zmodload zsh/zpty
        zpty shell zsh -f -i
        await() { local text all=; repeat 200; do zpty -rt shell text && all+=$text || sleep 0.05; [[ $all == *$1* ]] && break; done }
        zpty -w shell 'PS1=; autoload -U compinit; compinit -u -D; source <(igpt-flow completions zsh); echo re"a"dy'
        await ready
        zpty -w -n shell $'igpt-flow run pipeline.yaml rep\t'
        await report
        zpty -w -n shell $'--quiet > typed\n'
        repeat 200; do [[ -s typed ]] && break; sleep 0.05; done
        zpty -d shell
        cat typed
    "#;
    let Some(said) = shell(&project, &["zsh", "-f", "-c", script]) else { return };
    assert!(said.starts_with("result report.out"), "the completed line ran: {said}");
}
