//! A published classifier answers in transformers as it does here.
//!
//! `IGPT_FLOW_PYTHON` names a Python with torch, transformers and pyarrow; without it the network is
//! published all the same, and the comparison says that it was skipped.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use crate::support::Project;

const PYTHON: &str = "IGPT_FLOW_PYTHON";

#[test]
fn a_published_classifier_answers_in_transformers_as_here() {
    let project = Project::new(
        r#"
vars: {model: {preset: tiny, variant: released, n_layer: 2, n_embd: 32, n_head: 2}}
stages:
  images: {uses: download, with: {source: shapes, train: 200, test: 40}}
  small: {uses: augment, in: {images: images.images}, with: {side: 8}}
  palette: {uses: palette, in: {images: small.images}, with: {colours: 16}}
  tokens: {uses: tokenize, in: {images: small.images, palette: palette.palette}}
  pretrain: {uses: pretrain, in: {tokens: tokens.tokens}, with: {model: "${vars.model}", steps: 10, batch: 16}}
  tuned: {uses: finetune, in: {tokens: tokens.tokens, model: pretrain.model}, with: {steps: 10, batch: 16, learning_rates: [0.001]}}
  published: {uses: publish, in: {model: tuned.model, palette: palette.palette}}
export: {published.folder: out/folder, tokens.tokens: out/tokens, tuned.predictions: out/predictions}
"#,
    );
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    let config = project.read("out/folder/config.json");
    assert!(config.contains("id2label"), "{config}");
    let Some(python) = std::env::var_os(PYTHON) else {
        let what = "skipped: a published classifier in transformers";
        let _ = writeln!(std::io::stderr(), "{what} (set `{PYTHON}` to a Python that has it)");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/classifier.py");
    let folders = ["out/folder", "out/tokens", "out/predictions"].map(|folder| project.path(folder));
    let compared = Command::new(python).arg(script).args(folders).output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&compared.stdout), String::from_utf8_lossy(&compared.stderr));
    assert!(compared.status.success() && said.contains("40 images"), "{said}");
}
