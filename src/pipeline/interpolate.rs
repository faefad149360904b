//! `${a.b}`: names of variables, matrix axes and the seed inside values.
//!
//! A string that is one interpolation and nothing else takes the value with its type; inside a longer
//! text it stands as it was written. `${a[matrix.x]}` takes the member of `a` that the instance's value of
//! the axis `x` names. `$${` stands for a literal `${`.

use serde_json::{Map, Value};

use super::diagnostic::{Fault, Faults};
use super::node::{Data, Mark, Node, describe};
use super::segments::{Segment, split};
use super::spelling::{Spelled, Spellings};

/// Reports that there is no such name; `names` are those that there are.
pub(super) fn report_unknown<'f>(
    name: &str,
    mark: Mark,
    names: impl IntoIterator<Item = String>,
    faults: &'f mut Faults,
) -> &'f mut Fault {
    let fault = faults.push(mark, format!("unknown name `{name}` in `${{{name}}}`"));
    if let Some(variable) = name.strip_prefix("env.") {
        fault.hint(format!(
            "environment variables are not visible in a pipeline: set a variable with `--set vars.NAME=...`, \
             or list `{variable}` in `pass_env` of a `command` step"
        ));
        return fault;
    }
    fault.suggest(name, "names", names);
    if fault.hint.is_none() && !name.contains('.') {
        fault.hint(format!("write `$${{{name}}}` for a literal `${{{name}}}`"));
    }
    fault
}

/// Visits every name that the strings of a node interpolate.
pub(super) fn names_in(node: &Node, visit: &mut dyn FnMut(&str, Mark)) {
    match &node.data {
        Data::Text(text) if text.contains("${") => {
            for segment in split(text).into_iter().flatten() {
                if let Segment::Name(name) = segment {
                    visit(name, node.mark);
                }
            }
        }
        Data::List(items) => items.iter().for_each(|item| names_in(item, visit)),
        Data::Map(members) => members.iter().for_each(|(_, member)| names_in(member, visit)),
        _ => {}
    }
}

/// The value of a name; `None` where there is none, which it reports.
pub(super) type Lookup<'a> = dyn FnMut(&str, Mark, &mut Faults) -> Option<Spelled> + 'a;

/// The value of a node, with what `lookup` returns in the place of names.
pub(super) fn resolve(node: &Node, faults: &mut Faults, lookup: &mut Lookup<'_>) -> Option<Spelled> {
    match &node.data {
        Data::Text(text) => interpolate(text, node.mark, faults, lookup),
        Data::List(items) => {
            // Every item is looked at, so that every fault is reported.
            let values: Vec<_> = items.iter().map(|item| resolve(item, faults, lookup)).collect();
            let mut spellings = Spellings::default();
            let items = values.into_iter().enumerate().map(|(i, item)| {
                let item = item?;
                if !item.spellings.is_empty() {
                    spellings.adopt(&i.to_string(), item.spellings);
                }
                Some(item.value)
            });
            let value = items.collect::<Option<Vec<_>>>().map(Value::Array)?;
            Some(Spelled { value, spellings })
        }
        Data::Map(members) => {
            let values: Vec<_> = members
                .iter()
                .map(|(key, node)| Some((key.text.clone(), resolve(node, faults, lookup)?)))
                .collect();
            let mut spellings = Spellings::default();
            let members = values.into_iter().map(|member| {
                let (name, member) = member?;
                spellings.adopt(&name, member.spellings);
                Some((name, member.value))
            });
            let value = members.collect::<Option<Map<_, _>>>().map(Value::Object)?;
            Some(Spelled { value, spellings })
        }
        Data::Bool(_, written) | Data::Number(_, written) => Some(Spelled::scalar(node.to_json(), written)),
        Data::Null => Some(Value::Null.into()),
    }
}

/// A string with what `lookup` returns in the place of names.
pub(super) fn interpolate(
    text: &str,
    mark: Mark,
    faults: &mut Faults,
    lookup: &mut Lookup<'_>,
) -> Option<Spelled> {
    if !text.contains("${") {
        return Some(Value::String(text.to_owned()).into());
    }
    let segments = match split(text) {
        Ok(segments) => segments,
        Err(what) => {
            faults
                .push(mark, what)
                .hint("an interpolation is written `${vars.name}`; `$${` stands for a literal `${`");
            return None;
        }
    };
    if let [Segment::Name(name)] = segments[..] {
        return lookup(name, mark, faults);
    }
    let mut whole = Some(String::new());
    for segment in segments {
        let part = match segment {
            Segment::Text(text) => Some(text.to_owned()),
            Segment::Name(name) => lookup(name, mark, faults).and_then(|value| {
                value.text().or_else(|| {
                    let found = describe(&value.value);
                    faults
                        .push(mark, format!("`{name}` is {found}, which cannot be part of a string"))
                        .hint(format!("use it as a whole value: \"${{{name}}}\""));
                    None
                })
            }),
        };
        whole = whole.zip(part).map(|(whole, part)| whole + &part);
    }
    whole.map(|text| Value::String(text).into())
}
