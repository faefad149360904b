//! How much a network computes: for estimates of time, before anything runs.

use igpt_contract::{Known, Shape};

use crate::config::ModelParams;

/// What is known of a new network that reads images of so many tokens.
pub fn network(params: &ModelParams, positions: Option<u64>) -> Known {
    let shape = Shape { positions, width: Some(params.n_embd() as u64), ..Shape::default() };
    Known::network(Some(params.n_layer())).shaped(shape)
}

/// About the floating-point operations of one image's forward pass through what is known of a network:
/// two for each weight of a block and token, and those of attention over the tokens before.
pub fn forward(network: &Known) -> Option<f64> {
    let (layers, d) = (network.n_layer? as f64, network.shape.width? as f64);
    let n = network.shape.positions? as f64;
    // A block has 4 d^2 weights in its attention and 8 d^2 in its MLP.
    let weights = 2.0 * 12.0 * d * d * n;
    // Scores and mixtures: 2 d operations each for a token and one before it, of which there are n/2.
    let attention = 2.0 * 2.0 * d * n * n / 2.0;
    Some(layers * (weights + attention))
}

/// The same of a training step's part for one image: the backward pass is twice the forward pass.
pub fn training(network: &Known) -> Option<f64> {
    Some(3.0 * forward(network)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn igpt_s_reads_an_image_in_two_operations_a_weight_and_token() {
        let shape = Shape { positions: Some(1024), width: Some(512), ..Shape::default() };
        let network = Known::network(Some(24)).shaped(shape);
        // 24 blocks of 12 * 512^2 weights are 75.5 million; attention adds a sixth.
        let weights = 2.0 * 75.5e6 * 1024.0;
        let flops = forward(&network).unwrap();
        assert!((1.16..1.17).contains(&(flops / weights)), "{}", flops / weights);
        assert_eq!(training(&network), Some(3.0 * flops));
        assert_eq!(forward(&Known::network(Some(24))), None, "of an unknown width nothing is known");
    }
}
