//! What the YAML parser says -> a fault that says what to do.
//!
//! The parser names the place where it could not go on and, often, the place where the thing began
//! that it was reading: `did not find expected ',' or '}' at line 2 column 1, while parsing a flow
//! mapping at line 1 column 9`. Where the text just ends, the second one is the one to look at.

use super::diagnostic::{Fault, Faults};
use super::node::Mark;

/// Stands before the messages of our own refusals, to tell them from those of the parser.
pub(super) const OURS: char = '\0';
/// What a document with too many values is refused with.
pub(super) const TOO_MANY: &str = "too many values";

/// What is parsed, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// A pipeline file.
    File,
    /// The value of a `--set`.
    SetValue,
}

/// Reports an error of the parser. `mark` is the place that it gave, `furthest` the last place that it
/// had read.
pub(super) fn report(
    message: &str,
    mark: Option<Mark>,
    furthest: Mark,
    text: &str,
    subject: Subject,
    faults: &mut Faults,
) {
    let what = message.split(" at line ").next().unwrap_or(message);
    let whole = match subject {
        Subject::File => "the file",
        Subject::SetValue => "the value",
    };
    if what.contains("repetition limit exceeded") || what.ends_with(TOO_MANY) {
        faults
            .push(
                mark.unwrap_or(furthest),
                format!("the aliases (`*name`) of {whole} expand to too many values"),
            )
            .hint("write the values out, or use `vars`");
    } else if what.contains("recursion limit exceeded") {
        faults
            .push(mark.unwrap_or(furthest), "the values are nested too deeply (more than 128 levels)")
            .hint("move the inner values to `vars`");
    } else if let Some((_, ours)) = what.split_once(OURS) {
        faults.push(mark.unwrap_or(Mark::FILE), ours).hint(advice_on_ours(ours));
    } else {
        syntax(&Syntax::new(message, mark, text), whole, text, faults);
    }
}

fn advice_on_ours(what: &str) -> &'static str {
    if what.starts_with("tags") {
        "quote a string that begins with `!`"
    } else if what.starts_with("the number") {
        "quote it if it is meant as a string"
    } else {
        "remove it, or quote it if it is meant as a string"
    }
}

/// An error of syntax, taken apart.
struct Syntax<'a> {
    problem: &'a str,
    at: Mark,
    /// What was being read, and where it began if that is another place.
    context: Option<(&'a str, Option<Mark>)>,
}

impl<'a> Syntax<'a> {
    fn new(message: &'a str, mark: Option<Mark>, text: &str) -> Self {
        let (problem, context) = match message.split_once(", while ") {
            Some((problem, context)) => (problem, Some(context)),
            None => (message, None),
        };
        let (problem, at) = split_place(problem);
        // "While scanning for the next token" says nothing.
        let context = context.filter(|context| !context.contains("next token")).map(split_place);
        // Of a character that no YAML may hold, the parser gives the offset.
        let (problem, offset) = match problem.split_once(" at position ") {
            Some((problem, offset)) => (problem, offset.parse::<usize>().ok()),
            None => (problem, None),
        };
        let at_offset = offset.and_then(|n| text.as_bytes().get(..n)).map(Mark::after);
        Self { problem, at: at_offset.or(at).or(mark).unwrap_or(Mark::FILE), context }
    }
}

fn syntax(error: &Syntax<'_>, whole: &str, text: &str, faults: &mut Faults) {
    let Mark::At { line, column, .. } = error.at else { return };
    let (row, column) = ((line as usize).saturating_sub(1), (column as usize).saturating_sub(1));
    let mut lines = text.lines().skip(row);
    let at_line = lines.next().unwrap_or_default();
    let ends = at_line.chars().skip(column).chain(lines.flat_map(str::chars)).all(char::is_whitespace);
    let (mut mark, mut begins) = (error.at, None);
    let mut message = format!("{whole} is not valid YAML: {}", error.problem);
    if let Some((context, start)) = error.context {
        message = format!("{message}, while {context}");
        match start {
            Some(start) if ends => mark = start,
            start => begins = start,
        }
    }
    let fault = faults.push(mark, message);
    if let Some(Mark::At { line, column, .. }) = begins {
        fault.note(format!("it begins at {line}:{column}"));
    }
    advise(fault, error, at_line, column, ends);
}

/// What most likely helps.
fn advise(fault: &mut Fault, error: &Syntax<'_>, line: &str, column: usize, ends: bool) {
    let before: String = line.chars().take(column).collect();
    let next = line.chars().nth(column);
    let context = error.context.map_or("", |(context, _)| context);
    let hint = if line.trim_start_matches(' ').starts_with('\t') {
        "YAML does not take tabs for indentation: use spaces".into()
    } else if before.ends_with('$') && next == Some('{') {
        "quote an interpolation inside `{ }` or `[ ]`: \"${vars.name}\"".into()
    } else if context.contains("quoted scalar") && ends {
        "close the quote that opens here".into()
    } else if context.contains("flow mapping") && ends {
        "close the `{` that opens here with a `}`".into()
    } else if context.contains("flow sequence") && ends {
        "close the `[` that opens here with a `]`".into()
    } else if context.contains("flow") {
        "put a comma between the items, and a closing bracket after the last one".into()
    } else if error.problem.contains("mapping values are not allowed") {
        "quote a value that contains `: `; the keys of a map begin in the same column".into()
    } else if error.problem.contains("cannot start any token") {
        let c = next.unwrap_or('@');
        format!("quote a string that begins with `{c}`")
    } else if error.problem.contains("anchor") || context.contains("alias") || context.contains("anchor") {
        "`&name` marks a value and `*name` repeats it; quote a string that begins with either".into()
    } else if error.problem.contains("escape") {
        "inside \"...\" a backslash is written `\\\\`; inside '...' it stands for itself".into()
    } else if error.problem.contains("control characters") {
        "remove the character, or write it as \"\\x07\" with its number".into()
    } else if error.problem.contains("expected ':'") {
        "write `key: value`, with a space after the colon".into()
    } else {
        "check the indentation, quotes and brackets of this line and the one before it".into()
    };
    fault.hint(hint);
}

/// `what at line 2 column 1` -> `what` and the place.
fn split_place(text: &str) -> (&str, Option<Mark>) {
    let Some((what, place)) = text.split_once(" at line ") else { return (text, None) };
    let numbers = place.split_once(" column ");
    let mark = numbers.and_then(|(line, column)| Some(Mark::at(line.parse().ok()?, column.parse().ok()?)));
    (what, mark)
}

/// Where a second document begins: at a `---` (or behind a `...`) that follows a first one.
pub(super) fn second_document(text: &str) -> Mark {
    let mut begun = false;
    let mut ended = false;
    for (line, number) in text.lines().zip(1..) {
        let marker = |word: &str| {
            line.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
        };
        let is_empty = line.trim().is_empty() || line.starts_with(['#', '%']);
        if begun && (marker("---") || (ended && !is_empty && !marker("..."))) {
            return Mark::at(number, 1);
        }
        ended |= begun && marker("...");
        begun |= !is_empty;
    }
    Mark::FILE
}
