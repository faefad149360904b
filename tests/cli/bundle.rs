//! Bundles: written, checked by a reviewer without the data, taken over, and refused where they are not sound.

use std::fs;
use std::io::Read;
use std::path::Path;

use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::{Value, json};
use tar::{Archive, Builder, EntryType, Header};

use super::support::{Project, Ran};

const PIPELINE: &str = r#"
name: bundled
include: [../shared/steps.yaml]
vars: {rows: 2}
stages:
  table:
    uses: command
    in: {counts: count.*}
    with: {run: 'mkdir out; cat counts/* > out/table.md; head -n ${vars.rows} out/table.md > out/top'}
export: {table.out: ../results/table}
"#;

const SHARED: &str = r#"
stages:
  clean: {uses: command, in: {raw: ../data.csv}, with: {run: 'grep -v "^#" raw > out'}}
  count: {uses: command, matrix: {n: [1, 2]}, in: {rows: clean.out}, with: {run: 'head -n ${matrix.n} rows > out'}}
"#;

/// A project that was run and bundled, the original data gone.
fn bundled() -> Project {
    let project = Project::new("");
    project.write("experiments/p.yaml", PIPELINE);
    project.write("shared/steps.yaml", SHARED);
    project.write("data.csv", "#h\n1\n22\n333\n");
    let ran = project.igpt_flow(&["run", "experiments/p.yaml", "--set", "vars.rows=1"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    fs::remove_file(project.path("data.csv")).unwrap();
    let ran = bundle(&project, "b.tar.zst");
    assert!(ran.code == 0 && ran.out.contains("can be rebuilt from it: table"), "{}{}", ran.out, ran.err);
    project
}

fn bundle(project: &Project, to: &str) -> Ran {
    project.igpt_flow(&["bundle", "experiments/p.yaml", "--set", "vars.rows=1", "-o", to])
}

fn reviewer(project: &Project) -> Project {
    let reviewer = Project::new("");
    fs::copy(project.path("b.tar.zst"), reviewer.path("b.tar.zst")).unwrap();
    reviewer
}

/// The files of a bundle.
type Files = Vec<(String, Vec<u8>)>;

fn files(path: &Path) -> Files {
    let bytes = fs::read(path).unwrap();
    let mut archive = Archive::new(StreamingDecoder::new(&bytes[..]).unwrap());
    let file = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (String::from_utf8(entry.path_bytes().into_owned()).unwrap(), bytes)
    };
    archive.entries().unwrap().map(file).collect()
}

/// Writes a bundle with headers that no honest program writes.
fn pack(path: &Path, files: &[(String, Vec<u8>)], kind: impl Fn(&str) -> EntryType) {
    let mut tar = Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = Header::new_ustar();
        // Past the checks of `set_path`.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind(name));
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, &bytes[..]).unwrap();
    }
    fs::write(path, compress_to_vec(&tar.into_inner().unwrap()[..], CompressionLevel::Fastest)).unwrap();
}

/// Changes what a bundle lists.
fn relist(files: &mut Files, change: impl FnOnce(&mut Value)) {
    let mut manifest: Value = serde_json::from_slice(&files[0].1).unwrap();
    change(&mut manifest);
    files[0].1 = serde_json::to_vec(&manifest).unwrap();
}

/// Lists the bytes that a file has by now.
fn list_again(files: &mut Files, name: &str) {
    let bytes = files.iter().find(|(other, _)| other == name).unwrap().1.clone();
    let entry = json!({"name": name, "bytes": bytes.len(), "digest": blake3::hash(&bytes).to_string()});
    relist(files, |manifest| {
        let all = manifest["files"].as_array_mut().unwrap();
        *all.iter_mut().find(|file| file["name"] == name).unwrap() = entry;
    });
}

#[test]
fn a_reviewer_without_the_data_makes_the_table_again_and_takes_it_over() {
    let project = bundled();
    assert_eq!(bundle(&project, "again.tar.zst").code, 0);
    assert_eq!(
        fs::read(project.path("b.tar.zst")).unwrap(),
        fs::read(project.path("again.tar.zst")).unwrap()
    );
    let reviewer = reviewer(&project);
    let ran = reviewer.igpt_flow(&["verify", "b.tar.zst"]);
    assert!(ran.code == 0 && ran.out.contains("(`--commands` runs it)"), "{}{}", ran.out, ran.err);
    assert!(!reviewer.path("artifacts").exists(), "nothing is taken over unless that is asked for");
    let ran = reviewer.igpt_flow(&["verify", "b.tar.zst", "--commands", "--import"]);
    for text in ["4 of 4 steps of the pipeline", "rebuilt: table: all bytes match", "verified in"] {
        assert!(ran.out.contains(text), "no `{text}` in:\n{}{}", ran.out, ran.err);
    }
    assert_eq!(ran.code, 0);
    let shown = reviewer.igpt_flow(&["show", "table"]);
    assert!(shown.out.contains("in counts [n=2]: `count[n=2]`"), "{}{}", shown.out, shown.err);
    let origin = reviewer.igpt_flow(&["origin", "table"]);
    assert!(origin.out.contains("outside the store, `../data.csv`"), "{}", origin.out);
    assert_eq!(reviewer.igpt_flow(&["verify"]).code, 0, "the store is sound");
    let twice = reviewer.igpt_flow(&["verify", "b.tar.zst", "--import"]);
    assert!(twice.out.contains("0 objects and 0 records"), "{}", twice.out);
    let answer = reviewer.igpt_flow(&["verify", "b.tar.zst", "--commands", "--json"]);
    let answer: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!((&answer["holds"], &answer["made_again"][0]["verdict"]), (&true.into(), &"same".into()));
}

#[test]
fn the_bundle_is_a_crate_whose_entities_are_all_there() {
    let project = bundled();
    let files = files(&project.path("b.tar.zst"));
    let text = &files.iter().find(|(name, _)| name == "ro-crate-metadata.json").unwrap().1;
    let metadata: Value = serde_json::from_slice(text).unwrap();
    let graph = metadata["@graph"].as_array().unwrap();
    let ids: std::collections::BTreeSet<&str> =
        graph.iter().map(|one| one["@id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), graph.len(), "no entity stands twice");
    fn named<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(all) if all.len() == 1 && all.contains_key("@id") => {
                found.extend(all["@id"].as_str())
            }
            Value::Object(all) => all.values().for_each(|one| named(one, found)),
            Value::Array(all) => all.iter().for_each(|one| named(one, found)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    named(&metadata["@graph"], &mut all);
    let lost: Vec<&str> = all.into_iter().filter(|id| !ids.contains(id) && !id.starts_with("http")).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let (home, host) = (project.path(""), fs::read_to_string("/proc/sys/kernel/hostname").unwrap());
    let text = String::from_utf8(text.clone()).unwrap();
    assert!(!text.contains(&*home.to_string_lossy()), "no path of this machine");
    assert!(!text.contains(&format!("\"{}\"", host.trim())), "no name of this machine");
}

#[test]
fn unsound_bundles_are_refused_by_name_and_nothing_is_taken_over() {
    let project = bundled();
    let good = files(&project.path("b.tar.zst"));
    let reviewer = reviewer(&project);
    let at = reviewer.path("bad.tar.zst");
    let object = good.iter().find(|(name, _)| name.starts_with("store/objects-v1/")).unwrap().0.clone();
    let refused = |what: &str| {
        let ran = reviewer.igpt_flow(&["verify", "bad.tar.zst", "--import", "--commands"]);
        assert_eq!(ran.code, 101, "{what}: {}{}", ran.out, ran.err);
        let said = format!("{}{}", ran.out, ran.err);
        assert!(said.contains(what), "no `{what}` in: {said}");
        assert!(!reviewer.path("artifacts").exists(), "{what}");
    };
    let regular = |_: &str| EntryType::Regular;
    let changed = |change: &dyn Fn(&mut Files), what: &str| {
        let mut files = good.clone();
        change(&mut files);
        pack(&at, &files, regular);
        refused(what);
    };
    // Damaged and cut off.
    changed(&|files| files.iter_mut().find(|(name, _)| *name == object).unwrap().1[0] ^= 1, &object);
    changed(&|files| drop(files.pop()), "is missing");
    let whole = fs::read(project.path("b.tar.zst")).unwrap();
    for length in [0, 3, 20, whole.len() / 2, whole.len() - 10] {
        fs::write(&at, &whole[..length]).unwrap();
        refused("is refused");
    }
    fs::write(&at, "no bundle at all").unwrap();
    refused("Zstandard");
    // Names that lead elsewhere, listed or not.
    for name in ["../escaped", "/tmp/escaped", "pipeline/../../escaped", "store/runs-v2/x"] {
        let bytes = b"x".to_vec();
        changed(&|files| files.push((name.to_owned(), bytes.clone())), name);
        let entry = json!({"name": name, "bytes": 1, "digest": blake3::hash(b"x").to_string()});
        changed(
            &|files| {
                files.push((name.to_owned(), bytes.clone()));
                relist(files, |manifest| manifest["files"].as_array_mut().unwrap().push(entry.clone()));
            },
            name,
        );
    }
    // A link in the place of a file, a file twice, a file of another size.
    pack(&at, &good, |name| if *name == object { EntryType::Symlink } else { EntryType::Regular });
    refused("is not a file");
    changed(&|files| files.push(files[1].clone()), "there twice");
    changed(&|files| files.iter_mut().find(|(name, _)| *name == object).unwrap().1.push(0), "bytes");
    // More than it may unpack to.
    changed(
        &|files| relist(files, |manifest| manifest["files"][0]["bytes"] = json!(1_u64 << 50)),
        "--max-size",
    );
    changed(&|files| relist(files, |manifest| manifest["format"] = "another".into()), "another");
    // Keys that do not follow: from the material, and from the pipeline.
    let record =
        good.iter().find(|(name, _)| name.ends_with(".json") && name.contains("records")).unwrap().0.clone();
    changed(
        &|files| {
            let at = files.iter().position(|(name, _)| *name == record).unwrap();
            let text =
                String::from_utf8(files[at].1.clone()).unwrap().replacen("\"version\":3", "\"version\":4", 1);
            let body = text.rsplit_once(",\"checksum\"").unwrap().0.to_owned();
            files[at].1 =
                format!("{body},\"checksum\":\"{}\"}}\n", blake3::hash(body.as_bytes())).into_bytes();
            list_again(files, &record);
        },
        "key",
    );
    let text = good.iter().find(|(name, _)| name.ends_with("p.yaml")).unwrap().0.clone();
    changed(
        &|files| {
            let at = files.iter().position(|(name, _)| *name == text).unwrap();
            files[at].1 =
                String::from_utf8(files[at].1.clone()).unwrap().replace("head -n", "tail -n").into_bytes();
            list_again(files, &text);
        },
        "no record with the key of its pipeline",
    );
}

#[test]
fn a_table_that_comes_out_differently_is_told() {
    let project = Project::new(
        "name: moody\nstages:\n  a: {uses: command, with: {run: 'echo 1 > out'}}\n  \
         b: {uses: command, in: {a: a.out}, with: {run: 'date +%N > out'}}\nexport: {b.out: results/b}\n",
    );
    project.write("log", "");
    assert_eq!(project.igpt_flow(&["run", "pipeline.yaml"]).code, 0);
    assert_eq!(project.igpt_flow(&["bundle", "pipeline.yaml", "-o", "b.tar.zst"]).code, 0);
    let ran = project.igpt_flow(&["--store", "other", "verify", "b.tar.zst", "--commands", "--import"]);
    assert_eq!(ran.code, 100, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("rebuilt: b: different") && ran.out.contains("NOT verified"), "{}", ran.out);
    assert!(!project.path("other").exists());
}

#[test]
fn a_bundle_needs_results_and_kinds_that_there_are() {
    let project = bundled();
    let ran = project.igpt_flow(&["bundle", "experiments/p.yaml", "-o", "c.tar.zst"]);
    assert!(ran.code == 2 && ran.err.contains("`table` has no up-to-date result"), "{}", ran.err);
    let ran = project.igpt_flow(&["bundle", "experiments/p.yaml", "-o", "c.tar.zst", "--with", "feature"]);
    assert!(ran.code == 2 && ran.err.contains("the kinds are"), "{}", ran.err);
    assert!(!project.path("c.tar.zst").exists());
}
