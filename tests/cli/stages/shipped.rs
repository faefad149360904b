//! The pipelines that are shipped are right in every profile, and have the profiles that their readers
//! are promised.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines")
}

/// Every pipeline, by its file's name without the ending.
fn pipelines() -> Vec<String> {
    let names = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = names
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// The profiles that a file itself declares.
fn profiles(name: &str) -> Vec<String> {
    let text = fs::read_to_string(folder().join(format!("{name}.yaml"))).unwrap();
    let Some((_, rest)) = text.split_once("\nprofiles:\n") else { return Vec::new() };
    let lines = rest.lines().take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
    let names =
        lines.filter(|line| line.starts_with("  ") && !(line.starts_with("   ") || line.starts_with("  #")));
    names.filter_map(|line| Some(line.trim().split_once(':')?.0.to_owned())).collect()
}

/// A copy of the pipelines beside the folders that a reader has to bring: what is not there is an error.
fn brought() -> &'static Path {
    static COPY: OnceLock<tempfile::TempDir> = OnceLock::new();
    let copy = COPY.get_or_init(|| {
        let copy = tempfile::tempdir().unwrap();
        for name in pipelines() {
            let file = format!("{name}.yaml");
            fs::copy(folder().join(&file), copy.path().join(&file)).unwrap();
        }
        for brought in ["imagenet", "somewhere"] {
            fs::create_dir(copy.path().join(brought)).unwrap();
        }
        copy
    });
    copy.path()
}

fn check(name: &str, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_igpt-flow"))
        .arg("check")
        .arg(brought().join(format!("{name}.yaml")))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_pipeline_is_right_in_every_profile_that_it_declares() {
    let names = pipelines();
    assert!(names.len() > 10, "{names:?}");
    for name in &names {
        check(name, &[]);
        for profile in profiles(name) {
            check(name, &["--profile", &profile]);
        }
    }
}

#[test]
fn profiles_mean_the_same_everywhere() {
    for name in pipelines() {
        check(&name, &["--profile", "cpu"]);
        check(&name, &["--profile", "smoke"]);
        // These have one scale by their nature.
        if matches!(name.as_str(), "quickstart" | "half-hour" | "released-weights") {
            continue;
        }
        check(&name, &["--profile", "gpu"]);
        check(&name, &["--profile", "paper"]);
    }
}

#[test]
fn a_smoke_run_writes_where_no_other_does_and_its_tables_say_so() {
    for name in pipelines() {
        let text = fs::read_to_string(folder().join(format!("{name}.yaml"))).unwrap();
        let exports = text.split_once("\nexport:\n").map_or("", |(_, exports)| exports);
        for line in exports.lines().filter(|line| !line.trim().is_empty()) {
            assert!(line.contains("\"${vars.results}/"), "{name}: {line}");
        }
        if !text.contains("\ninclude:") {
            let smoke = text.split_once("\n  smoke:").unwrap_or_else(|| panic!("{name} has no smoke")).1;
            let smoke = &smoke[..smoke.find("\nstages:").unwrap()];
            assert!(smoke.contains("results: ../results/smoke"), "{name}");
            assert!(smoke.contains("mark: \" (smoke test only)\""), "{name}");
            assert!(text.contains("${vars.mark}\"") || exports.is_empty(), "{name}: no title says so");
        }
    }
}

#[test]
fn a_released_network_may_lie_in_a_folder() {
    let folder = "vars.folder=./somewhere";
    let sets = ["--set", "vars.repo=null", "--set", folder, "--set", "vars.side=8", "--set", "vars.layers=3"];
    check("released-weights", &sets);
}
