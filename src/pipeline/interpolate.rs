//! `${a.b}`: names of variables, matrix axes and the seed inside values.
//!
//! A text that is one interpolation and nothing else takes the value with its type; inside a longer
//! text the value is formatted. `$${` stands for a plain `${`.

use igpt_contract::Labels;
use serde_json::{Map, Value};

use super::diagnostic::Faults;
use super::node::{Data, Mark, Node, describe};
use super::vars::{Vars, size};

/// The names that a value may use.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// `vars.*`
    pub(crate) vars: &'a Vars,
    /// `matrix.*`, inside a step with a matrix.
    pub(crate) matrix: Option<&'a Labels>,
    /// `seed`, once it is known.
    pub(crate) seed: Option<u64>,
}

/// Why a name has no value.
enum Unknown {
    /// It has an error of its own.
    Broken,
    /// There is no such name.
    Name,
}

/// One part of a text.
#[derive(Debug, PartialEq)]
enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

impl Scope<'_> {
    /// The value of a node; `None` if something in it is wrong, which `faults` then tells.
    pub(crate) fn resolve(&self, node: &Node, faults: &mut Faults) -> Option<Value> {
        if !self.vars.spend(node_size(node), node.mark, faults) {
            return None;
        }
        resolve(node, faults, &mut |name, mark, faults| self.value(name, mark, faults))
    }

    /// The value of a node that must be a text (numbers and truth values are formatted).
    pub(crate) fn resolve_text(&self, text: &str, mark: Mark, faults: &mut Faults) -> Option<String> {
        match interpolate(text, mark, faults, &mut |name, mark, faults| self.value(name, mark, faults))? {
            Value::String(text) => Some(text),
            other => in_text(&other).or_else(|| {
                faults.push(mark, format!("expected a text, found {}", describe(&other)));
                None
            }),
        }
    }

    /// The value of a name; `None` if there is none, which `faults` then tells.
    pub(super) fn value(&self, name: &str, mark: Mark, faults: &mut Faults) -> Option<Value> {
        if let ("seed", Some(seed)) = (name, self.seed) {
            return Some(seed.into());
        }
        match self.look_up(name) {
            Ok(value) => self.vars.spend(size(value), mark, faults).then(|| value.clone()),
            Err(Unknown::Broken) => None,
            Err(Unknown::Name) => {
                report_unknown(name, mark, std::iter::once_with(|| self.names()).flatten(), faults);
                None
            }
        }
    }

    fn look_up(&self, name: &str) -> Result<&Value, Unknown> {
        let mut words = name.split('.');
        let value = match (words.next(), words.next()) {
            (Some("vars"), Some(var)) if self.vars.broken.contains(var) => return Err(Unknown::Broken),
            (Some("vars"), Some(var)) => self.vars.values.get(var),
            (Some("matrix"), Some(axis)) => self.matrix.and_then(|labels| labels.get(axis)),
            _ => None,
        };
        let mut value = value.ok_or(Unknown::Name)?;
        for word in words {
            value = child(value, word).ok_or(Unknown::Name)?;
        }
        Ok(value)
    }

    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (name, value) in &self.vars.values {
            push_names(&format!("vars.{name}"), value, &mut names);
        }
        names.extend(self.matrix.into_iter().flat_map(Labels::keys).map(|axis| format!("matrix.{axis}")));
        names.extend(self.seed.map(|_| "seed".to_owned()));
        names
    }
}

fn push_names(path: &str, value: &Value, names: &mut Vec<String>) {
    names.push(path.to_owned());
    if let Value::Object(members) = value {
        for (name, value) in members {
            push_names(&format!("{path}.{name}"), value, names);
        }
    }
}

fn child<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(members) => members.get(name),
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => None,
    }
}

/// Tells that there is no such name; `names` are those that there are.
pub(super) fn report_unknown(
    name: &str,
    mark: Mark,
    names: impl IntoIterator<Item = String>,
    faults: &mut Faults,
) {
    let fault = faults.push(mark, format!("there is no `{name}` to put into `${{{name}}}`"));
    if let Some(variable) = name.strip_prefix("env.") {
        fault.hint(format!(
            "environment variables do not reach a pipeline: set a variable with `--set vars.NAME=...`, \
             or name `{variable}` in `pass_env` of a `command` step"
        ));
        return;
    }
    fault.suggest(name, "names", names);
    if fault.hint.is_none() && !name.contains('.') {
        fault.hint(format!("write `$${{{name}}}` for a plain `${{{name}}}`"));
    }
}

/// How many values a node holds, before anything is put into it.
fn node_size(node: &Node) -> usize {
    match &node.data {
        Data::List(items) => 1 + items.iter().map(node_size).sum::<usize>(),
        Data::Map(members) => 1 + members.iter().map(|(_, member)| node_size(member)).sum::<usize>(),
        _ => 1,
    }
}

/// Tells every name that the texts of a node interpolate.
pub(super) fn names_in(node: &Node, tell: &mut dyn FnMut(&str, Mark)) {
    match &node.data {
        Data::Text(text) if text.contains("${") => {
            for piece in split(text).into_iter().flatten() {
                if let Piece::Name(name) = piece {
                    tell(name, node.mark);
                }
            }
        }
        Data::List(items) => items.iter().for_each(|item| names_in(item, tell)),
        Data::Map(members) => members.iter().for_each(|(_, member)| names_in(member, tell)),
        _ => {}
    }
}

type Lookup<'a> = dyn FnMut(&str, Mark, &mut Faults) -> Option<Value> + 'a;

/// The value of a node, with what `lookup` answers in the place of names.
pub(super) fn resolve(node: &Node, faults: &mut Faults, lookup: &mut Lookup<'_>) -> Option<Value> {
    match &node.data {
        Data::Text(text) => interpolate(text, node.mark, faults, lookup),
        Data::List(items) => {
            // Every item is looked at, so that every fault is told.
            let values: Vec<_> = items.iter().map(|item| resolve(item, faults, lookup)).collect();
            values.into_iter().collect()
        }
        Data::Map(members) => {
            let values: Vec<_> = members
                .iter()
                .map(|(key, node)| Some((key.text.clone(), resolve(node, faults, lookup)?)))
                .collect();
            values.into_iter().collect::<Option<Map<_, _>>>().map(Value::Object)
        }
        _ => Some(node.to_json()),
    }
}

fn interpolate(text: &str, mark: Mark, faults: &mut Faults, lookup: &mut Lookup<'_>) -> Option<Value> {
    if !text.contains("${") {
        return Some(Value::String(text.to_owned()));
    }
    let pieces = match split(text) {
        Ok(pieces) => pieces,
        Err(what) => {
            faults
                .push(mark, what)
                .hint("an interpolation is written `${vars.name}`; `$${` stands for a plain `${`");
            return None;
        }
    };
    if let [Piece::Name(name)] = pieces[..] {
        return lookup(name, mark, faults);
    }
    let mut whole = Some(String::new());
    for piece in pieces {
        let part = match piece {
            Piece::Text(text) => Some(text.to_owned()),
            Piece::Name(name) => lookup(name, mark, faults).and_then(|value| {
                in_text(&value).or_else(|| {
                    let found = describe(&value);
                    faults
                        .push(mark, format!("`{name}` is {found}, which cannot stand inside a text"))
                        .hint(format!("only a whole value may be \"${{{name}}}\""));
                    None
                })
            }),
        };
        whole = whole.zip(part).map(|(whole, part)| whole + &part);
    }
    whole.map(Value::String)
}

/// A scalar as it stands inside a text.
fn in_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// The first name that a text interpolates, if it does.
pub(crate) fn first_name(text: &str) -> Option<&str> {
    if !text.contains("${") {
        return None;
    }
    split(text).ok()?.into_iter().find_map(|piece| match piece {
        Piece::Name(name) => Some(name),
        Piece::Text(_) => None,
    })
}

fn split(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            pieces.push(Piece::Text(&rest[..at - 1]));
            pieces.push(Piece::Text("${"));
            rest = &rest[at + 2..];
            continue;
        }
        if at > 0 {
            pieces.push(Piece::Text(&rest[..at]));
        }
        let inside = &rest[at + 2..];
        let end = inside.find('}').ok_or_else(|| format!("`{}` has no closing `}}`", &rest[at..]))?;
        let name = inside[..end].trim();
        let well_formed = !name.is_empty()
            && name.split('.').all(|word| {
                !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
            });
        if !well_formed {
            return Err(format!("`${{{}}}` is not an interpolation", &inside[..end]));
        }
        pieces.push(Piece::Name(name));
        rest = &inside[end + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(text: &str) -> Node {
        Node { mark: Mark::FILE, data: Data::Text(text.into()) }
    }

    fn resolved(text: &str) -> Result<Value, Vec<String>> {
        let values = json!({"side": 16, "lr": 0.001, "deep": {"list": [1, 2]}, "name": "x"});
        let vars = Vars::new(values.as_object().unwrap().clone(), ["bad".to_owned()].into());
        let labels = Labels::from([("layer".to_owned(), json!(3))]);
        let mut faults = Faults::default();
        let scope = Scope { vars: &vars, matrix: Some(&labels), seed: Some(7) };
        let value = scope.resolve(&node(text), &mut faults);
        value.ok_or_else(|| faults.into_list().into_iter().map(|f| f.message).collect())
    }

    #[test]
    fn a_whole_interpolation_keeps_its_type() {
        assert_eq!(resolved("${vars.side}"), Ok(json!(16)));
        assert_eq!(resolved("${ vars.deep.list }"), Ok(json!([1, 2])));
        assert_eq!(resolved("${vars.deep.list.1}"), Ok(json!(2)));
        assert_eq!(resolved("${seed}"), Ok(json!(7)));
    }

    #[test]
    fn inside_a_text_values_are_formatted() {
        assert_eq!(resolved("features.layers/${matrix.layer}"), Ok(json!("features.layers/3")));
        assert_eq!(resolved("lr=${vars.lr} $${HOME} $x"), Ok(json!("lr=0.001 ${HOME} $x")));
    }

    #[test]
    fn what_is_wrong_is_told_once() {
        for (text, message) in [
            ("${vars.sid}", "there is no `vars.sid` to put into `${vars.sid}`"),
            ("${vars.side", "`${vars.side` has no closing `}`"),
            ("${}", "`${}` is not an interpolation"),
            ("${a b}", "`${a b}` is not an interpolation"),
            ("x${vars.deep}", "`vars.deep` is a mapping, which cannot stand inside a text"),
            ("${env.HOME}", "there is no `env.HOME` to put into `${env.HOME}`"),
        ] {
            assert_eq!(resolved(text), Err(vec![message.to_owned()]), "{text}");
        }
        assert_eq!(resolved("${vars.bad}"), Err(vec![]), "a broken variable is told where it is defined");
    }
}
