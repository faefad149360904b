//! One point: a run with the fault, runs without it, and what was wrong with any of them.

use super::super::remains::leftovers;
use super::super::support::Ran;
use super::scene::Scene;
use super::shim::{Shim, Told};

pub(super) const RUN: [&str; 4] = ["run", "pipeline.yaml", "-j", "1"];

/// Something that must not be.
pub(super) struct Wrong {
    /// `wrong bytes`, `lost`, `stuck`, `unsound`, `left`, `panicked` or `unclear`.
    pub(super) sort: &'static str,
    pub(super) text: String,
}

pub(super) struct Judged {
    pub(super) told: Told,
    pub(super) wrongs: Vec<Wrong>,
    /// What the run with the fault said.
    pub(super) said: String,
}

pub(super) fn judge(shim: &Shim, scene: &Scene, kind: &str, at: u64) -> Judged {
    scene.reset();
    let faulty = scene.igpt_flow(&RUN, |command| shim.load(command, kind, at));
    let (told, mut wrongs) = (shim.told(), Vec::new());
    let mut wrong = |sort, text: String| wrongs.push(Wrong { sort, text });
    let said = faulty.as_ref().map(said).unwrap_or_default();
    match &faulty {
        None => wrong("stuck", "the run does not end".to_owned()),
        Some(ran) if ran.code == 0 => {
            if !scene.differences().is_empty() {
                wrong("wrong bytes", format!("exported with exit 0: {:?}", scene.differences()));
            }
        }
        Some(ran) => failed(kind, ran, &said, &mut wrong),
    }
    if let Some(path) = scene.torn() {
        wrong("wrong bytes", format!("{} is torn", path.display()));
    }
    heal(scene, kind, &mut wrong);
    Judged { told, wrongs, said }
}

/// What a run that failed must have said.
fn failed(kind: &str, ran: &Ran, said: &str, wrong: &mut impl FnMut(&'static str, String)) {
    if kind.starts_with("KILL") && ran.code == -1 {
        return;
    }
    let why: Vec<&str> = said.lines().filter(|line| !is_progress(line)).collect();
    let why = why.join(" / ");
    if said.contains("panicked") || ran.code == -1 {
        wrong("panicked", format!("exit {}: {why}", ran.code));
    } else if !names_something(&why) {
        wrong("unclear", format!("exit {}: {why}", ran.code));
    }
    if kind == "SHORT" {
        wrong("unclear", format!("exit {} although a short call is no error: {why}", ran.code));
    }
}

/// Runs until all is well again, and looks at what there is then.
fn heal(scene: &Scene, kind: &str, wrong: &mut impl FnMut(&'static str, String)) {
    let run = || scene.igpt_flow(&RUN, |_| ());
    let is_well = |ran: &Option<Ran>| ran.as_ref().is_some_and(|ran| ran.code == 0);
    let mut ran = run();
    if !is_well(&ran) {
        ran = run();
    }
    if !is_well(&ran) {
        return wrong("stuck", ran.as_ref().map_or("the next run does not end".to_owned(), said));
    }
    if !scene.differences().is_empty() {
        wrong("wrong bytes", format!("in the end: {:?}", scene.differences()));
    }
    let executed = scene.executed();
    // A fault may cost the step that it struck, a short call nothing.
    if executed.len() > scene.steps + usize::from(kind != "SHORT") {
        wrong("lost", format!("executed {executed:?}"));
    }
    if !is_well(&run()) || scene.executed() != executed {
        wrong("lost", format!("a second run executes {:?} after {executed:?}", scene.executed()));
    }
    match scene.igpt_flow(&["verify"], |_| ()) {
        Some(ran) if ran.code == 0 => {}
        ran => wrong("unsound", format!("verify: {}", ran.as_ref().map(said).unwrap_or_default())),
    }
    let left = leftovers(&scene.folder());
    if !left.is_empty() {
        wrong("left", format!("{left:?}"));
    }
}

fn said(ran: &Ran) -> String {
    format!("{}{}", ran.out, ran.err)
}

/// Whether a message names a step, a file, or whatever stands in backticks.
fn names_something(text: &str) -> bool {
    ["FAILED ", "/", "`"].iter().any(|mark| text.contains(mark))
}

/// Whether a line only says what the run is at, or belongs to the one attempt that is meant to fail.
fn is_progress(line: &str) -> bool {
    const BEGINNINGS: [&str; 9] = [
        "store ",
        "run ",
        "start ",
        "done ",
        "reuse ",
        "write ",
        "log ",
        "it is tried again",
        "FAILED last (attempt 1): the command failed",
    ];
    BEGINNINGS.iter().any(|words| line.trim_start().starts_with(words)) || line.contains(" executed, ")
}
