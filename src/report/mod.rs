//! Consumers of the event stream: what a run looks like to people and to programs.
//!
//! They must not know the store or the engine. (The results tables are a *stage*, not this.)

mod bars;
mod jsonl;
mod plain;

pub use bars::Bars;
pub use jsonl::JsonLines;
pub use plain::Plain;

use crate::event::Event;

/// A step's life in one line, shared by the terminal and the plain consumer; none for events that
/// deserve no line of their own.
fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::RunStarted { pipeline, store, steps, run } => {
            format!("store {}\nrun {run}: `{pipeline}`, {steps} steps", store.display())
        }
        Event::StepStarted { step, reason, attempt, .. } => match attempt {
            1 => format!("start  {step} ({reason})"),
            n => format!("start  {step} (attempt {n})"),
        },
        Event::StepSucceeded { step, cost, adopted: false, .. } => {
            format!("done   {step} in {} ({} CPU)", seconds(cost.wall_s), seconds(cost.cpu_s))
        }
        Event::StepSucceeded { step, adopted: true, .. } => format!("done   {step} (by another run)"),
        Event::StepFailed { step, error, hint, log, tail, retried, attempt } => {
            let log = log.display();
            let again = if *retried { "\n       it is tried again" } else { "" };
            // What a command wrote may hold anything: a terminal must not obey it.
            let tail: String = tail.iter().map(|line| format!("\n       | {}", harmless(line))).collect();
            let hint = hint_line(hint);
            format!("FAILED {step} (attempt {attempt}): {error}\n       log {log}{tail}{hint}{again}")
        }
        Event::ExportFailed { path, error, hint } => {
            format!("FAILED export {}: {error}{}", path.display(), hint_line(hint))
        }
        Event::StepSkipped { step, reason } => format!("skip   {step}: {reason}"),
        Event::SearchSettled { step, value, tried } => {
            format!("choose {step}: {value} ({} of {} candidates tried)", tried.0, tried.1)
        }
        Event::StepNoted { step, text } => format!("note   {step}: {text}"),
        Event::RunNoted { text } => format!("note   {text}"),
        Event::Exported { path, written: true } => format!("write  {}", path.display()),
        Event::RunFinished { executed, reused, failed, skipped, wall_s, .. } => format!(
            "{executed} executed, {reused} reused, {failed} failed, {skipped} skipped in {}",
            seconds(*wall_s)
        ),
        Event::StepReused { .. }
        | Event::StepProgressed { .. }
        | Event::MetricLogged { .. }
        | Event::Exported { written: false, .. } => return None,
    })
}

/// A line without the characters that steer a terminal.
fn harmless(line: &str) -> String {
    line.chars().filter(|c| !c.is_control() || *c == '\t').collect()
}

fn hint_line(hint: &Option<String>) -> String {
    hint.as_ref().map(|hint| format!("\n       hint: {hint}")).unwrap_or_default()
}

/// A duration for people: `0.31 s`, `12.4 s`, `3 min 05 s`, `2 h 07 min`.
pub fn seconds(s: f64) -> String {
    let whole = s.round() as u64;
    match s {
        s if s < 1.0 => format!("{s:.2} s"),
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn durations_read_like_durations() {
        let texts = [0.314, 12.44, 185.0, 7_620.0].map(seconds);
        assert_eq!(texts, ["0.31 s", "12.4 s", "3 min 05 s", "2 h 07 min"]);
    }
}
