//! Runs for the tests of pages, from their events alone.

use std::fmt::Write as _;

use igpt_contract::Digest;
use tempfile::TempDir;

use super::page::Medium;
use super::run::Run;
use crate::store::Store;

/// A run whose steps ended, each in so many seconds after so many: (name, began, took). The folder is its store.
pub(crate) fn ran(steps: &[(String, u32, u32)]) -> (TempDir, Run) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let folder = store.new_run().unwrap();
    let key = Digest::of(b"k");
    let cost = r#"{"wall_s":1.0,"cpu_s":1.0,"peak_memory_mib":1.0}"#;
    let mut text = String::new();
    let mut say = |at: u32, event: String| {
        let (hours, minutes, seconds) = (at / 3600, at / 60 % 60, at % 60);
        let time = format!("2026-01-01T{hours:02}:{minutes:02}:{seconds:02}Z");
        writeln!(text, r#"{{"n":0,"time":"{time}",{event}}}"#).unwrap();
    };
    say(0, r#""event":"run_started","run":"r","pipeline":"p","store":"/s","steps":1"#.to_owned());
    for (name, began, took) in steps {
        let step = format!(r#""step":"{name}","key":"{key}""#);
        say(*began, format!(r#""event":"step_started",{step},"reason":"new","attempt":1"#));
        let ended =
            format!(r#""event":"step_succeeded",{step},"outputs":{{}},"cost":{cost},"adopted":false"#);
        say(began + took, ended);
    }
    std::fs::write(folder.events_path(), text).unwrap();
    let run = Run::read(&store, &folder, None, Medium::File, false);
    assert_eq!(run.steps.len(), steps.len());
    (dir, run)
}
