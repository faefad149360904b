//! The values of names: numbers and texts, in their natural order.

use std::cmp::Ordering;

/// The value of a name.
#[derive(Debug, Clone)]
pub enum Value {
    /// A number: a metric, or a label that is one.
    Number(f64),
    /// A text: a fact, or a label that is none.
    Text(String),
    /// The artifact does not have the name: fine-tuning has no layer.
    Missing,
}

impl Value {
    /// Of a label or a condition. A whole number that no float holds stays a text: rounded, it would
    /// be merged with its neighbours.
    pub fn of(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::String(text) => Self::Text(text.clone()),
            serde_json::Value::Number(number) => match number.as_f64() {
                Some(x) if number.is_f64() || x.to_string() == number.to_string() => Self::Number(x),
                _ => Self::Text(number.to_string()),
            },
            other => Self::Text(other.to_string()),
        }
    }

    /// As a number, where it is one, or a text that is written as that number would be: `2`, but
    /// not `2.0`, which is another text, and not `nan`, which may be a name.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(x) => Some(*x),
            Self::Text(text) => text.parse().ok().filter(|x: &f64| x.is_finite() && x.to_string() == *text),
            Self::Missing => None,
        }
    }

    /// As it is shown in a row's heading.
    pub fn text(&self) -> String {
        match self {
            Self::Number(x) => x.to_string(),
            Self::Text(text) => text.clone(),
            Self::Missing => "–".to_owned(),
        }
    }
}

/// The natural order: numbers first, by size (layer 2 before layer 10), then texts, then what is
/// missing.
impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.number(), other.number()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => {
                let missing = |value: &Self| matches!(value, Self::Missing);
                missing(self).cmp(&missing(other)).then_with(|| self.text().cmp(&other.text()))
            }
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Value {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_first_and_by_size() {
        let text = |t: &str| Value::Text(t.to_owned());
        let mut values = [Value::Missing, text("~"), Value::Number(10.0), text("2"), Value::Number(-1.0)];
        values.sort();
        let shown: Vec<String> = values.iter().map(Value::text).collect();
        assert_eq!(shown, ["-1", "2", "10", "~", "–"]);
    }

    #[test]
    fn texts_are_numbers_where_they_print_back_the_same() {
        let text = |t: &str| Value::Text(t.to_owned());
        assert_eq!(text("1").number(), Some(1.0));
        assert_eq!(["1.0", "nan", "NaN", "inf", "1e3", ""].map(|t| text(t).number()), [None; 6]);
        assert_ne!(text("1"), text("1.0"));
        // A seed of 64 bits is no float, and its neighbour is another seed.
        let seed = |x: u64| Value::of(&serde_json::json!(x));
        assert_ne!(seed(9_007_199_254_740_993), seed(9_007_199_254_740_992));
        assert_eq!(Value::of(&serde_json::json!(2.0)), Value::of(&serde_json::json!(2)));
    }
}
