//! Stage `loss`: the generative loss of a network, such as an intermediate checkpoint, on held-out,
//! test and training images (section 4.2 of the paper compares it with linear probes).
//!
//! It shares its code with pre-training: with the same parameters and seed the numbers are equal.

mod params;

use igpt_contract::{
    In, Known, KnownInputs, KnownOutputs, Many, Memory, MetricValues, Metrics, Model, Out, ParamError,
    Resources, Stage, StageContext, StageError, StageIo, StageSpec, Tokens, counted,
};
use igpt_corpus::{Corpus, Rows, Task};
use igpt_model::{input_model, loss::BertReduction, memory, param_count, prepare};

pub use params::Params;

const MODEL: In<Model> =
    In::new("model", "the network; a part of `checkpoints` for one of its training steps");
const TOKENS: Many<Tokens> =
    Many::new("tokens", "the images to evaluate: one or several image sets, as in pre-training");
const METRICS: Out<Metrics> = Out::new("metrics", "losses in nats/token and in bits/token");

/// The stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Loss;

impl Stage for Loss {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "loss",
            summary: "evaluates the generative loss of a network, at any training step",
            // 2: probabilities below e^-50 are zero.
            // 3: a BERT network under masks that hide nothing has no loss.
            version: 3,
            inputs: vec![MODEL.port(), TOKENS.port()],
            outputs: vec![METRICS.port()],
            // The masks under which a BERT network is evaluated are those of its pre-training.
            seeded: true,
            device_dependent: true,
            isolated: false,
            unkeyed: &["memory_mib"],
            resources: Resources { cpus: 0, memory_mib: 2048, gpus: 0 },
        }
    }

    fn check(&self, params: &Params) -> Result<(), ParamError> {
        params.check()
    }

    fn memory(&self, params: &Params, inputs: &KnownInputs<'_>) -> Option<Memory> {
        let network = inputs.one(MODEL.name)?;
        let tokens = memory::tokens(inputs.shape(TOKENS.name), params.memory_mib);
        memory::of_inference(tokens, network, params.batch)
    }

    fn foresee(&self, params: &Params, _: &KnownInputs<'_>) -> KnownOutputs {
        let parts =
            [("valid", params.validation.fraction > 0.0), ("test", true), ("train", params.train_rows > 0)];
        let parts = parts.into_iter().filter(|(_, measured)| *measured);
        let of_parts =
            parts.flat_map(|(part, _)| ["loss", "bits", "images"].map(|of| format!("{of}.{part}")));
        let numbers = of_parts.chain(["model.parameters", "steps"].map(str::to_owned));
        [(METRICS.name, Known::metrics(numbers, ["objective", "dataset"]))].into()
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        let device = prepare(cx)?.device;
        let (gpt, card) = input_model(io.input(&MODEL), &device)?;
        let corpus = Corpus::read(io.many(&TOKENS), &params.selection(), cx)?;
        card.check_tokens(corpus.palette, corpus.height, corpus.width, corpus.vocab)?;
        // The reduction of BERT's losses matters to gradients alone, of which there are none here.
        let task = Task::new(card.objective, params.mask_probability, BertReduction::Mean, cx);
        let train = match params.train_rows {
            0 => None,
            n => Some(corpus.train.spaced(n)),
        };
        let parts: [(&str, Option<&Rows>); 3] =
            [("valid", Some(&corpus.valid)), ("test", Some(&corpus.test)), ("train", train.as_ref())];
        let mut metrics = MetricValues::default()
            .with("model.parameters", param_count(&card.config) as f64)
            .with("steps", card.step as f64);
        let parts: Vec<_> = parts
            .into_iter()
            .filter_map(|(name, rows)| Some((name, rows.filter(|r| !r.is_empty())?)))
            .collect();
        if parts.is_empty() {
            return Err(StageError::new("there are neither held-out nor test images to evaluate")
                .hint("set `train_rows`, or a `validation.fraction` above 0"));
        }
        for (name, rows) in parts {
            let nats = task.mean_loss(&gpt, rows, params.batch, &device, cx)?;
            cx.note(format!("loss.{name}: {nats:.4} nats/token over {}", counted(rows.len(), "image")));
            metrics = metrics
                .with(format!("loss.{name}"), nats)
                .with(format!("bits.{name}"), nats / std::f64::consts::LN_2)
                .with(format!("images.{name}"), rows.len() as f64);
        }
        metrics.facts.insert("objective".to_owned(), card.objective.as_str().to_owned());
        metrics.facts.insert("dataset".to_owned(), corpus.name);
        Ok(metrics.write(io.output(&METRICS))?)
    }
}
