//! Exit codes, what goes to which stream, and the verbs that need no store.

use std::process::Stdio;

use serde_json::Value;

use super::support::{Project, tree};

const ONE: &str = r#"
name: one
stages:
  a: {uses: command, with: {run: 'echo 1 > out'}}
  b: {uses: command, in: {x: a.out}, with: {run: 'mkdir out; cp x out/x; cp x out/y', outputs: [out]}}
"#;

#[test]
fn exit_codes_are_the_documented_ones() {
    let project = Project::new(ONE);
    for (arguments, code) in [
        (&["run", "nowhere.yaml"][..], 2),
        (&["nonsense"], 2),
        (&["runs"], 101),
        (&["run", "pipeline.yaml", "--store", "pipeline.yaml"], 101),
        (&["run", "pipeline.yaml", "--memory", "much"], 2),
        (&["run", "pipeline.yaml"], 0),
        (&["show", "a", "--run", "never"], 2),
    ] {
        let ran = project.igpt_flow(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {}\n{}", ran.out, ran.err);
        assert!(code == 0 || ran.err.contains("error"), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn output_that_cannot_be_written_is_unexpected() {
    let Ok(full) = std::fs::File::create("/dev/full") else { return };
    let project = Project::new(ONE);
    let ended = project.command(&["stages"]).stdout(full).output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let text = String::from_utf8(ended.stderr).unwrap();
    assert!(text.starts_with("error: cannot write the output\n  cause: "), "{text}");
}

#[test]
fn a_reader_that_has_seen_enough_makes_nobody_panic() {
    let project = Project::new(ONE);
    for arguments in [&["completions", "bash"][..], &["schema"], &["new"], &["stages", "command"]] {
        // The reading end is closed before the verb writes.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = project.command(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{arguments:?}");
        assert!(ended.stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    }
    // Nor does somebody who does not listen to errors.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = project.command(&["run", "nowhere.yaml"]).stderr(writer).output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
}

#[test]
fn the_environment_names_the_store_unless_it_is_empty() {
    let project = Project::new(ONE);
    let run = |store: &str| {
        let ended =
            project.command(&["run", "pipeline.yaml"]).env("IGPT_FLOW_STORE", store).output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    };
    run("elsewhere");
    assert!(project.path("elsewhere/records-v2").is_dir() && !project.path("artifacts").exists());
    run("");
    assert!(project.path("artifacts/records-v2").is_dir());
}

#[test]
fn a_run_ends_with_where_its_results_are() {
    let project = Project::new(ONE);
    let paths = |arguments: &[&str]| -> Vec<(String, String)> {
        let ran = project.igpt_flow(&[&["run", "pipeline.yaml"], arguments].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        let results = ran.out.lines().filter_map(|line| line.strip_prefix("result ")?.split_once(": "));
        results.map(|(name, path)| (name.to_owned(), std::fs::read_to_string(path).unwrap())).collect()
    };
    assert_eq!(paths(&["a"]), [("a.out".to_owned(), "1\n".to_owned())], "a target");
    let both = ["b.out x", "b.out y"].map(|name| (name.to_owned(), "1\n".to_owned()));
    assert_eq!(paths(&[]), both, "without exports, what nobody reads");
    project.write("pipeline.yaml", &format!("{ONE}export: {{a.out: result}}\n"));
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert_eq!(ran.out.lines().last(), Some("result result"), "{}", ran.out);
}

#[test]
fn a_pipe_gets_no_colour_and_no_bars() {
    let project = Project::new(ONE);
    project.write("bad.yaml", "name: x\nstages:\n  a: {uses: comand}\n");
    for arguments in [&["run", "pipeline.yaml"][..], &["run", "bad.yaml"], &["runs"], &["--help"]] {
        for no_colour in [false, true] {
            let mut command = project.command(arguments);
            if no_colour {
                command.env("NO_COLOR", "1");
            }
            let ended = command.output().unwrap();
            let said = [ended.stdout, ended.stderr].concat();
            assert!(!said.contains(&0x1b), "{arguments:?}: {}", String::from_utf8_lossy(&said));
        }
    }
}

#[test]
fn verify_sets_damage_aside_and_the_next_run_makes_it_again() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = Project::new(ONE);
    project.run();
    let objects = project.path("artifacts/objects-v1");
    let (name, _) = tree(&objects).into_iter().find(|(_, bytes)| bytes == b"1\n").unwrap();
    let object = objects.join(name);
    std::fs::set_permissions(&object, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(&object, "2\n").unwrap();
    let ran = project.igpt_flow(&["verify", "--json"]);
    assert_eq!(ran.code, 101, "{}", ran.out);
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    let aside = found["damage"][0]["moved_to"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(aside).unwrap(), "2\n");
    assert_eq!(project.igpt_flow(&["run", "pipeline.yaml"]).code, 0);
    let ran = project.igpt_flow(&["verify"]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("0 damaged"), "{}", ran.out);
}

#[test]
fn verbs_that_need_no_store_answer_without_one() {
    let project = Project::new(ONE);
    let new = project.igpt_flow(&["new", "mine.yaml"]);
    assert!(new.code == 0 && new.out.contains("igpt-flow check mine.yaml"), "{}", new.out);
    assert_eq!(project.igpt_flow(&["new"]).out, project.read("mine.yaml"));
    assert_eq!(project.igpt_flow(&["new", "mine.yaml"]).code, 2, "nothing is overwritten");
    let schema: Value = serde_json::from_str(&project.igpt_flow(&["schema"]).out).unwrap();
    assert_eq!(schema["title"], "igpt-flow pipeline");
    for shell in ["bash", "zsh", "fish"] {
        let ran = project.igpt_flow(&["completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("igpt-flow"), "{shell}");
    }
    assert!(!project.path("artifacts").exists());
}

#[test]
fn of_many_exports_the_first_are_named_and_every_table_is_shown() {
    let mut pipeline = "name: many\nstages:\n".to_owned();
    let mut exports = "export:\n".to_owned();
    for n in 10..60 {
        pipeline += &format!(
            "  s{n}: {{uses: command, with: {{run: 'mkdir out; echo {n} > out/table.{}'}}}}\n",
            if n == 59 { "md" } else { "txt" }
        );
        exports += &format!("  s{n}.out: results/{n}\n");
    }
    let project = Project::new(&(pipeline + &exports));
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let named = ran.out.lines().filter(|line| line.starts_with("result ")).count();
    assert_eq!(named, 41, "{}", ran.out);
    assert!(ran.out.contains("result results/59\n\n59\n"), "{}", ran.out);
    assert!(ran.out.contains("and 9 more exports"), "{}", ran.out);
}
