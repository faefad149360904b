//! Reads comma-separated values (RFC 4180): quoted fields, doubled quotes, line breaks within quotes,
//! either kind of line end, and a byte order mark.
//!
//! It is stricter than the `csv` crate, which reads a quote that is never closed to the end of the
//! file and takes text beside quotes as part of the field: either would give images wrong labels, and
//! here either is an error with its line. Blanks are trimmed around fields without quotes alone, where
//! that crate trims all fields or none.

/// A record and the line that it begins on, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CsvRecord {
    pub(crate) line: usize,
    pub(crate) fields: Vec<String>,
}

/// The position of the reader in a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Bare,
    Quoted,
    /// After a quote within quotes: the end of the field, or the first of two.
    Quote,
}

/// The records of a CSV text; blank lines are skipped. Blanks around an unquoted field are trimmed, those
/// within quotes are kept.
///
/// # Errors
/// The line and its fault: a quote that is never closed, or text beside quotes.
pub(crate) fn records(text: &str) -> Result<Vec<CsvRecord>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut records, mut fields, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut began, mut state, mut quoted) = (1, 1, State::Start, false);
    let mut characters = text.chars().peekable();
    loop {
        let next = characters.next();
        match (state, next) {
            (State::Quoted, None) => return Err(format!("line {began}: a quote is never closed")),
            (State::Quoted, Some('"')) => state = State::Quote,
            (State::Quoted, Some(c)) => {
                line += usize::from(c == '\n');
                field.push(c);
            }
            (State::Quote, Some('"')) => {
                field.push('"');
                state = State::Quoted;
            }
            (State::Start, Some('"')) => {
                field.clear();
                (state, quoted) = (State::Quoted, true);
            }
            (_, None | Some(',' | '\n')) => {
                fields.push(if quoted { std::mem::take(&mut field) } else { take_trimmed(&mut field) });
                (state, quoted) = (State::Start, false);
                if next == Some(',') {
                    continue;
                }
                let blank = fields.len() == 1 && fields[0].is_empty();
                let found = std::mem::take(&mut fields);
                if !blank {
                    records.push(CsvRecord { line: began, fields: found });
                }
                if next.is_none() {
                    return Ok(records);
                }
                line += 1;
                began = line;
            }
            (_, Some('\r')) if characters.peek().is_none_or(|next| *next == '\n') => {}
            (State::Start | State::Quote, Some(' ' | '\t')) => {}
            (State::Quote, Some(c)) => {
                return Err(format!(
                    "line {line}: expected a comma after the closing quote, found `{}`",
                    c.escape_debug()
                ));
            }
            (State::Bare, Some('"')) => {
                return Err(format!("line {line}: a quote in a field that does not start with one"));
            }
            (State::Start | State::Bare, Some(c)) => {
                field.push(c);
                state = State::Bare;
            }
        }
    }
}

fn take_trimmed(field: &mut String) -> String {
    let trimmed = field.trim().to_owned();
    field.clear();
    trimmed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(usize, Vec<String>)> {
        records(text).unwrap().into_iter().map(|record| (record.line, record.fields)).collect()
    }

    fn row(line: usize, fields: &[&str]) -> (usize, Vec<String>) {
        (line, fields.iter().map(|field| (*field).to_owned()).collect())
    }

    #[test]
    fn marks_line_ends_blanks_and_quotes_are_read() {
        let text = "\u{feff}file,label\r\n\r\n a b.png , cat \r\n\"x,\"\"y\"\".png\" ,\" big\ncat\"\r\nz,\n";
        assert_eq!(
            rows(text),
            [
                row(1, &["file", "label"]),
                row(3, &["a b.png", "cat"]),
                row(4, &["x,\"y\".png", " big\ncat"]),
                row(6, &["z", ""]),
            ]
        );
        assert_eq!(rows("a,b"), [row(1, &["a", "b"])]);
        assert_eq!(rows(""), []);
    }

    #[test]
    fn quotes_that_are_wrong_are_told_by_line() {
        assert!(records("a\n\"b\nc").unwrap_err().starts_with("line 2"));
        assert!(records("a\n\"b\"c").unwrap_err().starts_with("line 2"));
        assert!(records("a\nb\"c\"").unwrap_err().starts_with("line 2"));
    }
}
