//! The screen below a run's lines: drawn in place, and gone without a trace.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};

use super::render::{Line, Size};
use crate::report::Style;

/// What is on the terminal now, for the end that comes at once.
static ON_SCREEN: AtomicU8 = AtomicU8::new(0);
const REGION: u8 = 1;
const PROGRESS: u8 = 2;

/// Takes the progress from the terminal's title or task bar.
const NO_PROGRESS: &str = "\x1b]9;4;0;\x1b\\";

/// Everything between the two appears at once, where the terminal knows them.
const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";

/// The progress that a terminal shows beside its title.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Progress {
    None,
    Share(f64),
    /// The same, with something that failed.
    Failed(f64),
}

/// A terminal, and what of ours is on it.
pub(super) struct Screen {
    out: Box<dyn Write + Send>,
    size: Box<dyn Fn() -> Size + Send>,
    style: Style,
    /// Lines that stay and are not written yet.
    text: String,
    /// The columns of each line of the region.
    drawn: Vec<usize>,
    progress: Option<u8>,
}

impl Screen {
    pub(super) fn new(out: Box<dyn Write + Send>, size: Box<dyn Fn() -> Size + Send>, style: Style) -> Self {
        Self { out, size, style, text: String::new(), drawn: Vec::new(), progress: None }
    }

    pub(super) fn size(&self) -> Size {
        (self.size)()
    }

    pub(super) fn style(&self) -> Style {
        self.style
    }

    /// A line that stays, above the region; it is written with the next drawing.
    pub(super) fn print(&mut self, text: &str) {
        self.text.push_str(&text.replace('\n', "\r\n"));
        self.text.push_str("\r\n");
    }

    /// Whether lines wait to be written.
    pub(super) fn has_text(&self) -> bool {
        !self.text.is_empty()
    }

    /// Draws the region anew, below the lines that stay.
    pub(super) fn show(&mut self, lines: &[Line]) {
        if lines.is_empty() && self.drawn.is_empty() && self.text.is_empty() {
            return;
        }
        let mut text = String::from(BEGIN);
        text.push('\r');
        let width = self.size().columns.max(1);
        // A terminal that became narrower has wrapped what stood there.
        let rows: usize = self.drawn.iter().map(|columns| columns.div_ceil(width).max(1)).sum();
        if rows > 1 {
            // Writing into a string cannot fail.
            let _ = write!(text, "\x1b[{}A", rows - 1);
        }
        let in_place = self.text.is_empty() && rows == lines.len();
        if !in_place {
            text.push_str("\x1b[J");
        }
        text.push_str(&std::mem::take(&mut self.text));
        for (n, line) in lines.iter().enumerate() {
            text.push_str(if n == 0 { "" } else { "\r\n" });
            text.push_str(if in_place { "\x1b[2K" } else { "" });
            text.push_str(&line.text);
        }
        text.push('\r');
        text.push_str(END);
        self.drawn = lines.iter().map(|line| line.columns).collect();
        mark(REGION, !lines.is_empty());
        // A terminal that went away cannot be told.
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    /// Shows the progress beside the terminal's title, where it has a place for it.
    pub(super) fn progress(&mut self, progress: Progress) {
        let percent = |share: f64| (share.clamp(0.0, 1.0) * 100.0) as u8;
        let (state, shown) = match progress {
            Progress::None => (0, None),
            Progress::Share(share) => (1, Some(percent(share))),
            Progress::Failed(share) => (2, Some(percent(share))),
        };
        if !self.style.progress || shown == self.progress {
            return;
        }
        self.progress = shown;
        mark(PROGRESS, shown.is_some());
        let text = shown.map_or_else(|| NO_PROGRESS.to_owned(), |n| format!("\x1b]9;4;{state};{n}\x1b\\"));
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }
}

fn mark(what: u8, is_there: bool) {
    match is_there {
        true => ON_SCREEN.fetch_or(what, Ordering::Relaxed),
        false => ON_SCREEN.fetch_and(!what, Ordering::Relaxed),
    };
}

/// Leaves the terminal as a process must that ends at once: may be called from a signal handler.
pub fn leave_at_once() {
    let there = ON_SCREEN.load(Ordering::Relaxed);
    let say = |text: &str| {
        // SAFETY: write may be called from a signal handler; the bytes live as long as the program.
        let _ = unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
    };
    if there & REGION != 0 {
        say("\r\n");
    }
    if there & PROGRESS != 0 {
        say(NO_PROGRESS);
    }
}

/// The size of the terminal behind standard error; that of the oldest ones where it does not say.
pub(super) fn size() -> Size {
    // SAFETY: the system fills the struct, all-zero bytes of which are a valid one.
    let (failed, size) = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        (libc::ioctl(libc::STDERR_FILENO, libc::TIOCGWINSZ, &raw mut size) != 0, size)
    };
    match (failed, size.ws_col, size.ws_row) {
        (false, columns, rows) if columns > 0 && rows > 0 => {
            Size { columns: columns.into(), rows: rows.into() }
        }
        _ => Size { columns: 80, rows: 24 },
    }
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
