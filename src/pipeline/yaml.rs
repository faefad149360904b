//! YAML text -> a tree with places. The only module that knows serde_yaml.
//!
//! serde_yaml gives no places on success, but every error that a visitor returns is stamped with
//! the place of the value that it was visiting. So the visitor of a scalar stores the value aside
//! and returns an error: the caller reads the place off the error and takes the value. This is
//! sound because a scalar is consumed whole before its visitor is called; collections, which are
//! consumed by their visitor, answer normally and take the place of their first member. One pass
//! finds every place, and no second parser can disagree with the first about what a value is.
//!
//! Making an error for every scalar is most of the time that a large file takes, and a pipeline that
//! is right shows the places of its steps alone. So a file is first parsed for those, and once more
//! for all places where something is wrong with it.
//!
//! How numbers are spelled (`3.10`) is asked for only where some are spelled otherwise than they are
//! printed: see [`yaml_spelling`].
//!
//! Refused here, each by name: repeated keys (serde_yaml keeps the last one silently), merge keys
//! (serde_yaml leaves `<<` as a plain key), tags, keys that are not texts, numbers that are not
//! finite, several documents, and aliases that expand without end.

use serde::de::DeserializeSeed as _;

use super::diagnostic::Faults;
use super::node::{Data, Mark, Node};
use super::yaml_error::{self, Subject};
use super::yaml_spelling;
use super::yaml_tree::{Marks, Tree};

/// Parses one document; `None` if it is not YAML, which `faults` then holds. An empty text is a
/// null.
pub(super) fn parse(text: &str, marks: Marks, faults: &mut Faults) -> Option<Node> {
    parse_subject(text, marks, Subject::File, faults)
}

fn parse_subject(text: &str, marks: Marks, subject: Subject, faults: &mut Faults) -> Option<Node> {
    let tree = Tree::new(marks, std::mem::take(faults));
    let mut documents = serde_yaml::Deserializer::from_str(text);
    let root = documents
        .next()
        .map(|document| tree.next(marks == Marks::OfAll, |seed| seed.deserialize(document).map(Some)));
    // A later document is only looked at where the first one was whole.
    let more = matches!(root, Some(Ok(_))) && documents.next().is_some();
    let plain = tree.plain.get();
    *faults = tree.faults.into_inner();
    if more {
        let mark = yaml_error::second_document(text);
        faults
            .push(mark, "the file holds more than one YAML document")
            .hint("keep one, and remove the `---` between them");
    }
    match root {
        None | Some(Ok(None)) => Some(Node { mark: Mark::FILE, data: Data::Null }),
        Some(Ok(Some(mut node))) => {
            if plain && faults.is_empty() && yaml_spelling::may_matter(text) {
                spell(text, &mut node);
            }
            Some(node)
        }
        Some(Err(error)) => {
            let (message, mark) = (error.to_string(), place(&error));
            yaml_error::report(&message, mark, tree.furthest.get(), text, subject, faults);
            None
        }
    }
}

/// Parses what stands in a `--set`, which is no file.
pub(super) fn parse_value(text: &str, faults: &mut Faults) -> Option<Node> {
    parse_subject(text, Marks::OfAll, Subject::SetValue, faults)
}

/// Writes down how the numbers and truth values of a tree are spelled. The document is read once more,
/// along the tree: where that has a scalar, the parser is asked for the text.
fn spell(text: &str, node: &mut Node) {
    if let Some(document) = serde_yaml::Deserializer::from_str(text).next() {
        // What could be wrong with it was reported by the first reading.
        let _ = yaml_spelling::Speller(node).deserialize(document);
    }
}

fn place(error: &serde_yaml::Error) -> Option<Mark> {
    let at = error.location()?;
    Some(Mark::at(u32::try_from(at.line()).ok()?, u32::try_from(at.column()).ok()?))
}
