//! The templates of `new` that need no stage crate run, in their smoke size.

use super::support::Project;

/// Writes a template, checks it, and runs it in its smoke size.
#[track_caller]
pub(crate) fn run(project: &Project, template: &str, more: &[&str]) {
    let file = format!("{template}.yaml");
    let ran = project.igpt_flow(&["new", &file, "--template", template]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains(&format!("next: igpt-flow check {file}")), "{}", ran.out);
    let arguments = [&[&*file, "--profile", "smoke"], more].concat();
    let check = project.igpt_flow(&[&["check"], &*arguments].concat());
    assert_eq!(check.code, 0, "{}", check.err);
    let ran = project.igpt_flow(&[&["run"], &*arguments].concat());
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
}

#[test]
fn the_template_of_commands_runs() {
    let project = Project::new("");
    run(&project, "command", &[]);
    assert_eq!(
        project.read("results/table.csv"),
        "instance,sum\nexponent=1,55\nexponent=2,385\nexponent=3,3025\n"
    );
}

#[test]
fn the_template_of_a_sweep_runs() {
    let project = Project::new("");
    run(&project, "sweep", &[]);
    let table = project.read("results/sweep.tsv");
    let names: Vec<&str> = table.lines().filter_map(|line| line.split('\t').nth(1)).collect();
    assert_eq!(names, ["rate=0.1,width=1", "rate=0.1,width=2"], "the best first: {table}");
}
