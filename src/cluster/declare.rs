//! The settings file of a cluster -> its settings, or all of its errors with their places.

use std::path::Path;
use std::time::Duration;

use super::{Cluster, Rule};
use crate::execute::slurm::Settings;
use crate::pipeline::units::{self, DURATION, MEMORY};
use crate::pipeline::{Data, Diagnostic, Faults, Key, Location, Node, Overrides, Pipeline, check_keys};

/// What may be said of all steps and of some.
const RULE: [&str; 15] = [
    "partition",
    "account",
    "qos",
    "constraint",
    "nodes",
    "cpus",
    "memory",
    "gpus",
    "gpu_type",
    "time",
    "options",
    "prelude",
    "series",
    "device",
    "numerics",
];

/// What is said of the cluster as a whole.
const WHOLE: [&str; 5] = ["jobs", "poll", "gather", "notice", "steps"];

/// Options of `sbatch` that are ours.
const OURS: [&str; 14] = [
    "-a",
    "--array",
    "-J",
    "--job-name",
    "-o",
    "--output",
    "-D",
    "--chdir",
    "--export",
    "-n",
    "--ntasks",
    "--ntasks-per-node",
    "-N",
    "--nodes",
];

pub(super) fn read(file: &Path) -> Result<Cluster, Vec<Diagnostic>> {
    let bytes = std::fs::read(file).map_err(|error| {
        let place = Location { file: file.to_owned(), line: 0, column: 0 };
        let what = format!("the cluster's settings cannot be read: {error}");
        vec![Diagnostic::new(place, what).with_hint("docs/cluster.md has a file to start from")]
    })?;
    let document = Pipeline::parse(file, &bytes)?;
    let root = document.placed_root();
    let mut faults = Faults::default();
    if !matches!(root.data, Data::Map(_) | Data::Null) {
        let found = root.describe();
        faults.push(root.mark, format!("the settings of a cluster must be a map, found {found}"));
    }
    let known: Vec<&str> = RULE.into_iter().chain(WHOLE).collect();
    check_keys(&root, "a cluster", &known, &mut faults);
    let settings = Settings {
        jobs: count(&root, "jobs", 1, &mut faults).unwrap_or(200),
        poll: duration(&root, "poll", &mut faults).unwrap_or(Duration::from_secs(20)),
        gather: duration(&root, "gather", &mut faults).unwrap_or(Duration::from_millis(500)),
        notice: duration(&root, "notice", &mut faults).unwrap_or(Duration::from_secs(120)),
    };
    let defaults = rule(&root, &mut faults);
    let mut rules = Vec::new();
    for (key, node) in steps(&root, &mut faults) {
        check_keys(node, "a step on the cluster", &RULE, &mut faults);
        if !matches!(node.data, Data::Map(_) | Data::Null) {
            let found = node.describe();
            faults
                .push(node.mark, format!("what `{}` asks for must be a map, found {found}", key.text))
                .hint(format!("for example `{}: {{partition: gpu, time: 4h}}`", key.text));
        }
        match glob::Pattern::new(&key.text) {
            Ok(pattern) => rules.push((pattern, rule(node, &mut faults))),
            Err(error) => {
                faults
                    .push(key.mark, format!("invalid pattern `{}`: {}", key.text, error.msg))
                    .hint("`*` stands for any text: `pretrain*`, `probe:layer=*`");
            }
        }
    }
    if faults.is_empty() {
        Ok(Cluster { file: file.to_owned(), settings, defaults, rules })
    } else {
        Err(document.diagnostics(faults, &Overrides::default()))
    }
}

fn steps<'a>(root: &'a Node, faults: &mut Faults) -> &'a [(Key, Node)] {
    match root.get("steps") {
        None | Some(Node { data: Data::Null, .. }) => &[],
        Some(node) => node.as_map().unwrap_or_else(|| {
            let found = node.describe();
            faults.push(
                node.mark,
                format!("`steps` must be a map of names of steps to what they ask for, found {found}"),
            );
            &[]
        }),
    }
}

fn rule(node: &Node, faults: &mut Faults) -> Rule {
    Rule {
        partition: word(node, "partition", faults),
        account: word(node, "account", faults),
        qos: word(node, "qos", faults),
        constraint: word(node, "constraint", faults),
        nodes: count(node, "nodes", 1, faults),
        cpus: count(node, "cpus", 1, faults),
        memory_mib: memory(node, faults),
        gpus: count(node, "gpus", 0, faults),
        gpu_type: word(node, "gpu_type", faults),
        time: duration(node, "time", faults),
        options: options(node, faults),
        prelude: lines(node, "prelude", faults),
        series: count(node, "series", 1, faults),
        device: word(node, "device", faults),
        numerics: word(node, "numerics", faults),
    }
}

fn present<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    node.get(key).filter(|member| member.data != Data::Null)
}

/// A text for an option.
fn word(node: &Node, key: &str, faults: &mut Faults) -> Option<String> {
    let member = present(node, key)?;
    let text = member.scalar_text().map(|text| text.trim().to_owned());
    let text = text.filter(|text| !text.is_empty() && !text.chars().any(char::is_control));
    if text.is_none() {
        let found = member.describe();
        faults.push(member.mark, format!("`{key}` must be a string on one line, found {found}"));
    }
    text
}

fn count(node: &Node, key: &str, least: u32, faults: &mut Faults) -> Option<u32> {
    let member = present(node, key)?;
    let number = match &member.data {
        Data::Number(number, _) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        _ => None,
    };
    let number = number.filter(|number| *number >= least && *number <= 100_000);
    if number.is_none() {
        let found = member.describe();
        let fault = faults
            .push(member.mark, format!("`{key}` must be a whole number from {least} on, found {found}"));
        if key == "gpus" && member.as_text().is_some() {
            fault.hint("their type goes into `gpu_type`");
        }
    }
    number
}

fn duration(node: &Node, key: &str, faults: &mut Faults) -> Option<Duration> {
    let member = present(node, key)?;
    let time = member.scalar_text().and_then(|text| units::duration(&text));
    if time.is_none() {
        let found = member.describe();
        faults.push(member.mark, format!("`{key}` must be {DURATION}, found {found}"));
    }
    time
}

fn memory(node: &Node, faults: &mut Faults) -> Option<u64> {
    let member = present(node, "memory")?;
    let mib = member.scalar_text().and_then(|text| units::memory_mib(&text));
    if mib.is_none() {
        let found = member.describe();
        faults.push(member.mark, format!("`memory` must be {MEMORY}, found {found}"));
    }
    mib
}

/// A list of texts, or one.
fn lines(node: &Node, key: &str, faults: &mut Faults) -> Option<Vec<String>> {
    let member = present(node, key)?;
    let items: Vec<&Node> = match &member.data {
        Data::List(items) => items.iter().collect(),
        _ => vec![member],
    };
    let mut texts = Vec::new();
    for item in items {
        match item.as_text() {
            Some(text) => texts.push(text.to_owned()),
            None => {
                let found = item.describe();
                faults.push(item.mark, format!("`{key}` must be a list of strings, found {found}"));
            }
        }
    }
    Some(texts)
}

/// Further options of `sbatch`, each an argument of its own.
fn options(node: &Node, faults: &mut Faults) -> Option<Vec<String>> {
    let options = lines(node, "options", faults)?;
    let member = present(node, "options")?;
    for option in &options {
        let name = option.split('=').next().unwrap_or_default();
        if !option.starts_with('-') {
            faults
                .push(member.mark, format!("`options` must be options of sbatch, found `{option}`"))
                .hint("one string for each, with its value: `--reservation=course`");
        } else if OURS.contains(&name) {
            let fault =
                faults.push(member.mark, format!("`{name}` is an option that igpt-flow needs itself"));
            if ["-N", "--nodes"].contains(&name) {
                fault.hint("`nodes: 2` beside `options` gives a step several nodes");
            }
        }
    }
    Some(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<Cluster, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("cluster.yaml");
        std::fs::write(&file, text).unwrap();
        read(&file).map_err(|errors| crate::pipeline::render(&errors, false))
    }

    #[test]
    fn a_file_says_how_the_cluster_is_used_and_what_steps_ask_for() {
        let cluster = written(
            "partition: cpu\njobs: 50\npoll: 30s\nprelude: [module load gcc]\nsteps:\n  pretrain*:\n    \
             partition: gpu\n    gpus: 2\n    memory: 32GiB\n    time: 1h30m\n",
        )
        .unwrap();
        assert_eq!((cluster.settings.jobs, cluster.settings.poll), (50, Duration::from_secs(30)));
        assert_eq!(cluster.defaults.partition.as_deref(), Some("cpu"));
        let (pattern, rule) = &cluster.rules[0];
        assert!(pattern.matches("pretrain_large"));
        assert_eq!(
            (rule.gpus, rule.memory_mib, rule.time),
            (Some(2), Some(32768), Some(Duration::from_secs(5400)))
        );
        assert!(written("").is_ok(), "everything may be left to the cluster");
    }

    #[test]
    fn rules_hold_for_names_patterns_and_steps_with_such_axes() {
        let cluster = written(
            "steps:\n  probe: {partition: of-all}\n  'probe:layer=3': {partition: of-layer, cpus: 4}\n  \
             'probe:layer=3,seed=1': {partition: of-one}\n  'fine*': {partition: of-pattern}\n",
        )
        .unwrap();
        for (name, partition, cpus) in [
            ("probe[layer=2,seed=1]", Some("of-all"), None),
            ("probe[layer=3,seed=0]", Some("of-layer"), Some(4)),
            ("probe[layer=3,seed=1]", Some("of-one"), Some(4)),
            ("probe[layer=30,seed=1]", Some("of-all"), None),
            ("finetune", Some("of-pattern"), None),
            ("pretrain", None, None),
        ] {
            let rule = cluster.rule(name);
            assert_eq!((rule.partition.as_deref(), rule.cpus), (partition, cpus), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_a_hint() {
        for (text, message, hint) in [
            ("partion: gpu\n", "a cluster has no key `partion`", "did you mean `partition`?"),
            ("steps:\n  a: {tme: 1h}\n", "a step on the cluster has no key `tme`", "did you mean `time`?"),
            ("steps: {a: {jobs: 3}}\n", "has no key `jobs`", ""),
            ("time: 90\n", "`time` must be a duration with its unit", ""),
            ("gpus: a100:1\n", "`gpus` must be a whole number", "their type goes into `gpu_type`"),
            ("memory: lots\n", "`memory` must be an amount of memory", ""),
            ("options: [--array=1-3]\n", "`--array` is an option that igpt-flow needs itself", ""),
            (
                "options: [--nodes=2]\n",
                "`--nodes` is an option that igpt-flow needs",
                "`nodes: 2` beside `options`",
            ),
            ("nodes: 0\n", "`nodes` must be a whole number", ""),
            ("options: [exclusive]\n", "`options` must be options of sbatch, found `exclusive`", ""),
            ("partition: [a]\n", "`partition` must be a string on one line, found a list", ""),
            ("steps: {'a[': {}}\n", "invalid pattern `a[`", ""),
            ("[1]\n", "the settings of a cluster must be a map, found a list", ""),
        ] {
            let error = written(text).unwrap_err();
            assert!(error.contains(message) && error.contains(hint), "{text}: {error}");
            assert!(error.contains("cluster.yaml:"), "{error}");
        }
    }
}
