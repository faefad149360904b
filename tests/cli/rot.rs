//! A bit of a store flips, as on a disk that rots: no date moves. Or a file loses its end.
//!
//! Whatever file it is in, no wrong byte is exported with exit 0, no step fails for ever, and
//! `verify` ends with 0 again after at most one more run. `IGPT_FLOW_ROT=2000` says how many times.

use std::collections::BTreeMap;
use std::fs::{self, FileTimes, OpenOptions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::random::{Random, rounds, seed};
use super::remains::{Snapshot, copy, differences, exports, tell};
use super::support::{Project, Ran, within_limit};

/// What must not be.
const SORTS: [&str; 5] = ["wrong", "wrong after `verify`", "stuck", "unsound", "panicked"];

const PIPELINE: &str = r#"
name: rot
vars: {word: first}
stages:
  file: {uses: command, in: {x: ./input}, with: {run: 'cat x x x > out'}}
  folder:
    uses: command
    in: {x: file.out}
    with: {run: 'mkdir -p out/sub/deep out/other; cat x > out/sub/a; head -c 20 x > out/sub/deep/b; cp x out/other/c'}
  part: {uses: command, in: {x: folder.out/sub}, with: {run: 'cat x/a x/deep/b > out'}}
  both: {uses: command, in: {x: folder.out, y: part.out}, with: {run: 'cat x/other/c x/sub/a y > out; echo ${vars.word} >> out'}}
export: {file.out: results/file, folder.out: results/folder, part.out: results/part, both.out: results/both}
"#;

#[test]
fn a_rotten_bit_is_never_exported_and_heals() {
    let (flips, seed) = (rounds("IGPT_FLOW_ROT", 40), seed());
    let (mut random, store) = (Random::new(seed), Store::new());
    let (mut places, mut score) = (BTreeMap::new(), BTreeMap::from(SORTS.map(|sort| (sort, 0))));
    for n in 0..flips {
        store.reset();
        let word = random.pick(&["first", "second"]);
        let (place, what) = store.damage(&mut random);
        *places.entry(place).or_insert(0) += 1;
        for (sort, text) in store.heal(word) {
            *score.entry(sort).or_insert(0) += 1;
            tell(&format!("  flip {n}, {what}, word {word}: {sort}: {text}"));
        }
    }
    tell(&format!("rot: {flips} flips {places:?}, {score:?}, seed {seed}"));
    assert!(score.values().all(|count| *count == 0), "what went wrong is told above");
}

/// A store with results, to go back to after each flip.
struct Store {
    project: Project,
    sound: tempfile::TempDir,
    /// The right exports, by the word that the last step writes.
    right: BTreeMap<&'static str, Snapshot>,
}

impl Store {
    fn new() -> Self {
        let right = ["first", "second"].map(|word| (word, Self::straight(word).1)).into();
        let (project, _) = Self::straight("first");
        let sound = tempfile::tempdir().unwrap();
        copy(&project.path(""), sound.path());
        Self { project, sound, right }
    }

    fn straight(word: &str) -> (Project, Snapshot) {
        let project = Project::new(PIPELINE);
        project.write("input", "what everything is made from\n");
        let ran = run(&project, word);
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        let right = exports(&project);
        (project, right)
    }

    fn reset(&self) {
        fs::remove_dir_all(self.project.path("artifacts")).unwrap();
        copy(self.sound.path(), &self.project.path(""));
        fs::remove_dir_all(self.project.path("results")).unwrap();
    }

    /// Flips a bit of a file, or cuts its end off. Answers which part of the store it belongs to.
    fn damage(&self, random: &mut Random) -> (String, String) {
        let root = self.project.path("artifacts");
        let place = random.pick(
            &names(&root).into_iter().filter(|name| !files(&root.join(name)).is_empty()).collect::<Vec<_>>(),
        );
        let path = random.pick(&files(&root.join(&place)));
        let meta = path.metadata().unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let (at, bit) = (random.below(meta.len() as usize) as u64, random.below(8));
        let how = if random.one_in(5) {
            file.set_len(at).unwrap();
            format!("cut at {at}")
        } else {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ (1 << bit)], at).unwrap();
            format!("bit {bit} of byte {at}")
        };
        file.set_times(FileTimes::new().set_modified(meta.modified().unwrap())).unwrap();
        fs::set_permissions(&path, meta.permissions()).unwrap();
        (place, format!("{how} of {}", path.strip_prefix(&root).unwrap().display()))
    }

    /// Runs and verifies until all is well; answers what was not, with one text for each sort.
    fn heal(&self, word: &str) -> BTreeMap<&'static str, String> {
        let (project, mut found) = (&self.project, BTreeMap::new());
        let mut is_well = |ran: &Ran, sort: &'static str| {
            let wrong = differences(&exports(project), &self.right[word]);
            if ran.code == 0 && !wrong.is_empty() {
                found.entry(sort).or_insert(format!("{wrong:?}"));
            }
            if ran.err.contains("panicked") {
                found.entry("panicked").or_insert(said(ran));
            }
            ran.code == 0 && wrong.is_empty()
        };
        let mut ran = run(project, word);
        for _ in 0..2 {
            if !is_well(&ran, "wrong") {
                ran = run(project, word);
            }
        }
        let well = is_well(&ran, "wrong");
        if project.igpt_flow(&["verify"]).code == 0 {
            fs::remove_dir_all(project.path("results")).ok();
        }
        let healed = run(project, word);
        is_well(&healed, "wrong after `verify`");
        let verified = project.igpt_flow(&["verify"]);
        if !well {
            found.insert("stuck", said(&ran));
        }
        if healed.code != 0 || verified.code != 0 {
            found.insert("unsound", said(&healed) + &said(&verified));
        }
        found
    }
}

fn said(ran: &Ran) -> String {
    format!("exit {}: {}{}", ran.code, ran.out, ran.err)
}

fn run(project: &Project, word: &str) -> Ran {
    let word = format!("vars.word={word}");
    within_limit(project.command(&["run", "pipeline.yaml", "--set", &word])).expect("the run does not end")
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The files at and below a path that have bytes, sorted.
fn files(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return Vec::from_iter(path.metadata().is_ok_and(|meta| meta.len() > 0).then(|| path.to_owned()));
    }
    names(path).iter().flat_map(|name| files(&path.join(name))).collect()
}
