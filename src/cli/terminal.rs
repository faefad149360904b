//! How much is printed, and whether in colour: `-q`, `-v` and `--color`.

use std::env::var_os;
use std::ffi::OsStr;
use std::io::IsTerminal;

use clap::{Args, ColorChoice, ValueEnum as _};

use crate::report::Style;

/// What a command prints besides its results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verbosity {
    /// Errors and results only.
    Quiet,
    /// Also how a run proceeds.
    Normal,
    /// Also why each step runs and where its log is.
    Verbose,
}

/// The options that every verb takes for its output.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = super::GLOBAL)]
pub(super) struct Terminal {
    /// Print only errors, warnings and results.
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// During a run, also print cached steps and the log file of each step.
    #[arg(long, short, global = true)]
    verbose: bool,
    /// When to use colours; `auto` also follows NO_COLOR and CLICOLOR_FORCE.
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
}

impl Terminal {
    /// How much to print.
    pub(super) fn verbosity(self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, true) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        }
    }

    /// What goes to this stream besides text: colours as asked for, and what the terminal takes.
    pub(super) fn style(self, stream: &impl IsTerminal) -> Style {
        let taken = if stream.is_terminal() { Style::terminal() } else { Style::default() };
        Style { colour: self.colours(stream), ..taken }
    }

    /// Whether what goes to this stream is coloured.
    pub(super) fn colours(self, stream: &impl IsTerminal) -> bool {
        let is_dumb = var_os("TERM").is_some_and(|term| term == "dumb");
        colours(self.color, stream.is_terminal() && !is_dumb, |name| {
            var_os(name).is_some_and(|value| is_on(&value))
        })
    }
}

/// Whether a variable such as `NO_COLOR` asks for something.
fn is_on(value: &OsStr) -> bool {
    !value.is_empty() && value != "0"
}

fn colours(choice: ColorChoice, is_terminal: bool, is_set: impl Fn(&str) -> bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => !is_set("NO_COLOR") && (is_set("CLICOLOR_FORCE") || is_terminal),
    }
}

/// What `--color` says, read before the arguments are parsed: the parser's own help and errors follow it.
pub(super) fn color_choice(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> ColorChoice {
    let mut choice = ColorChoice::Auto;
    let mut is_next = false;
    for argument in arguments {
        let argument = argument.as_ref().to_string_lossy();
        if argument == "--" {
            break;
        }
        let value = if is_next { Some(&*argument) } else { argument.strip_prefix("--color=") };
        choice = value.and_then(|value| ColorChoice::from_str(value, false).ok()).unwrap_or(choice);
        is_next = argument == "--color";
    }
    choice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_decide_only_where_the_option_does_not() {
        let auto = |terminal, set: &[&str]| colours(ColorChoice::Auto, terminal, |name| set.contains(&name));
        assert!(auto(true, &[]) && !auto(false, &[]));
        assert!(!auto(true, &["NO_COLOR"]) && auto(false, &["CLICOLOR_FORCE"]));
        assert!(!auto(false, &["NO_COLOR", "CLICOLOR_FORCE"]));
        assert!(colours(ColorChoice::Always, false, |_| true));
        assert!(!colours(ColorChoice::Never, true, |_| true));
        assert!(!is_on(OsStr::new("")) && !is_on(OsStr::new("0")) && is_on(OsStr::new("1")));
    }

    #[test]
    fn the_option_is_found_in_both_spellings() {
        assert_eq!(color_choice(["igpt-flow", "--color=never", "--help"]), ColorChoice::Never);
        assert_eq!(color_choice(["igpt-flow", "--color", "always"]), ColorChoice::Always);
        assert_eq!(color_choice(["igpt-flow", "--color=blue", "--color"]), ColorChoice::Auto);
        assert_eq!(color_choice(["igpt-flow", "--", "--color=never"]), ColorChoice::Auto);
    }
}
