//! The pipeline file as a tree in which every value knows where it is written.

use std::borrow::Cow;

use serde_json::{Number, Value};

use super::spelling::Spelling;

/// Where a value is written; the file itself is known from the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Mark {
    /// A line and a column of a file, from 1; line 0 means the file as a whole.
    At {
        /// Which file: 0 is the pipeline's own, the others are those that it includes, in order.
        file: u16,
        /// The line.
        line: u32,
        /// The column, in characters.
        column: u32,
    },
    /// The `--set` of that number on the command line.
    Set(u32),
}

impl Mark {
    /// The pipeline's own file as a whole.
    pub(crate) const FILE: Self = Self::at(0, 0);

    /// A place in the pipeline's own file.
    pub(crate) const fn at(line: u32, column: u32) -> Self {
        Self::At { file: 0, line, column }
    }

    /// The place right behind a string.
    pub(super) fn after(before: &[u8]) -> Self {
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        let column =
            String::from_utf8_lossy(&before[start..]).trim_start_matches('\u{feff}').chars().count() + 1;
        match (u32::try_from(line), u32::try_from(column)) {
            (Ok(line), Ok(column)) => Self::at(line, column),
            _ => Self::FILE,
        }
    }

    /// Whether this is written in the pipeline's own file or on the command line, not in an included file.
    pub(crate) fn is_own(self) -> bool {
        !matches!(self, Self::At { file: 1.., .. })
    }
}

/// A value and its place. A collection's place is that of its first member, or of its key where it
/// is empty.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Where it is written.
    pub(crate) mark: Mark,
    /// What it is.
    pub(crate) data: Data,
}

/// A value of the tree.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool, Spelling),
    /// A finite number.
    Number(Number, Spelling),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map in the order of the file, without repeated keys.
    Map(Vec<(Key, Node)>),
}

/// A key of a map and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    /// Where it is written.
    pub(crate) mark: Mark,
    /// The key.
    pub(crate) text: String,
}

impl Node {
    /// The members, if this is a map.
    pub(crate) fn as_map(&self) -> Option<&[(Key, Node)]> {
        match &self.data {
            Data::Map(members) => Some(members),
            _ => None,
        }
    }

    /// The text, if this is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a scalar as it is written, where a string is wanted: of `3.10` that.
    pub(crate) fn scalar_text(&self) -> Option<Cow<'_, str>> {
        match &self.data {
            Data::Text(text) => Some(Cow::Borrowed(text)),
            Data::Bool(_, Some(written)) | Data::Number(_, Some(written)) => Some(Cow::Borrowed(written)),
            Data::Bool(value, None) => Some(Cow::Owned(value.to_string())),
            Data::Number(value, None) => Some(Cow::Owned(value.to_string())),
            Data::Null | Data::List(_) | Data::Map(_) => None,
        }
    }

    /// The member of that key, if this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.iter().find(|(k, _)| k.text == key).map(|(_, node)| node)
    }

    /// The member or item of that name or number.
    pub(crate) fn child(&self, name: &str) -> Option<&Node> {
        match &self.data {
            Data::Map(_) => self.get(name),
            Data::List(items) => items.get(name.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// The deepest node on the way along a path of names and numbers, and how many of them it took.
    pub(crate) fn descend<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> (&Node, usize) {
        let mut node = self;
        let mut depth = 0;
        for name in path {
            match node.child(name) {
                Some(child) => node = child,
                None => break,
            }
            depth += 1;
        }
        (node, depth)
    }

    /// The place of a key, or this node's where there is no such key.
    pub(crate) fn key_mark(&self, key: &str) -> Mark {
        let members = self.as_map().unwrap_or(&[]);
        members.iter().find(|(k, _)| k.text == key).map_or(self.mark, |(k, _)| k.mark)
    }

    /// Sets the place of this value and of everything in it.
    pub(crate) fn map_marks(&mut self, change: &mut impl FnMut(&mut Mark)) {
        change(&mut self.mark);
        match &mut self.data {
            Data::List(items) => items.iter_mut().for_each(|item| item.map_marks(change)),
            Data::Map(members) => members.iter_mut().for_each(|(key, member)| {
                change(&mut key.mark);
                member.map_marks(change);
            }),
            _ => {}
        }
    }

    /// The same tree as a JSON value, without interpolation.
    pub(crate) fn to_json(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(value, _) => Value::Bool(*value),
            Data::Number(value, _) => Value::Number(value.clone()),
            Data::Text(text) => Value::String(text.clone()),
            Data::List(items) => items.iter().map(Self::to_json).collect(),
            Data::Map(members) => {
                Value::Object(members.iter().map(|(k, node)| (k.text.clone(), node.to_json())).collect())
            }
        }
    }

    /// What this is, for messages: `the number 3`, `the string `x``, `a list`.
    pub(crate) fn describe(&self) -> String {
        describe(&self.to_json())
    }
}

/// What a value is, for messages.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(value) => format!("the number {value}"),
        Value::String(text) => format!("the string `{}`", shorten(text)),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "a map".into(),
    }
}

/// The text, cut to what fits into a message.
pub(super) fn shorten(text: &str) -> String {
    if text.chars().count() <= 60 {
        return text.to_owned();
    }
    text.chars().take(59).chain(['…']).collect()
}
