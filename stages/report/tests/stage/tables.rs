//! The stage from end to end: from metrics artifacts to a table.

use igpt_contract::{DynStage, MetricValues};
use igpt_report::Report;
use serde_json::{Value, json};

use crate::support::{Artifact, artifact, columns, layers, report, says};

#[test]
fn fits_that_have_not_converged_are_named_below_the_table() {
    let artifact = |layer: usize, seed: u64, last: f64, search: f64| {
        let labels = json!({"layer": layer, "seed": seed});
        let metrics = MetricValues::default()
            .with("accuracy.test", 0.5)
            .with("converged", last)
            .with("converged.search", search);
        (labels, metrics)
    };
    let params = json!({"rows": ["layer"], "columns": [{"title": "Test", "metric": "accuracy.test"}]});
    let all = [
        artifact(0, 0, 1.0, 1.0),
        artifact(1, 0, 0.0, 1.0),
        artifact(1, 1, 1.0, 1.0),
        artifact(2, 0, 1.0, 0.0),
    ];
    let written = report(&all, &params).unwrap();
    assert!(written.md.contains("Not converged: 1 (1 of 2); 2."), "{}", written.md);
    let written = report(&all[..1], &params).unwrap();
    assert!(!written.md.contains("onverged"), "{}", written.md);
}

#[test]
fn the_table_is_the_golden_one_in_all_three_forms() {
    let written = report(&layers(), &columns()).unwrap();
    assert_eq!(
        written.md,
        "**Probes \\& layers**\n\n\
         | layer | Valid (%) | Test (%) | Test (%), published | C | Pooling |\n\
         | ---: | ---: | ---: | ---: | ---: | :--- |\n\
         | 0 | 32.0 ± 1.4 (n=2) | 30.5 ± 0.7 (n=2) | – | 0.01 ± 0 (n=2) | mean |\n\
         | 2 | **46.0** ± 1.4 (n=2) | **45.0** ± 1.4 (n=2) | 96.3 <sup>1</sup> | 0.01 ± 0 (n=2) | mean |\n\
         | 10 | 41.00 (n=1) | 40.0 (n=1) | – | 0.01 (n=1) | mean |\n\
         | other\\_model | not run | not run | 95.0 <sup>1</sup> | not run | not run |\n\n\
         Best layer by Valid (%): 2 (46.00).\n\n\
         Mean ± sample standard deviation over seed (n: how many).\n\n\
         <sup>1</sup> Chen et al. 2020, table 2\n"
    );
    assert!(written.tex.contains("\\caption{Probes \\& layers}"));
    assert!(
        written.tex.contains("\\textbf{46.0} \\ensuremath{\\pm} 1.4\\\\(n=2)\\end{tabular} & "),
        "{}",
        written.tex
    );
    assert!(written.tex.contains("& 96&.3$^{1}$"), "{}", written.tex);
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
    // But for the places of the inputs, which the engine puts in the order of the key.
    let written = |artifacts: &[Artifact]| {
        let mut written = report(artifacts, &columns()).unwrap();
        written.cells = Value::Null;
        written
    };
    let first = written(&artifacts);
    artifacts.reverse();
    assert_eq!(written(&artifacts), first);
    artifacts.swap(0, 3);
    assert_eq!(written(&artifacts), first);
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
fn a_column_for_some_of_the_rows_is_no_hole_in_the_others() {
    let metrics = |votes: bool| {
        let metrics = MetricValues::default().with("accuracy", 0.5);
        if votes { metrics.with("votes", 0.625) } else { metrics }
    };
    let labels = |objective, seed| json!({"objective": objective, "seed": seed, "step": "probe"});
    let artifacts = [
        (labels("ar", 1), metrics(false)),
        (labels("bert", 1), metrics(true)),
        (labels("bert", 2), metrics(false)),
    ];
    let mut params = json!({"rows": ["objective"], "columns": [{"metric": "votes"}]});
    let everywhere = report(&artifacts, &params).unwrap().md;
    assert!(everywhere.contains("| ar | not run |"), "{everywhere}");
    params["columns"][0]["where"] = json!({"objective": "bert"});
    let bert = report(&artifacts, &params).unwrap().md;
    assert!(bert.contains("| ar | – |") && bert.contains("| bert | 0.625 (n=1 of 2) |"), "{bert}");
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
    assert_eq!(rows, ["2", "0", "10", "other\\_model"]);
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
        written.md.contains("| m | 1 | **0.4** |\n| m | 2 | 0.3 |\n| s | 1 | 0.1 |\n| s | 2 | **0.2** |")
    );
    assert!(written.md.contains("Best model, layer by accuracy: m, 1 (0.4); s, 2 (0.2)."), "{}", written.md);
    assert!(says(&written.svg, "m") && says(&written.svg, "s"));
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
    assert!(nothing.contains("at least one input at the port `metrics`"), "{nothing}");
}

#[test]
fn an_artifact_without_a_layer_keeps_its_row() {
    let artifacts = [
        (json!({"step": "probe", "layer": 3}), MetricValues::default().with("accuracy", 0.5)),
        (json!({"step": "finetune"}), MetricValues::default().with("accuracy", 0.75)),
    ];
    let params = json!({"rows": ["step", "layer"], "columns": [{"metric": "accuracy"}]});
    let written = report(&artifacts, &params).unwrap();
    assert!(written.md.contains("| finetune | – | **0.75** |\n| probe | 3 | 0.5 |"), "{}", written.md);
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
    assert!(error.contains("expected a string, a number, true or false; found `[2]`"), "{error}");
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
fn texts_that_look_like_numbers_keep_rows_of_their_own() {
    let artifact = |name: &str, x| (json!({"name": name}), MetricValues::default().with("accuracy", x));
    let artifacts = [artifact("1", 0.1), artifact("1.0", 0.2), artifact("nan", 0.3), artifact("inf", 0.4)];
    let params = json!({"rows": ["name"], "columns": [{"metric": "accuracy"}]});
    let written = report(&artifacts, &params).unwrap();
    assert!(
        written.md.contains("| 1 | 0.1 |\n| 1.0 | 0.2 |\n| inf | **0.4** |\n| nan | 0.3 |"),
        "{}",
        written.md
    );
}

#[test]
fn the_best_layer_by_validation_is_picked_before_anything_else() {
    let params = json!({"rows": ["step"], "pick": {"metric": "accuracy.valid", "over": ["layer"]},
        "columns": [{"metric": "layer"}, {"metric": "accuracy.test", "percent": true}]});
    let written = report(&layers(), &params).unwrap();
    assert!(written.md.contains("| probe | 2 | 45.0 ± 1.4 |"), "{}", written.md);
    assert!(written.md.contains("Only the layer with the highest accuracy.valid of each."), "{}", written.md);
    assert!(written.md.contains("deviation over seed (n = 2)."), "{}", written.md);
    assert!(written.notes.contains("picked 2 of 5 artifacts"), "{}", written.notes);
}

/// Table 4 of the paper in small: errors by the number of labels, over subsets, beside what others
/// published.
pub(crate) fn errors() -> (Vec<Artifact>, Value) {
    let of = |labels: u32, subset: u32, accuracy: f64| {
        artifact(
            json!({"method": "ours", "labels": labels, "subset": subset}),
            &[("accuracy.test", accuracy)],
        )
    };
    let artifacts = vec![of(40, 0, 0.5), of(40, 1, 0.6), of(250, 0, 0.75)];
    let column = |labels: u32| {
        json!({"title": format!("{labels} labels"), "metric": "accuracy.test", "percent": true, "digits": 1,
            "complement": true, "where": {"labels": labels}})
    };
    let published = |row: &str, labels: u32, value: f64, std: f64| {
        json!({"row": row, "column": format!("{labels} labels"), "value": value, "std": std,
            "source": "Chen et al. 2020, Table 4"})
    };
    let params = json!({
        "title": "Low-data CIFAR-10, test error (%)", "rows": ["method"], "columns": [column(40), column(250)],
        "published": [published("iGPT-L", 40, 26.8, 1.5), published("MixMatch", 250, 11.0, 0.9)],
        "expected": ["iGPT-L", "ours, 10 times longer"], "others": "dash",
        "sort": {"order": ["MixMatch", "iGPT-L", "ours"]}
    });
    (artifacts, params)
}

#[test]
fn errors_stand_beside_published_ones_with_holes_in_a_declared_order() {
    let (artifacts, params) = errors();
    let written = report(&artifacts, &params).unwrap();
    assert_eq!(
        written.md,
        "**Low-data CIFAR-10, test error (%)**\n\n\
         | method | 40 labels (%) | 40 labels, published | 250 labels (%) |\n\
         | :--- | ---: | ---: | ---: |\n\
         | MixMatch | – | – | **11.0** ± 0.9 <sup>1</sup> |\n\
         | iGPT-L | not run | 26.8 ± 1.5 <sup>1</sup> | not run |\n\
         | ours | 45.0 ± 7.1 (n=2) | – | 25.0 |\n\
         | ours, 10 times longer | not run | – | not run |\n\n\
         Mean ± sample standard deviation over subset (n: how many).\n\n\
         Numbers with a raised mark are published ones.\n\n\
         <sup>1</sup> Chen et al. 2020, Table 4\n"
    );
    let mut csv = written.csv.lines();
    let forty = "1-accuracy.test[labels=40]";
    let head = csv.next().unwrap();
    assert!(head.starts_with(&format!("method,{forty},{forty}.std,{forty}.n,{forty}.published,")), "{head}");
    assert!(head.contains(&format!("{forty}.published.std,{forty}.source")), "{head}");
    assert_eq!(csv.next().unwrap(), "MixMatch,,,0,,,,,,0,11.0,0.9,\"Chen et al. 2020, Table 4\"");
    assert!(csv.nth(1).unwrap().starts_with("ours,0.4499999999"), "{}", written.csv);
    let mut twice = params.clone();
    twice["sort"] = json!({"order": ["ours", "ours"]});
    assert!(report(&artifacts, &twice).unwrap_err().to_string().contains("`ours` is given twice in `order`"));
}

#[test]
fn standard_errors_are_those_of_runs_or_of_test_images() {
    let mut artifacts = layers();
    for (_, metrics) in &mut artifacts {
        metrics.values.insert("rows.test".into(), 10_000.0);
    }
    artifacts.push(artifact(json!({"layer": 11}), &[("accuracy.test", 0.5), ("images.test", 100.0)]));
    artifacts.push(artifact(json!({"layer": 12}), &[("accuracy.test", 0.5)]));
    let column = json!({"metric": "accuracy.test", "percent": true, "error": "se"});
    let written = report(&artifacts, &json!({"rows": ["layer"], "columns": [column]})).unwrap();
    // Two runs: 1.414 / sqrt(2). One run of 40 % of 10,000 images: sqrt(0.4 * 0.6 / 10000).
    assert!(written.md.contains("| 2 | 45.0 ± 1.0 (n=2) |"), "{}", written.md);
    assert!(written.md.contains("| 10 | 40.00 ± 0.49 (n=1) |"), "{}", written.md);
    assert!(written.md.contains("| 11 | **50.0** ± 5.0 (n=1) |"), "{}", written.md);
    assert!(written.md.contains("| 12 | **50.00** (n=1) |"), "{}", written.md);
    assert!(written.md.contains("Mean ± standard error over seed"), "{}", written.md);
    assert!(written.md.contains("of a single run √(p(1 − p)/N)"), "{}", written.md);
    assert!(
        written.csv.starts_with("layer,accuracy.test,accuracy.test.std,accuracy.test.n,accuracy.test.se\n")
    );
    assert!(written.csv.contains("10,0.4,,1,0.00489897948"), "{}", written.csv);
    let loss = json!({"rows": ["layer"], "columns": [{"metric": "loss.test", "error": "se"}]});
    let error = report(&artifacts, &loss).unwrap_err().to_string();
    assert!(error.contains("`loss.test`: `error: se` needs a share of a number of images"), "{error}");
}
