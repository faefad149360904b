//! Every call to the file system that can fail does so once, and a kill comes between any two.
//!
//! A point is a kind of fault and the number of the call that it strikes (`shim.c`). From the same
//! state each time, the pipeline is run with the fault, then again without, until it ends well. The
//! bytes must be right whenever a run ends with 0, a failure must say what failed, and nothing may be
//! lost, left behind or done twice.
//!
//! `IGPT_FLOW_FAULTS=all` walks every point, `KIND:all` those of a kind; a number says how many of each
//! kind; `KIND:NUMBER` tries one point and shows what was said.

mod judge;
mod scene;
mod shim;

use std::collections::BTreeMap;

use super::random::{Random, seed};
use super::remains::tell;
use judge::{Wrong, judge};
use scene::Scene;
use shim::{KINDS, Shim};

/// Points of each kind in an everyday run.
const EVERYDAY: usize = 1;

#[test]
fn any_fault_from_an_empty_store_is_told_or_harmless() {
    walk("empty", Scene::empty);
}

#[test]
fn any_fault_over_older_results_is_told_or_harmless() {
    walk("changed", Scene::changed);
}

#[test]
fn any_fault_where_all_is_recorded_is_told_or_harmless() {
    walk("recorded", Scene::recorded);
}

#[test]
fn the_scene_has_every_kind_of_content() {
    let right = Scene::empty().right;
    let kinds: Vec<&str> = right.values().map(|what| what.split(' ').next().unwrap()).collect();
    for kind in ["file", "tool", "link", "folder"] {
        assert!(kinds.contains(&kind), "no {kind} in {right:?}");
    }
    assert!(right.keys().any(|name| name.ends_with("empty")), "{right:?}");
}

fn walk(name: &str, scene: impl Fn() -> Scene) {
    let Some(shim) = Shim::new() else {
        return tell("skipped: injected faults (there is no C compiler `cc`)");
    };
    let (scene, asked) = (scene(), std::env::var("IGPT_FLOW_FAULTS").unwrap_or_default());
    let (kind, number) = asked.split_once(':').unwrap_or(("", &asked));
    if let (false, Ok(at)) = (kind.is_empty(), number.parse()) {
        return one(&shim, &scene, kind, at);
    }
    let (mut tried, mut wrongs) = (BTreeMap::new(), Vec::new());
    for kind in KINDS.into_iter().filter(|of| kind.is_empty() || kind == *of) {
        for at in points(&shim, &scene, kind, number) {
            let judged = judge(&shim, &scene, kind, at);
            // The order of two threads' calls varies a little: the last points may not be reached.
            if judged.told.what.is_empty() {
                continue;
            }
            *tried.entry(kind).or_insert(0) += 1;
            let what = scene.plain(&judged.told.what);
            wrongs
                .extend(judged.wrongs.into_iter().map(|wrong| (format!("{kind}:{at}"), what.clone(), wrong)));
        }
    }
    let total: usize = tried.values().sum();
    let seed = seed();
    tell(&format!("faults ({name}): {total} points {tried:?}, {} wrong, seed {seed}", wrongs.len()));
    explain(&scene, &wrongs);
    assert!(wrongs.is_empty(), "{} things went wrong at {total} points (above)", wrongs.len());
}

/// The points of a kind that are to be tried.
fn points(shim: &Shim, scene: &Scene, kind: &str, number: &str) -> Vec<u64> {
    scene.reset();
    let ran = scene.igpt_flow(&judge::RUN, |command| shim.load(command, kind, 0)).unwrap();
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    let calls = shim.told().calls;
    assert!(calls > 0, "the library was not loaded");
    if number == "all" {
        return (1..=calls + 2).collect();
    }
    let (mut random, count) = (Random::new(seed()), number.parse().unwrap_or(EVERYDAY));
    (0..count).map(|_| 1 + random.below(calls as usize) as u64).collect()
}

/// Tells what went wrong: each sort at each place once, with one of its points.
fn explain(scene: &Scene, wrongs: &[(String, String, Wrong)]) {
    let mut kinds = BTreeMap::new();
    for (point, what, Wrong { sort, text }) in wrongs {
        kinds.entry((*sort, what)).or_insert_with(Vec::new).push((point, text));
    }
    for ((sort, what), points) in kinds {
        let (point, text) = points[0];
        tell(&format!("  {sort} ({} times): {what}, as {point}: {}", points.len(), scene.plain(text)));
    }
}

fn one(shim: &Shim, scene: &Scene, kind: &str, at: u64) {
    let judged = judge(shim, scene, kind, at);
    tell(&format!("{kind}:{at} at {}\n{}", judged.told.what, judged.said));
    for Wrong { sort, text } in &judged.wrongs {
        tell(&format!("  {sort}: {text}"));
    }
    assert!(judged.wrongs.is_empty());
}
