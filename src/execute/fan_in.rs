//! The folder that a command finds where a port gathers: an entry for each artifact, and what each is.
//!
//! An entry is named by its labels, `layer=3,seed=0`, so that a shell can name it; `labels.json` says
//! the same as data. Only what the key holds goes in, in the key's order.

use std::collections::BTreeMap;

use igpt_contract::{Digest, Labels};
use serde_json::{Value, json};

/// The file that lists the entries.
pub const LABELS: &str = "labels.json";

/// The longest name that is not cut, in bytes.
const LONGEST: usize = 120;

/// A name for each set of labels. Characters other than letters, digits and `._=,-` become `-`; where
/// that, or the length, would make a name another one's, a digest of the labels makes it their own.
pub fn entries(labels: &[Labels]) -> Vec<String> {
    let plain: Vec<String> = labels.iter().map(plain).collect();
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &plain {
        *times.entry(name).or_default() += 1;
    }
    let own = |(labels, name): (&Labels, &String)| {
        if times[name.as_str()] == 1 && name.len() <= LONGEST && name.chars().all(is_kept) {
            return name.clone();
        }
        let kept: String = name.chars().map(|c| if is_kept(c) { c } else { '-' }).take(LONGEST).collect();
        format!("{kept}-{}", Digest::of(json!(labels).to_string().as_bytes()).short())
    };
    labels.iter().zip(&plain).map(own).collect()
}

/// The text of [`LABELS`]: a list with the name and the labels of each entry.
pub fn labels_json(labels: &[Labels]) -> String {
    let entries = entries(labels);
    let list: Vec<Value> =
        entries.iter().zip(labels).map(|(entry, labels)| json!({"entry": entry, "labels": labels})).collect();
    format!("{:#}\n", Value::from(list))
}

fn is_kept(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._=,-".contains(c)
}

fn plain(labels: &Labels) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let labels: Vec<String> = labels.iter().map(|(axis, value)| format!("{axis}={}", text(value))).collect();
    labels.join(",")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn labels(pairs: &Value) -> Labels {
        pairs.as_object().unwrap().iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    #[test]
    fn entries_are_named_by_their_labels() {
        let all = [json!({"layer": 3, "seed": 0}), json!({"layer": 10, "seed": 0}), json!({"step": "a"})];
        let all: Vec<Labels> = all.iter().map(labels).collect();
        assert_eq!(entries(&all), ["layer=3,seed=0", "layer=10,seed=0", "step=a"]);
        let listed: Value = serde_json::from_str(&labels_json(&all)).unwrap();
        assert_eq!(listed[1], json!({"entry": "layer=10,seed=0", "labels": {"layer": 10, "seed": 0}}));
    }

    #[test]
    fn no_two_entries_share_a_name_and_none_leaves_the_folder() {
        let all = [
            json!({"m": "a/b"}),
            json!({"m": "a b"}),
            json!({"m": "a-b"}),
            json!({"m": "../../etc"}),
            json!({"m": "a,n=1"}),
            json!({"m": "a", "n": 1}),
            json!({"m": 3}),
            json!({"m": "3"}),
            json!({"m": "é".repeat(200)}),
            json!({"m": "x".repeat(200)}),
            json!({"m": ""}),
        ];
        let all: Vec<Labels> = all.iter().map(labels).collect();
        let names = entries(&all);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), all.len(), "{names:?}");
        assert!(names.iter().all(|name| name.chars().all(is_kept) && name.len() < 200), "{names:?}");
        assert_eq!(names[2], "m=a-b", "a name that nobody else could have stays plain");
    }
}
