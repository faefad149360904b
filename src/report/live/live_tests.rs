//! What stays on the terminal after a run.

use std::sync::Mutex;

use igpt_contract::Digest;
use serde_json::json;

use super::*;
use crate::event::RunStatus;

static NOT_INTERRUPTED: AtomicBool = AtomicBool::new(false);

struct Out(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The lines that stay of a run with these events, at eighty columns.
fn stays(events: Vec<Event>) -> Vec<String> {
    let out = Arc::new(Mutex::new(Vec::new()));
    let size = || render::Size { columns: 80, rows: 24 };
    let screen = Screen::new(Box::new(Out(Arc::clone(&out))), Box::new(size), Style::default());
    let mut live = Live::on(screen, 2, &NOT_INTERRUPTED, Box::new(Vec::new));
    for (n, event) in events.into_iter().enumerate() {
        live.take(&Numbered { n: n as u64, time: String::new(), event });
        live.pause();
    }
    drop(live);
    let text = String::from_utf8(out.lock().unwrap().clone()).unwrap();
    let text = crate::report::clean::lines(&text).into_owned();
    text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

fn noted(step: &str, text: &str) -> Event {
    Event::StepNoted { step: step.into(), text: text.into() }
}

#[test]
fn of_a_steps_notes_one_line_stays() {
    let key = Digest::of(b"key");
    let started = Event::StepStarted { step: "s".into(), key, reason: "x".into(), attempt: 1 };
    let done = json!({
        "event": "step_succeeded", "step": "s", "key": key, "outputs": {}, "adopted": false,
        "cost": {"wall_s": 2.0, "cpu_s": 1.0, "peak_memory_mib": 0.0},
    });
    let done = serde_json::from_value(done).unwrap();
    let end = Event::RunFinished {
        status: RunStatus::Succeeded,
        executed: 1,
        reused: 0,
        failed: 0,
        skipped: 0,
        wall_s: 2.0,
    };
    let long = "says ".repeat(30);
    let events =
        vec![noted("s", "asks for much"), started, noted("s", "first"), noted("s", &long), done, end];
    assert_eq!(
        stays(events),
        [
            "note   s: asks for much",
            &format!("note   s: {}say… (1 more in its log)", "says ".repeat(9)),
            "done   s in 2.0 s (1.0 s CPU)",
            "1 executed, 0 reused, 0 failed, 0 skipped in 2.0 s",
        ]
    );
}
