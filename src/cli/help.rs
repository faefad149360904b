//! `--help`: the verbs in groups, examples and exit codes.

use clap::Command;
use clap::builder::StyledStr;
use clap::builder::styling::Style;

/// The verbs by what they are for. Every visible verb is in one group.
const GROUPS: [(&str, &[&str]); 8] = [
    ("Run pipelines", &["run", "plan", "status"]),
    ("Look at results", &["runs", "show", "origin", "explain", "logs", "diff", "view"]),
    ("Use results elsewhere", &["metrics", "values", "lint", "bundle"]),
    ("Share results", &["push", "pull", "remote"]),
    ("Maintain the store", &["verify", "audit", "gc", "index"]),
    ("Use a cluster", &["cluster"]),
    ("Write pipelines", &["new", "check", "graph", "stages", "schema"]),
    ("Set up the shell", &["completions", "man", "help"]),
];

/// Command lines to begin with.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("igpt-flow new my.yaml --template photos", "write a pipeline to start from"),
    ("igpt-flow plan my.yaml", "see what would run, and why"),
    ("igpt-flow run my.yaml", "run it; a second run finds everything cached"),
    ("igpt-flow run my.yaml probe:layer=3", "run `probe` for layer 3 and its dependencies"),
    ("igpt-flow run my.yaml --set vars.steps=100", "run it with a different value"),
    ("igpt-flow show probe", "show the metrics, files and cost of `probe`"),
    ("igpt-flow metrics last probe -o probe.csv", "export the metrics of `probe`"),
];

/// The documented exit codes.
pub(super) const EXIT_CODES: &[(&str, &str)] = &[
    ("0", "success"),
    ("1", "unexpected error"),
    ("2", "invalid arguments or pipeline"),
    ("3", "`lint` found a number or table that differs from the pipeline"),
    ("100", "a step failed, or `audit`, `verify BUNDLE`, `run --check` or `cluster check` found a problem"),
    ("101", "the store or a remote is unusable, `verify` found damage, or a bundle was refused"),
    ("130", "interrupted"),
];

/// The command with its help.
pub(super) fn with_help(mut command: Command) -> Command {
    // Adds `help`, which is listed as well.
    command.build();
    command = command.mut_subcommand("help", |help| help.about("Print help for a command"));
    let groups = groups(&command);
    let header = command.get_styles().get_header();
    let literal = command.get_styles().get_literal();
    let examples = section(*header, "Examples", &rows(*literal, EXAMPLES.iter().copied()));
    let codes = section(*header, "Exit codes", &rows(*literal, EXIT_CODES.iter().copied()));
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{groups}\n{}\n{{options}}\n{examples}{codes}",
        heading(*header, "Options")
    );
    command.help_template(StyledStr::from(template))
}

fn groups(command: &Command) -> String {
    let (header, literal) = (*command.get_styles().get_header(), *command.get_styles().get_literal());
    let about = |name: &&'static str| {
        let verb = command.find_subcommand(name)?;
        Some((*name, verb.get_about().map(StyledStr::to_string).unwrap_or_default()))
    };
    let group = |(title, names): &(&str, &[&'static str])| {
        let verbs: Vec<(&str, String)> = names.iter().filter_map(about).collect();
        section(header, title, &rows(literal, verbs.iter().map(|(name, about)| (*name, about.as_str()))))
    };
    GROUPS.iter().map(group).collect()
}

fn section(header: Style, title: &str, rows: &str) -> String {
    format!("\n{}\n{rows}", heading(header, title))
}

fn heading(style: Style, title: &str) -> String {
    format!("{style}{title}:{style:#}")
}

/// Two columns.
fn rows<'a>(style: Style, rows: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> String {
    let width = rows.clone().map(|(left, _)| left.len()).max().unwrap_or(0);
    rows.map(|(left, right)| format!("  {style}{left}{style:#}{:1$}  {right}\n", "", width - left.len()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_visible_verb_is_in_one_group() {
        let mut command = super::super::command();
        command.build();
        let mut listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let mut visible: Vec<&str> =
            command.get_subcommands().filter(|verb| !verb.is_hide_set()).map(Command::get_name).collect();
        listed.sort_unstable();
        visible.sort_unstable();
        assert_eq!(listed, visible);
    }
}
