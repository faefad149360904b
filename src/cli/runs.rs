//! `runs`: every run of the store, the latest last.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::error::CliError;
use super::history::steps_of;
use crate::store::Store;

/// Lists the runs: id, how it ended, how many steps were done, the pipeline.
pub(super) fn runs(store: &Path, json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    let store = Store::open_existing(store)?;
    let mut all = Vec::new();
    for run in store.runs()? {
        let record = run.record();
        let (pipeline, steps) = match &record {
            Some(record) => (record.pipeline.clone(), record.steps.clone()),
            None => steps_of(&run),
        };
        let done = steps.iter().filter(|step| step.outcome == "done").count();
        let status = record.as_ref().map_or("unfinished", |record| &*record.status);
        if json {
            all.push(json!({
                "run": run.id(), "pipeline": pipeline, "status": status, "done": done, "steps": steps.len(),
                "finished": record.as_ref().map(|record| record.finished.to_string()),
                "file": record.as_ref().map(|record| &record.file),
                "folder": run.path(),
            }));
        } else {
            writeln!(out, "{}  {status:11} {done:>4}/{:<4} {pipeline}", run.id(), steps.len())?;
        }
    }
    if json {
        writeln!(out, "{:#}", json!(all))?;
    }
    Ok(())
}
