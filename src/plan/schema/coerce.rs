//! Numbers and truth values where a schema wants a string: they become it, as they were written.

use serde_json::Value;

use super::{branches, choices, dereference, types};
use crate::pipeline::Spellings;

/// Turns every scalar that stands where only a string may stand into its text. `version: 3.10` of a
/// text parameter is `3.10`; what takes a number gets the number.
pub(crate) fn coerce_strings(schema: &Value, value: &mut Value, spellings: &Spellings) {
    if has_scalars(value) {
        Coercion { root: schema, spellings, path: Vec::new() }.value(schema, value);
    }
}

/// Whether there is anything that could have to become a string.
fn has_scalars(value: &Value) -> bool {
    match value {
        Value::Number(_) | Value::Bool(_) => true,
        Value::Array(items) => items.iter().any(has_scalars),
        Value::Object(members) => members.values().any(has_scalars),
        Value::Null | Value::String(_) => false,
    }
}

/// Turns the scalar members of a member into texts: the values of variables, which have no types.
pub(crate) fn coerce_members(name: &str, value: &mut Value, spellings: &Spellings) {
    let Some(Value::Object(members)) = value.get_mut(name) else { return };
    for (key, member) in members {
        let text = spellings.text(&[name.to_owned(), key.clone()], member);
        *member = text.map_or(std::mem::take(member), Value::String);
    }
}

struct Coercion<'a> {
    root: &'a Value,
    spellings: &'a Spellings,
    path: Vec<String>,
}

impl<'a> Coercion<'a> {
    fn value(&mut self, written: &'a Value, value: &mut Value) {
        let schema = dereference(self.root, written);
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.value(part, value);
        }
        match value {
            Value::Number(_) | Value::Bool(_) => {
                // A choice of words is not any text.
                if choices(self.root, schema).is_empty()
                    && self.takes(schema, "string")
                    && !self.takes_own(schema, value)
                    && let Some(text) = self.spellings.text(&self.path, value)
                {
                    *value = Value::String(text);
                }
            }
            Value::Array(items) => {
                let Some(list) = self.branch(schema, "array") else { return };
                let prefix = list.get("prefixItems").and_then(Value::as_array);
                for (i, item) in items.iter_mut().enumerate() {
                    let schema = prefix.and_then(|all| all.get(i)).or_else(|| list.get("items"));
                    self.below(&i.to_string(), schema, item);
                }
            }
            Value::Object(members) => {
                let Some(map) = self.branch(schema, "object") else { return };
                for (name, member) in members {
                    let schema = map.get("properties").and_then(|all| all.get(name));
                    self.below(name, schema.or_else(|| map.get("additionalProperties")), member);
                }
            }
            _ => {}
        }
    }

    fn below(&mut self, name: &str, schema: Option<&'a Value>, value: &mut Value) {
        if let Some(schema @ Value::Object(_)) = schema {
            self.path.push(name.to_owned());
            self.value(schema, value);
            self.path.pop();
        }
    }

    /// Whether a schema names a type, itself or in a branch.
    fn takes(&self, schema: &'a Value, name: &str) -> bool {
        let schema = dereference(self.root, schema);
        types(schema).contains(&name)
            || branches(schema).is_some_and(|all| all.iter().any(|branch| self.takes(branch, name)))
    }

    fn takes_own(&self, schema: &'a Value, value: &Value) -> bool {
        match value {
            Value::Bool(_) => self.takes(schema, "boolean"),
            _ => self.takes(schema, "number") || self.takes(schema, "integer"),
        }
    }

    /// The schema itself or its only branch for a type: which of several is meant, is not our guess.
    fn branch(&self, schema: &'a Value, name: &str) -> Option<&'a Value> {
        let Some(all) = branches(schema) else { return Some(schema) };
        let mut fitting =
            all.iter().map(|branch| dereference(self.root, branch)).filter(|b| types(b).contains(&name));
        fitting.next().filter(|_| fitting.next().is_none())
    }
}
