//! A program without remotes says how to build one with them.

use super::support::Project;

#[test]
fn a_remote_needs_a_program_that_was_built_for_it() {
    let project =
        Project::new("remote: file:///tmp\nstages: {a: {uses: command, with: {run: 'echo x > out'}}}\n");
    assert_eq!(project.igpt_flow(&["check", "pipeline.yaml"]).code, 0, "a plan asks nobody");
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, 2, "{}{}", ran.out, ran.err);
    assert!(
        ran.err.contains("built without remotes") && ran.err.contains("--features remote"),
        "{}",
        ran.err
    );
    assert_eq!(project.igpt_flow(&["run", "pipeline.yaml", "--remote", "none"]).code, 0);
    assert_eq!(project.igpt_flow(&["remote", "keygen", "key"]).code, 2);
    assert!(!project.path("key").exists());
}
