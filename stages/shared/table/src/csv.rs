//! Tables with full precision, as CSV (RFC 4180).

/// A field of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// No value: nothing is written.
    Empty,
    /// Text, quoted where it must be.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number, in the shortest form that reads back the same: `11.0`, `0.3`, `1e-7`.
    Number(f64),
}

impl From<Option<f64>> for Field {
    fn from(number: Option<f64>) -> Self {
        number.map_or(Self::Empty, Self::Number)
    }
}

impl Field {
    fn text(&self) -> String {
        match self {
            Self::Empty => String::new(),
            // Without quotes it would read as no value.
            Self::Text(text) if text.is_empty() => "\"\"".to_owned(),
            Self::Text(text) => quoted(text),
            Self::Integer(number) => number.to_string(),
            Self::Number(number) if number.is_finite() => serde_json::json!(number).to_string(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// A table as CSV: a line of headings, then a line for each row.
pub fn csv(headings: &[String], rows: &[Vec<Field>]) -> String {
    let headings: Vec<String> = headings.iter().map(|heading| quoted(heading)).collect();
    let rows = rows.iter().map(|row| row.iter().map(Field::text).collect::<Vec<_>>().join(","));
    [headings.join(",")].into_iter().chain(rows).map(|line| line + "\n").collect()
}

/// Text with quotes where it holds a separator or a quote.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let text = |text: &str| Field::Text(text.to_owned());
        let row = vec![text("a b"), text("10,000 \"images\""), text(""), Field::Empty, Field::Integer(3)];
        let headings = ["a", "b,c", "d", "e", "f"].map(str::to_owned);
        let expected = "a,\"b,c\",d,e,f\na b,\"10,000 \"\"images\"\"\",\"\",,3\n";
        assert_eq!(csv(&headings, &[row]), expected);
    }

    #[test]
    fn numbers_read_back_the_same() {
        let shown = [11.0, 0.3, 1e-7, 1.5e300, -0.0, 1.0 / 3.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]
            .map(|number| Field::Number(number).text());
        assert_eq!(
            shown,
            ["11.0", "0.3", "1e-7", "1.5e+300", "-0.0", "0.3333333333333333", "NaN", "inf", "-inf"]
        );
    }
}
