//! Every kind of error: where it is shown, what it says, what it advises.

use super::testing::{planned, planned_bytes};
use crate::pipeline::{Diagnostic, MAX_BYTES, Overrides, render};

/// The errors of a pipeline, each as `line:column message` and, indented, `hint: ...`.
pub(super) fn check_with(yaml: &str, overrides: &Overrides, expected: &[&str]) {
    let errors = planned(yaml, overrides).err().unwrap_or_default();
    let found = told(&errors);
    assert_eq!(found, expected, "\n{yaml}\n{}", render(&errors, false));
}

pub(super) fn check(yaml: &str, expected: &[&str]) {
    check_with(yaml, &Overrides::default(), expected);
}

pub(super) fn told(errors: &[Diagnostic]) -> Vec<String> {
    let one = |error: &Diagnostic| {
        let place = match error.place.line {
            0 => error.place.file.display().to_string(),
            line => format!("{line}:{}", error.place.column),
        };
        let hint = error.hint.as_ref().map_or(String::new(), |hint| format!(" | {hint}"));
        format!("{place} {}{hint}", error.message)
    };
    errors.iter().map(one).collect()
}

pub(super) fn overrides(profiles: &[&str], sets: &[&str]) -> Overrides {
    let owned = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect();
    Overrides { profiles: owned(profiles), sets: owned(sets) }
}

pub(super) const IMAGES: &str = "  images: {uses: images, with: {source: shapes}}\n";

pub(super) fn after_images(rest: &str) -> String {
    format!("stages:\n{IMAGES}{rest}")
}

#[test]
fn unknown_keys_kinds_ports_and_params() {
    check(
        "sead: 1\nstages:\n  images: {use: images}\n  a: {uses: imges, wih: {}}\n",
        &[
            "1:1 a pipeline has no key `sead` | did you mean `seed`?",
            "3:3 the step `images` does not say which stage it uses | add `uses: KIND`; `igpt-flow stages` lists the kinds",
            "3:12 a step has no key `use` | did you mean `uses`?",
            "4:13 there is no stage `imges` | did you mean `images`?",
            "4:20 a step has no key `wih` | did you mean `with`?",
        ],
    );
    check(
        &after_images(
            "  t: {uses: train, in: {image: images.images, zzz: images.imges}, with: {step: 1, learning-rate: 2, qq: 3}}\n",
        ),
        &[
            "3:20 the step `t` lacks the input `images`: an image-set | `images`: What to train on.",
            "3:25 the stage `train` has no input `image` | did you mean `images`?",
            "3:47 the stage `train` has no input `zzz`",
            "3:74 step `t`: there is no parameter `step` | did you mean `steps`?",
            "3:83 step `t`: there is no parameter `learning-rate` | did you mean `learning_rate`?",
            "3:101 step `t`: there is no parameter `qq`",
        ],
    );
    check(
        &after_images(
            "  t: {uses: train, in: {images: image.images}}\n  u: {uses: train, in: {images: x.tar}}\n",
        ),
        &[
            "3:33 there is no step `image` | did you mean `images`?",
            "4:33 there is no step `x` | a path on disk starts with `./`",
        ],
    );
}

#[test]
fn wrong_kinds_and_missing_inputs() {
    check(
        &after_images("  t: {uses: train, in: {init: images.images}}\n"),
        &[
            "3:20 the step `t` lacks the input `images`: an image-set | `images`: What to train on.",
            "3:31 the port `init` takes a model, but `images.images` holds an image-set | it makes `images.images` (an image-set)",
        ],
    );
    check(
        &after_images(
            "  t: {uses: train, in: {images: images.images}}\n  p: {uses: probe, in: {features: t.checkpoints}}\n  f: {uses: features, in: {images: images.images, model: t.checkpoints}}\n  q: {uses: probe, in: {features: f.layers}}\n  r: {uses: probe, in: {features: f.layers/1/2}}\n  s: {uses: train, in: {images: images.images/1}}\n",
        ),
        &[
            "4:35 the port `features` takes a feature-layer, but `t.checkpoints` holds checkpoints | it makes `t.model` (a model), `t.metrics` (metrics), `t.checkpoints` (checkpoints)",
            "5:58 the port `model` takes a model, but `t.checkpoints` holds checkpoints | name a part of it: `t.checkpoints/PART`",
            "6:35 the port `features` takes a feature-layer, but `f.layers` holds feature-layers | name a part of it: `f.layers/PART`",
            "7:35 `1/2` is not the name of a part: parts have no parts of their own | write `f.layers/PART`",
            "8:33 `images.images` holds an image-set, which has no parts | write `images.images`",
        ],
    );
    check(
        &after_images(
            "  t: {uses: train, in: {images: [images.images]}}\n  u: {uses: train, in: {images: images.*}}\n  v: {uses: command, in: {x: images.*}, with: {run: x}}\n  w: {uses: report, in: {metrics: images.*}}\n  x: {uses: report, in: {metrics: {a: 3}}}\n  y: {uses: train, in: {images: images}}\n  z: {uses: train, in: {images: []}}\n  n: {uses: train, in: {images: images.images, init: ~}}\n",
        ),
        &[
            "3:34 the port `images` takes one artifact, not a list of them | name one output: `step.port`",
            "4:33 `*` gathers the outputs of several steps, but the port `images` takes one artifact | name one output: `step.port`",
            "5:30 an item that `x` gathers has no axis values, so its entry has no name | name the items: `x: {first: a.out, second: b.out}`; without `*` and list the port is one file or folder",
            "6:35 the port `metrics` takes metrics, but no output of `images` is one | it makes `images.images` (an image-set)",
            "7:39 the port `metrics` cannot take the number 3 | an input is `step.port`, `step.port/part`, `step.*` or `step.port.*` to gather, a path such as `./data/x.tar`, or `{files: \"src/**/*.py\"}`",
            "8:33 `images` names neither an output nor a path | an input is `step.port`, `step.port/part`, `step.*` or `step.port.*` to gather, a path such as `./data/x.tar`, or `{files: \"src/**/*.py\"}`",
            "9:25 the port `images` gets an empty list | name at least one output, or leave the port out",
            "10:54 the port `init` cannot take nothing (null) | an input is `step.port`, `step.port/part`, `step.*` or `step.port.*` to gather, a path such as `./data/x.tar`, or `{files: \"src/**/*.py\"}`",
        ],
    );
}

#[test]
fn wrong_types() {
    check(
        &after_images(
            "  t:\n    uses: train\n    in: {images: images.images}\n    with:\n      steps: many\n      learning_rate: 1_000\n      dropout: yes\n      validation: {fraction: x, sed: 1}\n      clip: []\n",
        ),
        &[
            "7:14 step `t`: `steps` must be a whole number (at least 0), found the text `many` | `steps`: Training steps.",
            "8:22 step `t`: `learning_rate` must be a number, found the text `1_000` | write `1000`; `learning_rate`: The peak learning rate of Adam, per step.",
            "9:16 step `t`: `dropout` must be true or false, found the text `yes` | write `true`; `dropout`: Whether to use dropout.",
            "10:30 step `t`: `validation.fraction` must be a number, found the text `x` | `fraction`: The share of the training images that is held out, 0 ≤ fraction < 1; 0 trains on all of them. Section 3.1: 0.1 for CIFAR and STL-10, 0.04 for ImageNet.",
            "10:33 step `t`: there is no parameter `validation.sed` | did you mean `seed`?",
            "11:7 step `t`: `clip` must be a number or null, found a list | `clip`: The clip of the gradient's norm; none by default.",
        ],
    );
    check(
        &after_images(
            "  t: {uses: train, in: {images: images.images}, with: {steps: 1e3, learning_rate: 0}}\n  u: {uses: train, in: {images: images.images}, with: {learning_rate: 0}}\n",
        ),
        &[
            "3:63 step `t`: `steps` must be a whole number (at least 0), found the number 1000.0 | write `1000`; `steps`: Training steps.",
            "3:83 step `t`: `learning_rate` is 0, expected a value above 0 | `learning_rate`: The peak learning rate of Adam, per step.",
            "4:71 step `u`: `learning_rate` is 0, expected a value above 0 | `learning_rate`: The peak learning rate of Adam, per step.",
        ],
    );
    check(
        "stages:\n  a: {uses: images, with: {source: shape, count: 0}}\n  b: {uses: images}\n  c: {uses: images, with: 3}\n",
        &[
            "2:36 step `a`: `source` must be one of `shapes`, `cifar10`, found the text `shape` | did you mean `shapes`?",
            "2:50 step `a`: `count` must be a whole number (at least 1), found the number 0 | `count`: How many images, at least 1.",
            "3:3 step `b`: the parameter `source` is missing: one of `shapes`, `cifar10` | `source`: Where the images come from.",
            "4:27 `with` must be a mapping of parameters, found the number 3",
        ],
    );
    check(
        &after_images(
            "  t: {uses: train, in: {images: images.images}}\n  f: {uses: features, in: {model: t.model, images: images.images}}\n  p: {uses: probe, in: {features: f.layers/1}, with: {c: [1, x], solver: {kind: sgd, epochs: 1.5, z: 1}}}\n  q: {uses: probe, in: {features: f.layers/1}, with: {c: 1, solver: {kind: adam}}}\n",
        ),
        &[
            "5:62 step `p`: `c.1` must be a number, found the text `x` | `c`: Inverse regularisation strengths to try.",
            "5:94 step `p`: `solver.epochs` must be a whole number (at least 0), found the number 1.5 | `epochs`: Passes over the data.",
            "5:99 step `p`: there is no parameter `solver.z`",
            "6:58 step `q`: `c` must be a list, each item a number, found the number 1 | `c`: Inverse regularisation strengths to try.",
            "6:76 step `q`: `solver.kind` must be one of `lbfgs`, `sgd`, found the text `adam` | `kind`: The solver.",
        ],
    );
    check(
        &after_images(
            "  t:\n    uses: train\n    in: {images: images.images}\n    resources: {cpus: two, memory: 2, gpu: 1}\n    retries: -1\n    timeout: 90\n    seed: x\n  u: {uses: train, in: {images: images.images}, resources: {memory: 2gb}, timeout: 2 weeks}\n",
        ),
        &[
            "6:23 `cpus` must be a whole number from 0 to 65535, found the text `two` | for example `cpus: 1`",
            "6:36 `memory` must be an amount of memory with its unit, such as `512MiB` or `2GiB`, found the number 2 | write the unit: `memory: 2MiB`",
            "6:39 `resources` has no key `gpu` | did you mean `gpus`?",
            "7:14 `retries` must be a whole number from 0 to 100, found the number -1 | for example `retries: 1`",
            "8:14 `timeout` must be a duration with its unit, such as `90s`, `45m`, `2h` or `1h30m`, found the number 90 | write the unit: `timeout: 90s`",
            "9:11 `seed` must be a whole number of at least 0, found the text `x` | for example `seed: 1`",
            "10:69 `memory` must be an amount of memory with its unit, such as `512MiB` or `2GiB`, found the text `2gb` | the units are `KiB`, `MiB`, `GiB`, `TiB` and `KB`, `MB`, `GB`, `TB`",
            "10:84 `timeout` must be a duration with its unit, such as `90s`, `45m`, `2h` or `1h30m`, found the text `2 weeks` | the units are `d`, `h`, `m`, `s` and `ms`, larger ones first",
        ],
    );
}

#[test]
fn cycles() {
    check(
        "stages:\n  a: {uses: command, in: {x: c.out}, with: {run: x}}\n  b: {uses: command, in: {x: a.out}, with: {run: x}}\n  c: {uses: command, in: {x: b.out}, with: {run: x}}\n  d: {uses: command, in: {x: d.out}, with: {run: x}}\n  e: {uses: command, in: {x: d.out}, with: {rum: x}}\n",
        &[
            "2:30 the steps read each other in a circle: a -> c -> b -> a | take one of these inputs out, or split a step in two",
            "5:30 the step `d` reads its own output | name an output of another step, or a path such as `./data/x.tar`",
            "6:3 step `e`: the parameter `run` is missing: a text or a list, each item a text | `run`: A text for the shell, which stops at the first command that fails, also inside a pipeline (`sh -e -o pipefail`); or a program and its arguments as a list, without a shell. Write `$${NAME}` for the shell's own `${NAME}`.",
            "6:45 step `e`: there is no parameter `rum` | did you mean `run`?",
        ],
    );
}

#[test]
fn yaml() {
    check(
        "stages:\n  a: {uses: images, with: {source: shapes}}\n  b: {uses: images, with: {source: shapes}, with: {}}\n  a: {uses: x}\n",
        &[
            "3:45 the key `with` is written twice | keep one of the two",
            "4:3 the key `a` is written twice | keep one of the two",
        ],
    );
    check(
        "vars:\n  a: &a {x: 1}\n  b: {<<: *a}\nstages:\n  images: {uses: images, with: {source: shapes}}\n",
        &[
            "3:7 merge keys (`<<`) are not part of the pipeline language | put shared values into `vars` and name them, as in `${vars.name}`",
        ],
    );
    check("", &["pipeline.yaml the file is empty | `igpt-flow new` writes a pipeline to start from"]);
    check(
        "# only a comment\n",
        &["pipeline.yaml the file is empty | `igpt-flow new` writes a pipeline to start from"],
    );
    check(
        "- a\n",
        &[
            "1:3 a pipeline must be a mapping with the key `stages`, found a list | `igpt-flow new` writes a pipeline to start from",
        ],
    );
    check(
        "stages:\n\ta: {uses: images}\n",
        &[
            "2:1 the file is not valid YAML: found character that cannot start any token | YAML does not take tabs for indentation: use spaces",
        ],
    );
    check(
        "a: 1\n---\nb: 2\n",
        &["2:1 the file holds more than one YAML document | keep one, and remove the `---` between them"],
    );
    check(
        "stages: !tag {a: 1}\n",
        &[
            "1:9 tags (`!name`) are not part of the pipeline language | put a text that begins with `!` into quotes",
        ],
    );
    check(
        "seed: 99999999999999999999999\n",
        &[
            "1:7 the number 99999999999999999999999 is too large (at most 18446744073709551615) | put it into quotes where it is meant as a text",
        ],
    );
    check(
        "vars: {a: .nan}\n",
        &[
            "1:11 `.inf` and `.nan` are not numbers that a pipeline may hold | leave it out, or put it into quotes where it is meant as a text",
        ],
    );
    check(
        "vars: {1: a, [b]: c}\nstages: {}\n",
        &[
            "1:8 a key must be a text, but this is the number 1 | put the key into quotes",
            "1:15 a key must be a text, but this is a list | put the key into quotes",
        ],
    );
    check(
        "vars: {a: *b}\n",
        &[
            "1:11 the file is not valid YAML: unknown anchor | `&name` marks a value and `*name` repeats it further down; put a text that begins with either into quotes",
        ],
    );
    check(
        &format!("vars: {}{}\n", "[".repeat(200), "]".repeat(200)),
        &[
            "1:134 the values are nested too deeply (more than 128 levels) | give the inner ones names of their own in `vars`",
        ],
    );
    let mut bomb = String::from("vars:\n  a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n");
    for i in 1..12 {
        let item = format!("*a{}", i - 1);
        bomb.push_str(&format!("  a{i}: &a{i} [{}]\n", [item.as_str(); 9].join(", ")));
    }
    check(
        &bomb,
        &[
            "7:3 the aliases (`*name`) of the file expand to too many values | write the values out, or use `vars`",
        ],
    );
    let bytes = planned_bytes(b"name: caf\xe9\n", &Overrides::default()).err().unwrap();
    assert_eq!(told(&bytes), ["1:10 the file is not UTF-8 text: here is the byte 0xe9 | save it as UTF-8"]);
    let bytes = planned_bytes(&vec![b'#'; MAX_BYTES + 1], &Overrides::default()).err().unwrap();
    assert_eq!(
        told(&bytes),
        [
            "pipeline.yaml the file is larger than 4 MiB | a pipeline names data, it does not hold any; is this the right file?",
        ]
    );
}

#[test]
fn names_of_steps() {
    check(
        "stages:\n  Images: {uses: images, with: {source: shapes}}\n  2x: {uses: images, with: {source: shapes}}\n  a.b: {uses: images, with: {source: shapes}}\n  c:\n",
        &[
            "2:3 `Images` is not a name for a step | names are lower-case letters, digits, `_` and `-`, and start with a letter",
            "3:3 `2x` is not a name for a step | names are lower-case letters, digits, `_` and `-`, and start with a letter",
            "4:3 `a.b` is not a name for a step | names are lower-case letters, digits, `_` and `-`, and start with a letter",
            "5:5 the step `c` must be a mapping, found nothing (null) | write `c: {uses: KIND}`",
        ],
    );
}

#[test]
fn interpolation() {
    check(
        "vars: {side: 1, a: \"${vars.b}\", b: \"${vars.a}\", list: [1]}\nstages:\n  images: {uses: images, with: {source: shapes, count: \"${vars.sid}\"}}\n  b: {uses: command, with: {run: \"${vars.list} ${HOME} ${env.X} ${vars.side\"}}\n  c: {uses: command, with: {run: \"${vars.list} ${HOME}\"}}\n  d: {uses: command, with: {run: \"${matrix.x} ${vars.a}\"}}\n",
        &[
            "1:36 the variable `a` is defined by itself | give one of the variables on the way a value of its own",
            "3:56 there is no `vars.sid` to put into `${vars.sid}` | did you mean `vars.side`?",
            "4:34 `${vars.side` has no closing `}` | an interpolation is written `${vars.name}`; `$${` stands for a plain `${`",
            r#"5:34 `vars.list` is a list, which cannot stand inside a text | only a whole value may be "${vars.list}""#,
            "5:34 there is no `HOME` to put into `${HOME}` | write `$${HOME}` for a plain `${HOME}`",
            "6:34 there is no `matrix.x` to put into `${matrix.x}`",
        ],
    );
}

#[test]
fn overriding() {
    let yaml = "vars: {side: 1, nested: {a: 1}}\nprofiles: {smoke: {side: 2}, bad: {sid: 3}, worse: 3}\nstages:\n  images: {uses: images, with: {source: shapes}}\n";
    check_with(
        yaml,
        &overrides(
            &["smok"],
            &[
                "vars.sid=1",
                "x=1",
                "side",
                "stages.image.seed=1",
                "stages.images.wit.a=1",
                "vars.side.x=1",
                "vars.nested.b=1",
                "seed=x",
                "stages.images.with.cont=1",
                "stages.images.with.source.x=1",
            ],
        ),
        &[
            "pipeline.yaml there is no profile `smok` | did you mean `smoke`?",
            "2:36 profile `bad` sets `vars.sid`, which is not a variable | did you mean `side`?",
            "2:52 the profile `worse` must be a mapping of variables, found the number 3",
            "--set vars.sid=1 there is no variable `vars.sid` | did you mean `vars.side`?",
            "--set x=1 `x` cannot be set | set `vars.NAME`, `seed`, or `stages.STEP.with.PARAM` and the other keys of a step",
            "--set side `side` is not `path=value` | for example `--set vars.side=8`",
            "--set stages.image.seed=1 there is no step `image` | did you mean `images`?",
            "--set stages.images.wit.a=1 a step has no `wit` | did you mean `with`?",
            "--set vars.side.x=1 there is no variable `vars.side.x` | did you mean `vars.side`?",
            "--set vars.nested.b=1 there is no variable `vars.nested.b` | did you mean `vars.nested.a`?",
            "--set seed=x `seed` must be a whole number of at least 0, found the text `x` | for example `seed: 1`",
            "--set stages.images.with.cont=1 step `images`: there is no parameter `cont` | did you mean `count`?",
            "--set stages.images.with.source.x=1 `stages.images.with.source.x` cannot be set: `stages.images.with.source` is not a mapping",
        ],
    );
}

#[test]
fn matrices() {
    check(
        "stages:\n  a: {uses: images, with: {source: shapes}, matrix: {x: 3, Y: [1], z: [], w: [1, 1], v: [[1]], r: {range: [2, 1]}, q: {range: x}, exclude: 3}}\n  b: {uses: images, with: {source: shapes}, matrix: {x: [1], exclude: [{x: 1}]}}\n  c: {uses: images, with: {source: shapes}, matrix: {x: [1], exclude: [{z: 1}], include: [{x: 1}, {}]}}\n  d: {uses: images, with: {source: shapes}, matrix: 3}\n  e: {uses: images, with: {source: shapes}, matrix: {x: {range: [1, 1000]}, y: {range: [1, 1000]}}}\n  f: {uses: images, with: {source: shapes}, matrix: {x: [1], include: [{x: 1}]}}\n",
        &[
            "2:57 the axis `x` must be a list of values, found the number 3 | write `x: [0, 1, 2]` or `x: {range: [0, 2]}`",
            "2:60 `Y` is not a name for an axis | names are lower-case letters, digits, `_` and `-`, and start with a letter",
            "2:68 the axis `z` has no values",
            "2:82 the axis `w` has the value 1 twice | keep one of the two",
            "2:91 a value of the axis `v` must be a number, a text or true or false, found a list",
            "2:108 the range ends at 1, before it starts at 2 | a range is `[first, last]` or `[first, last, step]`, both ends included",
            r#"2:127 a range is a list of two or three whole numbers, found "x" | a range is `[first, last]` or `[first, last, step]`, both ends included"#,
            "2:140 `exclude` must be a list, found the number 3 | write `exclude: [{axis: value}]`",
            "3:54 the matrix is empty once `exclude` is applied | leave the step out, or give each axis at least one value",
            "4:73 `exclude` names the axis `z`, which the matrix does not have",
            "4:92 an item of `include` must map axes to single values | write `include: [{axis: value}]`",
            "5:53 `matrix` must be a mapping of axes, found the number 3 | for example `matrix: {seed: [0, 1, 2]}`",
            "6:54 the matrix has more than 100000 instances | make it smaller with fewer axes or values, or split the step in two",
            "7:73 this combination is in the matrix already | leave it out",
        ],
    );
    check(
        "stages:\n  a: {uses: images, with: {source: shapes}, matrix: {x: [1, 2]}}\n  b: {uses: train, in: {images: a.images}}\n  c: {uses: train, in: {images: a.images}, matrix: {x: [2, 3]}}\n  d: {uses: images, with: {source: shapes}, matrix: {x: [1, '1']}}\n",
        &[
            "3:33 `a.images` names 2 instances: the axes `x` of `a` are not axes of this step | add the axes to this step's `matrix`, or gather all with `a.images.*`",
            "4:33 the step `a` has no instance with x=3 | give both steps the same values of the axis",
            "5:3 two instances have the name `d[x=1]` | give the axes values that read differently",
        ],
    );
}

#[test]
fn searches() {
    check(
        &after_images(
            "  a: {uses: train, in: {images: images.images}, search: {param: steps, values: [1, x, 1], metric: metrics.loss, goal: less, stop: early, z: 1}}\n  b: {uses: train, in: {images: images.images}, with: {steps: 1}, search: {param: steps, values: [], metric: loss, goal: min}}\n  c: {uses: train, in: {images: images.images}, search: {}}\n  d: {uses: train, in: {images: images.images}, search: {param: stepz, values: [1, 2], metric: model.loss, goal: min}}\n  e: {uses: train, in: {images: images.images}, search: {param: steps, values: [1, z], metric: metric.loss, goal: min}}\n  f: {uses: train, in: {images: images.images}, matrix: {steps: [1]}, search: {param: steps, values: [1, 2], metric: metrics.loss, goal: min}}\n",
        ),
        &[
            "3:87 the candidate 1 is there twice | keep one of the two",
            "3:119 `goal` must be `min` or `max`, found `less`",
            "3:131 `stop` must be `never` or `first_worse`, found `early`",
            "3:138 `search` has no key `z`",
            "4:83 `steps` is both searched and given a value by `with` | leave it out of `with`",
            "4:90 `values` has no candidates",
            "4:110 `metric` must name an output port and one of its numbers, found `loss` | for example `metric: metrics.loss.valid`",
            "5:49 `search` has no `param`: the parameter to search",
            "5:49 `search` has no `metric`: the metric that decides, as `port.name`",
            "5:49 `search` has no `goal`: `min` or `max`",
            "6:65 step `d`: there is no parameter `stepz` | did you mean `steps`?",
            "6:96 a search is decided by metrics, but `model` holds a model",
            "7:84 step `e`: `steps` must be a whole number (at least 0), found the text `z` | `steps`: Training steps.",
            "7:96 there is no output `metric` | did you mean `metrics`?",
            "8:3 `steps` is both an axis and the searched parameter | give the axis another name",
        ],
    );
}

#[test]
fn exports() {
    check(
        &format!(
            "stages:\n{IMAGES}  m: {{uses: images, with: {{source: shapes}}, matrix: {{x: [1, 2]}}}}\nexport:\n  images.image: a\n  image.images: b\n  images: c\n  images.*: d\n  images.images: e\n  m.images: e/f\n"
        ),
        &[
            "5:3 the step `images` has no output `image` | did you mean `images`?",
            "6:3 there is no step `image` | did you mean `images`?",
            "7:3 `images` does not name an output | an export is written `step.port: path`, or `step.port/part: path`",
            "8:3 `images.*` does not name an output | an export is written `step.port: path`, or `step.port/part: path`",
            "10:13 the exports to `e` and `e/f` lie in each other | give each a folder of its own",
        ],
    );
    check(
        &format!(
            "stages:\n{IMAGES}  m: {{uses: images, with: {{source: shapes}}, matrix: {{x: [1, 2]}}}}\nexport:\n  images.images/1: ..\n  m.images: e\n"
        ),
        &[
            "5:3 `images.images` holds an image-set, which has no parts | write `images.images`",
            "6:13 two exports go to `e` | name the axes in the path: `${matrix.AXIS}`",
        ],
    );
    check(
        &format!(
            "stages:\n{IMAGES}  b: {{uses: images, with: {{source: shapes}}}}\nexport:\n  images.images: x/../y\n  b.images: ./y\n"
        ),
        &["6:13 two exports go to `./y`"],
    );
}

#[test]
fn command_steps() {
    check(
        "stages:\n  a: {uses: command}\n  b: {uses: command, in: {x y: ./z}, with: {run: '', outputs: [a, a, b/c], env: {1A: x, B: []}, pass_env: [C, 3]}}\n  c: {uses: command, in: {x: ./z}, with: {run: x, outputs: {a: ../b, c: /d, e: x, f: g, h: g/i}, env: {A: 1}, pass_env: [A, 'B C']}}\n",
        &[
            "2:3 step `a`: the parameter `run` is missing: a text or a list, each item a text | `run`: A text for the shell, which stops at the first command that fails, also inside a pipeline (`sh -e -o pipefail`); or a program and its arguments as a list, without a shell. Write `$${NAME}` for the shell's own `${NAME}`.",
            "3:27 `x y` is not a name for a port | the input appears under this name in the command's directory: use letters, digits, `_` and `-`",
            "3:50 step `b`: `run` is empty",
            "3:67 step `b`: the outputs `a` and `a` overlap",
            "3:70 step `b`: `b/c` is not a name for a port",
            "3:86 step `b`: `1A` is not a name for an environment variable",
            "3:89 step `b`: `env.B` must be a text or a number or true or false, found a list",
            "3:111 step `b`: `3` is not a name for an environment variable",
            "4:64 step `c`: the output path `../b` must stay in the command's directory",
            "4:73 step `c`: the output path `/d` must stay in the command's directory",
            "4:80 step `c`: the output path `x` is taken by the input `x`",
            "4:92 step `c`: the outputs `f` and `h` overlap",
            "4:122 step `c`: `A` is given a value by `env` already",
            "4:125 step `c`: `B C` is not a name for an environment variable",
        ],
    );
}
