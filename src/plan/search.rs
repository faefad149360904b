//! `search`: one parameter, its candidates in order, and the metric that decides.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::declared::StepKind;
use super::{Work, with_article};
use crate::pipeline::{Data, Faults, Mark, Node, Scope, check_keys, describe};

const KEYS: &[&str] = &["param", "values", "metric", "goal", "stop"];

/// What a step's `search` declares.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SearchDecl {
    /// The searched parameter, a dotted path into `with`.
    pub(super) param: String,
    pub(super) param_mark: Mark,
    /// The candidates' values and where each is written.
    pub(super) values: Vec<(Value, Mark)>,
    /// The output port whose metrics decide, and where it is written.
    pub(super) port: String,
    pub(super) port_mark: Mark,
    /// The metric's name.
    pub(super) metric: String,
    pub(super) maximise: bool,
    pub(super) stop_first_worse: bool,
}

/// Reads a `search`; `None` if it is invalid.
pub(super) fn read(
    node: &Node,
    with: Option<&Node>,
    scope: &Scope<'_>,
    faults: &mut Faults,
) -> Option<SearchDecl> {
    let before = faults.len();
    if node.as_map().is_none() {
        let found = node.describe();
        faults.push(node.mark, format!("`search` must be a map, found {found}")).hint(
            "for example `search: {param: learning_rate, values: [0.003, 0.001], metric: metrics.loss.valid, goal: min}`",
        );
        return None;
    }
    check_keys(node, "`search`", KEYS, faults);
    let param = text(node, "param", "the parameter to search", scope, faults);
    if let (Some((param, mark)), Some(with)) = (&param, with)
        && with.descend(param.split('.')).1 == param.split('.').count()
    {
        faults
            .push(*mark, format!("`{param}` is searched, and also given a value by `with`"))
            .hint("remove it from `with`");
    }
    let metric = text(node, "metric", "the metric that decides, as `port.name`", scope, faults);
    let metric = metric.and_then(|(metric, mark)| match metric.split_once('.') {
        Some((port, name)) if !port.is_empty() && !name.is_empty() => {
            Some((port.to_owned(), name.to_owned(), mark))
        }
        _ => {
            faults
                .push(
                    mark,
                    format!("`metric` must name an output port and one of its numbers, found `{metric}`"),
                )
                .hint("for example `metric: metrics.loss.valid`");
            None
        }
    });
    let goal = text(node, "goal", "`min` or `max`", scope, faults);
    let maximise =
        goal.and_then(|(goal, mark)| one_of("goal", &goal, mark, [("min", false), ("max", true)], faults));
    let stop = match node.get("stop") {
        None => Some(false),
        Some(_) => text(node, "stop", "`never` or `first_worse`", scope, faults).and_then(|(stop, mark)| {
            one_of("stop", &stop, mark, [("never", false), ("first_worse", true)], faults)
        }),
    };
    let values = values(node, scope, faults);
    if faults.len() > before {
        return None;
    }
    let ((param, param_mark), (port, metric, port_mark)) = (param?, metric?);
    Some(SearchDecl {
        param,
        param_mark,
        values: values?,
        port,
        port_mark,
        metric,
        maximise: maximise?,
        stop_first_worse: stop?,
    })
}

fn values(node: &Node, scope: &Scope<'_>, faults: &mut Faults) -> Option<Vec<(Value, Mark)>> {
    let Some(list) = node.get("values") else {
        faults.push(node.mark, "`search` has no `values`: a list of candidates");
        return None;
    };
    let value = scope.resolve(list, faults)?;
    let Value::Array(values) = value else {
        faults.push(list.mark, format!("`values` must be a list of candidates, found {}", describe(&value)));
        return None;
    };
    if values.is_empty() {
        faults.push(list.mark, "`values` has no candidates");
    }
    let marked: Vec<(Value, Mark)> = values
        .into_iter()
        .enumerate()
        .map(|(i, value)| (value, list.child(&i.to_string()).map_or(list.mark, |item| item.mark)))
        .collect();
    let mut there = HashSet::new();
    for (value, mark) in &marked {
        if value.is_object() || value.is_array() || value.is_null() {
            faults.push(
                *mark,
                format!(
                    "a candidate must be a number, a string, `true` or `false`, found {}",
                    describe(value)
                ),
            );
        } else if !there.insert(value) {
            faults.push(*mark, format!("the candidate {value} is listed twice")).hint("remove one of them");
        }
    }
    Some(marked)
}

fn text(
    node: &Node,
    key: &str,
    what: &str,
    scope: &Scope<'_>,
    faults: &mut Faults,
) -> Option<(String, Mark)> {
    let Some(member) = node.get(key) else {
        faults.push(node.mark, format!("`search` has no `{key}`: {what}"));
        return None;
    };
    let Data::Text(text) = &member.data else {
        let found = member.describe();
        faults.push(member.mark, format!("`{key}` must be {what}, found {found}"));
        return None;
    };
    Some((scope.resolve_text(text, member.mark, faults)?, member.mark))
}

fn one_of<T: Copy>(
    key: &str,
    text: &str,
    mark: Mark,
    choices: [(&str, T); 2],
    faults: &mut Faults,
) -> Option<T> {
    let found = choices.iter().find(|(name, _)| *name == text);
    if found.is_none() {
        let [(a, _), (b, _)] = choices;
        faults.push(mark, format!("`{key}` must be `{a}` or `{b}`, found `{text}`")).suggest(
            text,
            "choices",
            [a, b],
        );
    }
    found.map(|(_, value)| *value)
}

/// The parameters of a candidate: those of the step with the searched one set.
pub(super) fn set_param(params: &mut Value, path: &str, value: &Value) {
    let mut at = params;
    for word in path.split('.') {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[word];
    }
    *at = value.clone();
}

/// The metric of a search must be on an output of kind metrics (or, of a command, on any output:
/// what it holds is seen when the search is decided).
pub(super) fn check_metric(
    search: &SearchDecl,
    kind: StepKind<'_>,
    work: Option<&Work>,
    faults: &mut Faults,
) {
    let outputs: Vec<(&str, &str)> = match (kind, work) {
        (StepKind::Stage(entry), _) => {
            entry.spec.outputs.iter().map(|port| (port.name, port.kind.name)).collect()
        }
        (_, Some(Work::Command(command))) => {
            command.outputs.iter().map(|(port, _)| (port.as_str(), "metrics")).collect()
        }
        _ => return,
    };
    match outputs.iter().find(|(name, _)| *name == search.port) {
        Some((_, "metrics")) => {}
        Some((name, kind)) => {
            let article = with_article(kind);
            faults.push(
                search.port_mark,
                format!("a search is decided by metrics, but `{name}` holds {article}"),
            );
        }
        None => {
            faults.push(search.port_mark, format!("unknown output `{}`", search.port)).suggest(
                &search.port,
                "outputs",
                outputs.iter().map(|(name, _)| *name),
            );
        }
    }
}
