//! Says which commit the program is built from, where that is known.

use std::process::Command;

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn main() {
    // A change of any of these may be a change of the program.
    for place in ["build.rs", "Cargo.lock", "Cargo.toml", "src", "stages"] {
        println!("cargo::rerun-if-changed={place}");
    }
    // In a package from a registry there is no repository of ours.
    let here = git(&["rev-parse", "--show-prefix"]).is_some_and(|prefix| prefix.is_empty());
    let Some(commit) = git(&["rev-parse", "HEAD"]).filter(|_| here) else { return };
    if let Some(head) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={head}");
    }
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
    println!("cargo::rustc-env=IGPT_FLOW_COMMIT={commit}{}", if changed { "+" } else { "" });
}
