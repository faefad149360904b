//! A run while it goes on: what is new in its events, as the script of the page takes it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::PathBuf;

use igpt_contract::Curve;
use serde::Serialize;

use super::boxes::Boxes;
use super::curves::series_id;
use super::progress::{Progress, StepProgress};
use super::run::{Run, state_of, tally};
use crate::store::RunFolder;

/// Follows a run.
pub(crate) struct Follower {
    folder: RunFolder,
    run: Run,
    boxes: Boxes,
    events: PathBuf,
    offset: u64,
    progress: Progress,
    places: HashMap<String, usize>,
    /// How many points of each curve the page has.
    sent: HashMap<String, usize>,
    is_first: bool,
}

/// The new points of a curve.
type Points = Vec<(f64, Option<f64>)>;

/// What is new: steps by their places, nodes and boxes by their ids, with state, sign and words; points by their curves.
#[derive(Debug, Serialize)]
pub(crate) struct News {
    steps: Vec<(usize, &'static str, &'static str, String)>,
    nodes: Vec<(String, &'static str, &'static str, String)>,
    points: Vec<(String, Points)>,
    tally: String,
    pub(crate) ended: bool,
}

impl Follower {
    /// Follows the run that a page shows. The page may be older than its follower: the first news are
    /// all that is known, without the points that are there.
    pub(crate) fn new(folder: RunFolder, run: Run) -> Self {
        let places = run.steps.iter().enumerate().map(|(place, step)| (step.name.clone(), place)).collect();
        let sent = run.steps.iter().enumerate().flat_map(|(place, step)| {
            step.seen.curves.iter().map(move |(name, points)| (series_id(place, name), points.len()))
        });
        Self {
            events: folder.events_path(),
            sent: sent.collect(),
            folder,
            offset: 0,
            progress: Progress::default(),
            places,
            boxes: Boxes::of(&run),
            run,
            is_first: true,
        }
    }

    /// What came since the last call; none where nothing did.
    pub(crate) fn news(&mut self) -> Option<News> {
        // In this order: what is in the file when nobody writes any more is all that there will be.
        let is_over = !self.folder.is_running();
        self.read();
        let touched = self.progress.take_touched();
        let ended = is_over || self.progress.ended.is_some();
        if touched.is_empty() && !ended && !std::mem::take(&mut self.is_first) {
            return None;
        }
        self.is_first = false;
        let places: BTreeSet<usize> =
            touched.iter().filter_map(|name| self.places.get(name).copied()).collect();
        let nodes: BTreeSet<usize> = places.iter().map(|place| self.run.steps[*place].node).collect();
        let boxes: BTreeSet<usize> = nodes.iter().map(|node| self.boxes.of[*node]).collect();
        let unknown = StepProgress::default();
        let seen = |place: usize| self.progress.steps.get(&self.run.steps[place].name).unwrap_or(&unknown);
        let steps = places.iter().map(|place| {
            let seen = seen(*place);
            (*place, seen.state.word(), seen.state.sign(), self.run.text(&seen.words()).into_owned())
        });
        let steps = steps.collect();
        let of = |id: String, steps: &[usize]| {
            let (state, words) = state_of(steps, seen);
            (id, state.word(), state.sign(), self.run.text(&words).into_owned())
        };
        let nodes = nodes.into_iter().map(|n| of(n.to_string(), &self.run.nodes[n].steps));
        let boxes = boxes.into_iter().map(|found| &self.boxes.all[found]);
        let shared = boxes.filter(|found| found.nodes.len() > 1).map(|found| of(found.id(), &found.steps));
        let nodes = nodes.chain(shared).collect();
        let mut points = Vec::new();
        let curves: Vec<(usize, &BTreeMap<String, Curve>)> =
            places.iter().map(|place| (*place, &seen(*place).curves)).collect();
        for (place, curves) in curves {
            for (name, curve) in curves {
                let id = series_id(place, name);
                let from = self.sent.insert(id.clone(), curve.len()).unwrap_or(0);
                let new: Points = curve
                    .get(from..)
                    .unwrap_or_default()
                    .iter()
                    .map(|(x, y)| (*x, y.is_finite().then_some(*y)))
                    .collect();
                if !new.is_empty() {
                    points.push((id, new));
                }
            }
        }
        Some(News { steps, nodes, points, tally: tally(|is| self.progress.count(is)), ended })
    }

    /// Reads the lines that are whole.
    fn read(&mut self) {
        let Ok(file) = File::open(&self.events) else { return };
        let mut file = BufReader::new(file);
        if file.seek(SeekFrom::Start(self.offset)).is_err() {
            return;
        }
        let mut line = Vec::new();
        while file.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) && line.ends_with(b"\n") {
            self.offset += line.len() as u64;
            self.progress.take(&line);
            line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write as _;

    use igpt_contract::Digest;

    use super::*;
    use crate::store::Store;
    use crate::view::page::Medium;

    #[test]
    fn news_are_what_came_since_and_points_come_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let folder = store.new_run().unwrap();
        let lock = folder.create_events().unwrap();
        let mut file = OpenOptions::new().append(true).open(folder.events_path()).unwrap();
        let mut say = |event: &str| {
            writeln!(file, r#"{{"n":0,"time":"2026-01-01T00:00:00Z",{event}}}"#).unwrap();
        };
        let point = |x: u32| {
            format!(r#""event":"metric_logged","step":"s[n=1]","name":"loss","x":{x},"value":"NaN""#)
        };
        let key = Digest::of(b"k");
        say(&format!(r#""event":"step_started","step":"s[n=1]","key":"{key}","reason":"r","attempt":1"#));
        say(&point(1));
        let run = Run::read(&store, &folder, None, Medium::Served, false);
        assert!(run.is_running());
        let mut follower = Follower::new(folder.clone(), run);
        let first = follower.news().unwrap();
        assert_eq!(first.steps, [(0, "running", "◐", "running".to_owned())]);
        assert!(first.points.is_empty(), "the page has it");
        assert!(follower.news().is_none());
        say(&point(2));
        say(r#""event":"step_progressed","step":"s[n=1]","done":2,"total":9,"unit":"steps""#);
        let second = follower.news().unwrap();
        assert_eq!(second.points, [("0 loss".to_owned(), vec![(2.0, None)])]);
        assert_eq!(second.nodes[0].3, "running, 22 %");
        assert!(follower.news().is_none() && !second.ended);
        drop(lock);
        // A process that another test is just starting holds what we held for a moment longer.
        let ended = (0..500).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            follower.news()
        });
        assert!(ended.is_some_and(|news| news.ended), "its process is gone");
    }

    #[test]
    fn a_box_of_many_steps_is_told_by_what_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let folder = store.new_run().unwrap();
        let _lock = folder.create_events().unwrap();
        let mut file = OpenOptions::new().append(true).open(folder.events_path()).unwrap();
        let key = Digest::of(b"k");
        for n in 0..150 {
            let event = format!(r#""event":"step_reused","step":"s{n}","key":"{key}""#);
            writeln!(file, r#"{{"n":{n},"time":"2026-01-01T00:00:00Z",{event}}}"#).unwrap();
        }
        let run = Run::read(&store, &folder, None, Medium::Served, false);
        let boxes = Boxes::of(&run);
        assert_eq!((run.nodes.len(), boxes.all.len()), (150, 1));
        let id = boxes.all[0].id();
        let news = Follower::new(folder, run).news().unwrap();
        assert_eq!(news.nodes.len(), 151);
        assert_eq!(news.nodes[150], (id, "reused", "↺", "150 reused".to_owned()));
    }
}
