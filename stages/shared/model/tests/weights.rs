//! A network on disk: what is written is what is read, byte for byte, and what does not fit is
//! refused with every difference.

use burn::tensor::{Device, Int, Tensor};
use igpt_contract::stream;
use igpt_model::{
    Gpt, Input, ModelCard, ModelParams, NamedTensor, Objective, Preset, assign_parameters, load_model,
    named_parameters, param_count, save_model,
};

fn tiny(seed: u64, params: &ModelParams) -> (Gpt, ModelCard) {
    let config = params.config(16, 8).unwrap();
    let gpt = Gpt::init(&config, &mut stream(seed, "init"), &Device::flex());
    (gpt, ModelCard::new(&config, Objective::Autoregressive, 4, 4))
}

fn params() -> ModelParams {
    ModelParams { preset: Preset::Tiny, zero_head: false, ..ModelParams::default() }
}

#[test]
fn a_network_survives_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (gpt, card) = tiny(1, &params());
    let gpt = gpt.with_class_head(3, 2);
    save_model(dir.path(), &gpt, &ModelCard { step: 7, ..card }).unwrap();
    let (read, card) = load_model(dir.path(), &Device::flex()).unwrap();
    assert_eq!((card.step, card.height), (7, 4));
    assert_eq!(card.class_head.as_ref().map(|head| (head.classes, head.layer)), Some((3, 2)));
    assert_eq!(named_parameters(&gpt), named_parameters(&read));
    let tokens = Tensor::<2, Int>::zeros([1, 16], &Device::flex());
    let logits = |gpt: &Gpt| gpt.logits(tokens.clone(), &Input::Autoregressive, None).into_data();
    assert_eq!(logits(&gpt), logits(&read));

    let again = tempfile::tempdir().unwrap();
    save_model(again.path(), &read, &card).unwrap();
    for file in ["model.safetensors", "config.json"] {
        let bytes = |dir: &std::path::Path| std::fs::read(dir.join(file)).unwrap();
        assert_eq!(bytes(dir.path()), bytes(again.path()), "`{file}`");
    }
}

#[test]
fn equal_seeds_make_equal_networks_with_the_counted_parameters() {
    for params in [params(), ModelParams { tied: true, variant: igpt_model::Variant::Paper, ..params() }] {
        let (one, _) = tiny(1, &params);
        assert_eq!(named_parameters(&one), named_parameters(&tiny(1, &params).0));
        assert_ne!(named_parameters(&one), named_parameters(&tiny(2, &params).0));
        let counted: usize = named_parameters(&one).iter().map(|tensor| tensor.values.len()).sum();
        assert_eq!(counted as u64, param_count(one.config()));
    }
}

#[test]
fn an_untrained_network_with_a_zero_head_predicts_every_colour_alike() {
    let (gpt, _) = tiny(1, &ModelParams { zero_head: true, ..params() });
    let tokens = Tensor::<2, Int>::zeros([2, 16], &Device::flex());
    let logits = gpt.logits(tokens.clone(), &Input::Autoregressive, None);
    let nll = igpt_model::loss::token_nll(logits, tokens);
    let loss = igpt_model::loss::autoregressive(nll).into_scalar::<f32>();
    assert!((loss - 8f32.ln()).abs() < 1e-6, "{loss}");
}

#[test]
fn weights_that_do_not_fit_are_refused_with_every_difference() {
    let (gpt, _) = tiny(1, &params());
    let mut values = named_parameters(&gpt);
    values.retain(|tensor| tensor.name != "h.1.mlp.fc.weight");
    let sos = values.iter_mut().find(|tensor| tensor.name == "sos").unwrap();
    sos.shape = vec![3];
    sos.values.truncate(3);
    values.push(NamedTensor { name: "h.9.extra".to_owned(), shape: vec![1], values: vec![0.0] });
    let error = assign_parameters(gpt, values).unwrap_err().to_string();
    for part in [
        "missing    `h.1.mlp.fc.weight` [64, 256]",
        "`sos`: expected [64], found [3]",
        "unexpected `h.9.extra`",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn damaged_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (gpt, card) = tiny(1, &params());
    save_model(dir.path(), &gpt, &card).unwrap();
    let weights = dir.path().join("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    let error = load_model(dir.path(), &Device::flex()).unwrap_err().to_string();
    assert!(error.contains("model.safetensors") && error.contains("not a safetensors file"), "{error}");

    let path = dir.path().join("config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"n_layer\": 4", "\"n_layer\": 3")).unwrap();
    let error = load_model(dir.path(), &Device::flex()).unwrap_err().to_string();
    assert!(error.contains("not the digest of `config`"), "{error}");

    std::fs::remove_file(&path).unwrap();
    let error = load_model(dir.path(), &Device::flex()).unwrap_err().to_string();
    assert!(error.contains("config.json"), "{error}");
}
