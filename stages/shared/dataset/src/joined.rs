//! Image sets that are joined: how their classes are matched, and which set an image is from.

use serde::{Deserialize, Serialize};

use crate::display::{name_list, shown};
use crate::row::SplitCounts;

/// The offset between the ids of one joined set and the next, so that ids are unique and keep their
/// order.
pub const ID_STEP: u64 = 1 << 40;

/// One of the joined image sets: the way from a row back to its image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinedSet {
    /// The set's name.
    pub name: String,
    /// The offset of its ids: image i of this set has the id `first_id + i` in the joined set.
    pub first_id: u64,
    /// Its rows by split.
    pub rows: SplitCounts,
}

/// The name of the set that the image `id` is from, and its id there. `name` is that of the joined set,
/// `sets` are its parts in the order of their ids; empty if it was not joined.
pub fn image_in<'a>(id: u64, name: &'a str, sets: &'a [JoinedSet]) -> (&'a str, u64) {
    match sets.iter().rev().find(|set| set.first_id <= id) {
        Some(set) => (&set.name, id - set.first_id),
        None => (name, id),
    }
}

/// The classes of several sets, matched by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedClasses {
    /// Every class once: those of the first set in their order, then the new ones of each further set.
    pub classes: Vec<String>,
    /// For each set and each of its labels, the label among `classes`.
    pub labels: Vec<Vec<i32>>,
    /// Notes on sets whose classes differ; empty if all have the same.
    pub differences: Vec<String>,
}

/// Matches the classes of sets, each a name and its class names, by name. A set without classes adds
/// none.
///
/// # Errors
/// If the sets' classes differ and a set has two classes of one name, so that they cannot be matched.
pub fn join_classes(sets: &[(&str, &[String])]) -> Result<JoinedClasses, String> {
    let named: Vec<&(&str, &[String])> = sets.iter().filter(|(_, classes)| !classes.is_empty()).collect();
    let same = named.windows(2).all(|pair| pair[0].1 == pair[1].1);
    let mut joined = JoinedClasses { classes: Vec::new(), labels: Vec::new(), differences: Vec::new() };
    if same {
        joined.classes = named.first().map_or_else(Vec::new, |(_, classes)| classes.to_vec());
        joined.labels = sets.iter().map(|(_, classes)| (0..classes.len() as i32).collect()).collect();
        return Ok(joined);
    }
    for (name, classes) in &named {
        let twice = classes.iter().enumerate().find(|(i, class)| classes[..*i].contains(class));
        if let Some((_, class)) = twice {
            return Err(format!(
                "the image sets have different classes, which cannot be matched by name: `{}` has two classes \
                 named `{}`",
                shown(name),
                shown(class)
            ));
        }
    }
    let mut places = std::collections::HashMap::new();
    for (_, classes) in sets {
        let label = |class: &String| {
            *places.entry(class.clone()).or_insert_with(|| {
                joined.classes.push(class.clone());
                joined.classes.len() as i32 - 1
            })
        };
        joined.labels.push(classes.iter().map(label).collect());
    }
    for ((name, classes), labels) in sets.iter().zip(&joined.labels).filter(|(set, _)| !set.1.is_empty()) {
        let has: std::collections::HashSet<i32> = labels.iter().copied().collect();
        let lacks: Vec<&str> = (0..)
            .zip(&joined.classes)
            .filter(|(i, _)| !has.contains(i))
            .map(|(_, class)| class.as_str())
            .collect();
        if !lacks.is_empty() {
            joined.differences.push(format!(
                "`{}` has {} of the {} classes and lacks {}",
                shown(name),
                classes.len(),
                joined.classes.len(),
                name_list(lacks)
            ));
        }
    }
    Ok(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn join(sets: &[&str]) -> Result<JoinedClasses, String> {
        let classes: Vec<Vec<String>> = sets.iter().map(|text| names(text)).collect();
        let sets: Vec<(&str, &[String])> = classes.iter().map(|c| ("set", c.as_slice())).collect();
        join_classes(&sets)
    }

    #[test]
    fn classes_are_matched_by_name_in_the_order_of_the_first_set() {
        let joined = join(&["a b c", "a c", "", "d c"]).unwrap();
        assert_eq!(joined.classes, names("a b c d"));
        assert_eq!(joined.labels, [vec![0, 1, 2], vec![0, 2], vec![], vec![3, 2]]);
        assert_eq!(joined.differences.len(), 3);
        assert_eq!(joined.differences[1], "`set` has 2 of the 4 classes and lacks `b`, `d`");
        let other = join(&["c a", "a b c"]).unwrap();
        assert_eq!((other.classes, other.labels), (names("c a b"), vec![vec![0, 1], vec![1, 2, 0]]));
    }

    #[test]
    fn equal_classes_and_none_at_all_are_no_difference() {
        let joined = join(&["a b", "", "a b"]).unwrap();
        assert_eq!((joined.classes, joined.differences.len()), (names("a b"), 0));
        assert_eq!(joined.labels, [vec![0, 1], vec![], vec![0, 1]]);
        assert!(join(&["", ""]).unwrap().classes.is_empty());
    }

    #[test]
    fn two_classes_of_one_name_cannot_be_matched() {
        // ImageNet has two of `crane`: with itself it goes together, with others it does not.
        assert_eq!(join(&["crane b crane", "crane b crane"]).unwrap().labels[1], [0, 1, 2]);
        let error = join(&["crane b", "crane b crane"]).unwrap_err();
        assert!(error.contains("two classes named `crane`"), "{error}");
    }

    #[test]
    fn an_image_is_found_in_its_set() {
        let set = |name: &str, i: u64| JoinedSet {
            name: name.into(),
            first_id: i * ID_STEP,
            rows: SplitCounts::default(),
        };
        let sets = [set("a", 0), set("b", 1)];
        assert_eq!(image_in(7, "a+b", &sets), ("a", 7));
        assert_eq!(image_in(ID_STEP + 7, "a+b", &sets), ("b", 7));
        assert_eq!(image_in(7, "a", &[]), ("a", 7));
    }
}
