//! `vars`: names for values, which may use each other but not themselves.
//!
//! The variables are put in an order in which each comes after those that it names, so that a chain
//! of any length is evaluated without recursion.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::diagnostic::Faults;
use super::interpolate::{names_in, report_unknown, resolve};
use super::node::{Key, Mark, Node};
use super::secrets::{REDACTED, Secrets};
use super::spelling::{Spelled, Spellings};
use super::value_budget::{ValueBudget, size};
use super::var_order::{order, variable, variable_name};

/// The deepest nesting of a variable, that of the YAML itself.
const MAX_DEPTH: usize = 128;
/// The variables, evaluated.
#[derive(Debug)]
pub(crate) struct Vars {
    values: Map<String, Value>,
    /// How their numbers are spelled, by the variables' names.
    spellings: Spellings,
    /// Variables whose values nobody is to see.
    pub(super) secret: BTreeSet<String>,
    /// Variables with an error of their own, which is not repeated where they are used.
    broken: BTreeSet<String>,
    /// How many values may still be made.
    pub(super) budget: ValueBudget,
}

/// Why a name has no value.
pub(super) enum Unknown {
    /// It has an error of its own.
    Broken,
    /// There is no such name.
    Name,
}

impl Vars {
    /// The variables' values, by name.
    pub(crate) fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// Evaluates the variables.
    ///
    /// Those that `secrets` lists are secret, and those made of them.
    pub(crate) fn evaluate(members: &[(Key, Node)], secrets: &[&str], faults: &mut Faults) -> Self {
        Self::evaluated(members, secrets, false, faults)
    }

    /// The variables with every secret hidden in the values; `None` where there is no secret.
    pub(crate) fn redacted(members: &[(Key, Node)], secrets: &[&str]) -> Option<Self> {
        // What is wrong was reported by the first evaluation.
        (!secrets.is_empty()).then(|| Self::evaluated(members, secrets, true, &mut Faults::default()))
    }

    /// Every text that is to be hidden.
    pub(crate) fn secrets(&self, secrets: &[&str]) -> Secrets {
        let mut texts = Secrets::default();
        for name in secrets {
            if let Some(value) = self.values.get(*name) {
                add_texts(value, &self.spellings.child(name), &mut texts);
            }
        }
        texts
    }

    fn evaluated(members: &[(Key, Node)], secrets: &[&str], hide: bool, faults: &mut Faults) -> Self {
        let index: HashMap<&str, usize> =
            members.iter().enumerate().map(|(i, (key, _))| (key.text.as_str(), i)).collect();
        let mut vars = Self::new(Map::new(), BTreeSet::new());
        vars.budget = ValueBudget::of_variables();
        for i in order(members, &index, &mut vars.broken, faults) {
            let (key, node) = &members[i];
            let value = resolve(node, faults, &mut |name, mark, faults| {
                if variable(name, &index).is_some() && !name.contains('[') {
                    return vars.value(name, mark, faults);
                }
                report(name, mark, members, faults);
                None
            });
            let value = value.filter(|spelled| {
                let shallow = depth(&spelled.value) <= MAX_DEPTH;
                if !shallow {
                    let what = format!(
                        "the variable `{}` is nested too deeply (more than {MAX_DEPTH} levels)",
                        key.text
                    );
                    faults.push(key.mark, what).hint("levels add up over variables that refer to each other");
                }
                shallow
            });
            match value {
                Some(spelled) => {
                    let mut named_secret = secrets.contains(&key.text.as_str());
                    let mut value = spelled.value;
                    if named_secret && hide {
                        redact_scalars(&mut value);
                    } else {
                        vars.spellings.adopt(&key.text, spelled.spellings);
                    }
                    names_in(node, &mut |name, _| {
                        named_secret |= variable_name(name).is_some_and(|name| vars.secret.contains(name));
                    });
                    if named_secret {
                        vars.secret.insert(key.text.clone());
                    }
                    vars.values.insert(key.text.clone(), value);
                }
                None => drop(vars.broken.insert(key.text.clone())),
            }
        }
        // In the order of the file, not of the evaluation.
        let values = members.iter().filter_map(|(key, _)| vars.values.remove_entry(&key.text)).collect();
        Self { spellings: vars.spellings, secret: vars.secret, ..Self::new(values, vars.broken) }
    }

    /// Variables with these values, ready to be used by steps.
    pub(super) fn new(values: Map<String, Value>, broken: BTreeSet<String>) -> Self {
        let (spellings, secret) = (Spellings::default(), BTreeSet::new());
        Self { values, spellings, secret, broken, budget: ValueBudget::of_steps() }
    }

    /// The value of a name such as `vars.side.x`; `None` if there is none, which `faults` then holds.
    fn value(&self, name: &str, mark: Mark, faults: &mut Faults) -> Option<Spelled> {
        let path: Vec<&str> = name.split('.').skip(1).filter(|word| !word.is_empty()).collect();
        match self.look_up(&path) {
            Ok((value, spellings)) => {
                let afforded = self.budget.spend(size(value), mark, faults);
                afforded.then(|| Spelled { value: value.clone(), spellings })
            }
            Err(Unknown::Broken) => None,
            Err(Unknown::Name) => {
                report_unknown(name, mark, std::iter::once_with(|| self.names()).flatten(), faults);
                None
            }
        }
    }

    /// The value at a path: the variable's name, then names of members and numbers of items.
    pub(super) fn look_up<S: AsRef<str>>(&self, path: &[S]) -> Result<(&Value, Spellings), Unknown> {
        let [variable, inner @ ..] = path else { return Err(Unknown::Name) };
        if self.broken.contains(variable.as_ref()) {
            return Err(Unknown::Broken);
        }
        let value = self.values.get(variable.as_ref()).ok_or(Unknown::Name)?;
        let found = inner.iter().try_fold(value, |value, word| child(value, word.as_ref()));
        Ok((found.ok_or(Unknown::Name)?, self.spellings.below(path)))
    }

    /// The names of all values, those of members included.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (name, value) in &self.values {
            push_names(&format!("vars.{name}"), value, &mut names);
        }
        names
    }
}

fn child<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(members) => members.get(name),
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => None,
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

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Hides the scalars of a value.
fn redact_scalars(value: &mut Value) {
    match value {
        Value::Null => {}
        Value::Array(items) => items.iter_mut().for_each(redact_scalars),
        Value::Object(members) => members.values_mut().for_each(redact_scalars),
        _ => *value = Value::String(REDACTED.to_owned()),
    }
}

fn add_texts(value: &Value, spellings: &Spellings, secrets: &mut Secrets) {
    match value {
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(i, item)| add_texts(item, &spellings.child(&i.to_string()), secrets));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| add_texts(member, &spellings.child(name), secrets));
        }
        scalar => spellings.text(&[], scalar).iter().for_each(|text| secrets.add(text)),
    }
}

/// Reports a name that a variable cannot use.
fn report(name: &str, mark: Mark, members: &[(Key, Node)], faults: &mut Faults) {
    if name == "seed" || name.starts_with("matrix.") || name.contains("[matrix.") {
        faults.push(mark, format!("unknown name `{name}` in `${{{name}}}`")).hint(format!(
            "`vars` can only refer to other `vars`: use `${{{name}}}` in the step that needs it"
        ));
        return;
    }
    report_unknown(name, mark, members.iter().map(|(key, _)| format!("vars.{}", key.text)), faults);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::scope::Scope;
    use crate::pipeline::value_budget::MAX_IN_STEPS;
    use crate::pipeline::yaml::parse;
    use crate::pipeline::yaml_tree::Marks;
    use serde_json::json;

    fn evaluated(text: &str) -> (Vars, Vec<String>) {
        let mut faults = Faults::default();
        let root = parse(text, Marks::OfAll, &mut faults).unwrap();
        let vars = Vars::evaluate(root.as_map().unwrap(), &[], &mut faults);
        let told = faults.into_list().into_iter();
        (vars, told.map(|f| format!("{} | {}", f.message, f.hint.unwrap_or_default())).collect())
    }

    #[test]
    fn a_long_chain_takes_no_stack() {
        let mut text = String::new();
        for i in 0..60_000 {
            text.push_str(&format!("v{i}: \"${{vars.v{}}}\"\n", i + 1));
        }
        let (vars, told) = evaluated(&format!("{text}v60000: 7\n"));
        assert_eq!((vars.values["v0"].clone(), told), (json!(7), vec![]));
        assert_eq!(vars.values.keys().next().map(String::as_str), Some("v0"), "the order of the file stays");
    }

    #[test]
    fn nesting_does_not_add_up_without_end() {
        let mut text = String::from("v0: []\n");
        for i in 1..1000 {
            text.push_str(&format!("v{i}: [\"${{vars.v{}}}\"]\n", i - 1));
        }
        let (vars, told) = evaluated(&text);
        assert_eq!(
            told,
            [
                "the variable `v128` is nested too deeply (more than 128 levels) | levels add up over variables that refer to each other"
            ]
        );
        assert!(vars.broken.contains("v999"));
    }

    #[test]
    fn copies_of_lists_and_of_texts_are_counted() {
        for (first, open, item, close) in
            [("[1]", "[", "\"${vars.X}\", ", "]"), ("abcdefgh", "\"", "${vars.X}", "\"")]
        {
            let mut text = format!("v0: {first}\n");
            for i in 1..10 {
                let items = item.replace('X', &format!("v{}", i - 1)).repeat(10);
                text.push_str(&format!("v{i}: {open}{items}{close}\n"));
            }
            let (_, told) = evaluated(&text);
            assert_eq!(
                told,
                [
                    "the variables expand to more than 1000000 values | a list is copied wherever it is used: keep it short"
                ]
            );
        }
    }

    #[test]
    fn what_steps_make_of_variables_is_counted_and_told_once() {
        let (vars, told) = evaluated("a: [1, 2, 3]\n");
        assert!(told.is_empty());
        let scope = Scope { vars: &vars, matrix: None, seed: None };
        let mut faults = Faults::default();
        assert!(scope.value("vars.a", Mark::FILE, &mut faults).is_some());
        assert_eq!(vars.budget.left(), MAX_IN_STEPS - 4);
        vars.budget.set_left(3);
        assert!(scope.value("vars.a", Mark::FILE, &mut faults).is_none());
        assert!(scope.value("vars.a", Mark::FILE, &mut faults).is_none());
        let told: Vec<String> = faults.into_list().into_iter().map(|fault| fault.message).collect();
        assert_eq!(told, ["the instances of the steps hold more than 8000000 values"]);
    }

    #[test]
    fn variables_see_variables_only() {
        let (_, told) = evaluated("a: \"${seed}\"\nb: \"${matrix.x}\"\nc: \"${HOME}\"\n");
        assert_eq!(
            told,
            [
                "unknown name `seed` in `${seed}` | `vars` can only refer to other `vars`: use `${seed}` in the step that needs it",
                "unknown name `matrix.x` in `${matrix.x}` | `vars` can only refer to other `vars`: use `${matrix.x}` in the step that needs it",
                "unknown name `HOME` in `${HOME}` | write `$${HOME}` for a literal `${HOME}`",
            ]
        );
    }
}
