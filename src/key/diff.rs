//! What differs between two materials, field by field.

use std::collections::BTreeMap;
use std::fmt;

use igpt_contract::Labels;
use serde::Serialize;
use serde_json::Value;

use super::{KeyInput, KeyMaterial, Num};

/// One difference between two materials.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldChange {
    /// The dotted path: `params.optimiser.lr`, `inputs.tokens`, `inputs.metrics[layer=3]`.
    pub field: String,
    /// The old value; absent where the field is new (for a parameter: it was at its default).
    pub old: Option<Value>,
    /// The new value; absent where the field is gone (for a parameter: it is at its default).
    pub new: Option<Value>,
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let absent = if self.field.starts_with("params.") { "default" } else { "none" };
        let show = |value: &Option<Value>| match value {
            None => absent.to_owned(),
            // Of an input's digest, as much as tells it apart.
            Some(Value::String(digest)) if self.field.starts_with("inputs.") => {
                digest.chars().take(10).collect()
            }
            Some(value) => value.to_string(),
        };
        write!(f, "{}: {} -> {}", self.field, show(&self.old), show(&self.new))
    }
}

/// What differs between two materials, field by field, in the order of the struct.
pub fn diff(old: &KeyMaterial, new: &KeyMaterial) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let mut field = |name: &str, old: Value, new: Value| {
        let present = |value: Value| (!value.is_null()).then_some(value);
        if old != new {
            changes.push(FieldChange { field: name.to_owned(), old: present(old), new: present(new) });
        }
    };
    field("schema", old.schema.into(), new.schema.into());
    field("stage", old.stage.clone().into(), new.stage.clone().into());
    field("version", old.version.into(), new.version.into());
    field("seed", old.seed.into(), new.seed.into());
    field("numerics", old.numerics.clone().into(), new.numerics.clone().into());
    diff_maps("params", &old.params, &new.params, &mut changes);
    diff_inputs(&old.inputs, &new.inputs, &mut changes);
    changes
}

fn diff_maps(
    path: &str,
    old: &BTreeMap<String, Value>,
    new: &BTreeMap<String, Value>,
    changes: &mut Vec<FieldChange>,
) {
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        diff_values(&format!("{path}.{name}"), old.get(name), new.get(name), changes);
    }
}

fn diff_values(path: &str, old: Option<&Value>, new: Option<&Value>, changes: &mut Vec<FieldChange>) {
    match (old, new) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let sorted = |map: &serde_json::Map<String, Value>| map.clone().into_iter().collect();
            diff_maps(path, &sorted(old), &sorted(new), changes);
        }
        (Some(old), Some(new)) if same(old, new) => {}
        (None, None) => {}
        _ => changes.push(FieldChange { field: path.to_owned(), old: old.cloned(), new: new.cloned() }),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => Num::of(a).same(Num::of(b)),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

fn diff_inputs(
    old: &BTreeMap<String, Vec<KeyInput>>,
    new: &BTreeMap<String, Vec<KeyInput>>,
    changes: &mut Vec<FieldChange>,
) {
    let named = |ports: &BTreeMap<String, Vec<KeyInput>>| -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        for (port, inputs) in ports {
            for (i, input) in inputs.iter().enumerate() {
                let digest = Value::from(input.digest.to_string());
                let mut name = format!("{port}{}", label_suffix(&input.labels));
                if all.contains_key(&name) {
                    name = format!("{name}#{i}");
                }
                all.insert(name, digest);
            }
        }
        all
    };
    diff_maps("inputs", &named(old), &named(new), changes);
}

/// `[layer=3,seed=0]`, or nothing where there are no labels.
fn label_suffix(labels: &Labels) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let shown = labels.iter().map(|(axis, value)| match value {
        Value::String(text) => format!("{axis}={text}"),
        other => format!("{axis}={other}"),
    });
    format!("[{}]", shown.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{labelled, material};
    use super::*;
    use serde_json::json;

    #[test]
    fn a_difference_names_the_field_and_both_values() {
        let mut old = material(json!({"k": 512, "init": {"tries": 1, "kind": "++"}}));
        let mut new = material(json!({"k": 256, "init": {"tries": 1}}));
        old.inputs.insert("metrics".into(), vec![labelled(b"a", json!({"layer": 3}))]);
        new.inputs.insert("metrics".into(), vec![labelled(b"b", json!({"layer": 3}))]);
        new.seed = Some(7);
        let shown: Vec<String> = diff(&old, &new).iter().map(ToString::to_string).collect();
        assert_eq!(shown[0], "seed: none -> 7");
        assert_eq!(shown[1], "params.init.kind: \"++\" -> default");
        assert_eq!(shown[2], "params.k: 512 -> 256");
        assert!(shown[3].starts_with("inputs.metrics[layer=3]: "));
        assert_eq!(shown.len(), 4);
        assert!(diff(&new, &new).is_empty());
    }

    #[test]
    fn a_material_survives_json_without_a_difference() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..200 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let value = f64::from_bits(random >> 2);
            let old = material(json!({ "x": value }));
            let text = serde_json::to_string(&old).unwrap();
            let new: KeyMaterial = serde_json::from_str(&text).unwrap();
            assert_eq!(diff(&old, &new), []);
        }
    }
}
