//! Keys: everything that decides a step's outputs, in one struct, and its digest.
//!
//! It must not know names of steps, paths, times, thread counts, attempts or runs.
//!
//! # The encoding, in words
//!
//! A key is the BLAKE3 digest, in key-derivation mode with the context `igpt-flow step key`, of the
//! material's canonical encoding. Every value is a tag byte and what follows it; lengths and counts
//! are 8 bytes, little-endian:
//!
//! | tag | value | what follows |
//! |-----|-------|--------------|
//! | `n` | null | nothing |
//! | `t`, `f` | true, false | nothing |
//! | `i` | an integer | its value in 16 bytes, little-endian two's complement |
//! | `d` | any other number | the bits of its `f64` in 8 bytes, little-endian |
//! | `s` | a text | its length in bytes, its UTF-8 bytes |
//! | `b` | a digest | its 32 bytes |
//! | `a` | a list | its count, then each value |
//! | `o` | a map | its count, then each name (as a text) and value, sorted by the name's bytes |
//!
//! Numbers are equal where their values are: a float without a fraction that a 64-bit integer
//! (signed or not) can hold is written as that integer, so `1`, `1.0` and `1e0` are one value and
//! `-0.0` is `0`. JSON and YAML parameters know no not-a-number here (it arrives as null), and the
//! encoder would write every not-a-number with the same bits.
//!
//! The material is a map of its fields: `schema`, `stage`, `version`, `params`, `seed`, `numerics`,
//! `inputs`. A field that is absent is left out, so that a later optional field changes no key. Each
//! input port is a list of maps with `digest` and, where there are any, `labels`.

mod diff;
mod encode;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use igpt_contract::{Digest, Labels};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use diff::{FieldChange, diff};
use encode::{Encoder, Num};

/// Raised when the encoding of [`KeyMaterial`] changes; every key changes with it.
pub const KEY_SCHEMA: u32 = 1;

/// Separates keys from every other use of BLAKE3 in this project.
const CONTEXT: &str = "igpt-flow step key";

/// Everything that decides a step's outputs. It is stored with every record, so that `explain` can
/// say afterwards, field by field, why a step ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyMaterial {
    /// [`KEY_SCHEMA`] when the key was made.
    pub schema: u32,
    /// The stage kind's name; `command` for shell commands.
    pub stage: String,
    /// The stage's version.
    pub version: u32,
    /// Parameters that differ from their defaults and do not only steer execution.
    pub params: BTreeMap<String, Value>,
    /// The seed, where the kind declares randomness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The numerics class (`flex-f32`), where the numbers depend on the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numerics: Option<String>,
    /// Input port -> what flows in. Gathered ports are sorted: see [`KeyInput::gathered`].
    pub inputs: BTreeMap<String, Vec<KeyInput>>,
}

/// One artifact of an input port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyInput {
    /// The artifact's (or part's) digest.
    pub digest: Digest,
    /// The labels, for gathered ports; empty elsewhere.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
}

impl KeyInput {
    /// What an ordinary port receives.
    pub fn plain(digest: Digest) -> Self {
        Self { digest, labels: Labels::new() }
    }

    /// What a gathered port receives, in the one order that does not depend on the order of the
    /// pipeline: by labels (numbers by value, so layer 2 comes before layer 10), then by digest.
    pub fn gathered(mut inputs: Vec<Self>) -> Vec<Self> {
        inputs.sort_by(Self::order);
        inputs
    }

    /// The order of [`Self::gathered`], for whoever must sort something alongside.
    pub fn order(&self, other: &Self) -> Ordering {
        order_labels(&self.labels, &other.labels).then_with(|| self.digest.cmp(&other.digest))
    }
}

impl KeyMaterial {
    /// The canonical bytes described at the top of this file.
    pub fn encode(&self) -> Vec<u8> {
        let mut fields: Vec<(&str, Field<'_>)> = vec![
            ("inputs", Field::Inputs(&self.inputs)),
            ("params", Field::Params(&self.params)),
            ("schema", Field::Integer(self.schema.into())),
            ("stage", Field::Text(&self.stage)),
            ("version", Field::Integer(self.version.into())),
        ];
        if let Some(seed) = self.seed {
            fields.push(("seed", Field::Integer(seed.into())));
        }
        if let Some(numerics) = &self.numerics {
            fields.push(("numerics", Field::Text(numerics)));
        }
        fields.sort_by_key(|(name, _)| *name);
        let mut out = Encoder::default();
        out.head(b'o', fields.len());
        for (name, field) in fields {
            out.text(name);
            match field {
                Field::Integer(value) => out.integer(value),
                Field::Text(text) => out.text(text),
                Field::Params(params) => out.map(params.iter()),
                Field::Inputs(ports) => out.inputs(ports),
            }
        }
        out.into_bytes()
    }

    /// The step's key.
    pub fn key(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&self.encode());
        hasher.finalize().into()
    }
}

/// A field of the material, borrowed for encoding.
enum Field<'a> {
    Integer(i128),
    Text(&'a str),
    Params(&'a BTreeMap<String, Value>),
    Inputs(&'a BTreeMap<String, Vec<KeyInput>>),
}

fn order_labels(a: &Labels, b: &Labels) -> Ordering {
    let mut pairs = a.iter().zip(b.iter());
    pairs
        .find_map(|((name_a, a), (name_b, b))| {
            let order = name_a.cmp(name_b).then_with(|| order_values(a, b));
            order.is_ne().then_some(order)
        })
        .unwrap_or_else(|| a.len().cmp(&b.len()))
}

fn order_values(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => Num::of(a).order(Num::of(b)),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ => {
            let bytes = |value| {
                let mut out = Encoder::default();
                out.value(value);
                out.into_bytes()
            };
            bytes(a).cmp(&bytes(b))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    pub(super) fn material(params: Value) -> KeyMaterial {
        let Value::Object(params) = params else { panic!("params are a map") };
        KeyMaterial {
            schema: KEY_SCHEMA,
            stage: "palette".into(),
            version: 2,
            params: params.into_iter().collect(),
            seed: None,
            numerics: None,
            inputs: BTreeMap::from([("images".into(), vec![KeyInput::plain(Digest::of(b"pixels"))])]),
        }
    }

    pub(super) fn labelled(content: &[u8], labels: Value) -> KeyInput {
        let Value::Object(labels) = labels else { panic!("labels are a map") };
        KeyInput { digest: Digest::of(content), labels: labels.into_iter().collect() }
    }

    #[test]
    fn the_encoding_is_pinned() {
        // Golden: a change here throws every store away. Raise KEY_SCHEMA if it is meant.
        let plain = material(json!({"k": 512, "init": {"b": [1.5, null, true], "a": "é"}}));
        assert_eq!(
            plain.key().to_string(),
            "7b3a53b004e100f830bd6641082cc7a3e9b4475d786561a97e8108951e1aaaf2"
        );
        let mut full = plain;
        full.seed = Some(u64::MAX);
        full.numerics = Some("flex-f32".into());
        let gathered = vec![labelled(b"b", json!({"layer": 10})), labelled(b"a", json!({"layer": 2}))];
        full.inputs.insert("metrics".into(), KeyInput::gathered(gathered));
        assert_eq!(
            full.key().to_string(),
            "3b3687d1dcfe2fdadf010db165a48558d23c113ba5843c20f583f924e82de0cc"
        );
    }

    #[test]
    fn the_encoding_is_what_the_words_say() {
        let empty = KeyMaterial {
            schema: 1,
            stage: "x".into(),
            version: 3,
            params: BTreeMap::new(),
            seed: None,
            numerics: None,
            inputs: BTreeMap::new(),
        };
        let mut words = Vec::new();
        let count = |words: &mut Vec<u8>, tag: u8, n: u64| {
            words.push(tag);
            words.extend_from_slice(&n.to_le_bytes());
        };
        let text = |words: &mut Vec<u8>, text: &str| {
            count(words, b's', text.len() as u64);
            words.extend_from_slice(text.as_bytes());
        };
        count(&mut words, b'o', 5);
        text(&mut words, "inputs");
        count(&mut words, b'o', 0);
        text(&mut words, "params");
        count(&mut words, b'o', 0);
        for (name, value) in [("schema", 1_i128), ("stage", 0), ("version", 3)] {
            text(&mut words, name);
            if name == "stage" {
                text(&mut words, "x");
            } else {
                words.push(b'i');
                words.extend_from_slice(&value.to_le_bytes());
            }
        }
        assert_eq!(empty.encode(), words);
    }

    #[test]
    fn equal_numbers_make_equal_keys() {
        let key = |value: Value| material(json!({ "x": value })).key();
        assert_eq!(key(json!(1)), key(json!(1.0)));
        assert_eq!(key(json!(-0.0)), key(json!(0)));
        assert_eq!(key(json!(1u64 << 60)), key(json!((1u64 << 60) as f64)));
        assert_ne!(key(json!(1)), key(json!(1.5)));
        assert_ne!(key(json!(1)), key(json!("1")));
        assert_ne!(key(json!(1)), key(json!(true)));
        assert_ne!(key(json!(u64::MAX)), key(json!(-1)));
    }

    #[test]
    fn the_order_in_which_a_map_was_written_does_not_matter() {
        let a = material(json!({"o": {"x": 1, "y": 2}}));
        let b = material(json!({"o": {"y": 2, "x": 1}}));
        assert_eq!(a.key(), b.key());
    }

    #[test]
    fn moving_a_byte_between_fields_changes_the_key() {
        assert_ne!(material(json!({"ab": "c"})).key(), material(json!({"a": "bc"})).key());
        assert_ne!(material(json!({"a": ["b", "c"]})).key(), material(json!({"a": [["b"], "c"]})).key());
    }

    #[test]
    fn gathered_inputs_do_not_depend_on_the_order_of_the_pipeline() {
        let two = labelled(b"z", json!({"layer": 2}));
        let ten = labelled(b"a", json!({"layer": 10}));
        let sorted = vec![two.clone(), ten.clone()];
        assert_eq!(KeyInput::gathered(vec![ten, two]), sorted);
    }
}
