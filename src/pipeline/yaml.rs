//! YAML text -> a tree with places. The only module that knows serde_yaml.
//!
//! serde_yaml gives no places on success, but every error that a visitor returns is stamped with
//! the place of the value that it was visiting. So the visitor of a scalar stores the value aside
//! and answers with an error: the caller reads the place off the error and takes the value. This is
//! sound because a scalar is consumed whole before its visitor is called; collections, which are
//! consumed by their visitor, answer normally and take the place of their first member. One pass
//! finds every place, and no second parser can disagree with the first about what a value is.
//!
//! Making an error for every scalar is most of the time that a large file takes, and a pipeline that
//! is right shows the places of its steps alone. So a file is first parsed for those, and once more
//! for all places where something is wrong with it.
//!
//! How numbers are spelled (`3.10`) is asked for only where some are spelled otherwise than they are
//! printed: see [`yaml_spelling`].
//!
//! Refused here, each by name: repeated keys (serde_yaml keeps the last one silently), merge keys
//! (serde_yaml leaves `<<` as a plain key), tags, keys that are not texts, numbers that are not
//! finite, several documents, and aliases that expand without end.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::{self, Write as _};

use serde::Deserializer;
use serde::de::{DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::diagnostic::Faults;
use super::node::{Data, Key, Mark, Node};
use super::yaml_error::{self, OURS, Subject, TOO_MANY};
use super::yaml_spelling;

/// The most values a document may hold once its aliases are expanded.
pub(super) const MAX_NODES: usize = 1_000_000;
/// So many bytes of a text count as one value more: a long text may be repeated as often as a list.
const BYTES_PER_VALUE: usize = 64;

/// Which places a tree has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// Those of keys down to [`STEP_DEPTH`]; what is below has the place of its key there.
    OfSteps,
    /// Those of all values.
    OfAll,
}

/// How deep the names of steps are: `stages`, then the name.
const STEP_DEPTH: usize = 2;

/// Parses one document; `None` if it is not YAML, which `faults` then tells. An empty text is a
/// null.
pub(super) fn parse(text: &str, marks: Marks, faults: &mut Faults) -> Option<Node> {
    parse_subject(text, marks, Subject::File, faults)
}

fn parse_subject(text: &str, marks: Marks, subject: Subject, faults: &mut Faults) -> Option<Node> {
    let tree = Tree {
        marks,
        depth: Cell::new(0),
        faults: RefCell::new(std::mem::take(faults)),
        count: Cell::new(0),
        furthest: Cell::new(Mark::FILE),
        scalar: Cell::new(None),
        text: RefCell::default(),
        plain: Cell::new(false),
    };
    let mut documents = serde_yaml::Deserializer::from_str(text);
    let root = documents
        .next()
        .map(|document| tree.next(marks == Marks::OfAll, |seed| seed.deserialize(document).map(Some)));
    // A later document is only looked at where the first one was whole.
    let more = matches!(root, Some(Ok(_))) && documents.next().is_some();
    let plain = tree.plain.get();
    *faults = tree.faults.into_inner();
    if more {
        let mark = yaml_error::second_document(text);
        faults
            .push(mark, "the file holds more than one YAML document")
            .hint("keep one, and remove the `---` between them");
    }
    match root {
        None | Some(Ok(None)) => Some(Node { mark: Mark::FILE, data: Data::Null }),
        Some(Ok(Some(mut node))) => {
            if plain && faults.is_empty() && yaml_spelling::may_matter(text) {
                spell(text, &mut node);
            }
            Some(node)
        }
        Some(Err(error)) => {
            let (message, mark) = (error.to_string(), place(&error));
            yaml_error::report(&message, mark, tree.furthest.get(), text, subject, faults);
            None
        }
    }
}

/// Parses what stands in a `--set`, which is no file.
pub(super) fn parse_value(text: &str, faults: &mut Faults) -> Option<Node> {
    parse_subject(text, Marks::OfAll, Subject::SetValue, faults)
}

/// Writes down how the numbers and truth values of a tree are spelled. The document is read once more,
/// along the tree: where that has a scalar, the parser is asked for the text.
fn spell(text: &str, node: &mut Node) {
    if let Some(document) = serde_yaml::Deserializer::from_str(text).next() {
        // What could be wrong with it was told by the first reading.
        let _ = yaml_spelling::Speller(node).deserialize(document);
    }
}

fn place(error: &serde_yaml::Error) -> Option<Mark> {
    let at = error.location()?;
    Some(Mark::at(u32::try_from(at.line()).ok()?, u32::try_from(at.column()).ok()?))
}

/// What the visitors share.
struct Tree {
    marks: Marks,
    /// How many mappings enclose what is visited.
    depth: Cell<usize>,
    faults: RefCell<Faults>,
    count: Cell<usize>,
    /// The furthest place so far: what aliases repeat lies before it.
    furthest: Cell<Mark>,
    /// The scalar whose visitor has just answered with an error, to tell its place.
    scalar: Cell<Option<Data>>,
    /// Where errors are written to be read.
    text: RefCell<String>,
    /// Whether there is a number or a truth value.
    plain: Cell<bool>,
}

/// Visits one value: a collection answers normally; a scalar is put aside, if its place is wanted.
struct Seed<'a> {
    tree: &'a Tree,
    placed: bool,
}

impl Tree {
    /// What `visit` finds when it runs the seed, with its place; `None` where it finds the end.
    fn next<'a, E: serde::de::Error>(
        &'a self,
        placed: bool,
        visit: impl FnOnce(Seed<'a>) -> Result<Option<Data>, E>,
    ) -> Result<Option<Node>, E> {
        self.count.set(self.count.get() + 1);
        if self.count.get() > MAX_NODES {
            return Err(E::custom(TOO_MANY));
        }
        match visit(Seed { tree: self, placed }) {
            Ok(data) => Ok(data.map(|data| Node { mark: first_place(&data), data })),
            Err(error) => match self.scalar.take() {
                Some(data) => Ok(Some(Node { mark: self.place_in(&error), data })),
                None => Err(error),
            },
        }
    }

    /// The place that the error's text ends with: `... at line 3 column 5`, or nothing at the very
    /// beginning. (A visitor sees errors through a trait that has no other way to ask.)
    fn place_in(&self, error: &impl fmt::Display) -> Mark {
        let mut text = self.text.borrow_mut();
        text.clear();
        let _ = write!(text, "{error}");
        let mut words = text.rsplit(' ');
        let column = words.next().and_then(|word| word.parse().ok());
        let line = words.nth(1).and_then(|word| word.parse().ok());
        let mark = match (line, column) {
            (Some(line), Some(column)) => Mark::at(line, column),
            _ => Mark::at(1, 1),
        };
        self.furthest.set(self.furthest.get().max(mark));
        mark
    }

    /// Whether the places of values are wanted.
    fn values_placed(&self) -> bool {
        self.marks == Marks::OfAll
    }

    /// Whether the places of the keys here are wanted.
    fn keys_placed(&self) -> bool {
        self.values_placed() || self.depth.get() <= STEP_DEPTH
    }

    /// A key's text; `None` where it is none, which is then told.
    fn key(&self, node: Node) -> Key {
        let text = match node.data {
            Data::Text(text) => {
                if text == "<<" {
                    self.faults
                        .borrow_mut()
                        .push(node.mark, "merge keys (`<<`) are not part of the pipeline language")
                        .hint("put shared values into `vars` and name them, as in `${vars.name}`");
                }
                text
            }
            _ => {
                let found = node.describe();
                self.faults
                    .borrow_mut()
                    .push(node.mark, format!("a key must be a text, but this is {found}"))
                    .hint("put the key into quotes");
                found
            }
        };
        Key { mark: node.mark, text }
    }
}

/// The place of a collection's first member; [`Mark::FILE`] where there is none.
fn first_place(data: &Data) -> Mark {
    match data {
        Data::List(items) => items.first().map(|item| item.mark),
        Data::Map(members) => members.first().map(|(key, _)| key.mark),
        _ => None,
    }
    .unwrap_or(Mark::FILE)
}

/// Gives what has no place of its own (an empty collection, what is below the steps) the place of
/// what holds it.
fn settle(node: &mut Node, mark: Mark) {
    if node.mark != Mark::FILE {
        return;
    }
    node.mark = mark;
    match &mut node.data {
        Data::List(items) => items.iter_mut().for_each(|item| settle(item, mark)),
        Data::Map(members) => members.iter_mut().for_each(|(key, member)| {
            key.mark = mark;
            settle(member, mark);
        }),
        _ => {}
    }
}

impl Seed<'_> {
    /// A scalar: put aside for its place, which the error will carry, or answered.
    fn scalar<E: serde::de::Error>(self, data: Data) -> Result<Data, E> {
        if !self.placed {
            return Ok(data);
        }
        self.tree.scalar.set(Some(data));
        Err(E::custom(""))
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Data;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Data, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Data;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Data, E> {
        self.scalar(Data::Null)
    }

    /// The end of a file that broke off; the reason follows once this has answered.
    fn visit_none<E: serde::de::Error>(self) -> Result<Data, E> {
        Ok(Data::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Data, E> {
        self.tree.plain.set(true);
        self.scalar(Data::Bool(value, None))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Data, E> {
        self.tree.plain.set(true);
        self.scalar(Data::Number(value.into(), None))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Data, E> {
        self.tree.plain.set(true);
        self.scalar(Data::Number(value.into(), None))
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Data, E> {
        Err(E::custom(format!("{OURS}the number {value} is too large (at most {})", u64::MAX)))
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Data, E> {
        Err(E::custom(format!("{OURS}the number {value} is too small (at least {})", i64::MIN)))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Data, E> {
        match Number::from_f64(value) {
            Some(number) => {
                self.tree.plain.set(true);
                self.scalar(Data::Number(number, None))
            }
            None => {
                Err(E::custom(format!("{OURS}`.inf` and `.nan` are not numbers that a pipeline may hold")))
            }
        }
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Data, E> {
        self.tree.count.set(self.tree.count.get() + text.len() / BYTES_PER_VALUE);
        self.scalar(Data::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Data, A::Error> {
        let placed = self.tree.values_placed();
        let mut items = Vec::new();
        while let Some(mut item) = self.tree.next(placed, |seed| access.next_element_seed(seed))? {
            if let Some(Node { mark, .. }) = items.last() {
                settle(&mut item, *mark);
            }
            items.push(item);
        }
        Ok(Data::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Data, A::Error> {
        let mut members: Vec<(Key, Node)> = Vec::new();
        let mut first = FirstMarks::default();
        self.tree.depth.set(self.tree.depth.get() + 1);
        let (keys_placed, values_placed) = (self.tree.keys_placed(), self.tree.values_placed());
        while let Some(key) = self.tree.next(keys_placed, |seed| access.next_key_seed(seed))? {
            let key = self.tree.key(key);
            let value = self.tree.next(values_placed, |seed| access.next_value_seed(seed).map(Some))?;
            let mut value = value.unwrap_or(Node { mark: key.mark, data: Data::Null });
            settle(&mut value, key.mark);
            if let Some(before) = first.of(&members, &key) {
                let mut faults = self.tree.faults.borrow_mut();
                let fault = faults.push(key.mark, format!("the key `{}` is written twice", key.text));
                fault.hint("keep one of the two");
                if let Mark::At { line, column, .. } = before {
                    fault.note(format!("it is first written at {line}:{column}"));
                }
                continue;
            }
            members.push((key, value));
        }
        self.tree.depth.set(self.tree.depth.get() - 1);
        Ok(Data::Map(members))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Data, A::Error> {
        Err(A::Error::custom(format!("{OURS}tags (`!name`) are not part of the pipeline language")))
    }
}

/// Finds repeated keys: by looking through a small mapping, through an index of a large one.
#[derive(Default)]
struct FirstMarks(HashMap<String, Mark>);

impl FirstMarks {
    const LARGE: usize = 16;

    /// Where a key was written before, if it was.
    fn of(&mut self, members: &[(Key, Node)], key: &Key) -> Option<Mark> {
        if members.len() < Self::LARGE {
            return members.iter().find(|(k, _)| k.text == key.text).map(|(k, _)| k.mark);
        }
        if self.0.is_empty() {
            self.0 = members.iter().map(|(k, _)| (k.text.clone(), k.mark)).collect();
        }
        let before = self.0.get(&key.text).copied();
        if before.is_none() {
            self.0.insert(key.text.clone(), key.mark);
        }
        before
    }
}
