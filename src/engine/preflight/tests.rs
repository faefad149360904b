//! What is reported before a run, of inputs and of exports.

use std::fs;
use std::path::Path;

use super::file_types::OFTEN;
use super::preflight;
use crate::pipeline::Overrides;
use crate::plan::testing::planned;

fn found(yaml: &str, prepare: impl Fn(&Path)) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().canonicalize().unwrap();
    prepare(&folder);
    let plan = planned(yaml, &Overrides::default()).unwrap_or_else(|errors| panic!("{errors:?}"));
    let found = preflight(&plan, &folder, &folder.join("artifacts"), &Default::default());
    let shown = |text: &str| text.replace(&format!("{}/", folder.display()), "");
    found
        .into_iter()
        .map(|d| format!("{} {} | {}", d.place.line, shown(&d.message), d.hint.unwrap_or_default()))
        .collect()
}

const STEP: &str = "  a: {uses: command, in: {x: INPUT}, with: {run: x}}\n";

#[track_caller]
fn input(written: &str, prepare: impl Fn(&Path), told: &[&str]) {
    assert_eq!(found(&format!("stages:\n{}", STEP.replace("INPUT", written)), prepare), told, "{written}");
}

#[track_caller]
fn export(to: &str, prepare: impl Fn(&Path), told: &[&str]) {
    let yaml =
        format!("stages:\n  a: {{uses: command, with: {{run: x, outputs: [o, p]}}}}\nexport:\n  a.o: {to}\n");
    assert_eq!(found(&yaml, prepare), told, "{to}");
}

#[test]
fn inputs_on_disk_must_be_there_and_files_or_folders() {
    let files = |folder: &Path| {
        fs::write(folder.join("config.json"), "x").unwrap();
        fs::create_dir_all(folder.join("artifacts/objects-v1")).unwrap();
    };
    input("./config.json", files, &[]);
    input("./", files, &[]);
    input(
        "./confg.json",
        files,
        &["2 the input `./confg.json` does not exist | did you mean `./config.json`?"],
    );
    input(
        "./config.json/x",
        files,
        &["2 the input `./config.json/x` cannot be read: Not a directory (os error 20) | "],
    );
    input("./x", files, &["2 the input `./x` does not exist | paths are relative to the pipeline's file"]);
    input("/dev/null", files, &["2 the input `/dev/null` is neither a file nor a folder | "]);
    input(
        "./artifacts/objects-v1",
        files,
        &[
            "2 the input `./artifacts/objects-v1` is inside the store | use the step's output, as in `step.port`",
        ],
    );
    input("{files: \"*.json\"}", files, &[]);
    input(
        "{files: [\"*.json\", \"*.txt\"]}",
        files,
        &["2 no file matches the pattern `*.txt` | patterns are relative to the pipeline's file"],
    );
}

#[test]
fn an_input_that_is_an_export_by_a_detour() {
    let linked = |folder: &Path| std::os::unix::fs::symlink("res", folder.join("link")).unwrap();
    let yaml = "stages:\n  a: {uses: command, with: {run: x}}\n  b: {uses: command, in: {x: ./link/a/f}, with: {run: x}}\nexport:\n  a.out: res/a\n";
    let told =
        "3 `./link/a/f` is written by this pipeline: `a` exports it | use the output instead: `a.out/f`";
    let prepare = |folder: &Path| {
        fs::create_dir(folder.join("res")).unwrap();
        linked(folder);
    };
    assert_eq!(found(yaml, prepare), [told]);
}

#[test]
fn many_exports_in_one_folder_are_looked_at_no_less() {
    let names = || 0..2 * OFTEN;
    let steps = names().map(|n| format!("  s{n}: {{uses: command, with: {{run: x}}}}\n"));
    let exports = names().map(|n| format!("  s{n}.out: res/{n}\n"));
    let yaml = format!("stages:\n{}export:\n{}", steps.collect::<String>(), exports.collect::<String>());
    let late = OFTEN + 5;
    let prepare = |folder: &Path| {
        fs::create_dir(folder.join("res")).unwrap();
        fs::write(folder.join("res/9"), "x").unwrap();
        for (n, to) in [(3, "/dev/null"), (late, "/dev/null"), (late + 1, "./9")] {
            std::os::unix::fs::symlink(to, folder.join(format!("res/{n}"))).unwrap();
        }
    };
    let line = |n: usize| 3 + 2 * OFTEN + n;
    let device = "which is neither a file nor a folder | ";
    let one_place = "overlap | give each its own path";
    assert_eq!(
        found(&yaml, prepare),
        [
            format!("{} the export goes to `res/3`, {device}", line(3)),
            format!("{} the exports to `res/3` and `res/{late}` {one_place}", line(late)),
            format!("{} the exports to `res/9` and `res/{}` {one_place}", line(late + 1), late + 1),
        ]
    );
}

#[test]
fn exports_go_where_something_can_be_put() {
    let files = |folder: &Path| {
        fs::write(folder.join("file"), "x").unwrap();
        fs::create_dir(folder.join("artifacts")).unwrap();
        std::os::unix::fs::symlink("artifacts", folder.join("link")).unwrap();
    };
    let in_store = "is inside the store, or contains it | choose a path outside of it; `--store` or IGPT_FLOW_STORE sets the store's folder";
    export("res/o", files, &[]);
    export("artifacts/x", files, &[&format!("4 the export to `artifacts/x` {in_store}")]);
    export("./x/../artifacts", files, &[&format!("4 the export to `./x/../artifacts` {in_store}")]);
    export("link/x", files, &[&format!("4 the export to `link/x` {in_store}")]);
    export(
        "file/x",
        files,
        &[
            "4 the export to `file/x` cannot be written: `file` is not a folder | move that file, or choose another path",
        ],
    );
    export(
        "/dev/null",
        files,
        &["4 the export goes to `/dev/null`, which is neither a file nor a folder | "],
    );
    export(
        "here/o\n  a.p: other/o",
        |folder| {
            fs::create_dir(folder.join("here")).unwrap();
            std::os::unix::fs::symlink("here", folder.join("other")).unwrap();
        },
        &["5 the exports to `here/o` and `other/o` overlap | give each its own path"],
    );
}
