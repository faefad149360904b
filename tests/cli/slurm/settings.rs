//! The cluster's settings and options, which need no cluster.

use crate::support::Project;

const ONE: &str = "stages:\n  one: {uses: command, with: {run: 'echo > out'}}\n";

#[test]
fn errors_in_the_settings_have_places_and_hints() {
    let project = Project::new(ONE);
    let run =
        |more: &[&str]| project.igpt_flow(&[&["run", "pipeline.yaml", "--executor", "slurm"], more].concat());
    let ran = run(&[]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("the cluster's settings cannot be read") && ran.err.contains("cluster.yaml"),
        "{}",
        ran.err
    );
    project.write("cluster.yaml", "partition: main\nsteps:\n  one: {tim: 3h}\n");
    let ran = run(&[]);
    assert_eq!(ran.code, 2);
    let right = "cluster.yaml:3:9\n  |\n3 |   one: {tim: 3h}\n";
    assert!(ran.err.contains(right) && ran.err.contains("did you mean `time`?"), "{}", ran.err);
}

#[test]
fn options_of_a_cluster_without_one_are_refused() {
    let project = Project::new(ONE);
    project.write("cluster.yaml", "");
    for (arguments, what) in [
        (&["run", "pipeline.yaml", "--detach"][..], "--detach is for runs on a cluster"),
        (&["run", "pipeline.yaml", "--cluster", "cluster.yaml"], "--cluster is for runs on a cluster"),
        (&["run", "pipeline.yaml", "--executor", "slurm", "--memory", "1GiB"], "each step requests its own"),
        (&["audit", "pipeline.yaml", "--cluster", "cluster.yaml"], "an audit runs on this machine"),
    ] {
        let ran = project.igpt_flow(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(what), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn without_slurm_its_commands_are_missed_by_name() {
    let project = Project::new(ONE);
    project.write("cluster.yaml", "");
    let mut command = project.command(&["run", "pipeline.yaml", "--executor", "slurm"]);
    let output = command.env("PATH", "/nowhere").output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("`sbatch` is not on the PATH") && err.contains("login node"), "{err}");
}

#[test]
fn what_is_cached_is_told_as_on_the_cluster() {
    let project = Project::new(ONE);
    project.write("cluster.yaml", "steps: {one: {device: cuda, numerics: tch-cuda-f32}}\n");
    project.run();
    let told = [("plan", "`pipeline`: the step is cached"), ("status", "all 1 step cached")];
    for (verb, text) in told {
        let ran = project.igpt_flow(&[verb, "pipeline.yaml", "--cluster", "cluster.yaml"]);
        // A command's result is that of no device.
        assert!(ran.code == 0 && ran.out.contains(text), "{verb}: {}{}", ran.out, ran.err);
    }
    let ran = project.igpt_flow(&["status", "pipeline.yaml", "--cluster", "nowhere.yaml"]);
    assert!(ran.code == 2 && ran.err.contains("nowhere.yaml"), "{}", ran.err);
}
