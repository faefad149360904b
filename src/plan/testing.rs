//! Tiny stages for the tests of the planner and of the verbs that show stages.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use igpt_contract::{
    Checkpoints, DynStage, FeatureLayer, FeatureLayers, ImageSet, In, Known, KnownInputs, KnownOutputs, Many,
    Metrics, Misfit, Model, Opt, Out, ParamError, Resources, Sought, Stage, StageContext, StageError,
    StageIo, StageSpec, Table,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Catalog, Plan, plan};
use crate::pipeline::{Diagnostic, Overrides, Pipeline};

const MIB: Resources = Resources { cpus: 1, memory_mib: 64, gpus: 0 };

fn spec(name: &'static str, summary: &'static str) -> StageSpec {
    StageSpec {
        name,
        summary,
        version: 1,
        inputs: Vec::new(),
        outputs: Vec::new(),
        seeded: false,
        device_dependent: false,
        isolated: false,
        unkeyed: &[],
        resources: MIB,
    }
}

macro_rules! no_work {
    ($params:ty) => {
        type Params = $params;

        fn run(&self, _: &$params, _: &StageIo, _: &StageContext) -> Result<(), StageError> {
            Err(StageError::new("the stages of the planner's tests do no work"))
        }
    };
}

/// Makes images: `images`.
struct Images;

/// Where images come from.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Origin {
    /// Squares and circles.
    Shapes,
    /// The official archive.
    Cifar10,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ImagesParams {
    /// Where the images come from.
    source: Origin,
    /// How many images, at least 1.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1))]
    count: u32,
}

fn hundred() -> u32 {
    100
}

const IMAGES: Out<ImageSet> = Out::new("images", "The images.");

impl Stage for Images {
    no_work!(ImagesParams);

    fn spec(&self) -> StageSpec {
        StageSpec { outputs: vec![IMAGES.port()], seeded: true, ..spec("images", "Makes images.") }
    }
}

/// Trains: `images`, `init`? -> `model`, `metrics`, `checkpoints`.
struct Train;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct TrainParams {
    /// Training steps.
    steps: u32,
    /// The peak learning rate of Adam, per step.
    learning_rate: f64,
    /// Whether to use dropout.
    dropout: bool,
    /// Steps between checkpoints; does not enter the key.
    checkpoint_every: u32,
    /// The validation split.
    validation: igpt_contract::Validation,
    /// The clip of the gradient's norm; none by default.
    clip: Option<f64>,
}

impl Default for TrainParams {
    fn default() -> Self {
        Self {
            steps: 100,
            learning_rate: 0.003,
            dropout: false,
            checkpoint_every: 10,
            validation: igpt_contract::Validation::default(),
            clip: None,
        }
    }
}

const TRAIN_IMAGES: In<ImageSet> = In::new("images", "What to train on.");
const INIT: Opt<Model> = Opt::new("init", "Where to start from.");
const MODEL: Out<Model> = Out::new("model", "The trained model.");
const METRICS: Out<Metrics> = Out::new("metrics", "Losses.");
const CHECKPOINTS: Out<Checkpoints> = Out::new("checkpoints", "Models on the way.");

impl Stage for Train {
    no_work!(TrainParams);

    fn spec(&self) -> StageSpec {
        StageSpec {
            inputs: vec![TRAIN_IMAGES.port(), INIT.port()],
            outputs: vec![MODEL.port(), METRICS.port(), CHECKPOINTS.port()],
            seeded: true,
            unkeyed: &["checkpoint_every"],
            ..spec("train", "Trains a model.")
        }
    }

    fn work(&self, params: &TrainParams) -> Option<f64> {
        Some(f64::from(params.steps))
    }

    fn check(&self, params: &TrainParams) -> Result<(), ParamError> {
        if params.learning_rate <= 0.0 {
            let what = format!("`learning_rate` is {}, expected a value above 0", params.learning_rate);
            return Err(ParamError::at("learning_rate", what));
        }
        match params.clip {
            Some(clip) if clip < 0.0 || clip > f64::from(params.steps) => {
                Err(ParamError::at("clip", format!("`clip` is {clip}, expected a value from 0 to `steps`")))
            }
            _ => Ok(()),
        }
    }
}

/// Features by layer: `model`, `images` -> `layers`.
struct Features;

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoParams {}

const FEATURES_MODEL: In<Model> = In::new("model", "The model.");
const LAYERS: Out<FeatureLayers> = Out::new("layers", "Features by layer.");

impl Stage for Features {
    no_work!(NoParams);

    fn spec(&self) -> StageSpec {
        StageSpec {
            inputs: vec![FEATURES_MODEL.port(), TRAIN_IMAGES.port()],
            outputs: vec![LAYERS.port()],
            ..spec("features", "Pools features.")
        }
    }

    fn foresee(&self, _: &NoParams, inputs: &KnownInputs<'_>) -> KnownOutputs {
        let layers = inputs.one(FEATURES_MODEL.name).and_then(|model| model.n_layer);
        let parts = |n: usize| Known::with_parts((0..=n).map(|layer| layer.to_string()));
        layers.map(|n| (LAYERS.name, parts(n))).into_iter().collect()
    }
}

/// A probe: `features` -> `metrics`.
struct Probe;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ProbeParams {
    /// Inverse regularisation strengths to try.
    c: Vec<f64>,
    /// The solver.
    solver: Solver,
}

impl Default for ProbeParams {
    fn default() -> Self {
        Self { c: vec![1.0], solver: Solver::Lbfgs { tolerance: 1e-4 } }
    }
}

/// How the objective is minimised.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Solver {
    /// Quasi-Newton.
    Lbfgs {
        /// Relative change of the objective at which it stops.
        tolerance: f64,
    },
    /// Stochastic gradient descent.
    Sgd {
        /// Passes over the data.
        epochs: u32,
    },
}

const PROBE_FEATURES: In<FeatureLayer> = In::new("features", "One layer's features.");

impl Stage for Probe {
    no_work!(ProbeParams);

    fn spec(&self) -> StageSpec {
        StageSpec {
            inputs: vec![PROBE_FEATURES.port()],
            outputs: vec![METRICS.port()],
            seeded: true,
            ..spec("probe", "Fits a probe.")
        }
    }

    fn foresee(&self, _: &ProbeParams, _: &KnownInputs<'_>) -> KnownOutputs {
        [(METRICS.name, Known::metrics(["accuracy.test", "loss.test"], ["solver"]))].into()
    }
}

/// A table: `metrics`* -> `table`.
struct Report;

const REPORT_METRICS: Many<Metrics> = Many::new("metrics", "What to tabulate.");
const TABLE: Out<Table> = Out::new("table", "The table.");

impl Stage for Report {
    no_work!(NoParams);

    fn spec(&self) -> StageSpec {
        StageSpec {
            inputs: vec![REPORT_METRICS.port()],
            outputs: vec![TABLE.port()],
            ..spec("report", "Makes a table.")
        }
    }
}

/// Trains a network of which all is known before: `images` -> `model`, `metrics`, `checkpoints`.
struct Network;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NetworkParams {
    /// Blocks.
    layers: usize,
    /// Steps whose models are kept.
    #[serde(default)]
    keep: Vec<u64>,
}

impl Stage for Network {
    no_work!(NetworkParams);

    fn spec(&self) -> StageSpec {
        StageSpec {
            inputs: vec![TRAIN_IMAGES.port()],
            outputs: vec![MODEL.port(), METRICS.port(), CHECKPOINTS.port()],
            ..spec("network", "Trains a network.")
        }
    }

    fn foresee(&self, params: &NetworkParams, _: &KnownInputs<'_>) -> KnownOutputs {
        let n_layer = Some(params.layers);
        let kept = Known::with_parts(params.keep.iter().map(|step| format!("{step:08}")));
        [
            (MODEL.name, Known::network(n_layer)),
            (METRICS.name, Known::metrics(["loss.train", "loss.valid"], ["dataset"])),
            (CHECKPOINTS.name, Known { n_layer, ..kept }),
        ]
        .into()
    }
}

/// Shows names: `metrics`* -> `table`.
struct Summary;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SummaryParams {
    /// What is shown.
    #[serde(default = "loss")]
    names: Vec<String>,
}

fn loss() -> Vec<String> {
    vec!["loss.valid".to_owned()]
}

impl Stage for Summary {
    no_work!(SummaryParams);

    fn spec(&self) -> StageSpec {
        StageSpec {
            inputs: vec![REPORT_METRICS.port()],
            outputs: vec![TABLE.port()],
            ..spec("summary", "Shows names.")
        }
    }

    fn misfits(&self, params: &SummaryParams, inputs: &KnownInputs<'_>) -> Vec<Misfit> {
        let names = params.names.iter().enumerate();
        let names = names.map(|(i, name)| (format!("names.{i}"), name.as_str()));
        inputs.lacking(&[REPORT_METRICS.name], Sought::Any, names)
    }
}

/// The stages above.
pub(crate) fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(make_catalog)
}

fn make_catalog() -> Catalog {
    let stages: [Arc<dyn DynStage>; 7] = [
        Arc::new(Images),
        Arc::new(Train),
        Arc::new(Features),
        Arc::new(Probe),
        Arc::new(Report),
        Arc::new(Network),
        Arc::new(Summary),
    ];
    Catalog::new(stages)
}

/// Plans a pipeline with the stages above.
pub(crate) fn planned(yaml: &str, overrides: &Overrides) -> Result<Plan, Vec<Diagnostic>> {
    planned_bytes(yaml.as_bytes(), overrides)
}

/// Plans the bytes of a pipeline with the stages above.
pub(crate) fn planned_bytes(bytes: &[u8], overrides: &Overrides) -> Result<Plan, Vec<Diagnostic>> {
    let pipeline = Pipeline::parse(Path::new("pipeline.yaml"), bytes)?;
    plan(&pipeline, catalog(), overrides)
}
