//! A value against a schema: every fault with its path, in the words of the documentation.

use serde_json::Value;

use super::{branches, choices, dereference, description, documented, expected, plain, tag, types};
use crate::pipeline::describe;

/// A fault in a parameter value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ParamFault {
    /// Where it is: names of members and numbers of items.
    pub(crate) path: Vec<String>,
    /// Whether the key is to blame and not its value.
    pub(crate) at_key: bool,
    /// What was expected and what was found.
    pub(crate) message: String,
    /// What the user can do about it: the parameter's documentation, mostly.
    pub(crate) hint: Option<String>,
    /// The misspelt name and the names that exist.
    pub(crate) names: Option<(String, Vec<String>)>,
}

/// Checks a value; returns every fault.
pub(crate) fn check(schema: &Value, value: &Value) -> Vec<ParamFault> {
    let mut check = Check { root: schema, path: Vec::new(), faults: Vec::new() };
    check.value(schema, value, None);
    check.faults
}

struct Check<'a> {
    root: &'a Value,
    path: Vec<String>,
    faults: Vec<ParamFault>,
}

impl<'a> Check<'a> {
    fn value(&mut self, written: &'a Value, value: &Value, doc: Option<&'a str>) {
        let doc = doc.or_else(|| description(written));
        let schema = dereference(self.root, written);
        let doc = doc.or_else(|| description(schema).filter(|_| !self.path.is_empty()));
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.value(part, value, doc);
        }
        let choices = choices(self.root, schema);
        if !choices.is_empty() {
            let nullable = branches(schema).is_some_and(|all| {
                all.iter().any(|branch| types(dereference(self.root, branch)).contains(&"null"))
            });
            let allowed = choices.contains(&value) || (nullable && value.is_null());
            if !allowed {
                let names = choices.iter().map(|c| plain(c)).collect();
                self.mismatch(schema, value, doc);
                if let (Value::String(text), Some(fault)) = (value, self.faults.last_mut()) {
                    fault.names = Some((text.clone(), names));
                }
            }
            return;
        }
        if let Some(branches) = branches(schema) {
            self.branches(schema, branches, value, doc);
            return;
        }
        let types = types(schema);
        if !types.is_empty() && !types.iter().any(|name| is_type(name, value)) {
            self.mismatch(schema, value, doc);
            return;
        }
        match value {
            Value::Number(_) if !in_bounds(schema, value) => self.mismatch(schema, value, doc),
            Value::Object(members) => self.object(schema, members, doc),
            Value::Array(items) => self.array(schema, items, doc),
            _ => {}
        }
    }

    fn object(&mut self, schema: &'a Value, members: &serde_json::Map<String, Value>, doc: Option<&str>) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let rest = schema.get("additionalProperties");
        for (name, member) in members {
            self.path.push(name.clone());
            if let Some(property) = properties.and_then(|p| p.get(name)) {
                self.value(property, member, None);
            } else if rest == Some(&Value::Bool(false)) {
                let known = properties.into_iter().flat_map(|p| p.keys().cloned()).collect();
                self.faults.push(ParamFault {
                    path: self.path.clone(),
                    at_key: true,
                    message: format!("unknown parameter `{}`", self.path.join(".")),
                    hint: None,
                    names: Some((name.clone(), known)),
                });
            } else if let Some(rest @ Value::Object(_)) = rest {
                self.value(rest, member, None);
            }
            self.path.pop();
        }
        let least = schema.get("minProperties").and_then(Value::as_u64).unwrap_or(0);
        if (members.len() as u64) < least {
            let what =
                format!("`{}` must be a map with at least {least} member, found none", self.path.join("."));
            self.fault(what, doc);
        }
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            let Some(name) = name.as_str().filter(|name| !members.contains_key(*name)) else { continue };
            let property = properties.and_then(|p| p.get(name));
            let wanted = property.map_or("a value".into(), |p| expected(self.root, p));
            let doc = property
                .and_then(|p| description(p).or_else(|| description(dereference(self.root, p))))
                .or(doc);
            let mut path = self.path.clone();
            path.push(name.to_owned());
            self.faults.push(ParamFault {
                message: format!("the parameter `{}` is missing: {wanted}", path.join(".")),
                hint: doc.map(|doc| documented(name, doc)),
                path,
                at_key: true,
                names: None,
            });
        }
    }

    fn array(&mut self, schema: &'a Value, items: &[Value], doc: Option<&'a str>) {
        let prefix = schema.get("prefixItems").and_then(Value::as_array);
        let size = |name: &str| schema.get(name).and_then(Value::as_u64);
        let (least, most) = (size("minItems").unwrap_or(0), size("maxItems").unwrap_or(u64::MAX));
        let count = items.len() as u64;
        if count < least || count > most {
            let wanted = match (least, most) {
                (least, most) if least == most => format!("{least} items"),
                (1, u64::MAX) => "at least 1 item".into(),
                (least, u64::MAX) => format!("at least {least} items"),
                (least, most) => format!("{least} to {most} items"),
            };
            self.fault(format!("`{}` must be a list of {wanted}, found {count}", self.path.join(".")), doc);
        }
        for (i, item) in items.iter().enumerate() {
            let item_schema = prefix.and_then(|p| p.get(i)).or_else(|| schema.get("items"));
            if let Some(item_schema @ Value::Object(_)) = item_schema {
                self.path.push(i.to_string());
                self.value(item_schema, item, doc);
                self.path.pop();
            }
        }
    }

    /// A value must fit one of the branches. Where none fits, the one that it most likely meant is
    /// the one to explain: that of its tag, the only one of its type, or the only one that is not
    /// null.
    fn branches(&mut self, schema: &'a Value, branches: &'a [Value], value: &Value, doc: Option<&'a str>) {
        let mut tried = Vec::new();
        for branch in branches {
            let mut attempt = Check { root: self.root, path: self.path.clone(), faults: Vec::new() };
            attempt.value(branch, value, doc);
            if attempt.faults.is_empty() {
                return;
            }
            tried.push((branch, attempt.faults));
        }
        tried.retain(|(branch, _)| types(dereference(self.root, branch)) != ["null"]);
        let meant = match tried.len() {
            1 => Some(0),
            _ => tried
                .iter()
                .position(|(branch, _)| self.has_tag(branch, value))
                .or_else(|| self.only_of_type(tried.iter().map(|(branch, _)| *branch), value)),
        };
        match meant {
            Some(i) => self.faults.append(&mut tried.swap_remove(i).1),
            None => self.wrong_variant(schema, tried.iter().map(|(branch, _)| *branch), value, doc),
        }
    }

    /// A value that is none of the variants: where they have a tag and the value has one, that is to
    /// blame.
    fn wrong_variant(
        &mut self,
        schema: &Value,
        branches: impl Iterator<Item = &'a Value>,
        value: &Value,
        doc: Option<&str>,
    ) {
        let root = self.root;
        let tags: Option<Vec<(&str, &Value)>> =
            branches.map(|branch| tag(dereference(root, branch))).collect();
        let written = tags.as_ref().and_then(|tags| Some((tags.first()?.0, value.get(tags.first()?.0)?)));
        let (Some(tags), Some((name, written))) = (tags, written) else {
            self.mismatch(schema, value, doc);
            return;
        };
        self.path.push(name.to_owned());
        let names: Vec<String> = tags.iter().map(|(_, value)| plain(value)).collect();
        let wanted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let path = self.path.join(".");
        self.fault(
            format!("`{path}` must be one of {}, found {}", wanted.join(", "), describe(written)),
            doc,
        );
        if let Some(fault) = self.faults.last_mut() {
            fault.names = Some((plain(written), names));
        }
        self.path.pop();
    }

    /// Whether a branch is the variant that a tagged map names (`{kind: sgd, ...}`, `{sgd: ...}`).
    fn has_tag(&self, branch: &Value, value: &Value) -> bool {
        let branch = dereference(self.root, branch);
        let (Some(properties), Some(members)) =
            (branch.get("properties").and_then(Value::as_object), value.as_object())
        else {
            return false;
        };
        let internal = properties
            .iter()
            .any(|(name, p)| p.get("const").is_some_and(|tag| members.get(name) == Some(tag)));
        let external = properties.len() == 1 && properties.keys().all(|name| members.contains_key(name));
        internal || external
    }

    /// The only branch that takes values of this type.
    fn only_of_type(&self, branches: impl Iterator<Item = &'a Value>, value: &Value) -> Option<usize> {
        let takes = |branch| types(dereference(self.root, branch)).iter().any(|name| is_type(name, value));
        let mut fitting = branches.enumerate().filter(|(_, branch)| takes(branch)).map(|(i, _)| i);
        fitting.next().filter(|_| fitting.next().is_none())
    }

    fn mismatch(&mut self, schema: &Value, value: &Value, doc: Option<&str>) {
        let name = self.path.join(".");
        let wanted = expected(self.root, schema);
        let subject = if name.is_empty() { "`with`".into() } else { format!("`{name}`") };
        self.fault(format!("{subject} must be {wanted}, found {}", describe(value)), doc);
        if let (Some(fault), Some(advice)) = (self.faults.last_mut(), advice(&wanted, value)) {
            fault.hint = Some(match fault.hint.take() {
                Some(hint) => format!("{advice}; {hint}"),
                None => advice,
            });
        }
    }

    fn fault(&mut self, message: String, doc: Option<&str>) {
        let name = self.path.iter().rev().find(|name| name.parse::<usize>().is_err());
        let hint = doc.zip(name).map(|(doc, name)| documented(name, doc));
        self.faults.push(ParamFault { path: self.path.clone(), at_key: false, message, hint, names: None });
    }
}

/// Texts that look like what was expected, which YAML reads otherwise.
fn advice(wanted: &str, value: &Value) -> Option<String> {
    if let Some(number) = value.as_f64().filter(|v| wanted.contains("integer") && v.fract() == 0.0) {
        return Some(format!("write `{number}`")).filter(|_| value.is_f64());
    }
    let text = value.as_str()?;
    if wanted.contains("`true` or `false`") {
        return match text.to_lowercase().as_str() {
            "yes" | "on" => Some("write `true`".into()),
            "no" | "off" => Some("write `false`".into()),
            _ => None,
        };
    }
    let digits = text.replace('_', "");
    let number = digits.trim_start_matches('0').parse::<f64>().ok()?;
    wanted.contains("number").then(|| format!("write `{number}`"))
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn in_bounds(schema: &Value, value: &Value) -> bool {
    let Some(value) = value.as_f64() else { return true };
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    bound("minimum").is_none_or(|b| value >= b)
        && bound("maximum").is_none_or(|b| value <= b)
        && bound("exclusiveMinimum").is_none_or(|b| value > b)
        && bound("exclusiveMaximum").is_none_or(|b| value < b)
}
