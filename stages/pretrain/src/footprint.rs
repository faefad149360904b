//! What a training takes of each of its processes, before anything runs.

use igpt_contract::Footprint;
use igpt_model::{GptConfig, param_count};

use crate::params::Params;

/// Bytes of a number.
const NUMBER: f64 = 4.0;

/// Of a network of this structure. `docs/ranks.md` has the sums in words.
pub(crate) fn footprint(params: &Params, config: &GptConfig) -> Footprint {
    let parameters = param_count(config) as f64 * NUMBER;
    let processes = params.processes as f64;
    // The two means of each gradient.
    let moments = 2.0 * parameters / processes;
    // Sums of 1, 2, 4 ... lanes that wait for their other halves, beside the gradients that are being made.
    let waiting = f64::from((params.lanes / params.processes).ilog2());
    let being_made = if params.accumulation > 1 { 2.0 } else { 1.0 };
    let gradients = (waiting + being_made) * parameters;
    // One process has the new parameters beside the old ones while there are still gradients. Of several each
    // has all gradients on their way out and as many of its shard on their way in, and then the new parameters
    // twice, as they come and as tensors.
    let update = 2.0 * parameters;
    let micro_batch = params.batch.div_ceil(params.lanes * params.accumulation) as f64;
    let positions = config.n_positions as f64;
    let stream = micro_batch * positions * config.n_embd as f64 * NUMBER;
    let layers = config.n_layer as f64;
    // Of a block: its input, two norms, queries, keys and values, what attention mixes, its sum with the
    // input, and twice the four times wider middle of the MLP.
    let block = 16.0 * stream;
    let kept = if params.recompute { layers * stream + block } else { layers * block };
    let logits = 2.0 * micro_batch * positions * config.vocab as f64 * NUMBER;
    Footprint {
        processes: params.processes,
        state: parameters + moments + gradients.max(update),
        activations: kept + logits,
        exchanged: 2.0 * parameters * (processes - 1.0) / processes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use igpt_model::{ModelParams, Preset};

    fn of(preset: Preset, lanes: usize, processes: usize) -> Footprint {
        let model = ModelParams { preset, ..ModelParams::default() };
        let config = model.config(1024, 512).unwrap();
        footprint(&Params { model, lanes, processes, recompute: true, ..Params::default() }, &config)
    }

    #[test]
    fn a_share_of_the_optimizer_is_what_a_process_saves() {
        let gib = |bytes: f64| bytes / f64::from(1 << 30);
        let one = of(Preset::IgptL, 8, 1);
        let eight = of(Preset::IgptL, 8, 8);
        // 1.362 billion parameters of 4 bytes are 5.07 GiB.
        assert!((gib(one.state) - 7.0 * 5.07).abs() < 0.1, "{one:?}");
        assert!((gib(eight.state) - 3.25 * 5.07).abs() < 0.1, "{eight:?}");
        assert_eq!(one.exchanged, 0.0);
        assert!((gib(eight.exchanged) - 1.75 * 5.07).abs() < 0.1, "{eight:?}");
        assert!(one.activations == eight.activations, "a lane after another");
    }
}
