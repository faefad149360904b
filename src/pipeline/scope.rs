//! The names that the values of a step may use, and what they stand for.

use std::borrow::Cow;

use igpt_contract::Labels;
use serde_json::Value;

use super::diagnostic::Faults;
use super::interpolate::{interpolate, report_unknown, resolve};
use super::node::{Data, Mark, Node, describe};
use super::spelling::{Spelled, Spellings};
use super::value_budget::size;
use super::var_order::variable_name;
use super::vars::{Unknown, Vars};

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
pub(crate) const SECRET_PLACES: &str = "secrets can be used in the `env` of a command, as in `env: {TOKEN: \"${vars.token}\"}`, or in a string parameter of a stage";

impl Scope<'_> {
    /// The value of a node; `None` if something in it is wrong, which `faults` then holds.
    pub(crate) fn resolve(&self, node: &Node, faults: &mut Faults) -> Option<Value> {
        self.spelled(node, faults).map(|spelled| spelled.value)
    }

    /// The same with the spellings of what is in it.
    pub(crate) fn spelled(&self, node: &Node, faults: &mut Faults) -> Option<Spelled> {
        if !self.vars.budget.spend(node_size(node), node.mark, faults) {
            return None;
        }
        resolve(node, faults, &mut |name, mark, faults| self.value(name, mark, faults))
    }

    /// The same where secrets may stand as well.
    pub(crate) fn with_secrets(&self, node: &Node, faults: &mut Faults) -> Option<Spelled> {
        if !self.vars.budget.spend(node_size(node), node.mark, faults) {
            return None;
        }
        resolve(node, faults, &mut |name, mark, faults| self.any_value(name, mark, faults))
    }

    /// The value of a node that must be a string (numbers and truth values are formatted).
    pub(crate) fn resolve_text(&self, text: &str, mark: Mark, faults: &mut Faults) -> Option<String> {
        let spelled =
            interpolate(text, mark, faults, &mut |name, mark, faults| self.value(name, mark, faults))?;
        let text = spelled.text();
        if text.is_none() {
            faults.push(mark, format!("expected a string, found {}", describe(&spelled.value)));
        }
        text
    }

    /// The value of a name; `None` if there is none, which `faults` then holds.
    pub(super) fn value(&self, name: &str, mark: Mark, faults: &mut Faults) -> Option<Spelled> {
        if variable_name(name).is_some_and(|variable| self.vars.secret.contains(variable)) {
            faults.push(mark, format!("`{name}` is secret and cannot be used here")).hint(SECRET_PLACES);
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
                let afforded = self.vars.budget.spend(size(value), mark, faults);
                afforded.then(|| Spelled { value: value.clone(), spellings })
            }
            Err(Unknown::Broken) => None,
            Err(Unknown::Name) => {
                let names = std::iter::once_with(|| self.names()).flatten();
                let fault = report_unknown(name, mark, names, faults);
                if let Some(words) = name.contains('[').then(|| self.words(name)).flatten() {
                    fault.note(format!("it stands for `{}` here", words.join(".")));
                }
                None
            }
        }
    }

    fn look_up(&self, name: &str) -> Result<(&Value, Spellings), Unknown> {
        let words = self.words(name).ok_or(Unknown::Name)?;
        match &words[..] {
            [vars, path @ ..] if vars == "vars" => self.vars.look_up(path),
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
        let mut names = self.vars.names();
        names.extend(
            self.matrix.into_iter().flat_map(|axes| axes.labels.keys()).map(|axis| format!("matrix.{axis}")),
        );
        names.extend(self.seed.map(|_| "seed".to_owned()));
        names
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
            ("${vars.sid}", "unknown name `vars.sid` in `${vars.sid}`"),
            ("${vars.side", "`${vars.side` has no closing `}`"),
            ("${}", "`${}` is not an interpolation"),
            ("${a b}", "`${a b}` is not an interpolation"),
            ("x${vars.deep}", "`vars.deep` is a map, which cannot be part of a string"),
            ("${env.HOME}", "unknown name `env.HOME` in `${env.HOME}`"),
        ] {
            assert_eq!(resolved(text), Err(vec![message.to_owned()]), "{text}");
        }
        assert_eq!(resolved("${vars.bad}"), Err(vec![]), "a broken variable is told where it is defined");
    }
}
