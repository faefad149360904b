//! Seeded subsets of labelled images, and checks that training and validation cover the classes.

use std::collections::{BTreeMap, BTreeSet};

use igpt_contract::Stream;
use rand_chacha::rand_core::Rng as _;

use crate::display::shown;

/// A class that has fewer images than requested.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {wanted} labelled images of class {class}, found {found}")]
pub struct TooFewLabels {
    /// The class.
    pub class: usize,
    /// Images requested.
    pub wanted: usize,
    /// Images found.
    pub found: usize,
}

/// Draws `per_class` images of each class without replacement: their positions in `labels`, in
/// ascending order. Labels of -1 (none) and beyond `n_classes` are never drawn.
///
/// Each class draws from a stream of its own, so that adding a class changes no other's images, and a
/// larger `per_class` keeps the images of a smaller one.
///
/// # Errors
/// If a class has too few images.
pub fn select_labels(
    labels: &[i32],
    n_classes: usize,
    per_class: usize,
    stream: &Stream,
) -> Result<Vec<usize>, TooFewLabels> {
    let mut by_class = vec![Vec::new(); n_classes];
    for (position, label) in labels.iter().enumerate() {
        if let Some(class) = usize::try_from(*label).ok().and_then(|label| by_class.get_mut(label)) {
            class.push(position);
        }
    }
    let mut selected = Vec::with_capacity(n_classes * per_class);
    for (class, mut positions) in by_class.into_iter().enumerate() {
        if positions.len() < per_class {
            return Err(TooFewLabels { class, wanted: per_class, found: positions.len() });
        }
        let mut random = stream.clone();
        random.set_stream(class as u64);
        // The first places of a Fisher-Yates shuffle; the bias of a remainder of 64 bits is negligible.
        for i in 0..per_class {
            let rest = (positions.len() - i) as u64;
            positions.swap(i, i + (random.next_u64() % rest) as usize);
        }
        selected.extend_from_slice(&positions[..per_class]);
    }
    selected.sort_unstable();
    Ok(selected)
}

/// Gives each class of a draw of few labels at least one validation and one training image, if it has
/// two: if none of a class's images in `drawn` is held out, the first one is; if all are, the first one
/// is not. A class with a single image trains on it. `drawn` are positions in `labels` and in
/// `held_out`, in ascending order. A split that holds out nothing is not changed.
pub fn share_out(labels: &[i32], drawn: &[usize], held_out: &mut [bool]) {
    if !held_out.contains(&true) {
        return;
    }
    let mut by_class: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for &image in drawn {
        by_class.entry(labels[image]).or_default().push(image);
    }
    for images in by_class.values() {
        let held = images.iter().filter(|image| held_out[**image]).count();
        match images.len() {
            1 => held_out[images[0]] = false,
            _ if held == 0 => held_out[images[0]] = true,
            all if held == all => held_out[images[0]] = false,
            _ => {}
        }
    }
}

/// A note on labelled images whose classes have no training images, so that a classifier can only get
/// them wrong; `None` if there are none. `what` names the images (`test`); `images` and `trained` are
/// their labels and those of the training images.
pub fn untrained(
    what: &str,
    images: impl IntoIterator<Item = i32>,
    trained: impl IntoIterator<Item = i32>,
    classes: &[String],
) -> Option<Untrained> {
    let trained: BTreeSet<i32> = trained.into_iter().collect();
    let (mut all, mut missed, mut names) = (0_usize, 0_usize, BTreeSet::new());
    for label in images {
        all += 1;
        if !trained.contains(&label) {
            missed += 1;
            names.insert(label);
        }
    }
    let name = |label: &i32| {
        let name = usize::try_from(*label).ok().and_then(|label| classes.get(label));
        name.map_or_else(|| label.to_string(), |name| shown(name))
    };
    let named: Vec<String> = names.iter().take(10).map(name).collect();
    (missed > 0).then(|| Untrained {
        images: missed,
        note: format!(
            "{missed} of {all} {what} images ({:.0} %) are of {} class{} without training images: {}{}; each \
             counts as an error, of infinite loss where probabilities are exact",
            100.0 * missed as f64 / all as f64,
            names.len(),
            if names.len() == 1 { "" } else { "es" },
            named.join(", "),
            if names.len() > named.len() { ", ..." } else { "" }
        ),
    })
}

/// A note on training images whose classes have no held-out image, where the held-out images choose
/// between candidates; `None` if every class has one. `rows` names the training images (`images`);
/// `held_out` and `trained` are labels.
pub fn unvalidated(rows: &str, held_out: &[i32], trained: &[i32], classes: &[String]) -> Option<String> {
    let lacking = untrained("training", trained.iter().copied(), held_out.iter().copied(), classes)?;
    Some(format!(
        "warning: {} of {} training {rows} belong to classes without any of the {} held-out images; raise \
         `validation.fraction` or the number of labels",
        lacking.images,
        trained.len(),
        held_out.len()
    ))
}

/// See [`untrained`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untrained {
    /// How many images.
    pub images: usize,
    /// The note for the user.
    pub note: String,
}

#[cfg(test)]
mod tests {
    use igpt_contract::stream;

    use super::*;

    #[test]
    fn every_class_gets_its_share_and_more_keeps_what_fewer_had() {
        let labels: Vec<i32> = (0..300).map(|i| i % 4 - 1).collect();
        let stream = stream(1, "labels");
        let few = select_labels(&labels, 3, 5, &stream).unwrap();
        let more = select_labels(&labels, 3, 20, &stream).unwrap();
        assert_eq!((few.len(), more.len()), (15, 60));
        assert!(few.iter().all(|position| more.contains(position)));
        assert!(more.is_sorted_by(|a, b| a < b));
        for class in 0..3 {
            assert_eq!(more.iter().filter(|position| labels[**position] == class).count(), 20);
        }
    }

    #[test]
    fn another_class_changes_no_class() {
        let labels: Vec<i32> = (0..100).map(|i| i % 2).collect();
        let stream = stream(1, "labels");
        let both = select_labels(&labels, 2, 7, &stream).unwrap();
        let one = select_labels(&labels, 1, 7, &stream).unwrap();
        assert_eq!(both.into_iter().filter(|position| labels[*position] == 0).collect::<Vec<_>>(), one);
    }

    #[test]
    fn each_class_of_a_draw_has_one_image_to_choose_by_and_one_to_train_on() {
        // Classes 0 to 3: none held out, some, all, and a single image, which is held out.
        let labels = [0, 0, 0, 1, 1, 2, 2, 3, 0];
        let mut held_out = [false, false, false, true, false, true, true, true, true];
        let drawn = [0, 1, 2, 3, 4, 5, 6, 7];
        share_out(&labels, &drawn, &mut held_out);
        assert_eq!(held_out, [true, false, false, true, false, false, true, false, true]);
        let mut none = [false; 9];
        share_out(&labels, &drawn, &mut none);
        assert_eq!(none, [false; 9]);
    }

    #[test]
    fn images_of_classes_without_training_images_are_counted_and_named() {
        let classes = ["a", "b", "z"].map(String::from);
        let found = untrained("test", [0, 2, 2, 1], [0, 1, 1], &classes).unwrap();
        assert_eq!(found.images, 2);
        assert!(
            found.note.starts_with("2 of 4 test images (50 %) are of 1 class without training images: z;"),
            "{}",
            found.note
        );
        assert_eq!(untrained("test", [0, 1], [0, 1], &classes), None);
        assert_eq!(untrained("test", [], [0, 1], &classes), None);
    }

    #[test]
    fn a_class_with_too_few_images_is_named() {
        let error = select_labels(&[0, 1, 0], 2, 2, &stream(1, "labels")).unwrap_err();
        assert_eq!(error, TooFewLabels { class: 1, wanted: 2, found: 1 });
    }
}
