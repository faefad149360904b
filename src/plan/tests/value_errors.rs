//! Values that YAML and the schemas take but a stage, a port or a matrix does not.

use super::errors::{IMAGES, after_images, check, check_with, overrides};
use crate::pipeline::Overrides;
use crate::plan::testing::planned;

fn train(with: &str) -> String {
    after_images(&format!("  t: {{uses: train, in: {{images: images.images}}, with: {with}}}\n"))
}

#[test]
fn a_stage_tells_all_that_it_refuses() {
    check(
        &train("{learning_rate: -1, dropout: 7, clip: -2}"),
        &[
            "3:71 step `t`: `learning_rate` is -1, expected a value above 0 | `learning_rate`: The peak learning rate of Adam, per step.",
            "3:84 step `t`: `dropout` must be `true` or `false`, found the number 7 | `dropout`: Whether to use dropout.",
            "3:93 step `t`: `clip` is -2, expected a value from 0 to `steps` | `clip`: The clip of the gradient's norm; none by default.",
        ],
    );
}

#[test]
fn what_a_default_would_cause_is_not_told() {
    check(
        &train("{steps: many, clip: 1000}"),
        &[
            "3:63 step `t`: `steps` must be an integer ≥ 0, found the string `many` | `steps`: Training steps.",
        ],
    );
    assert!(planned(&train("{steps: 2000, clip: 1000}"), &Overrides::default()).is_ok());
}

#[test]
fn a_parameter_is_found_by_whole_names() {
    check(
        &after_images(
            "  t:\n    uses: train\n    in: {images: images.images}\n    with:\n      clipp: 1\n    search: {param: clip, values: [1, 2], metric: metrics.loss, goal: min}\n",
        ),
        &["7:7 step `t`: unknown parameter `clipp` | did you mean `clip`?"],
    );
}

#[test]
fn a_list_that_is_too_short_or_holds_the_wrong_things() {
    check(
        "stages:\n  a: {uses: command, with: {run: x, outputs: []}}\n  b: {uses: command, with: {run: x, outputs: [a, [b]]}}\n  c: {uses: command, with: {run: x, outputs: {}}}\n",
        &[
            "2:37 step `a`: `outputs` must be a list of at least 1 item, found 0 | `outputs`: Output ports: a list of names, each a file or folder that the command creates, or a map of names to relative paths. Default: `[out]`.",
            "3:51 step `b`: `outputs.1` must be a string, found a list | `outputs`: Output ports: a list of names, each a file or folder that the command creates, or a map of names to relative paths. Default: `[out]`.",
            "4:37 step `c`: `outputs` must be a map with at least 1 member, found none | `outputs`: Output ports: a list of names, each a file or folder that the command creates, or a map of names to relative paths. Default: `[out]`.",
        ],
    );
}

#[test]
fn what_a_broken_step_makes_is_known() {
    check(
        &after_images(
            "  t: {uses: train, in: {images: images.images}, with: {steps: x}}\n  p: {uses: probe, in: {features: t.model}}\n  m: {uses: images, with: {source: shapes}, matrix: 3}\n  q: {uses: probe, in: {features: m.images}}\nexport:\n  t.modle: x\n",
        ),
        &[
            "3:63 step `t`: `steps` must be an integer ≥ 0, found the string `x` | `steps`: Training steps.",
            "4:35 the port `features` takes a feature-layer, but `t.model` holds a model | its outputs are `t.model` (a model), `t.metrics` (metrics), `t.checkpoints` (checkpoints)",
            "5:53 `matrix` must be a map of axes, found the number 3 | for example `matrix: {seed: [0, 1, 2]}`",
            "6:35 the port `features` takes a feature-layer, but `m.images` holds an image-set | its outputs are `m.images` (an image-set)",
            "8:3 the step `t` has no output `modle` | did you mean `model`?",
        ],
    );
}

#[test]
fn a_wire_named_path_is_not_taken_for_a_file() {
    let report = |edge: &str| {
        after_images(&format!(
            "  t: {{uses: train, in: {{images: images.images}}}}\n  r: {{uses: report, in: {{metrics: {edge}}}}}\n"
        ))
    };
    check(
        &report("{path: t.metrics}"),
        &[
            "4:42 `path` is a path on disk, but `t.metrics` is the output of a step | write `t.metrics` without `path`, or `./t.metrics` for the file; give the input another name",
        ],
    );
    for right in ["{path: ./t.metrics}", "{path: u.metrics}", "{path: t.metrics, other: t.metrics}"] {
        assert!(planned(&report(right), &Overrides::default()).is_ok(), "{right}");
    }
}

#[test]
fn an_exclude_that_can_never_match() {
    let step = |matrix: &str| {
        format!(
            "vars: {{n: 2}}\nstages:\n  a: {{uses: images, with: {{source: shapes}}, matrix: {matrix}}}\n"
        )
    };
    check(
        &step("{n: [1, 2], m: [x, y], exclude: [{n: 22}, {n: 1, m: y}]}"),
        &["3:87 `exclude` matches no instance: none has n=22 | remove it, or give values that the axes have"],
    );
    // What a profile or the command line decides may match under another one.
    let yaml = step("{n: {range: [1, \"${vars.n}\"]}, exclude: [{n: 3}]}");
    assert!(planned(&yaml, &Overrides::default()).is_ok());
    let yaml = step("{n: [1, 2, 3], exclude: [{n: 3}]}");
    assert!(planned(&yaml, &overrides(&[], &["stages.a.matrix.n=[1]"])).is_ok());
}

#[test]
fn an_axis_that_depends_on_one_that_is_not_there() {
    let step = |matrix: &str| {
        format!(
            "vars: {{k: {{a: 9}}}}\nstages:\n  a: {{uses: images, with: {{source: shapes}}, matrix: {matrix}}}\n"
        )
    };
    check(
        &step("{n: {range: [1, \"${vars.k[matrix.m]}\"]}, m: [a, b]}"),
        &["3:69 unknown name `vars.k[matrix.m]` in `${vars.k[matrix.m]}`"],
    );
    check(&step("{n: [\"${matrix.z}\"]}"), &["3:58 unknown name `matrix.z` in `${matrix.z}`"]);
    check(
        &step("{m: [1, 2], n: {range: [1, \"6000${matrix.m}\"]}}"),
        &[
            "3:77 a range is a list of two or three integers, found [1,\"60001\"] | a range is `[first, last]` or `[first, last, step]`, both ends included",
        ],
    );
}

#[test]
fn the_key_of_an_export_is_interpolated() {
    let yaml = |key: &str, path: &str| {
        format!(
            "vars: {{l: 3, who: c}}\nstages:\n{IMAGES}  c: {{uses: command, matrix: {{n: [1, 2]}}, with: {{run: x}}}}\nexport:\n  \"{key}\": {path}\n"
        )
    };
    let plan = planned(&yaml("c.out/${vars.l}-${matrix.n}", "x/${matrix.n}"), &Overrides::default());
    let plan = plan.unwrap_or_else(|errors| panic!("{errors:?}"));
    let parts: Vec<String> = plan.exports.iter().map(|export| format!("{:?}", export.source)).collect();
    assert!(parts[0].contains("\"3-1\"") && parts[1].contains("\"3-2\""), "{parts:?}");
    assert!(planned(&yaml("${vars.who}.out", "x/${matrix.n}"), &Overrides::default()).is_ok());
    check(
        &yaml("c.out/${vars.x}", "y"),
        &["6:3 unknown name `vars.x` in `${vars.x}` | did you mean `vars.l`?"],
    );
    check(&yaml("images.images/${matrix.n}", "y"), &["6:3 unknown name `matrix.n` in `${matrix.n}`"]);
    check(
        &yaml("c.${vars.l}/..", "y"),
        &[
            "6:3 `c.3/..` does not name an output | an export is written `step.port: path`, or `step.port/part: path`",
        ],
    );
}

#[test]
fn a_path_of_a_set_has_an_end() {
    let path = format!("stages.images.with{}", ".x".repeat(60_000));
    let errors =
        planned(&after_images(""), &overrides(&[], &[&format!("{path}=1")])).err().unwrap_or_default();
    assert!(errors[0].message.ends_with("is not a dotted path"), "{}", errors[0].message);
    check_with(
        &after_images(""),
        &overrides(&[], &["vars..a=1"]),
        &["--set vars..a=1 `vars..a` is not a dotted path | for example `--set stages.STEP.with.PARAM=8`"],
    );
}

#[test]
fn shells_links_and_retries() {
    check(
        "stages:\n  a: {uses: command, in: {x: ./z}, with: {run: [], shell: lua, link: [y]}}\n  b: {uses: command, with: {run: [x], shell: bash, link: 3}, retries: 1, retry: {times: 2, delay: 3, backoff: 0}}\n  c: {uses: command, with: {run: x, shell: fish}, retry: 2, grace: soon}\n  d: {uses: command, with: {run: ['']}, retry: {}}\n",
        &[
            "2:43 step `a`: `run` must be a list of at least 1 item, found 0 | `run`: A script for the shell, which stops at the first command that fails, also inside a pipeline (`sh -e -o pipefail`); or a program and its arguments as a list, without a shell. Write `$${NAME}` for the shell's own `${NAME}`.",
            "2:59 step `a`: `shell` is for a `run` that is a script, but this one is a list",
            "2:71 step `a`: `link` names `y`, which is not an input of the step",
            "3:46 step `b`: `shell` is for a `run` that is a script, but this one is a list",
            "3:58 step `b`: `link` must be `true` or `false` or a list of strings, found the number 3 | `link`: Inputs to link instead of copying, for large data that the command only reads: `true` for all, or a list of their names. Default: `false`.",
            "3:82 `retry` and `retries` cannot both be given | remove one of them: `retries: 2` is short for `retry: {times: 2}`",
            "3:99 `delay` must be a duration with its unit, such as `90s`, `45m`, `2h` or `1h30m`, found the number 3 | add a unit: `delay: 3s`",
            "3:111 `backoff` must be a number from 1 to 100, found the number 0 | the delay is multiplied by it after every retry",
            "4:44 step `c`: unknown shell `fish`: write a list of it and the arguments that come before the script, such as `[lua, -e]`, or one of `bash`, `ksh`, `node`, `perl`, `python`, `python3`, `Rscript`, `ruby`, `sh`, `zsh`",
            "4:58 `retry` must be a map, found the number 2 | for example `retry: {times: 2, delay: 10s, backoff: 2}`",
            "4:68 `grace` must be a duration with its unit, such as `90s`, `45m`, `2h` or `1h30m`, found the string `soon` | the units are `d`, `h`, `m`, `s` and `ms`, larger ones first",
            "5:35 step `d`: `run` names no program",
            "5:41 `retry` has no `times` | for example `retry: {times: 2, delay: 10s, backoff: 2}`",
        ],
    );
}
