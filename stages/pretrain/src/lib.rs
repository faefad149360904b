//! Stage `pretrain`: trains an iGPT on colour-index sequences without labels (paper sections 2.1,
//! 2.2 and 3.4).

mod checkpoints;
mod config;
mod continuation;
mod footprint;
mod log;
mod metrics;
mod params;
mod start;
mod train;

use std::borrow::Cow;
use std::path::Path;

use igpt_contract::{
    AnyFile, Checkpoints, Choice, ChosenValue, Known, KnownInputs, KnownOutputs, Many, Memory, Metrics,
    Model, Opt, Out, ParamError, Resources, Stage, StageContext, StageError, StageIo, StageSpec, Tokens,
};
use igpt_corpus::Corpus;
use igpt_model::{Gpt, ModelCard, Ops, flops, param_count, prepare_with, save_model, single_torch_thread};
use igpt_ranks::Team;

pub use igpt_ranks::serve as serve_rank;
pub use params::Params;

use checkpoints::StepCheckpoints;
use config::TrainingConfig;
use continuation::Course;
use train::{Continuation, Training};

const TOKENS: Many<Tokens> =
    Many::new("tokens", "the images to train on: one or several sets of the same resolution and palette");
const CHOICE: Opt<Choice> =
    Opt::new("choice", "the result of a search over `learning_rate`, which replaces the parameter");
const RESUME: Opt<Model> = Opt::new(
    "resume",
    "the network of a shorter training to continue, with the state that `keep_state` adds",
);
const MODEL: Out<Model> = Out::new("model", "the network after the last step");
const CHECKPOINTS: Out<Checkpoints> =
    Out::new("checkpoints", "the networks by step: those in `keep`, powers of two, and the last");
const METRICS: Out<Metrics> = Out::new("metrics", "losses in nats/token, with their curves");
const FOLDS: Out<AnyFile> =
    Out::new("folds", "which images were trained, validated and tested on: `folds.parquet`");

/// The numerics class of a device (`flex-f32`), part of the cache keys of device-dependent stages.
///
/// # Errors
/// Why this build cannot use that device.
pub fn numerics_class(device: &str) -> Result<String, String> {
    igpt_model::pick_device(device).map(|picked| picked.class.to_owned()).map_err(|error| error.to_string())
}

/// The stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pretrain;

impl Stage for Pretrain {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "pretrain",
            summary: "pre-trains an iGPT on tokens, autoregressively or as BERT",
            // 2: the learning rate is among the metrics.
            // 3: probabilities below e^-50 are zero.
            // 4: an image in which BERT masks nothing is left out of the mean, a step without any is an
            //    error; images of one token train.
            version: 4,
            inputs: vec![TOKENS.port(), CHOICE.port(), RESUME.port()],
            outputs: vec![MODEL.port(), CHECKPOINTS.port(), METRICS.port(), FOLDS.port()],
            seeded: true,
            device_dependent: true,
            isolated: true,
            unkeyed: &["checkpoint_every", "memory_mib", "processes", "recompute"],
            resources: Resources { cpus: 0, memory_mib: 2048, gpus: 0 },
        }
    }

    fn check(&self, params: &Params) -> Result<(), ParamError> {
        params.check()
    }

    fn work(&self, params: &Params) -> Option<f64> {
        let weights = params.model.n_layer() * params.model.n_embd().pow(2);
        Some(params.steps as f64 * params.batch as f64 * weights as f64)
    }

    fn flops(&self, params: &Params, inputs: &KnownInputs<'_>) -> Option<f64> {
        let images = params.steps as f64 * params.batch as f64;
        Some(images * flops::training(&network(params, inputs))?)
    }

    fn memory(&self, params: &Params, inputs: &KnownInputs<'_>) -> Option<Memory> {
        footprint::memory(params, &network(params, inputs), inputs.shape(TOKENS.name))
    }

    fn foresee(&self, params: &Params, inputs: &KnownInputs<'_>) -> KnownOutputs {
        let network = network(params, inputs);
        let (n_layer, shape) = (network.n_layer, network.shape);
        let parts = params.kept_steps().into_iter().map(checkpoints::part_name);
        let checkpoints = match inputs.all(RESUME.name) {
            [] => Known::with_parts(parts),
            // Those before the step that it goes on from are not among them, and which that is is not known.
            _ => Known::default(),
        };
        [
            (MODEL.name, network),
            (CHECKPOINTS.name, Known { n_layer, shape, ..checkpoints }),
            (METRICS.name, metrics::names(params)),
        ]
        .into()
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        let params = &*chosen(params, io.optional(&CHOICE))?;
        if cx.gpus() > 1 {
            let gpus = cx.gpus();
            return Err(StageError::new(format!("training one network on {gpus} GPUs is not built")).hint(
                "give the step one: `resources: {gpus: 1}`; processors can share a step by `processes`",
            ));
        }
        let picked = prepare_with(cx, cx.threads_of_each(params.processes))?;
        if params.processes > 1 && picked.class.contains("cuda") {
            return Err(StageError::new("several processes on GPUs are not built")
                .hint("take `processes: 1` there; processes share the processor (`--device cpu`)"));
        }
        let device = picked.device.autodiff();
        if params.lanes > 1 {
            // Its sums depend on the number of threads, and the ranks share those that there are.
            single_torch_thread();
        }
        let team = Team::gather("pretrain", params, params.processes, io, cx)?;
        let corpus = Corpus::read(io.many(&TOKENS), &params.selection(), cx)?;
        let failed = |what: &'static str| move |error| StageError::caused(what, error);
        let config = params
            .model
            .config(corpus.positions(), corpus.vocab)
            .map_err(failed("the parameter `model` is not valid"))?;
        let training = TrainingConfig::new(params, &corpus, cx);
        let card = ModelCard {
            step: params.steps,
            palette: corpus.palette,
            seed: cx.seed(),
            ..ModelCard::new(&config, params.objective, corpus.height, corpus.width)
        };
        let keeps = |step| params.keeps(step);
        let checkpoints = StepCheckpoints::new(cx.checkpoint_dir().join("kept"), &card, &keeps);
        let ops = Ops::with(&device, params.precision)
            .map_err(failed("the device does not support `precision`"))?;
        let network = Gpt::init(&config, &mut cx.stream("init"), &device).with_ops(ops);
        let (resume, keeps_state) = (io.optional(&RESUME), |step| params.keeps_state(step));
        let course = (resume.is_some() || params.keep_state)
            .then(|| Course::new(params, &training.schedule, &corpus, cx))
            .transpose()?;
        let continuation =
            course.as_ref().map(|course| Continuation { course, resume, keeps_state: &keeps_state });
        let (model, log) = Training::begin(
            &training,
            &corpus,
            cx,
            network,
            &checkpoints,
            continuation.as_ref(),
            &team,
            &device,
        )?
        .run()?;
        let mut metrics = metrics::values(params, &training, &corpus, &log)
            .with("model.parameters", param_count(&config) as f64);
        if !corpus.test.is_empty() {
            let what = ("test", params.steps);
            let loss = train::evaluate(&training, &model, what, &corpus.test, &device, &team, cx)?;
            metrics = metrics.with("loss.test", loss);
        }
        let leads = team.leads();
        team.part()?;
        if !leads {
            return Ok(());
        }
        save_model(io.output(&MODEL), &model, &card).map_err(failed("the model cannot be written"))?;
        checkpoints.copy_to(io.output(&CHECKPOINTS), &log.kept)?;
        corpus.folds.write(io.output(&FOLDS))?;
        metrics.write(io.output(&METRICS))?;
        Ok(())
    }
}

/// What is known of the network.
fn network(params: &Params, inputs: &KnownInputs<'_>) -> Known {
    flops::network(&params.model, inputs.shape(TOKENS.name).positions)
}

/// The parameters, with the result of a search where one is connected: the retraining on train +
/// validation after the search (section 3.1).
fn chosen<'p>(params: &'p Params, choice: Option<&Path>) -> Result<Cow<'p, Params>, StageError> {
    let Some(folder) = choice else { return Ok(Cow::Borrowed(params)) };
    let learning_rate = ChosenValue::number(folder, "learning_rate")?;
    let params = Params { learning_rate, ..params.clone() };
    params.check().map_err(|error| StageError::new(format!("the input `choice`: {error}")))?;
    Ok(Cow::Owned(params))
}
