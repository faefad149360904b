//! kill -9 of the orchestrator at any time, and two runs on one store at once.

use std::time::Duration;

use super::support::{Project, signal, tree, wait_until};

/// Twenty small steps in four layers.
fn layers() -> Project {
    let mut text = String::from("name: layers\nstages:\n");
    for layer in 0..4 {
        for i in 0..5 {
            let inputs = match layer {
                0 => String::new(),
                _ => {
                    format!("    in: {{a: s{}_{i}.out, b: s{}_{}.out}}\n", layer - 1, layer - 1, (i + 1) % 5)
                }
            };
            let read = if layer == 0 { format!("echo {i}") } else { "cat a b".to_owned() };
            text.push_str(&format!(
                "  s{layer}_{i}:\n    uses: command\n{inputs}    with: {{run: '{read} > out; sleep 0.01; \
                 echo s{layer}_{i} >> \"$LOG\"', pass_env: [LOG]}}\n"
            ));
        }
    }
    text.push_str("export: {s3_0.out: result.txt}\n");
    Project::new(&text)
}

#[test]
fn a_killed_run_is_continued_by_the_next() {
    let straight = layers();
    straight.run();
    let project = layers();
    project.write("log", "");
    for pause in [5, 20, 40, 60, 90] {
        let mut child = project.start(&["run", "pipeline.yaml"]);
        std::thread::sleep(Duration::from_millis(pause));
        signal(&child, "-KILL");
        child.wait().unwrap();
    }
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert_eq!(project.read("result.txt"), straight.read("result.txt"));
    assert!(project.run().is_empty());
    assert_eq!(project.igpt_flow(&["verify"]).code, 0);
    assert_eq!(tree(&project.path("artifacts/work-v1")), [], "no scratch is left");
}

#[test]
fn two_runs_at_once_do_no_step_twice() {
    let project = layers();
    project.write("log", "");
    let mut children: Vec<_> = (0..2).map(|_| project.start(&["run", "pipeline.yaml"])).collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let executed = project.executed();
    assert_eq!(executed.len(), 20, "{executed:?}");
}

#[test]
fn deleted_objects_and_torn_records_are_made_again() {
    let project = layers();
    project.run();
    let files = tree(&project.path("artifacts/records-v2"));
    for (n, (path, _)) in files.iter().enumerate() {
        let path = project.path("artifacts/records-v2").join(path);
        match n % 3 {
            0 => std::fs::remove_file(path).unwrap(),
            1 => std::fs::write(path, "{\"torn").unwrap(),
            _ => {}
        }
    }
    std::fs::remove_dir_all(project.path("artifacts/index.sled")).ok();
    assert!(!project.run().is_empty());
    assert!(project.run().is_empty());
    wait_until("the export is back", || project.path("result.txt").exists());
}
