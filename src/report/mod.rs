//! Consumers of the event stream: what a run looks like to people and to programs.
//!
//! They must not know the store or the engine. (The results tables are a *stage*, not this.)

pub mod clean;
pub mod eta;
mod jsonl;
mod live;
mod plain;
mod style;
mod width;

pub use jsonl::{Fault, JsonLines};
pub use live::{Expected, Live, Lookup, leave_at_once};
pub use plain::Plain;
pub use style::{Role, Style};

use std::path::Path;

use igpt_contract::counted;

use clean::one_line;

use crate::event::Event;

/// A step's life in one line, shared by the terminal and the plain consumer; none for events that
/// deserve no line of their own. What names, values and errors hold is shown and not obeyed.
fn line(event: &Event, style: Style) -> Option<String> {
    text(event, style).map(|text| painted(event, &text, style))
}

/// The text of an event's line, its first word in the event's colour.
fn painted(event: &Event, text: &str, style: Style) -> String {
    let role = match event {
        Event::StepSucceeded { .. } | Event::Exported { .. } | Event::SearchSettled { .. } => Role::Good,
        Event::StepFailed { retried: true, .. } | Event::StepSkipped { .. } => Role::Warning,
        Event::StepFailed { .. } | Event::ExportFailed { .. } => Role::Bad,
        Event::StepNoted { .. } | Event::RunNoted { .. } => Role::Faint,
        Event::StepStarted { .. } => Role::Active,
        _ => return text.to_owned(),
    };
    let (word, rest) = text.split_at(text.find(' ').unwrap_or(text.len()));
    format!("{}{rest}", style.paint(role, word))
}

fn text(event: &Event, style: Style) -> Option<String> {
    let shown = clean::one_line;
    let path = |path: &Path| style.link(path, &one_line(&path.to_string_lossy()));
    Some(match event {
        Event::RunStarted { pipeline, store, steps, run } => {
            let steps = counted(*steps, "step");
            format!("store {}\nrun {run}: `{}`, {steps}", path(store), shown(pipeline))
        }
        Event::StepStarted { step, reason, attempt, .. } => match attempt {
            1 => format!("start  {} ({})", shown(step), shown(reason)),
            n => format!("start  {} (attempt {n})", shown(step)),
        },
        Event::StepSucceeded { step, cost, adopted: false, .. } => {
            format!("done   {} in {} ({} CPU)", shown(step), seconds(cost.wall_s), seconds(cost.cpu_s))
        }
        Event::StepSucceeded { step, adopted: true, .. } => {
            format!("done   {} (made by another run or step)", shown(step))
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
            format!("choose {step}: {value} ({} of {} tried)", tried.0, counted(tried.1, "candidate"))
        }
        Event::StepNoted { step, text } => format!("note   {}: {}", shown(step), shown(text)),
        Event::RunNoted { text } => format!("note   {}", shown(text)),
        Event::Exported { path: to, written: true } => format!("write  {}", path(to)),
        Event::RunFinished { executed, reused, failed, skipped, wall_s, .. } => format!(
            "{executed} executed, {reused} reused, {failed} failed, {skipped} skipped in {}",
            seconds(*wall_s)
        ),
        Event::StepReused { .. }
        | Event::StepMoved { .. }
        | Event::StepProgressed { .. }
        | Event::MetricLogged { .. }
        | Event::Exported { written: false, .. } => return None,
    })
}

fn hint_line(hint: &Option<String>) -> String {
    hint.as_ref().map(|hint| format!("\n       hint: {}", one_line(hint))).unwrap_or_default()
}

/// A number in four digits.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    if !(1e-3..1e5).contains(&size) {
        return format!("{value:.2e}");
    }
    let digits = (3 - size.log10().floor() as i64).clamp(0, 6) as usize;
    format!("{value:.digits$}")
}

/// A size for people: `812 B`, `1.4 MiB`.
pub fn bytes(n: u64) -> String {
    let mut size = n as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size < 1024.0 {
            return if unit == "B" { format!("{n} B") } else { format!("{size:.1} {unit}") };
        }
        size /= 1024.0;
    }
    format!("{size:.1} TiB")
}

/// A duration that passes while people look: whole seconds below a minute.
fn clock(s: f64) -> String {
    if s < 59.5 { format!("{:.0} s", s.max(0.0)) } else { seconds(s.round()) }
}

/// A duration for people: `0.31 s`, `12.4 s`, `3 min 05 s`, `2 h 07 min`.
pub fn seconds(s: f64) -> String {
    match s {
        s if s < 2.0 * DAY => to_the_minute(s),
        s if s < 10.0 * DAY => format!("{} days {} h", (s / DAY) as u64, (s % DAY / 3600.0) as u64),
        s if s < 2.0 * YEAR => format!("{:.0} days", s / DAY),
        _ => format!("{:.0} years", s / YEAR),
    }
}

/// The same with hours at most and their minutes, for a clock that goes on.
pub fn to_the_minute(s: f64) -> String {
    let whole = s.round() as u64;
    match s {
        s if s < 1.0 => format!("{s:.2} s"),
        s if s < 59.95 => format!("{s:.1} s"),
        s if s < 3599.5 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Seconds of a day and of a year.
const DAY: f64 = 86_400.0;
const YEAR: f64 = 365.0 * DAY;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_durations() {
        let texts = [0.314, 12.44, 59.97, 185.0, 3599.7, 7_620.0].map(seconds);
        assert_eq!(texts, ["0.31 s", "12.4 s", "1 min 00 s", "3 min 05 s", "1 h 00 min", "2 h 07 min"]);
        let long = [47.0 * 3600.0, 50.0 * 3600.0, 12.0 * DAY, 700.0 * DAY, 30.0 * YEAR].map(seconds);
        assert_eq!(long, ["47 h 00 min", "2 days 2 h", "12 days", "700 days", "30 years"]);
        assert_eq!([-1.0, 0.4, 59.4, 59.6].map(clock), ["0 s", "0 s", "59 s", "1 min 00 s"]);
    }

    #[test]
    fn sizes_read_like_sizes() {
        let texts = [0, 1023, 1024, 1_500_000, 5 << 40].map(bytes);
        assert_eq!(texts, ["0 B", "1023 B", "1.0 KiB", "1.4 MiB", "5.0 TiB"]);
    }

    #[test]
    fn a_name_cannot_forge_a_line() {
        let event = Event::StepNoted { step: "s[x=\n\u{1b}[2JFAILED t]".into(), text: "\u{202e}x".into() };
        assert_eq!(line(&event, Style::default()).unwrap(), "note   s[x=\\nFAILED t]: \\u{202e}x");
    }

    #[test]
    fn colours_and_links_are_ours_alone() {
        let failed = Event::StepFailed {
            step: "\u{1b}[1ms".into(),
            error: "e".into(),
            hint: None,
            log: "/runs/1/s.log".into(),
            tail: vec![],
            attempt: 1,
            retried: false,
        };
        let text = |style| line(&failed, style).unwrap();
        assert_eq!(text(Style::default()), "FAILED s (attempt 1): e\n       log /runs/1/s.log");
        let coloured = text(Style { colour: true, links: true, progress: false });
        assert!(coloured.starts_with("\u{1b}[1;31mFAILED\u{1b}[0m s (attempt 1)"), "{coloured:?}");
        assert!(coloured.contains("/runs/1/s.log\u{1b}\\/runs/1/s.log\u{1b}]8;;"), "{coloured:?}");
    }

    #[test]
    fn numbers_have_four_digits() {
        let texts = [3.214_56, 0.003, 123_456.0, 0.000_05, 0.0, f64::NAN, -12.345, 1000.4].map(number);
        assert_eq!(texts, ["3.215", "0.003000", "1.23e5", "5.00e-5", "0", "NaN", "-12.35", "1000"]);
    }

    #[test]
    fn one_step_is_no_steps() {
        assert_eq!((counted(1, "step"), counted(0, "step")), ("1 step".into(), "0 steps".into()));
        let event = Event::RunStarted { run: "r".into(), pipeline: "p".into(), store: "s".into(), steps: 1 };
        assert_eq!(line(&event, Style::default()).unwrap(), "store s\nrun r: `p`, 1 step");
    }
}
