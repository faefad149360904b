//! The stage from end to end: from metrics artifacts to a figure.

use igpt_contract::MetricValues;
use serde_json::{Value, json};

use crate::support::{Artifact, artifact, columns, keep, layers, report, says};

/// A part of an error bar of the first series.
const ERROR_BAR: &str = "stroke=\"#0072B2\" stroke-width=\"3\"";

#[test]
fn the_figure_shows_what_it_was_asked_for() {
    let mut params = columns();
    params["figure"] = json!({"x": "layer", "y": "accuracy.test", "series": "pooling", "percent": true,
        "title": "Accuracy <by> layer", "references": [{"label": "raw pixels", "value": 37.8}]});
    let written = report(&layers(), &params).unwrap();
    assert!(written.svg.contains("Accuracy &lt;by&gt; layer"));
    assert!(says(&written.svg, "accuracy.test (%)") && says(&written.svg, "raw pixels"));
    // Three points and a marker in the legend, each a disc with a rim.
    assert_eq!(written.svg.matches("<circle").count(), 2 * 4);
    // One of the points is alone and so without an error bar; a bar has two caps.
    assert_eq!(written.svg.matches(ERROR_BAR).count(), 2 * 3);
}

#[test]
fn a_table_of_facts_has_an_empty_figure() {
    let params = json!({"rows": ["layer"], "columns": [{"metric": "pooling"}]});
    let written = report(&layers(), &params).unwrap();
    assert!(says(&written.svg, "no numbers to show"), "{}", written.svg);
    assert!(written.notes.contains("the figure is empty"), "{}", written.notes);
}

#[test]
fn a_series_without_a_line_is_a_level_and_what_is_left_out_is_said() {
    let mut artifacts = layers();
    let metrics = |x| MetricValues::default().with("accuracy.test", x);
    artifacts.push((json!({"step": "raw pixels"}), metrics(0.35).with("layer", 0.0)));
    artifacts.push((json!({"step": "fine-tuned"}), metrics(0.6)));
    artifacts.push((json!({"layer": 3}), metrics(0.5)));
    artifacts.push((json!({"step": "diverged"}), metrics(f64::NAN)));
    let params = json!({"rows": ["layer"], "columns": [{"metric": "accuracy.test"}],
        "figure": {"x": "layer", "y": "accuracy.test", "series": "step"}});
    let written = report(&artifacts, &params).unwrap();
    for name in ["probe", "raw pixels (layer 0)", "fine-tuned", "diverged (not finite)"] {
        assert!(says(&written.svg, name), "{name}: {}", written.svg);
    }
    // The levels that are finite have the colours after that of the line, and more than one dash.
    for colour in ["#009E73", "#CC79A7"] {
        assert!(written.svg.matches(&format!("stroke=\"{colour}\" stroke-width=\"5\"")).count() > 9);
    }
    assert!(
        written.notes.contains("1 artifact with `accuracy.test` but without `step`"),
        "{}",
        written.notes
    );
    assert!(written.notes.contains("1 of 6 means: they are not finite"), "{}", written.notes);
}

#[test]
fn the_png_is_the_same_picture_at_300_dots_an_inch_on_every_run() {
    let written = report(&layers(), &columns()).unwrap();
    assert_eq!(report(&layers(), &columns()).unwrap().png, written.png);
    assert!(written.png.starts_with(b"\x89PNG\r\n\x1a\n"));
    let size = |at: usize| u32::from_be_bytes(written.png[at..at + 4].try_into().unwrap());
    let (width, height) = (size(16), size(20));
    assert_eq!(width, 1004);
    assert!(written.svg.contains(&format!("viewBox=\"0 0 {width} {height}\"")), "{height}");
    assert!(written.svg.starts_with("<svg width=\"85mm\""), "{}", &written.svg[..60]);
    // No text is smaller than 7 points: 29 dots.
    let sizes = written.svg.split("font-size=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    assert!(sizes.map(|size| size.parse::<f64>().unwrap()).all(|size| size > 29.1));
}

/// AR against BERT in the probe and after fine-tuning (Figure 4 of the paper).
fn objectives() -> Vec<Artifact> {
    let of = |objective: &str, task: &str, accuracy: f64| {
        artifact(
            json!({"objective": objective, "task": task}),
            &[("accuracy.test", accuracy), ("rows.test", 1e4)],
        )
    };
    let mut all = vec![of("BERT", "fine-tune", 0.448), of("BERT", "probe", 0.391)];
    all.extend([of("AR", "probe", 0.432), of("AR", "fine-tune", 0.451)]);
    all
}

fn bars() -> Value {
    json!({"rows": ["objective"], "columns": [{"metric": "accuracy.test", "percent": true}],
        "figure": {"kind": "bars", "x": "task", "y": "accuracy.test", "series": "objective", "percent": true,
            "error": "se", "order": ["probe"], "notes": ["BERT is lower (section 4.6)."]}})
}

#[test]
fn bars_stand_in_groups_with_their_numbers_and_errors() {
    let written = report(&objectives(), &bars()).unwrap();
    keep("bars.pdf", &written.pdf);
    keep("bars.png", &written.png);
    for text in
        ["AR", "BERT", "probe", "fine-tune", "43.2", "39.1", "45.1", "44.8", "BERT is lower (section 4.6)."]
    {
        assert!(says(&written.svg, text), "{text}: {}", written.svg);
    }
    let at = |text: &str| written.svg.find(&format!(">\n{text}\n")).unwrap();
    assert!(at("probe") < at("fine-tune"), "the order that was asked for");
    // Two bars and a sample in the legend for each series.
    let filled = |colour: &str| written.svg.matches(&format!("fill=\"{colour}\" stroke=\"none\"")).count();
    assert_eq!((filled("#0072B2"), filled("#D55E00")), (3, 3));
    let mut masks = objectives();
    masks[1].1.values.insert("accuracy.test.masks".into(), 0.402);
    let mut params = bars();
    params["figure"]["also"] = json!([{"y": "accuracy.test.masks", "title": "5 masks"}]);
    let also = report(&masks, &params).unwrap().svg;
    assert!(says(&also, "BERT, 5 masks") && says(&also, "40.2") && !says(&also, "AR, 5 masks"), "{also}");
    let mut reversed = bars();
    reversed["figure"]["reverse"] = json!(true);
    let error = report(&objectives(), &reversed).unwrap_err().to_string();
    assert!(error.contains("for bars give the `order`"), "{error}");
}

/// Validation loss and probe accuracy of the same checkpoints (Figure 3 of the paper).
#[test]
fn a_point_joins_the_loss_of_one_artifact_with_the_accuracy_of_others() {
    let mut artifacts = Vec::new();
    for (model, loss) in [("iGPT-S", 2.4), ("iGPT-L", 2.0)] {
        for at in [65, 131, 262] {
            let better = f64::from(at) / 1000.0;
            let of = |step: &str| json!({"step": step, "model": model, "at": at});
            artifacts.push(artifact(of("pretrain"), &[("loss.valid", loss - better)]));
            for layer in 0..3 {
                let mut labels = of("probe");
                labels["layer"] = json!(layer);
                let accuracy = 0.3 + better + 0.01 * f64::from(layer);
                artifacts
                    .push(artifact(labels, &[("accuracy.valid", accuracy), ("accuracy.test", accuracy)]));
            }
        }
    }
    let mut params = json!({"rows": ["model", "at"], "columns": [{"metric": "accuracy.test"}],
        "pick": {"metric": "accuracy.valid", "over": ["layer"]},
        "figure": {"x": "loss.valid", "y": "accuracy.test", "points": ["model", "at"], "series": "model",
            "order": ["iGPT-S"], "reverse": true}});
    let written = report(&artifacts, &params).unwrap();
    assert_eq!(written.svg.matches("<circle").count(), 2 * 4, "{}", written.notes);
    let at = |text: &str| written.svg.find(&format!(">\n{text}\n")).unwrap();
    assert!(at("iGPT-S") < at("iGPT-L"));
    // The highest loss is at the left.
    let x = |tick: &str| -> f64 {
        let text = written.svg[..at(tick)].rfind("x=\"").unwrap() + 3;
        written.svg[text..].split('"').next().unwrap().parse().unwrap()
    };
    assert!(x("2.2") < x("2.0"));
    params["figure"]["series"] = json!("layer");
    let error = report(&artifacts, &params).unwrap_err().to_string();
    assert!(error.contains("`series` is `layer`, which is not one of `points`"), "{error}");
}

#[test]
fn a_figure_for_a_paper_leaves_its_words_to_the_caption() {
    let mut params = columns();
    params["figure"] = json!({"x": "layer", "y": "accuracy.test", "percent": true, "title": "By layer",
        "notes": ["Ours."], "claims": [{"text": "The middle is best.", "source": "Chen et al., section 4.1"}]});
    let whole = report(&layers(), &params).unwrap();
    assert!(says(&whole.svg, "By layer") && says(&whole.svg, "Ours."), "{}", whole.svg);
    // What others state is theirs: with the source before it, and in quotation marks.
    assert!(whole.svg.contains("Chen et al., section 4.1: “The middle"), "{}", whole.svg);
    assert!(whole.svg.contains("Error bars: ± one sample standard deviation"), "{}", whole.svg);
    params["figure"]["style"] = json!("paper");
    let paper = report(&layers(), &params).unwrap();
    for text in ["By layer", "Ours.", "Chen et al.", "Error bars"] {
        assert!(!paper.svg.contains(text), "{text}: {}", paper.svg);
    }
    assert!(says(&paper.svg, "accuracy.test (%)"), "{}", paper.svg);
    assert_eq!(paper.caption, whole.caption);
    let start =
        "By layer.\nError bars: \\ensuremath{\\pm} one sample standard deviation of the runs.\nOurs.\n";
    assert!(paper.caption.starts_with(start), "{}", paper.caption);
    keep("whole.pdf", &whole.pdf);
    keep("paper.pdf", &paper.pdf);
    assert!(paper.pdf.starts_with(b"%PDF-1.4") && paper.pdf.ends_with(b"%%EOF\n"));
}

/// A training with its curve.
fn training(rate: f64, last: f64) -> Artifact {
    let (labels, mut metrics) = artifact(json!({"rate": rate}), &[("loss.valid", last)]);
    let curve = (1..=2000).map(|i| (f64::from(i), last + 3.0 / f64::from(i)));
    metrics.curves.insert("loss.train".to_owned(), curve.collect());
    (labels, metrics)
}

#[test]
fn curves_of_several_trainings_are_lines_on_axes_of_ratios() {
    let artifacts = [training(0.01, 2.5), training(0.001, 2.25)];
    let mut params = json!({"rows": ["rate"], "columns": [{"metric": "loss.valid"}],
        "figure": {"kind": "curves", "y": "loss.train", "series": "rate", "x_scale": "log",
            "y_scale": "log", "smooth": 0.5}});
    let written = report(&artifacts, &params).unwrap();
    for text in ["rate 0.01", "rate 0.001", "step", "loss.train", "100", "1000"] {
        assert!(says(&written.svg, text), "{text}: {}", written.svg);
    }
    assert!(!written.svg.contains("<circle"), "{}", written.svg);
    assert!(written.svg.contains("Smoothed: moving average"), "{}", written.svg);
    keep("curves.pdf", &written.pdf);
    assert!(written.notes.contains("of 2000 points"), "{}", written.notes);
    let error = |params: &Value| report(&artifacts, params).unwrap_err().to_string();
    params["figure"]["y"] = json!("loss.trian");
    assert!(
        error(&params).contains("no curve `loss.trian`; did you mean `loss.train`?"),
        "{}",
        error(&params)
    );
    params["figure"]["y"] = json!("loss.train");
    params["figure"]["x"] = json!("rate");
    assert!(error(&params).contains("curves have their own"), "{}", error(&params));
    params["figure"] = json!({"kind": "bars", "x": "rate", "y": "loss.valid", "y_scale": "log"});
    assert!(error(&params).contains("an axis of ratios lacks"), "{}", error(&params));
}

#[test]
fn what_an_axis_of_ratios_cannot_show_is_counted() {
    let of = |layer: u32, x: f64| artifact(json!({"layer": layer}), &[("x", x)]);
    let artifacts = [of(1, 0.0), of(2, 0.5), of(3, 50.0)];
    let params = json!({"rows": ["layer"], "columns": [{"metric": "x"}],
        "figure": {"x": "layer", "y": "x", "y_scale": "log"}});
    let written = report(&artifacts, &params).unwrap();
    assert!(written.notes.contains("leaves out 1 point: an axis of ratios"), "{}", written.notes);
    assert!(says(&written.svg, "10") && !says(&written.svg, "0"), "{}", written.svg);
}
