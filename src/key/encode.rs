//! The bytes of a key's material, and numbers by their values.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::KeyInput;

/// Writes the encoding that the head of `key.rs` has in words.
pub(super) struct Encoder(Vec<u8>);

impl Default for Encoder {
    fn default() -> Self {
        // Most materials fit.
        Self(Vec::with_capacity(256))
    }
}

impl Encoder {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn head(&mut self, tag: u8, count: usize) {
        self.0.push(tag);
        self.0.extend_from_slice(&(count as u64).to_le_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.head(b's', text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(super) fn integer(&mut self, value: i128) {
        self.0.push(b'i');
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn map<'a>(&mut self, entries: impl Iterator<Item = (&'a String, &'a Value)>) {
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by_key(|(name, _)| *name);
        self.head(b'o', entries.len());
        for (name, value) in entries {
            self.text(name);
            self.value(value);
        }
    }

    pub(super) fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.0.push(b'n'),
            Value::Bool(true) => self.0.push(b't'),
            Value::Bool(false) => self.0.push(b'f'),
            Value::Number(number) => match Num::of(number) {
                Num::Integer(value) => self.integer(value),
                Num::Float(value) => {
                    let value = if value.is_nan() { f64::NAN } else { value };
                    self.0.push(b'd');
                    self.0.extend_from_slice(&value.to_bits().to_le_bytes());
                }
            },
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                self.head(b'a', items.len());
                items.iter().for_each(|item| self.value(item));
            }
            Value::Object(entries) => self.map(entries.iter()),
        }
    }

    pub(super) fn inputs(&mut self, ports: &BTreeMap<String, Vec<KeyInput>>) {
        self.head(b'o', ports.len());
        for (port, inputs) in ports {
            self.text(port);
            self.head(b'a', inputs.len());
            for input in inputs {
                self.head(b'o', 1 + usize::from(!input.labels.is_empty()));
                self.text("digest");
                self.0.push(b'b');
                self.0.extend_from_slice(input.digest.as_bytes());
                if !input.labels.is_empty() {
                    self.text("labels");
                    self.map(input.labels.iter());
                }
            }
        }
    }
}

/// A number by its value, however it was written.
#[derive(Clone, Copy)]
pub(super) enum Num {
    Integer(i128),
    Float(f64),
}

impl Num {
    pub(super) fn of(number: &Number) -> Self {
        if let Some(value) = number.as_i64() {
            return Self::Integer(value.into());
        }
        if let Some(value) = number.as_u64() {
            return Self::Integer(value.into());
        }
        let value = number.as_f64().unwrap_or(f64::NAN);
        // The bounds are exact in f64: -2^63 and 2^64.
        let holds = (-9_223_372_036_854_775_808.0..18_446_744_073_709_551_616.0).contains(&value);
        if holds && value.fract() == 0.0 { Self::Integer(value as i128) } else { Self::Float(value) }
    }

    pub(super) fn order(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(&b),
            // An integer and a float are never equal here, so rounding can only meet a near tie,
            // which the tag decides.
            (Self::Integer(a), Self::Float(b)) => (a as f64).total_cmp(&b).then(Ordering::Less),
            (Self::Float(a), Self::Integer(b)) => a.total_cmp(&(b as f64)).then(Ordering::Greater),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(&b),
        }
    }

    /// Whether two numbers are the same but for the last digit that reading JSON may cost.
    pub(super) fn same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b || (a - b).abs() <= a.abs() * 2.0 * f64::EPSILON,
            _ => false,
        }
    }
}
