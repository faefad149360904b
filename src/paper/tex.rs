//! What a LaTeX file says that can be checked: uses of keys, marked numbers, files that it includes.

use super::literal::{Literal, literals};

/// Environments whose text is no LaTeX.
const VERBATIM: [&str; 5] = ["verbatim", "verbatim*", "lstlisting", "minted", "comment"];
/// Commands that include a file.
const INCLUDES: [&str; 3] = ["\\input{", "\\include{", "\\subfile{"];
/// What begins a mark in a comment.
const MARK: &str = "igpt:";

/// A line of a LaTeX file, as far as it can be checked.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: usize,
    /// The keys that it uses.
    pub(super) keys: Vec<String>,
    /// The files that it includes, as written.
    pub(super) includes: Vec<String>,
    /// The keys of a mark, `% igpt: KEY`, which stands for the last numbers of the line.
    pub(super) marks: Vec<String>,
    /// The numbers of the line.
    pub(super) literals: Vec<Literal>,
}

/// The lines of a file.
pub(super) fn lines(text: &str) -> Vec<Line> {
    let mut verbatim: Option<&str> = None;
    let mut found = Vec::new();
    for (n, whole) in text.lines().enumerate() {
        if let Some(name) = verbatim {
            if whole.contains(&format!("\\end{{{name}}}")) {
                verbatim = None;
            }
            continue;
        }
        let (code, comment) = split_comment(whole);
        verbatim = VERBATIM.into_iter().find(|name| code.contains(&format!("\\begin{{{name}}}")));
        if code.trim_start().starts_with("\\end{document}") {
            break;
        }
        let keys = arguments(code, &["\\igpt{"]);
        let marks = comment.trim_start_matches(['%', ' ', '\t']).strip_prefix(MARK).unwrap_or_default();
        let mut plain = code.to_owned();
        for argument in
            keys.iter().chain(&arguments(code, &["\\ref{", "\\label{", "\\cite{", "\\citep{", "\\citet{"]))
        {
            plain = plain.replace(&format!("{{{argument}}}"), "");
        }
        found.push(Line {
            number: n + 1,
            // Within the definition of a macro the key is not known.
            keys: keys.into_iter().filter(|key| !key.contains(['#', '\\'])).collect(),
            includes: arguments(code, &INCLUDES),
            marks: marks.split_whitespace().map(str::to_owned).collect(),
            literals: literals(&plain),
        });
    }
    found
}

/// A line before its comment, and the comment with its `%`.
fn split_comment(line: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            '%' if !escaped => return line.split_at(at),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    (line, "")
}

/// The arguments of some commands in a line, in its order.
fn arguments(code: &str, commands: &[&str]) -> Vec<String> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for command in commands {
        for (at, _) in code.match_indices(command) {
            let rest = &code[at + command.len()..];
            if let Some(end) = rest.find('}') {
                found.push((at, rest[..end].trim().to_owned()));
            }
        }
    }
    found.sort();
    found.into_iter().map(|(_, argument)| argument).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_can_be_checked() {
        let text = "\\input{values}\n\
                    We reach \\igpt{probe/acc@p1}\\,\\% \\cite{chen2020}, up from 41.5\\% % igpt: raw/acc@p1\n\
                    \\begin{verbatim}\n\\igpt{no}\n\\end{verbatim}\n\
                    % \\igpt{commented}\n\
                    \\newcommand{\\acc}[1]{\\igpt{probe:layer=#1/acc}}\n\
                    \\end{document}\n\\igpt{after}\n";
        let found = lines(text);
        assert_eq!(found[0].includes, ["values"]);
        assert_eq!((found[1].number, &found[1].keys[..]), (2, &["probe/acc@p1".to_owned()][..]));
        assert_eq!(found[1].marks, ["raw/acc@p1"]);
        let numbers: Vec<&str> = found[1].literals.iter().map(|literal| literal.text.as_str()).collect();
        assert_eq!(numbers, ["41.5"]);
        assert!(found[2..].iter().all(|line| line.keys.is_empty()), "{found:?}");
    }
}
