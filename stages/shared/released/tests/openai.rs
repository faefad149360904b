//! OpenAI's names: our own network under them, in every kind of file, computes the same.

mod support;

use std::io::Write as _;
use std::path::Path;

use igpt_fixtures::fixtures;
use igpt_model::{Input, NamedTensor, Objective, named_parameters, write_tensors};
use igpt_released::{ReadOptions, read};
use support::{
    Reference, VOCAB, artifact, network, npy, palette, params, read_folder, refusal, write_palette,
};

const C: usize = 24;
const HEADS: usize = 2;

/// The network's tensors by OpenAI's names, with what a checkpoint of a training also holds.
fn theirs() -> Vec<NamedTensor> {
    let (gpt, _) = network(&params());
    let mut theirs = Vec::new();
    let mut put = |name: String, shape: &[usize], values: Vec<f32>| {
        theirs.push(NamedTensor { name: format!("model/{name}"), shape: shape.to_vec(), values });
    };
    for NamedTensor { name, shape, values } in named_parameters(&gpt) {
        let split = [HEADS, C / HEADS, C];
        let parts: Vec<&str> = name.split('.').collect();
        match parts[..] {
            ["head", "weight"] => put("wtet".into(), &shape, values),
            ["ln_f", "weight"] => put("ln_f/g".into(), &shape, values),
            ["h", l, norm, "weight"] => put(format!("h{l}/{norm}/g"), &shape, values),
            ["h", l, "attn", "qkv", "weight"] => {
                for (i, part) in ["q_proj", "k_proj", "v_proj"].into_iter().enumerate() {
                    // Theirs map the last dimension to the first.
                    let turned = (0..C).flat_map(|output| (0..C).map(move |input| (input, output)));
                    let turned = turned.map(|(input, output)| values[input * 3 * C + i * C + output]);
                    put(format!("h{l}/attn/{part}"), &split, turned.collect());
                }
            }
            ["h", l, "attn", "proj", "weight"] => put(format!("h{l}/attn/c_proj"), &split, values),
            ["h", l, "mlp", map, "weight"] => {
                let map = if map == "fc" { "c_fc" } else { "c_proj" };
                put(format!("h{l}/mlp/{map}/w"), &shape, values);
            }
            _ => put(name, &shape, values),
        }
    }
    put("wte/Adam_1".into(), &[1], vec![0.0]);
    theirs.push(NamedTensor { name: "global_step".to_owned(), shape: vec![], values: vec![1e6] });
    theirs
}

fn archive(path: &Path, method: zip::CompressionMethod, tensors: &[NamedTensor]) {
    let mut archive = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for NamedTensor { name, shape, values } in tensors {
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(&npy(shape, values)).unwrap();
    }
    // A counter of integers, as a checkpoint has it.
    archive.start_file("step.npy", options).unwrap();
    let counter = String::from_utf8_lossy(&npy(&[], &[0.0])).replace("<f4", "<i4");
    archive.write_all(&[b"\x93".as_slice(), &counter.as_bytes()[3..]].concat()).unwrap();
    archive.finish().unwrap();
}

#[test]
fn every_kind_of_file_makes_the_same_network() {
    let (gpt, _) = network(&params());
    let expected = &artifact(&gpt, &network(&params()).1)["model.safetensors"];
    let check = |what: &str, make: &dyn Fn(&Path)| {
        let dir = tempfile::tempdir().unwrap();
        write_palette(dir.path(), VOCAB);
        make(dir.path());
        let released = read_folder(dir.path()).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(released.gpt.config().n_head, HEADS);
        assert_eq!((released.card.objective, released.card.height), (Objective::Autoregressive, 4));
        assert_eq!(released.palette, palette(VOCAB));
        assert!(&artifact(&released.gpt, &released.card)["model.safetensors"] == expected, "{what}");
    };
    check("safetensors", &|dir| write_tensors(&dir.join("weights.safetensors"), &theirs(), None).unwrap());
    check("npz", &|dir| archive(&dir.join("m.npz"), zip::CompressionMethod::Stored, &theirs()));
    check("compressed npz", &|dir| archive(&dir.join("m.npz"), zip::CompressionMethod::Deflated, &theirs()));
    check("npy", &|dir| {
        for NamedTensor { name, shape, values } in theirs() {
            let path = dir.join(format!("{name}.npy"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, npy(&shape, &values)).unwrap();
        }
    });
}

/// Weights in the shapes of OpenAI's variables, and what their network computes from them.
#[test]
fn the_reference_network_has_the_reference_outputs() {
    for folder in fixtures("openai_tiny") {
        let summary = std::fs::read(folder.join("summary.json")).unwrap();
        let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
        let size = |key: &str| summary["config"][key].as_u64().unwrap() as usize;
        let dir = tempfile::tempdir().unwrap();
        std::fs::copy(folder.join("model.npz"), dir.path().join("model.npz")).unwrap();
        write_palette(dir.path(), size("vocab"));
        let released = read_folder(dir.path()).unwrap();
        let config = released.gpt.config();
        assert_eq!((config.n_layer, config.n_head), (size("n_layer"), size("heads")));
        assert_eq!(released.card.class_head.as_ref().unwrap().classes, size("classes"));
        let reference = Reference::read(&folder);
        reference.check_layers(&released.gpt);
        let classes = released.gpt.class_logits(reference.tokens.clone(), &Input::Autoregressive, None);
        reference.check("clf_logits_sos_shifted_input", classes);
    }
}

/// A folder with these tensors and a palette.
fn folder(tensors: &[NamedTensor]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_palette(dir.path(), VOCAB);
    write_tensors(&dir.path().join("weights.safetensors"), tensors, None).unwrap();
    dir
}

#[test]
fn heads_that_no_shape_tells_are_asked_for() {
    let mut tensors = theirs();
    for tensor in &mut tensors {
        if tensor.shape.len() == 3 {
            tensor.shape = vec![C, C];
        }
    }
    let dir = folder(&tensors);
    let error = refusal(dir.path());
    assert!(error.contains("set `heads`: 8 for iGPT-S"), "{error}");
    let released = read(dir.path(), ReadOptions { heads: Some(HEADS), ..ReadOptions::default() }).unwrap();
    assert_eq!(released.gpt.config().n_head, HEADS);
}

#[test]
fn without_a_start_vector_it_is_a_bert_network() {
    let mut tensors = theirs();
    tensors.retain(|tensor| tensor.name != "model/sos");
    assert_eq!(read_folder(folder(&tensors).path()).unwrap().card.objective, Objective::Bert);
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let mut tensors = theirs();
    tensors.retain(|tensor| tensor.name != "model/h1/attn/k_proj");
    let fc = tensors.iter_mut().find(|tensor| tensor.name == "model/h0/mlp/c_fc/w").unwrap();
    fc.shape.reverse();
    let error = refusal(folder(&tensors).path());
    assert!(error.contains("1 missing (`h1/attn/k_proj` [24, 24])"), "{error}");
    assert!(error.contains("`h0/mlp/c_fc/w`: expected [24, 96], found [96, 24]"), "{error}");
    let other = NamedTensor { name: "x".to_owned(), shape: vec![1], values: vec![0.0] };
    assert!(refusal(folder(&[other]).path()).contains("OpenAI's names"));
}
