//! `ro-crate-metadata.json`: a bundle in the words of RO-Crate 1.1 and Provenance Run Crate 0.5, for programs that
//! know no igpt-flow.
//!
//! The pipeline is the workflow, a stage kind a tool, a step of the plan a `HowToStep`, and a record a
//! `CreateAction` with the artifacts that it read and made.

use std::collections::BTreeMap;

use igpt_contract::Digest;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::manifest::{BundleFile, BundleManifest, METADATA};
use super::select::Selection;
use crate::store::{InputSource, Record, Store};

/// The profiles that the crate follows: address, name, version.
const PROFILES: [(&str, &str, &str); 4] = [
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/provenance/0.5", "Provenance Run Crate", "0.5"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
];

const ENGINE: &str = "#igpt-flow";
const LANGUAGE: &str = "#pipeline-language";
const LICENSE: &str = "#license";

/// The metadata of a bundle that holds these files.
pub(super) fn metadata(
    store: &Store,
    selection: &Selection,
    manifest: &BundleManifest,
    files: &[BundleFile],
) -> Vec<u8> {
    let records: BTreeMap<Digest, Record> =
        selection.records.iter().filter_map(|key| Some((*key, store.record(key)?))).collect();
    let named = |key: &Digest| records.get(key).map_or_else(|| key.short(), |record| record.step.clone());
    // Artifacts are named by their digests; those that are files of the bundle by these.
    let objects: BTreeMap<Digest, &BundleFile> =
        files.iter().filter_map(|file| Some((file.object()?, file))).collect();
    let mut graph = Graph::default();
    let mut parts: Vec<Value> = files.iter().map(|file| id(&file.name)).collect();
    parts.extend(
        artifacts(&records).filter(|digest| !objects.contains_key(digest)).map(|digest| id(&urn(&digest))),
    );
    parts.sort_by_key(Value::to_string);
    parts.dedup();
    let latest = records.values().map(|record| record.finished).max().unwrap_or_default();
    let actions: Vec<Value> = records.keys().map(|key| id(&action(key))).collect();
    let mentions: Vec<Value> = [id("#run")].into_iter().chain(actions).chain([id("#organized")]).collect();
    graph.add(METADATA, "CreativeWork", json!({
        "conformsTo": [id("https://w3id.org/ro/crate/1.1"), id("https://w3id.org/workflowhub/workflow-ro-crate/1.0")],
        "about": id("./"),
    }));
    graph.add("./", "Dataset", json!({
        "name": format!("Results of the pipeline {}", manifest.pipeline),
        "description": "Records, metrics, tables and figures of a pipeline, with which its tables can be made again and compared; `igpt-flow verify` does so.",
        "datePublished": time(latest),
        "license": id(LICENSE),
        "conformsTo": PROFILES.iter().map(|(address, ..)| id(address)).collect::<Vec<_>>(),
        "hasPart": parts,
        "mainEntity": id(&manifest.file),
        "mentions": mentions,
    }));
    graph.add(
        LICENSE,
        "CreativeWork",
        json!({"name": "Terms of the authors", "description": "The results are their authors': ask them for the terms of use."}),
    );
    for (address, name, version) in PROFILES {
        graph.add(address, "CreativeWork", json!({"name": name, "version": version}));
    }
    let tools: BTreeMap<(String, u32), ()> = records
        .values()
        .map(|record| ((record.material.stage.clone(), record.material.version), ()))
        .collect();
    let tool_ids: Vec<Value> = tools.keys().map(|(kind, version)| id(&tool(kind, *version))).collect();
    let steps: Vec<Value> = manifest.steps.iter().map(|step| id(&how_to(&step.name))).collect();
    for file in files {
        let main = file.name == manifest.file;
        let mut entity = json!({"name": file.name, "contentSize": file.bytes.to_string(), "identifier": urn(&file.digest), "encodingFormat": format_of(&file.name)});
        if main {
            entity["name"] = manifest.pipeline.clone().into();
            entity["programmingLanguage"] = id(LANGUAGE);
            entity["hasPart"] = few(tool_ids.clone());
            entity["step"] = few(steps.clone());
            graph.add_types(
                &file.name,
                &["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
                entity,
            );
        } else {
            graph.add(&file.name, "File", entity);
        }
    }
    graph.add(
        LANGUAGE,
        "ComputerLanguage",
        json!({"name": "igpt-flow pipeline", "identifier": "igpt-flow", "url": "https://yaml.org/"}),
    );
    let version = &manifest.program.version;
    let commit = manifest.program.commit.as_ref().map(|commit| format!("+{commit}")).unwrap_or_default();
    graph.add(
        ENGINE,
        "SoftwareApplication",
        json!({"name": "igpt-flow", "softwareVersion": format!("{version}{commit}")}),
    );
    for (kind, version) in tools.keys() {
        graph.add(
            &tool(kind, *version),
            "SoftwareApplication",
            json!({"name": kind, "softwareVersion": version.to_string()}),
        );
    }
    for digest in artifacts(&records) {
        if !objects.contains_key(&digest) {
            graph.add(
                &urn(&digest),
                "CreativeWork",
                json!({"name": format!("artifact {}", digest.short()), "identifier": urn(&digest)}),
            );
        }
    }
    let mut controls = Vec::new();
    for (at, step) in manifest.steps.iter().enumerate() {
        let Some(record) = records.get(&step.key) else { continue };
        let tool = tool(&record.material.stage, record.material.version);
        graph.add(
            &how_to(&step.name),
            "HowToStep",
            json!({"name": step.name, "position": (at + 1).to_string(), "workExample": id(&tool)}),
        );
        let control = format!("#control-{}", at + 1);
        graph.add(&control, "ControlAction", json!({"name": format!("ran {}", step.name), "instrument": id(&how_to(&step.name)), "object": id(&action(&step.key))}));
        controls.push(id(&control));
    }
    let artifact = |digest: &Digest| match objects.get(digest) {
        Some(file) => id(&file.name),
        None => id(&urn(digest)),
    };
    for (key, record) in &records {
        let material = &record.material;
        let inputs = material.inputs.values().flatten().map(|input| artifact(&input.digest));
        let mut read: Vec<Value> = inputs.collect();
        for (name, value) in &material.params {
            let param = format!("#param-{}-{name}", key.short());
            graph.add(&param, "PropertyValue", json!({"name": name, "value": plain(value)}));
            read.push(id(&param));
        }
        read.sort_by_key(Value::to_string);
        read.dedup();
        let mut made: Vec<Value> = record.outputs.values().map(|output| artifact(&output.digest)).collect();
        made.sort_by_key(Value::to_string);
        made.dedup();
        let outside = record.sources.values().flatten().filter_map(|source| match source {
            InputSource::Outside { path } => Some(path.clone()),
            InputSource::Step { .. } | InputSource::Choice { .. } => None,
        });
        let outside: Vec<String> = outside.collect();
        let mut described = format!("key {key}, {:.3} s, {:.3} CPU s", record.cost.wall_s, record.cost.cpu_s);
        if let Some(seed) = material.seed {
            described += &format!(", seed {seed}");
        }
        if !outside.is_empty() {
            described += &format!(", read from outside: {}", outside.join(", "));
        }
        for (name, value) in &record.facts {
            described += &format!(", {name}: {}", plain(value));
        }
        graph.add(
            &action(key),
            "CreateAction",
            json!({
                "name": named(key), "description": described,
                "instrument": id(&tool(&material.stage, material.version)),
                "object": few(read), "result": few(made), "endTime": time(record.finished),
                "actionStatus": id("http://schema.org/CompletedActionStatus"),
            }),
        );
    }
    let results: Vec<Value> = selection_results(manifest, &records).map(|digest| artifact(&digest)).collect();
    graph.add(
        "#run",
        "CreateAction",
        json!({
            "name": format!("the run of {}", manifest.pipeline), "instrument": id(&manifest.file),
            "description": "Every step of the pipeline, made or reused.", "object": [], "result": few(results), "endTime": time(latest),
            "actionStatus": id("http://schema.org/CompletedActionStatus"),
        }),
    );
    graph.add("#organized", "OrganizeAction", json!({
        "name": "the run of the engine", "instrument": id(ENGINE), "object": few(controls), "result": id("#run"),
        "endTime": time(latest),
    }));
    let text = json!({
        "@context": ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"],
        "@graph": graph.entities,
    });
    format!("{text:#}\n").into_bytes()
}

/// The entities so far.
#[derive(Default)]
struct Graph {
    entities: Vec<Value>,
}

impl Graph {
    fn add(&mut self, id: &str, kind: &str, entity: Value) {
        self.push(id, kind.into(), entity);
    }

    fn add_types(&mut self, id: &str, kinds: &[&str], entity: Value) {
        self.push(id, json!(kinds), entity);
    }

    fn push(&mut self, id: &str, kind: Value, entity: Value) {
        let mut all = json!({"@id": id, "@type": kind});
        if let (Value::Object(all), Value::Object(entity)) = (&mut all, entity) {
            all.extend(entity);
        }
        self.entities.push(all);
    }
}

/// Every artifact that a record names, sorted, each once.
fn artifacts(records: &BTreeMap<Digest, Record>) -> impl Iterator<Item = Digest> {
    let of = |record: &Record| {
        let read = record.material.inputs.values().flatten().map(|input| input.digest);
        read.chain(record.outputs.values().map(|output| output.digest)).collect::<Vec<_>>()
    };
    let all: std::collections::BTreeSet<Digest> = records.values().flat_map(of).collect();
    all.into_iter()
}

/// What the steps made that can be made again.
fn selection_results<'a>(
    manifest: &'a BundleManifest,
    records: &'a BTreeMap<Digest, Record>,
) -> impl Iterator<Item = Digest> + 'a {
    let steps = manifest.steps.iter().filter(|step| manifest.rebuildable.contains(&step.name));
    let records = steps.filter_map(|step| records.get(&step.key));
    records.flat_map(|record| record.outputs.values().map(|output| output.digest))
}

fn id(of: &str) -> Value {
    json!({"@id": of})
}

/// A list, or its only value: so RO-Crate wants it.
fn few(mut all: Vec<Value>) -> Value {
    match all.pop() {
        Some(only) if all.is_empty() => only,
        last => all.into_iter().chain(last).collect(),
    }
}

/// A time in whole seconds with its offset from UTC: the form of ISO 8601 that the profile asks for.
fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

fn urn(digest: &Digest) -> String {
    format!("urn:blake3:{digest}")
}

fn action(key: &Digest) -> String {
    format!("#action-{key}")
}

fn tool(kind: &str, version: u32) -> String {
    format!("#stage-{kind}-{version}")
}

fn how_to(step: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
            c.to_string()
        } else {
            format!("%{:02X}", u32::from(c))
        }
    };
    format!("#step-{}", step.chars().map(plain).collect::<String>())
}

fn format_of(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("json") => "application/json",
        Some("yaml" | "yml") => "application/yaml",
        _ => "application/octet-stream",
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
