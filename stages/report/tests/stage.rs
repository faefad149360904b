//! The stage from end to end: from metrics artifacts to a table and a figure.

use std::path::Path;
use std::sync::{Arc, Mutex};

use igpt_contract::{
    DynStage, LabelledInput, Labels, MetricValues, Signal, StageContext, StageError, StageIo,
};
use igpt_report::Report;
use serde_json::{Value, json};

/// An artifact: its labels and metrics.
type Artifact = (Value, MetricValues);

/// What the stage wrote: Markdown, LaTeX, CSV, SVG; and what it said.
#[derive(Debug, PartialEq)]
struct Written {
    md: String,
    tex: String,
    csv: String,
    svg: String,
    notes: String,
}

fn labels(value: &Value) -> Labels {
    serde_json::from_value(value.clone()).unwrap()
}

fn report(artifacts: &[Artifact], params: &Value) -> Result<Written, StageError> {
    let root = tempfile::tempdir().unwrap();
    let folder = |name: String| {
        let path = root.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    };
    let inputs = artifacts.iter().enumerate().map(|(i, (value, metrics))| {
        let path = folder(format!("metrics/{i}"));
        metrics.write(&path).unwrap();
        LabelledInput { path, labels: labels(value) }
    });
    let io = StageIo {
        inputs: [("metrics".to_owned(), inputs.collect())].into(),
        outputs: ["table", "figure"].map(|name| (name.to_owned(), folder(name.to_owned()))).into(),
    };
    let params =
        DynStage::complete(&Report, params).map_err(|e| StageError::new(format!("{}: {e}", e.path)))?;
    let notes = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&notes);
    let sink = move |signal| {
        if let Signal::Note(text) = signal {
            heard.lock().unwrap().push_str(&format!("{text}\n"));
        }
    };
    DynStage::run(&Report, &params, &io, &StageContext::new(0, 1, folder("checkpoints".into()), sink))?;
    let read = |path: &str| std::fs::read_to_string(root.path().join(Path::new(path))).unwrap();
    Ok(Written {
        md: read("table/table.md"),
        tex: read("table/table.tex"),
        csv: read("table/table.csv"),
        svg: read("figure/figure.svg"),
        notes: notes.lock().unwrap().clone(),
    })
}

fn probe(layer: u32, seed: u32, valid: f64, test: f64) -> Artifact {
    let mut metrics = MetricValues::default()
        .with("accuracy.valid", valid)
        .with("accuracy.test", test)
        .with("c", 0.01)
        .with("converged", 1.0);
    metrics.facts.insert("pooling".into(), "mean".into());
    (json!({"layer": layer, "seed": seed, "step": "probe", "port": "metrics"}), metrics)
}

fn layers() -> Vec<Artifact> {
    vec![
        probe(0, 1, 0.31, 0.30),
        probe(0, 2, 0.33, 0.31),
        probe(2, 1, 0.45, 0.44),
        probe(2, 2, 0.47, 0.46),
        probe(10, 1, 0.41, 0.40),
    ]
}

fn columns() -> Value {
    json!({
        "title": "Probes & layers",
        "rows": ["layer"],
        "columns": [
            {"title": "Valid (%)", "metric": "accuracy.valid", "percent": true},
            {"title": "Test (%)", "metric": "accuracy.test", "percent": true, "digits": 1},
            {"title": "C", "metric": "c"},
            {"title": "Pooling", "metric": "pooling"}
        ],
        "published": [
            {"row": "2", "column": "Test (%)", "value": 96.3, "source": "Chen et al. 2020, table 2"},
            {"row": "other_model", "column": "Test (%)", "value": 95, "source": "Chen et al. 2020, table 2"}
        ],
        "best": {"metric": "accuracy.valid"}
    })
}

#[test]
fn the_table_is_the_golden_one_in_all_three_forms() {
    let written = report(&layers(), &columns()).unwrap();
    assert_eq!(
        written.md,
        "**Probes \\& layers**\n\n\
         | layer | Valid (%) | Test (%) | Test (%), published | C | Pooling |\n\
         | ---: | ---: | ---: | ---: | ---: | :--- |\n\
         | 0 | 32.00 ± 1.41 (n=2) | 30.5 ± 0.7 (n=2) | – | 0.01 ± 0 (n=2) | mean |\n\
         | **2** | **46.00 ± 1.41 (n=2)** | **45.0 ± 1.4 (n=2)** | 96.3 <sup>1</sup> | **0.01 ± 0 (n=2)** | **mean** |\n\
         | 10 | 41.00 (n=1) | 40.0 (n=1) | – | 0.01 (n=1) | mean |\n\
         | other\\_model | not run | not run | 95 <sup>1</sup> | not run | not run |\n\n\
         Best layer by Valid (%): 2 (46.00).\n\n\
         Mean ± sample standard deviation over seed (n: how many).\n\n\
         <sup>1</sup> Chen et al. 2020, table 2\n"
    );
    assert!(written.tex.contains("\\caption{Probes \\& layers}"));
    assert!(
        written
            .tex
            .contains("0 & 32.00 \\ensuremath{\\pm} 1.41 (n=2) & 30.5 \\ensuremath{\\pm} 0.7 (n=2) & -- & "),
        "{}",
        written.tex
    );
    assert!(written.tex.contains("& 96.3$^{1}$"), "{}", written.tex);
    assert!(written.tex.contains("other\\_model & not run"), "{}", written.tex);
    let mut csv = written.csv.lines();
    assert_eq!(
        csv.next().unwrap(),
        "layer,accuracy.valid,accuracy.valid.std,accuracy.valid.n,accuracy.test,accuracy.test.std,\
         accuracy.test.n,accuracy.test.published,accuracy.test.source,c,c.std,c.n,pooling"
    );
    assert!(csv.next().unwrap().starts_with("0,0.32,0.0141421356237"));
    assert_eq!(csv.nth(1).unwrap(), "10,0.41,,1,0.4,,1,,,0.01,,1,mean");
}

#[test]
fn the_order_of_inputs_is_irrelevant() {
    let mut artifacts = layers();
    let first = report(&artifacts, &columns()).unwrap();
    artifacts.reverse();
    assert_eq!(report(&artifacts, &columns()).unwrap(), first);
    artifacts.swap(0, 3);
    assert_eq!(report(&artifacts, &columns()).unwrap(), first);
}

#[test]
fn holes_are_shown_and_counted_by_the_step_that_left_them() {
    let mut artifacts = layers();
    artifacts[1].1.values.remove("accuracy.test");
    artifacts
        .push((json!({"layer": 0, "step": "pretrain"}), MetricValues::default().with("loss.valid", 3.5)));
    let params = json!({"rows": ["layer"], "columns": [
        {"title": "Test", "metric": "accuracy.test", "percent": true}, {"metric": "loss.valid"}]});
    let written = report(&artifacts, &params).unwrap();
    assert!(written.md.contains("| 0 | 30.00 (n=1 of 2) | 3.5 |"), "{}", written.md);
    assert!(written.md.contains("| 10 | 40.00 (n=1) | – |"), "{}", written.md);
}

#[test]
fn columns_can_be_cut_along_an_axis() {
    let mut artifacts = Vec::new();
    for (i, objective) in ["ar", "bert"].into_iter().enumerate() {
        let metrics = MetricValues::default().with("accuracy", 0.5 + i as f64 / 8.0);
        artifacts.push((json!({"model": "s", "objective": objective}), metrics));
    }
    let column = |which| json!({"title": which, "metric": "accuracy", "where": {"objective": which}});
    let params = json!({"rows": ["model"], "columns": [column("ar"), column("bert"), column("mae")]});
    let written = report(&artifacts, &params).unwrap();
    assert!(written.md.contains("| s | 0.5 | 0.625 | not run |"), "{}", written.md);
    assert!(written.csv.starts_with("model,accuracy[objective=ar],"), "{}", written.csv);
}

#[test]
fn a_value_that_is_not_a_number_is_shown_never_wins_and_comes_last() {
    let mut artifacts = layers();
    artifacts[4].1.values.insert("accuracy.valid".into(), f64::NAN);
    let mut params = columns();
    params["sort"] = json!({"by": "Valid (%)", "descending": true});
    let written = report(&artifacts, &params).unwrap();
    assert!(written.md.contains("| 10 | NaN (n=1) |"), "{}", written.md);
    assert!(written.md.contains("Best layer by Valid (%): 2 (46.00)."));
    let rows: Vec<&str> = written
        .md
        .lines()
        .filter(|l| l.starts_with("| "))
        .skip(2)
        .map(|l| l.split(' ').nth(1).unwrap())
        .collect();
    assert_eq!(rows, ["**2**", "0", "10", "other\\_model"]);
    assert!(written.csv.contains("10,NaN,"), "{}", written.csv);
}

#[test]
fn one_winner_for_each_model() {
    let mut artifacts = Vec::new();
    for (model, layer, accuracy) in [("s", 1, 0.1), ("s", 2, 0.2), ("m", 1, 0.4), ("m", 2, 0.3)] {
        artifacts.push((
            json!({"model": model, "layer": layer}),
            MetricValues::default().with("accuracy", accuracy),
        ));
    }
    let params = json!({"rows": ["model", "layer"], "columns": [{"metric": "accuracy"}],
        "best": {"metric": "accuracy", "within": ["model"]}});
    let written = report(&artifacts, &params).unwrap();
    assert!(
        written
            .md
            .contains("| **m** | **1** | **0.4** |\n| m | 2 | 0.3 |\n| s | 1 | 0.1 |\n| **s** | **2** |")
    );
    assert!(written.md.contains("Best model, layer by accuracy: m, 1 (0.4)."), "{}", written.md);
    assert!(written.svg.contains("model") && written.svg.matches("stroke-width=\"2\"").count() == 4);
}

#[test]
fn the_figure_shows_what_it_was_asked_for() {
    let mut params = columns();
    params["figure"] = json!({"x": "layer", "y": "accuracy.test", "series": "pooling", "percent": true,
        "title": "Accuracy <by> layer", "references": [{"label": "raw pixels", "value": 37.8}]});
    let written = report(&layers(), &params).unwrap();
    assert!(written.svg.contains("Accuracy &lt;by&gt; layer"));
    assert!(written.svg.contains(">accuracy.test (%)</text>") && written.svg.contains(">raw pixels</text>"));
    // Three points, one of them alone and so without a bar of deviation; one marker in the legend.
    assert_eq!(written.svg.matches("<circle").count(), 4);
    assert_eq!(written.svg.matches("stroke-width=\"1.2\"").count(), 2);
}

#[test]
fn bad_requests_are_named_with_what_there_is() {
    let error = |params: Value| report(&layers(), &params).unwrap_err().to_string();
    let typo = error(json!({"rows": ["layer"], "columns": [{"metric": "acuracy.test"}]}));
    assert!(
        typo.contains("`acuracy.test`; did you mean `accuracy.test`?") && typo.contains("`pooling`"),
        "{typo}"
    );
    assert!(error(json!({"rows": ["layr"], "columns": [{"metric": "c"}]})).contains("did you mean `layer`?"));
    assert!(error(json!({"rows": ["layer"], "columns": []})).starts_with("columns: "));
    assert!(error(json!({"rows": ["layer"], "columns": [{"metric": "c"}], "colour": 1})).contains("colour"));
    let mut unknown = columns();
    unknown["published"][0]["column"] = json!("Test");
    assert!(error(unknown).contains("did you mean `Test (%)`?"));
    let nothing = report(&[], &columns()).unwrap_err().to_string();
    assert!(nothing.contains("nothing to report"), "{nothing}");
}

#[test]
fn an_artifact_without_a_layer_keeps_its_row() {
    let artifacts = [
        (json!({"step": "probe", "layer": 3}), MetricValues::default().with("accuracy", 0.5)),
        (json!({"step": "finetune"}), MetricValues::default().with("accuracy", 0.75)),
    ];
    let params = json!({"rows": ["step", "layer"], "columns": [{"metric": "accuracy"}]});
    let written = report(&artifacts, &params).unwrap();
    assert!(written.md.contains("| finetune | – | 0.75 |\n| probe | 3 | 0.5 |"), "{}", written.md);
    assert!(written.md.contains("| :--- | ---: | ---: |"), "{}", written.md);
    assert!(written.csv.contains("finetune,,0.75,,1\nprobe,3,0.5,,1\n"), "{}", written.csv);
}

#[test]
fn a_published_row_leaves_layers_numbers() {
    let mut params = columns();
    params["sort"] = json!({"by": "layer"});
    let written = report(&layers(), &params).unwrap();
    let rows: Vec<&str> = written.csv.lines().skip(1).map(|l| l.split(',').next().unwrap()).collect();
    assert_eq!(rows, ["0", "2", "10", "other_model"]);
    assert!(written.md.contains("| ---: | ---: | ---: | ---: | ---: | :--- |"), "{}", written.md);
}

#[test]
fn labels_are_shown_by_their_values_and_conditions_may_be_numbers() {
    let params = json!({"rows": ["layer"], "columns": [{"metric": "seed"},
        {"metric": "c", "where": {"seed": 2}}, {"metric": "converged", "where": {"seed": "2"}}]});
    let written = report(&layers(), &params).unwrap();
    assert!(written.md.contains("| 0 | 1, 2 | 0.01 | 1 |"), "{}", written.md);
    assert!(written.md.contains("| 10 | 1 | not run | not run |"), "{}", written.md);
    let list = json!({"rows": ["layer"], "columns": [{"metric": "c", "where": {"seed": [2]}}]});
    let error = report(&layers(), &list).unwrap_err().to_string();
    assert!(error.contains("expected a text, a number, true or false; found `[2]`"), "{error}");
}

#[test]
fn holes_are_told_from_other_steps_without_names_of_wires() {
    let metrics = |names: &[&str]| names.iter().fold(MetricValues::default(), |m, name| m.with(*name, 0.5));
    let artifacts = [
        (json!({"model": "s", "layer": 0}), metrics(&["accuracy", "c"])),
        (json!({"model": "s", "layer": 1}), metrics(&["c"])),
        (json!({"model": "s"}), metrics(&["loss"])),
    ];
    let params = json!({"rows": ["model"], "columns": [{"metric": "accuracy"}, {"metric": "loss"}]});
    let written = report(&artifacts, &params).unwrap();
    assert!(written.md.contains("| s | 0.5 (n=1 of 2) | 0.5 |"), "{}", written.md);
    let step = json!({"rows": ["step"], "columns": [{"metric": "c"}]});
    let error = report(&artifacts, &step).unwrap_err();
    assert!(format!("{error:?}").contains("probe: probe.*"), "{error:?}");
}

#[test]
fn names_that_clash_in_the_csv_file_are_refused_at_once() {
    let error = |columns: Value| {
        let params = json!({"rows": ["layer"], "columns": columns});
        DynStage::complete(&Report, &params).unwrap_err().to_string()
    };
    let layer = error(json!([{"metric": "layer", "title": "Layer"}]));
    assert!(layer.contains("two columns `layer`"), "{layer}");
    let count = error(json!([{"metric": "accuracy.test"}, {"metric": "accuracy.test.n"}]));
    assert!(count.contains("two columns `accuracy.test.n`"), "{count}");
}

#[test]
fn a_table_of_facts_has_an_empty_figure() {
    let params = json!({"rows": ["layer"], "columns": [{"metric": "pooling"}]});
    let written = report(&layers(), &params).unwrap();
    assert!(written.svg.contains(">no numbers to show</text>"), "{}", written.svg);
    assert!(written.notes.contains("the figure is empty"), "{}", written.notes);
}

#[test]
fn texts_that_look_like_numbers_keep_rows_of_their_own() {
    let artifact = |name: &str, x| (json!({"name": name}), MetricValues::default().with("accuracy", x));
    let artifacts = [artifact("1", 0.1), artifact("1.0", 0.2), artifact("nan", 0.3), artifact("inf", 0.4)];
    let params = json!({"rows": ["name"], "columns": [{"metric": "accuracy"}]});
    let written = report(&artifacts, &params).unwrap();
    assert!(
        written.md.contains("| 1 | 0.1 |\n| 1.0 | 0.2 |\n| inf | 0.4 |\n| nan | 0.3 |"),
        "{}",
        written.md
    );
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
    for name in ["step probe", "step raw pixels (layer 0)", "step fine-tuned", "step diverged (not finite)"] {
        assert!(written.svg.contains(&format!(">{name}</text>")), "{name}: {}", written.svg);
    }
    // Two levels; those and the one that is not finite have a sample in the legend.
    assert_eq!(written.svg.matches("stroke-dasharray=\"9 5\"").count(), 5);
    assert!(
        written.notes.contains("1 artifacts with `accuracy.test`: they have no `step`"),
        "{}",
        written.notes
    );
    assert!(written.notes.contains("1 of 6 means: they are not finite"), "{}", written.notes);
}
