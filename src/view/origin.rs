//! Where numbers come from: for every step the way back to the data, and for every cell of a table the
//! results that it is made of.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use igpt_contract::Digest;
use maud::{Markup, html};
use serde_json::Value;

use super::links::Links;
use super::run::Run;
use super::tables::ResultTable;
use crate::provenance::{Node, Source, TableCells, Trace};
use crate::report::clean::at_most;
use crate::report::seconds;
use crate::step_name::base;
use crate::store::Store;

/// How many steps of a way back are named, and how much of their parameters is shown.
const STEPS: usize = 40;
const PARAMS: usize = 160;
/// How many results of a cell are named.
const RESULTS: usize = 30;

/// The ways back of a run's steps.
pub(crate) struct Origins {
    trace: Trace,
    /// The nodes of the trace by their keys, and the steps of the run by theirs.
    nodes: HashMap<Digest, usize>,
    steps: HashMap<Digest, usize>,
    /// For each node a number of its step in the YAML.
    bases: Vec<usize>,
}

impl Origins {
    /// The ways back of the steps that `wanted` names.
    pub(crate) fn of(store: &Store, run: &Run, wanted: impl Fn(usize) -> bool) -> Self {
        let keyed = run.steps.iter().enumerate().filter(|(_, step)| step.record.is_some());
        let steps: HashMap<Digest, usize> =
            keyed.filter_map(|(place, step)| Some((step.seen.key?, place))).collect();
        let mut keys: Vec<(usize, Digest)> =
            steps.iter().filter(|(_, place)| wanted(**place)).map(|(key, place)| (*place, *key)).collect();
        keys.sort_unstable_by_key(|(place, _)| *place);
        let keys: Vec<Digest> = keys.into_iter().map(|(_, key)| key).collect();
        let trace = Trace::of(store, &keys);
        let nodes = trace.nodes.iter().enumerate().map(|(n, node)| (node.key, n)).collect();
        let mut known: HashMap<String, usize> = HashMap::new();
        let number = |node: &Node| {
            let next = known.len();
            *known.entry(base(&node.name()).to_owned()).or_insert(next)
        };
        let bases = trace.nodes.iter().map(number).collect();
        Self { trace, nodes, steps, bases }
    }

    /// The way back from a step: what it was made of, down to the data. `id` is the place's own, and `href`
    /// leads to the places of other steps, as far as they have any.
    pub(crate) fn render(
        &self,
        run: &Run,
        step: usize,
        id: &str,
        href: &dyn Fn(usize) -> Option<String>,
    ) -> Markup {
        let key = run.steps[step].seen.key.filter(|_| run.steps[step].record.is_some());
        let Some(start) = key.and_then(|key| self.nodes.get(&key)) else { return html! {} };
        let way = self.way(*start);
        let groups = self.groups(&way[1..]);
        html! {
            h4 id=(id) { "Origin" }
            ol.chain {
                @for group in groups.iter().take(STEPS) { (self.group(run, group, href)) }
                @if groups.len() > STEPS { li { "and " (groups.len() - STEPS) " more steps" } }
                (self.data(run, &way))
            }
        }
    }

    /// The node and all that it was made of, readers first.
    fn way(&self, start: usize) -> Vec<usize> {
        let mut is_read = vec![false; self.trace.nodes.len()];
        is_read[start] = true;
        let mut way = Vec::new();
        for (n, node) in self.trace.nodes.iter().enumerate().skip(start) {
            if is_read[n] {
                way.push(n);
                node.reads().into_iter().for_each(|read| is_read[read] = true);
            }
        }
        way
    }

    /// The nodes by their steps in the YAML, in order.
    fn groups(&self, way: &[usize]) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut known: HashMap<usize, usize> = HashMap::new();
        for n in way {
            let group = *known.entry(self.bases[*n]).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[group].push(*n);
        }
        groups
    }

    fn group(&self, run: &Run, group: &[usize], href: &dyn Fn(usize) -> Option<String>) -> Markup {
        let node = &self.trace.nodes[group[0]];
        html! { li {
            (self.name(run, node, href))
            @if group.len() > 1 { " and " (group.len() - 1) " more of its instances" }
            @match &node.record {
                None => span.soft { ": the store has no record of it, so the way back ends here" },
                Some(record) => span.soft {
                    ": " (run.text(&record.material.stage)) " version " (record.material.version)
                    @if let Some(seed) = record.material.seed { ", seed " (seed) }
                    @let params = params(&record.material.params);
                    @if !params.is_empty() { ", " span.mono { (run.text(&params)) } }
                    ", " (seconds(record.cost.wall_s))
                    @if let Some(commit) = record.program.short_commit() { ", commit " span.mono { (commit) } }
                },
            }
        } }
    }

    fn name(&self, run: &Run, node: &Node, href: &dyn Fn(usize) -> Option<String>) -> Markup {
        let name = node.name();
        html! { @match self.steps.get(&node.key).and_then(|step| href(*step)) {
            Some(place) => a href=(place) { (run.text(&name)) },
            None => (run.text(&name)),
        } }
    }

    /// What was read from outside: archives with their checksums, files and folders with their digests.
    fn data(&self, run: &Run, way: &[usize]) -> Markup {
        let nodes = || way.iter().map(|n| &self.trace.nodes[*n]);
        let mut outside: BTreeMap<(&str, String), ()> = BTreeMap::new();
        let mut is_unknown = false;
        for input in nodes().flat_map(|node| &node.inputs) {
            match &input.source {
                Source::Outside { path } => drop(outside.insert((path, input.digest.to_string()), ())),
                Source::Unknown => is_unknown = true,
                Source::Step { .. } | Source::Choice { .. } => {}
            }
        }
        let facts: Vec<(String, &String, &Value)> = nodes()
            .flat_map(|node| {
                node.record.iter().flat_map(|record| &record.facts).map(|fact| (node.name(), fact))
            })
            .map(|(name, (fact, value))| (name, fact, value))
            .collect();
        let is_drawn = outside.is_empty() && facts.is_empty() && !is_unknown;
        html! {
            @for (step, name, value) in facts {
                li.data { (run.text(name)) " read by " (run.text(&step)) ": " span.mono { (run.text(&fact(value))) } }
            }
            @for ((path, digest), ()) in outside.iter().take(STEPS) {
                li.data { "file or folder " span.mono { (run.text(path)) } ", BLAKE3 " span.mono { (digest) } }
            }
            @if outside.len() > STEPS { li { "and " (outside.len() - STEPS) " more files and folders" } }
            @if is_unknown { li.data { "Some records do not say where their inputs came from: an earlier version made them." } }
            @if is_drawn && way.iter().all(|n| self.trace.nodes[*n].record.is_some()) {
                li.data { "Nothing outside was read: the data are made by " (run.text(&self.trace.nodes[way[way.len() - 1]].name())) "." }
            }
        }
    }

    /// What the cells of a table are made of.
    pub(crate) fn cells(&self, store: &Store, run: &Run, step: usize, port: &str) -> Cells {
        let record = run.steps[step].record.as_ref();
        let artifact = record.and_then(|record| record.outputs.get(port));
        let read = |artifact| TableCells::read(store, artifact, Path::new("")).ok().flatten();
        let table = artifact.and_then(read);
        let node = run.steps[step].seen.key.and_then(|key| self.nodes.get(&key));
        let node = node.map(|node| &self.trace.nodes[*node]);
        let mut found = BTreeMap::new();
        for cell in table.iter().flat_map(|table| &table.cells) {
            let inputs = node
                .into_iter()
                .flat_map(|node| cell.inputs(node).into_iter().map(|place| &node.inputs[place]));
            let nodes = inputs.flat_map(|input| input.source.nodes());
            let mut steps: Vec<usize> =
                nodes.filter_map(|node| self.steps.get(&self.trace.nodes[*node].key).copied()).collect();
            steps.sort_unstable();
            steps.dedup();
            found.insert((cell.row, cell.column), steps);
        }
        let said = table.map(|table| Said {
            labels: table.rows.into_iter().flat_map(|row| row.labels).map(|(name, _)| name).collect(),
            headings: table.columns.into_iter().map(|column| column.heading).collect(),
        });
        Cells { step, said, found }
    }
}

/// What the cells of a table are made of.
pub(crate) struct Cells {
    step: usize,
    /// None where the table does not say what its cells are made of.
    said: Option<Said>,
    /// (row, column of results) -> the steps whose results it is made of.
    found: BTreeMap<(usize, usize), Vec<usize>>,
}

/// What a table says of its columns.
struct Said {
    /// The names of those that tell its rows apart.
    labels: BTreeSet<String>,
    /// The headings of those with results, as far as they are names: the table may add a unit.
    headings: Vec<String>,
}

impl Said {
    /// Which column of results each column of the table is. Beside those stand labels, published numbers
    /// and differences from what was expected.
    fn columns(&self, table: &ResultTable) -> Vec<Option<usize>> {
        let mut next = 0;
        let mut is_label = true;
        let column = |(heading, _): &(String, bool)| {
            is_label &= self.labels.contains(heading);
            let is_next = self.headings.get(next).is_some_and(|name| heading.starts_with(name.as_str()));
            let is_result = !is_label && is_next && !heading.ends_with(", published");
            next += usize::from(is_result);
            is_result.then(|| next - 1)
        };
        table.headings.iter().map(column).collect()
    }
}

impl Cells {
    /// Where a cell of the table leads. Of a table that does not say what its cells are made of: to the
    /// origin of the whole table.
    pub(crate) fn href(
        &self,
        run: &Run,
        table: &ResultTable,
        (row, column): (usize, usize),
        links: &Links,
    ) -> Option<String> {
        if self.said.is_none() {
            return Some(links.origin(run, self.step));
        }
        match &self.steps(table, row, column)?[..] {
            [] => None,
            [one] => Some(links.origin(run, *one)),
            _ => Some(self.id(row, column, '#')),
        }
    }

    fn steps(&self, table: &ResultTable, row: usize, column: usize) -> Option<&Vec<usize>> {
        let result = self.said.as_ref()?.columns(table)[column]?;
        self.found.get(&(row, result))
    }

    fn id(&self, row: usize, column: usize, before: char) -> String {
        format!("{before}c{}-{row}-{column}", self.step).trim_start().to_owned()
    }

    /// The cells that are made of several results, each with those.
    pub(crate) fn render(&self, run: &Run, table: &ResultTable, links: &Links) -> Markup {
        let mut several = Vec::new();
        for (row, cells) in table.rows.iter().enumerate() {
            for (column, cell) in cells.iter().enumerate() {
                if let Some(steps) = self.steps(table, row, column).filter(|steps| steps.len() > 1) {
                    let name: Vec<&str> = cells.iter().take(column.min(2)).map(|cell| &*cell.text).collect();
                    several.push((
                        self.id(row, column, ' '),
                        name.join(" "),
                        &table.headings[column].0,
                        &cell.text,
                        steps,
                    ));
                }
            }
        }
        if several.is_empty() {
            return html! {};
        }
        html! { details id={ "dc" (self.step) } {
            summary { "Results that each mean is made of" }
            div.body { ul { @for (id, row, heading, text, steps) in several {
                li id=(id) {
                    (run.text(&row)) ", " (run.text(heading)) ": " strong { (run.text(text)) } " from "
                    @for (n, step) in steps.iter().take(RESULTS).enumerate() {
                        @if n > 0 { ", " }
                        a href=(links.origin(run, *step)) { (run.text(&run.steps[*step].name)) }
                    }
                    @if steps.len() > RESULTS { " and " (steps.len() - RESULTS) " more" }
                }
            } } }
        } }
    }
}

/// Parameters on a line, without members that are left open.
fn params(params: &BTreeMap<String, Value>) -> String {
    let without_null = |value: &Value| match value {
        Value::Object(members) => {
            let given = members.iter().filter(|(_, member)| !member.is_null());
            Value::Object(given.map(|(name, member)| (name.clone(), member.clone())).collect())
        }
        value => value.clone(),
    };
    let one = |(name, value): (&String, &Value)| match without_null(value) {
        Value::String(text) => format!("{name}={text}"),
        value => format!("{name}={value}"),
    };
    let text = params.iter().map(one).collect::<Vec<_>>().join(" ").replace('\n', " ");
    at_most(text, PARAMS)
}

/// A fact on a line: its members by their names.
fn fact(value: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| format!("{name} {}", text(value)))
            .collect::<Vec<_>>()
            .join(", "),
        value => text(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tables::parse;

    #[test]
    fn cells_lead_to_what_they_are_made_of() {
        let text = "| test set | layer | test (%) | Δ | test, published | other ↑ |\n|:-|-:|-:|-:|-:|-:|\n\
                    | a | 1 | 2.0 | – | 9 | 3.0 |\n| b | 2 | 4.0 | – | – | – |\n";
        let table = parse(text).unwrap();
        let labels = BTreeSet::from(["test set".to_owned(), "layer".to_owned()]);
        let said = Some(Said { labels, headings: vec!["test".to_owned(), "other".to_owned()] });
        let columns = said.as_ref().unwrap().columns(&table);
        assert_eq!(columns, [None, None, Some(0), None, None, Some(1)]);
        let found = BTreeMap::from([((0, 0), vec![3]), ((1, 0), vec![3, 4]), ((0, 1), vec![])]);
        let cells = Cells { step: 9, said, found };
        assert_eq!(cells.steps(&table, 0, 2), Some(&vec![3]));
        assert_eq!(cells.steps(&table, 0, 1), None, "a label is no result");
        assert_eq!(cells.steps(&table, 1, 3), None);
        assert_eq!(cells.id(1, 2, '#'), "#c9-1-2");
        assert_eq!(cells.id(1, 2, ' '), "c9-1-2");
    }

    #[test]
    fn facts_read_as_text() {
        let archive = serde_json::json!({"address": "https://x/y.tar.gz", "bytes": 12, "blake3": "c0ae"});
        assert_eq!(fact(&archive), "address https://x/y.tar.gz, bytes 12, blake3 c0ae");
    }
}
