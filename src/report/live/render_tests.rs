//! Lines at several widths.

use serde_json::json;

use super::*;
use crate::event::{Event, Standing};
use crate::report::eta::Task;
use crate::report::live::view::Expected;

const WIDTHS: [usize; 7] = [1, 20, 40, 80, 81, 120, 200];

fn started(step: &str) -> Event {
    let key = igpt_contract::Digest::of(b"key");
    Event::StepStarted { step: step.into(), key, reason: "no result yet".into(), attempt: 1 }
}

fn succeeded(step: &str, wall_s: f64) -> Event {
    let cost = json!({"wall_s": wall_s, "cpu_s": 0.0, "peak_memory_mib": 0.0});
    let key = igpt_contract::Digest::of(b"key");
    let event = json!({
        "event": "step_succeeded", "step": step, "key": key, "outputs": {}, "cost": cost, "adopted": false,
    });
    serde_json::from_value(event).unwrap()
}

fn progressed(step: &str, done: u64, total: u64, unit: &str) -> Event {
    Event::StepProgressed { step: step.into(), done, total, unit: unit.into() }
}

fn metric(step: &str, name: &str, value: f64) -> Event {
    Event::MetricLogged { step: step.into(), name: name.into(), x: 0.0, value }
}

fn expected(name: &str, seconds: Option<f64>, after: &[usize]) -> Expected {
    Expected { name: name.into(), search: None, task: Task { seconds, after: after.to_vec(), cpus: 1 } }
}

/// A training, a download of unknown length and a command, of a run of nine steps.
fn view() -> View {
    let mut view = View::default();
    let events = [
        Event::RunStarted { run: "r".into(), pipeline: "p".into(), store: "s".into(), steps: 9 },
        Event::StepReused { step: "images".into(), key: igpt_contract::Digest::of(b"key") },
        started("pretrain"),
        started("fetch"),
        started("a command"),
        progressed("pretrain", 0, 500, "steps"),
        progressed("fetch", 0, 0, "bytes"),
    ];
    events.iter().for_each(|event| view.take(1.0, event));
    view.take(21.0, &progressed("pretrain", 250, 500, "steps"));
    view.take(21.0, &progressed("fetch", 3 << 20, 0, "bytes"));
    view.take(21.0, &metric("pretrain", "learning_rate", 0.003));
    view.take(21.0, &metric("pretrain", "loss.train", 3.21456));
    view
}

fn shown(view: &View, columns: usize) -> Vec<String> {
    let lines = lines(view, 21.0, Size { columns, rows: 24 }, Style::default());
    lines.into_iter().map(|line| line.text).collect()
}

#[test]
fn at_eighty_columns_loss_speed_and_times_are_shown() {
    assert_eq!(
        shown(&view(), 80),
        [
            "⠋ pretrain  ━━━━━────── 250/500 steps · 12.5/s · loss.train 3.215 · 20 s left",
            "⠋ fetch     3.0 MiB · 153.6 KiB/s · 20 s elapsed",
            "⠋ a command 20 s elapsed",
            "  ━─────────── 1 of 9 steps · 1 cached · 21 s elapsed · ETA unknown",
        ]
    );
}

#[test]
fn a_wide_terminal_shows_all() {
    let shown = shown(&view(), 200);
    let parts = "250/500 steps · 50% · 12.5 steps/s · loss.train 3.215 · learning_rate 0.003000 · 20 s elapsed · 20 s left";
    assert!(shown[0].contains(&format!("{} {parts}", "─".repeat(15))), "{shown:#?}");
}

#[test]
fn what_is_known_of_the_steps_makes_the_time_that_is_left() {
    let mut view = view();
    let names = ["images", "pretrain", "fetch", "a command", "probe[layer=0]", "probe[layer=1]", "table"];
    let seconds = [9.0, 99.0, 25.0, 10.0, 5.0, 0.0, 2.0];
    let after: [&[usize]; 7] = [&[], &[0], &[], &[], &[1], &[1], &[4, 5]];
    let known = names.iter().zip(seconds).zip(after);
    view.expect(
        known
            .map(|((name, seconds), after)| expected(name, (seconds > 0.0).then_some(seconds), after))
            .collect(),
    );
    view.rehearse(21.0, 8);
    // The training is 20 s from its end, then a probe and the table; one probe never ran.
    let of = |view: &View| shown(view, 80).pop().unwrap();
    assert!(of(&view).ends_with("21 s elapsed · at least 27 s left"), "{}", of(&view));
    let wide = shown(&view, 140).pop().unwrap();
    assert!(wide.ends_with("at least 27 s left (2 steps never timed)"), "{wide}");
    // A command that is over its time tells nothing more of its end; that of the download is known.
    let lines = shown(&view, 80);
    assert!(lines[1].ends_with("20 s elapsed · about 5 s left"), "{lines:#?}");
    assert!(lines[2].ends_with("20 s elapsed"), "{lines:#?}");
    // One probe tells of the other.
    for event in [succeeded("pretrain", 20.0), started("probe[layer=0]"), succeeded("probe[layer=0]", 3.0)] {
        view.take(21.0, &event);
    }
    view.take(21.0, &succeeded("a command", 20.0));
    view.rehearse(23.0, 8);
    let left = view.left(23.0).unwrap();
    assert_eq!((left.seconds, left.unknown), (5.0, 0));
}

#[test]
fn candidates_that_a_search_leaves_out_do_not_count() {
    let mut view = view();
    let candidate = |name: &str| Expected { search: Some("pre".into()), ..expected(name, Some(50.0), &[]) };
    view.expect(vec![candidate("pre[lr=1]"), candidate("pre[lr=2]"), candidate("pre[lr=3]")]);
    view.take(2.0, &succeeded("pre[lr=1]", 1.0));
    view.take(2.0, &Event::SearchSettled { step: "pre".into(), value: 1.into(), tried: (1, 3) });
    view.rehearse(5.0, 1);
    assert_eq!(view.left(5.0).map(|left| left.seconds), Some(0.0));
    assert_eq!(view.settled(), (2, 7));
}

#[test]
fn a_low_terminal_shows_some_steps_and_counts_the_rest() {
    let mut view = View::default();
    (0..30).for_each(|n| view.take(0.0, &started(&format!("step {n}"))));
    for rows in [1, 2, 5, 24] {
        let lines = lines(&view, 1.0, Size { columns: 80, rows }, Style::default());
        assert!(lines.len() < rows.max(3), "{rows}: {}", lines.len());
        assert!(lines.iter().any(|line| line.text.contains("more step")), "{rows}");
    }
}

#[test]
fn a_run_that_is_told_to_stop_says_for_whom_it_waits() {
    let mut view = view();
    view.stopping = true;
    let last = shown(&view, 120).pop().unwrap();
    let text =
        "  stopping: waiting for `pretrain`, `fetch`, `a command` (Ctrl-C again stops at once) 21 s elapsed";
    assert_eq!(last.replace(" · ", " "), text);
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let mut view = view();
    let long = "a-step-with-quite-a-long-name[learning_rate=0.003,画像=大きい,seed=12345]";
    view.take(2.0, &started(long));
    view.take(2.0, &Event::StepNoted { step: long.into(), text: "tells something ".repeat(20) });
    view.take(20.0, &progressed(long, 123_456_789, 987_654_321, "images"));
    for width in WIDTHS {
        for stopping in [false, true] {
            view.stopping = stopping;
            for line in lines(&view, 21.0, Size { columns: width, rows: 24 }, Style::default()) {
                assert_eq!(columns(&line.text), line.columns, "{line:?}");
                assert!(line.columns < width.max(1) || line.columns == 0, "{width}: {line:?}");
            }
            let style = Style { colour: true, ..Style::default() };
            for line in lines(&view, 21.0, Size { columns: width, rows: 24 }, style) {
                let bare = crate::report::clean::lines(&line.text).into_owned();
                assert_eq!(columns(&bare), line.columns, "{line:?}");
            }
        }
    }
}

#[test]
fn a_step_that_is_elsewhere_says_where_and_its_time_counts_from_there() {
    let mut view = View::default();
    let moved = |state: &str| Event::StepMoved {
        step: "s".into(),
        standing: Standing { state: state.into(), ..Standing::default() },
    };
    view.take(1.0, &started("s"));
    view.take(2.0, &moved("queued (Priority)"));
    assert!(shown(&view, 80)[0].contains("s queued (Priority) · 19 s elapsed"), "{:?}", shown(&view, 80));
    view.take(16.0, &moved("running on n2"));
    view.take(17.0, &progressed("s", 5, 10, "steps"));
    let line = &shown(&view, 80)[0];
    assert!(line.contains("running on n2 · 5/10 steps") && line.contains("5 s elapsed"), "{line}");
}
