//! Consumers of the event stream: what a run looks like to people and to programs.
//!
//! They must not know the store or the engine. (The results tables are a *stage*, not this.)

mod bars;
pub mod clean;
mod jsonl;
mod plain;

pub use bars::Bars;
pub use jsonl::{Fault, JsonLines};
pub use plain::Plain;

use std::path::Path;

use clean::one_line;

use crate::event::Event;

/// A step's life in one line, shared by the terminal and the plain consumer; none for events that
/// deserve no line of their own. What names, values and errors hold is shown and not obeyed.
fn line(event: &Event) -> Option<String> {
    let shown = clean::one_line;
    let path = |path: &Path| one_line(&path.to_string_lossy()).into_owned();
    Some(match event {
        Event::RunStarted { pipeline, store, steps, run } => {
            format!("store {}\nrun {run}: `{}`, {steps} steps", path(store), shown(pipeline))
        }
        Event::StepStarted { step, reason, attempt, .. } => match attempt {
            1 => format!("start  {} ({})", shown(step), shown(reason)),
            n => format!("start  {} (attempt {n})", shown(step)),
        },
        Event::StepSucceeded { step, cost, adopted: false, .. } => {
            format!("done   {} in {} ({} CPU)", shown(step), seconds(cost.wall_s), seconds(cost.cpu_s))
        }
        Event::StepSucceeded { step, adopted: true, .. } => {
            format!("done   {} (by another run)", shown(step))
        }
        Event::StepFailed { step, error, hint, log, tail, retried, attempt } => {
            let again = if *retried { "\n       it is tried again" } else { "" };
            let tail: String = tail.iter().map(|line| format!("\n       | {}", shown(line))).collect();
            let (step, error, log, hint) = (shown(step), shown(error), path(log), hint_line(hint));
            format!("FAILED {step} (attempt {attempt}): {error}\n       log {log}{tail}{hint}{again}")
        }
        Event::ExportFailed { path: to, error, hint } => {
            format!("FAILED export {}: {}{}", path(to), shown(error), hint_line(hint))
        }
        Event::StepSkipped { step, reason } => format!("skip   {}: {}", shown(step), shown(reason)),
        Event::SearchSettled { step, value, tried } => {
            let value = value.to_string();
            let (step, value) = (shown(step), shown(&value));
            format!("choose {step}: {value} ({} of {} candidates tried)", tried.0, tried.1)
        }
        Event::StepNoted { step, text } => format!("note   {}: {}", shown(step), shown(text)),
        Event::RunNoted { text } => format!("note   {}", shown(text)),
        Event::Exported { path: to, written: true } => format!("write  {}", path(to)),
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

fn hint_line(hint: &Option<String>) -> String {
    hint.as_ref().map(|hint| format!("\n       hint: {}", one_line(hint))).unwrap_or_default()
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
    use super::*;

    #[test]
    fn durations_read_like_durations() {
        let texts = [0.314, 12.44, 185.0, 7_620.0].map(seconds);
        assert_eq!(texts, ["0.31 s", "12.4 s", "3 min 05 s", "2 h 07 min"]);
    }

    #[test]
    fn a_name_cannot_forge_a_line() {
        let event = Event::StepNoted { step: "s[x=\n\u{1b}[2JFAILED t]".into(), text: "\u{202e}x".into() };
        assert_eq!(line(&event).unwrap(), "note   s[x=\\nFAILED t]: \\u{202e}x");
    }
}
