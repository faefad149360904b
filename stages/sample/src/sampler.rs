//! From logits to a colour: temperature, the likeliest k, and one random number.

use igpt_contract::Stream;
use rand::RngExt as _;

/// Draws colours from logits.
#[derive(Debug, Clone)]
pub(crate) struct Sampler {
    temperature: f64,
    top_k: usize,
    /// Room for the candidates and their weights.
    candidates: Vec<u16>,
    weights: Vec<f64>,
}

impl Sampler {
    /// `top_k` 0 allows every colour.
    pub(crate) fn new(temperature: f64, top_k: usize) -> Self {
        Self { temperature, top_k, candidates: Vec::new(), weights: Vec::new() }
    }

    /// A colour by its probability; none where a logit is not a number. Of equal logits the lower
    /// index is the likelier candidate. Every draw takes one number of the stream.
    pub(crate) fn token(&mut self, logits: &[f32], stream: &mut Stream) -> Option<u16> {
        let Self { temperature, top_k, candidates, weights } = self;
        if logits.iter().any(|logit| logit.is_nan() || *logit == f32::INFINITY) {
            return None;
        }
        candidates.clear();
        candidates.extend(0..logits.len() as u16);
        let logit = |token: &u16| logits[usize::from(*token)];
        if (1..logits.len()).contains(top_k) {
            let order = |a: &u16, b: &u16| logit(b).total_cmp(&logit(a)).then(a.cmp(b));
            candidates.select_nth_unstable_by(*top_k - 1, order);
            candidates.truncate(*top_k);
            candidates.sort_unstable();
        }
        let highest = candidates.iter().map(logit).fold(f32::NEG_INFINITY, f32::max);
        weights.clear();
        let weight = |token| (f64::from(logit(token) - highest) / *temperature).exp();
        weights.extend(candidates.iter().map(weight));
        let total: f64 = weights.iter().sum();
        let mut left = stream.random::<f64>() * total;
        for (token, weight) in candidates.iter().zip(weights.iter()) {
            left -= weight;
            if left < 0.0 {
                return Some(*token);
            }
        }
        // Rounding left something over: the last that has a weight.
        candidates.iter().zip(weights.iter()).rfind(|(_, weight)| **weight > 0.0).map(|(token, _)| *token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use igpt_contract::stream;

    fn shares(sampler: &mut Sampler, logits: &[f32]) -> Vec<f64> {
        const DRAWS: usize = 20_000;
        let mut stream = stream(1, "draws");
        let mut counts = vec![0.0; logits.len()];
        for _ in 0..DRAWS {
            counts[usize::from(sampler.token(logits, &mut stream).unwrap())] += 1.0 / DRAWS as f64;
        }
        counts
    }

    #[track_caller]
    fn close(found: &[f64], expected: &[f64]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 0.015, "{found} {expected}");
        }
    }

    #[test]
    fn colours_come_as_often_as_their_probability_says() {
        let logits = [1.0, 0.0, 3.0, f32::NEG_INFINITY, 2.0].map(|p: f32| p);
        let softmax = |temperature: f64, allowed: &[usize]| -> Vec<f64> {
            let weight = |i: usize| (f64::from(logits[i]) / temperature).exp();
            let total: f64 = allowed.iter().map(|i| weight(*i)).sum();
            (0..5).map(|i| if allowed.contains(&i) { weight(i) / total } else { 0.0 }).collect()
        };
        close(&shares(&mut Sampler::new(1.0, 0), &logits), &softmax(1.0, &[0, 1, 2, 4]));
        close(&shares(&mut Sampler::new(0.5, 0), &logits), &softmax(0.5, &[0, 1, 2, 4]));
        close(&shares(&mut Sampler::new(2.0, 2), &logits), &softmax(2.0, &[2, 4]));
        assert_eq!(shares(&mut Sampler::new(1.0, 1), &logits)[2].round(), 1.0);
    }

    #[test]
    fn of_equal_logits_the_first_are_the_candidates() {
        let found = shares(&mut Sampler::new(1.0, 2), &[0.0; 6]);
        close(&found, &[0.5, 0.5, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(found[2..], [0.0; 4]);
    }

    #[test]
    fn what_is_not_a_number_is_no_colour() {
        let mut stream = stream(1, "draws");
        assert_eq!(Sampler::new(1.0, 0).token(&[0.0, f32::NAN], &mut stream), None);
        assert_eq!(Sampler::new(1.0, 0).token(&[0.0, f32::INFINITY], &mut stream), None);
    }
}
