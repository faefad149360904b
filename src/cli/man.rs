//! `man DIR`: a man page for the program and one for each of its verbs.

use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_mangen::Man;

use super::error::CliError;
use super::help::{EXAMPLES, EXIT_CODES};

/// Writes the pages into a folder, which is created.
pub(super) fn man(folder: &Path, out: &mut dyn Write) -> Result<(), CliError> {
    std::fs::create_dir_all(folder).map_err(CliError::file("create", folder))?;
    let written = write_pages(&super::command(), true, folder)?;
    writeln!(out, "wrote {written} man pages to {}", folder.display())?;
    Ok(())
}

/// Writes the page of a command and those of its subcommands; answers how many.
fn write_pages(command: &Command, is_top: bool, folder: &Path) -> Result<usize, CliError> {
    let page = Man::new(command.clone());
    let path = folder.join(page.get_filename());
    let render = || -> io::Result<()> {
        let mut text = Vec::new();
        page.render(&mut text)?;
        table(&mut text, "EXIT STATUS", EXIT_CODES)?;
        if is_top {
            table(&mut text, "EXAMPLES", EXAMPLES)?;
        }
        std::fs::write(&path, text)
    };
    render().map_err(CliError::file("write", &path))?;
    let below = command.get_subcommands().filter(|one| !one.is_hide_set() && one.get_name() != "help");
    below.map(|command| write_pages(command, false, folder)).sum::<Result<usize, _>>().map(|n| n + 1)
}

/// A section of terms and what they mean, in roff.
fn table(out: &mut dyn Write, title: &str, rows: &[(&str, &str)]) -> io::Result<()> {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('-', "\\-");
    writeln!(out, ".SH \"{title}\"")?;
    rows.iter()
        .try_for_each(|(term, text)| writeln!(out, ".TP\n\\fB{}\\fR\n{}", escaped(term), escaped(text)))
}
