//! What the examples that time training steps share.

use igpt_model::GptConfig;

/// Floating-point operations of a step's matrix products, as the head of `train_bench.rs` counts them.
pub(crate) fn operations(config: &GptConfig, batch: usize) -> f64 {
    let (layers, width, positions) = (config.n_layer, config.n_embd, config.n_positions);
    // Queries, keys, values and projection; the two products of the perceptron, four times as wide.
    let weights = layers * (4 + 8) * width * width + width * config.vocab;
    let attention = layers * width * positions * positions;
    6.0 * (weights * positions + attention) as f64 * batch as f64
}

/// The median of all but the first `skip`, where there are more.
pub(crate) fn median(times: &[f64], skip: usize) -> f64 {
    let mut times = times[skip.min(times.len() - 1)..].to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
