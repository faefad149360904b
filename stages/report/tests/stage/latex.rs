//! The LaTeX of every kind of table, and of the tables of all pipelines, in articles of one and of two
//! columns, where there is a pdfLaTeX.

use std::path::{Path, PathBuf};

use igpt_testing::latex;
use serde_json::{Value, json};

use crate::support::{Artifact, artifact, columns, layers, report};
use crate::tables::errors;

#[test]
fn tables_compile_in_articles_of_one_and_of_two_columns() {
    if !latex::is_installed() {
        return;
    }
    let (artifacts, errors) = errors();
    let mut se = columns();
    se["columns"][1]["error"] = json!("se");
    se["columns"][1]["better"] = json!("higher");
    se["columns"][0]["expect"] = json!({"value": 46.3, "tolerance": 0.5, "source": "Table 9"});
    se["title"] = json!("α & β_2 ≥ 5 %: {√(p(1 − p)/N)} ~ #1 ^ \\ \"quoted\" – µ × 10⁻³");
    // Names of several words and many columns: wider than the text, were they not broken.
    let mut wide = errors.clone();
    for i in 0..2 {
        let mut column = wide["columns"][i].clone();
        column["title"] = json!(format!("{} again", column["title"].as_str().unwrap()));
        column["where"]["method"] = json!("ours");
        wide["columns"].as_array_mut().unwrap().push(column);
    }
    wide["expected"] = json!(["ours, with a head at the best layer and other weights", "iGPT-L"]);
    let all: [(&str, &[Artifact], &Value); 4] = [
        ("wide", &artifacts, &wide),
        ("probes", &layers(), &columns()),
        ("errors", &artifacts, &errors),
        ("signs", &layers(), &se),
    ];
    let tables = |style: Value| {
        let table = |(name, artifacts, params): &(&str, &[Artifact], &Value)| {
            let mut params = (*params).clone();
            params["latex"] = style.clone();
            ((*name).to_owned(), report(artifacts, &params).unwrap().tex)
        };
        all.iter().map(table).collect::<Vec<_>>()
    };
    let booktabs = tables(json!({}));
    assert!(booktabs[0].1.starts_with("% Needs \\usepackage{booktabs}"), "{}", booktabs[0].1);
    for options in ["", "[twocolumn]"] {
        latex::compile(options, "\\usepackage{booktabs}\n", &booktabs);
    }
    latex::compile("", "", &tables(json!({"rules": "plain", "numbers": "right", "width": "page"})));
}

#[test]
fn the_tables_of_all_pipelines_compile_in_articles_of_one_and_of_two_columns() {
    if !latex::is_installed() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut tables = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "yaml")) {
        let pipeline: Value = serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        for (step, body) in pipeline["stages"].as_object().into_iter().flatten() {
            if body["uses"] != "report" {
                continue;
            }
            let name = format!("{}-{step}", file.file_stem().unwrap().to_string_lossy());
            let (artifacts, params) = made_up(body);
            let written = report(&artifacts, &params).unwrap_or_else(|e| panic!("{name}: {e:?}"));
            assert!(!params["title"].as_str().is_some_and(|title| title.contains("(Table")), "{name}");
            tables.push((name.replace('_', "-"), written.tex));
        }
    }
    assert!(tables.len() > 9, "{}", tables.len());
    for options in ["", "[twocolumn]"] {
        latex::compile(options, "\\usepackage{booktabs}\n", &tables);
    }
}

/// The parameters of a step without variables, and metrics as it asks for: two values of everything that
/// identifies a row, two seeds, every metric of its columns.
fn made_up(body: &Value) -> (Vec<Artifact>, Value) {
    let mut params = body["with"].clone();
    let members = params.as_object_mut().unwrap();
    members.retain(|name, _| !["sort", "figure", "best"].contains(&name.as_str()));
    params["title"] = json!(params["title"].as_str().unwrap_or_default().replace("${vars.mark}", ""));
    let wires = body["in"]["metrics"].as_array().cloned().unwrap_or_default();
    let mut steps: Vec<String> = wires
        .iter()
        .flat_map(|wire| wire.as_object().into_iter().flatten().map(|(n, _)| n.clone()))
        .collect();
    if steps.is_empty() {
        steps.push("a step with a name of several words".to_owned());
    }
    let columns = params["columns"].as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    // Every condition has an artifact that meets it.
    let mut wheres: Vec<Value> = columns.iter().map(|column| column["where"].clone()).collect();
    wheres.push(json!({}));
    let mut artifacts = Vec::new();
    for (i, only) in wheres.iter().enumerate() {
        for (step, seed) in steps.iter().flat_map(|step| [0, 1].map(|seed| (step, seed))) {
            let mut labels = json!({"step": step, "seed": seed + 2 * i});
            for name in params["rows"].as_array().unwrap().iter().map(text).filter(|name| name != "step") {
                labels[&name] = match name.as_str() {
                    "layer" => json!(12 * seed),
                    "data" => json!(["cifar10", "cifar100"][seed]),
                    "objective" => json!(["autoregressive", "bert"][seed]),
                    _ => json!(["igpt-s", "tiny"][seed]),
                };
            }
            for (name, value) in only.as_object().into_iter().flatten() {
                labels[name] = value.clone();
            }
            let names: Vec<String> = columns.iter().map(|column| text(&column["metric"])).collect();
            let mut numbers: Vec<(&str, f64)> = vec![("accuracy.valid", 0.5), ("rows.test", 10_000.0)];
            for name in names.iter().filter(|name| labels.get(name.as_str()).is_none()) {
                let x = 0.4321 + 0.01 * seed as f64 + 0.02 * i as f64;
                let large = ["features", "rows.train"].contains(&name.as_str());
                numbers.push((name, if large { 45_000.0 } else { x }));
            }
            let mut made = artifact(labels, &numbers);
            let picked = params["pick"]["over"].as_array().into_iter().flatten().map(text);
            for name in picked.collect::<Vec<_>>() {
                if made.0.get(name.as_str()).is_some() {
                    continue;
                }
                made.1.values.remove(&name);
                made.0[&name] = json!(7 * seed);
            }
            artifacts.push(made);
        }
    }
    (artifacts, params)
}
