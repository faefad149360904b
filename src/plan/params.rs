//! Parameters as written -> complete parameters, those that enter the key, and where each came from.

use serde_json::{Map, Value};

use super::catalog::CatalogEntry;
use super::schema::{self, ParamFault};
use crate::pipeline::{Applied, Data, Faults, Mark, Node, first_name};

/// How many faults of one step's parameters are reported by themselves.
const MAX_TOLD: usize = 200;

/// Complete parameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Completed {
    /// Every parameter, defaults filled in.
    pub(super) params: Value,
    /// Those that differ from their defaults and may enter the key.
    pub(super) keyed: Value,
}

/// Checks and completes the parameters of a stage.
pub(super) fn complete(entry: &CatalogEntry, given: &Value) -> Result<Completed, Vec<ParamFault>> {
    let faults = schema::check(entry.schema(), given);
    if faults.is_empty()
        && let Ok(params) = entry.stage.complete(given)
    {
        let keyed = keyed(entry, given, &params);
        return Ok(Completed { params, keyed });
    }
    Err(with_refusals(entry, given, faults))
}

/// Adds what the stage itself refuses. It tells one thing at a time, so what is reported is left to its
/// default and the stage is asked again. A refusal that may come from that default is not reported.
fn with_refusals(entry: &CatalogEntry, given: &Value, mut faults: Vec<ParamFault>) -> Vec<ParamFault> {
    let (Value::Object(members), schema) = (given, entry.schema()) else { return faults };
    let required = schema::required(schema);
    let mut members = members.clone();
    let mut left_out: Vec<String> = Vec::new();
    let mut bad: Vec<String> = faults.iter().filter_map(|fault| fault.path.first().cloned()).collect();
    loop {
        for name in bad.drain(..) {
            // Without a parameter that must be given the stage has nothing else to say.
            if required.contains(&name.as_str()) {
                return faults;
            }
            if members.shift_remove(&name).is_some() {
                left_out.push(name);
            }
        }
        let Err(error) = entry.stage.complete(&Value::Object(members.clone())) else { return faults };
        let path: Vec<String> = error.path.split('.').filter(|w| !w.is_empty()).map(str::to_owned).collect();
        let name = path.first().and_then(|word| word.split('[').next()).unwrap_or_default().to_owned();
        let is_given = members.contains_key(&name);
        let caused = left_out.iter().any(|out| error.what.contains(&format!("`{out}`")))
            || (!is_given && !left_out.is_empty());
        if !caused {
            let named = path.is_empty() || error.what.contains(&format!("`{}`", error.path));
            let message = if named { error.what } else { format!("`{}`: {}", error.path, error.what) };
            let hint = schema::doc_of(schema, &name);
            faults.push(ParamFault { path, at_key: false, message, hint, names: None });
        }
        if !is_given {
            return faults;
        }
        bad.push(name);
    }
}

/// The parameters that differ from their defaults, without those that only steer execution.
fn keyed(entry: &CatalogEntry, given: &Value, params: &Value) -> Value {
    let defaults = defaults(entry, given);
    let Some(params) = params.as_object() else { return params.clone() };
    let mut keyed = Map::new();
    for (name, value) in params {
        if entry.spec.unkeyed.contains(&name.as_str()) {
            continue;
        }
        let kept = match defaults.get(name) {
            Some(default) => difference(value, default),
            None => Some(value.clone()),
        };
        if let Some(kept) = kept {
            keyed.insert(name.clone(), kept);
        }
    }
    Value::Object(keyed)
}

/// What of a value differs from its default; `None` if nothing does. Mappings are compared member
/// by member, so that a nested parameter with a default can be added later without changing keys; a
/// member that the default has and the value has not is kept as a null.
fn difference(value: &Value, default: &Value) -> Option<Value> {
    match (value, default) {
        (Value::Object(value), Value::Object(default)) => {
            let mut kept = Map::new();
            for (name, member) in value {
                let member = match default.get(name) {
                    Some(default) => difference(member, default),
                    None => Some(member.clone()),
                };
                if let Some(member) = member {
                    kept.insert(name.clone(), member);
                }
            }
            for name in default.keys().filter(|name| !value.contains_key(*name)) {
                kept.insert(name.clone(), Value::Null);
            }
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        _ => (value != default).then(|| value.clone()),
    }
}

/// The defaults of the parameters that have one. Where some parameters must be given, the stage is
/// asked with those alone; if even that is refused, the schema tells.
fn defaults(entry: &CatalogEntry, given: &Value) -> Map<String, Value> {
    if let Some(Value::Object(defaults)) = entry.defaults() {
        return defaults.clone();
    }
    let schema = entry.schema();
    let required = schema::required(schema);
    let least: Map<String, Value> =
        required.iter().filter_map(|name| Some(((*name).to_owned(), given.get(name)?.clone()))).collect();
    let mut defaults = match entry.stage.complete(&Value::Object(least)) {
        Ok(Value::Object(defaults)) => defaults,
        _ => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let defaults = properties
                .into_iter()
                .flatten()
                .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())));
            defaults.collect()
        }
    };
    defaults.retain(|name, _| !required.contains(&name.as_str()));
    defaults
}

/// Where the values of a step's `with` are written.
pub(super) struct WrittenParams<'a> {
    /// The `with` of the step.
    pub(super) with: Option<&'a Node>,
    /// The step, where there is no `with`.
    pub(super) step: Mark,
    /// The searched parameter, if there is one.
    pub(super) searched: Option<Searched<'a>>,
}

/// The searched parameter of a candidate.
#[derive(Clone, Copy)]
pub(super) struct Searched<'a> {
    /// Its dotted path.
    pub(super) param: &'a str,
    /// Where the path is written.
    pub(super) param_mark: Mark,
    /// Where this candidate's value is written.
    pub(super) value_mark: Mark,
}

impl WrittenParams<'_> {
    /// Turns faults in parameters into faults in the file.
    pub(super) fn report(&self, who: &str, found: Vec<ParamFault>, faults: &mut Faults) {
        if let Some(more) = found.len().checked_sub(MAX_TOLD).filter(|more| *more > 0) {
            faults
                .push(self.step, format!("{who}: and {more} more errors in its parameters"))
                .hint("is this the right `with` for the stage?");
        }
        for fault in found.into_iter().take(MAX_TOLD) {
            let mark = self.mark(&fault);
            let told = faults.push(mark, format!("{who}: {}", fault.message));
            if let Some((name, names)) = &fault.names {
                told.suggest(name, "names", names.iter().map(String::as_str));
            }
            if told.hint.is_none() {
                told.hint = fault.hint;
            }
        }
    }

    fn mark(&self, fault: &ParamFault) -> Mark {
        // Name by name: `clipp` is not in `clip`.
        let within = |param: &str| {
            let mut path = fault.path.iter();
            param.split('.').all(|name| path.next().is_some_and(|found| found == name))
        };
        if let Some(searched) = self.searched.filter(|searched| within(searched.param)) {
            return if fault.at_key { searched.param_mark } else { searched.value_mark };
        }
        let Some(with) = self.with else { return self.step };
        let (node, depth) = with.descend(fault.path.iter().map(String::as_str));
        if depth == fault.path.len() && fault.at_key && depth > 0 {
            let (parent, _) = with.descend(fault.path[..depth - 1].iter().map(String::as_str));
            return parent.key_mark(&fault.path[depth - 1]);
        }
        if depth == 0 { self.step } else { node.mark }
    }

    /// Where each parameter's value came from, by dotted path.
    pub(super) fn origins(&self, params: &Value, applied: &Applied<'_>) -> Vec<(String, String)> {
        let mut origins = Vec::new();
        self.push_origins(&mut String::new(), params, self.with, applied, &mut origins);
        origins
    }

    fn push_origins(
        &self,
        path: &mut String,
        value: &Value,
        node: Option<&Node>,
        applied: &Applied<'_>,
        origins: &mut Vec<(String, String)>,
    ) {
        if let Value::Object(members) = value
            && !members.is_empty()
            && node.is_none_or(|node| node.as_text().is_none())
        {
            for (name, member) in members {
                let length = path.len();
                if length > 0 {
                    path.push('.');
                }
                path.push_str(name);
                self.push_origins(path, member, node.and_then(|node| node.get(name)), applied, origins);
                path.truncate(length);
            }
            return;
        }
        let origin = match node {
            _ if self.searched.is_some_and(|searched| searched.param == path) => "search".to_owned(),
            Some(node) => origin(node, applied),
            None => "default".to_owned(),
        };
        origins.push((path.clone(), origin));
    }
}

/// Where a written value came from.
fn origin(node: &Node, applied: &Applied<'_>) -> String {
    if let Mark::Set(_) = node.mark {
        return "--set".into();
    }
    match node.as_text().and_then(first_name) {
        Some(name) if name.starts_with("matrix.") => "matrix".into(),
        Some(name) => match applied.changed_by(name.split('[').next().unwrap_or(name)) {
            Some(by) => format!("{name} ({by})"),
            None => name.to_owned(),
        },
        None => match &node.data {
            Data::List(items) => items
                .iter()
                .map(|item| origin(item, applied))
                .find(|o| o != "pipeline")
                .unwrap_or("pipeline".into()),
            _ => "pipeline".into(),
        },
    }
}
