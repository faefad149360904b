//! Which interpreter runs a command's text, and how: strictly, so that a command that fails fails
//! its step, also in the middle of a text or of a pipeline.
//!
//! What a text means must not depend on the machine: a result that was recorded on one stands on
//! another. Where `/bin/sh` cannot tell of a failure inside a pipeline (dash), a text that may have
//! one is run by bash, with the `echo` of dash; where there is no bash either it is refused.

use std::io;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::exhaustion::is_exhausted;

/// The interpreters that are known by their names: the arguments that make them strict, and the one
/// that a text follows.
const KNOWN: &[(&str, &[&str], &str)] = &[
    ("sh", &[], "-c"),
    ("bash", &["-e", "-o", "pipefail"], "-c"),
    ("zsh", &["-e", "-o", "pipefail"], "-c"),
    ("ksh", &["-e", "-o", "pipefail"], "-c"),
    ("python", &[], "-c"),
    ("python3", &[], "-c"),
    ("perl", &[], "-e"),
    ("ruby", &[], "-e"),
    ("node", &[], "-e"),
    ("Rscript", &[], "-e"),
];

/// By its path, so that what `PATH` says does not decide what the language means.
const SH: &str = "/bin/sh";

/// Bash in the place of a shell that knows no `pipefail`.
const BASH: [&str; 8] = ["bash", "-O", "xpg_echo", "-O", "inherit_errexit", "-e", "-o", "pipefail"];

/// Which shell runs a text that may have a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piping {
    /// `/bin/sh` knows `pipefail`.
    Sh,
    Bash,
    Nothing,
}

/// Why a text cannot be run.
pub(super) enum NoShell {
    /// Nothing here can run a pipeline strictly.
    Strict,
    /// The system would not let us find out.
    Unasked(io::Error),
}

/// The program and arguments that run a text. `shell` is what the pipeline says; empty for the POSIX
/// shell.
pub(super) fn argv(shell: &[String], text: &str) -> Result<Vec<String>, NoShell> {
    let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let (program, more) = match shell.split_first() {
        None => ("sh", &[][..]),
        Some((program, more)) => (program.as_str(), more),
    };
    let base = program.rsplit('/').next().unwrap_or(program);
    let Some((name, strict, flag)) = KNOWN.iter().find(|(name, ..)| *name == base) else {
        return Ok(shell.iter().cloned().chain([text.to_owned()]).collect());
    };
    let mut argv = match *name {
        "sh" if !may_pipe(text) => own(&[SH, "-e"]),
        "sh" => match piping().map_err(NoShell::Unasked)? {
            Piping::Sh => own(&[SH, "-e", "-o", "pipefail"]),
            Piping::Bash => own(&BASH),
            Piping::Nothing => return Err(NoShell::Strict),
        },
        _ => [own(&[program]), own(strict)].concat(),
    };
    argv.extend(more.iter().cloned());
    argv.extend(own(&[flag, text]));
    Ok(argv)
}

/// Whether a text may run a pipeline in its own shell: one that has a `|` (which is not half of a
/// `||`), or runs text from elsewhere. Rather once too often: then only a slower shell is started.
fn may_pipe(text: &str) -> bool {
    let runs_others = |word: &str| matches!(word, "." | "eval" | "source" | "trap" | "alias" | "command");
    let mut words = text.split(|c: char| c.is_whitespace() || ";&|(){}`'\"\\".contains(c));
    text.replace("||", "").contains('|') || words.any(runs_others)
}

/// Which shell runs pipelines strictly; asked once a process.
fn piping() -> io::Result<Piping> {
    static FOUND: OnceLock<Piping> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(*found);
    }
    let bash: Vec<&str> = BASH.iter().copied().chain(["-c", ":"]).collect();
    let found = if runs(&[SH, "-e", "-o", "pipefail", "-c", ":"])? {
        Piping::Sh
    } else if runs(&bash)? {
        Piping::Bash
    } else {
        Piping::Nothing
    };
    Ok(*FOUND.get_or_init(|| found))
}

/// Whether a command runs and succeeds.
fn runs(argv: &[&str]) -> io::Result<bool> {
    let mut command = Command::new(argv[0]);
    command.args(&argv[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.status() {
        Ok(status) => Ok(status.success()),
        Err(error) if is_exhausted(&error) => Err(error),
        Err(_) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_a_pipeline_is_known() {
        for text in ["a | b", "a |b", "a || b | c", "a\n|b", ". ./lib.sh", "eval \"$X\"", "x; source y"] {
            assert!(may_pipe(text), "{text}");
        }
        for text in ["a || b", "a > ./b", "cat a b > out && echo x >> \"$LOG\"", "echo 1.5"] {
            assert!(!may_pipe(text), "{text}");
        }
    }

    fn words(shell: &[&str], text: &str) -> Vec<String> {
        let shell: Vec<String> = shell.iter().map(|word| (*word).to_owned()).collect();
        argv(&shell, text).ok().unwrap()
    }

    #[test]
    fn a_known_interpreter_is_strict() {
        assert_eq!(words(&[], "true"), ["/bin/sh", "-e", "-c", "true"]);
        assert_eq!(words(&["bash", "-x"], "true"), ["bash", "-e", "-o", "pipefail", "-x", "-c", "true"]);
        assert_eq!(words(&["/opt/bin/python3"], "1"), ["/opt/bin/python3", "-c", "1"]);
        assert_eq!(words(&["lua", "-e"], "x = 1"), ["lua", "-e", "x = 1"]);
    }

    #[test]
    fn a_failure_inside_a_pipeline_fails_in_the_default_shell() {
        for (text, good) in [("false | cat", false), ("true | cat", true), ("cat /no/such | sort", false)] {
            let argv = words(&[], text);
            assert_eq!(runs(&argv.iter().map(String::as_str).collect::<Vec<_>>()).unwrap(), good, "{text}");
        }
    }
}
