//! The invariants of ARCHITECTURE.md, as tests over the sources and the package graph.

mod cycles;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust sources below a folder (or the one file), with their paths from the root.
fn sources(place: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut todo = vec![root().join(place)];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no sources at {place}");
    found
}

/// The code of a file: no comments, and nothing from its test module on.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Asserts that no file at `place` has any of the words in its code.
#[track_caller]
fn never(place: &str, words: &[&str], but: &[&str]) {
    for (path, text) in sources(place) {
        if but.iter().any(|but| path.starts_with(but)) {
            continue;
        }
        let code = code(&text);
        for word in words {
            assert!(!code.contains(word), "{} must not contain `{word}`", path.display());
        }
    }
}

/// Workspace package -> its normal dependencies that are workspace packages.
fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeSet<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    let dependencies = |package: &serde_json::Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter_map(|dependency| dependency["name"].as_str())
            .filter(|name| names.contains(name))
            .map(str::to_owned)
            .collect()
    };
    packages.iter().map(|p| (p["name"].as_str().unwrap().to_owned(), dependencies(p))).collect()
}

/// The crates that stages share, by their folders.
fn shared() -> Vec<String> {
    let folders = fs::read_dir(root().join("stages/shared")).unwrap();
    folders.map(|folder| format!("igpt-{}", folder.unwrap().file_name().to_str().unwrap())).collect()
}

/// The crates that the orchestrator names by itself.
const NOT_STAGES: [&str; 3] = ["igpt-contract", "igpt-flow", "igpt-remote"];

/// The crate that lists all stages.
const CATALOG: &str = "igpt-stages";

#[test]
fn crates_depend_downwards_only() {
    let packages = packages();
    let shared = shared();
    assert!(
        shared.iter().all(|name| packages.contains_key(name)),
        "{shared:?} are packages of the workspace"
    );
    for (package, dependencies) in packages {
        if package == "igpt-flow" || package == CATALOG {
            continue;
        }
        for dependency in dependencies {
            let below = dependency == "igpt-contract" || shared.contains(&dependency);
            assert!(below && package != "igpt-contract", "{package} must not depend on {dependency}");
        }
    }
}

/// A stage that is in nobody's list is a stage that nobody can use.
#[test]
fn every_stage_is_in_the_catalog() {
    let folders = fs::read_dir(root().join("stages")).unwrap();
    let folders = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap());
    let not_stages = ["catalog", "contract", "shared", "template"];
    let stages: BTreeSet<String> = folders
        .filter(|name| !not_stages.contains(&name.as_str()))
        .map(|name| format!("igpt-{name}"))
        .collect();
    let mut listed = packages().remove(CATALOG).unwrap();
    listed.remove("igpt-contract");
    assert_eq!(listed, stages);
}

#[test]
fn only_the_registry_names_crates_of_stages() {
    let stages: Vec<String> = packages()
        .into_keys()
        .filter(|name| name.starts_with("igpt-") && !NOT_STAGES.contains(&name.as_str()))
        .map(|name| name.replace('-', "_"))
        .collect();
    let words: Vec<&str> = stages.iter().map(String::as_str).collect();
    never("src", &words, &["src/registry.rs"]);
}

#[test]
fn the_four_questions_stay_apart() {
    never("src/plan", &["crate::store", "crate::engine", "std::fs", "std::time::Instant", "SystemTime"], &[]);
    for place in ["src/schedule.rs", "src/schedule"] {
        never(place, &["crate::key", "crate::store", "crate::rebuild", "crate::execute"], &[]);
    }
    never("src/rebuild.rs", &["crate::schedule", "crate::execute", "crate::plan"], &[]);
    never("src/store", &["crate::plan", "crate::schedule", "crate::pipeline", "crate::engine"], &[]);
    let above =
        ["crate::plan", "crate::schedule", "crate::pipeline", "crate::engine", "crate::cli", "crate::bundle"];
    never("src/provenance", &above, &[]);
    never("src/bundle", &["crate::engine", "crate::execute", "crate::schedule", "crate::cli"], &[]);
    never("src/execute", &["crate::schedule", "crate::pipeline", "crate::plan"], &[]);
}

/// What is behind remotes has one door, and that is in no part that decides, schedules or runs.
#[test]
fn remotes_have_one_door() {
    never("src", &["igpt_remote"], &["src/remote/client.rs"]);
    for place in ["src", "stages"] {
        never(place, &["object_store", "tokio::"], &[]);
    }
    for place in ["src/plan", "src/schedule", "src/execute", "src/store", "src/rebuild.rs", "src/key.rs"] {
        never(place, &["crate::remote:"], &[]);
    }
    never(
        "src/remote",
        &["crate::plan", "crate::engine", "crate::cli", "crate::schedule", "crate::execute"],
        &[],
    );
}

#[test]
fn consumers_of_events_know_no_store() {
    never("src/report", &["crate::store", "crate::engine"], &[]);
}

/// Pages show what the store and the events say, the same at any time, and escape every text of it.
#[test]
fn pages_know_no_engine_and_no_clock_and_escape_what_they_show() {
    let unknown = ["crate::engine", "crate::schedule", "crate::execute", "crate::rebuild", "crate::pipeline"];
    never("src/view", &unknown, &[]);
    never("src/view", &["crate::plan:", "crate::cli", "Timestamp::now", "SystemTime"], &[]);
    never("src/view", &["PreEscaped"], &["src/view/data.rs", "src/view/page.rs"]);
}

#[test]
fn key_material_holds_nothing_that_passes() {
    let (_, text) = sources("src/key.rs").remove(0);
    let material = text.split("pub struct KeyMaterial {").nth(1).unwrap().split('}').next().unwrap();
    for word in ["path", "Path", "time", "Time", "run:", "attempt", "threads", "step:"] {
        assert!(!code(material).contains(word), "key material must not hold `{word}`");
    }
}

#[test]
fn only_the_command_line_prints() {
    let words = ["println!", "print!(", "eprintln!", "eprint!(", "dbg!"];
    never("src", &words, &["src/cli"]);
    for stage in fs::read_dir(root().join("stages")).unwrap() {
        let folder = stage.unwrap().path();
        let place = folder.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        for source in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if source.ends_with("src") {
                never(&format!("{place}/src"), &words, &[]);
            }
        }
    }
}

#[test]
fn serde_yaml_has_one_door() {
    never("src", &["serde_yaml"], &["src/pipeline/yaml.rs"]);
}

/// The circles of files in the crate at `place`, by module.
fn cycles(place: &str) -> Vec<String> {
    let relative = |(path, text): (PathBuf, String)| (path.strip_prefix(place).unwrap().to_owned(), text);
    let sources: Vec<_> = sources(place).into_iter().map(relative).collect();
    cycles::cycles(&sources).into_iter().map(|found| format!("{place}: {found}")).collect()
}

#[test]
fn no_files_of_the_orchestrator_refer_to_each_other_in_a_circle() {
    let found = [cycles("src"), cycles("remote/src")].concat();
    assert!(found.is_empty(), "files that refer to each other: {found:#?}");
}

#[test]
fn no_files_of_a_stage_refer_to_each_other_in_a_circle() {
    let mut found = Vec::new();
    for folder in ["stages", "stages/shared"] {
        for item in fs::read_dir(root().join(folder)).unwrap() {
            let place = format!("{folder}/{}/src", item.unwrap().file_name().to_str().unwrap());
            if root().join(&place).is_dir() {
                found.extend(cycles(&place));
            }
        }
    }
    assert!(found.is_empty(), "files that refer to each other: {found:#?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    for place in ["src", "stages", "tests"] {
        for (path, text) in sources(place) {
            assert!(text.starts_with("//!"), "{} must open with its purpose (//!)", path.display());
            let lines = text.lines().count();
            assert!(lines <= 520, "{} has {lines} lines: where is its seam?", path.display());
        }
    }
}

#[test]
fn lints_are_expected_with_a_reason_never_allowed() {
    for place in ["src", "stages"] {
        for (path, text) in sources(place) {
            let bad = text.lines().find(|line| line.trim_start().starts_with("#[allow("));
            assert!(bad.is_none(), "{}: use #[expect(…, reason = …)], not {bad:?}", path.display());
        }
    }
}

#[test]
fn every_promise_names_tests_that_there_are() {
    let text = fs::read_to_string(root().join("docs/guarantees.md")).unwrap();
    let all: String =
        ["src", "tests", "stages"].iter().flat_map(|place| sources(place)).map(|(_, text)| text).collect();
    let rows = text.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    for row in rows {
        let named = row.rsplit(" | ").next().unwrap();
        for name in named.split('`').skip(1).step_by(2) {
            let there = all.contains(&format!("fn {name}()")) || root().join(name).exists();
            assert!(there, "docs/guarantees.md names `{name}`, which is neither a test nor a file");
        }
    }
}
