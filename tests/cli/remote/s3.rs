//! The same against a real server: rights, faults in the middle of transfers, many files and a large one.

use std::time::{Duration, Instant};

use super::super::support::{Project, Ran, wait_until, within_limit};
use super::seaweed::Seaweed;
use super::{ALL, PIPELINE};

fn machine(prefix: &str) -> Project {
    Project::new(&format!("remote: s3://igpt/{prefix}\n{PIPELINE}"))
}

/// Runs a command as a user of the server; answers what was executed, too.
fn run(server: &Seaweed, project: &Project, user: &str, arguments: &[&str]) -> (Ran, Vec<String>) {
    project.write("log", "");
    let ran = within_limit(server.command(project, user, arguments)).expect("it ends");
    (ran, project.executed())
}

#[test]
fn machines_share_a_bucket_with_their_rights() {
    let Some(server) = Seaweed::start("sharing a bucket") else { return };
    let writer = machine("lab");
    let (ran, executed) = run(&server, &writer, "writer", &["run", "pipeline.yaml", "--push"]);
    assert!(ran.code == 0 && executed == ALL, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("4 results shared"), "{}", ran.out);
    let reader = machine("lab");
    let (ran, executed) = run(&server, &reader, "reader", &["run", "pipeline.yaml"]);
    assert!(ran.code == 0 && executed.is_empty(), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("4 results taken, 3 objects of "), "{}", ran.out);
    assert_eq!(reader.read("sum.txt"), writer.read("sum.txt"));
    // Rights, keys and buckets are looked at before anything runs, and no secret is shown.
    for (user, arguments) in [
        ("reader", vec!["run", "pipeline.yaml", "--push"]),
        ("reader", vec!["push", "pipeline.yaml"]),
        ("nobody", vec!["run", "pipeline.yaml"]),
        ("writer", vec!["run", "pipeline.yaml", "--remote", "s3://another/x"]),
    ] {
        let (ran, executed) = run(&server, &machine("lab"), user, &arguments);
        let push_without_store = arguments[0] == "push";
        assert!(ran.code == 101 && executed.is_empty(), "{user} {arguments:?}: {}{}", ran.out, ran.err);
        assert!(push_without_store || ran.err.contains("cannot"), "{}", ran.err);
        assert!(!ran.err.contains("-secret") && !ran.out.contains("-secret"), "{}{}", ran.out, ran.err);
    }
    let (ran, _) = run(&server, &reader, "reader", &["push", "pipeline.yaml"]);
    assert!(ran.code == 101 && ran.err.contains("the server refuses it"), "{}{}", ran.out, ran.err);
    let (ran, _) = run(&server, &writer, "writer", &["remote", "check", "pipeline.yaml", "--push"]);
    assert!(ran.code == 0 && ran.out.contains("the first wins"), "{}{}", ran.out, ran.err);
    let (ran, _) = run(&server, &writer, "writer", &["gc", "--remote", "pipeline.yaml", "--delete"]);
    assert!(ran.code == 0 && ran.out.contains("nothing to delete"), "{}{}", ran.out, ran.err);
    // Whoever shares at once with others leaves one whole record of each.
    let racers: Vec<Project> = (0..3).map(|_| machine("race")).collect();
    std::thread::scope(|scope| {
        for racer in &racers {
            let server = &server;
            scope.spawn(move || {
                let (ran, _) = run(server, racer, "writer", &["run", "pipeline.yaml", "--push"]);
                assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
            });
        }
    });
    let (ran, executed) = run(&server, &machine("race"), "reader", &["run", "pipeline.yaml"]);
    assert!(ran.code == 0 && executed.is_empty(), "{}{}", ran.out, ran.err);
}

const BIG: &str = r#"
remote: s3://igpt/big
stages:
  big: {uses: command, with: {run: 'head -c 160000000 /dev/urandom > out; echo big >> "$LOG"', pass_env: [LOG]}}
  size: {uses: command, in: {x: big.out}, with: {run: 'wc -c < x > out; echo size >> "$LOG"', pass_env: [LOG]}}
export: {size.out: size.txt}
"#;

#[test]
fn a_server_that_dies_in_the_middle_fails_nobody() {
    let Some(mut server) = Seaweed::start("faults in the middle of transfers") else { return };
    let (before, part) = (server.stored(), 24 << 20);
    // In the middle of an upload, which is frozen first: the run notices that nothing moves.
    let writer = Project::new(BIG);
    writer.write("log", "");
    let began = Instant::now();
    let mut command = server.command(&writer, "writer", &["run", "pipeline.yaml", "--push"]);
    let out = std::fs::File::create(writer.path("out")).unwrap();
    let mut child = command.env("IGPT_FLOW_REMOTE_TIMEOUT", "3").stdout(out).spawn().unwrap();
    let said = || std::fs::read_to_string(writer.path("out")).unwrap_or_default();
    wait_until("some parts are there", || server.stored() > before + part || said().contains("any more"));
    server.freeze();
    assert!(child.wait().unwrap().success(), "{}", said());
    let out = said();
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}: {out}", began.elapsed());
    assert!(out.contains("is not used any more") && out.contains("not shared with"), "{out}");
    server.kill();
    server.restart();
    // Half an upload is none; what was not shared is said, and pushed by hand.
    let (ran, executed) = run(&server, &Project::new(BIG), "reader", &["pull", "pipeline.yaml"]);
    assert!(
        ran.code == 0 && executed.is_empty() && ran.out.contains("0 of 2 steps"),
        "{}{}",
        ran.out,
        ran.err
    );
    let (ran, _) = run(&server, &writer, "writer", &["push", "pipeline.yaml"]);
    assert!(ran.code == 0 && ran.out.contains("2 results of 2 steps"), "{}{}", ran.out, ran.err);
    // In the middle of a download: the step runs here instead, in the same run.
    let reader = Project::new(BIG);
    reader.edit("wc -c < x", "wc -c < x | cat");
    reader.write("log", "");
    let mut command = server.command(&reader, "reader", &["run", "pipeline.yaml"]);
    let child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    wait_until("some bytes are here", || {
        let files = std::fs::read_dir(reader.path("artifacts/tmp-v1")).into_iter().flatten().flatten();
        files.filter_map(|file| Some(file.metadata().ok()?.len())).sum::<u64>() > 1 << 20
    });
    server.kill();
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}");
    assert_eq!(
        (reader.executed(), reader.read("size.txt").trim()),
        (vec!["big".into(), "size".into()], "160000000")
    );
    assert!(out.contains("is not used any more"), "{out}");
    // Afterwards all is as if nothing had been.
    server.restart();
    let began = Instant::now();
    let (third, ran, executed) = loop {
        let third = Project::new(BIG);
        let (ran, executed) = run(&server, &third, "reader", &["run", "pipeline.yaml"]);
        // It answers before it has found all that it had.
        if !ran.out.contains("500 Internal") || began.elapsed() > Duration::from_secs(40) {
            break (third, ran, executed);
        }
    };
    assert!(ran.code == 0 && executed.is_empty(), "{}{}", ran.out, ran.err);
    assert_eq!(third.read("size.txt").trim(), "160000000");
}
