//! The binary with networks that come and go: what is published is imported to the byte, and drawn
//! from alike.
#![cfg(feature = "stages")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

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

fn igpt_flow(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_igpt-flow"));
    command.args(arguments).current_dir(folder).env_remove("IGPT_FLOW_STORE").output().unwrap()
}

#[track_caller]
fn run(arguments: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pipeline.yaml"), PIPELINE).unwrap();
    let output = igpt_flow(folder.path(), &[&["run", "pipeline.yaml"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

#[test]
fn what_is_published_comes_back_to_the_byte_and_draws_the_same() {
    let (one, two) = (run(&["--jobs", "1"]), run(&["--jobs", "2"]));
    let bytes =
        |folder: &tempfile::TempDir, file: &str| fs::read(folder.path().join("out").join(file)).unwrap();
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
