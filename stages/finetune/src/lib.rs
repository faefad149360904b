//! Stage `finetune`: trains a network with a class head on labelled tokens (sections 2.3 and 3.4 of the
//! paper), from pre-trained or from random weights.

mod evaluate;
mod images;
mod metrics;
mod params;
mod start;
mod state;
mod step;
mod train;

use std::borrow::Cow;
use std::path::Path;

use burn::module::Module as _;
use igpt_contract::{
    AnyFile, Choice, ChosenValue, In, Known, KnownInputs, KnownOutputs, Many, Memory, Metrics, Misfit, Model,
    Opt, Out, ParamError, Predictions, Resources, Sought, Stage, StageContext, StageError, StageIo,
    StageSpec, Tokens,
};
use igpt_dataset::{TokenPlace, TokenSet};
use igpt_model::memory::{self, TrainingStep};
use igpt_model::{ClassHeadCard, ModelCard, Objective, flops, prepare, save_model};
use igpt_optim::Diverged;

pub use params::{Augment, Loss, Params};

use evaluate::Evaluator;
use images::Images;
use train::{FineTuned, Training};

const TOKENS: In<Tokens> = In::new("tokens", "the labelled images");
const START: Opt<Model> = Opt::new("model", "the network to start from; without it, weights are random");
const PROBES: Many<Metrics> = Many::new(
    "probes",
    "probes labelled with `layer`: the class head reads the layer with the best `accuracy.valid`",
);
const CHOICE: Opt<Choice> =
    Opt::new("choice", "the result of a search over `learning_rates`, which replaces the parameter");
const MODEL: Out<Model> =
    Out::new("model", "the network with its class head, at its best validation accuracy");
const METRICS: Out<Metrics> = Out::new("metrics", "accuracies, losses and their curves");
const PREDICTIONS: Out<Predictions> =
    Out::new("predictions", "the predictions for each test image, under each mask");
const FOLDS: Out<AnyFile> =
    Out::new("folds", "which images were trained, validated and tested on: `folds.parquet`");

/// The stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Finetune;

impl Stage for Finetune {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "finetune",
            summary: "fine-tunes a network with a class head on labelled tokens",
            // 2: the metrics tell one mask from several, and the head's layer.
            // 3: probabilities below e^-50 are zero.
            // 4: a draw of few labels has each class held out; a test without labels and one class are
            //    errors; BERT leaves out images without a mask; images of one token train. The model's card
            //    names the classes.
            // 5: the predictions say which network and layer they are from.
            version: 5,
            inputs: vec![TOKENS.port(), START.port(), PROBES.port(), CHOICE.port()],
            outputs: vec![MODEL.port(), METRICS.port(), PREDICTIONS.port(), FOLDS.port()],
            seeded: true,
            device_dependent: true,
            isolated: true,
            unkeyed: &["checkpoint_every", "memory_mib"],
            resources: Resources { cpus: 0, memory_mib: 2048, gpus: 0 },
        }
    }

    fn check(&self, params: &Params) -> Result<(), ParamError> {
        params.check()
    }

    fn work(&self, params: &Params) -> Option<f64> {
        // Of epochs, the number of images would have to be known.
        let images = params.learning_rates.len() as f64 * params.steps as f64 * params.batch as f64;
        (params.steps > 0).then_some(images)
    }

    fn flops(&self, params: &Params, inputs: &KnownInputs<'_>) -> Option<f64> {
        let network = network(params, inputs);
        let tokens = inputs.shape(TOKENS.name);
        let drawn = match params.steps {
            0 => params.epochs * tokens.train? as f64,
            steps => steps as f64 * params.batch as f64,
        };
        let rates = params.learning_rates.len() as f64;
        let tested = tokens.test.unwrap_or(0) as f64 * flops::forward(&network)?;
        Some(rates * drawn * flops::training(&network)? + tested)
    }

    fn memory(&self, params: &Params, inputs: &KnownInputs<'_>) -> Option<Memory> {
        let network = network(params, inputs);
        let Params { batch, accumulation, precision, .. } = *params;
        let step = TrainingStep { batch, parts: accumulation, precision, recompute: false };
        // The best network so far is kept beside the one that is trained.
        let computes = memory::training(&network, step)? + memory::weights(&network)?;
        let tokens = memory::tokens(inputs.shape(TOKENS.name), params.memory_mib);
        Some(memory::with_checkpoints(tokens, memory::weights(&network)?, computes))
    }

    fn foresee(&self, params: &Params, inputs: &KnownInputs<'_>) -> KnownOutputs {
        [(MODEL.name, network(params, inputs)), (METRICS.name, metrics::names(params))].into()
    }

    fn misfits(&self, params: &Params, inputs: &KnownInputs<'_>) -> Vec<Misfit> {
        let by = (String::new(), start::BEST_BY);
        let mut misfits = inputs.lacking(&[PROBES.name], Sought::Number, [by]);
        if let (Some(layer), Some(n_layer)) = (params.head_layer, network(params, inputs).n_layer)
            && usize::try_from(layer).is_ok_and(|layer| layer > n_layer)
        {
            let (path, what) = ("head_layer".to_owned(), start::no_layer(layer, n_layer));
            misfits.push(Misfit { path, port: START.name, what, name: None });
        }
        misfits
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        let params = &*chosen(params, io.optional(&CHOICE))?;
        let head = start::head(params, io.many(&PROBES))?;
        let picked = prepare(cx)?;
        let scratch = cx.checkpoint_dir().join("tokens");
        let place = TokenPlace { memory_mib: params.memory_mib, scratch: &scratch };
        let images = Images::new(TokenSet::read(io.input(&TOKENS), place)?, params)?;
        let device = picked.device.clone().autodiff();
        images.notes().iter().for_each(|note| cx.note(note));
        let start = start::start(params, io.optional(&START), head, images.info(), &device, cx)?;
        let objective = start.card.objective;
        let evaluator = Evaluator::new(objective, params.mask_probability, cx, picked.device);
        let training = Training {
            params,
            images: &images,
            objective,
            start: start.gpt.clone(),
            device,
            evaluator: &evaluator,
            cx,
        };
        let FineTuned { gpt, search } = training.search()?;
        let winner =
            search.winner().ok_or_else(|| StageError::new("training failed at every learning rate"))?;
        let gpt = gpt.valid();
        let masks = if objective == Objective::Bert { usize::from(params.evaluation_masks) } else { 1 };
        let mut tests = Vec::new();
        for draw in (0..masks).filter(|_| !images.test().is_empty()) {
            let test = evaluator.evaluate(&gpt, &images, images.test(), draw, cx)?;
            Diverged::check("test", winner.step, test.loss)
                .map_err(|error| StageError::new(error.to_string()).hint(Diverged::HINT))?;
            tests.push(test);
        }
        if let Some(test) = tests.first() {
            metrics::warn_of_chance(&images, test, cx);
        }
        let predictions = metrics::predictions(&images, &start, &tests);
        let mut metrics = metrics::values(params, &images, &start, &search, winner);
        metrics::test(&mut metrics, &tests, &predictions, cx);
        predictions.write(io.output(&PREDICTIONS))?;
        images.folds().write(io.output(&FOLDS))?;
        metrics.write(io.output(&METRICS))?;
        let step = start.card.step + winner.best.map_or(0, |best| best.step);
        let names = images.info().classes.clone();
        let class_head = Some(ClassHeadCard { classes: names.len(), layer: start.layer, names });
        save_model(io.output(&MODEL), &gpt, &ModelCard { step, class_head, ..start.card })
            .map_err(|error| StageError::caused("the model cannot be written", error))
    }
}

/// What is known of the network that is fine-tuned.
fn network(params: &Params, inputs: &KnownInputs<'_>) -> Known {
    match inputs.one(START.name) {
        Some(network) => network.part(),
        None => {
            let model = params.model.clone().unwrap_or_default();
            flops::network(&model, inputs.shape(TOKENS.name).positions)
        }
    }
}

/// The parameters, with the result of a search where one is connected: the retraining on train +
/// validation after the search (section 3.1).
fn chosen<'p>(params: &'p Params, choice: Option<&Path>) -> Result<Cow<'p, Params>, StageError> {
    let Some(folder) = choice else { return Ok(Cow::Borrowed(params)) };
    let learning_rates = vec![ChosenValue::number(folder, "learning_rates")?].into();
    let params = Params { learning_rates, ..params.clone() };
    params.check().map_err(|error| StageError::new(format!("the input `choice`: {error}")))?;
    Ok(Cow::Owned(params))
}
