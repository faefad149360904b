//! What is not YAML: the place to look at and what helps.

use super::errors::{check, check_with, overrides, told};
use crate::pipeline::Overrides;
use crate::plan::testing::planned_bytes;

/// What an error says behind `the file is not valid YAML: `, with its place and its hint.
fn syntax(yaml: &str, expected: &str) {
    let errors = planned_bytes(yaml.as_bytes(), &Overrides::default()).err().unwrap_or_default();
    let found = told(&errors).join("\n").replacen("the file is not valid YAML: ", "", 1);
    assert_eq!(found, expected, "{yaml}");
}

#[test]
fn what_is_left_open_is_told_where_it_opens() {
    syntax(
        "stages: {a: {uses: images}\n",
        "1:9 did not find expected ',' or '}', while parsing a flow mapping | close the `{` that opens here with a `}`",
    );
    syntax(
        "vars: [1, 2\n\n",
        "1:7 did not find expected ',' or ']', while parsing a flow sequence | close the `[` that opens here with a `]`",
    );
    syntax(
        "vars:\n  x: \"abc\n  y: 2\nstages: {}\n\n",
        "2:6 found unexpected end of stream, while scanning a quoted scalar | close the quote that opens here",
    );
    // Where the text goes on, the place is the one where it went wrong, and the opening is a note.
    let errors = planned_bytes(b"vars: [1,\n 2}\n", &Overrides::default()).err().unwrap();
    assert_eq!((errors[0].place.line, errors[0].place.column), (2, 3));
    assert_eq!(errors[0].notes, ["it begins at 1:7"]);
}

#[test]
fn an_interpolation_without_quotes() {
    let hint = "quote an interpolation inside `{ }` or `[ ]`: \"${vars.name}\"";
    let what = "did not find expected ',' or '}', while parsing a flow mapping";
    syntax("vars: {a: 1, x: ${vars.a}}\n", &format!("1:18 {what} | {hint}"));
    syntax("vars: {a: 1, x: a-${vars.a}}\n", &format!("1:20 {what} | {hint}"));
    syntax(
        "vars: {a: 1, x: [${vars.a}, 2]}\n",
        &format!("1:19 {} | {hint}", what.replace('}', "]").replace("mapping", "sequence")),
    );
}

#[test]
fn each_kind_of_slip_has_its_hint() {
    syntax(
        "vars: {a: 1 b: 2}\n",
        "1:14 did not find expected ',' or '}', while parsing a flow mapping | put a comma between the items, and a closing bracket after the last one",
    );
    syntax(
        "vars:\n  x: @b\n",
        "2:6 found character that cannot start any token | quote a string that begins with `@`",
    );
    syntax(
        "vars:\n  x: \"a\\q\"\n",
        "2:8 found unknown escape character, while parsing a quoted scalar | inside \"...\" a backslash is written `\\\\`; inside '...' it stands for itself",
    );
    syntax(
        "name: a\nvars: {a: b\u{7}c}\n",
        "2:12 control characters are not allowed | remove the character, or write it as \"\\x07\" with its number",
    );
    syntax(
        "vars:\n  x: 1\n y: 2\n",
        "3:2 did not find expected key, while parsing a block mapping | check the indentation, quotes and brackets of this line and the one before it",
    );
    syntax(
        "a: |\n b\nx\n",
        "3:1 could not find expected ':', while scanning a simple key | write `key: value`, with a space after the colon",
    );
}

#[test]
fn a_set_value_is_not_a_file() {
    let hint = "a value in `[ ]` is a list, one in `{ }` a map; quote strings, and quote the whole for the shell: --set 'vars.x=\"[a] b\"'";
    check_with(
        "vars: {t: 1}\nstages:\n  images: {uses: images, with: {source: shapes}}\n",
        &overrides(&[], &["vars.t=[a}]", "vars.t=[a], [b]"]),
        &[
            &format!(
                "--set vars.t=[a}}] the value is not valid YAML: did not find expected ',' or ']', while parsing a flow sequence | {hint}"
            ),
            &format!("--set vars.t=[a], [b] the value looks like a list or a map, but is not one | {hint}"),
        ],
    );
}

#[test]
fn a_second_document_has_its_place() {
    let what = "the file holds more than one YAML document | keep one, and remove the `---` between them";
    check("%YAML 1.2\n# a\n---\na: 1\n---\nb: 2\n", &[&format!("5:1 {what}")]);
    check("a: 1\n...\n# b\n---\nb: 2\n", &[&format!("4:1 {what}")]);
}

#[test]
fn the_byte_that_is_no_text_is_shown() {
    let errors =
        planned_bytes(b"\xef\xbb\xbfname: a\nx: \xc3\xa9\xff\n", &Overrides::default()).err().unwrap();
    assert_eq!(told(&errors), ["2:5 the file is not valid UTF-8: it has the byte 0xff | save it as UTF-8"]);
    assert_eq!(errors[0].text, "x: é\u{fffd}");
}

#[test]
fn aliases_that_expand_too_far_are_told_where_they_do() {
    let hint =
        "the aliases (`*name`) of the file expand to too many values | write the values out, or use `vars`";
    let text = "x".repeat(1 << 20);
    let repeated = ["*a"; 1000].join(", ");
    check(&format!("vars:\n  a: &a {text}\n  b: [{repeated}]\n"), &[&format!("3:6 {hint}")]);
}
