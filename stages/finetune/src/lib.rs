//! Stage `finetune`: trains a network with a class head on labelled tokens (paper sections 2.3 and
//! 3.4), from a checkpoint or from random weights.

mod evaluate;
mod images;
mod outcome;
mod params;
mod start;
mod state;
mod train;

use burn::module::Module as _;
use igpt_contract::{
    In, Metrics, Model, Opt, Out, ParamError, Predictions, Resources, Stage, StageContext, StageError,
    StageIo, StageSpec, Tokens,
};
use igpt_dataset::TokenTable;
use igpt_model::{ModelCard, prepare, save_model};
use igpt_optim::Diverged;

pub use params::{Augment, Loss, Params};

use evaluate::Showing;
use images::Images;
use train::{Training, Tuned};

const TOKENS: In<Tokens> = In::new("tokens", "the labelled images");
const START: Opt<Model> = Opt::new("model", "the network to start from; without it, random weights");
const MODEL: Out<Model> =
    Out::new("model", "the network with its class head, at its best validation accuracy");
const METRICS: Out<Metrics> = Out::new("metrics", "accuracies, losses and their curves");
const PREDICTIONS: Out<Predictions> = Out::new("predictions", "what it says of each test image");

/// The stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Finetune;

impl Stage for Finetune {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "finetune",
            summary: "trains a network and a class head on labelled tokens",
            version: 1,
            inputs: vec![TOKENS.port(), START.port()],
            outputs: vec![MODEL.port(), METRICS.port(), PREDICTIONS.port()],
            seeded: true,
            device_dependent: true,
            isolated: true,
            unkeyed: &["checkpoint_every"],
            resources: Resources { cpus: 0, memory_mib: 2048, gpus: 0 },
        }
    }

    fn check(&self, params: &Params) -> Result<(), ParamError> {
        params.check()
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        let picked = prepare(cx)?;
        let images = Images::new(TokenTable::read(io.input(&TOKENS))?, params)?;
        let device = picked.device.clone().autodiff();
        let (network, card) = start::start(params, io.optional(&START), images.info(), &device, cx)?;
        let showing = Showing::new(card.objective, params.mask_probability, cx, picked.device);
        let training = Training {
            params,
            images: &images,
            objective: card.objective,
            start: network,
            device,
            showing: &showing,
            cx,
        };
        let Tuned { gpt, search } = training.search()?;
        let winner = search.winner().ok_or_else(|| StageError::new("no learning rate trained"))?;
        let gpt = gpt.valid();
        let test = match images.test() {
            [] => None,
            rows => Some(showing.judge(&gpt, &images, rows, params.evaluation_masks, cx)?),
        };
        if let Some(test) = &test {
            let step = winner.step;
            Diverged::check("test", step, test.loss)
                .map_err(|error| StageError::new(error.to_string()).hint(Diverged::HINT))?;
            outcome::warn_of_chance(&images, test, cx);
        }
        outcome::predictions(&images, test.as_ref()).write(io.output(&PREDICTIONS))?;
        outcome::metrics(params, &images, &card, &search, winner, test.as_ref())
            .write(io.output(&METRICS))?;
        let step = card.step + winner.best.map_or(0, |best| best.step);
        save_model(io.output(&MODEL), &gpt, &ModelCard { step, ..card })
            .map_err(|error| StageError::caused("the model cannot be written", error))
    }
}
