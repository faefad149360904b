//! What parameter docs cite of the paper: sections and tables that exist, and are about the parameter.

use std::collections::BTreeSet;

use igpt_flow::registry;
use serde_json::Value;

/// The paper's sections, tables and figures, and what they are about.
const PAPER: [(&str, &str); 23] = [
    ("section 2.1", "pre-training"),
    ("section 2.2", "architecture"),
    ("section 2.3", "fine-tuning: L_GEN + L_CLF"),
    ("section 2.4", "linear probing: f^l"),
    ("section 3.1", "data sets and augmentation"),
    ("section 3.2", "context reduction and palette"),
    ("section 3.3", "model sizes, initialisation, zero heads"),
    ("section 3.4", "training: batch, iterations, Adam, learning rates tried, schedules, optimisers"),
    ("section 4.1", "the best layer"),
    ("section 4.2", "validation loss and probes"),
    ("section 4.3", "linear probes on CIFAR and STL-10"),
    ("section 4.4", "linear probes on ImageNet, layers concatenated"),
    ("section 4.5", "full fine-tuning"),
    ("section 4.6", "BERT, masks at evaluation"),
    ("section 4.7", "few labels"),
    ("appendix A.1", "hyperparameters: beta2, weight decay, mask rates"),
    ("Table 1", "linear probes on CIFAR and STL-10"),
    ("Table 2", "linear probes on ImageNet"),
    ("Table 3", "full fine-tuning"),
    ("Table 4", "few labels"),
    ("Table 5", "learning rates used"),
    ("Figure 3", "validation loss and probes"),
    ("Figure 4", "BERT and masks at evaluation"),
];

/// What the docs of a parameter, of an option or of a type may cite, by its name.
const TOPICS: [(&str, &[&str]); 51] = [
    // Parameters of the whole paper.
    ("Params", &["section 2.1", "section 3.3", "section 3.4"]),
    // Pre-training and its objectives.
    ("objective", &["section 2.1"]),
    ("Objective", &["section 2.1"]),
    ("bert_loss", &["section 2.1"]),
    ("sum", &["section 2.1"]),
    ("mask_probability", &["section 2.1", "section 4.6", "appendix A.1"]),
    ("evaluation_masks", &["section 4.6"]),
    ("tie_seed", &["section 4.6"]),
    ("also", &["Figure 4"]),
    // The network.
    ("variant", &["section 2.2"]),
    ("paper", &["section 2.2"]),
    ("Preset", &["section 3.3"]),
    ("init", &["section 3.3"]),
    ("layer_dependent", &["section 3.3"]),
    ("zero_head", &["section 3.3"]),
    ("tied", &["appendix A.1"]),
    // Training.
    ("steps", &["section 3.4"]),
    ("batch", &["section 3.4"]),
    ("learning_rate", &["Table 5"]),
    ("learning_rates", &["section 3.4"]),
    ("warmup_steps", &["section 3.4"]),
    ("decay", &["section 3.4"]),
    ("cosine", &["section 3.4"]),
    ("constant", &["section 3.4"]),
    ("beta1", &["section 3.4"]),
    ("beta2", &["section 3.4", "appendix A.1"]),
    ("weight_decay", &["appendix A.1"]),
    ("dropout", &["section 3.4", "section 4.5"]),
    ("patience", &["section 3.4"]),
    // Fine-tuning and probes.
    ("loss", &["section 2.3"]),
    ("joint", &["section 2.3"]),
    ("head_layer", &["section 2.3", "section 4.5"]),
    ("lbfgs", &["section 3.4"]),
    ("sgd", &["section 3.4"]),
    ("momentum", &["section 3.4"]),
    ("layers", &["section 2.4", "section 4.4"]),
    ("labels_per_class", &["section 4.7"]),
    // Data.
    ("stl10", &["section 3.1"]),
    ("validation", &["section 3.1"]),
    ("fraction", &["section 3.1"]),
    ("augment", &["section 3.1"]),
    ("pad_crop_flip", &["section 3.1"]),
    ("crop", &["section 3.1"]),
    ("crop_size", &["section 3.1"]),
    ("resize_to", &["section 3.1"]),
    ("resize_range", &["section 3.1"]),
    ("side", &["section 3.2"]),
    ("colours", &["section 3.2"]),
    // Reports.
    ("source", &["section 4.1"]),
    ("complement", &["Table 4"]),
    ("points", &["Figure 3"]),
];

/// Parameters whose docs must say where the paper has them.
const CITED: [(&str, &str); 17] = [
    ("pretrain", "objective"),
    ("pretrain", "mask_probability"),
    ("pretrain", "steps"),
    ("pretrain", "batch"),
    ("pretrain", "learning_rate"),
    ("pretrain", "warmup_steps"),
    ("pretrain", "decay"),
    ("pretrain", "beta1"),
    ("pretrain", "beta2"),
    ("pretrain", "weight_decay"),
    ("pretrain", "zero_head"),
    ("finetune", "loss"),
    ("finetune", "learning_rates"),
    ("finetune", "batch"),
    ("finetune", "weight_decay"),
    ("features", "layers"),
    ("probe", "momentum"),
];

/// The sources that a text cites: `section 2.1`, `appendix A.1`, `Table 5`, `Figure 3`.
fn citations(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut kind = "";
    for word in text.split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        match bare {
            "section" | "sections" | "Section" | "Sections" => kind = "section",
            "appendix" | "Appendix" => kind = "appendix",
            "Table" | "Tables" => kind = "Table",
            "Figure" | "Figures" => kind = "Figure",
            "and" => {}
            // An appendix has a letter: `appendix A.1 0.01` ends with it.
            _ if kind == "appendix" && !bare.starts_with(|c: char| c.is_ascii_uppercase()) => kind = "",
            _ if !kind.is_empty() && bare.contains(|c: char| c.is_ascii_digit()) => {
                found.insert(format!("{kind} {bare}"));
                // `sections 2.1, 3.3 and 3.4` goes on.
                if word.ends_with([')', ';', '.', ':']) {
                    kind = "";
                }
            }
            _ => kind = "",
        }
    }
    found
}

/// Calls with the name and the text of every description of a schema.
fn descriptions<'a>(schema: &'a Value, name: &'a str, see: &mut impl FnMut(&'a str, &'a str)) {
    match schema {
        Value::Object(members) => {
            let name = schema.get("const").and_then(Value::as_str).unwrap_or(name);
            if let Some(text) = schema.get("description").and_then(Value::as_str) {
                see(name, text);
            }
            for (key, member) in members {
                match key.as_str() {
                    "properties" | "$defs" => {
                        for (name, member) in member.as_object().into_iter().flatten() {
                            descriptions(member, name, see);
                        }
                    }
                    "default" | "examples" => {}
                    _ => descriptions(member, name, see),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| descriptions(item, name, see)),
        _ => {}
    }
}

#[test]
fn every_section_and_table_that_is_cited_is_about_the_parameter() {
    let mut wrong = Vec::new();
    let mut cited = BTreeSet::new();
    for stage in registry::stages() {
        let kind = stage.spec().name;
        let schema = stage.params_schema().to_value();
        descriptions(&schema, "Params", &mut |name, text| {
            for source in citations(text) {
                cited.insert((kind, name.to_owned()));
                let about = PAPER.iter().find(|(known, _)| *known == source).map(|(_, about)| *about);
                let allowed = TOPICS.iter().find(|(topic, _)| *topic == name).map_or(&[][..], |(_, all)| all);
                if about.is_none() || !allowed.contains(&source.as_str()) {
                    let about = about.unwrap_or("which the paper does not have");
                    wrong.push(format!("{kind}: `{name}` cites {source} ({about}), expected {allowed:?}"));
                }
            }
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (kind, name) in CITED {
        assert!(cited.contains(&(kind, name.to_owned())), "{kind}: `{name}` cites nothing");
    }
}

#[test]
fn citations_are_found_in_every_form() {
    let found = citations(
        "The paper (sections 2.1, 3.3 and 3.4; see Table 5) uses 128 (section\n4.6 tries 5, appendix A.1 0.01).",
    );
    let expected = ["Table 5", "appendix A.1", "section 2.1", "section 3.3", "section 3.4", "section 4.6"];
    assert_eq!(found, expected.map(str::to_owned).into());
}

#[test]
fn topics_name_what_the_paper_has() {
    for (topic, sources) in TOPICS {
        let unknown = sources.iter().find(|source| !PAPER.iter().any(|(known, _)| known == *source));
        assert_eq!(unknown, None, "{topic}");
    }
}

/// Descriptions are printed as they are: by `stages KIND`, and by editors that read the schema.
#[test]
fn no_description_holds_a_link_of_the_source_code() {
    for stage in registry::stages() {
        let schema = stage.params_schema().to_value();
        descriptions(&schema, "Params", &mut |name, text| {
            let link = text.contains("[`") || text.contains("`]") || text.contains("](");
            assert!(!link, "{}: `{name}`: {text}", stage.spec().name);
        });
    }
}
