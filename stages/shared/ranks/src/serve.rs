//! The life of a further rank.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use igpt_contract::{DynStage, StageContext, StageError, StageIo};

use crate::job::{LostRank, RankFailure, RankJob};

/// Does the work that the first line of `input` describes, among the other ranks of its step. Why it failed
/// goes to `output`; answers whether it did not. The end of the input means that rank 0 is gone, and ends
/// the process.
///
/// # Errors
/// If the job cannot be read, or the failure cannot be told.
pub fn serve(
    find: impl Fn(&str) -> Option<Arc<dyn DynStage>>,
    input: impl Read + Send + 'static,
    output: &mut impl Write,
) -> io::Result<bool> {
    let mut input = BufReader::new(input);
    let mut line = String::new();
    input.read_line(&mut line)?;
    let job: RankJob = serde_json::from_str(&line)?;
    std::thread::Builder::new().spawn(move || {
        let mut byte = [0];
        while matches!(input.read(&mut byte), Ok(n) if n > 0) {}
        // SAFETY: ends the process as it is; what it computes has no reader any more.
        unsafe { libc::_exit(1) }
    })?;
    let RankJob { kind, params, inputs, seed, threads, device, offline, scratch, rank } = job;
    let stage =
        find(&kind).ok_or_else(|| io::Error::other(format!("this binary has no stage kind `{kind}`")))?;
    let io = StageIo { inputs, ..StageIo::default() };
    // Rank 0 speaks for all.
    let cx =
        StageContext::new(seed, threads, scratch, |_| ()).on_device(device).offline(offline).as_rank(rank);
    let failure = match catch_unwind(AssertUnwindSafe(|| stage.run(&params, &io, &cx))) {
        Ok(Ok(()) | Err(StageError::Cancelled)) => return Ok(true),
        Ok(Err(error)) => RankFailure::of(&error),
        // Its text is on standard error.
        Err(_) => RankFailure { error: "it panicked".to_owned(), hint: None, lost: false },
    };
    serde_json::to_writer(&mut *output, &failure)?;
    output.write_all(b"\n")?;
    output.flush()?;
    Ok(false)
}

impl RankFailure {
    fn of(error: &StageError) -> Self {
        let (mut text, mut cause) = (error.to_string(), error.source());
        let mut lost = false;
        while let Some(source) = cause {
            text.push_str(&format!(": {source}"));
            lost |= source.is::<LostRank>();
            cause = source.source();
        }
        let hint = match error {
            StageError::Failed { hint, .. } => hint.clone(),
            StageError::Cancelled => None,
        };
        Self { error: text, hint, lost }
    }
}
