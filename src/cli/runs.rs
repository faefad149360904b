//! `runs`: the runs of the store, the latest first.

use std::io::Write;
use std::path::Path;

use clap::Args;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use igpt_contract::counted;

use super::error::CliError;
use crate::history::{Counts, RunFacts, began};
use crate::pipeline::units;
use crate::report::seconds;
use crate::store::Store;

/// Which runs are listed.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only runs of the pipeline with this name.
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,
    /// Only runs that failed.
    #[arg(long)]
    failed: bool,
    /// Only runs started since then: an age (`90min`, `12h`, `7d`), or a date or time in UTC
    /// (`2026-03-01`, `2026-03-01T18:00`).
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Timestamp>,
    /// List at most N runs; 0 lists all [default: 20; all with --json].
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// How many runs are listed unless more are asked for.
const LIMIT: usize = 20;

/// Lists the runs.
pub(super) fn runs(store: &Path, json: bool, args: &ListArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let store = Store::open_existing(store)?;
    let limit = match args.limit.unwrap_or(if json { 0 } else { LIMIT }) {
        0 => usize::MAX,
        limit => limit,
    };
    let folders = store.runs()?;
    let is_meant = |run: &RunFacts| {
        args.pipeline.as_ref().is_none_or(|name| run.pipeline == *name)
            && (!args.failed || run.status == "failed")
    };
    let began_since = |id: &str| args.since.is_none_or(|since| began(id).is_some_and(|began| began >= since));
    let mut found = folders
        .iter()
        .rev()
        .filter(|run| began_since(run.id()))
        .map(|run| RunFacts::of(&store, run))
        .filter(is_meant);
    let shown: Vec<RunFacts> = found.by_ref().take(limit).collect();
    if json {
        let all: Vec<_> = shown.iter().map(RunFacts::as_json).collect();
        writeln!(out, "{:#}", json!(all))?;
        return Ok(());
    }
    let now = Timestamp::now();
    shown.iter().try_for_each(|run| writeln!(out, "{}", line(run, now).trim_end()))?;
    if found.next().is_some() {
        writeln!(out, "older runs: `--limit 0` lists all")?;
    }
    Ok(())
}

/// The latest runs first: which, when, how it ended and how long that took, what it did, what of.
fn line(run: &RunFacts, now: Timestamp) -> String {
    let Counts { executed, reused, failed, skipped, wall_s } = run.counts;
    let when = run.started.map(|started| ago(started, now)).unwrap_or_default();
    let took = wall_s.map(seconds).unwrap_or_default();
    let mut did = format!("{executed} executed, {reused} reused");
    for (n, word) in [(failed, "failed"), (skipped, "skipped")] {
        if n > 0 {
            did.push_str(&format!(", {n} {word}"));
        }
    }
    let (id, status, pipeline, overrides) = (&run.id, &run.status, &run.pipeline, run.overrides());
    format!("{id}  {when:>11}  {status:11} {took:>11}  {pipeline}: {did}  {overrides}")
}

/// How long ago something was; a day where that is long.
fn ago(then: Timestamp, now: Timestamp) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    match now.duration_since(then).as_secs() {
        s if s < 0 => then.strftime("%Y-%m-%d").to_string(),
        s if s < MINUTE => format!("{s} s ago"),
        s if s < HOUR => format!("{} min ago", s / MINUTE),
        s if s < DAY => format!("{} h ago", s / HOUR),
        s if s < 14 * DAY => format!("{} ago", counted((s / DAY).unsigned_abs(), "day")),
        _ => then.strftime("%Y-%m-%d").to_string(),
    }
}

/// A time ago, or a day or time in UTC.
fn since(text: &str) -> Result<Timestamp, String> {
    if let Some(duration) = units::duration(text) {
        let duration = SignedDuration::try_from(duration).map_err(|error| error.to_string())?;
        return Timestamp::now().checked_sub(duration).map_err(|error| error.to_string());
    }
    let of_day = |day: Date| day.to_datetime(Time::midnight());
    let of_clock = || text.parse::<DateTime>().or_else(|_| text.parse().map(of_day)).ok();
    let time = match text.parse::<Timestamp>() {
        Ok(time) => Some(time),
        Err(_) => of_clock().and_then(|time| Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())),
    };
    time.ok_or_else(|| "expected an age such as `12h` or `7d`, or a date such as `2026-03-01`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_like_times() {
        let now: Timestamp = "2026-03-20T12:00:00Z".parse().unwrap();
        let of = |then: &str| ago(then.parse().unwrap(), now);
        assert_eq!(of("2026-03-20T11:59:18Z"), "42 s ago");
        assert_eq!(of("2026-03-20T11:00:01Z"), "59 min ago");
        assert_eq!(of("2026-03-19T13:00:00Z"), "23 h ago");
        assert_eq!(of("2026-03-19T11:00:00Z"), "1 day ago");
        assert_eq!(of("2026-03-01T11:00:00Z"), "2026-03-01");
        assert_eq!(of("2026-03-21T11:00:00Z"), "2026-03-21");
    }

    #[test]
    fn a_time_is_said_in_several_ways() {
        for (text, time) in [
            ("2026-03-01", "2026-03-01T00:00:00Z"),
            ("2026-03-01T18:30", "2026-03-01T18:30:00Z"),
            ("2026-03-01T18:30:00+02:00", "2026-03-01T16:30:00Z"),
        ] {
            assert_eq!(since(text).map(|time| time.to_string()).as_deref(), Ok(time), "{text}");
        }
        let hour_ago = Timestamp::now().duration_since(since("1h").unwrap()).as_secs();
        assert!((3590..3660).contains(&hour_ago), "{hour_ago}");
        assert!(since("yesterday-ish").is_err());
    }
}
