//! The value of a `--set`, by rules that cut nothing off.
//!
//! One plain word that is a number, a truth value or null is that. What stands in `[ ]` or `{ }` is a
//! list or a map, and what stands in quotes is the text in them, as YAML reads them. Everything
//! else is a string, exactly as it was given: with `#`, `: `, line breaks and spaces at its ends.

use super::diagnostic::Faults;
use super::node::{Data, Mark, Node};
use super::yaml;

/// Reads a value; `None` if it is a list or a map with a fault, which is reported.
pub(super) fn read(text: &str, mark: Mark, faults: &mut Faults) -> Option<Node> {
    let mut node = match text.as_bytes() {
        [b'[', .., b']'] | [b'{', .., b'}'] => collection(text, mark, faults)?,
        [b'"', .., b'"'] | [b'\'', .., b'\''] => quoted(text).unwrap_or_else(|| as_given(text)),
        _ => word(text).unwrap_or_else(|| as_given(text)),
    };
    node.map_marks(&mut |at| *at = mark);
    Some(node)
}

fn as_given(text: &str) -> Node {
    Node { mark: Mark::FILE, data: Data::Text(text.to_owned()) }
}

/// A word that YAML takes for a number, a truth value or null. A number that no pipeline may hold,
/// such as one of thirty digits, is a string.
fn word(text: &str) -> Option<Node> {
    let is_of_number = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-');
    if text != "~" && !text.bytes().all(is_of_number) {
        return None;
    }
    let node = yaml::parse_value(text, &mut Faults::default())?;
    let is_plain = match node.data {
        Data::Number(..) | Data::Bool(..) => true,
        Data::Null => ["~", "null", "Null", "NULL"].contains(&text),
        _ => false,
    };
    is_plain.then_some(node)
}

/// A string in quotes, and nothing around them.
fn quoted(text: &str) -> Option<Node> {
    let mut faults = Faults::default();
    let node = whole(text, &mut faults)?;
    (faults.is_empty() && matches!(node.data, Data::Text(_))).then_some(node)
}

fn collection(text: &str, mark: Mark, faults: &mut Faults) -> Option<Node> {
    let hint = "a value in `[ ]` is a list, one in `{ }` a map; quote strings, and quote the whole for the shell: --set 'vars.x=\"[a] b\"'";
    let mut own = Faults::default();
    let node = whole(text, &mut own);
    let is_one = match &node {
        Some(node) => matches!(node.data, Data::List(_) | Data::Map(_)),
        None => false,
    };
    if own.is_empty() && !is_one {
        own.push(mark, "the value looks like a list or a map, but is not one");
    }
    let right = own.is_empty();
    for fault in own.into_list() {
        faults.push(mark, fault.message).hint(hint);
    }
    node.filter(|_| right)
}

/// The one value that a string is from its beginning to its end: as the only item of a list, so that
/// a comment would be seen to swallow the end.
fn whole(text: &str, faults: &mut Faults) -> Option<Node> {
    let node = yaml::parse_value(&format!("[{text}]"), faults)?;
    match node.data {
        Data::List(mut items) if items.len() == 1 && !text.ends_with(',') => items.pop(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn value(text: &str) -> Result<Value, String> {
        let mut faults = Faults::default();
        let node = read(text, Mark::Set(0), &mut faults);
        let told: Vec<String> = faults.into_list().into_iter().map(|fault| fault.message).collect();
        node.map(|node| node.to_json()).ok_or(told.join("; "))
    }

    #[test]
    fn what_is_not_plainly_something_else_is_a_text_as_given() {
        for text in [
            "",
            " ",
            "cats #1",
            "|",
            ">",
            "two\nlines",
            "#ff0000",
            "*.csv",
            "@me",
            "%d.png",
            "---",
            "...",
            "a: b",
            "- x",
            "&a",
            "!x",
            "!!str x",
            "${vars.y}",
            "trailing  ",
            " 3",
            "3 ",
            "[unbalanced",
            "[a] b",
            "{a} b]",
            "}",
            "\"abc",
            "\"a\" and \"b\"",
            "\"a\", \"b\"",
            "'a' #b'",
            "it's",
            "yes",
            "off",
            "010",
            "1_000",
            "a,b",
            ".nan",
            "-.inf",
            "? x",
            "`x`",
            "key:",
            ":",
            "\t",
            "\u{e9}",
            "123456789012345678901234567890",
            "1,5",
            "-",
        ] {
            assert_eq!(value(text), Ok(json!(text)), "{text}");
        }
    }

    #[test]
    fn numbers_truth_values_null_and_collections_are_what_yaml_says() {
        for (text, expected) in [
            ("3", json!(3)),
            ("-2.50", json!(-2.5)),
            ("1e3", json!(1000.0)),
            ("0x1F", json!(31)),
            ("true", json!(true)),
            ("False", json!(false)),
            ("null", json!(null)),
            ("~", json!(null)),
            ("[a, \"b # c\", 3]", json!(["a", "b # c", 3])),
            ("{a: 1, b: [x]}", json!({"a": 1, "b": ["x"]})),
            ("[]", json!([])),
            ("\"3\"", json!("3")),
            ("'a: b #c'", json!("a: b #c")),
            ("\"two\\nlines\"", json!("two\nlines")),
            ("''", json!("")),
        ] {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
        let written = read("3.10", Mark::Set(0), &mut Faults::default()).unwrap();
        assert_eq!(written.scalar_text().as_deref(), Some("3.10"));
    }

    #[test]
    fn a_list_or_mapping_that_is_none_is_told() {
        for wrong in
            ["[a, b}]", "{{x}}", "[*.csv]", "[a] #b]", "[a], [b]", "[a]: [b]", "{a: b: c}", "[a: ]]", "[[]"]
        {
            assert!(value(wrong).is_err(), "{wrong}: {:?}", value(wrong));
        }
    }
}
