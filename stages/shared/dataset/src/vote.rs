//! Combines several predictions of one image: the ensemble over masks of section 4.6.

use igpt_contract::Stream;
use rand_chacha::rand_core::Rng as _;

use crate::predictions::PredictionTable;
use crate::row::RowKey;

/// The most frequent of `votes`, each below `n_classes`; a tie is broken by a draw from sub-stream
/// `image` of `ties`, so that no image's draw depends on another's.
///
/// # Panics
/// If a vote is not a class.
pub fn modal(votes: &[i32], n_classes: usize, image: u64, ties: &Stream) -> i32 {
    let mut counts = vec![0u32; n_classes];
    votes.iter().for_each(|class| counts[*class as usize] += 1);
    let most = counts.iter().copied().max().unwrap_or_default();
    let tied: Vec<usize> = (0..n_classes).filter(|class| counts[*class] == most).collect();
    match tied[..] {
        [one] => one as i32,
        _ => {
            let mut random = ties.clone();
            random.set_stream(image);
            random.set_word_pos(0);
            // The remainder of 32 bits by a few classes is biased by less than a millionth.
            tied[(random.next_u32() as usize) % tied.len()] as i32
        }
    }
}

impl PredictionTable {
    /// One row for each image: the prediction of its first view.
    pub fn first_views(&self) -> Self {
        self.by_image(|keys, first| {
            let row = |i: usize| self.log_probs[i * self.n_classes..][..self.n_classes].to_vec();
            (keys[0], self.predicted[first], row(first))
        })
    }

    /// One row for each image: the most frequent prediction of its views, ties broken by a draw from
    /// `ties`, and the logarithm of the views' mean probability of each class.
    ///
    /// # Panics
    /// If a prediction is not a class.
    pub fn voted(&self, ties: &Stream) -> Self {
        self.by_image(|keys, first| {
            let rows = first..first + keys.len();
            let predicted = modal(&self.predicted[rows.clone()], self.n_classes, keys[0].id, ties);
            let mean = |class: usize| {
                let p = |row: usize| f64::from(self.log_probs[row * self.n_classes + class]).exp();
                (rows.clone().map(p).sum::<f64>() / keys.len() as f64).ln() as f32
            };
            (keys[0], predicted, (0..self.n_classes).map(mean).collect())
        })
    }

    /// The largest number of views of an image.
    pub fn views(&self) -> usize {
        self.images().map(<[RowKey]>::len).max().unwrap_or_default()
    }

    /// The mean of -ln p of the label over labelled rows, in nats; `None` if no row is labelled.
    pub fn loss(&self) -> Option<f64> {
        let rows = self.keys.iter().zip(self.log_probs.chunks_exact(self.n_classes.max(1)));
        let (n, sum) = rows
            .filter(|(key, _)| key.label >= 0)
            .fold((0u64, 0.0), |(n, sum), (key, p)| (n + 1, sum - f64::from(p[key.label as usize])));
        (n > 0).then(|| sum / n as f64)
    }

    fn images(&self) -> impl Iterator<Item = &[RowKey]> {
        self.keys.chunk_by(|a, b| (a.split, a.id) == (b.split, b.id))
    }

    /// A table of what `one` makes of each image's keys and the first of its rows.
    fn by_image(&self, one: impl Fn(&[RowKey], usize) -> (RowKey, i32, Vec<f32>)) -> Self {
        let mut table = Self {
            keys: Vec::new(),
            predicted: Vec::new(),
            n_classes: self.n_classes,
            log_probs: Vec::new(),
            about: self.about.clone(),
        };
        let mut first = 0;
        for keys in self.images() {
            let (key, predicted, log_probs) = one(keys, first);
            table.keys.push(key);
            table.predicted.push(predicted);
            table.log_probs.extend(log_probs);
            first += keys.len();
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use igpt_contract::stream;

    use super::*;
    use crate::row::Split;

    #[test]
    fn most_votes_decide_and_ties_are_drawn_among_the_tied() {
        let ties = stream(0, "ties");
        assert_eq!(modal(&[2, 1, 2], 3, 0, &ties), 2);
        let drawn: Vec<i32> = (0..64).map(|image| modal(&[0, 2], 3, image, &ties)).collect();
        assert!(drawn.contains(&0) && drawn.contains(&2) && !drawn.contains(&1), "{drawn:?}");
        assert_eq!(drawn, (0..64).map(|image| modal(&[2, 0], 3, image, &ties)).collect::<Vec<_>>());
    }

    #[test]
    fn an_images_views_become_one_row() {
        let key = |id, view| RowKey { id, split: Split::Test, label: 1, view };
        let keys = vec![key(4, 0), key(4, 1), key(4, 2), key(5, 0), key(5, 1), key(5, 2)];
        let row = |p: f32| [(1.0 - p).ln(), p.ln()];
        let log_probs = [0.4, 0.6, 0.8, 0.9, 0.1, 0.2].into_iter().flat_map(row).collect();
        let table = PredictionTable::new(keys, 2, log_probs);
        assert_eq!((table.views(), table.predicted.as_slice()), (3, &[0, 1, 1, 1, 0, 0][..]));
        let (first, voted) = (table.first_views(), table.voted(&stream(0, "ties")));
        assert_eq!((first.predicted.as_slice(), first.keys[1]), (&[0, 1][..], key(5, 0)));
        assert_eq!((voted.predicted.as_slice(), voted.keys.len()), (&[1, 0][..], 2));
        assert_eq!((first.accuracy(), voted.accuracy()), (Some(0.5), Some(0.5)));
        assert!((f64::from(voted.log_probs[1]).exp() - 0.6).abs() < 1e-6, "{:?}", voted.log_probs);
        let expected = -(0.6f64.ln() + 0.4f64.ln()) / 2.0;
        assert!((voted.loss().unwrap() - expected).abs() < 1e-6);
        assert_eq!(table.first_views().views(), 1);
    }
}
