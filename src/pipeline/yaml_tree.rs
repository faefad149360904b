//! The visitors that turn a YAML document into a tree with places; see `yaml`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::{self, Write as _};

use serde::Deserializer;
use serde::de::{DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::diagnostic::Faults;
use super::node::{Data, Key, Mark, Node};
use super::yaml_error::{OURS, TOO_MANY};

/// The most values a document may hold once its aliases are expanded.
pub(super) const MAX_NODES: usize = 1_000_000;
/// So many bytes of a string count as one value more: a long text may be repeated as often as a list.
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

/// What the visitors share.
pub(super) struct Tree {
    marks: Marks,
    /// How many maps enclose what is visited.
    depth: Cell<usize>,
    pub(super) faults: RefCell<Faults>,
    count: Cell<usize>,
    /// The furthest place so far: what aliases repeat lies before it.
    pub(super) furthest: Cell<Mark>,
    /// The scalar whose visitor has just answered with an error, to tell its place.
    scalar: Cell<Option<Data>>,
    /// Where errors are written to be read.
    text: RefCell<String>,
    /// Whether there is a number or a truth value.
    pub(super) plain: Cell<bool>,
}

/// Visits one value: a collection returns normally; a scalar is put aside, if its place is wanted.
pub(super) struct Seed<'a> {
    tree: &'a Tree,
    placed: bool,
}

impl Tree {
    /// A tree of which nothing is visited yet.
    pub(super) fn new(marks: Marks, faults: Faults) -> Self {
        Self {
            marks,
            depth: Cell::new(0),
            faults: RefCell::new(faults),
            count: Cell::new(0),
            furthest: Cell::new(Mark::FILE),
            scalar: Cell::new(None),
            text: RefCell::default(),
            plain: Cell::new(false),
        }
    }

    /// What `visit` finds when it runs the seed, with its place; `None` where it finds the end.
    pub(super) fn next<'a, E: serde::de::Error>(
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

    /// A key's text; `None` where it is none, which is then reported.
    fn key(&self, node: Node) -> Key {
        let text = match node.data {
            Data::Text(text) => {
                if text == "<<" {
                    self.faults
                        .borrow_mut()
                        .push(node.mark, "merge keys (`<<`) are not part of the pipeline language")
                        .hint("put shared values into `vars` and refer to them, as in `${vars.name}`");
                }
                text
            }
            _ => {
                let found = node.describe();
                self.faults
                    .borrow_mut()
                    .push(node.mark, format!("a key must be a string, found {found}"))
                    .hint("quote the key");
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
            None => Err(E::custom(format!("{OURS}`.inf` and `.nan` are not allowed"))),
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
                let fault = faults.push(key.mark, format!("duplicate key `{}`", key.text));
                fault.hint("remove one of them");
                if let Mark::At { line, column, .. } = before {
                    fault.note(format!("it is first defined at {line}:{column}"));
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

/// Finds repeated keys: by looking through a small map, through an index of a large one.
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
