//! Inputs and exports as text: paths, patterns, and what a command gathers.

use std::path::Path;

use super::errors::check;
use crate::pipeline::Overrides;
use crate::plan::Source;
use crate::plan::testing::planned;

#[test]
fn exports_are_settled_as_text() {
    let yaml = |exports: &str, axes: &str| {
        format!(
            "stages:\n  c: {{uses: command, matrix: {{m: {axes}}}, with: {{run: x, outputs: [o, p]}}}}\nexport:\n{exports}"
        )
    };
    let one = |path: &str| yaml(&format!("  c.o: \"{path}\"\n"), "[1]");
    check(
        &one("~/results"),
        &[
            "4:8 `~/results` begins with `~`, which only a shell expands | write the whole path, or `./~/results` for a file of that name",
        ],
    );
    check(
        &one("~other"),
        &[
            "4:8 `~other` begins with `~`, which only a shell expands | write the whole path, or `./~other` for a file of that name",
        ],
    );
    check(&one("a\\0b"), &["4:8 the path `a\\0b` contains a null character | remove it"]);
    let long = "n".repeat(256);
    check(
        &one(&long),
        &[&format!(
            "4:8 a name in the path `{}…` is 256 bytes long; the limit is 255 | shorten it",
            &long[..60]
        )],
    );
    let out = "an axis value must not lead out of the folder that the path names: write the folder into the path, or change the value";
    let leaves = |path: &str, axes: &str, to: &str, from: &str| {
        let name = axes.trim_matches(['[', ']', '"']);
        check(
            &yaml(&format!("  c.o: \"{path}\"\n"), axes),
            &[&format!("4:8 for `c[m={name}]` the export goes to `{to}`, outside {from} | {out}")],
        );
    };
    leaves("results/${matrix.m}", "[\"../../x\"]", "results/../../x", "`results`");
    leaves("results/${matrix.m}/y", "[\"..\"]", "results/../y", "`results`");
    leaves("${matrix.m}", "[\"/etc/x\"]", "/etc/x", "the pipeline's folder");
    leaves("../out/a-${matrix.m}", "[\"b/../../x\"]", "../out/a-b/../../x", "`../out`");
    for (path, axes) in
        [("/data/${matrix.m}", "[x/y]"), ("../out/${matrix.m}", "[x]"), ("r/${matrix.m}", "[a/../b]")]
    {
        let planned = planned(&yaml(&format!("  c.o: \"{path}\"\n"), axes), &Overrides::default());
        assert!(planned.is_ok(), "{path}");
    }
    for (first, second) in [("r/x", "./r//x/"), ("r/x", "r/y/../x"), ("r", "r/./x"), ("../r/x", "../r/x")] {
        let told = planned(
            &yaml(&format!("  c.o: \"{first}\"\n  c.p: \"{second}\"\n"), "[1]"),
            &Overrides::default(),
        );
        assert_eq!(told.err().unwrap_or_default().len(), 1, "{first} and {second}");
    }
}

#[test]
fn an_input_that_the_pipeline_writes() {
    let yaml = |input: &str| {
        format!(
            "stages:\n  a: {{uses: command, with: {{run: x}}}}\n  m: {{uses: command, matrix: {{n: [1, 2]}}, with: {{run: x}}}}\n  b: {{uses: command, in: {{x: {input}}}, with: {{run: x}}}}\nexport: {{a.out: ./res/a, m.out: \"per//${{matrix.n}}\", b.out: res/b}}\n"
        )
    };
    let told = |input: &str, column: usize, shown: &str, by: &str, hint: &str| {
        check(
            &yaml(input),
            &[&format!("4:{column} `{shown}` is written by this pipeline: `{by}` exports it | {hint}")],
        );
    };
    told("res/a", 30, "res/a", "a", "use the output instead: `a.out`");
    told(
        "./x/../res/./a/sub/f.txt",
        30,
        "./x/../res/./a/sub/f.txt",
        "a",
        "use the output instead: `a.out/sub/f.txt`",
    );
    told("{path: res/a}", 37, "res/a", "a", "use the output instead: `a.out`");
    told("./per/2", 30, "./per/2", "m[n=2]", "use the output instead: `m.out`");
    told(
        "./res/b",
        30,
        "./res/b",
        "b",
        "a step cannot read its own output: read a file that the pipeline does not write",
    );
    told("{files: \"res/a/**\"}", 31, "res/a", "a", "use the output instead: `a.out`");
    for right in
        ["./", "./res", "./res/ab", "./other", "{files: \"res/*\"}", "{files: \"**\", ignore: [res]}"]
    {
        let plan = planned(&yaml(right), &Overrides::default())
            .unwrap_or_else(|errors| panic!("{right}: {errors:?}"));
        assert_eq!(plan.exports_inside(Path::new("./res/")).count(), 2);
    }
}

#[test]
fn patterns_of_files() {
    let yaml =
        |input: &str| format!("stages:\n  a: {{uses: command, in: {{x: {input}}}, with: {{run: x}}}}\n");
    let plan =
        planned(&yaml("{files: \"src/**/*.py\", ignore: [\"**/__pycache__\"]}"), &Overrides::default());
    let plan = plan.unwrap_or_else(|errors| panic!("{errors:?}"));
    let source = Source::Glob { files: vec!["src/**/*.py".into()], ignore: vec!["**/__pycache__".into()] };
    assert_eq!(plan.steps[0].inputs[0].source, source);
    let place = plan.steps[0].inputs[0].place.as_ref().map(|place| place.line);
    assert_eq!(place, Some(2));
    check(
        &yaml("{files: [/etc/*, ../x, \"a**\", 3, a.out]}"),
        &[
            "2:39 the pattern `/etc/*` is absolute | patterns are relative to the pipeline's folder",
            "2:47 the pattern `../x` leaves the pipeline's folder | patterns match files in the pipeline's folder",
            "2:53 the pattern `a**` is invalid: recursive wildcards must form a single path component | `**` must stand alone between slashes; `[` opens a set that `]` closes, and `[[]` is a literal `[`",
            "2:60 `files` takes patterns, found the number 3 | for example `src/**/*.py`",
            "2:63 `files` takes patterns of files on disk, but `a.out` names an output | write `./a.out` for the files; give the input another name",
        ],
    );
    check(
        &yaml("{files: []}"),
        &[
            "2:31 `files` has no pattern | for example `{files: \"src/**/*.py\", ignore: [\"**/__pycache__\"]}`",
        ],
    );
    check(
        &yaml("~/data.csv"),
        &[
            "2:30 `~/data.csv` begins with `~`, which only a shell expands | write the whole path, or `./~/data.csv` for a file of that name",
        ],
    );
}

#[test]
fn a_command_gathers_what_has_labels() {
    let yaml = |input: &str| {
        format!(
            "stages:\n  m: {{uses: command, matrix: {{n: [1, 2]}}, with: {{run: x}}}}\n  o: {{uses: command, with: {{run: x}}}}\n  c: {{uses: command, in: {{x: {input}}}, with: {{run: x}}}}\n"
        )
    };
    let labels = |input: &str| -> Vec<String> {
        let plan = planned(&yaml(input), &Overrides::default())
            .unwrap_or_else(|errors| panic!("{input}: {errors:?}"));
        let inputs = &plan.steps.last().unwrap().inputs;
        assert!(inputs.iter().all(|input| input.gathered && input.port == "x"), "{input}");
        inputs.iter().map(|input| serde_json::to_string(&input.labels).unwrap()).collect()
    };
    assert_eq!(labels("m.*"), ["{\"n\":1}", "{\"n\":2}"]);
    assert_eq!(labels("m.out.*?"), labels("m.*"));
    assert_eq!(labels("[m.*]"), labels("m.*"));
    assert_eq!(labels("{one: o.out, all: m.*}")[..2], ["{\"step\":\"one\"}", "{\"n\":1,\"step\":\"all\"}"]);
    assert_eq!(labels("{here: ./x.csv, files: {files: \"*.py\"}}").len(), 2);
    let single = planned(&yaml("o.out"), &Overrides::default()).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert!(!single.steps.last().unwrap().inputs[0].gathered);
    let unnamed = "an artifact that `x` gathers has no axis values to name it | name the artifacts: `x: {first: a.out, second: b.out}`; or pass one output, without `*` or a list";
    check(&yaml("o.*"), &[&format!("4:30 {unnamed}")]);
    check(&yaml("[o.out]"), &[&format!("4:31 {unnamed}")]);
    check(
        &yaml("[m.*, m.*]"),
        &[
            "4:31 two artifacts that `x` gathers have the same axis values | name them: `x: {first: a.*, second: b.*}`",
        ],
    );
}
