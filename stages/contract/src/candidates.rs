//! One number or a list of numbers to choose from.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The candidates of a search. A number and a list of one number are the same: both are stored as a
/// list.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Candidates(pub Vec<f64>);

impl From<Vec<f64>> for Candidates {
    fn from(values: Vec<f64>) -> Self {
        Self(values)
    }
}

impl Deref for Candidates {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Candidates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Candidates;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a list of numbers")
            }

            fn visit_f64<E>(self, x: f64) -> Result<Candidates, E> {
                Ok(Candidates(vec![x]))
            }

            fn visit_i64<E>(self, x: i64) -> Result<Candidates, E> {
                Ok(Candidates(vec![x as f64]))
            }

            fn visit_u64<E>(self, x: u64) -> Result<Candidates, E> {
                Ok(Candidates(vec![x as f64]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Candidates, A::Error> {
                let mut all = Vec::new();
                while let Some(x) = seq.next_element()? {
                    all.push(x);
                }
                Ok(Candidates(all))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

impl JsonSchema for Candidates {
    fn schema_name() -> Cow<'static, str> {
        "Candidates".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number, or a list of numbers to choose from.",
            "anyOf": [{ "type": "number" }, { "type": "array", "items": { "type": "number" }, "minItems": 1 }]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_list_of_one() {
        let read = |text| serde_json::from_str::<Candidates>(text);
        assert_eq!(read("1").unwrap(), read("[1.0]").unwrap());
        assert_eq!(serde_json::to_string(&read("1").unwrap()).unwrap(), "[1.0]");
        assert_eq!(read("[0.1, 10]").unwrap().0, [0.1, 10.0]);
        let error = read("\"one\"").unwrap_err().to_string();
        assert!(error.contains("expected a number or a list of numbers"), "{error}");
    }
}
