//! Every kind of error: where it is shown, what it says, what it advises.

use crate::pipeline::{Diagnostic, MAX_BYTES, Overrides, render};
use crate::plan::testing::{planned, planned_bytes};

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
            "3:3 the step `images` has no `uses` | add `uses: KIND`; `igpt-flow stages` lists the kinds",
            "3:12 a step has no key `use` | did you mean `uses`?",
            "4:13 unknown stage kind `imges` | did you mean `images`?",
            "4:20 a step has no key `wih` | did you mean `with`?",
        ],
    );
    check(
        &after_images(
            "  t: {uses: train, in: {image: images.images, zzz: images.imges}, with: {step: 1, learning-rate: 2, qq: 3}}\n",
        ),
        &[
            "3:20 the step `t` is missing the input `images`: an image-set | `images`: What to train on.",
            "3:25 the stage `train` has no input `image` | did you mean `images`?",
            "3:47 the stage `train` has no input `zzz`",
            "3:74 step `t`: unknown parameter `step` | did you mean `steps`?",
            "3:83 step `t`: unknown parameter `learning-rate` | did you mean `learning_rate`?",
            "3:101 step `t`: unknown parameter `qq`",
        ],
    );
    check(
        &after_images(
            "  t: {uses: train, in: {images: image.images}}\n  u: {uses: train, in: {images: x.tar}}\n",
        ),
        &[
            "3:33 unknown step `image` | did you mean `images`?",
            "4:33 unknown step `x` | a path on disk starts with `./`",
        ],
    );
}

#[test]
fn wrong_kinds_and_missing_inputs() {
    check(
        &after_images("  t: {uses: train, in: {init: images.images}}\n"),
        &[
            "3:20 the step `t` is missing the input `images`: an image-set | `images`: What to train on.",
            "3:31 the port `init` takes a model, but `images.images` holds an image-set | its outputs are `images.images` (an image-set)",
        ],
    );
    check(
        &after_images(
            "  t: {uses: train, in: {images: images.images}}\n  p: {uses: probe, in: {features: t.checkpoints}}\n  f: {uses: features, in: {images: images.images, model: t.checkpoints}}\n  q: {uses: probe, in: {features: f.layers}}\n  r: {uses: probe, in: {features: f.layers/1/2}}\n  s: {uses: train, in: {images: images.images/1}}\n",
        ),
        &[
            "4:35 the port `features` takes a feature-layer, but `t.checkpoints` holds checkpoints | its outputs are `t.model` (a model), `t.metrics` (metrics), `t.checkpoints` (checkpoints)",
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
            "5:30 an artifact that `x` gathers has no axis values to name it | name the artifacts: `x: {first: a.out, second: b.out}`; or pass one output, without `*` or a list",
            "6:35 the port `metrics` takes metrics, but `images` has no such output | its outputs are `images.images` (an image-set)",
            "7:39 the port `metrics` cannot take the number 3 | an input is `step.port`, `step.port/part`, `step.*` or `step.port.*` to gather, a path such as `./data/x.tar`, or `{files: \"src/**/*.py\"}`",
            "8:33 `images` is neither an output nor a path | an input is `step.port`, `step.port/part`, `step.*` or `step.port.*` to gather, a path such as `./data/x.tar`, or `{files: \"src/**/*.py\"}`",
            "9:25 the port `images` gets an empty list | name at least one output, or leave the port out",
            "10:54 the port `init` cannot take null | an input is `step.port`, `step.port/part`, `step.*` or `step.port.*` to gather, a path such as `./data/x.tar`, or `{files: \"src/**/*.py\"}`",
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
            "7:14 step `t`: `steps` must be an integer ≥ 0, found the string `many` | `steps`: Training steps.",
            "8:22 step `t`: `learning_rate` must be a number, found the string `1_000` | write `1000`; `learning_rate`: The peak learning rate of Adam, per step.",
            "9:16 step `t`: `dropout` must be `true` or `false`, found the string `yes` | write `true`; `dropout`: Whether to use dropout.",
            "10:30 step `t`: `validation.fraction` must be a number, found the string `x` | `fraction`: The share of training images to hold out, 0 ≤ fraction < 1; 0 trains on all of them. Section 3.1: 0.1 for CIFAR and STL-10, 0.04 for ImageNet.",
            "10:33 step `t`: unknown parameter `validation.sed` | did you mean `seed`?",
            "11:7 step `t`: `clip` must be a number or null, found a list | `clip`: The clip of the gradient's norm; none by default.",
        ],
    );
    check(
        &after_images(
            "  t: {uses: train, in: {images: images.images}, with: {steps: 1e3, learning_rate: 0}}\n  u: {uses: train, in: {images: images.images}, with: {learning_rate: 0}}\n",
        ),
        &[
            "3:63 step `t`: `steps` must be an integer ≥ 0, found the number 1000.0 | write `1000`; `steps`: Training steps.",
            "3:83 step `t`: `learning_rate` is 0, expected a value above 0 | `learning_rate`: The peak learning rate of Adam, per step.",
            "4:71 step `u`: `learning_rate` is 0, expected a value above 0 | `learning_rate`: The peak learning rate of Adam, per step.",
        ],
    );
    check(
        "stages:\n  a: {uses: images, with: {source: shape, count: 0}}\n  b: {uses: images}\n  c: {uses: images, with: 3}\n",
        &[
            "2:36 step `a`: `source` must be one of `shapes`, `cifar10`, found the string `shape` | did you mean `shapes`?",
            "2:50 step `a`: `count` must be an integer ≥ 1, found the number 0 | `count`: How many images, at least 1.",
            "3:3 step `b`: the parameter `source` is missing: one of `shapes`, `cifar10` | `source`: Where the images come from.",
            "4:27 `with` must be a map of parameters, found the number 3",
        ],
    );
    check(
        &after_images(
            "  t: {uses: train, in: {images: images.images}}\n  f: {uses: features, in: {model: t.model, images: images.images}}\n  p: {uses: probe, in: {features: f.layers/1}, with: {c: [1, x], solver: {kind: sgd, epochs: 1.5, z: 1}}}\n  q: {uses: probe, in: {features: f.layers/1}, with: {c: 1, solver: {kind: adam}}}\n",
        ),
        &[
            "5:62 step `p`: `c.1` must be a number, found the string `x` | `c`: Inverse regularisation strengths to try.",
            "5:94 step `p`: `solver.epochs` must be an integer ≥ 0, found the number 1.5 | `epochs`: Passes over the data.",
            "5:99 step `p`: unknown parameter `solver.z`",
            "6:58 step `q`: `c` must be a list of numbers, found the number 1 | `c`: Inverse regularisation strengths to try.",
            "6:76 step `q`: `solver.kind` must be one of `lbfgs`, `sgd`, found the string `adam` | `kind`: The solver.",
        ],
    );
    check(
        &after_images(
            "  t:\n    uses: train\n    in: {images: images.images}\n    resources: {cpus: two, memory: 2, gpu: 1}\n    retries: -1\n    timeout: 90\n    seed: x\n  u: {uses: train, in: {images: images.images}, resources: {memory: 2gb}, timeout: 2 weeks}\n",
        ),
        &[
            "6:23 `cpus` must be an integer from 0 to 65535, found the string `two` | for example `cpus: 1`",
            "6:36 `memory` must be an amount of memory with its unit, such as `512MiB` or `2GiB`, found the number 2 | add a unit: `memory: 2MiB`",
            "6:39 `resources` has no key `gpu` | did you mean `gpus`?",
            "7:14 `retries` must be an integer from 0 to 100, found the number -1 | for example `retries: 1`",
            "8:14 `timeout` must be a duration with its unit, such as `90s`, `45m`, `2h` or `1h30m`, found the number 90 | add a unit: `timeout: 90s`",
            "9:11 `seed` must be an integer ≥ 0, found the string `x` | for example `seed: 1`",
            "10:69 `memory` must be an amount of memory with its unit, such as `512MiB` or `2GiB`, found the string `2gb` | the units are `KiB`, `MiB`, `GiB`, `TiB` and `KB`, `MB`, `GB`, `TB`",
            "10:84 `timeout` must be a duration with its unit, such as `90s`, `45m`, `2h` or `1h30m`, found the string `2 weeks` | the units are `d`, `h`, `m`, `s` and `ms`, larger ones first",
        ],
    );
}

#[test]
fn cycles() {
    check(
        "stages:\n  a: {uses: command, in: {x: c.out}, with: {run: x}}\n  b: {uses: command, in: {x: a.out}, with: {run: x}}\n  c: {uses: command, in: {x: b.out}, with: {run: x}}\n  d: {uses: command, in: {x: d.out}, with: {run: x}}\n  e: {uses: command, in: {x: d.out}, with: {rum: x}}\n",
        &[
            "2:30 the steps form a cycle: a -> c -> b -> a | remove one of these inputs, or split a step in two",
            "5:30 the step `d` reads its own output | name an output of another step, or a path such as `./data/x.tar`",
            "6:3 step `e`: the parameter `run` is missing: a string or a list of strings | `run`: A script for the shell, which stops at the first command that fails, also inside a pipeline (`sh -e -o pipefail`); or a program and its arguments as a list, without a shell. Write `$${NAME}` for the shell's own `${NAME}`.",
            "6:45 step `e`: unknown parameter `rum` | did you mean `run`?",
        ],
    );
}

#[test]
fn yaml() {
    check(
        "stages:\n  a: {uses: images, with: {source: shapes}}\n  b: {uses: images, with: {source: shapes}, with: {}}\n  a: {uses: x}\n",
        &["3:45 duplicate key `with` | remove one of them", "4:3 duplicate key `a` | remove one of them"],
    );
    check(
        "vars:\n  a: &a {x: 1}\n  b: {<<: *a}\nstages:\n  images: {uses: images, with: {source: shapes}}\n",
        &[
            "3:7 merge keys (`<<`) are not part of the pipeline language | put shared values into `vars` and refer to them, as in `${vars.name}`",
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
            "1:3 a pipeline must be a map with the key `stages`, found a list | `igpt-flow new` writes a pipeline to start from",
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
        &["1:9 tags (`!name`) are not part of the pipeline language | quote a string that begins with `!`"],
    );
    check(
        "seed: 99999999999999999999999\n",
        &[
            "1:7 the number 99999999999999999999999 is too large (at most 18446744073709551615) | quote it if it is meant as a string",
        ],
    );
    check(
        "vars: {a: .nan}\n",
        &["1:11 `.inf` and `.nan` are not allowed | remove it, or quote it if it is meant as a string"],
    );
    check(
        "vars: {1: a, [b]: c}\nstages: {}\n",
        &[
            "1:8 a key must be a string, found the number 1 | quote the key",
            "1:15 a key must be a string, found a list | quote the key",
        ],
    );
    check(
        "vars: {a: *b}\n",
        &[
            "1:11 the file is not valid YAML: unknown anchor | `&name` marks a value and `*name` repeats it; quote a string that begins with either",
        ],
    );
    check(
        &format!("vars: {}{}\n", "[".repeat(200), "]".repeat(200)),
        &["1:134 the values are nested too deeply (more than 128 levels) | move the inner values to `vars`"],
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
    assert_eq!(told(&bytes), ["1:10 the file is not valid UTF-8: it has the byte 0xe9 | save it as UTF-8"]);
    let bytes = planned_bytes(&vec![b'#'; MAX_BYTES + 1], &Overrides::default()).err().unwrap();
    assert_eq!(
        told(&bytes),
        [
            "pipeline.yaml the file is larger than 4 MiB | a pipeline refers to data and contains none; is this the right file?",
        ]
    );
}
