//! Wires as they are written: `step.port`, `step.port/part`, `step.*`, or a path on disk.

use std::path::PathBuf;

/// What an input or an export names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// A file or folder on disk.
    Path(PathBuf),
    /// The files on disk that match patterns.
    Glob {
        /// What is taken.
        files: Vec<String>,
        /// What of that is left out.
        ignore: Vec<String>,
    },
    /// An output of a step.
    Output(OutputRef),
}

/// An output of a step, or of all its instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutputRef {
    /// The step's name.
    pub(crate) step: String,
    /// The output port; `None` in `step.*`, where the input's kind decides.
    pub(crate) port: Option<String>,
    /// The part of the artifact.
    pub(crate) part: Option<String>,
    /// Whether all instances are gathered (`*`).
    pub(crate) gather: bool,
    /// Whether missing instances are holes (`*?`).
    pub(crate) may_miss: bool,
}

/// How references are written, for hints.
pub(crate) const FORMS: &str = "an input is `step.port`, `step.port/part`, `step.*` or `step.port.*` to gather, a path such as `./data/x.tar`, or `{files: \"src/**/*.py\"}`";

/// Reads a reference. A string is a path where it starts with `/`, `./` or `../`, or where a `/` comes
/// before any dot.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Reference, String> {
    if text.is_empty() {
        return Err("the reference is empty".into());
    }
    let slash = text.find('/');
    let starts_as_path =
        ["/", "./", "../"].iter().any(|start| text.starts_with(start)) || text == "." || text == "..";
    if starts_as_path || slash.is_some_and(|slash| !text[..slash].contains('.')) {
        return Ok(Reference::Path(PathBuf::from(text)));
    }
    let (head, part) = match text.split_once('/') {
        Some((head, part)) => (head, Some(part)),
        None => (text, None),
    };
    if let Some(part) = part {
        let plain = part.split('/').all(|name| !name.is_empty() && name != "." && name != "..");
        if !plain {
            return Err(format!("`{part}` is not the name of a part"));
        }
    }
    let wrong = || format!("`{text}` is neither an output nor a path");
    let words: Vec<&str> = head.split('.').collect();
    let (port, gather) = match words[..] {
        [_, last @ ("*" | "*?")] => (None, Some(last)),
        [_, port] => (Some(port), None),
        [_, port, last @ ("*" | "*?")] => (Some(port), Some(last)),
        _ => return Err(wrong()),
    };
    let step = words[0];
    let named =
        |name: &str| !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || "*?{}[]".contains(c));
    if !named(step) || !port.is_none_or(named) {
        return Err(wrong());
    }
    Ok(Reference::Output(OutputRef {
        step: step.to_owned(),
        port: port.map(str::to_owned),
        part: part.map(str::to_owned),
        gather: gather.is_some(),
        may_miss: gather == Some("*?"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(text: &str) -> OutputRef {
        match parse(text) {
            Ok(Reference::Output(output)) => output,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn outputs_parts_and_stars() {
        let plain = output("small.images");
        assert_eq!((plain.step.as_str(), plain.port.as_deref(), plain.part), ("small", Some("images"), None));
        assert_eq!(output("features.layers/5").part.as_deref(), Some("5"));
        let all = output("probe.*");
        assert!(all.gather && !all.may_miss && all.port.is_none());
        let some = output("probe.metrics.*?");
        assert!(some.gather && some.may_miss && some.port.as_deref() == Some("metrics"));
        assert_eq!(output("features.layers.*/5").part.as_deref(), Some("5"));
    }

    #[test]
    fn paths_are_told_by_their_slash() {
        for path in ["./x.tar", "../x", "/data/x", "data/x.tar"] {
            assert_eq!(parse(path), Ok(Reference::Path(path.into())));
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for wrong in
            ["", "images", "a.b.c", "a.b.*.c", "a..b", ".b", "a.", "a.*x", "a.b/", "a.b/../c", "a b.c", "*.x"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
