//! Traces of stores made by hand, the damaged and the large among them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use igpt_contract::{Digest, Labels, MetricValues};
use serde_json::json;

use super::place::{self, Place};
use super::*;
use crate::key::{KEY_SCHEMA, KeyInput, KeyMaterial};
use crate::store::{Artifact, Caches, Cost, InputSource, Program, Record, Store};

struct Made {
    folder: tempfile::TempDir,
    store: Store,
}

impl Made {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        Self { folder, store }
    }

    /// A step's record with one output `out`; every input goes to the port `in`.
    fn record(&self, step: &str, out: Artifact, read: Vec<(KeyInput, InputSource)>) -> Record {
        let (inputs, sources): (Vec<KeyInput>, Vec<InputSource>) = read.into_iter().unzip();
        let port = |there: bool| there.then(|| "in".to_owned());
        let material = KeyMaterial {
            schema: KEY_SCHEMA,
            stage: "command".into(),
            version: 2,
            params: BTreeMap::from([("run".into(), step.into())]),
            seed: None,
            numerics: None,
            inputs: port(!inputs.is_empty()).into_iter().map(|port| (port, inputs.clone())).collect(),
        };
        Record {
            key: material.key(),
            outputs: BTreeMap::from([("out".into(), out)]),
            material,
            sources: port(!sources.is_empty()).into_iter().map(|port| (port, sources.clone())).collect(),
            facts: BTreeMap::new(),
            metrics: MetricValues::default(),
            cost: Cost::default(),
            host: "here".into(),
            instruction_set: "test".into(),
            program: Program::this(),
            finished: jiff::Timestamp::UNIX_EPOCH,
            pipeline: "p".into(),
            step: step.into(),
            run: "r".into(),
        }
    }

    fn commit(&self, record: &Record) {
        self.store.try_lock(&record.key).unwrap().unwrap().commit(record).unwrap();
    }

    fn step(&self, step: &str, out: Artifact, read: Vec<(KeyInput, InputSource)>) -> Record {
        let record = self.record(step, out, read);
        self.commit(&record);
        record
    }

    fn file(&self, text: &str) -> Artifact {
        self.store.insert_files(&[("a", text.as_bytes()), ("sub/b", text.repeat(2).as_bytes())]).unwrap()
    }
}

/// What a step reads of another's output.
fn of(record: &Record) -> (KeyInput, InputSource) {
    let source = InputSource::Step { key: record.key, port: "out".into(), part: None };
    (KeyInput::plain(record.outputs["out"].digest), source)
}

fn outside(path: &str) -> (KeyInput, InputSource) {
    (KeyInput::plain(Digest::of(path.as_bytes())), InputSource::Outside { path: path.into() })
}

fn names(trace: &Trace) -> Vec<String> {
    trace.nodes.iter().map(Node::name).collect()
}

#[test]
fn a_shared_step_stands_once_and_below_all_that_read_it() {
    let made = Made::new();
    let data = made.step("data", made.file("data"), vec![outside("raw.csv")]);
    let a = made.step("a", made.file("a"), vec![of(&data)]);
    let b = made.step("b", made.file("b"), vec![of(&a), of(&data)]);
    let top = made.step("top", made.file("top"), vec![of(&data), of(&b), of(&a)]);
    let trace = Trace::of(&made.store, &[top.key]);
    assert_eq!(names(&trace), ["top", "b", "a", "data"]);
    assert_eq!(trace.starts, [0]);
    assert_eq!(trace.readers(), [vec![], vec![0], vec![0, 1], vec![0, 1, 2]]);
    assert!(trace.is_whole());
    let input = &trace.nodes[3].inputs[0];
    assert_eq!((&*input.port, input.digest), ("in", Digest::of(b"raw.csv")), "it ends at a recorded digest");
    assert_eq!(input.source, Source::Outside { path: "raw.csv".into() });
    let both = Trace::of(&made.store, &[data.key, top.key, data.key]);
    assert_eq!(names(&both), names(&trace), "the order is that of the steps");
    assert_eq!(both.starts, [3, 0, 3]);
    let near = Trace::nearest(&made.store, &[b.key]);
    assert_eq!(names(&near), ["b", "a", "data"]);
    assert_eq!(near.nodes[0], Trace::of(&made.store, &[b.key]).nodes[0]);
    assert!(near.nodes[1..].iter().all(|node| node.inputs.is_empty() && node.record.is_some()));
}

#[test]
fn a_trace_is_narrowed_to_what_some_inputs_lead_to() {
    let made = Made::new();
    let data = made.step("data", made.file("data"), vec![]);
    let other = made.step("other", made.file("other"), vec![]);
    let a = made.step("a", made.file("a"), vec![of(&data)]);
    let b = made.step("b", made.file("b"), vec![of(&other)]);
    let top = made.step("top", made.file("top"), vec![of(&a), of(&b)]);
    let trace = Trace::of(&made.store, &[top.key]);
    let narrow = trace.narrowed(0, |_, input| input.digest == b.outputs["out"].digest);
    assert_eq!(names(&narrow), ["top", "b", "other"]);
    assert_eq!(narrow, Trace { nodes: narrow.nodes.clone(), starts: vec![0] });
    assert_eq!(narrow.nodes[0].reads(), [1]);
    assert_eq!(narrow.nodes[1].reads(), [2]);
    assert_eq!(trace.narrowed(0, |_, _| true), trace);
}

#[test]
fn what_the_store_does_not_know_is_named() {
    let made = Made::new();
    let gone = made.record("gone", made.file("gone"), vec![]);
    let mut old = made.record("old", made.file("old"), vec![of(&gone)]);
    old.sources.clear();
    made.commit(&old);
    let top = made.step("top", made.file("top"), vec![of(&gone), of(&old)]);
    let trace = Trace::of(&made.store, &[top.key]);
    let missing: Vec<Digest> = trace.missing().map(|node| node.key).collect();
    assert_eq!(missing, [gone.key]);
    assert_eq!(trace.node(&gone.key).unwrap().name(), format!("key {}", gone.key.short()));
    assert_eq!(trace.node(&old.key).unwrap().inputs[0].source, Source::Unknown);
    assert!(!trace.is_whole());
    let nothing = Trace::of(&made.store, &[gone.key]);
    assert_eq!((nothing.nodes.len(), nothing.starts), (1, vec![0]));
}

#[test]
fn parts_choices_and_labels_are_kept() {
    let made = Made::new();
    let tried: Vec<Record> =
        (0..3).map(|n| made.step(&format!("c{n}"), made.file(&n.to_string()), vec![])).collect();
    let choice = InputSource::Choice { tried: tried.iter().map(|one| one.key).collect() };
    let part = InputSource::Step { key: tried[1].key, port: "out".into(), part: Some("sub".into()) };
    let labels = Labels::from_iter([("layer".to_owned(), json!(3))]);
    let digest = made.store.peek_part(&tried[1].outputs["out"], "sub").unwrap().digest;
    let read = vec![
        (KeyInput::plain(Digest::of(b"choice")), choice),
        (KeyInput { digest, labels: labels.clone() }, part),
    ];
    let top = made.step("top", made.file("top"), read);
    let trace = Trace::of(&made.store, &[top.key]);
    assert_eq!(trace.nodes[0].inputs[0].source.nodes().len(), 3);
    assert_eq!(trace.nodes[0].inputs[1].labels, labels);
    let Source::Step { node, part, replaced, .. } = &trace.nodes[0].inputs[1].source else { panic!() };
    assert_eq!((&*trace.nodes[*node].name(), part.as_deref(), *replaced), ("c1", Some("sub"), false));
    assert_eq!(trace.nodes[0].reads().len(), 3, "c1 is read twice and counts once");
    // The digest of a part leads to its whole, by those who read it.
    let found = place::find(&made.store, &digest.to_string()).unwrap();
    let of_part = Place { key: tried[1].key, port: Some("out".into()), within: "sub".into(), digest };
    assert_eq!(found, [of_part]);
}

#[test]
fn an_output_that_was_made_again_is_said_to_be_another() {
    let made = Made::new();
    let below = made.step("below", made.file("first"), vec![]);
    let top = made.step("top", made.file("top"), vec![of(&below)]);
    made.step("below", made.file("second"), vec![]);
    let trace = Trace::of(&made.store, &[top.key]);
    assert!(matches!(trace.nodes[0].inputs[0].source, Source::Step { replaced: true, .. }));
}

#[test]
fn sources_that_lie_in_a_circle_are_unknown() {
    let made = Made::new();
    let mut a = made.record("a", made.file("a"), vec![outside("x")]);
    let b = made.step("b", made.file("b"), vec![of(&a)]);
    // Sources are no part of a key: a store can be made to say this.
    a.sources.insert("in".into(), vec![of(&b).1]);
    made.commit(&a);
    let mut own = made.record("own", made.file("own"), vec![outside("y")]);
    own.sources.insert("in".into(), vec![InputSource::Step { key: own.key, port: "out".into(), part: None }]);
    made.commit(&own);
    let trace = Trace::of(&made.store, &[b.key, own.key]);
    assert_eq!(names(&trace), ["b", "a", "own"]);
    assert_eq!(trace.nodes[1].inputs[0].source, Source::Unknown);
    assert_eq!(trace.nodes[2].inputs[0].source, Source::Unknown);
}

#[test]
fn digests_lead_to_keys_then_outputs_then_files() {
    let made = Made::new();
    let a = made.step("a", made.file("a"), vec![]);
    let b = made.step("b", made.file("b"), vec![of(&a)]);
    let find = |digest: &Digest| place::find(&made.store, &digest.to_string()[..12]).unwrap();
    assert_eq!(find(&a.key)[0].port, None);
    let out = a.outputs["out"].digest;
    let whole = Place { key: a.key, port: Some("out".into()), within: "".into(), digest: out };
    assert_eq!(find(&out), [whole]);
    let file = Digest::of(b"bb");
    let within = Place { key: b.key, port: Some("out".into()), within: "sub/b".into(), digest: file };
    assert_eq!(find(&file), [within]);
    assert_eq!(find(&Digest::of(b"elsewhere")), []);
    assert!(place::is_digest("0a1b2c") && !place::is_digest("0a1b") && !place::is_digest("report"));
}

#[test]
fn a_file_on_disk_is_known_by_its_bytes_and_a_folder_by_its_export() {
    let made = Made::new();
    let a = made.step("a", made.file("a"), vec![]);
    let to = made.folder.path().join("results");
    let mut caches = Caches::open(&made.store);
    made.store.export(&a.outputs["out"], &to, false, &mut caches).unwrap();
    let at = |path: &Path| place::on_disk(&made.store, path).unwrap();
    assert_eq!(at(&to.join("sub/b")).places[0].within, Path::new("sub/b"));
    assert_eq!(at(&to).places[0].key, a.key);
    fs::write(to.join("sub/b"), "edited").unwrap();
    let edited = at(&to.join("sub/b"));
    assert!(edited.places.is_empty());
    assert_eq!(edited.export.unwrap().artifact, a.outputs["out"], "whose file it was is still known");
    assert!(place::on_disk(&made.store, &to.join("absent")).is_err());
}

#[test]
fn a_long_chain_overflows_no_stack() {
    let made = Made::new();
    let file = made.file("same");
    let (mut last, mut first): (Option<Record>, Option<Record>) = (None, None);
    for n in 0..600 {
        let read = last.iter().chain(&first).map(of).collect();
        let record = made.step(&n.to_string(), file, read);
        first.get_or_insert_with(|| record.clone());
        last = Some(record);
    }
    let trace = Trace::of(&made.store, &[last.unwrap().key]);
    assert_eq!(trace.nodes.len(), 600);
    assert_eq!(trace.nodes[599].key, first.unwrap().key);
}
