//! The pipeline that the README begins with, at its smallest scale: from nothing to a table, and then from
//! the cache.

use std::fs;
use std::path::Path;

use serde_json::Value;

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
    steps_take_no_more_memory_than_they_claim(&project);
    results_can_be_traced_and_checked(&project);
}

fn steps_take_no_more_memory_than_they_claim(project: &Project) {
    let plan = project.igpt_flow(&["plan", "pipeline.yaml", "--profile", "smoke", "--json"]);
    let plan: Value = serde_json::from_str(&plan.out).unwrap();
    let mut computing = 0;
    for step in plan["steps"].as_array().unwrap() {
        let (name, kind) = (&step["step"], step["kind"].as_str().unwrap());
        let Some(memory) = step["memory"].as_object() else {
            assert!(
                !["pretrain", "features", "finetune", "probe"].contains(&kind),
                "{name} claims no memory"
            );
            continue;
        };
        let claimed = memory["processor_mib"].as_f64().unwrap();
        let taken = step["cost"]["peak_memory_mib"].as_f64().unwrap();
        assert!(taken < claimed && claimed < 4.0 * taken, "{name} took {taken} MiB and claims {claimed}");
        computing += 1;
    }
    assert_eq!(computing, 16);
}

/// What a reviewer does: from a row of the table to the data, and the whole table from a bundle.
fn results_can_be_traced_and_checked(project: &Project) {
    let table = "results/smoke/quickstart/table.md";
    let traced = project.igpt_flow(&["origin", table, "--row", "1", "--json"]);
    let traced: Value = serde_json::from_str(&traced.out).unwrap();
    let steps: Vec<&str> =
        traced["steps"].as_array().unwrap().iter().map(|step| step["kind"].as_str().unwrap()).collect();
    for kind in ["report", "probe", "pixels", "augment", "download"] {
        assert!(steps.contains(&kind), "the way back of raw pixels has no {kind}: {steps:?}");
    }
    assert!(!steps.contains(&"pretrain"), "raw pixels need no network: {steps:?}");

    let values = project.igpt_flow(&["values", "pipeline.yaml", "--profile", "smoke", "--json"]);
    let values: Value = serde_json::from_str(&values.out).unwrap();
    let mean = &values["values"]["table/raw-pixels,-/accuracy.test"];
    assert_eq!(mean, &values["values"]["probe_pixels/accuracy.test"], "{values:#}");

    let bundled = project.igpt_flow(&["bundle", "pipeline.yaml", "--profile", "smoke", "-o", "q.tar.zst"]);
    assert_eq!(bundled.code, 0, "{}\n{}", bundled.out, bundled.err);
    let reviewer = Project::new("");
    fs::copy(project.path("q.tar.zst"), reviewer.path("q.tar.zst")).unwrap();
    let verified = reviewer.igpt_flow(&["verify", "q.tar.zst"]);
    assert_eq!(verified.code, 0, "{}\n{}", verified.out, verified.err);
    assert!(verified.out.contains("table"), "{}", verified.out);
}
