//! `new [FILE]`: a commented pipeline to start from.

use std::io::Write;
use std::path::Path;

use super::error::CliError;

/// The pipeline that `new` writes.
const TEMPLATE: &str = include_str!("new.yaml");

/// Writes the pipeline into a file, which must not be there yet, or to `out` where none is named.
pub(super) fn new(file: Option<&Path>, out: &mut dyn Write) -> Result<(), CliError> {
    let Some(file) = file else {
        out.write_all(TEMPLATE.as_bytes())?;
        return Ok(());
    };
    let created = std::fs::File::create_new(file).and_then(|mut open| open.write_all(TEMPLATE.as_bytes()));
    if let Err(error) = created {
        let there = error.kind() == std::io::ErrorKind::AlreadyExists;
        return Err(CliError::Usage {
            what: format!("`{}` cannot be written: {error}", file.display()),
            hint: there.then(|| "name a file that does not exist; `new` overwrites nothing".to_owned()),
        });
    }
    writeln!(out, "wrote {}", file.display())?;
    writeln!(out, "next: igpt-flow check {0} && igpt-flow run {0}", file.display())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_writes_once_and_overwrites_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.yaml");
        new(Some(&file), &mut Vec::new()).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), TEMPLATE);
        std::fs::write(&file, "mine").unwrap();
        assert!(matches!(new(Some(&file), &mut Vec::new()), Err(CliError::Usage { hint: Some(_), .. })));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
        let mut out = Vec::new();
        new(None, &mut out).unwrap();
        assert_eq!(out, TEMPLATE.as_bytes());
    }

    /// The template uses the real stages; without them only its YAML can be checked.
    #[test]
    fn the_template_is_a_right_pipeline() {
        let pipeline = crate::pipeline::Pipeline::parse(Path::new("new.yaml"), TEMPLATE.as_bytes()).unwrap();
        #[cfg(feature = "stages")]
        for profile in [None, Some("large")] {
            use crate::plan::{Catalog, plan};
            let overrides = crate::pipeline::Overrides {
                profiles: profile.into_iter().map(str::to_owned).collect(),
                sets: Vec::new(),
            };
            let planned = plan(&pipeline, &Catalog::new(crate::registry::stages()), &overrides);
            assert!(
                planned.is_ok(),
                "{}",
                crate::pipeline::render(&planned.err().unwrap_or_default(), false)
            );
        }
        assert_eq!(pipeline.file(), Path::new("new.yaml"));
    }
}
