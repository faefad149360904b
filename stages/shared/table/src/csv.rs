//! Tables with full precision, as CSV (RFC 4180).

use std::io;

use polars::prelude::{Column, DataFrame, NamedFrom as _, Series};
use polars_io::prelude::{CsvWriter, SerWriter as _};

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

/// A table as CSV: a line of headings, then a line for each row. Numbers have the shortest form that
/// reads back the same. By way of a polars frame, which knows how to write it.
///
/// # Errors
/// If two headings are the same, or a column holds both text and numbers.
pub fn csv(headings: &[String], rows: &[Vec<Field>]) -> io::Result<String> {
    let columns = headings.iter().enumerate().map(|(i, heading)| {
        column(heading, rows.iter().map(|row| row.get(i).unwrap_or(&Field::Empty)).collect())
    });
    let columns = columns.collect::<io::Result<Vec<_>>>()?;
    let mut text = Vec::new();
    let frame = DataFrame::new_infer_height(columns);
    frame
        .and_then(|mut frame| CsvWriter::new(&mut text).n_threads(1).finish(&mut frame))
        .map_err(io::Error::other)?;
    String::from_utf8(text).map_err(io::Error::other)
}

/// A column of one type: text, whole numbers, or numbers.
fn column(heading: &str, fields: Vec<&Field>) -> io::Result<Column> {
    let has = |is: fn(&Field) -> bool| fields.iter().any(|field| is(field));
    let has_text = has(|field| matches!(field, Field::Text(_)));
    let has_numbers = has(|field| matches!(field, Field::Number(_)));
    if has_text && (has_numbers || has(|field| matches!(field, Field::Integer(_)))) {
        return Err(io::Error::other(format!("the column `{heading}` holds both text and numbers")));
    }
    let name = heading.into();
    Ok(if has_text {
        let text = |field: &&Field| if let Field::Text(text) = field { Some(text.clone()) } else { None };
        Series::new(name, fields.iter().map(text).collect::<Vec<_>>()).into()
    } else if has_numbers {
        let number = |field: &&Field| match field {
            Field::Number(number) => Some(*number),
            Field::Integer(number) => Some(*number as f64),
            Field::Empty | Field::Text(_) => None,
        };
        Series::new(name, fields.iter().map(number).collect::<Vec<_>>()).into()
    } else {
        let whole = |field: &&Field| if let Field::Integer(number) = field { Some(*number) } else { None };
        Series::new(name, fields.iter().map(whole).collect::<Vec<_>>()).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<const N: usize>(names: [&str; N]) -> [String; N] {
        names.map(str::to_owned)
    }

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let text = |text: &str| Field::Text(text.to_owned());
        let row = vec![text("a b"), text("10,000 \"images\""), text(""), Field::Empty, Field::Integer(3)];
        let expected = "a,\"b,c\",d,e,f\na b,\"10,000 \"\"images\"\"\",\"\",,3\n";
        assert_eq!(csv(&names(["a", "b,c", "d", "e", "f"]), &[row]).unwrap(), expected);
    }

    #[test]
    fn numbers_read_back_the_same() {
        let numbers = [11.0, 0.3, 1e-7, -0.0, 1.0 / 3.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        let rows: Vec<Vec<Field>> = numbers.iter().map(|number| vec![Field::Number(*number)]).collect();
        let text = csv(&names(["x"]), &rows).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines, ["x", "11.0", "0.3", "1e-7", "-0.0", "0.3333333333333333", "NaN", "inf", "-inf"]);
    }

    #[test]
    fn what_is_no_table_is_an_error() {
        let row = |field| vec![field];
        let mixed = [row(Field::Text("a".to_owned())), row(Field::Integer(1))];
        assert!(csv(&names(["x"]), &mixed).unwrap_err().to_string().contains("both text and numbers"));
        assert!(csv(&names(["x", "x"]), &[vec![Field::Integer(1), Field::Integer(2)]]).is_err());
    }
}
