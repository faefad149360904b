//! The whole pipelines in README and docs are valid, and the files that they name are all they need.

use std::fs;
use std::path::Path;

use crate::support::Project;

/// The fenced blocks of YAML that are whole pipelines, with what stands before each.
fn pipelines(page: &str) -> Vec<String> {
    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    blocks
        .filter(|block| block.starts_with("name: ") && block.contains("\nstages:\n"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn pipelines_in_the_docs_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for page in ["README.md", "docs/recipes.md", "docs/pipelines.md", "docs/data.md"] {
        for pipeline in pipelines(&fs::read_to_string(root.join(page)).unwrap()) {
            let project = Project::new(&pipeline);
            project.write("spread.py", "");
            fs::create_dir_all(project.path("photos/images")).unwrap();
            project.write("photos/labels.csv", "file,label\n");
            let checked = project.igpt_flow(&["check", "pipeline.yaml"]);
            let name = pipeline.lines().next().unwrap();
            assert_eq!(checked.code, 0, "{page}: {name}: {}{}", checked.out, checked.err);
            count += 1;
        }
    }
    assert!(count >= 5, "found {count}");
}
