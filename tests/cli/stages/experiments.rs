//! What the paper's experiments ask of a pipeline, from YAML to numbers: a search and the retraining
//! with its choice, mixtures, intermediate checkpoints, masks at evaluation, joined layers, the head
//! at the best layer.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::Project;

const PIPELINE: &str = r#"
name: experiments
seed: 1
vars:
  model: {preset: tiny, n_layer: 3, n_embd: 32}
stages:
  images: {uses: download, with: {source: shapes, train: 200, test: 60}}
  small: {uses: augment, in: {images: images.images}, with: {side: 8}}
  palette: {uses: palette, in: {images: small.images}, with: {colours: 16}}
  tokens: {uses: tokenize, in: {images: small.images, palette: palette.palette}}
  # Unlabelled images from a list, one of which is not there.
  web: {uses: download, in: {archive: ./list.txt}, with: {source: web, broken: 0.5}}
  web_small: {uses: augment, in: {images: web.images}, with: {side: 8, crop: centre}}
  web_tokens: {uses: tokenize, in: {images: web_small.images, palette: palette.palette}}
  search:
    uses: pretrain
    in: {tokens: [tokens.tokens, web_tokens.tokens]}
    with: {model: "${vars.model}", objective: bert, steps: 30, batch: 16}
    search: {param: learning_rate, values: [0.01, 0.0001, 0.00001], metric: metrics.loss.valid, goal: min, stop: first_worse}
  pretrain:
    uses: pretrain
    in: {tokens: [tokens.tokens, web_tokens.tokens], choice: search.choice}
    with: {model: "${vars.model}", objective: bert, steps: 30, batch: 16, validation: {fraction: 0}, keep: [5], keep_powers_from: 16}
  loss:
    uses: loss
    matrix: {checkpoint: [5, 16, 30]}
    in: {model: "pretrain.checkpoints/${matrix.checkpoint}", tokens: tokens.tokens}
    with: {batch: 16, train_rows: 20}
  loss_of_search: {uses: loss, in: {model: search.model, tokens: [tokens.tokens, web_tokens.tokens]}, with: {batch: 16}}
  features_at:
    uses: features
    matrix: {checkpoint: [5, 30]}
    in: {model: "pretrain.checkpoints/${matrix.checkpoint}", tokens: tokens.tokens}
    with: {layers: [1, 2], train_images: 100, test_images: 30}
  probe_at:
    uses: probe
    matrix: {checkpoint: [5, 30], layer: [1, 2]}
    in: {features: "features_at.layers/${matrix.layer}"}
  features: {uses: features, in: {model: pretrain.model, tokens: tokens.tokens}, with: {evaluation_masks: 3}}
  probe:
    uses: probe
    matrix: {layer: {range: [0, 3]}}
    in: {features: "features.layers/${matrix.layer}"}
  joined: {uses: concat, in: {features: features.layers, metrics: probe.*}, with: {layers: 3}}
  probe_joined: {uses: probe, in: {features: joined.features}}
  rates:
    uses: finetune
    in: {tokens: tokens.tokens, model: pretrain.model}
    with: {steps: 10, batch: 16}
    search: {param: learning_rates, values: [0.01, 0.001], metric: metrics.accuracy.valid, goal: max, stop: first_worse}
  finetune:
    uses: finetune
    in: {tokens: tokens.tokens, model: pretrain.model, probes: probe.*, choice: rates.choice}
    with: {steps: 10, batch: 16, validation: {fraction: 0}, evaluation_masks: 3, zero_head: false}
  checkpoints:
    uses: report
    in: {metrics: probe_at.*}
    with: {rows: [checkpoint, layer], columns: [{metric: rows.train}, {metric: rows.test}]}
  losses:
    uses: report
    in: {metrics: loss.*}
    with: {rows: [checkpoint], columns: [{metric: loss.valid}, {metric: bits.test}, {metric: loss.train}]}
export:
  search.choice: out/choice
  search.metrics: out/search
  loss_of_search.metrics: out/loss_of_search
  checkpoints.table: out/checkpoints
  pretrain.metrics: out/pretrain
  joined.metrics: out/joined
  probe_joined.metrics: out/probe_joined
  rates.choice: out/rates
  finetune.metrics: out/finetune
  finetune.predictions: out/predictions
  losses.table: out/losses
  palette.metrics: out/palette
  pretrain.checkpoints: out/kept
  features.layers: out/layers
  loss.metrics: "out/loss-${matrix.checkpoint}"
  probe.metrics: "out/probe-${matrix.layer}"
"#;

/// A project with a list of photos, one of which is not there.
fn project() -> Project {
    let project = Project::new(PIPELINE);
    let photo = Path::new(env!("CARGO_MANIFEST_DIR")).join("stages/download/tests/download/cmyk.jpg");
    fs::copy(&photo, project.path("here.jpg")).unwrap();
    let photo = photo.display();
    project.write("list.txt", &format!("{photo}\nhere.jpg\nmissing.png\n{photo}\n{photo}\n"));
    project
}

/// Runs the pipeline; the exit code and all that was said.
fn run(project: &Project) -> (i32, String) {
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    (ran.code, ran.out + &ran.err)
}

fn json(project: &Project, name: &str) -> Value {
    serde_json::from_str(&project.read(name)).unwrap()
}

fn metrics(project: &Project, name: &str) -> Value {
    json(project, &format!("out/{name}/metrics.json"))
}

/// The numbers of a column of an exported table.
fn column(project: &Project, table: &str, name: &str) -> Vec<f64> {
    let text = project.read(&format!("out/{table}/table.csv"));
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let at = lines.next().unwrap().into_iter().position(|column| column == name);
    let at = at.unwrap_or_else(|| panic!("no column {name}: {text}"));
    lines.map(|row| row[at].parse().unwrap()).collect()
}

#[test]
fn the_papers_procedures_run_from_yaml() {
    let project = project();
    let (code, said) = run(&project);
    assert_eq!(code, 0, "{said}");

    assert_eq!(super::foreseen::check(&project, 3), 16, "exports that were spoken of");

    // The search stops at the first worse rate; the chosen one is trained on all images.
    let choice = json(&project, "out/choice/choice.json");
    assert_eq!((&choice["param"], &choice["value"]), (&"learning_rate".into(), &0.01.into()));
    assert_eq!(choice["tried"].as_array().unwrap().len(), 2);
    let pretrain = metrics(&project, "pretrain");
    assert_eq!(pretrain["values"]["learning_rate"], 0.01);
    assert_eq!(pretrain["values"]["images.train"], 204.0, "200 shapes and the 4 images that are there");
    assert_eq!(
        (&pretrain["values"]["images.valid"], &pretrain["values"]["loss.valid"]),
        (&0.0.into(), &Value::Null)
    );
    let dataset = pretrain["facts"]["dataset"].as_str().unwrap();
    assert!(dataset.contains("shapes") && dataset.contains("web"), "{dataset}");

    // A loss for each checkpoint, by its plain number, and it falls.
    let losses = |name: &str| column(&project, "losses", name);
    assert_eq!(losses("checkpoint"), [5.0, 16.0, 30.0]);
    for name in ["loss.valid", "bits.test", "loss.train"] {
        let column = losses(name);
        assert!(column[0] > column[1] && column[1] > column[2], "{name}: {column:?}");
    }
    assert_eq!(column(&project, "checkpoints", "checkpoint"), [5.0, 5.0, 30.0, 30.0]);
    assert_eq!(column(&project, "checkpoints", "rows.train"), [100.0; 4]);
    assert_eq!(column(&project, "checkpoints", "rows.test"), [30.0; 4]);

    // Measured apart, a network has the losses that its training told, to the last bit.
    let (told, measured) = (metrics(&project, "search"), metrics(&project, "loss_of_search"));
    for name in ["loss.valid", "loss.test"] {
        assert!(told["values"][name].is_number());
        assert_eq!(told["values"][name], measured["values"][name], "{name}");
    }

    let joined = metrics(&project, "joined");
    assert_eq!(joined["facts"]["layers"].as_str().unwrap().split(", ").count(), 3);
    let probe = metrics(&project, "probe_joined");
    assert_eq!((&probe["values"]["features"], &probe["values"]["masks.test"]), (&96.0.into(), &3.0.into()));
    assert!(probe["values"]["accuracy.test.masks"].is_number());

    let finetune = metrics(&project, "finetune");
    assert_eq!(finetune["values"]["head_layer"], joined["values"]["layer.best"]);
    assert_eq!(
        (finetune["facts"]["head"].as_str(), finetune["values"]["steps"].as_f64()),
        (Some("best layer"), Some(10.0))
    );
    assert_eq!(finetune["values"]["learning_rate"], json(&project, "out/rates/choice.json")["value"]);
    assert_eq!(
        (&finetune["values"]["images.train"], &finetune["values"]["masks.test"]),
        (&200.0.into(), &3.0.into())
    );
    assert!(finetune["values"]["accuracy.test.masks"].is_number());

    let (code, said) = run(&project);
    assert!(code == 0 && said.contains("0 executed"), "{said}");

    // A choice of another stage's parameter, and two ways to choose a layer.
    project.edit("choice: rates.choice}", "choice: search.choice}");
    let (code, said) = run(&project);
    assert!(
        code == 100 && said.contains("over `learning_rate`, expected one over `learning_rates`"),
        "{said}"
    );
    project.write("pipeline.yaml", &PIPELINE.replace("zero_head: false", "head_layer: 1"));
    let (code, said) = run(&project);
    assert!(
        code == 100 && said.contains("`head_layer` is 1, but the input `probes` chooses the layer"),
        "{said}"
    );
}
