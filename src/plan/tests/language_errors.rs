//! Errors in names, interpolation, overrides, matrices, searches and exports.

use super::errors::{IMAGES, after_images, check, check_with, overrides};

#[test]
fn names_of_steps() {
    check(
        "stages:\n  Images: {uses: images, with: {source: shapes}}\n  2x: {uses: images, with: {source: shapes}}\n  a.b: {uses: images, with: {source: shapes}}\n  c:\n",
        &[
            "2:3 invalid step name `Images` | names are lower-case letters, digits, `_` and `-`, and start with a letter",
            "3:3 invalid step name `2x` | names are lower-case letters, digits, `_` and `-`, and start with a letter",
            "4:3 invalid step name `a.b` | names are lower-case letters, digits, `_` and `-`, and start with a letter",
            "5:5 the step `c` must be a map, found null | write `c: {uses: KIND}`",
        ],
    );
}

#[test]
fn interpolation() {
    check(
        "vars: {side: 1, a: \"${vars.b}\", b: \"${vars.a}\", list: [1]}\nstages:\n  images: {uses: images, with: {source: shapes, count: \"${vars.sid}\"}}\n  b: {uses: command, with: {run: \"${vars.list} ${HOME} ${env.X} ${vars.side\"}}\n  c: {uses: command, with: {run: \"${vars.list} ${HOME}\"}}\n  d: {uses: command, with: {run: \"${matrix.x} ${vars.a}\"}}\n",
        &[
            "1:36 the variable `a` refers to itself | give one of the variables in the cycle a value of its own",
            "3:56 unknown name `vars.sid` in `${vars.sid}` | did you mean `vars.side`?",
            "4:34 `${vars.side` has no closing `}` | an interpolation is written `${vars.name}`; `$${` stands for a literal `${`",
            r#"5:34 `vars.list` is a list, which cannot be part of a string | use it as a whole value: "${vars.list}""#,
            "5:34 unknown name `HOME` in `${HOME}` | write `$${HOME}` for a literal `${HOME}`",
            "6:34 unknown name `matrix.x` in `${matrix.x}`",
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
            "pipeline.yaml unknown profile `smok` | did you mean `smoke`?",
            "2:36 profile `bad` sets `vars.sid`, which is not a variable | did you mean `side`?",
            "2:52 the profile `worse` must be a map of variables, found the number 3",
            "--set vars.sid=1 unknown variable `vars.sid` | did you mean `vars.side`?",
            "--set x=1 `x` cannot be set | set `vars.NAME`, `seed`, or `stages.STEP.with.PARAM` and the other keys of a step",
            "--set side `side` is not `path=value` | for example `--set vars.side=8`",
            "--set stages.image.seed=1 unknown step `image` | did you mean `images`?",
            "--set stages.images.wit.a=1 a step has no `wit` | did you mean `with`?",
            "--set vars.side.x=1 unknown variable `vars.side.x` | did you mean `vars.side`?",
            "--set vars.nested.b=1 unknown variable `vars.nested.b` | did you mean `vars.nested.a`?",
            "--set seed=x `seed` must be an integer ≥ 0, found the string `x` | for example `seed: 1`",
            "--set stages.images.with.cont=1 step `images`: unknown parameter `cont` | did you mean `count`?",
            "--set stages.images.with.source.x=1 `stages.images.with.source.x` cannot be set: `stages.images.with.source` is not a map",
        ],
    );
}

#[test]
fn matrices() {
    check(
        "stages:\n  a: {uses: images, with: {source: shapes}, matrix: {x: 3, Y: [1], z: [], w: [1, 1], v: [[1]], r: {range: [2, 1]}, q: {range: x}, exclude: 3}}\n  b: {uses: images, with: {source: shapes}, matrix: {x: [1], exclude: [{x: 1}]}}\n  c: {uses: images, with: {source: shapes}, matrix: {x: [1], exclude: [{z: 1}], include: [{x: 1}, {}]}}\n  d: {uses: images, with: {source: shapes}, matrix: 3}\n  e: {uses: images, with: {source: shapes}, matrix: {x: {range: [1, 1000]}, y: {range: [1, 1000]}}}\n  f: {uses: images, with: {source: shapes}, matrix: {x: [1], include: [{x: 1}]}}\n",
        &[
            "2:57 the axis `x` must be a list of values, found the number 3 | write `x: [0, 1, 2]` or `x: {range: [0, 2]}`",
            "2:60 invalid axis name `Y` | names are lower-case letters, digits, `_` and `-`, and start with a letter",
            "2:68 the axis `z` has no values",
            "2:82 the axis `w` lists the value 1 twice | remove one of them",
            "2:91 a value of the axis `v` must be a number, a string, `true` or `false`, found a list",
            "2:108 the range ends at 1, before it starts at 2 | a range is `[first, last]` or `[first, last, step]`, both ends included",
            r#"2:127 a range is a list of two or three integers, found "x" | a range is `[first, last]` or `[first, last, step]`, both ends included"#,
            "2:140 `exclude` must be a list, found the number 3 | write `exclude: [{axis: value}]`",
            "3:54 the matrix is empty once `exclude` is applied | remove the step, or give each axis at least one value",
            "4:73 `exclude` names the axis `z`, which the matrix does not have",
            "4:92 an item of `include` must map axes to single values | write `include: [{axis: value}]`",
            "5:53 `matrix` must be a map of axes, found the number 3 | for example `matrix: {seed: [0, 1, 2]}`",
            "6:54 the matrix has more than 100000 instances | use fewer axes or values, or split the step in two",
            "7:73 this combination is already in the matrix | remove it",
        ],
    );
    check(
        "stages:\n  a: {uses: images, with: {source: shapes}, matrix: {x: [1, 2]}}\n  b: {uses: train, in: {images: a.images}}\n  c: {uses: train, in: {images: a.images}, matrix: {x: [2, 3]}}\n  d: {uses: images, with: {source: shapes}, matrix: {x: [1, '1']}}\n",
        &[
            "3:33 `a.images` stands for 2 instances: the axes `x` of `a` are not axes of this step | add the axes to this step's `matrix`, or gather all with `a.images.*`",
            "4:33 the step `a` has no instance with x=3 | give both steps the same values of the axis",
            "5:3 two instances have the name `d[x=1]` | give the axes values that print differently",
        ],
    );
    check(
        "stages:\n  a: {uses: images, with: {source: shapes}, matrix: {x: [1, 1.0, 2.5]}}\n",
        &[
            "2:3 `a[x=1.0]` has the same values as another instance | numbers are compared by value: `1` and `1.0` are one",
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
            "3:87 the candidate 1 is listed twice | remove one of them",
            "3:119 `goal` must be `min` or `max`, found `less`",
            "3:131 `stop` must be `never` or `first_worse`, found `early`",
            "3:138 `search` has no key `z`",
            "4:83 `steps` is searched, and also given a value by `with` | remove it from `with`",
            "4:90 `values` has no candidates",
            "4:110 `metric` must name an output port and one of its numbers, found `loss` | for example `metric: metrics.loss.valid`",
            "5:49 `search` has no `param`: the parameter to search",
            "5:49 `search` has no `metric`: the metric that decides, as `port.name`",
            "5:49 `search` has no `goal`: `min` or `max`",
            "6:65 step `d`: unknown parameter `stepz` | did you mean `steps`?",
            "6:96 a search is decided by metrics, but `model` holds a model",
            "7:84 step `e`: `steps` must be an integer ≥ 0, found the string `z` | `steps`: Training steps.",
            "7:96 unknown output `metric` | did you mean `metrics`?",
            "8:3 `steps` is both an axis and the searched parameter | rename the axis",
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
            "6:3 unknown step `image` | did you mean `images`?",
            "7:3 `images` does not name an output | an export is written `step.port: path`, or `step.port/part: path`",
            "8:3 `images.*` does not name an output | an export is written `step.port: path`, or `step.port/part: path`",
            "10:13 the exports to `e` and `e/f` overlap | give each its own folder",
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
            "2:3 step `a`: the parameter `run` is missing: a string or a list of strings | `run`: A script for the shell, which stops at the first command that fails, also inside a pipeline (`sh -e -o pipefail`); or a program and its arguments as a list, without a shell. Write `$${NAME}` for the shell's own `${NAME}`.",
            "3:27 invalid port name `x y` | the input appears under this name in the command's directory: use letters, digits, `_` and `-`",
            "3:50 step `b`: `run` is empty",
            "3:67 step `b`: the outputs `a` and `a` overlap",
            "3:70 step `b`: invalid port name `b/c`",
            "3:86 step `b`: invalid name of an environment variable: `1A`",
            "3:89 step `b`: `env.B` must be a string or a number or `true` or `false`, found a list",
            "3:111 step `b`: invalid name of an environment variable: `3`",
            "4:64 step `c`: the output path `../b` must stay in the command's directory",
            "4:73 step `c`: the output path `/d` must stay in the command's directory",
            "4:80 step `c`: the output path `x` is taken by the input `x`",
            "4:92 step `c`: the outputs `f` and `h` overlap",
            "4:122 step `c`: `env` already sets `A`",
            "4:125 step `c`: invalid name of an environment variable: `B C`",
        ],
    );
}
