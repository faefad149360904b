//! The view of a run on a terminal: lines that stay, and below them a region that is drawn anew ten
//! times a second.
//!
//! The cursor is always in the first column of the region's last line and is never hidden: however the
//! process ends, the terminal is as it was.

mod render;
mod screen;
mod step;
mod view;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::width::cut;
use super::{Style, line, painted};
use crate::event::{Consumer, Event, Numbered};
use render::lines;
pub use screen::leave_at_once;
use screen::{Progress, Screen, size};
pub use view::Expected;
use view::View;

/// How often the region is drawn.
const FRAME: Duration = Duration::from_millis(100);

/// A run that is over sooner is not drawn.
const QUIET: f64 = 0.2;

/// Looks up what the steps of the run should take; not at the run's beginning, which it would slow
/// down, but once a step has work to do.
pub type Lookup = Box<dyn FnOnce() -> Vec<Expected> + Send>;

/// The terminal consumer.
pub struct Live {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    ended: Condvar,
}

struct State {
    view: View,
    screen: Screen,
    began: Instant,
    lookup: Option<Lookup>,
    /// Processor slots of the run.
    slots: u32,
    /// Set when the user asks the run to stop.
    interrupted: &'static AtomicBool,
    is_over: bool,
}

impl Live {
    /// A view on the terminal behind standard error, of a run with so many processor slots.
    pub fn new(slots: u32, interrupted: &'static AtomicBool, lookup: Lookup, style: Style) -> Self {
        let screen = Screen::new(Box::new(std::io::stderr()), Box::new(size), style);
        Self::on(screen, slots, interrupted, lookup)
    }

    fn on(screen: Screen, slots: u32, interrupted: &'static AtomicBool, lookup: Lookup) -> Self {
        let state = State {
            view: View::default(),
            screen,
            began: Instant::now(),
            lookup: Some(lookup),
            slots,
            interrupted,
            is_over: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), ended: Condvar::new() });
        let ticking = Arc::clone(&shared);
        // Without a thread the view moves with the events alone. Nobody waits for the thread's end: it
        // may be looking something up, and draws nothing once the run is over.
        let _ = Builder::new().spawn(move || ticking.tick());
        Self { shared }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws until the run is over.
    fn tick(&self) {
        let mut state = self.lock();
        while !state.is_over {
            state = match self.ended.wait_timeout(state, FRAME) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
            if !state.view.running.is_empty()
                && let Some(lookup) = state.lookup.take()
            {
                drop(state);
                let expected = lookup();
                state = self.lock();
                state.view.expect(expected);
            }
            state.draw();
        }
    }
}

impl State {
    fn now(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    fn draw(&mut self) {
        let now = self.now();
        if self.is_over || now < QUIET {
            return self.screen.show(&[]);
        }
        self.view.stopping = self.interrupted.load(Ordering::Relaxed);
        self.view.rehearse(now, self.slots);
        let (done, of) = self.view.settled();
        let share = match self.view.left(now).filter(|left| left.unknown == 0) {
            Some(left) => now / (now + left.seconds),
            None => done as f64 / of.max(1) as f64,
        };
        self.screen.progress(match self.view.failed {
            0 => Progress::Share(share),
            _ => Progress::Failed(share),
        });
        let shown = lines(&self.view, now, self.screen.size(), self.screen.style());
        self.screen.show(&shown);
    }

    /// The one line of a step's notes that stays: the latest, and how many more its log has.
    fn note(&self, step: &str, text: &str, more: u64) -> String {
        let event = Event::StepNoted { step: step.to_owned(), text: text.to_owned() };
        let more = if more == 0 { String::new() } else { format!(" ({more} more in its log)") };
        let room = self.screen.size().columns.saturating_sub(1 + more.len());
        let text = super::text(&event, Style::default()).unwrap_or_default();
        painted(&event, &format!("{}{more}", cut(&text, room)), self.screen.style())
    }

    fn take(&mut self, event: &Event) {
        let now = self.now();
        let style = self.screen.style();
        let (text, note) = match event {
            Event::StepStarted { attempt: 1, .. } => (None, None),
            // While the step runs, its latest note is in the region; all of them are in its log.
            Event::StepNoted { step, text } => match self.view.notes(step) {
                Some(_) => (None, None),
                None => (None, Some(self.note(step, text, 0))),
            },
            Event::StepSucceeded { step, .. }
            | Event::StepFailed { step, .. }
            | Event::StepSkipped { step, .. } => {
                let notes = self.view.notes(step).filter(|(count, _)| *count > 0);
                (line(event, style), notes.map(|(count, latest)| self.note(step, latest, count - 1)))
            }
            event => (line(event, style), None),
        };
        self.view.take(now, event);
        for text in note.into_iter().chain(text) {
            self.screen.print(&text);
        }
        if let Event::RunFinished { .. } = event {
            self.is_over = true;
            self.screen.progress(Progress::None);
        }
    }
}

impl Consumer for Live {
    fn take(&mut self, event: &Numbered) {
        self.shared.lock().take(&event.event);
    }

    fn pause(&mut self) {
        let mut state = self.shared.lock();
        if state.is_over || state.screen.has_text() {
            state.draw();
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_over = true;
        state.screen.progress(Progress::None);
        state.draw();
        drop(state);
        self.shared.ended.notify_all();
    }
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
