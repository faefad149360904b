//! How two artifacts differ: by their bytes, and where those are numbers, by how much.
//!
//! Numbers are known in metrics (`metrics.json`) and in weights and checkpoints (`*.safetensors`). All
//! other content is the same or it is not.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use igpt_contract::MetricValues;
use serde::Deserialize;

use crate::store::{Artifact, Content, Store, TreeEntry};

/// A difference of two artifacts.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Difference {
    /// There is none.
    None,
    /// In numbers alone.
    Numbers {
        /// The largest difference, relative to the larger of two numbers.
        relative: f64,
        /// Where that is.
        first: String,
    },
    /// In something else.
    Content {
        /// The first of them.
        first: String,
    },
}

/// Compares an artifact with another of another store.
pub(super) fn compare(old: (&Store, &Artifact), new: (&Store, &Artifact)) -> Difference {
    if old.1 == new.1 {
        return Difference::None;
    }
    let content = |first: String| Difference::Content { first };
    let (Ok(before), Ok(after)) = (old.0.entries(old.1), new.0.entries(new.1)) else {
        let digests = format!("{} instead of {}", new.1.digest.short(), old.1.digest.short());
        return content(format!("{digests}; the recorded content is not in the store"));
    };
    let before: BTreeMap<_, _> = before.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
    let after: BTreeMap<_, _> = after.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
    if let Some(gone) = before.keys().find(|name| !after.contains_key(*name)) {
        return content(format!("`{}` is missing", gone.display()));
    }
    if let Some(more) = after.keys().find(|name| !before.contains_key(*name)) {
        return content(format!("`{}` is new", more.display()));
    }
    let mut worst = Difference::None;
    for (name, entry) in &before {
        let other = &after[name];
        if entry == other {
            continue;
        }
        let numbers = numbers_in(old.0, entry).zip(numbers_in(new.0, other));
        let Some((relative, at)) = numbers.and_then(|(a, b)| largest(&a, &b)) else {
            return content(first_byte(name, (old.0, entry), (new.0, other)));
        };
        let is_worse = match &worst {
            Difference::Numbers { relative: known, .. } => relative > *known,
            _ => true,
        };
        if is_worse {
            let first = format!("`{}`: {at}", name.display());
            worst = Difference::Numbers { relative, first };
        }
    }
    worst
}

/// Named lists of numbers.
type Numbers = BTreeMap<String, Vec<f64>>;

/// The numbers that a file holds; none where it is not known how it holds them.
fn numbers_in(store: &Store, entry: &TreeEntry) -> Option<Numbers> {
    let bytes = fs::read(store.path_of_file(&entry.file()?.0)).ok()?;
    if entry.name == Path::new("metrics.json") {
        return metrics(&bytes);
    }
    (entry.name.extension()? == "safetensors").then(|| tensors(&bytes))?
}

fn metrics(bytes: &[u8]) -> Option<Numbers> {
    let MetricValues { values, facts, curves } = serde_json::from_slice(bytes).ok()?;
    let mut numbers: Numbers = values.into_iter().map(|(name, value)| (name, vec![value])).collect();
    for (name, curve) in curves {
        numbers.insert(format!("curve {name}"), curve.into_iter().flat_map(|(x, y)| [x, y]).collect());
    }
    // Facts that differ make other names.
    numbers.extend(facts.into_iter().map(|(name, fact)| (format!("{name} = {fact}"), Vec::new())));
    Some(numbers)
}

/// The tensors of 32-bit floats of a safetensors file; none where it holds others.
fn tensors(bytes: &[u8]) -> Option<Numbers> {
    #[derive(Deserialize)]
    struct Tensor {
        dtype: String,
        data_offsets: (usize, usize),
    }
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (header, data) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let header: BTreeMap<String, serde_json::Value> = serde_json::from_slice(header).ok()?;
    let mut numbers = Numbers::new();
    for (name, tensor) in header {
        if name == "__metadata__" {
            continue;
        }
        let Tensor { dtype, data_offsets: (start, end) } = serde_json::from_value(tensor).ok()?;
        let (values, rest) = data.get(start..end).filter(|_| dtype == "F32")?.as_chunks::<4>();
        if !rest.is_empty() {
            return None;
        }
        numbers.insert(name, values.iter().map(|value| f32::from_le_bytes(*value).into()).collect());
    }
    Some(numbers)
}

/// The largest relative difference and where it is; none where other numbers are there at all.
fn largest(old: &Numbers, new: &Numbers) -> Option<(f64, String)> {
    if !old.keys().eq(new.keys()) {
        return None;
    }
    let mut worst = (0.0, String::new());
    for (name, old) in old {
        let new = &new[name];
        if old.len() != new.len() {
            return None;
        }
        for (i, (a, b)) in old.iter().zip(new).enumerate() {
            if a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()) {
                continue;
            }
            let relative = (a - b).abs() / a.abs().max(b.abs());
            let relative = if relative.is_nan() { f64::INFINITY } else { relative };
            if relative > worst.0 {
                let place = if old.len() == 1 { name.clone() } else { format!("{name}[{i}]") };
                worst = (relative, format!("{place} is {b} instead of {a}"));
            }
        }
    }
    Some(worst)
}

/// Where the content of an entry first differs.
fn first_byte(name: &Path, old: (&Store, &TreeEntry), new: (&Store, &TreeEntry)) -> String {
    let shown =
        if name.as_os_str().is_empty() { "its content".into() } else { format!("`{}`", name.display()) };
    let (Content::File { digest: a, .. }, Content::File { digest: b, .. }) = (&old.1.content, &new.1.content)
    else {
        return format!("{shown} is of another kind");
    };
    if a == b {
        return format!("the executable bit of {shown}");
    }
    let read = |store: &Store, digest| fs::read(store.path_of_file(digest)).ok();
    let (Some(a), Some(b)) = (read(old.0, a), read(new.0, b)) else {
        return format!("{shown}; the recorded content is not in the store");
    };
    let at = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let line = 1 + a[..at].iter().filter(|byte| **byte == b'\n').count();
    format!("{shown} from byte {at} on (line {line}); {} bytes instead of {}", b.len(), a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stores() -> (tempfile::TempDir, Store, Store) {
        let dir = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| Store::open(&dir.path().join(name)).unwrap());
        (dir, a, b)
    }

    fn compared(name: &str, old: &[u8], new: &[u8]) -> Difference {
        let (_dir, a, b) = stores();
        let (old, new) = (a.insert_files(&[(name, old)]).unwrap(), b.insert_files(&[(name, new)]).unwrap());
        compare((&a, &old), (&b, &new))
    }

    #[test]
    fn equal_bytes_do_not_differ_and_others_differ_somewhere() {
        assert_eq!(compared("x", b"a\nb", b"a\nb"), Difference::None);
        let Difference::Content { first } = compared("x", b"a\nb", b"a\nc") else { panic!() };
        assert_eq!(first, "`x` from byte 2 on (line 2); 3 bytes instead of 3");
    }

    #[test]
    fn metrics_differ_by_so_much() {
        let of = |loss: f64| serde_json::to_vec(&MetricValues::default().with("loss", loss)).unwrap();
        let Difference::Numbers { relative, first } = compared("metrics.json", &of(2.0), &of(1.0)) else {
            panic!()
        };
        assert_eq!((relative, &*first), (0.5, "`metrics.json`: loss is 1 instead of 2"));
        let other = serde_json::to_vec(&MetricValues::default().with("accuracy", 1.0)).unwrap();
        assert!(matches!(compared("metrics.json", &of(2.0), &other), Difference::Content { .. }));
    }

    #[test]
    fn weights_differ_by_so_much() {
        let of = |value: f32| {
            let header = br#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
            let length = (header.len() as u64).to_le_bytes();
            [&length[..], header, &1.0_f32.to_le_bytes(), &value.to_le_bytes()].concat()
        };
        let Difference::Numbers { relative, first } = compared("m.safetensors", &of(4.0), &of(3.0)) else {
            panic!()
        };
        assert_eq!((relative, &*first), (0.25, "`m.safetensors`: w[1] is 3 instead of 4"));
        assert!(matches!(compared("m.safetensors", &of(4.0), b"torn"), Difference::Content { .. }));
    }
}
