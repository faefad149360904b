//! The live view as lines: a pure function of the state, the time and the width. No line is wider than
//! the terminal.

use igpt_contract::counted;

use super::step::{Progress, Running};
use super::view::View;
use crate::report::clean::one_line;
use crate::report::width::{columns, cut, fit};
use crate::report::{Role, Style, clock, number};

/// From this width on there is room for words.
const WIDE: usize = 110;

/// The width of a bar: at least, where there is room, and where there is much. It changes as seldom as
/// it can, for what stands after it moves along.
const BAR: [usize; 3] = [8, 12, 30];

/// The width of a step's name at most.
const NAME: usize = 40;

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// Between the parts of a line.
const BETWEEN: &str = " · ";

/// What may stand in a line.
struct Part {
    text: String,
    role: Option<Role>,
    /// Where there is no room for all, those of the lowest ranks stay.
    rank: u8,
}

impl Part {
    fn new(rank: u8, text: String) -> Self {
        Self { text, role: None, rank }
    }

    fn coloured(self, role: Role) -> Self {
        Self { role: Some(role), ..self }
    }
}

/// A terminal's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// A line of the view: with its escape sequences, and the columns that it takes without them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) columns: usize,
}

/// The lines: one for each step that runs, one for the latest note, one for the run.
pub(super) fn lines(view: &View, now: f64, size: Size, style: Style) -> Vec<Line> {
    // The last column stays free: a terminal is about to wrap once it is used.
    let width = size.columns.saturating_sub(1);
    let note = view.note.as_ref().map(|(step, text)| note(step, text, width, style));
    let room = size.rows.saturating_sub(3 + usize::from(note.is_some())).max(1);
    let shown = if view.running.len() > room { room.saturating_sub(1) } else { view.running.len() };
    let names = view.running[..shown].iter().map(|step| columns(&one_line(&step.name)));
    let name = names.max().unwrap_or(0).min(NAME).min(width / 3);
    let mut lines: Vec<Line> = view.running[..shown]
        .iter()
        .map(|step| step_line(step, view.expected(&step.name), now, name, width, style))
        .collect();
    if shown < view.running.len() {
        let more = counted(view.running.len() - shown, "more step");
        lines.push(plain(&format!("  and {more}"), width, Some(Role::Faint), style));
    }
    lines.extend(note);
    lines.push(run_line(view, now, width, style));
    lines
}

fn step_line(
    step: &Running,
    expected: Option<f64>,
    now: f64,
    name: usize,
    width: usize,
    style: Style,
) -> Line {
    let frame = SPINNER[(now * 10.0) as usize % SPINNER.len()];
    let title = fit(&one_line(&step.name), name);
    let mut line = Writer::new(width, style);
    line.put(frame, Some(Role::Active));
    line.put(&format!(" {title}"), None);
    let is_wide = width >= WIDE;
    let mut parts = Vec::new();
    parts.extend(step.place.as_ref().map(|place| Part::new(1, one_line(place).into_owned())));
    if let Some(progress) = &step.progress {
        parts.push(Part::new(0, amount(progress)));
        if let Some(total) = progress.total {
            let percent = 100.0 * progress.done.min(total) as f64 / total as f64;
            parts.push(Part::new(5, format!("{percent:.0}%")));
        }
        parts.extend(progress.speed().map(|speed| Part::new(3, rate(progress, speed, is_wide))));
    }
    let mut metrics: Vec<&(String, f64)> = step.metrics.iter().collect();
    // What is minimised comes first.
    metrics.sort_by_key(|(name, _)| !name.starts_with("loss"));
    for (n, (name, value)) in metrics.into_iter().enumerate() {
        let rank = if n == 0 { 2 } else { 6 };
        parts.push(Part::new(rank, format!("{} {}", one_line(name), number(*value))));
    }
    let elapsed = now - step.since;
    let by_record = expected.map(|expected| expected - elapsed).filter(|left| *left > 0.5);
    let left = match (step.left(now), by_record) {
        (Some(left), _) => Some(format!("{} left", clock(left))),
        (None, Some(left)) => Some(format!("about {} left", clock(left))),
        (None, None) => None,
    };
    let rank = if left.is_some() { 4 } else { 1 };
    parts.push(Part::new(rank, format!("{} elapsed", clock(elapsed))));
    parts.extend(left.map(|left| Part::new(1, left)));
    let share = step.progress.as_ref().and_then(|progress| {
        let total = progress.total? as f64;
        Some(progress.done as f64 / total)
    });
    line.finish(share.map(|share| (share, Role::Active)), parts)
}

fn run_line(view: &View, now: f64, width: usize, style: Style) -> Line {
    let (done, of) = view.settled();
    let mut line = Writer::new(width, style);
    let elapsed = format!("{} elapsed", clock(now));
    if view.stopping {
        let names: Vec<_> = view.running.iter().map(|step| format!("`{}`", one_line(&step.name))).collect();
        let text = format!("stopping: waiting for {} (Ctrl-C again stops at once)", names.join(", "));
        let text = if names.is_empty() { "stopping".to_owned() } else { text };
        line.put(" ", None);
        let room = width.saturating_sub(2 + BETWEEN.len() + elapsed.len());
        let parts = vec![Part::new(0, cut(&text, room)).coloured(Role::Warning), Part::new(1, elapsed)];
        return line.finish(None, parts);
    }
    let mut parts = vec![Part::new(0, format!("{done} of {}", counted(of, "step")))];
    if view.failed > 0 {
        parts.push(Part::new(1, format!("{} failed", view.failed)).coloured(Role::Bad));
    }
    if view.reused > 0 {
        parts.push(Part::new(4, format!("{} cached", view.reused)));
    }
    parts.push(Part::new(2, elapsed));
    let unknown = |n: usize| counted(n, "step");
    let left = match view.left(now) {
        _ if done == of => Part::new(3, "almost done".to_owned()),
        None => Part::new(3, "ETA unknown".to_owned()),
        Some(left) if left.unknown == 0 && left.seconds < 0.5 => Part::new(3, "almost done".to_owned()),
        Some(left) if left.unknown == 0 => Part::new(1, format!("about {} left", clock(left.seconds))),
        Some(left) if left.seconds < 0.5 => Part::new(3, "ETA unknown".to_owned()),
        Some(left) if width >= WIDE => {
            let (time, steps) = (clock(left.seconds), unknown(left.unknown));
            Part::new(1, format!("at least {time} left ({steps} never timed)"))
        }
        Some(left) => Part::new(1, format!("at least {} left", clock(left.seconds))),
    };
    parts.push(left);
    let share = if of == 0 { 0.0 } else { done as f64 / of as f64 };
    line.put(" ", None);
    line.finish(Some((share, Role::Good)), parts)
}

fn note(step: &str, text: &str, width: usize, style: Style) -> Line {
    plain(&format!("  note {}: {}", one_line(step), one_line(text)), width, Some(Role::Faint), style)
}

fn plain(text: &str, width: usize, role: Option<Role>, style: Style) -> Line {
    let mut line = Writer::new(width, style);
    line.put(&cut(text, width), role);
    line.line
}

/// Writes a line from left to right.
struct Writer {
    line: Line,
    width: usize,
    style: Style,
}

impl Writer {
    fn new(width: usize, style: Style) -> Self {
        Self { line: Line { text: String::new(), columns: 0 }, width, style }
    }

    /// Text that is cut where the line ends.
    fn put(&mut self, text: &str, role: Option<Role>) {
        let text = cut(text, self.width.saturating_sub(self.line.columns));
        self.line.columns += columns(&text);
        match role {
            Some(role) => self.line.text.push_str(&self.style.paint(role, &text)),
            None => self.line.text.push_str(&text),
        }
    }

    /// Ends the line with a bar (its share and colour) and the parts that there is room for.
    fn finish(mut self, bar: Option<(f64, Role)>, parts: Vec<Part>) -> Line {
        let room = self.width.saturating_sub(self.line.columns);
        let [least, usual, most] = BAR;
        let least = if bar.is_some() { least + 1 } else { 0 };
        let mut by_rank: Vec<usize> = (0..parts.len()).collect();
        by_rank.sort_by_key(|part| parts[*part].rank);
        let mut chosen = vec![false; parts.len()];
        let mut taken = 0;
        for part in by_rank {
            let more = BETWEEN.chars().count() + columns(&parts[part].text);
            // The two that matter most come before the bar.
            let kept_free = if parts[part].rank <= 1 { 0 } else { least };
            if taken + more + kept_free <= room {
                chosen[part] = true;
                taken += more;
            }
        }
        let free = room.saturating_sub(taken);
        if let Some((share, role)) = bar
            && free >= least
        {
            let length = (free - 1).min(if self.width >= WIDE { most } else { usual });
            let full = ((share.clamp(0.0, 1.0) * length as f64) as usize).min(length);
            self.put(" ", None);
            self.put(&"━".repeat(full), Some(role));
            self.put(&"─".repeat(length - full), Some(Role::Faint));
        }
        let mut between = " ";
        for (part, _) in parts.iter().zip(&chosen).filter(|(_, chosen)| **chosen) {
            self.put(between, Some(Role::Faint).filter(|_| between != " "));
            self.put(&part.text, part.role);
            between = BETWEEN;
        }
        self.line
    }
}

/// How much is done: `250/500 steps`, `1.5/3.0 MiB`.
fn amount(progress: &Progress) -> String {
    let Progress { done, total, .. } = progress;
    if progress.unit == "bytes" {
        let (size, name) = unit_of(total.unwrap_or(*done));
        let of = total.map(|total| format!("/{:.1}", total as f64 / size)).unwrap_or_default();
        return format!("{:.1}{of} {name}", *done as f64 / size);
    }
    let of = total.map(|total| format!("/{total}")).unwrap_or_default();
    format!("{done}{of} {}", one_line(&progress.unit))
}

/// A speed: `12.3 steps/s`; where room is short, the unit is that of the amount before it.
fn rate(progress: &Progress, speed: f64, is_wide: bool) -> String {
    if progress.unit == "bytes" {
        let (size, name) = unit_of(speed as u64);
        return format!("{:.1} {name}/s", speed / size);
    }
    let unit = if is_wide { format!(" {}", one_line(&progress.unit)) } else { String::new() };
    let digits = if speed < 10.0 { 2 } else { usize::from(speed < 100.0) };
    format!("{speed:.digits$}{unit}/s")
}

fn unit_of(bytes: u64) -> (f64, &'static str) {
    match bytes {
        0..0x400 => (1.0, "B"),
        0x400..0x10_0000 => (1024.0, "KiB"),
        0x10_0000..0x4000_0000 => (1_048_576.0, "MiB"),
        _ => (1_073_741_824.0, "GiB"),
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
