//! JSON Schema, as far as schemars writes it: what it says, in words, and the check of parameters against it.
//!
//! serde stops at the first fault and names no place; the check finds all of them with their paths and
//! says what was expected in the words of the parameter's documentation. What it does not know it lets
//! pass, and serde has the last word.

mod check;
mod coerce;

use serde_json::Value;

pub(crate) use check::{ParamFault, check};
pub(crate) use coerce::{coerce_members, coerce_strings};

/// The names of the members that an object of this schema must have.
pub(crate) fn required(schema: &Value) -> Vec<&str> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A parameter with the first paragraph of its documentation, where it has one.
pub(crate) fn doc_of(root: &Value, name: &str) -> Option<String> {
    let property = root.get("properties")?.get(name)?;
    description(property)
        .or_else(|| description(dereference(root, property)))
        .map(|doc| documented(name, doc))
}

/// The schema that a schema refers to, or itself.
pub(crate) fn dereference<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    // A bound, in case of a reference to itself.
    for _ in 0..16 {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#'));
        match target.and_then(|pointer| root.pointer(pointer)) {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}

/// What a schema takes, for a sentence: `an integer ≥ 1`, "one of `a`, `b`".
pub(crate) fn expected(root: &Value, schema: &Value) -> String {
    words(root, schema, Wording::Sentence)
}

/// What a schema takes, for a table: `integer ≥ 1`, `list of strings`.
pub(crate) fn type_name(root: &Value, schema: &Value) -> String {
    words(root, schema, Wording::Name)
}

/// How a type is written.
#[derive(Clone, Copy)]
enum Wording {
    /// `integer`
    Name,
    /// `an integer`
    Sentence,
    /// `integers`
    Plural,
}

fn words(root: &Value, schema: &Value, form: Wording) -> String {
    let schema = dereference(root, schema);
    let choices = choices(root, schema);
    if !choices.is_empty() {
        let names: Vec<String> = choices.iter().map(|c| format!("`{}`", plain(c))).collect();
        let start = if matches!(form, Wording::Plural) { "values out of" } else { "one of" };
        return format!("{start} {}", names.join(", "));
    }
    if let Some(branches) = branches(schema) {
        let mut all: Vec<String> = branches.iter().map(|branch| words(root, branch, form)).collect();
        all.dedup();
        return all.join(" or ");
    }
    let of_form = |name: &str, sentence: &str, plural: &str| match form {
        Wording::Name => name.to_owned(),
        Wording::Sentence => sentence.to_owned(),
        Wording::Plural => plural.to_owned(),
    };
    let types = types(schema);
    if types.is_empty() {
        return of_form("value", "a value", "values");
    }
    let bounds = bounds(schema);
    let all: Vec<String> = types
        .iter()
        .map(|name| match *name {
            "integer" => of_form("integer", "an integer", "integers") + &bounds,
            "number" => of_form("number", "a number", "numbers") + &bounds,
            "string" => of_form("string", "a string", "strings"),
            "boolean" => of_form("boolean", "`true` or `false`", "booleans"),
            "array" => {
                let list = of_form("list", "a list", "lists");
                match schema.get("items") {
                    Some(items @ Value::Object(_)) => {
                        format!("{list} of {}", words(root, items, Wording::Plural))
                    }
                    _ => list,
                }
            }
            "object" => match (only_member(schema), tag(schema)) {
                (Some(name), _) => format!("`{{{name}: ...}}`"),
                (None, Some((name, value))) => format!("`{{{name}: {}, ...}}`", plain(value)),
                (None, None) => of_form("map", "a map", "maps"),
            },
            _ => "null".into(),
        })
        .collect();
    all.join(" or ")
}

/// A scalar without the quotes of JSON.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The member of a map that has just one, as the variants of an enumeration do.
fn only_member(schema: &Value) -> Option<&str> {
    let properties = schema.get("properties")?.as_object()?;
    let required = schema.get("required")?.as_array()?;
    match (properties.len(), &required[..]) {
        (1, [name]) => name.as_str(),
        _ => None,
    }
}

/// The member that tells which variant of an enumeration a map is, and its value.
fn tag(schema: &Value) -> Option<(&str, &Value)> {
    let properties = schema.get("properties")?.as_object()?;
    properties.iter().find_map(|(name, property)| Some((name.as_str(), property.get("const")?)))
}

fn bounds(schema: &Value) -> String {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    // The bounds that only say which machine type holds the number say nothing to a user.
    let machine = |v: &f64| v.abs() >= 2_147_483_647.0;
    let low = bound("minimum").filter(|v| !machine(v));
    let above = bound("exclusiveMinimum");
    let high = bound("maximum").filter(|v| !machine(v));
    let below = bound("exclusiveMaximum");
    if let (Some(low), Some(high)) = (low, high) {
        return format!(" from {low} to {high}");
    }
    let low = low.map(|v| format!("≥ {v}")).or(above.map(|v| format!("> {v}")));
    let high = high.map(|v| format!("≤ {v}")).or(below.map(|v| format!("< {v}")));
    match (low, high) {
        (None, None) => String::new(),
        (Some(one), None) | (None, Some(one)) => format!(" {one}"),
        (Some(low), Some(high)) => format!(" {low} and {high}"),
    }
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn branches(schema: &Value) -> Option<&Vec<Value>> {
    schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array)
}

/// The values of an enumeration, however it is written; empty if it is none.
fn choices<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let schema = dereference(root, schema);
    if let Some(value) = schema.get("const") {
        return vec![value];
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values.iter().collect();
    }
    let Some(branches) = branches(schema) else { return Vec::new() };
    let mut all = Vec::new();
    for branch in branches {
        let choices = choices(root, branch);
        if choices.is_empty() {
            if types(dereference(root, branch)) == ["null"] {
                continue;
            }
            return Vec::new();
        }
        all.extend(choices);
    }
    all
}

fn description(schema: &Value) -> Option<&str> {
    schema.get("description").and_then(Value::as_str)
}

/// A parameter with the first paragraph of its documentation, on one line.
fn documented(name: &str, doc: &str) -> String {
    let first = doc.split("\n\n").next().unwrap_or(doc);
    format!("`{name}`: {}", first.split_whitespace().collect::<Vec<_>>().join(" "))
}
