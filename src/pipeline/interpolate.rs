//! `${a.b}`: names of variables, matrix axes and the seed inside values.
//!
//! A text that is one interpolation and nothing else takes the value with its type; inside a longer
//! text it stands as it was written. `${a[matrix.x]}` takes the member of `a` that the instance's value of
//! the axis `x` names. `$${` stands for a plain `${`.

use std::borrow::Cow;

use igpt_contract::Labels;
use serde_json::{Map, Value};

use super::diagnostic::{Fault, Faults};
use super::node::{Data, Mark, Node, describe};
use super::segments::{Segment, split};
use super::spelling::{Spelled, Spellings};
use super::vars::{Vars, size, variable_name};

/// The names that a value may use.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// `vars.*`
    pub(crate) vars: &'a Vars,
    /// `matrix.*`, inside a step with a matrix.
    pub(crate) matrix: Option<AxisValues<'a>>,
    /// `seed`, once it is known.
    pub(crate) seed: Option<u64>,
}

/// The axis values of an instance.
#[derive(Clone, Copy)]
pub(crate) struct AxisValues<'a> {
    /// The values by axis.
    pub(crate) labels: &'a Labels,
    /// How values are spelled, by axis and printed value.
    pub(crate) spellings: &'a Spellings,
}

/// Where secrets may stand, for hints.
pub(crate) const SECRET_PLACES: &str = "a secret may stand in the `env` of a command, as in `env: {TOKEN: \"${vars.token}\"}`, or in a text parameter of a stage";

/// Why a name has no value.
enum Unknown {
    /// It has an error of its own.
    Broken,
    /// There is no such name.
    Name,
}

impl Scope<'_> {
    /// The value of a node; `None` if something in it is wrong, which `faults` then tells.
    pub(crate) fn resolve(&self, node: &Node, faults: &mut Faults) -> Option<Value> {
        self.spelled(node, faults).map(|spelled| spelled.value)
    }

    /// The same with the spellings of what is in it.
    pub(crate) fn spelled(&self, node: &Node, faults: &mut Faults) -> Option<Spelled> {
        if !self.vars.spend(node_size(node), node.mark, faults) {
            return None;
        }
        resolve(node, faults, &mut |name, mark, faults| self.value(name, mark, faults))
    }

    /// The same where secrets may stand as well.
    pub(crate) fn with_secrets(&self, node: &Node, faults: &mut Faults) -> Option<Spelled> {
        if !self.vars.spend(node_size(node), node.mark, faults) {
            return None;
        }
        resolve(node, faults, &mut |name, mark, faults| self.any_value(name, mark, faults))
    }

    /// The value of a node that must be a text (numbers and truth values are formatted).
    pub(crate) fn resolve_text(&self, text: &str, mark: Mark, faults: &mut Faults) -> Option<String> {
        let spelled =
            interpolate(text, mark, faults, &mut |name, mark, faults| self.value(name, mark, faults))?;
        let text = spelled.text();
        if text.is_none() {
            faults.push(mark, format!("expected a text, found {}", describe(&spelled.value)));
        }
        text
    }

    /// The value of a name; `None` if there is none, which `faults` then tells.
    pub(super) fn value(&self, name: &str, mark: Mark, faults: &mut Faults) -> Option<Spelled> {
        if variable_name(name).is_some_and(|variable| self.vars.secret.contains(variable)) {
            faults.push(mark, format!("`{name}` is secret and cannot stand here")).hint(SECRET_PLACES);
            return None;
        }
        self.any_value(name, mark, faults)
    }

    /// The value of a name, secret or not.
    pub(super) fn any_value(&self, name: &str, mark: Mark, faults: &mut Faults) -> Option<Spelled> {
        if let ("seed", Some(seed)) = (name, self.seed) {
            return Some(Value::from(seed).into());
        }
        match self.look_up(name) {
            Ok((value, spellings)) => {
                let afforded = self.vars.spend(size(value), mark, faults);
                afforded.then(|| Spelled { value: value.clone(), spellings })
            }
            Err(Unknown::Broken) => None,
            Err(Unknown::Name) => {
                let names = std::iter::once_with(|| self.names()).flatten();
                let fault = report_unknown(name, mark, names, faults);
                if let Some(words) = name.contains('[').then(|| self.words(name)).flatten() {
                    fault.note(format!("here it is `{}`", words.join(".")));
                }
                None
            }
        }
    }

    fn look_up(&self, name: &str) -> Result<(&Value, Spellings), Unknown> {
        let words = self.words(name).ok_or(Unknown::Name)?;
        match &words[..] {
            [vars, var, ..] if vars == "vars" && self.vars.broken.contains(&**var) => Err(Unknown::Broken),
            [vars, path @ ..] if vars == "vars" => {
                let [var, inner @ ..] = path else { return Err(Unknown::Name) };
                let value = self.vars.values.get(&**var).ok_or(Unknown::Name)?;
                let found = inner.iter().try_fold(value, |value, word| child(value, word));
                Ok((found.ok_or(Unknown::Name)?, self.vars.spellings.below(path)))
            }
            [matrix, axis] if matrix == "matrix" => self.axis(axis).ok_or(Unknown::Name),
            _ => Err(Unknown::Name),
        }
    }

    fn axis(&self, name: &str) -> Option<(&Value, Spellings)> {
        let AxisValues { labels, spellings } = self.matrix?;
        let value = labels.get(name)?;
        Some((value, spellings.below(&[name, &value.to_string()])))
    }

    /// The words of a name, those in brackets replaced by what they stand for: of
    /// `vars.models[matrix.model].layers` these are `vars`, `models`, the model and `layers`.
    fn words<'n>(&self, name: &'n str) -> Option<Vec<Cow<'n, str>>> {
        let mut words: Vec<Cow<'_, str>> = Vec::new();
        let mut rest = name;
        while let Some((before, after)) = rest.split_once('[') {
            let (inside, behind) = after.split_once(']')?;
            words.extend(before.split('.').map(Cow::Borrowed));
            let (value, spellings) = self.axis(inside.strip_prefix("matrix.")?)?;
            words.push(Cow::Owned(spellings.text(&[], value)?));
            rest = behind.strip_prefix('.').unwrap_or(behind);
        }
        words.extend(rest.split('.').filter(|word| !word.is_empty()).map(Cow::Borrowed));
        Some(words)
    }

    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (name, value) in &self.vars.values {
            push_names(&format!("vars.{name}"), value, &mut names);
        }
        names.extend(
            self.matrix.into_iter().flat_map(|axes| axes.labels.keys()).map(|axis| format!("matrix.{axis}")),
        );
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
pub(super) fn report_unknown<'f>(
    name: &str,
    mark: Mark,
    names: impl IntoIterator<Item = String>,
    faults: &'f mut Faults,
) -> &'f mut Fault {
    let fault = faults.push(mark, format!("there is no `{name}` to put into `${{{name}}}`"));
    if let Some(variable) = name.strip_prefix("env.") {
        fault.hint(format!(
            "environment variables do not reach a pipeline: set a variable with `--set vars.NAME=...`, \
             or name `{variable}` in `pass_env` of a `command` step"
        ));
        return fault;
    }
    fault.suggest(name, "names", names);
    if fault.hint.is_none() && !name.contains('.') {
        fault.hint(format!("write `$${{{name}}}` for a plain `${{{name}}}`"));
    }
    fault
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
            for segment in split(text).into_iter().flatten() {
                if let Segment::Name(name) = segment {
                    tell(name, node.mark);
                }
            }
        }
        Data::List(items) => items.iter().for_each(|item| names_in(item, tell)),
        Data::Map(members) => members.iter().for_each(|(_, member)| names_in(member, tell)),
        _ => {}
    }
}

type Lookup<'a> = dyn FnMut(&str, Mark, &mut Faults) -> Option<Spelled> + 'a;

/// The value of a node, with what `lookup` answers in the place of names.
pub(super) fn resolve(node: &Node, faults: &mut Faults, lookup: &mut Lookup<'_>) -> Option<Spelled> {
    match &node.data {
        Data::Text(text) => interpolate(text, node.mark, faults, lookup),
        Data::List(items) => {
            // Every item is looked at, so that every fault is told.
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

fn interpolate(text: &str, mark: Mark, faults: &mut Faults, lookup: &mut Lookup<'_>) -> Option<Spelled> {
    if !text.contains("${") {
        return Some(Value::String(text.to_owned()).into());
    }
    let segments = match split(text) {
        Ok(segments) => segments,
        Err(what) => {
            faults
                .push(mark, what)
                .hint("an interpolation is written `${vars.name}`; `$${` stands for a plain `${`");
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
                        .push(mark, format!("`{name}` is {found}, which cannot stand inside a text"))
                        .hint(format!("only a whole value may be \"${{{name}}}\""));
                    None
                })
            }),
        };
        whole = whole.zip(part).map(|(whole, part)| whole + &part);
    }
    whole.map(|text| Value::String(text).into())
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
        let spellings = Spellings::default();
        let axes = AxisValues { labels: &labels, spellings: &spellings };
        let scope = Scope { vars: &vars, matrix: Some(axes), seed: Some(7) };
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
    fn an_axis_in_brackets_names_a_member() {
        let values = json!({"rates": {"3": 0.1, "s": {"high": 0.2}}, "list": [5, 6, 7, 8]});
        let vars = Vars::new(values.as_object().unwrap().clone(), Default::default());
        let labels = Labels::from([("layer".to_owned(), json!(3)), ("size".to_owned(), json!("s"))]);
        let spellings = Spellings::default();
        let axes = AxisValues { labels: &labels, spellings: &spellings };
        let scope = Scope { vars: &vars, matrix: Some(axes), seed: None };
        let mut faults = Faults::default();
        for (text, value) in [
            ("${vars.rates[matrix.layer]}", json!(0.1)),
            ("${vars.rates[matrix.size].high}", json!(0.2)),
            ("a/${vars.list[matrix.layer]}", json!("a/8")),
        ] {
            assert_eq!(scope.resolve(&node(text), &mut faults), Some(value), "{text}");
        }
        for text in [
            "${vars.rates[matrix.none]}",
            "${vars.list[matrix.size]}",
            "${vars.rates[vars.x]}",
            "${vars.rates[matrix.size}",
        ] {
            assert_eq!(scope.resolve(&node(text), &mut faults), None, "{text}");
        }
        assert_eq!(faults.len(), 4);
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
