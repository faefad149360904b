//! Subsets of images for smaller experiments: every stage that is asked for the same number takes the
//! same images.

use std::ops::Range;

use igpt_contract::Stream;
use rand_chacha::rand_core::Rng as _;

use crate::row::{RowKey, Split, images_of_keys};

/// Draws `wanted` of the images without replacement, in ascending order; all of them if `wanted` is 0 or
/// at least their number. A larger draw includes a smaller one.
pub fn draw_images(mut images: Vec<usize>, wanted: usize, stream: &Stream) -> Vec<usize> {
    if wanted == 0 || wanted >= images.len() {
        return images;
    }
    let mut random = stream.clone();
    // The first places of a Fisher-Yates shuffle; the bias of a remainder of 64 bits is negligible.
    for i in 0..wanted {
        let rest = (images.len() - i) as u64;
        images.swap(i, i + (random.next_u64() % rest) as usize);
    }
    images.truncate(wanted);
    images.sort_unstable();
    images
}

/// `wanted` of the items, evenly spaced; all of them if it is 0 or there are no more.
pub fn spaced<T: Clone>(items: Vec<T>, wanted: usize) -> Vec<T> {
    match wanted {
        0 => items,
        wanted if wanted >= items.len() => items,
        wanted => (0..wanted).map(|i| items[i * items.len() / wanted].clone()).collect(),
    }
}

/// Marks the rows of `train` training images, drawn from the labelled ones (from all if none has a
/// label), and of `test` test images, evenly spaced; 0 takes all. An image is taken with all its views.
///
/// With the stream of a probe's labels this is the draw of its `train_rows`.
pub fn subset_rows(keys: &[RowKey], train: usize, test: usize, stream: &Stream) -> Vec<bool> {
    let mut taken = vec![false; keys.len()];
    let mut take = |rows: &Range<usize>| taken[rows.clone()].fill(true);
    let training = images_of_keys(keys, Split::Train);
    if train == 0 || train >= training.len() {
        training.iter().for_each(&mut take);
    } else {
        let mut candidates: Vec<usize> =
            (0..training.len()).filter(|image| keys[training[*image].start].label >= 0).collect();
        if candidates.is_empty() {
            candidates = (0..training.len()).collect();
        }
        draw_images(candidates, train, stream).into_iter().for_each(|image| take(&training[image]));
    }
    let testing = images_of_keys(keys, Split::Test);
    spaced((0..testing.len()).collect(), test).into_iter().for_each(|image| take(&testing[image]));
    taken
}

#[cfg(test)]
mod tests {
    use igpt_contract::stream;

    use super::*;

    #[test]
    fn more_keeps_what_fewer_drew_and_the_order_stays() {
        let draw = |wanted| draw_images((0..100).collect(), wanted, &stream(0, "labels"));
        let (few, more) = (draw(5), draw(40));
        assert_eq!((few.len(), more.len(), draw(0).len(), draw(100).len()), (5, 40, 100, 100));
        assert!(more.is_sorted() && few.iter().all(|image| more.contains(image)));
        assert_ne!(few, draw_images((0..100).collect(), 5, &stream(1, "labels")));
    }

    #[test]
    fn spaced_items_cover_the_whole() {
        assert_eq!(spaced((0..10).collect(), 4), [0, 2, 5, 7]);
        assert_eq!(spaced(vec![1, 2], 5), [1, 2]);
    }

    #[test]
    fn an_image_is_taken_with_all_its_views() {
        let key = |id, split, label, view| RowKey { id, split, label, view };
        let keys: Vec<RowKey> = (0..10u64)
            .flat_map(|id| (0..2).map(move |view| key(id, Split::Train, (id % 2) as i32 - 1, view)))
            .chain((10..14).map(|id| key(id, Split::Test, 0, 0)))
            .collect();
        let taken = subset_rows(&keys, 3, 2, &stream(0, "labels"));
        let ids: Vec<u64> = keys.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(k, _)| k.id).collect();
        assert_eq!(ids.len(), 8);
        let train = &ids[..6];
        assert!(train.chunks(2).all(|views| views[0] == views[1] && views[0] % 2 == 1), "{ids:?}");
        assert_eq!(ids[6..], [10, 12]);
        assert!(subset_rows(&keys, 0, 0, &stream(0, "labels")).into_iter().all(|taken| taken));
    }
}
