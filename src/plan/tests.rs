//! What pipelines mean: one experiment planned in full, then each rule by itself.

mod bombs;
mod errors;
mod fuzz;
mod known;
mod language_errors;
mod paths;
mod secrets;
mod strings;
mod value_errors;
mod yaml_errors;

use igpt_contract::Labels;
use serde_json::{Value, json};

use super::testing::planned;
use super::{Invocation, Plan, PlannedStep, Retry, Source, Work};
use crate::pipeline::{Overrides, render};

pub(super) const EXPERIMENT: &str = r#"
name: experiment
description: a ${vars.side} pixel run
seed: 5
vars: {side: 16, layers: 2, nested: {steps: 40}}
profiles:
  smoke: {side: 8, nested: {steps: 4}}
stages:
  table:
    uses: report
    in: {metrics: [probe.*, {trained: pre.metrics}]}
  probe:
    uses: probe
    in: {features: "features.layers/${matrix.layer}"}
    matrix: {layer: {range: [0, "${vars.layers}"]}, seed: [0, 1], exclude: [{layer: 1, seed: 1}]}
    with: {c: [0.1, 1.0]}
    seed: "${matrix.seed}"
    resources: {cpus: 2, memory: 1GiB}
    retries: 1
    timeout: 1h30m
  features: {uses: features, in: {model: pre.model, images: images.images}}
  pre:
    uses: train
    in: {images: images.images}
    with: {steps: "${vars.nested.steps}", checkpoint_every: 3}
    search: {param: learning_rate, values: [0.01, 0.003], metric: metrics.loss.valid, goal: min, stop: first_worse}
  images: {uses: images, with: {source: shapes, count: "${vars.side}"}}
export:
  table.table: results/table
  probe.metrics: results/probe-${matrix.layer}-${matrix.seed}
  pre.choice: results/choice
"#;

fn ok(yaml: &str) -> Plan {
    with(yaml, &Overrides::default())
}

fn with(yaml: &str, overrides: &Overrides) -> Plan {
    planned(yaml, overrides).unwrap_or_else(|errors| panic!("{}", render(&errors, false)))
}

fn set(sets: &[&str]) -> Overrides {
    Overrides { profiles: Vec::new(), sets: sets.iter().map(|s| (*s).to_owned()).collect() }
}

fn step<'a>(plan: &'a Plan, name: &str) -> &'a PlannedStep {
    plan.steps.iter().find(|step| step.name == name).unwrap_or_else(|| {
        panic!("no {name} in {:?}", plan.steps.iter().map(|s| &s.name).collect::<Vec<_>>())
    })
}

fn params(step: &PlannedStep) -> (&Value, &Value, u64) {
    match &step.work {
        Work::Stage { params, keyed, seed, .. } => (params, keyed, *seed),
        Work::Command(_) => panic!("{} is a command", step.name),
    }
}

fn labels(pairs: Value) -> Labels {
    pairs.as_object().unwrap().iter().map(|(k, v)| (k.clone(), v.clone())).collect()
}

#[test]
fn an_experiment_is_planned_in_full() {
    let plan = ok(EXPERIMENT);
    assert_eq!(
        (plan.name.as_str(), plan.description.as_str(), plan.seed),
        ("experiment", "a 16 pixel run", 5)
    );
    let names: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "images",
            "pre[learning_rate=0.01]",
            "pre[learning_rate=0.003]",
            "features",
            "probe[layer=0,seed=0]",
            "probe[layer=0,seed=1]",
            "probe[layer=1,seed=0]",
            "probe[layer=2,seed=0]",
            "probe[layer=2,seed=1]",
            "table"
        ]
    );
    for (id, step) in plan.steps.iter().enumerate() {
        assert!(step.reads(&plan.searches).all(|read| read < id), "{} comes after what it reads", step.name);
    }
}

#[test]
fn defaults_and_unkeyed_parameters_stay_out_of_the_key() {
    let plan = ok(EXPERIMENT);
    let (params, keyed, seed) = params(step(&plan, "pre[learning_rate=0.003]"));
    assert_eq!(keyed, &json!({"steps": 40}), "0.003 is the default, checkpoint_every only steers");
    assert_eq!(params["learning_rate"], json!(0.003));
    assert_eq!(params["validation"], json!({"fraction": 0.1, "seed": 0}));
    assert_eq!(seed, 5);
    let plan = with(EXPERIMENT, &set(&["stages.pre.with.validation.seed=1"]));
    let (_, keyed, _) = self::params(step(&plan, "pre[learning_rate=0.01]"));
    assert_eq!(keyed, &json!({"steps": 40, "learning_rate": 0.01, "validation": {"seed": 1}}));
    let (_, keyed, _) = self::params(step(&plan, "images"));
    assert_eq!(keyed, &json!({"source": "shapes", "count": 16}), "a required parameter is always in the key");
}

#[test]
fn a_matrix_has_seeds_limits_and_parts() {
    let plan = ok(EXPERIMENT);
    let probe = step(&plan, "probe[layer=2,seed=1]");
    assert_eq!(probe.base, "probe");
    assert_eq!(probe.labels, labels(json!({"layer": 2, "seed": 1})));
    assert_eq!(params(probe).2, 1);
    assert_eq!((probe.resources.cpus, probe.resources.memory_mib, probe.resources.gpus), (2, 1024, 0));
    assert_eq!((probe.retry.times, probe.timeout.unwrap().as_secs()), (1, 5400));
    let features = plan.steps.iter().position(|s| s.name == "features").unwrap();
    let source = Source::Step { step: features, port: "layers".into(), part: Some("2".into()) };
    assert_eq!(probe.inputs.len(), 1);
    assert_eq!(probe.inputs[0].source, source);
    assert!(probe.inputs[0].labels.is_empty() && !probe.inputs[0].gathered);
}

#[test]
fn a_search_is_one_step_downstream() {
    let plan = ok(EXPERIMENT);
    let [search] = &plan.searches[..] else { panic!("{:?}", plan.searches) };
    assert_eq!((search.name.as_str(), search.param.as_str()), ("pre", "learning_rate"));
    assert_eq!(search.candidates, [1, 2]);
    assert_eq!(search.values, [json!(0.01), json!(0.003)]);
    assert_eq!(search.metric, ("metrics".to_owned(), "loss.valid".to_owned()));
    assert!(!search.maximise && search.stop_first_worse);
    let model = &step(&plan, "features").inputs[0];
    assert_eq!(model.source, Source::Winner { search: 0, port: "model".into(), part: None });
    assert_eq!(
        plan.exports.last().unwrap().source,
        Source::Winner { search: 0, port: "choice".into(), part: None }
    );
}

#[test]
fn a_fan_in_gathers_with_labels_and_names() {
    let plan = ok(EXPERIMENT);
    let inputs = &step(&plan, "table").inputs;
    assert_eq!(inputs.len(), 6);
    assert!(inputs.iter().all(|input| input.gathered && input.port == "metrics" && !input.may_miss));
    assert_eq!(inputs[0].labels, labels(json!({"layer": 0, "seed": 0})));
    assert_eq!(inputs[5].labels, labels(json!({"step": "trained"})));
}

#[test]
fn exports_stand_for_all_instances() {
    let plan = ok(EXPERIMENT);
    let paths: Vec<String> = plan.exports.iter().map(|export| export.path.display().to_string()).collect();
    assert_eq!(
        paths,
        [
            "results/table",
            "results/probe-0-0",
            "results/probe-0-1",
            "results/probe-1-0",
            "results/probe-2-0",
            "results/probe-2-1",
            "results/choice"
        ]
    );
}

#[test]
fn overrides_change_values_and_plan_tells_where_each_came_from() {
    let overrides = Overrides {
        profiles: vec!["smoke".into()],
        sets: vec![
            "vars.layers=0".into(),
            "stages.features.seed=9".into(),
            "stages.pre.with.dropout=true".into(),
            "seed=6".into(),
        ],
    };
    let plan = with(EXPERIMENT, &overrides);
    assert_eq!(plan.seed, 6);
    let pre = step(&plan, "pre[learning_rate=0.01]");
    let origin = |path: &str| pre.origins.iter().find(|(p, _)| p == path).map(|(_, o)| o.as_str());
    assert_eq!(params(pre).0["steps"], json!(4));
    assert_eq!(origin("steps"), Some("vars.nested.steps (profile smoke)"));
    assert_eq!(origin("checkpoint_every"), Some("pipeline"));
    assert_eq!(origin("dropout"), Some("--set"));
    assert_eq!(origin("learning_rate"), Some("search"));
    assert_eq!(origin("validation.fraction"), Some("default"));
    assert_eq!(params(step(&plan, "features")).2, 9);
    assert_eq!(params(step(&plan, "images")).0["count"], json!(8));
    assert!(!plan.steps.iter().any(|step| step.name.starts_with("probe[layer=1")));
}

#[test]
fn chained_matrices_join_on_shared_axes() {
    let plan = ok(r#"
stages:
  images: {uses: images, with: {source: shapes}, matrix: {seed: [0, 1]}}
  pre: {uses: train, in: {images: images.images}, matrix: {seed: [0, 1], size: [a, b]}}
  cut: {uses: features, in: {images: images.images, model: pre.model}, matrix: {seed: [1], size: [a, b]}}
  table: {uses: report, matrix: {seed: [0, 1]}, in: {metrics: "pre.*"}}
"#);
    let source = |name: &str, input: usize| match &step(&plan, name).inputs[input].source {
        Source::Step { step, .. } => plan.steps[*step].name.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(source("pre[seed=1,size=a]", 0), "images[seed=1]");
    assert_eq!(source("cut[seed=1,size=b]", 1), "pre[seed=1,size=b]");
    assert_eq!(
        (source("table[seed=1]", 0), source("table[seed=1]", 1)),
        ("pre[seed=1,size=a]".into(), "pre[seed=1,size=b]".into())
    );
    assert_eq!(step(&plan, "table[seed=1]").inputs.len(), 2);
    assert_eq!(step(&plan, "table[seed=1]").inputs[1].labels, labels(json!({"seed": 1, "size": "b"})));
}

#[test]
fn a_search_in_a_matrix_is_one_search_for_each_instance() {
    let plan = ok(r#"
stages:
  images: {uses: images, with: {source: shapes}}
  pre:
    uses: train
    in: {images: images.images}
    matrix: {seed: [0, 1]}
    seed: "${matrix.seed}"
    search: {param: learning_rate, values: [1.0, 0.5], metric: metrics.loss, goal: max}
  table: {uses: report, in: {metrics: "pre.metrics.*?"}}
"#);
    assert_eq!(
        plan.searches.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(),
        ["pre[seed=0]", "pre[seed=1]"]
    );
    assert_eq!(plan.steps[1].name, "pre[learning_rate=1.0,seed=0]");
    assert!(plan.searches[0].maximise && !plan.searches[0].stop_first_worse);
    let inputs = &step(&plan, "table").inputs;
    assert_eq!(inputs[1].source, Source::Winner { search: 1, port: "metrics".into(), part: None });
    assert!(inputs.iter().all(|input| input.may_miss));
    assert_eq!(inputs[1].labels, labels(json!({"seed": 1})));
}

#[test]
fn included_combinations_are_added_and_holes_are_accepted() {
    let plan = ok(r#"
stages:
  images: {uses: images, with: {source: shapes}, matrix: {include: [{n: 1, w: x}, {n: 2, w: y}]}}
  pre: {uses: train, in: {images: images.images}, matrix: {n: [1], w: [x], include: [{n: 2, w: y}]}}
  table: {uses: report, in: {metrics: "pre.*?"}, matrix: {n: [1, 7]}}
"#);
    assert_eq!(step(&plan, "pre[n=2,w=y]").inputs.len(), 1);
    assert_eq!(step(&plan, "table[n=1]").inputs.len(), 1);
    assert_eq!(step(&plan, "table[n=7]").inputs.len(), 0);
}

#[test]
fn commands_declare_their_world() {
    let plan = ok(r#"
vars: {n: 3}
stages:
  make:
    uses: command
    in: {data: ./data/x.tar, more: {path: y.txt}}
    with:
      run: cat data > a/b && echo $${HOME} ${vars.n}
      outputs: {first: a/b, second: c}
      env: {N: "${vars.n}", RATE: 0.5}
      pass_env: [PATH]
  use: {uses: command, in: {x: make.first, part: make.second/deep/er}, with: {run: "true"}}
  train: {uses: train, in: {images: make.first}}
"#);
    let Work::Command(command) = &step(&plan, "make").work else { panic!() };
    assert_eq!(command.run, Invocation::Script("cat data > a/b && echo ${HOME} 3".into()));
    assert!(command.shell.is_empty() && command.link.is_empty());
    assert_eq!(command.outputs, [("first".into(), "a/b".into()), ("second".into(), "c".into())]);
    assert_eq!(command.env, [("N".into(), "3".into()), ("RATE".into(), "0.5".into())]);
    assert_eq!(command.pass_env, ["PATH"]);
    assert_eq!(step(&plan, "make").inputs[0].source, Source::Path("./data/x.tar".into()));
    assert_eq!(step(&plan, "make").inputs[1].source, Source::Path("y.txt".into()));
    let Work::Command(command) = &step(&plan, "use").work else { panic!() };
    assert_eq!(command.outputs, [("out".into(), "out".into())]);
}

#[test]
fn a_command_may_name_its_interpreter_or_use_none() {
    let plan = ok(r#"
stages:
  list: {uses: command, in: {a: ./a, b: ./b}, with: {run: [cp, a, out], link: true}}
  traced: {uses: command, in: {a: ./a, b: ./b}, with: {run: cp a out, shell: [bash, -x], link: [b]}}
  plain: {uses: command, with: {run: echo > out, shell: sh}}
  other:
    uses: command
    retry: {times: 3, delay: 10s, backoff: 2}
    grace: 1m
    with: {run: "x = 1", shell: [lua, -e]}
"#);
    let command = |name: &str| match &step(&plan, name).work {
        Work::Command(command) => command.clone(),
        Work::Stage { .. } => panic!(),
    };
    assert_eq!(command("list").run, Invocation::Argv(vec!["cp".into(), "a".into(), "out".into()]));
    assert_eq!(
        (command("list").link, command("traced").link),
        (vec!["a".into(), "b".into()], vec!["b".into()])
    );
    assert_eq!(command("traced").shell, ["bash", "-x"]);
    assert!(command("plain").shell.is_empty(), "the default says nothing");
    assert_eq!(command("other").shell, ["lua", "-e"]);
    let other = step(&plan, "other");
    let pauses = [1, 2, 3].map(|attempt| other.retry.pause(attempt).as_secs());
    assert_eq!((other.retry.times, pauses), (3, [10, 20, 40]));
    assert_eq!(other.retry.pause(100), Retry::LONGEST);
    assert_eq!(other.grace.unwrap().as_secs(), 60);
}

#[test]
fn a_byte_order_mark_and_aliases_are_accepted() {
    let plan =
        ok("\u{feff}vars: {a: &x {source: shapes}}\r\nstages:\r\n  images: {uses: images, with: *x}\r\n");
    assert_eq!(params(step(&plan, "images")).1, &json!({"source": "shapes"}));
    assert_eq!(plan.name, "pipeline", "the file's name stands in");
}

#[test]
fn every_step_knows_its_place() {
    let plan = ok(EXPERIMENT);
    let place = &step(&plan, "features").place;
    assert_eq!((place.file.to_str(), place.line, place.column), (Some("pipeline.yaml"), 21, 3));
}

#[test]
fn a_variable_that_is_null_leaves_an_optional_input_open() {
    let yaml = r#"
vars: {start: null}
profiles: {warm: {start: ./weights}}
stages:
  images: {uses: images, with: {source: shapes}}
  pre: {uses: train, in: {images: images.images, init: "${vars.start}"}}
"#;
    let ports = |overrides| {
        let plan = with(yaml, &overrides);
        step(&plan, "pre").inputs.iter().map(|input| input.port.clone()).collect::<Vec<_>>()
    };
    assert_eq!(ports(Overrides::default()), ["images"]);
    assert_eq!(ports(Overrides { profiles: vec!["warm".into()], sets: Vec::new() }), ["images", "init"]);
}

#[test]
fn an_axis_may_depend_on_others() {
    let plan = ok(r#"
vars: {counts: {a: 1, b: 3}}
stages:
  images:
    uses: images
    with: {source: shapes, count: "${vars.counts[matrix.set]}"}
    matrix: {set: [a, b], n: {range: [1, "${vars.counts[matrix.set]}"]}, exclude: [{set: b, n: 2}]}
"#);
    let names: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["images[n=1,set=a]", "images[n=1,set=b]", "images[n=3,set=b]"]);
    assert_eq!(params(&plan.steps[2]).0["count"], json!(3));
}
