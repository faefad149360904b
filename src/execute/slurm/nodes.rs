//! The nodes of a step that has several: its attempt runs on the first, and starts processes on the others by `srun`.

use std::ffi::OsString;
use std::io;

/// The command lines that start this program with these arguments on each further node of the job that it is part of.
/// Input, output and end of such a process are those of its `srun`.
///
/// # Errors
/// If this program's file is not known.
pub(in crate::execute) fn on_further_nodes(arguments: &[&str]) -> io::Result<Vec<Vec<OsString>>> {
    let nodes = std::env::var("SLURM_JOB_NUM_NODES").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let program = std::env::current_exe()?;
    let command = |node: usize| {
        let mut command = srun(node);
        command.push(program.clone().into());
        command.extend(arguments.iter().map(Into::into));
        command
    };
    Ok((1..nodes).map(command).collect())
}

/// One task on a node, counted from 0, with all that the job has there.
fn srun(node: usize) -> Vec<OsString> {
    let relative = format!("--relative={node}");
    // Several processes share a node, and each may use all of the step's processors there.
    [
        "srun",
        "--quiet",
        "--nodes=1",
        "--ntasks=1",
        &relative,
        "--overlap",
        "--mem=0",
        "--cpu-bind=none",
        "--unbuffered",
    ]
    .map(Into::into)
    .into()
}
