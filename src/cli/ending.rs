//! The end of a run: who is told of it, and how an interrupted one goes on.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use crate::event::RunStatus;
use crate::pipeline::secrets::Secrets;

/// How a run ended, in a word.
pub(super) fn word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Succeeded => "succeeded",
        RunStatus::Failed => "failed",
        RunStatus::Interrupted => "interrupted",
    }
}

/// What the command of `--notify` is told.
pub(super) struct Notice<'a> {
    pub(super) run: &'a str,
    pub(super) pipeline: &'a str,
    pub(super) status: &'a str,
    pub(super) seconds: f64,
}

impl Notice<'_> {
    /// Runs the command and waits for it. What it writes goes to standard error: standard output may
    /// be read by a program.
    ///
    /// # Errors
    /// In words, where it cannot be run or fails.
    pub(super) fn send(&self, command: &str) -> Result<(), String> {
        let run = Command::new("sh")
            .args(["-c", command])
            .env("IGPT_FLOW_STATUS", self.status)
            .env("IGPT_FLOW_RUN", self.run)
            .env("IGPT_FLOW_PIPELINE", self.pipeline)
            .env("IGPT_FLOW_SECONDS", format!("{:.0}", self.seconds))
            .stdin(Stdio::null())
            .stdout(std::io::stderr())
            .status();
        match run {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("the command ended with {status}")),
            Err(error) => Err(format!("cannot start a shell: {error}")),
        }
    }
}

/// A command line as it can be typed again.
pub(super) fn command(words: impl Iterator<Item = OsString>, secrets: &Secrets) -> String {
    let words = words.map(|word| quoted(&secrets.mask(&word.to_string_lossy())));
    words.collect::<Vec<_>>().join(" ")
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_typed_again() {
        let words = ["igpt-flow", "run", "my file.yaml", "probe[layer=3]", "--set", "vars.x=it's", ""];
        let text = command(words.iter().map(OsString::from), &Secrets::default());
        assert_eq!(text, r"igpt-flow run 'my file.yaml' 'probe[layer=3]' --set 'vars.x=it'\''s' ''");
    }
}
