//! One file that a pipeline is written in: its bytes, checked, and its tree.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Faults};
use super::node::{Mark, Node};
use super::yaml;
use super::yaml_tree::Marks;
use super::{MAX_BYTES, locate};

/// A file's name and its text.
#[derive(Debug, Clone)]
pub(super) struct SourceFile {
    /// The file as the user named it.
    pub(super) file: PathBuf,
    /// The text, without a byte order mark.
    pub(super) text: String,
}

impl SourceFile {
    /// The bytes of a file, one more than may be at most.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn bytes(file: &Path) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        std::fs::File::open(file)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The file and its tree, with the places of the steps.
    ///
    /// # Errors
    /// What keeps the bytes from being a YAML document.
    pub(super) fn parse(file: &Path, bytes: &[u8]) -> Result<(Self, Node), Vec<Diagnostic>> {
        let mut faults = Faults::default();
        let text = text(bytes, &mut faults);
        let mut root = None;
        if faults.is_empty() {
            root = yaml::parse(text, Marks::OfSteps, &mut faults);
            if !faults.is_empty() {
                // Once more, for the places of the faults.
                faults = Faults::default();
                root = yaml::parse(text, Marks::OfAll, &mut faults);
            }
        }
        match root {
            Some(root) if faults.is_empty() => {
                Ok((Self { file: file.to_owned(), text: text.to_owned() }, root))
            }
            _ => {
                let shown = String::from_utf8_lossy(bytes);
                let shown = shown.strip_prefix('\u{feff}').unwrap_or(&shown).to_owned();
                let source = [Self { file: file.to_owned(), text: shown }];
                Err(faults.into_diagnostics(locate(&source, &[])))
            }
        }
    }

    /// The tree with the places of all values; `None` if the text is not YAML after all.
    pub(super) fn placed(&self) -> Option<Node> {
        yaml::parse(&self.text, Marks::OfAll, &mut Faults::default())
    }
}

/// The text of a file, if it is one and not too large.
fn text<'b>(bytes: &'b [u8], faults: &mut Faults) -> &'b str {
    match std::str::from_utf8(bytes) {
        _ if bytes.len() > MAX_BYTES => {
            faults
                .push(Mark::FILE, format!("the file is larger than {} MiB", MAX_BYTES >> 20))
                .hint("a pipeline refers to data and contains none; is this the right file?");
            ""
        }
        // Some editors begin a file with a byte order mark.
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let byte = bytes[error.valid_up_to()];
            faults
                .push(
                    Mark::after(&bytes[..error.valid_up_to()]),
                    format!("the file is not valid UTF-8: it has the byte {byte:#04x}"),
                )
                .hint("save it as UTF-8");
            ""
        }
    }
}
