//! Stage `concat`: concatenates the features of neighbouring layers, centred on the best one (section 4.4:
//! five layers around the best of iGPT-XL, 15,360 features).

mod join;

use igpt_contract::{
    FeatureLayer, FeatureLayers, In, Known, KnownInputs, KnownOutputs, Many, MetricValues, Metrics, Misfit,
    Out, ParamError, Resources, Sought, Stage, StageContext, StageError, StageIo, StageSpec, best_layer,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const LAYERS: In<FeatureLayers> = In::new("features", "the features of all layers: `features.layers`");
const PROBES: Many<Metrics> = Many::new(
    "metrics",
    "the metrics of the probes of those layers, labelled with `layer`, to find the best",
);
const FEATURES: Out<FeatureLayer> = Out::new("features", "the layers' features, concatenated");
const METRICS: Out<Metrics> = Out::new("metrics", "which layers were joined, and which is the best");

/// Parameters of `concat`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The number of neighbouring layers to join (section 4.4: 5). Half of them precede the best one;
    /// near the first or last layer the window shifts so that it is always complete.
    pub layers: usize,
    /// The probes' metric by which the best layer is chosen. It should not be a test metric.
    pub metric: String,
    /// Whether the lowest value is the best, as for a loss.
    pub lowest: bool,
}

impl Default for Params {
    fn default() -> Self {
        Self { layers: 5, metric: "accuracy.valid".to_owned(), lowest: false }
    }
}

/// The stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Concat;

impl Stage for Concat {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "concat",
            summary: "joins the features of neighbouring layers, centred on the best",
            // 2: the Parquet file says what it is. 3: and which layers were joined.
            version: 3,
            inputs: vec![LAYERS.port(), PROBES.port()],
            outputs: vec![FEATURES.port(), METRICS.port()],
            seeded: false,
            device_dependent: false,
            isolated: false,
            unkeyed: &[],
            resources: Resources { cpus: 1, memory_mib: 512, gpus: 0 },
        }
    }

    fn check(&self, params: &Params) -> Result<(), ParamError> {
        if params.layers == 0 {
            return Err(ParamError::at("layers", "expected at least 1 layer, found 0"));
        }
        Ok(())
    }

    fn foresee(&self, params: &Params, _: &KnownInputs<'_>) -> KnownOutputs {
        let numbers = ["features", "layer.best", "layer.first", "layer.last", &params.metric];
        [(METRICS.name, Known::metrics(numbers, ["layers"]))].into()
    }

    fn misfits(&self, params: &Params, inputs: &KnownInputs<'_>) -> Vec<Misfit> {
        let metric = ("metric".to_owned(), params.metric.as_str());
        let mut misfits = inputs.lacking(&[PROBES.name], Sought::Number, [metric]);
        let there = inputs.one(LAYERS.name).and_then(|layers| layers.parts.as_ref()).map(Vec::len);
        if let Some(found) = there.filter(|found| *found < params.layers) {
            let what = join::too_few(found, params.layers);
            misfits.push(Misfit { path: "layers".to_owned(), port: LAYERS.name, what, name: None });
        }
        misfits
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        let best = best_layer(io.many(&PROBES), &params.metric, params.lowest)?;
        let layers = join::window(&join::layers(io.input(&LAYERS))?, best.layer, params.layers)?;
        let dim = join::join(io.input(&LAYERS), &layers, io.output(&FEATURES), cx)?;
        let mut metrics = MetricValues::default()
            .with("features", dim as f64)
            .with("layer.best", best.layer as f64)
            .with("layer.first", layers[0] as f64)
            .with("layer.last", layers[layers.len() - 1] as f64)
            .with(params.metric.clone(), best.value);
        let names: Vec<String> = layers.iter().map(ToString::to_string).collect();
        metrics.facts.insert("layers".to_owned(), names.join(", "));
        Ok(metrics.write(io.output(&METRICS))?)
    }
}
