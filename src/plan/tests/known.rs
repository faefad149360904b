//! Parts that will not be there and misspelt names of metrics, reported before anything runs.

use super::errors::{after_images, check};
use crate::pipeline::Overrides;
use crate::plan::testing::planned;

/// A network of three blocks, its features, and what else there is.
fn after_features(rest: &str) -> String {
    after_images(&format!(
        "  n: {{uses: network, in: {{images: images.images}}, with: {{layers: 3, keep: [20, 100]}}}}\n  f: {{uses: features, in: {{model: n.model, images: images.images}}}}\n{rest}"
    ))
}

fn is_right(yaml: &str) {
    let errors = planned(yaml, &Overrides::default()).err().unwrap_or_default();
    assert!(errors.is_empty(), "{yaml}\n{errors:?}");
}

#[test]
fn a_part_beyond_the_layers_is_told_in_inputs_and_exports() {
    check(
        &after_features(
            "  p: {uses: probe, in: {features: f.layers/4}}\n  c: {uses: command, in: {x: f.layers/last}, with: {run: y}}\nexport:\n  f.layers/9: x\n",
        ),
        &[
            "5:35 `f.layers` has no part `4` | it has the parts `f.layers/0` to `f.layers/3`",
            "6:30 `f.layers` has no part `last` | it has the parts `f.layers/0` to `f.layers/3`",
            "8:3 `f.layers` has no part `9` | it has the parts `f.layers/0` to `f.layers/3`",
        ],
    );
    check(
        &after_features(
            "  p: {uses: probe, matrix: {layer: [2, 7]}, in: {features: 'f.layers/${matrix.layer}'}}\n",
        ),
        &["5:60 `f.layers` has no part `7` | it has the parts `f.layers/0` to `f.layers/3`"],
    );
    is_right(&after_features("  p: {uses: probe, in: {features: f.layers/3}}\nexport: {f.layers/0: x}\n"));
}

#[test]
fn a_step_that_is_not_kept_is_told_and_zeros_are_left_out_at_will() {
    let of_step = |part: &str| {
        after_features(&format!(
            "  g: {{uses: features, in: {{model: n.checkpoints/{part}, images: images.images}}}}\n  p: {{uses: probe, in: {{features: g.layers/3}}}}\n"
        ))
    };
    check(
        &of_step("50"),
        &[
            "5:35 `n.checkpoints` has no part `50` | it has `n.checkpoints/00000020`, `n.checkpoints/00000100`",
        ],
    );
    is_right(&of_step("100"));
    is_right(&of_step("00000100"));
    // The network of a step has the layers of the last one's.
    check(
        &of_step("20").replace("g.layers/3", "g.layers/4"),
        &["6:35 `g.layers` has no part `4` | it has the parts `g.layers/0` to `g.layers/3`"],
    );
}

#[test]
fn a_misspelt_metric_is_told_where_it_is_written_or_where_the_input_is() {
    check(
        &after_features(
            "  s:\n    uses: summary\n    in: {metrics: n.metrics}\n    with:\n      names: [loss.valid, dataset, los.train]\n",
        ),
        &[
            "9:36 step `s`: no artifact connected to `metrics` has a metric, fact or label `los.train` | did you mean `loss.train`?",
        ],
    );
    // The default of a parameter has no place of its own.
    check(
        &after_features(
            "  p: {uses: probe, in: {features: f.layers/3}}\n  s: {uses: summary, in: {metrics: p.metrics}}\n",
        ),
        &["6:36 step `s`: no artifact connected to `metrics` has a metric, fact or label `loss.valid`"],
    );
    // One of several inputs is enough, and so is a label.
    is_right(&after_features(
        "  p: {uses: probe, matrix: {layer: [1, 2]}, in: {features: 'f.layers/${matrix.layer}'}}\n  s: {uses: summary, in: {metrics: [n.metrics, p.*]}, with: {names: [layer, loss.valid, accuracy.test]}}\n",
    ));
}

#[test]
fn the_metric_that_decides_a_search_is_one_that_candidates_have() {
    let by = |metric: &str| {
        after_images(&format!(
            "  n: {{uses: network, in: {{images: images.images}}, search: {{param: layers, values: [1, 2], metric: {metric}, goal: min}}}}\n  f: {{uses: features, in: {{model: n.model, images: images.images}}}}\n  p: {{uses: probe, in: {{features: f.layers/7}}}}\n"
        ))
    };
    check(
        &by("metrics.loss.vald"),
        &["3:99 `metrics` has no metric `loss.vald` | did you mean `loss.valid`?"],
    );
    // How many layers the winner has is known afterwards.
    is_right(&by("metrics.loss.valid"));
}

#[test]
fn nothing_is_refused_on_a_guess() {
    // What a command or a path holds is not known, nor what a step with an error would have made.
    is_right(&after_features(
        "  c: {uses: command, with: {run: x}}\n  s: {uses: summary, in: {metrics: [n.metrics, c.out, ./m]}, with: {names: [perplexity]}}\nexport:\n  c.out/9: x\n",
    ));
    is_right(&after_images(
        "  t: {uses: train, in: {images: images.images}}\n  f: {uses: features, in: {model: t.model, images: images.images}}\n  p: {uses: probe, in: {features: f.layers/77}}\n",
    ));
    check(
        &after_images(
            "  t: {uses: train, in: {images: images.images}, with: {steps: x}}\n  n: {uses: network, in: {images: images.images}, with: {layers: 1}}\n  s: {uses: summary, in: {metrics: [n.metrics, t.metrics]}, with: {names: [perplexity]}}\n",
        ),
        &["3:63 step `t`: `steps` must be an integer ≥ 0, found the string `x` | `steps`: Training steps."],
    );
    check(
        &after_images(
            "  n: {uses: network, in: {images: images.images}, with: {layers: 1}}\n  s: {uses: summary, in: {metrics: [n.metrics, '${vars.typo}']}, with: {names: [perplexity]}}\n",
        ),
        &["4:48 unknown name `vars.typo` in `${vars.typo}`"],
    );
}
