//! Results that several machines share: here two projects, each with a store of its own, and one folder.

mod looking;
mod s3;
mod seaweed;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::remains::tell;
use super::support::{Project, Ran};

const PIPELINE: &str = r#"
name: shared
stages:
  data:
    uses: command
    with: {run: 'i=0; while [ $i -lt 3000 ]; do echo "row $i"; i=$((i+1)); done > out; echo data >> "$LOG"', pass_env: [LOG]}
  part:
    uses: command
    matrix: {n: [1, 2]}
    in: {rows: data.out}
    with: {run: 'mkdir out; head -n ${matrix.n} rows > out/few; cp rows out/all; echo part${matrix.n} >> "$LOG"', pass_env: [LOG]}
  sum:
    uses: command
    in: {parts: part.*}
    with: {run: 'cat parts/*/few > out; echo sum >> "$LOG"', pass_env: [LOG]}
export: {sum.out: sum.txt}
"#;

/// All that the pipeline executes, sorted.
const ALL: [&str; 4] = ["data", "part1", "part2", "sum"];

/// A folder that is a remote, and what machines there are.
struct Lab {
    folder: tempfile::TempDir,
    url: String,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}", folder.path().display());
        Self { folder, url }
    }

    /// A project with the pipeline, which names the remote.
    fn machine(&self) -> Project {
        self.machine_with("")
    }

    fn machine_with(&self, more: &str) -> Project {
        Project::new(&format!("remote: {{url: '{}'{more}}}\n{PIPELINE}", self.url))
    }

    /// One that has run the pipeline and shared its results.
    fn writer(&self) -> Project {
        let writer = self.machine();
        assert_eq!(writer.run_with(&["--push"]), ALL);
        writer
    }

    /// The files below a folder of the remote.
    fn files(&self, below: &str) -> Vec<PathBuf> {
        let mut todo = vec![self.folder.path().join(below)];
        let mut files = Vec::new();
        while let Some(path) = todo.pop() {
            if path.is_dir() {
                todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.exists() {
                files.push(path);
            }
        }
        files.sort();
        files
    }

    /// The one object with these bytes.
    fn object(&self, bytes: &[u8]) -> PathBuf {
        let files = self.files("objects-v1");
        files.into_iter().find(|path| fs::read(path).unwrap() == bytes).expect("an object with these bytes")
    }
}

/// Runs the pipeline, which must end well; answers what was executed, and what was said.
#[track_caller]
fn run(project: &Project, more: &[&str]) -> (Vec<String>, String) {
    project.write("log", "");
    let ran = project.igpt_flow(&[&["run", "pipeline.yaml"], more].concat());
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    (project.executed(), ran.out)
}

fn rows(n: usize) -> String {
    (0..n).map(|i| format!("row {i}\n")).collect()
}

fn age(path: &Path, days: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(days * 24 * 3600)).unwrap();
}

#[test]
fn a_second_machine_executes_nothing_and_downloads_what_it_exports() {
    let lab = Lab::new();
    let writer = lab.writer();
    let reader = lab.machine();
    let (executed, out) = run(&reader, &[]);
    assert!(executed.is_empty() && out.contains("0 executed, 4 reused"), "{executed:?} {out}");
    assert_eq!(reader.read("sum.txt"), writer.read("sum.txt"));
    // Two manifests of trees and the export: of the rows, which are ten times as long, not one.
    let exported = fs::metadata(reader.path("sum.txt")).unwrap().len();
    let manifests = lab
        .files("objects-v1")
        .into_iter()
        .filter(|path| fs::read(path).unwrap().starts_with(b"igpt-flow tree"));
    let manifests: u64 = manifests.map(|path| path.metadata().unwrap().len()).sum();
    assert!(
        out.contains(&format!("4 results taken, 3 objects of {} B downloaded", exported + manifests)),
        "{out}"
    );
    // And nothing more the next time, nor without the remote.
    let (executed, out) = run(&reader, &[]);
    assert!(executed.is_empty() && !out.contains("downloaded"), "{out}");
    let (executed, _) = run(&reader, &["--remote", "none"]);
    assert!(executed.is_empty());
}

#[test]
fn bytes_come_when_a_step_reads_them() {
    let lab = Lab::new();
    lab.writer();
    let reader = lab.machine();
    reader.edit("cat parts/*/few > out", "cat parts/*/few parts/*/all | wc -l > out");
    let (executed, out) = run(&reader, &[]);
    assert_eq!(executed, ["sum"], "{out}");
    assert_eq!(reader.read("sum.txt").trim(), "6003");
    // The rows once, although two trees have them.
    assert!(out.contains("3 results taken, 5 objects"), "{out}");
    // What it made is not shared: nobody said that it may be.
    assert_eq!(lab.files("records-v2").len(), 4);
}

#[test]
fn damaged_and_missing_objects_are_made_again_in_the_same_run() {
    for damage in [true, false] {
        let lab = Lab::new();
        lab.writer();
        let object = lab.object(rows(3000).as_bytes());
        let reader = lab.machine();
        // It takes the records while all is there, and reads nothing of the rows.
        run(&reader, &[]);
        match damage {
            true => fs::write(&object, rows(3000).replace("row 7", "ROW 7")).unwrap(),
            false => fs::remove_file(&object).unwrap(),
        }
        reader.edit("cat parts/*/few > out", "cat parts/*/few parts/*/all | wc -l > out");
        let (executed, out) = run(&reader, &[]);
        // The rows of the parts are those of `data`, the very object.
        assert_eq!(executed, ["data", "sum"], "{out}");
        assert_eq!(reader.read("sum.txt").trim(), "6003");
        assert!(out.contains("has other bytes than its digest says") == damage, "{out}");
        // Whoever may write mends it: what is made again takes the place of what is damaged.
        let other = lab.machine();
        other.edit("cat parts/*/few > out", "cat parts/*/few parts/*/all | wc -c > out");
        let (executed, out) = run(&other, &["--push"]);
        assert!(
            executed.contains(&"sum".to_owned()) && executed.contains(&"data".to_owned()),
            "{executed:?} {out}"
        );
        assert!(lab.object(rows(3000).as_bytes()).exists());
        let third = lab.machine();
        third.edit("cat parts/*/few > out", "cat parts/*/few parts/*/all | wc -c > out");
        let (executed, out) = run(&third, &[]);
        assert!(executed.is_empty(), "{executed:?} {out}");
    }
}

#[test]
fn a_record_that_does_not_prove_itself_is_a_miss_with_a_note() {
    let lab = Lab::new();
    lab.writer();
    let records = lab.files("records-v2");
    let text = |path: &PathBuf| fs::read_to_string(path).unwrap();
    // One is cut off, one is another's, and of one the outputs were changed and sealed again by no one.
    fs::write(&records[0], &text(&records[0])[..200]).unwrap();
    fs::write(&records[1], text(&records[2])).unwrap();
    fs::write(&records[3], text(&records[3]).replacen("\"bytes\":", "\"bytes\":1", 1)).unwrap();
    let reader = lab.machine();
    let (executed, out) = run(&reader, &[]);
    assert!(executed.len() >= 3, "{executed:?}");
    assert!(out.matches("is damaged and not used").count() >= 3, "{out}");
    // A push in a run puts better ones in their places.
    let writer = lab.machine();
    let (_, out) = run(&writer, &["--push"]);
    assert!(out.contains("shared"), "{out}");
    let (executed, out) = run(&lab.machine(), &[]);
    assert!(executed.is_empty(), "{executed:?} {out}");
}

#[test]
fn a_record_whose_objects_are_gone_is_a_miss_with_a_note_and_push_mends_it() {
    let lab = Lab::new();
    let writer = lab.writer();
    fs::remove_file(lab.object(rows(3000).as_bytes())).unwrap();
    let reader = lab.machine();
    let (executed, out) = run(&reader, &[]);
    assert_eq!(executed, ["data"], "the parts need no more than its object: {out}");
    assert!(out.contains("some of its objects are not there"), "{out}");
    let ran = writer.igpt_flow(&["push", "pipeline.yaml"]);
    assert!(ran.code == 0 && ran.out.contains("4 results of 4 steps"), "{}{}", ran.out, ran.err);
    let (executed, _) = run(&lab.machine(), &[]);
    assert!(executed.is_empty());
}

#[test]
fn push_and_pull_move_whole_results() {
    let lab = Lab::new();
    let writer = lab.machine();
    run(&writer, &[]);
    assert!(lab.files("").is_empty(), "nobody said that it may write");
    let ran = writer.igpt_flow(&["push"]);
    assert_eq!(ran.code, 2, "a store by itself names no remote");
    let ran = writer.igpt_flow(&["push", "--remote", &lab.url]);
    assert!(ran.code == 0 && ran.out.contains("4 results: 4 shared now, 0 there"), "{}{}", ran.out, ran.err);
    let ran = writer.igpt_flow(&["push", "pipeline.yaml"]);
    assert!(ran.out.contains("0 shared now, 4 there already"), "{}", ran.out);
    let reader = lab.machine();
    let ran = reader.igpt_flow(&["pull", "pipeline.yaml", "--json"]);
    assert!(ran.code == 0 && ran.out.contains("\"here\": 4"), "{}{}", ran.out, ran.err);
    // Now everything is here, bytes too.
    fs::remove_dir_all(lab.folder.path()).unwrap();
    reader.edit("cat parts/*/few > out", "cat parts/*/all > out");
    let (executed, out) = run(&reader, &["--remote", "none"]);
    assert_eq!(executed, ["sum"], "{out}");
    assert_eq!(reader.read("sum.txt").len(), 2 * rows(3000).len());
}

#[test]
fn what_was_taken_is_not_shared_again_and_what_is_reused_is() {
    let lab = Lab::new();
    let writer = lab.machine();
    run(&writer, &[]);
    let (executed, out) = run(&writer, &["--push"]);
    assert!(executed.is_empty() && out.contains("4 results shared"), "{out}");
    let (_, out) = run(&writer, &["--push"]);
    assert!(!out.contains("shared, "), "{out}");
    let (_, out) = run(&lab.machine(), &["--push"]);
    assert!(out.contains("4 results taken") && !out.contains("uploaded"), "{out}");
}

#[test]
fn what_a_person_did_wrong_is_an_error_at_the_start() {
    let lab = Lab::new();
    let project = lab.machine();
    let refused = |more: &[&str], wanted: &str| {
        let Ran { code, out, err } = project.igpt_flow(&[&["run", "pipeline.yaml"], more].concat());
        assert!((code == 2 || code == 101) && err.contains(wanted), "{more:?}: {code} {out}{err}");
        assert!(err.contains("hint:") && !err.contains("hunter2"), "{err}");
    };
    refused(&["--remote", "file:///nowhere/at/all"], "the folder `/nowhere/at/all` is not there");
    refused(&["--remote", "s3://me:hunter2@bucket/x"], "must not hold credentials");
    refused(&["--remote", "bucket"], "must begin with `s3://`");
    refused(&["--remote", "none", "--push"], "no remote is given");
    project.write("pipeline.yaml", &format!("remote: 's3://me:hunter2/x@bucket'\n{PIPELINE}"));
    refused(&[], "must not hold credentials");
    assert!(
        !project.path("artifacts/runs-v2").exists()
            || fs::read_dir(project.path("artifacts/runs-v2")).unwrap().next().is_none()
    );
}

#[test]
fn a_folder_that_may_not_be_written_is_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = Lab::new();
    lab.writer();
    // SAFETY: asks for the user's number.
    if unsafe { libc::geteuid() } == 0 {
        tell("skipped: a remote without the right to write (root may write everywhere)");
        return;
    }
    fs::set_permissions(lab.folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    fs::remove_dir_all(lab.folder.path().join("probe-v1")).unwrap_err();
    let (executed, _) = run(&lab.machine(), &[]);
    assert!(executed.is_empty());
    fs::set_permissions(lab.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn only_signed_records_are_taken_where_keys_are_listed() {
    let lab = Lab::new();
    let writer = lab.machine();
    let keygen = |name: &str| {
        let ran = writer.igpt_flow(&["remote", "keygen", name]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out.trim().to_owned()
    };
    let (ours, theirs) = (keygen("ours.key"), keygen("theirs.key"));
    assert_eq!(writer.igpt_flow(&["remote", "keygen", "ours.key"]).code, 2, "a key is not overwritten");
    // Unsigned first: somebody else may sign what is there already.
    assert_eq!(run(&writer, &["--push"]).0, ALL);
    let reader = lab.machine_with(&format!(", trust: ['{ours}']"));
    let (executed, out) = run(&reader, &[]);
    assert!(executed == ALL && out.contains("is not signed by anybody in `trust`"), "{executed:?} {out}");
    let ran = writer.igpt_flow(&["push", "pipeline.yaml", "--sign", "theirs.key"]);
    assert!(ran.code == 0 && ran.out.contains("4 shared now"), "{}{}", ran.out, ran.err);
    let (executed, _) = run(&lab.machine_with(&format!(", trust: ['{ours}']")), &[]);
    assert_eq!(executed, ALL, "signed by somebody who is not trusted");
    let ran = writer.igpt_flow(&["push", "pipeline.yaml", "--sign", "ours.key"]);
    assert!(ran.code == 0 && ran.out.contains("4 shared now"), "{}{}", ran.out, ran.err);
    for trust in [format!(", trust: ['{ours}']"), format!(", trust: ['{theirs}', '{ours}']")] {
        let (executed, out) = run(&lab.machine_with(&trust), &[]);
        assert!(executed.is_empty(), "{executed:?} {out}");
    }
    // Nobody vouches for what somebody else made: a false record must not come to be trusted on its way.
    let other = lab.machine();
    assert!(run(&other, &[]).0.is_empty());
    let ran = other.igpt_flow(&["remote", "keygen", "other.key"]);
    let before = lab.files("signed-v1").len();
    let pushed = other.igpt_flow(&["push", "pipeline.yaml", "--sign", "other.key"]);
    assert!(
        pushed.code == 0 && pushed.out.contains("is not signed: its maker may"),
        "{}{}",
        pushed.out,
        pushed.err
    );
    assert_eq!((lab.files("signed-v1").len(), ran.code), (before, 0));
    // What it makes itself it may sign, also where it had taken the record before.
    run(&other, &["--force", "data"]);
    let pushed = other.igpt_flow(&["push", "pipeline.yaml", "--sign", "other.key"]);
    assert_eq!((lab.files("signed-v1").len(), pushed.code), (before + 1, 0), "{}", pushed.out);
    // A signature under another text is none.
    let signed = lab.files("signed-v1");
    let short = &ours["ed25519:".len()..][..16];
    let ours_signed: Vec<_> = signed.iter().filter(|path| path.to_str().unwrap().ends_with(short)).collect();
    assert_eq!(ours_signed.len(), 4);
    for path in ours_signed {
        let text = fs::read_to_string(path).unwrap();
        fs::write(path, text.replacen("\"host\":\"", "\"host\":\"x", 1)).unwrap();
    }
    let (executed, out) = run(&lab.machine_with(&format!(", trust: ['{ours}']")), &[]);
    assert!(executed == ALL && out.contains("has a wrong signature"), "{executed:?} {out}");
}

#[test]
fn racing_writers_leave_one_whole_record_each() {
    let lab = Lab::new();
    let machines: Vec<Project> = (0..4).map(|_| lab.machine()).collect();
    let children: Vec<_> =
        machines.iter().map(|machine| machine.start(&["run", "pipeline.yaml", "--push"])).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(lab.files("records-v2").len(), 4);
    let (executed, out) = run(&lab.machine(), &[]);
    assert!(executed.is_empty(), "{executed:?} {out}");
}

#[test]
fn gc_deletes_old_orphans_and_leaves_the_young_to_their_uploaders() {
    let lab = Lab::new();
    let writer = lab.writer();
    let gc = |more: &[&str]| {
        let remote = format!("--remote={}", lab.url);
        let ran = writer.igpt_flow(&[&["gc", &remote], more].concat());
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        ran.out
    };
    let before = lab.files("").len();
    let orphan = lab.folder.path().join(format!("objects-v1/00/{}", "0".repeat(62)));
    fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    fs::write(&orphan, "uploaded, and not yet named").unwrap();
    assert!(gc(&["--delete"]).contains("nothing to delete") && orphan.exists(), "it is young");
    age(&orphan, 2);
    assert!(gc(&[]).contains("1 object") && orphan.exists(), "without --delete nothing goes");
    assert!(gc(&["--delete"]).contains("1 object") && !orphan.exists());
    assert_eq!(lab.files("").len(), before);
    // Old objects that records name stay; old records go only where that is asked for.
    lab.files("").iter().for_each(|path| age(path, 40));
    assert!(gc(&["--delete"]).contains("nothing to delete"));
    let kept = gc(&["pipeline.yaml", "--delete", "--keep-for", "30d"]);
    assert!(kept.contains("nothing to delete"), "the pipeline's own stay: {kept}");
    let (executed, _) = run(&lab.machine(), &[]);
    assert!(executed.is_empty());
    lab.files("").iter().for_each(|path| age(path, 40));
    let out = gc(&["--delete", "--keep-for", "30d"]);
    assert!(out.contains("4 records") && lab.files("records-v2").is_empty(), "{out}");
    assert!(lab.files("objects-v1").is_empty());
    let refused = writer.igpt_flow(&["gc", "--remote", "--grace", "1h"]);
    assert!(refused.code == 2 && refused.err.contains("at least `1d`"), "{}", refused.err);
}

/// An uploader that finds an old object, garbage for all that anybody knows, relies on it only once it is young.
#[test]
fn an_old_object_is_young_before_a_record_names_it() {
    let lab = Lab::new();
    let writer = lab.writer();
    fs::remove_dir_all(lab.folder.path().join("records-v2")).unwrap();
    lab.files("objects-v1").iter().for_each(|path| age(path, 3));
    let ran = writer.igpt_flow(&["push", "pipeline.yaml"]);
    assert!(ran.code == 0 && ran.out.contains("4 shared now"), "{}{}", ran.out, ran.err);
    for path in lab.files("objects-v1") {
        let age = SystemTime::now()
            .duration_since(path.metadata().unwrap().modified().unwrap())
            .unwrap_or_default();
        assert!(age < Duration::from_secs(3600), "{}", path.display());
    }
}

#[test]
fn a_search_decides_by_numbers_from_the_remote() {
    let lab = Lab::new();
    let pipeline = format!(
        r#"
remote: {}
stages:
  try:
    uses: command
    search: {{param: run, values: ['mkdir out; echo big > out/big; echo "{{\"values\": {{\"loss\": 2}}}}" > out/metrics.json', 'mkdir out; echo big2 > out/big; echo "{{\"values\": {{\"loss\": 1}}}}" > out/metrics.json'], metric: out.loss, goal: min}}
    with: {{}}
  use: {{uses: command, in: {{x: try.out}}, with: {{run: 'cp x/big out; echo use >> "$LOG"', pass_env: [LOG]}}}}
export: {{use.out: best.txt}}
"#,
        lab.url
    );
    let writer = Project::new(&pipeline);
    let ran = writer.igpt_flow(&["run", "pipeline.yaml", "--push"]);
    if ran.code == 2 {
        panic!("{}", ran.err);
    }
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let reader = Project::new(&pipeline);
    let (executed, out) = run(&reader, &[]);
    assert!(executed.is_empty() && out.contains("0 executed"), "{out}");
    assert_eq!(reader.read("best.txt"), writer.read("best.txt"));
}
