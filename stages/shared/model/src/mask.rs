//! Which positions BERT's objective hides (paper section 2.1).

use igpt_contract::Stream;
use rand::Rng as _;

/// A mask over `positions` tokens: 1 where hidden, each independently with `probability`, else 0.
///
/// Draw `index` (a training step, a row) has a sub-stream of `stream` (`cx.stream("masks")`) of its
/// own, so that a mask depends neither on the draws before it nor on how rows are batched.
pub fn bert_mask(stream: &Stream, index: u64, positions: usize, probability: f64) -> Vec<f32> {
    let mut random = stream.clone();
    random.set_stream(index);
    random.set_word_pos(0);
    // 2^32 is exact, so that probability 1 hides everything and 0 nothing.
    let threshold = (probability * 2f64.powi(32)) as u64;
    (0..positions).map(|_| f32::from(u8::from(u64::from(random.next_u32()) < threshold))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use igpt_contract::stream;

    #[test]
    fn each_draw_is_its_own_and_keeps_the_probability() {
        let masks = stream(1, "masks");
        let first = bert_mask(&masks, 1, 20_000, 0.15);
        assert_eq!(first, bert_mask(&masks, 1, 20_000, 0.15));
        assert_ne!(first, bert_mask(&masks, 2, 20_000, 0.15));
        assert_eq!(first[..64], bert_mask(&masks, 1, 64, 0.15)[..], "longer masks begin alike");
        let hidden = first.iter().sum::<f32>() / 20_000.0;
        assert!((hidden - 0.15).abs() < 0.01, "{hidden}");
        assert!(bert_mask(&masks, 1, 99, 1.0).iter().all(|m| *m == 1.0));
        assert!(bert_mask(&masks, 1, 99, 0.0).iter().all(|m| *m == 0.0));
    }
}
