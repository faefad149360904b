//! The table of `pipelines/findings.yaml` in articles of one and of two columns, where there is a pdfLaTeX.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::{Artifact, findings, judged};
use igpt_testing::latex;
use serde_json::{Value, json};

#[test]
fn the_table_of_the_pipeline_compiles_in_articles_of_one_and_of_two_columns() {
    if !latex::is_installed() {
        return;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/findings.yaml");
    let pipeline: Value = serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut params = pipeline["stages"]["findings"]["with"].clone();
    params["title"] = json!("The findings");
    let claims = params["claims"].as_array().unwrap().clone();
    let artifacts: Vec<Artifact> = made_up(&claims);
    let plain = findings(&artifacts, &params).unwrap();
    assert!(claims.len() > 8 && !plain.md.contains("not run"), "{}", plain.md);
    // With a column for what was expected it is at its widest.
    for claim in params["claims"].as_array_mut().unwrap() {
        claim["expect"] = json!({"value": 46.3, "tolerance": 0.5, "source": "Chen et al. 2020, Table 9"});
    }
    let expected = findings(&artifacts, &params).unwrap();
    let tables = [("findings".to_owned(), plain.tex), ("expected".to_owned(), expected.tex)];
    for options in ["", "[twocolumn]"] {
        latex::compile(options, "\\usepackage{booktabs}\n", &tables);
    }
}

/// Metrics and predictions for every group that a claim names: two layers where it picks one, two values of what a
/// correlation or a spread goes by, and two draws.
fn made_up(claims: &[Value]) -> Vec<Artifact> {
    let mut labels: BTreeMap<String, Value> = BTreeMap::new();
    for claim in claims {
        for comparison in ["difference", "correlation", "spread"] {
            let by = match &claim[comparison]["by"] {
                Value::String(name) => vec![name.clone()],
                names => {
                    names.as_array().into_iter().flatten().map(|n| n.as_str().unwrap().to_owned()).collect()
                }
            };
            for group in groups(&claim[comparison]) {
                let mut axes = by.clone();
                if group.get("pick").is_some() || group.get("last").is_some() {
                    axes.push("layer".to_owned());
                }
                if comparison == "spread" {
                    axes.push("draw".to_owned());
                }
                for made in product(&group["where"], &axes) {
                    labels.insert(made.to_string(), made);
                }
            }
        }
    }
    let ids: Vec<u64> = (0..10_000).collect();
    let artifact = |(i, labels): (usize, Value)| {
        let right: Vec<u8> =
            ids.iter().map(|id| u8::from((id * 7 + 13 * i as u64) % 97 < 40 + i as u64)).collect();
        let x = 0.4 + 0.01 * i as f64;
        judged(labels, &ids, &right).with("accuracy.valid", x).with("loss.valid", 4.0 - x)
    };
    labels.into_values().enumerate().map(artifact).collect()
}

/// The groups of a comparison, at any depth.
fn groups(comparison: &Value) -> Vec<&Value> {
    let members = comparison.as_object().into_iter().flatten();
    let inner = members.flat_map(|(_, value)| groups(value));
    comparison.get("where").map(|_| comparison).into_iter().chain(inner).collect()
}

/// Labels with two values of each axis.
fn product(labels: &Value, axes: &[String]) -> Vec<Value> {
    axes.iter().fold(vec![labels.clone()], |all, axis| {
        let with = |labels: &Value, value: u32| {
            let mut labels = labels.clone();
            labels[axis] = json!(value);
            labels
        };
        all.iter().flat_map(|labels| [with(labels, 4), with(labels, 25)]).collect()
    })
}
