//! `new [FILE]`: a commented pipeline to start from, by a template.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};

use super::error::CliError;
use super::terminal::Verbosity;

/// Where to write, and what.
#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// The file to write; must not exist yet [default: standard output].
    #[arg(value_hint = ValueHint::FilePath)]
    pub(super) file: Option<PathBuf>,
    /// The template to start from.
    #[arg(long, value_name = "NAME", value_enum, default_value_t = Template::Shapes)]
    pub(super) template: Template,
}

/// The pipelines to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Template {
    /// A small iGPT on generated shapes; downloads nothing.
    Shapes,
    /// A small iGPT that draws images like your own photos.
    Photos,
    /// Pre-training and linear probes on CIFAR-10.
    Cifar10,
    /// An experiment with several seeds: mean and standard deviation.
    Seeds,
    /// Your own programs as cached steps.
    Command,
    /// A sweep over two parameters of your own program.
    Sweep,
}

impl Template {
    fn text(self) -> &'static str {
        match self {
            Self::Shapes => include_str!("templates/shapes.yaml"),
            Self::Photos => include_str!("templates/photos.yaml"),
            Self::Cifar10 => include_str!("templates/cifar10.yaml"),
            Self::Seeds => include_str!("templates/seeds.yaml"),
            Self::Command => include_str!("templates/command.yaml"),
            Self::Sweep => include_str!("templates/sweep.yaml"),
        }
    }
}

/// Writes the pipeline into a file, which must not exist yet, or to `out` if none is named.
pub(super) fn new(args: &NewArgs, verbosity: Verbosity, out: &mut dyn Write) -> Result<(), CliError> {
    let text = args.template.text();
    let Some(file) = &args.file else {
        out.write_all(text.as_bytes())?;
        return Ok(());
    };
    create(file, text)?;
    writeln!(out, "wrote {}", file.display())?;
    if verbosity != Verbosity::Quiet {
        writeln!(out, "next: igpt-flow check {0} && igpt-flow run {0}", file.display())?;
    }
    Ok(())
}

fn create(file: &Path, text: &str) -> Result<(), CliError> {
    let created = std::fs::File::create_new(file).and_then(|mut open| open.write_all(text.as_bytes()));
    created.map_err(|error| {
        let exists = error.kind() == std::io::ErrorKind::AlreadyExists;
        CliError::Usage {
            what: format!("cannot write `{}`: {error}", file.display()),
            hint: exists.then(|| "name a file that does not exist; `new` overwrites nothing".to_owned()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(file: Option<PathBuf>) -> NewArgs {
        NewArgs { file, template: Template::Command }
    }

    #[test]
    fn new_writes_once_and_overwrites_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.yaml");
        let text = Template::Command.text();
        let write = || new(&args(Some(file.clone())), Verbosity::Normal, &mut Vec::new());
        write().unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        std::fs::write(&file, "mine").unwrap();
        assert!(matches!(write(), Err(CliError::Usage { hint: Some(_), .. })));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
        let mut out = Vec::new();
        new(&args(None), Verbosity::Normal, &mut out).unwrap();
        assert_eq!(out, text.as_bytes());
    }

    /// Most templates use the real stages; without them only their YAML can be checked.
    #[test]
    fn every_template_is_valid_in_every_profile() {
        for template in Template::value_variants() {
            let file = Path::new("template.yaml");
            let pipeline = crate::pipeline::Pipeline::parse(file, template.text().as_bytes()).unwrap();
            let profiles = pipeline.root().get("profiles").and_then(crate::pipeline::Node::as_map).unwrap();
            let mut choices = vec![Vec::new()];
            choices.extend(profiles.iter().map(|(name, _)| vec![name.text.clone()]));
            assert!(choices.len() > 1, "{template:?} has profiles");
            if !cfg!(feature = "stages") && !matches!(template, Template::Command | Template::Sweep) {
                continue;
            }
            for profiles in choices {
                use crate::plan::{Catalog, plan};
                let overrides = crate::pipeline::Overrides { profiles, sets: Vec::new() };
                let planned = plan(&pipeline, &Catalog::new(crate::registry::stages()), &overrides);
                let errors = planned.err().unwrap_or_default();
                assert!(errors.is_empty(), "{template:?}: {}", crate::pipeline::render(&errors, false));
            }
        }
    }
}
