//! What a training takes, in each of its processes, before anything runs.

use igpt_contract::{Known, Memory, Shape};
use igpt_model::memory::{self, TrainingStep};

use crate::params::Params;

/// Of a network and tokens of which so much is known. `docs/ranks.md` has the sums in words.
pub(crate) fn memory(params: &Params, network: &Known, tokens: Shape) -> Option<Memory> {
    let weights = memory::weights(network)?;
    let tokens = memory::tokens(tokens, params.memory_mib);
    if params.steps == 0 {
        let computes = memory::inference(network, params.batch)?;
        return Some(memory::with_checkpoints(tokens, weights, computes));
    }
    let Params { accumulation, precision, recompute, .. } = *params;
    let step = TrainingStep {
        batch: params.batch.div_ceil(params.lanes),
        parts: accumulation,
        precision,
        recompute,
    };
    let processes = params.processes as f64;
    let computes = state(params, weights) + memory::activations(network, step)?;
    let exchanged = 2.0 * weights * (processes - 1.0) / processes;
    Some(memory::with_checkpoints(tokens, weights, computes).in_processes(params.processes, exchanged))
}

/// The bytes of parameters, gradients and the optimizer's state, and of what is exchanged of them, when they are
/// most.
fn state(params: &Params, weights: f64) -> f64 {
    // The two means of each gradient.
    let moments = 2.0 * weights / params.processes as f64;
    // Sums of 1, 2, 4 ... lanes that wait for their other halves, beside the gradients that are being made.
    let waiting = f64::from((params.lanes / params.processes).ilog2());
    let being_made = if params.accumulation > 1 { 2.0 } else { 1.0 };
    let gradients = (waiting + being_made) * weights;
    // One process has the new parameters beside the old ones while there are still gradients. Of several each
    // has all gradients on their way out and as many of its shard on their way in, and then the new parameters
    // twice, as they come and as tensors.
    let update = 2.0 * weights;
    weights + moments + gradients.max(update)
}

#[cfg(test)]
mod tests {
    use igpt_model::flops;
    use igpt_model::{ModelParams, Preset};

    use super::*;

    fn of(preset: Preset, lanes: usize, processes: usize) -> Params {
        let model = ModelParams { preset, ..ModelParams::default() };
        Params { model, lanes, processes, recompute: true, ..Params::default() }
    }

    #[test]
    fn a_share_of_the_optimizer_is_what_a_process_saves() {
        let [one, eight] = [1, 8].map(|processes| of(Preset::IgptL, 8, processes));
        // 1.362 billion parameters of 4 bytes are 5.07 GiB.
        let gib = 1024.0 * 1024.0 * 1024.0;
        assert_eq!(
            (state(&one, 5.07 * gib) / gib * 100.0).round(),
            3549.0,
            "parameters 1, moments 2, gradients 4"
        );
        assert_eq!(
            (state(&eight, 5.07 * gib) / gib * 100.0).round(),
            1648.0,
            "parameters 1, moments 1/4, gradients 2"
        );
    }

    #[test]
    fn each_process_holds_a_lane_at_a_time_and_exchanges_its_gradients() {
        let memory = |params: Params| {
            let network = flops::network(&params.model, Some(1024));
            memory(&params, &network, Shape::default()).unwrap()
        };
        let [one, eight] = [1, 8].map(|processes| memory(of(Preset::IgptL, 8, processes)));
        assert_eq!((one.processes, one.exchanged_mib, eight.processes), (1, 0, 8));
        assert!((9000..9200).contains(&eight.exchanged_mib), "{eight:?}");
        assert!(eight.gpu_mib < one.gpu_mib && eight.beside_gpu_mib == one.beside_gpu_mib);
    }
}
