//! Seeded subsets of labelled images: so many of each class.

use igpt_contract::Stream;
use rand_chacha::rand_core::Rng as _;

/// A class that has fewer images than are asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {wanted} labelled images of class {class}, found {found}")]
pub struct TooFewLabels {
    /// The class.
    pub class: usize,
    /// Images asked for.
    pub wanted: usize,
    /// Images there are.
    pub found: usize,
}

/// Draws `per_class` images of each class without replacement: their positions in `labels`, in
/// ascending order. Labels of -1 (none) and beyond `n_classes` are never drawn.
///
/// Each class has randomness of its own, so that adding a class changes no other's images, and a
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
        // The first places of a Fisher-Yates shuffle; the remainder of 64 bits is biased by nothing
        // that could be seen.
        for i in 0..per_class {
            let rest = (positions.len() - i) as u64;
            positions.swap(i, i + (random.next_u64() % rest) as usize);
        }
        selected.extend_from_slice(&positions[..per_class]);
    }
    selected.sort_unstable();
    Ok(selected)
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
    fn a_class_with_too_few_images_is_named() {
        let error = select_labels(&[0, 1, 0], 2, 2, &stream(1, "labels")).unwrap_err();
        assert_eq!(error, TooFewLabels { class: 1, wanted: 2, found: 1 });
    }
}
