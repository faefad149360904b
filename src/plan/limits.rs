//! `resources`, `retries`, `timeout` and `seed` of a step.

use std::time::Duration;

use igpt_contract::Resources;
use serde_json::Value;

use crate::pipeline::units::{self, DURATION, MEMORY};
use crate::pipeline::{Faults, Node, Scope, StepDecl, check_keys, describe};

const RESOURCE_KEYS: &[&str] = &["cpus", "memory", "gpus"];
/// The most retries that a step may ask for.
const MAX_RETRIES: u64 = 100;

/// What a step takes of the machine, and how often and how long it may try.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limits {
    pub(super) resources: Resources,
    pub(super) retries: u32,
    pub(super) timeout: Option<Duration>,
}

/// Reads the limits of a step; `resources` are those of its stage.
pub(super) fn read(
    decl: &StepDecl<'_>,
    resources: Resources,
    scope: &Scope<'_>,
    faults: &mut Faults,
) -> Limits {
    let mut limits = Limits { resources, retries: 0, timeout: None };
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
            }
        } else {
            let found = node.describe();
            faults
                .push(node.mark, format!("`resources` must be a mapping, found {found}"))
                .hint("for example `resources: {cpus: 2, memory: 2GiB, gpus: 0}`");
        }
    }
    if let Some(node) = decl.retries {
        limits.retries = whole(node, "retries", MAX_RETRIES, scope, faults).unwrap_or(0) as u32;
    }
    if let Some(node) = decl.timeout {
        limits.timeout = with_unit(node, "timeout", &DURATION_UNIT, scope, faults);
    }
    limits
}

/// A whole number from 0 to `most`.
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
        let range = if most == u64::MAX { "of at least 0".into() } else { format!("from 0 to {most}") };
        faults
            .push(node.mark, format!("`{name}` must be a whole number {range}, found {}", describe(&value)))
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
            Value::Number(number) => format!("write the unit: `{name}: {number}{}`", unit.usual),
            _ => unit.units.to_owned(),
        };
        faults
            .push(node.mark, format!("`{name}` must be {}, found {}", unit.wanted, describe(&value)))
            .hint(hint);
    }
    parsed
}
