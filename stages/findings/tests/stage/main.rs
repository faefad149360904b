//! The stage from end to end: from metrics and predictions to claims with verdicts.

mod latex;
mod support;

use igpt_contract::{MetricValues, StageError};
use serde_json::{Value, json};
use support::{Artifact, artifact, findings, judged};

const ALL: [u64; 8] = [10, 11, 12, 13, 14, 15, 16, 17];

/// Three layers of a probe on eight images, the last of them not the best, by validation.
fn layers() -> Vec<Artifact> {
    let probe = |layer: u32, valid: f64, right: [u8; 8]| {
        let artifact = judged(json!({"step": "probe", "layer": layer}), &ALL, &right);
        artifact.with("accuracy.valid", valid)
    };
    vec![
        probe(2, 0.5, [1, 0, 1, 0, 0, 0, 0, 1]),
        probe(9, 0.7, [1, 1, 1, 1, 1, 1, 0, 1]),
        probe(10, 0.6, [1, 1, 1, 0, 1, 0, 0, 0]),
    ]
}

fn middle(extra: &Value) -> Value {
    let mut claim = json!({
        "name": "middle_layers",
        "claim": "A middle layer probes better than the last",
        "source": "Chen et al. 2020, section 4.1",
        "paper": "2.4 points",
        "difference": {
            "metric": "accuracy.test",
            "percent": true,
            "a": {"where": {"step": "probe"}, "pick": {"metric": "accuracy.valid", "over": ["layer"]}},
            "b": {"where": {"step": "probe"}, "last": "layer"}
        }
    });
    let difference = claim["difference"].as_object_mut().unwrap();
    difference.extend(extra.as_object().unwrap().clone());
    json!({"title": "Findings", "claims": [claim]})
}

#[test]
fn the_table_is_the_golden_one_in_all_three_forms() {
    let written = findings(&layers(), &middle(&json!({}))).unwrap();
    // 7 of 8 against 4 of 8: differences 0 0 0 1 0 1 0 1, mean 3/8, squares 15/8, s^2 = 15/56, error
    // sqrt(15 / 448) = 0.18298.
    assert_eq!(
        written.md,
        "**Findings**\n\n\
         | finding | ours | s.e. | verdict | paper |\n\
         | :--- | ---: | ---: | :--- | :--- |\n\
         | A middle layer probes better than the last | +37.50 <sup>1</sup> | 18.30 | **holds** | 2.4 points <sup>2</sup> |\n\n\
         A finding holds, or does not, where its number lies two standard errors (s.e.) or more from zero; within \
         them it is undecided. Differences of percentages are in points.\n\n\
         <sup>1</sup> 87.50 (probe, layer 9) − 50.00 (probe, layer 10); 8 test images, paired; \
         <sup>2</sup> Chen et al. 2020, section 4.1\n"
    );
    assert!(written.tex.contains("p{0.340\\linewidth}r@{}lr@{}ll"), "{}", written.tex);
    assert!(
        written.tex.contains(
            "+37&.50$^{1}$ & 18&.30 & \\textbf{holds} & \\raggedright\\let\\\\\\tabularnewline 2.4 points$^{2}$"
        ),
        "{}",
        written.tex
    );
    let line = written.csv.lines().nth(1).unwrap();
    let expected = (15.0_f64 / 448.0).sqrt();
    let error: f64 = line.split(',').nth(4).unwrap().parse().unwrap();
    assert!((error - expected).abs() < 1e-15, "{line}");
    assert!(line.starts_with("middle_layers,A middle layer probes better than the last,difference,0.375,"));
    assert!(line.contains(",1,8,,holds,"), "{line}");
    assert_eq!(written.metrics.values["middle_layers.ours"], 0.375);
    assert_eq!(written.metrics.values["middle_layers.images"], 8.0);
    assert_eq!((written.metrics.values["holds"], written.metrics.values["not_run"]), (1.0, 0.0));
    assert_eq!(written.metrics.facts["middle_layers.verdict"], "holds");
    assert_eq!(written.notes, "");
}

#[test]
fn equal_inputs_make_equal_bytes_in_any_order() {
    let straight = findings(&layers(), &middle(&json!({}))).unwrap();
    let turned: Vec<Artifact> = layers().into_iter().rev().collect();
    assert_eq!(findings(&turned, &middle(&json!({}))).unwrap(), straight);
}

#[test]
fn without_predictions_the_error_is_binomial() {
    let bare: Vec<Artifact> = layers().into_iter().map(Artifact::without_predictions).collect();
    let written = findings(&bare, &middle(&json!({}))).unwrap();
    // sqrt(7/8 * 1/8 / 8 + 1/4 / 8) = sqrt(23) / 8 / sqrt(8) = 0.21195.
    assert!(written.md.contains("| +37.50 <sup>1</sup> | 21.19 | undecided |"), "{}", written.md);
    assert!(written.md.contains("; 8 test images, not paired"), "{}", written.md);
}

#[test]
fn runs_of_the_same_seeds_are_compared_seed_by_seed() {
    let run = |step: &str, seed: u32, x: f64| {
        artifact(json!({"step": step, "seed": seed}), MetricValues::default().with("accuracy.test", x))
    };
    let two = |b: &[(u32, f64)]| {
        let mut all = vec![run("a", 1, 0.50), run("a", 2, 0.60), run("a", 3, 0.70)];
        all.extend(b.iter().map(|(seed, x)| run("b", *seed, *x)));
        let difference = json!({"a": {"where": {"step": "a"}}, "b": {"where": {"step": "b"}}});
        findings(&all, &middle(&difference)).unwrap()
    };
    // Differences 0.10, 0.11, 0.12: mean 0.11, error 0.01 / sqrt(3).
    let paired = two(&[(1, 0.40), (2, 0.49), (3, 0.58)]);
    assert!(paired.md.contains("| +11.00 <sup>1</sup> | 0.58 | **holds** |"), "{}", paired.md);
    assert!(paired.md.contains("60.00 (a) − 49.00 (b); 3 runs, paired"), "{}", paired.md);
    // Other seeds: sqrt(0.1^2 / 3 + 0.09^2 / 3) = 0.07767.
    let apart = two(&[(4, 0.40), (5, 0.49), (6, 0.58)]);
    assert!(apart.md.contains("| +11.00 <sup>1</sup> | 7.77 | undecided |"), "{}", apart.md);
    assert!(apart.md.contains("(b); 3 runs; <sup>2</sup>"), "{}", apart.md);
}

#[test]
fn images_and_runs_add_in_squares() {
    let run =
        |step: &str, seed: u32, right: [u8; 8]| judged(json!({"step": step, "seed": seed}), &ALL, &right);
    let all = [
        run("a", 1, [1, 1, 1, 1, 1, 1, 0, 0]),
        run("a", 2, [1, 1, 1, 1, 0, 0, 0, 0]),
        run("b", 1, [1, 1, 0, 0, 0, 0, 0, 0]),
        run("b", 2, [1, 1, 0, 0, 0, 0, 0, 0]),
    ];
    let difference = json!({"a": {"where": {"step": "a"}}, "b": {"where": {"step": "b"}}});
    let written = findings(&all, &middle(&difference)).unwrap();
    // Runs: differences 1/2 and 1/4, error 1/8. Images: 0 0 1 1 .5 .5 0 0, mean 3/8, squares 11/8,
    // s^2 = 11/56, error^2 = 11/448. Together sqrt(1/64 + 11/448).
    let value = |name: &str| written.metrics.values[&format!("middle_layers.{name}")];
    assert_eq!((value("ours"), value("standard_error.runs")), (0.375, 0.125));
    assert!((value("standard_error.images") - (11.0_f64 / 448.0).sqrt()).abs() < 1e-15);
    assert!((value("standard_error") - (1.0_f64 / 64.0 + 11.0 / 448.0).sqrt()).abs() < 1e-15);
    assert!(written.md.contains("; 2 runs, paired; 8 test images, paired"), "{}", written.md);
}

#[test]
fn a_difference_of_differences_is_one_number() {
    let step = |step: &str, right: [u8; 8]| judged(json!({"step": step}), &ALL, &right);
    let all = [
        step("ar", [1, 1, 1, 1, 1, 1, 0, 0]),
        step("bert", [1, 1, 0, 0, 0, 0, 0, 0]),
        step("ar tuned", [1, 1, 1, 1, 1, 1, 1, 0]),
        step("bert tuned", [1, 1, 1, 1, 1, 1, 0, 0]),
    ];
    let of = |step: &str| json!({"where": {"step": step}});
    let claim = json!({
        "a": of("ar"), "b": of("bert"), "less": {"a": of("ar tuned"), "b": of("bert tuned")}
    });
    let written = findings(&all, &middle(&claim)).unwrap();
    // 4/8 - 1/8; by images 0 0 1 1 1 1 -1 0: mean 3/8, squares 31/8, error sqrt(31 / 448) = 0.26305.
    assert!(written.md.contains("| +37.50 <sup>1</sup> | 26.31 | undecided |"), "{}", written.md);
    let figures = "\\[75.00 (ar) − 25.00 (bert)\\] − \\[87.50 (ar tuned) − 75.00 (bert tuned)\\]; 8 test images, paired";
    assert!(written.md.contains(figures), "{}", written.md);
}

#[test]
fn losses_and_accuracies_are_joined_by_labels() {
    let numbers = [
        ("s", 1, 3.9, 0.30),
        ("s", 2, 3.7, 0.35),
        ("m", 1, 3.6, 0.34),
        ("m", 2, 3.4, 0.41),
        ("l", 1, 3.2, 0.45),
    ];
    let mut all = Vec::new();
    for (model, checkpoint, loss, accuracy) in numbers {
        let labels = |step: &str| json!({"step": step, "model": model, "checkpoint": checkpoint});
        all.push(artifact(labels("loss"), MetricValues::default().with("loss.valid", loss)));
        // Two layers, of which the other is worse.
        for (layer, off) in [(1, 0.0), (2, 0.2)] {
            let mut labels = labels("probe");
            labels["layer"] = json!(layer);
            let x = accuracy - off;
            let metrics = MetricValues::default().with("accuracy.test", x).with("accuracy.valid", x);
            all.push(artifact(labels, metrics));
        }
    }
    all.push(artifact(
        json!({"step": "loss", "model": "xl", "checkpoint": 1}),
        MetricValues::default().with("loss.valid", 3.0),
    ));
    let claim = json!({"claims": [{
        "name": "loss", "claim": "Lower loss, better probe", "source": "section 4.2", "expect": "negative",
        "correlation": {
            "x": {"metric": "loss.valid", "of": {"where": {"step": "loss"}}},
            "y": {
                "metric": "accuracy.test",
                "of": {"where": {"step": "probe"}, "pick": {"metric": "accuracy.valid", "over": ["layer"]}}
            },
            "by": ["model", "checkpoint"]
        }
    }]});
    let written = findings(&all, &claim).unwrap();
    // Ranks of the losses 5 4 3 2 1, of the accuracies 1 3 2 4 5: d = 4 1 1 -2 -4, rho = 1 - 6 * 38 / 120.
    assert!((written.metrics.values["loss.ours"] + 0.9).abs() < 1e-12);
    assert!(
        written.md.contains("| −0.90 <sup>1</sup> | 0.50 | undecided | – <sup>2</sup> |"),
        "{}",
        written.md
    );
    let figures = "accuracy.test against loss.valid, 5 points by model, checkpoint (1 without a partner)";
    assert!(written.md.contains(figures), "{}", written.md);
}

#[test]
fn more_labels_spread_less() {
    let mut all = Vec::new();
    for (labels, numbers) in [(40, [0.20, 0.30, 0.40]), (250, [0.43, 0.45, 0.47]), (4000, [0.59, 0.60, 0.61])]
    {
        for (subset, x) in numbers.into_iter().enumerate() {
            let labels = json!({"labels": labels, "subset": subset});
            all.push(artifact(labels, MetricValues::default().with("accuracy.test", x)));
        }
    }
    let claim = json!({"claims": [{
        "name": "spread", "claim": "More labels, less variance", "source": "section 4.7", "expect": "negative",
        "spread": {"metric": "accuracy.test", "percent": true, "by": "labels"}
    }]});
    let written = findings(&all, &claim).unwrap();
    // Deviations 0.1, 0.02, 0.01; the change -0.09, its error sqrt(0.1^2 + 0.01^2) / sqrt(2 * 2).
    assert!(written.md.contains("| −9.00 <sup>1</sup> | 5.02 | undecided |"), "{}", written.md);
    let figures = "10.00 (labels 40, n = 3), 2.00 (labels 250, n = 3), 1.00 (labels 4000, n = 3)";
    assert!(written.md.contains(figures), "{}", written.md);
    assert!((written.metrics.values["spread.deviation.250"] - 0.02).abs() < 1e-12);
    assert_eq!(written.metrics.values["spread.runs.4000"], 3.0);
}

#[test]
fn what_was_not_run_says_so_and_a_slip_of_the_pen_is_an_error() {
    let missing = json!({"b": {"where": {"step": "bert"}}});
    let written = findings(&layers(), &middle(&missing)).unwrap();
    assert!(written.md.contains("| – <sup>1</sup> | – | not run | 2.4 points"), "{}", written.md);
    assert!(written.md.contains("87.50 (probe, layer 9) − not run (bert)"), "{}", written.md);
    assert!(written.notes.contains("`middle_layers` is not run"), "{}", written.notes);
    let error = findings(&layers(), &middle(&json!({"metric": "acuracy.test"}))).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("claim `middle_layers`: ") && text.contains("did you mean `accuracy.test`?"),
        "{text}"
    );
}

#[test]
fn a_diverged_run_decides_nothing() {
    let mut all = layers();
    all.push(artifact(json!({"step": "nan"}), MetricValues::default().with("accuracy.test", f64::NAN)));
    let written = findings(&all, &middle(&json!({"b": {"where": {"step": "nan"}}}))).unwrap();
    assert!(written.md.contains("| NaN <sup>1</sup> | – | undecided |"), "{}", written.md);
}

#[track_caller]
fn refused(artifacts: &[Artifact], params: &Value, expected: &[&str]) {
    let StageError::Failed { what, hint, .. } = findings(artifacts, params).unwrap_err() else {
        panic!("cancelled")
    };
    let text = format!("{what} {}", hint.unwrap_or_default());
    for part in expected {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let twice = json!({"a": {"where": {"step": "probe"}}, "runs": ["step"]});
    refused(&layers(), &middle(&twice), &["two artifacts of one run", "`layer 9, step probe`", "`pick`"]);
    let both = json!({"a": {"pick": {"metric": "accuracy.valid", "over": ["layer"]}, "last": "layer"}});
    refused(&layers(), &middle(&both), &["both `pick` and `last`"]);
    refused(&layers(), &json!({"claims": []}), &["at least one claim"]);
    let none = json!({"claims": [{"name": "x", "claim": "x", "source": "x"}]});
    refused(&layers(), &none, &["expected one of `difference`, `correlation` and `spread`, found 0"]);
    let mut lost = layers();
    lost[0].labels = json!({"step": "other"});
    lost[0].predictions_labels = Some(json!({"step": "probe", "layer": 2}));
    refused(
        &lost,
        &middle(&json!({})),
        &["no metrics have the labels of the predictions `layer 2, step probe`", "under the same names"],
    );
}

#[test]
fn predictions_that_say_something_else_are_not_used() {
    let mut all = layers();
    all[1].metrics.values.insert("accuracy.test".into(), 0.75);
    let written = findings(&all, &middle(&json!({}))).unwrap();
    assert!(
        written.notes.contains("are not used: they give accuracy.test 0.875, its metrics 0.75"),
        "{}",
        written.notes
    );
    assert!(written.md.contains("; 8 test images, not paired"), "{}", written.md);
}

#[test]
fn a_number_may_be_expected_and_its_sign_is_then_the_claim() {
    let of = |value: f64, tolerance: f64| {
        let mut params = middle(&json!({}));
        params["claims"][0]["expect"] = json!({"value": value, "tolerance": tolerance, "source": "Table 9"});
        findings(&layers(), &params)
    };
    let met = of(37.0, 1.0).unwrap();
    assert!(
        met.md.contains("| +37.50 <sup>1</sup> | +0.5 ✓ <sup>3</sup> | 18.30 | **holds** |"),
        "{}",
        met.md
    );
    assert!(met.csv.lines().nth(1).unwrap().ends_with(",37,1,1"), "{}", met.csv);
    let missed = of(-2.0, 1.0).unwrap();
    assert!(missed.md.contains("✗") && missed.md.contains("does not hold"), "{}", missed.md);
    assert!(missed.notes.contains("expectation missed: middle_layers: expected -2 within 1, found 37.5"));
    assert!(of(1.0, -1.0).unwrap_err().to_string().contains("`tolerance`"));
}
