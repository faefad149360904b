//! The stage from artifacts to a folder.

use burn::tensor::Device;
use igpt_contract::stream;
use igpt_dataset::PaletteTable;
use igpt_model::{Gpt, ModelCard, ModelParams, Objective, Preset, save_model};
use igpt_publish::Publish;
use igpt_testing::Trial;
use serde_json::json;

#[test]
fn the_contract_is_kept() {
    let palette = PaletteTable { colours: (0..8).map(|i| [i as f32 / 8.0; 3]).collect() };
    let params = ModelParams { preset: Preset::Tiny, ..ModelParams::default() };
    let config = params.config(16, 8).unwrap();
    let gpt = Gpt::init(&config, &mut stream(1, "init"), &Device::flex());
    let card = ModelCard {
        palette: Some(palette.digest()),
        ..ModelCard::new(&config, Objective::Autoregressive, 4, 4)
    };
    let mut trial = Trial::new(Publish);
    save_model(&trial.input("model"), &gpt, &card).unwrap();
    palette.write(&trial.input("palette")).unwrap();
    let files = trial.check(&json!({})).files();
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["folder/config.json", "folder/model.safetensors", "folder/preprocessor_config.json"]);
}
