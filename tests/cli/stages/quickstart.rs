//! The pipeline that the README begins with, at its smallest scale: from nothing to a table, and then from
//! the cache.

use std::fs;
use std::path::Path;

use crate::support::Project;

#[test]
fn the_first_run_ends_in_a_table_and_the_second_executes_nothing() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/quickstart.yaml");
    let project = Project::new(&fs::read_to_string(shipped).unwrap().replace("../results", "results"));
    let plan = project.igpt_flow(&["plan", "pipeline.yaml", "--profile", "smoke"]);
    assert!(plan.out.contains("by what it computes"), "nothing ran, but sizes are known:\n{}", plan.out);
    assert!(!plan.out.contains("unknown for 22"), "{}", plan.out);

    let first = project.igpt_flow(&["run", "pipeline.yaml", "--profile", "smoke"]);
    assert_eq!(first.code, 0, "{}\n{}", first.out, first.err);
    assert!(first.out.contains("22 executed, 0 reused"), "{}", first.out);
    let table = project.read("results/smoke/quickstart/table.md");
    assert!(
        table.starts_with("**Textures: accuracy with 20 labels per class (smoke test only)**"),
        "{table}"
    );
    for row in ["raw pixels", "untrained", "pre-trained", "fine-tuned"] {
        assert!(table.replace("**", "").contains(&format!("| {row} |")), "no row of {row}:\n{table}");
    }

    let second = project.igpt_flow(&["run", "pipeline.yaml", "--profile", "smoke"]);
    assert!(second.out.contains("0 executed, 22 reused"), "{}", second.out);
}
