//! How scalars were written: `3.10` is the number 3.1, and the string `3.10` where a string is wanted.
//!
//! A value travels as JSON, which knows one spelling of a number. Those that were written otherwise
//! are kept beside it by their paths, so that whoever needs a string gets what stands in the file, and
//! whoever needs a number gets the number.

use std::collections::BTreeMap;

use serde_json::Value;

/// The spelling of a scalar, where it is not how the value is printed.
pub(crate) type Spelling = Option<Box<str>>;

/// A value with the spellings in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Spelled {
    pub(crate) value: Value,
    pub(crate) spellings: Spellings,
}

/// Spellings by the path of the scalar: names of members and numbers of items.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Spellings(BTreeMap<Vec<String>, Box<str>>);

impl From<Value> for Spelled {
    fn from(value: Value) -> Self {
        Self { value, spellings: Spellings::default() }
    }
}

impl Spelled {
    /// A scalar as it was written.
    pub(crate) fn scalar(value: Value, written: &Spelling) -> Self {
        let mut spellings = Spellings::default();
        if let Some(text) = written {
            spellings.0.insert(Vec::new(), text.clone());
        }
        Self { value, spellings }
    }

    /// The text of this value, if it is a scalar that has one.
    pub(crate) fn text(&self) -> Option<String> {
        self.spellings.text(&[], &self.value)
    }
}

impl Spellings {
    /// The text of the value at a path, if it is a scalar that has one.
    pub(crate) fn text(&self, path: &[String], value: &Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => {
                Some(self.0.get(path).map_or_else(|| value.to_string(), |text| text.to_string()))
            }
            _ => None,
        }
    }

    /// Whether everything is spelled as it is printed.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes over the spellings of a value that is put below `name`.
    pub(crate) fn adopt(&mut self, name: &str, below: Self) {
        for (mut path, text) in below.0 {
            path.insert(0, name.to_owned());
            self.0.insert(path, text);
        }
    }

    /// The spellings of what lies at a path.
    pub(crate) fn below<S: AsRef<str>>(&self, path: &[S]) -> Self {
        if self.0.is_empty() {
            return Self::default();
        }
        let start: Vec<String> = path.iter().map(|name| name.as_ref().to_owned()).collect();
        let within = self.0.range(start.clone()..).take_while(|(path, _)| path.starts_with(&start));
        Self(within.map(|(path, text)| (path[start.len()..].to_vec(), text.clone())).collect())
    }

    /// The spellings of an item or member of a value.
    pub(crate) fn child(&self, name: &str) -> Self {
        self.below(&[name])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_spelling_goes_where_its_value_goes() {
        let version = Spelled::scalar(json!(3.1), &Some("3.10".into()));
        assert_eq!(version.text().as_deref(), Some("3.10"));
        let mut all = Spellings::default();
        all.adopt("python", version.spellings);
        assert_eq!(all.below(&["python"]).text(&[], &json!(3.1)).as_deref(), Some("3.10"));
        assert_eq!(all.text(&["python".into()], &json!(3.1)).as_deref(), Some("3.10"));
        assert_eq!(all.child("other").text(&[], &json!(3.1)).as_deref(), Some("3.1"));
    }
}
