//! The binary with networks that come and go: what is published is imported to the byte, and drawn
//! from alike.

use std::fs;

use crate::support::Project;

const PIPELINE: &str = r#"
name: released
seed: 3
stages:
  images: {uses: download, with: {source: shapes, train: 60, test: 8}}
  small: {uses: augment, in: {images: images.images}, with: {side: 8}}
  palette: {uses: palette, in: {images: small.images}, with: {colours: 16}}
  tokens: {uses: tokenize, in: {images: small.images, palette: palette.palette}}
  pretrain: {uses: pretrain, in: {tokens: tokens.tokens}, with: {model: {preset: tiny, biases: true}, steps: 6, batch: 8}}
  published: {uses: publish, in: {model: pretrain.model, palette: palette.palette}}
  released: {uses: import, in: {from: published.folder}}
  own: {uses: sample, in: {model: pretrain.model, palette: palette.palette, tokens: tokens.tokens}, with: {rows: 3, columns: 3}}
  theirs: {uses: sample, in: {model: released.model, palette: released.palette, tokens: tokens.tokens}, with: {rows: 3, columns: 3}}
  features: {uses: features, in: {model: released.model, tokens: tokens.tokens}}
export:
  pretrain.model: out/model
  palette.palette: out/palette
  released.model: out/back
  released.palette: out/back-palette
  own.samples: out/own
  own.grid: out/own-grid
  theirs.samples: out/theirs
  theirs.grid: out/theirs-grid
"#;

#[track_caller]
fn run(jobs: &str) -> Project {
    let project = Project::new(PIPELINE);
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "--jobs", jobs]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    project
}

#[test]
fn what_is_published_comes_back_to_the_byte_and_draws_the_same() {
    let (one, two) = (run("1"), run("2"));
    let bytes = |project: &Project, file: &str| fs::read(project.path("out").join(file)).unwrap();
    for (ours, theirs) in [
        ("model/model.safetensors", "back/model.safetensors"),
        ("model/config.json", "back/config.json"),
        ("palette/palette.npy", "back-palette/palette.npy"),
        ("palette/palette.png", "back-palette/palette.png"),
        ("own/tokens-00000.parquet", "theirs/tokens-00000.parquet"),
        ("own-grid/grid.png", "theirs-grid/grid.png"),
    ] {
        assert_eq!(bytes(&one, ours), bytes(&one, theirs), "{ours}");
        assert_eq!(bytes(&one, theirs), bytes(&two, theirs), "{theirs} on two threads");
    }
}
