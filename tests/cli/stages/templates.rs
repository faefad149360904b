//! The templates of `new` that use stages run, in their smoke size.

use std::fs;
use std::path::Path;

use crate::support::Project;
use crate::templates::run;

#[test]
fn the_template_for_photos_draws_a_picture() {
    let project = Project::new("");
    let photo = Path::new(env!("CARGO_MANIFEST_DIR")).join("stages/download/tests/download/cmyk.jpg");
    fs::create_dir(project.path("photos")).unwrap();
    for n in 0..12 {
        fs::copy(&photo, project.path(&format!("photos/{n}.jpg"))).unwrap();
    }
    // The one photo has few colours.
    run(&project, "photos", &["--set", "vars.colours=4"]);
    assert!(project.path("results/photos").exists());
}

#[test]
fn the_template_of_seeds_makes_a_table_with_deviations() {
    let project = Project::new("");
    run(&project, "seeds", &[]);
    let table = project.read("results/seeds/table.md");
    assert!(table.contains('±') && table.contains("(n = 2)"), "{table}");
}

#[test]
fn the_template_for_cifar10_runs_on_shapes() {
    let project = Project::new("");
    let shapes = "stages.images.with={source: shapes, train: 300, test: 100}";
    let smaller = ["--set", shapes, "--set", "vars.steps=5", "--set", "vars.test_images=100"];
    run(&project, "cifar10", &[&smaller[..], &["--set", "vars.train_images=200"]].concat());
    assert!(project.read("results/cifar10/table.md").contains("raw pixels"));
}

#[test]
fn the_template_of_shapes_runs() {
    let project = Project::new("");
    run(&project, "shapes", &[]);
    assert!(project.read("results/table/table.md").contains("| layer |"));
}
