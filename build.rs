//! Says which commit the program is built from, where that is known, and how it is linked.

use std::process::Command;

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Links the program to a fixed address on Linux with glibc. As a position-independent executable it has a quarter of a
/// million addresses, which the loader corrects each time that it starts: 2 of 3.3 ms, and 5 MB of the file. Libraries,
/// heap and stack still lie elsewhere in each process.
fn link_to_a_fixed_address() {
    let is =
        |name: &str, value: &str| std::env::var(name).is_ok_and(|all| all.split(',').any(|one| one == value));
    let linked_statically = is("CARGO_CFG_TARGET_FEATURE", "crt-static");
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && !linked_statically {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}

fn main() {
    link_to_a_fixed_address();
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
