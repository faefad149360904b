//! Dropout whose masks come from our own random stream, so that training is reproducible.

use burn::tensor::{Tensor, TensorData};
use igpt_contract::Stream;
use rand::{Rng as _, SeedableRng as _};
use rayon::prelude::*;

/// Mask elements that one random generator draws; fixed, so that no thread count changes a mask.
const CHUNK: usize = 1 << 14;

/// Inverted dropout: zeroes each element with probability `p` and divides the rest by 1 - p.
///
/// It acts on the embeddings and on what attention and MLP add to the residual stream, as in GPT-2;
/// attention probabilities are left whole.
#[derive(Debug, Clone)]
pub struct Dropout {
    p: f64,
    stream: Stream,
}

impl Dropout {
    /// Dropout with probability `p` (in [0, 1)), drawing from `stream`; `None` where `p` is 0, so
    /// that nothing is drawn.
    ///
    /// # Panics
    /// If `p` is not in [0, 1).
    pub fn new(p: f64, stream: Stream) -> Option<Self> {
        assert!((0.0..1.0).contains(&p), "dropout probability {p} is not in [0, 1)");
        (p > 0.0).then_some(Self { p, stream })
    }

    /// The tensor with its elements dropped.
    pub fn apply<const D: usize>(&mut self, x: Tensor<D>) -> Tensor<D> {
        let shape = x.dims();
        let mut mask = vec![0f32; shape.iter().product()];
        self.fill(&mut mask);
        let mask = Tensor::<D>::from_data(TensorData::new(mask, shape), &x.device());
        x * mask
    }

    /// Fills a mask with 0 and 1 / (1 - p). Each chunk has a generator of its own under a key drawn
    /// from the stream.
    fn fill(&mut self, mask: &mut [f32]) {
        let mut key = [0; 32];
        self.stream.fill_bytes(&mut key);
        let keep = (1.0 / (1.0 - self.p)) as f32;
        let threshold = (self.p * 2f64.powi(32)) as u32;
        mask.par_chunks_mut(CHUNK).enumerate().for_each(|(i, chunk)| {
            let mut random = Stream::from_seed(key);
            random.set_stream(i as u64);
            for value in chunk {
                *value = if random.next_u32() < threshold { 0.0 } else { keep };
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use igpt_contract::stream;

    #[test]
    fn a_mask_depends_on_the_stream_alone() {
        let draw = |seed| {
            let mut mask = vec![0f32; 3 * CHUNK + 5];
            Dropout::new(0.25, stream(seed, "dropout")).unwrap().fill(&mut mask);
            mask
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let mean = draw(1).iter().sum::<f32>() / (3 * CHUNK + 5) as f32;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        assert!(Dropout::new(0.0, stream(1, "dropout")).is_none());
    }
}
