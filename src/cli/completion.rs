//! Completion in shells: the scripts that register it, and the answers to them.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap_complete::Shell;
use clap_complete::engine::{CompletionCandidate, complete};
use clap_complete::env::{Bash, CompleteEnv, Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};

use super::error::CliError;

/// Set by the registered scripts: which shell asks.
const VARIABLE: &str = "IGPT_FLOW_COMPLETE";

/// How completion is set up.
pub(super) const SETUP: &str = "\
Setup, in your shell's startup file:
  bash  source <(igpt-flow completions bash)
  zsh   source <(igpt-flow completions zsh)     (after compinit)
  fish  igpt-flow completions fish | source

Or write the script where the shell looks for completions:
  bash  ~/.local/share/bash-completion/completions/igpt-flow
  zsh   _igpt-flow in a folder of fpath
  fish  ~/.config/fish/completions/igpt-flow.fish";

const NAME: &str = "igpt-flow";
const SHELLS: Shells<'static> = Shells(&[&WholeWordsBash, &Elvish, &Fish, &Powershell, &AutoloadedZsh]);

/// Answers a shell that asks for completions; `None` where this process was started for something else.
pub(super) fn answer() -> Option<ExitCode> {
    let here = std::env::current_dir().ok();
    let asked = CompleteEnv::with_factory(super::command).var(VARIABLE).shells(SHELLS);
    match asked.try_complete(std::env::args_os(), here.as_deref()) {
        Ok(false) => None,
        Ok(true) => Some(ExitCode::SUCCESS),
        // A shell that asks what cannot be answered completes nothing.
        Err(_) => Some(ExitCode::FAILURE),
    }
}

/// Writes the script that registers completion in a shell.
pub(super) fn register(shell: Shell, out: &mut dyn Write) -> Result<(), CliError> {
    let name = shell.to_string();
    let completer =
        SHELLS.completer(&name).ok_or_else(|| CliError::usage(format!("unknown shell `{name}`")))?;
    Ok(completer.write_registration(VARIABLE, NAME, NAME, &this_program(), out)?)
}

/// How this program was called: by its name, found in `PATH`, or by a path.
fn this_program() -> String {
    let called = std::env::args_os().next().unwrap_or_else(|| NAME.into());
    let path = Path::new(&called);
    match path.components().count() {
        0 | 1 => NAME.to_owned(),
        _ => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned(),
    }
}

/// Bash, whose words end at `:` and `=` as well: the script joins them, so that `probe:layer=3` is one.
struct WholeWordsBash;

impl EnvCompleter for WholeWordsBash {
    fn name(&self) -> &'static str {
        Bash.name()
    }

    fn is(&self, name: &str) -> bool {
        Bash.is(name)
    }

    fn write_registration(
        &self,
        variable: &str,
        _: &str,
        command: &str,
        completer: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let quoted = format!("'{}'", completer.replace('\'', r"'\''"));
        let script = include_str!("completion.bash")
            .replace("VARIABLE", variable)
            .replace("COMMAND", command)
            .replace("COMPLETER", &quoted);
        out.write_all(script.as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        words: Vec<OsString>,
        here: Option<&Path>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let current_is_empty = words.last().is_none_or(|word| word.is_empty());
        let mut found = complete(command, words.clone(), words.len().saturating_sub(1), here)?;
        let is_option = |one: &CompletionCandidate| one.get_value().to_string_lossy().starts_with('-');
        // Bash shows no descriptions: a bare list of options would hide the values.
        if current_is_empty && !found.iter().all(is_option) {
            found.retain(|one| !is_option(one));
        }
        found.iter().try_for_each(|one| writeln!(out, "{}", one.get_value().to_string_lossy()))
    }
}

/// Zsh, with a script that can also lie in a folder of `fpath`.
struct AutoloadedZsh;

impl EnvCompleter for AutoloadedZsh {
    fn name(&self) -> &'static str {
        Zsh.name()
    }

    fn is(&self, name: &str) -> bool {
        Zsh.is(name)
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        command: &str,
        completer: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        Zsh.write_registration(variable, name, command, completer, out)?;
        let function = format!("_clap_dynamic_completer_{}", name.replace('-', "_"));
        // Autoloaded, the file is the body of a function that is called for the first completion.
        writeln!(out, "if [[ $funcstack[1] == _{command} ]]; then {function} \"$@\"; fi")
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        words: Vec<OsString>,
        here: Option<&Path>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        Zsh.write_complete(command, words, here, out)
    }
}
