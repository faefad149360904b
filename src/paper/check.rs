//! Whether a paper says what its pipelines say now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::files::{Document, Files};
use super::literal::Literal;
use super::values::{FORMS, split, text};
use crate::paths::normal;

/// A literal with fewer digits is near some number by chance.
const DIGITS: usize = 3;

/// What a paper's pipelines say now.
#[derive(Debug, Default)]
pub struct Now {
    /// Numbers by their keys.
    pub numbers: BTreeMap<String, f64>,
    /// What the keys of steps without a result begin with, each with the command that makes it.
    pub missing: Vec<(String, String)>,
    /// What the exported files hold that the paper includes.
    pub exports: BTreeMap<PathBuf, Exported>,
}

/// What an exported file holds now.
#[derive(Debug)]
pub enum Exported {
    /// What lies there.
    Same,
    /// Something else: the first lines that differ, as they are there and in the store.
    Differs(String, String),
    /// Its step has no result; the command that makes it.
    Missing(String),
}

/// What is wrong in a paper.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: usize,
    /// What kind of finding.
    pub kind: Kind,
    /// The key, or the file that is included.
    pub key: String,
    /// What stands there.
    pub old: Option<String>,
    /// What should.
    pub new: Option<String>,
    /// What is wrong, for people.
    pub message: String,
}

/// What kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// No number has that key.
    Unknown,
    /// The number, or what it is made of, has changed.
    Outdated,
    /// A marked literal is not the number of its key.
    Differs,
    /// An included table is not the one of the store.
    Table,
    /// A literal is nearly a number of the pipeline. A hint: it may be anything.
    NearMiss,
}

/// Checks the files; the findings in the order of the files and their lines.
pub fn check(files: &Files, now: &Now, nearest: impl Fn(&str, &[&str]) -> Option<String>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut told = BTreeSet::new();
    for document in &files.documents {
        let at = |line, kind, key: &str, old: Option<&str>, new: Option<&str>, message: String| Finding {
            file: document.path.clone(),
            line,
            kind,
            key: key.to_owned(),
            old: old.map(str::to_owned),
            new: new.map(str::to_owned),
            message,
        };
        for line in &document.lines {
            for whole in &line.keys {
                found.extend(used(files, now, whole, &nearest, &mut told, |kind, key, old, new, message| {
                    at(line.number, kind, key, old, new, message)
                }));
            }
            let first = line.literals.len().saturating_sub(line.marks.len());
            let marked = line.literals[first..].iter().map(Some).chain(std::iter::repeat(None));
            for (whole, literal) in line.marks.iter().zip(marked) {
                if let Some((kind, old, new, message)) = differs(now, whole, literal, &nearest) {
                    found.push(at(line.number, kind, whole, old.as_deref(), new.as_deref(), message));
                }
            }
            for literal in line.literals[..first].iter().filter(|literal| is_telling(literal)) {
                if let Some((key, new)) = near_miss(now, literal) {
                    let message = format!("{} is nearly {new}, `{key}`", literal.text);
                    found.push(at(
                        line.number,
                        Kind::NearMiss,
                        &key,
                        Some(&literal.text),
                        Some(&new),
                        message,
                    ));
                }
            }
        }
        found.extend(tables(document, now));
    }
    found
}

/// What is wrong with the use of a key.
fn used(
    files: &Files,
    now: &Now,
    whole: &str,
    nearest: impl Fn(&str, &[&str]) -> Option<String>,
    told: &mut BTreeSet<String>,
    at: impl Fn(Kind, &str, Option<&str>, Option<&str>, String) -> Finding,
) -> Option<Finding> {
    let (key, form) = split(whole);
    if !FORMS.contains(&form) {
        let message =
            format!("`{form}` is no way to write a number: expected one of {}", FORMS[1..].join(" "));
        return Some(at(Kind::Unknown, whole, None, None, message));
    }
    let new = now.numbers.get(key).and_then(|value| text(*value, form));
    let written = files.values.iter().find_map(|(path, values)| Some((path, values.get(key, form)?)));
    match (written, new) {
        (Some((_, (_, old))), Some(new)) if old == new => None,
        (Some((path, (line, old))), new) => {
            // Once for each number of the file, not for each of its uses.
            if !told.insert(whole.to_owned()) {
                return None;
            }
            let message = match (&new, making(now, key)) {
                (Some(new), _) => format!("{old} is outdated: it is {new} now"),
                (None, Some(command)) => {
                    format!("{old} has no result of the pipeline as it stands: {command}")
                }
                (None, None) => format!("{old} is of a step or metric that the pipeline no longer has"),
            };
            let finding = at(Kind::Outdated, whole, Some(old), new.as_deref(), message);
            Some(Finding { file: path.clone(), line, ..finding })
        }
        (None, Some(new)) if files.values.is_empty() => {
            let message = "the paper includes no file of values: `igpt-flow values` writes one".to_owned();
            Some(at(Kind::Outdated, whole, None, Some(&new), message))
        }
        (None, Some(new)) => {
            let message = "not yet in the file of values: write it again with `igpt-flow values`".to_owned();
            Some(at(Kind::Outdated, whole, None, Some(&new), message))
        }
        (None, None) => Some(at(Kind::Unknown, whole, None, None, unknown(now, key, nearest))),
    }
}

/// What is wrong with a marked literal.
fn differs(
    now: &Now,
    whole: &str,
    literal: Option<&Literal>,
    nearest: impl Fn(&str, &[&str]) -> Option<String>,
) -> Option<(Kind, Option<String>, Option<String>, String)> {
    let (key, form) = split(whole);
    let old = literal.map(|literal| literal.text.clone());
    let Some(value) = now.numbers.get(key) else {
        return Some(match making(now, key) {
            Some(command) => {
                let message = format!("it has no result of the pipeline as it stands: {command}");
                (Kind::Outdated, old, None, message)
            }
            None => (Kind::Unknown, old, None, unknown(now, key, nearest)),
        });
    };
    let Some(literal) = literal else {
        return Some((
            Kind::Differs,
            None,
            text(*value, form),
            "no number stands before this mark".to_owned(),
        ));
    };
    let new = match form {
        "" => literal.nearest_text(*value),
        form => match text(*value, form) {
            Some(new) => new,
            None => {
                let message =
                    format!("`{form}` is no way to write a number: expected one of {}", FORMS[1..].join(" "));
                return Some((Kind::Unknown, old, None, message));
            }
        },
    };
    if new == literal.text {
        return None;
    }
    let message = format!("{} is marked as this number, which is {new}", literal.text);
    Some((Kind::Differs, old, Some(new), message))
}

fn unknown(now: &Now, key: &str, nearest: impl Fn(&str, &[&str]) -> Option<String>) -> String {
    let known: Vec<&str> = now.numbers.keys().map(String::as_str).collect();
    let near = nearest(key, &known).map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
    format!("no number has this key{near}")
}

/// The command that makes the number of a key, where its step has no result.
fn making<'n>(now: &'n Now, key: &str) -> Option<&'n str> {
    now.missing.iter().find(|(start, _)| key.starts_with(start)).map(|(_, command)| command.as_str())
}

/// Whether a literal has so many digits that it could be meant as a result: not a length, not a year.
fn is_telling(literal: &Literal) -> bool {
    let unit = literal.after.trim_start();
    let is_length =
        ["cm", "mm", "pt", "em", "ex", "in", "\\textwidth", "\\linewidth", "\\columnwidth", "\\hsize"]
            .iter()
            .any(|one| unit.starts_with(one) && !unit[one.len()..].starts_with(|c: char| c.is_alphabetic()));
    literal.decimals > 0 && literal.significant >= DIGITS && !is_length
}

/// The number that a literal misses by one in its last digit, where none is hit.
fn near_miss(now: &Now, literal: &Literal) -> Option<(String, String)> {
    let unit = 10f64.powi(-(literal.decimals as i32));
    let mut near = None;
    for (key, value) in &now.numbers {
        let new = literal.nearest_text(*value);
        if new == literal.text {
            return None;
        }
        let miss = (new.parse::<f64>().unwrap_or(f64::NAN) - literal.value()).abs();
        if near.is_none() && miss < 1.5 * unit {
            near = Some((key.clone(), new));
        }
    }
    near
}

/// The tables that a document includes and that are not those of the store.
fn tables<'a>(document: &'a Document, now: &'a Now) -> impl Iterator<Item = Finding> + 'a {
    document.included.iter().filter_map(|(line, path)| {
        let (old, new, message) = match now.exports.get(path)? {
            Exported::Same => return None,
            Exported::Differs(old, new) => {
                (Some(old.clone()), Some(new.clone()), "differs from the result in the store".to_owned())
            }
            Exported::Missing(command) => {
                (None, None, format!("has no result of the pipeline as it stands: {command}"))
            }
        };
        let key = shown(path);
        Some(Finding { file: document.path.clone(), line: *line, kind: Kind::Table, key, old, new, message })
    })
}

fn shown(path: &Path) -> String {
    normal(path).display().to_string()
}

impl Files {
    /// The files that the paper includes, for a look at what they should be.
    pub fn included(&self) -> impl Iterator<Item = &Path> {
        self.documents.iter().flat_map(|document| document.included.iter().map(|(_, path)| path.as_path()))
    }
}
