//! ImageNet's ground truth: the classes and the labels of the validation images, from the development kit
//! of ILSVRC 2012 or from the two tables of Kaggle's archive.
//!
//! The kit numbers the classes by `ILSVRC2012_ID`, in the order of `meta.mat`; a line of the ground truth
//! is such a number. Only `meta.mat` maps it to a WordNet id (wnid), which is the class name here.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use igpt_contract::{StageContext, StageError};
use igpt_dataset::{shown, shown_path};

use crate::matlab::{FieldValue, structures};
use crate::tarball::{SizeLimits, each_file, read_member};

/// The kit's archive has 2.5 MB.
const LIMITS: SizeLimits = SizeLimits { member: 1 << 26, total: 1 << 28 };
const KITS: [&str; 2] = ["ILSVRC2012_devkit_t12.tar.gz", "ILSVRC2012_devkit_t12.tar"];
const FOLDERS: [&str; 3] = ["ILSVRC2012_devkit_t12", "devkit", ""];
const META: &str = "data/meta.mat";
const TRUTH: &str = "data/ILSVRC2012_validation_ground_truth.txt";
const MAPPING: &str = "LOC_synset_mapping.txt";
const SOLUTION: &str = "LOC_val_solution.csv";

/// The words of the classes and the labels of the validation images.
#[derive(Debug, Default)]
pub(crate) struct GroundTruth {
    /// The words of each class, by wnid; empty if unknown.
    pub(crate) words: BTreeMap<String, String>,
    /// The wnid of every validation image, from number 1, and the file that it was read from.
    pub(crate) val: Option<(PathBuf, Vec<String>)>,
}

/// Whether a string is a WordNet id: `n` and eight digits.
pub(crate) fn is_wnid(text: &str) -> bool {
    text.strip_prefix('n').is_some_and(|digits| digits.len() == 8 && is_digits(digits))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number of a validation image, `ILSVRC2012_val_00000001` and on, with or without a file's
/// extension.
pub(crate) fn val_number(name: &str) -> Option<usize> {
    let stem = name.split('.').next().unwrap_or_default();
    let digits = stem.strip_prefix("ILSVRC2012_val_")?;
    if digits.len() == 8 && is_digits(digits) { digits.parse().ok() } else { None }
}

/// Reads the ground truth of a folder: the kit as an archive, the kit unpacked, or Kaggle's tables.
///
/// # Errors
/// If one exists and is not valid.
pub(crate) fn find(root: &Path, cx: &StageContext) -> Result<GroundTruth, StageError> {
    if let Some(archive) = KITS.map(|name| root.join(name)).into_iter().find(|path| path.is_file()) {
        return from_archive(&archive, cx);
    }
    for folder in FOLDERS.map(|name| root.join(name)) {
        if folder.join(META).is_file() {
            let (meta, truth) = (folder.join(META), folder.join(TRUTH));
            return kit(&meta, &read(&meta)?, &truth, &read(&truth)?);
        }
    }
    kaggle(root)
}

fn read(path: &Path) -> Result<Vec<u8>, StageError> {
    let failed = |error| StageError::caused(format!("cannot read `{}`", shown_path(path)), error);
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LIMITS.member + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 <= LIMITS.member {
        return Ok(bytes);
    }
    let (path, most) = (shown_path(path), LIMITS.member);
    Err(StageError::new(format!("`{path}`: expected at most {most} bytes, found more")))
}

fn from_archive(path: &Path, cx: &StageContext) -> Result<GroundTruth, StageError> {
    let mut found: [Option<Vec<u8>>; 2] = [None, None];
    each_file(path, path, LIMITS, cx, |member, input| {
        let is = |name: &str| {
            member.name.strip_suffix(name).is_some_and(|folder| folder.is_empty() || folder.ends_with('/'))
        };
        let Some(place) = [META, TRUTH].iter().position(|name| is(name)) else { return Ok(()) };
        let bytes = read_member(member, input)
            .map_err(|error| StageError::caused(format!("`{}` is truncated", shown_path(path)), error))?;
        match found[place].replace(bytes) {
            None => Ok(()),
            Some(_) => {
                let what = format!(
                    "`{}`: expected each file once, found `{}` twice",
                    shown_path(path),
                    [META, TRUTH][place]
                );
                Err(StageError::new(what))
            }
        }
    })?;
    match found {
        [Some(meta), Some(truth)] => kit(&path.join(META), &meta, &path.join(TRUTH), &truth),
        [meta, _] => {
            let missing = if meta.is_none() { META } else { TRUTH };
            let what = format!("`{}`: expected the file `{missing}`, found none", shown_path(path));
            Err(StageError::new(what)
                .hint("use the archive of tasks 1 and 2, `ILSVRC2012_devkit_t12.tar.gz`"))
        }
    }
}

/// Reads `meta.mat` and the ground truth.
fn kit(meta_path: &Path, meta: &[u8], truth_path: &Path, truth: &[u8]) -> Result<GroundTruth, StageError> {
    let refuse = |what: String| StageError::new(format!("`{}`: {what}", shown_path(meta_path)));
    let fields = ["num_children", "ILSVRC2012_ID", "WNID", "words"];
    let mut wnids: BTreeMap<u32, String> = BTreeMap::new();
    let mut words = BTreeMap::new();
    for (row, values) in structures(meta, "synsets", &fields).map_err(refuse)?.into_iter().enumerate() {
        let [
            FieldValue::Number(children),
            FieldValue::Number(id),
            FieldValue::Text(wnid),
            FieldValue::Text(text),
        ] = &values[..]
        else {
            return Err(refuse(format!(
                "expected two numbers and two strings in synset {}, found other types",
                row + 1
            )));
        };
        // Other synsets are groups of classes, which no image has as its label.
        if *children != 0.0 {
            continue;
        }
        if !(id.fract() == 0.0 && (1.0..=1e6).contains(id) && is_wnid(wnid)) {
            let what = format!(
                "expected an id ≥ 1 and a wnid in synset {}, found {id} and `{}`",
                row + 1,
                shown(wnid)
            );
            return Err(refuse(what));
        }
        let twice = words.insert(wnid.clone(), text.clone()).is_some();
        if wnids.insert(*id as u32, wnid.clone()).is_some() || twice {
            return Err(refuse(format!("expected each class once, found {id} or `{wnid}` twice")));
        }
    }
    let mut val = Vec::new();
    for (at, line) in lines(truth_path, truth)? {
        let wnid = line.parse::<u32>().ok().and_then(|id| wnids.get(&id)).ok_or_else(|| {
            let what = format!(
                "`{}`: line {at}: expected one of the {} values of ILSVRC2012_ID in `meta.mat`, found `{}`",
                shown_path(truth_path),
                wnids.len(),
                shown(line)
            );
            StageError::new(what)
        })?;
        val.push(wnid.clone());
    }
    Ok(GroundTruth { words, val: Some((truth_path.to_owned(), val)) })
}

/// Reads Kaggle's tables, if they exist: `WNID words` and `IMAGE,WNID box WNID box ...`.
fn kaggle(root: &Path) -> Result<GroundTruth, StageError> {
    let mut truth = GroundTruth::default();
    let path = root.join(MAPPING);
    if path.is_file() {
        for (at, line) in lines(&path, &read(&path)?)? {
            let (wnid, text) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let known = truth.words.insert(wnid.to_owned(), text.trim().to_owned());
            if known.is_some() || !is_wnid(wnid) {
                let what = format!(
                    "`{}`: line {at}: expected `WNID words`, each wnid once, found `{}`",
                    shown_path(&path),
                    shown(line)
                );
                return Err(StageError::new(what));
            }
        }
    }
    let path = root.join(SOLUTION);
    if path.is_file() {
        let mut by_number = BTreeMap::new();
        for (at, line) in lines(&path, &read(&path)?)? {
            if at == 1 && line == "ImageId,PredictionString" {
                continue;
            }
            let entry = solution(line).filter(|(number, _)| *number > 0);
            let new = entry.map(|(number, wnid)| by_number.insert(number, wnid.to_owned()).is_none());
            if new != Some(true) {
                let what = format!(
                    "`{}`: line {at}: expected `ILSVRC2012_val_NUMBER,WNID box`, each image once and of one class, found `{}`",
                    shown_path(&path),
                    shown(line)
                );
                return Err(StageError::new(what));
            }
        }
        let n = by_number.len();
        if by_number.last_key_value().is_some_and(|(last, _)| *last != n) {
            let what = format!("`{}`: expected the images 1 to {n}, found gaps", shown_path(&path));
            return Err(StageError::new(what));
        }
        truth.val = Some((path, by_number.into_values().collect()));
    }
    Ok(truth)
}

/// The image and the class of a line of Kaggle's solution; all of its boxes have that class.
fn solution(line: &str) -> Option<(usize, &str)> {
    let (image, boxes) = line.split_once(',')?;
    let words: Vec<&str> = boxes.split_whitespace().collect();
    let first = words.first().filter(|wnid| is_wnid(wnid))?;
    let one_class = words.chunks(5).all(|one| one.len() == 5 && one[0] == *first);
    if one_class && !image.contains('.') { Some((val_number(image)?, first)) } else { None }
}

/// The lines of a text that are not blank, trimmed and with their numbers. A byte order mark is ignored.
fn lines<'a>(path: &Path, bytes: &'a [u8]) -> Result<Vec<(usize, &'a str)>, StageError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        StageError::caused(format!("`{}`: expected a UTF-8 text file", shown_path(path)), error)
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let numbered = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim()));
    Ok(numbered.filter(|(_, line)| !line.is_empty()).collect())
}
