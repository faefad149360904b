//! What a result is expected to be.

use igpt_contract::StageContext;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Value, json};

use crate::cells::ExpectedCell;
use crate::scalar;

/// A number that a result is expected to equal, within a tolerance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The row, its values joined by `, `. Default: every row with a number.
    #[serde(default, deserialize_with = "scalar::text")]
    #[schemars(schema_with = "scalar::schema")]
    pub row: String,
    /// The number, in the units of the heading (96.3 if it shows percent).
    pub value: f64,
    /// The largest allowed difference, in the same units.
    pub tolerance: f64,
    /// Where the number comes from: a paper's table, or the draft that states it.
    pub source: String,
}

impl Expectation {
    /// What is wrong with it, if anything is.
    pub fn fault(&self) -> Option<String> {
        if !self.value.is_finite() {
            return Some(format!("`value`: expected a finite number, found {}", self.value));
        }
        if !self.tolerance.is_finite() || self.tolerance < 0.0 {
            return Some(format!("`tolerance`: expected a number from 0 on, found {}", self.tolerance));
        }
        self.source
            .trim()
            .is_empty()
            .then(|| "`source` is empty; name where the number comes from".to_owned())
    }

    /// It beside a result in the same units. Without one, or with one that is not a number, it is missed.
    pub fn beside(&self, result: Option<f64>) -> ExpectedCell {
        let difference = result.map(|x| x - self.value).filter(|x| x.is_finite());
        // 0.1 + 0.2 is 0.3 here.
        let slack = 1e-9 * self.value.abs().max(1.0);
        ExpectedCell {
            value: self.value,
            tolerance: self.tolerance,
            difference,
            met: difference.is_some_and(|x| x.abs() <= self.tolerance + slack),
            source: self.source.clone(),
        }
    }
}

impl ExpectedCell {
    /// What a table shows: `+0.3 ✓`.
    pub fn text(&self) -> String {
        let sign = if self.met { "✓" } else { "✗" };
        match self.difference {
            None => format!("no number {sign}"),
            Some(difference) => {
                let digits = |x: f64| x.to_string().split('.').nth(1).map_or(0, str::len);
                let digits = digits(self.value).max(digits(self.tolerance)).clamp(1, 15);
                let number = format!("{difference:+.digits$}").replace('-', "\u{2212}");
                format!("{number} {sign}")
            }
        }
    }
}

/// What a Δ column means.
pub const NOTE: &str = "Δ: result minus expected; ✓ within the tolerance, ✗ not.";

/// Says which expectations were missed, and keeps in the step's record how many: the fact `expectations`.
/// Each is told by its name. Nothing is said where there are none.
pub fn report(cx: &StageContext, expected: &[(String, ExpectedCell)]) {
    if expected.is_empty() {
        return;
    }
    let missed: Vec<String> = expected
        .iter()
        .filter(|(_, cell)| !cell.met)
        .map(|(name, cell)| {
            let found = cell.difference.map_or("no number".to_owned(), |d| (cell.value + d).to_string());
            format!("{name}: expected {} within {}, found {found}", cell.value, cell.tolerance)
        })
        .collect();
    for text in &missed {
        cx.note(format!("expectation missed: {text}"));
    }
    let value = json!({"checked": expected.len(), "failed": missed.len(), "missed": missed});
    cx.fact("expectations", value);
}

/// One, or a list.
///
/// # Errors
/// Where one is none.
pub fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Expectation>, D::Error> {
    let list = match Value::deserialize(deserializer)? {
        Value::Array(list) => list,
        one => vec![one],
    };
    list.into_iter().map(|one| serde_json::from_value(one).map_err(D::Error::custom)).collect()
}

/// The schema of one, or of a list.
pub fn one_or_more_schema(generator: &mut SchemaGenerator) -> Schema {
    let one = generator.subschema_for::<Expectation>();
    json_schema!({"anyOf": [one, {"type": "array", "items": one}]})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expectation(value: f64, tolerance: f64) -> Expectation {
        Expectation { value, tolerance, source: "Table 1".to_owned(), ..Expectation::default() }
    }

    #[test]
    fn what_is_within_the_tolerance_is_met() {
        let shown = |value, tolerance, result| expectation(value, tolerance).beside(result).text();
        assert_eq!(shown(96.3, 0.5, Some(96.75)), "+0.5 ✓");
        assert_eq!(shown(96.3, 0.5, Some(95.75)), "\u{2212}0.5 ✗");
        // The very edge belongs to it.
        assert_eq!(shown(0.3, 0.1, Some(0.4)), "+0.1 ✓");
        assert_eq!(shown(0.3, 0.1, None), "no number ✗");
        assert!(!expectation(0.3, 0.1).beside(Some(f64::NAN)).met);
    }

    #[test]
    fn nonsense_is_named() {
        assert_eq!(expectation(1.0, 0.1).fault(), None);
        assert!(expectation(f64::NAN, 0.1).fault().unwrap().contains("`value`"));
        assert!(expectation(1.0, -0.1).fault().unwrap().contains("from 0 on, found -0.1"));
        let nowhere = Expectation { source: " ".to_owned(), ..expectation(1.0, 0.1) };
        assert!(nowhere.fault().unwrap().contains("`source`"));
    }
}
