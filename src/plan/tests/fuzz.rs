//! Damaged pipelines: whatever is in the file, the planner returns errors and never panics.

use super::EXPERIMENT;
use crate::pipeline::{Overrides, render};
use crate::plan::testing::planned_bytes;

/// Pieces that mean something to YAML or to the pipeline language.
const PIECES: &[&str] = &[
    "${",
    "}",
    "${vars.side}",
    "$${",
    "${matrix.layer}",
    "{",
    "[",
    "]",
    ":",
    "- ",
    "\n",
    "  ",
    "\t",
    "'",
    "\"",
    "&a",
    "*a",
    "<<: *a",
    "!t",
    "---\n",
    "~",
    "null",
    "-1",
    "1e309",
    "99999999999999999999",
    "0x10",
    ".nan",
    "*",
    "*?",
    "/",
    "..",
    "./x",
    "images.images",
    "pre.*",
    "features.layers/1/2",
    "search: {}",
    "matrix: {}",
    "range: [0, 3]",
    "\u{feff}",
    "é",
    "\0",
    "#",
    "uses: command",
    "with:",
    "in: {a: b.c}",
    "{path: x}",
    "export: {}",
    "seed: 1",
];

/// A small generator of reproducible numbers (SplitMix64, Steele et al. 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

/// Damages bytes a few times.
fn mutate(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(12)).min(bytes.len());
        match random.below(6) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
            2 => drop(bytes.splice(at..end, PIECES[random.below(PIECES.len())].bytes())),
            3 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.below(256) as u8;
                }
            }
            4 => {
                let copy = bytes[at..end].to_vec();
                let to = random.below(bytes.len() + 1);
                drop(bytes.splice(to..to, copy));
            }
            _ => {
                // A word becomes another word of the file.
                let words: Vec<Vec<u8>> = bytes
                    .split(|b| !b.is_ascii_alphanumeric())
                    .filter(|w| !w.is_empty())
                    .map(<[u8]>::to_vec)
                    .collect();
                if !words.is_empty() {
                    let (from, to) = (&words[random.below(words.len())], &words[random.below(words.len())]);
                    if let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
                        drop(bytes.splice(at..at + from.len(), to.iter().copied()));
                    }
                }
            }
        }
    }
    bytes
}

#[test]
fn damaged_pipelines_never_panic() {
    let mut random = Random(7);
    let mut wrong = 0;
    for _ in 0..1000 {
        let bytes = mutate(EXPERIMENT.as_bytes(), &mut random);
        if let Err(errors) = planned_bytes(&bytes, &Overrides::default()) {
            assert!(!errors.is_empty(), "a refusal says why");
            assert!(!render(&errors, true).is_empty());
            wrong += 1;
        }
    }
    assert!((300..1000).contains(&wrong), "the damage is neither too light nor too heavy: {wrong}");
}

#[test]
fn damaged_overrides_never_panic() {
    let mut random = Random(11);
    for _ in 0..1000 {
        let set = mutate(b"stages.pre.with.validation.fraction=0.2", &mut random);
        let sets = vec![String::from_utf8_lossy(&set).into_owned()];
        let overrides = Overrides { profiles: vec!["smoke".into()], sets };
        if let Err(errors) = planned_bytes(EXPERIMENT.as_bytes(), &overrides) {
            assert!(!errors.is_empty(), "a refusal says why");
        }
    }
}
