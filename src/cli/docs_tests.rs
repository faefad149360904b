//! The commands that README and docs show are commands of this program.

use std::fs;
use std::path::Path;

use clap::Parser as _;

use super::Cli;

/// The Markdown files, by name.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [root.to_owned(), root.join("docs")];
    let files =
        folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let pages = files.filter(|path| path.extension().is_some_and(|end| end == "md"));
    pages.map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap())).collect()
}

/// The commands of a page, each without what the shell does with it: lines of fenced blocks, and
/// pieces of text in backticks.
fn commands(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    let mut text = String::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            found.push(line.trim().trim_start_matches("$ ").to_owned());
        } else {
            text.push_str(line);
            text.push(' ');
        }
    }
    found.extend(text.split('`').skip(1).step_by(2).map(str::to_owned));
    let start = |command: &String| {
        ["igpt-flow ", "cargo run --release -- "]
            .iter()
            .find_map(|start| command.strip_prefix(start).map(|rest| format!("igpt-flow {rest}")))
    };
    found.iter().filter_map(start).collect()
}

/// The words of a command, as a shell splits them, up to a comment, a pipe, a redirection or `&&`.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '|' | '>' | '&' | ';') => break,
            (None, '#') if word.is_none() => break,
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn every_command_in_the_docs_is_one() {
    let mut count = 0;
    for (page, text) in pages() {
        for command in commands(&text) {
            count += 1;
            if let Err(error) = Cli::try_parse_from(words(&command)) {
                // `--help` and the like are answers, too.
                assert!(!error.use_stderr(), "{page}: `{command}`: {error}");
            }
        }
    }
    assert!(count > 40, "found {count} commands");
}

#[test]
fn a_command_ends_where_the_shell_takes_over() {
    assert_eq!(
        words("igpt-flow run a.yaml --set 'vars.x=\"3\"' > log  # why"),
        ["igpt-flow", "run", "a.yaml", "--set", "vars.x=\"3\""]
    );
}
