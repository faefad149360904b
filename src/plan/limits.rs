//! `resources`, `retry`, `timeout`, `grace` and `seed` of a step.

use std::time::Duration;

use igpt_contract::Resources;
use serde_json::Value;

use super::Retry;
use crate::pipeline::units::{self, DURATION, MEMORY};
use crate::pipeline::{Faults, Node, Scope, StepDecl, check_keys, describe};

const RESOURCE_KEYS: &[&str] = &["cpus", "memory", "gpus"];
/// The most retries that a step may ask for.
const MAX_RETRIES: u64 = 100;
const RETRY_KEYS: &[&str] = &["times", "delay", "backoff"];
/// The most by which the time between attempts may grow at once.
const MAX_BACKOFF: f64 = 100.0;

/// What a step takes of the machine, and how often and how long it may try.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limits {
    pub(super) resources: Resources,
    /// Whether the pipeline says how much memory it takes.
    pub(super) says_memory: bool,
    pub(super) retry: Retry,
    pub(super) timeout: Option<Duration>,
    pub(super) grace: Option<Duration>,
}

/// Reads the limits of a step; `resources` are those of its stage.
pub(super) fn read(
    decl: &StepDecl<'_>,
    resources: Resources,
    scope: &Scope<'_>,
    faults: &mut Faults,
) -> Limits {
    let mut limits = Limits { resources, says_memory: false, retry: Retry::NONE, timeout: None, grace: None };
    if let Some(node) = decl.resources {
        if node.as_map().is_some() {
            check_keys(node, "`resources`", RESOURCE_KEYS, faults);
            if let Some(cpus) = node.get("cpus") {
                let cpus = whole(cpus, "cpus", u64::from(u16::MAX), scope, faults);
                limits.resources.cpus = cpus.map_or(resources.cpus, |n| n as u32);
            }
            if let Some(gpus) = node.get("gpus") {
                let gpus = whole(gpus, "gpus", u64::from(u16::MAX), scope, faults);
                limits.resources.gpus = gpus.map_or(resources.gpus, |n| n as u32);
            }
            if let Some(memory) = node.get("memory") {
                let memory = with_unit(memory, "memory", &MEMORY_UNIT, scope, faults);
                limits.resources.memory_mib = memory.unwrap_or(resources.memory_mib);
                limits.says_memory = true;
            }
        } else {
            let found = node.describe();
            faults
                .push(node.mark, format!("`resources` must be a map, found {found}"))
                .hint("for example `resources: {cpus: 2, memory: 2GiB, gpus: 0}`");
        }
    }
    if let Some(node) = decl.retries {
        limits.retry.times = whole(node, "retries", MAX_RETRIES, scope, faults).unwrap_or(0) as u32;
    }
    if let Some(node) = decl.retry {
        if decl.retries.is_some() {
            faults
                .push(node.mark, "`retry` and `retries` cannot both be given")
                .hint("remove one of them: `retries: 2` is short for `retry: {times: 2}`");
        }
        limits.retry = retry(node, scope, faults);
    }
    if let Some(node) = decl.timeout {
        limits.timeout = with_unit(node, "timeout", &DURATION_UNIT, scope, faults);
    }
    if let Some(node) = decl.grace {
        limits.grace = with_unit(node, "grace", &DURATION_UNIT, scope, faults);
    }
    limits
}

fn retry(node: &Node, scope: &Scope<'_>, faults: &mut Faults) -> Retry {
    const EXAMPLE: &str = "for example `retry: {times: 2, delay: 10s, backoff: 2}`";
    let mut retry = Retry { times: 1, ..Retry::NONE };
    if node.as_map().is_none() {
        let found = node.describe();
        faults.push(node.mark, format!("`retry` must be a map, found {found}")).hint(EXAMPLE);
        return retry;
    }
    check_keys(node, "`retry`", RETRY_KEYS, faults);
    match node.get("times") {
        Some(times) => retry.times = whole(times, "times", MAX_RETRIES, scope, faults).unwrap_or(0) as u32,
        None => {
            faults.push(node.mark, "`retry` has no `times`").hint(EXAMPLE);
        }
    }
    if let Some(delay) = node.get("delay") {
        retry.delay = with_unit(delay, "delay", &DURATION_UNIT, scope, faults).unwrap_or_default();
    }
    if let Some(backoff) = node.get("backoff")
        && let Some(value) = scope.resolve(backoff, faults)
    {
        match value.as_f64().filter(|factor| (1.0..=MAX_BACKOFF).contains(factor)) {
            Some(factor) => retry.backoff = factor,
            None => {
                let found = describe(&value);
                faults
                    .push(
                        backoff.mark,
                        format!("`backoff` must be a number from 1 to {MAX_BACKOFF}, found {found}"),
                    )
                    .hint("the delay is multiplied by it after every retry");
            }
        }
    }
    retry
}

/// An integer from 0 to `most`.
pub(super) fn whole(
    node: &Node,
    name: &str,
    most: u64,
    scope: &Scope<'_>,
    faults: &mut Faults,
) -> Option<u64> {
    let value = scope.resolve(node, faults)?;
    let number = value.as_u64().filter(|n| *n <= most);
    if number.is_none() {
        let range = if most == u64::MAX { "≥ 0".into() } else { format!("from 0 to {most}") };
        faults
            .push(node.mark, format!("`{name}` must be an integer {range}, found {}", describe(&value)))
            .hint(format!("for example `{name}: 1`"));
    }
    number
}

/// A quantity that is written with its unit.
struct Unit<T> {
    /// What it looks like.
    wanted: &'static str,
    /// The unit that a bare number most likely has.
    usual: &'static str,
    /// All units, for hints.
    units: &'static str,
    parse: fn(&str) -> Option<T>,
}

const MEMORY_UNIT: Unit<u64> = Unit {
    wanted: MEMORY,
    usual: "MiB",
    units: "the units are `KiB`, `MiB`, `GiB`, `TiB` and `KB`, `MB`, `GB`, `TB`",
    parse: units::memory_mib,
};
const DURATION_UNIT: Unit<Duration> = Unit {
    wanted: DURATION,
    usual: "s",
    units: "the units are `d`, `h`, `m`, `s` and `ms`, larger ones first",
    parse: units::duration,
};

fn with_unit<T>(
    node: &Node,
    name: &str,
    unit: &Unit<T>,
    scope: &Scope<'_>,
    faults: &mut Faults,
) -> Option<T> {
    let value = scope.resolve(node, faults)?;
    let parsed = match &value {
        Value::String(text) => (unit.parse)(text),
        _ => None,
    };
    if parsed.is_none() {
        let hint = match &value {
            Value::Number(number) => format!("add a unit: `{name}: {number}{}`", unit.usual),
            _ => unit.units.to_owned(),
        };
        faults
            .push(node.mark, format!("`{name}` must be {}, found {}", unit.wanted, describe(&value)))
            .hint(hint);
    }
    parsed
}
