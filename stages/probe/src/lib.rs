//! The stage kind `probe`: multinomial logistic regression on the features of one layer.
//!
//! How well a linear classifier predicts classes from the pooled features of a layer is the paper's
//! measure of a representation (section 2.4). The objective is that of scikit-learn, so that the
//! numbers can be compared; the fit is deterministic for any number of threads.

mod cholesky;
mod examples;
mod fit;
mod lbfgs;
mod matmul;
mod measure;
mod moments;
mod params;
mod search;
mod sgd;
mod softmax;
mod split;

use igpt_contract::{
    AnyFile, FeatureLayer, In, KnownInputs, KnownOutputs, Memory, Metrics, Out, ParamError, Predictions,
    Resources, Stage, StageContext, StageError, StageIo, StageSpec,
};
use igpt_dataset::FeatureTable;

pub use examples::Examples;
pub use fit::{FittedProbe, LinearProbe};
pub use params::{Params, Solver};
pub use softmax::{Score, Softmax};

/// So many iterations an ordinary fit needs, and so many classes an ordinary set has: for estimates.
const ITERATIONS: f64 = 150.0;
const CLASSES: f64 = 10.0;

const FEATURES: In<FeatureLayer> = In::new("features", "the pooled features of one layer");
const METRICS: Out<Metrics> = Out::new("metrics", "accuracies, losses and the settings of the fit");
const PREDICTIONS: Out<Predictions> =
    Out::new("predictions", "the log-probabilities of the classes for each test image, in each of its views");
const FOLDS: Out<AnyFile> =
    Out::new("folds", "which images were trained, validated and tested on: `folds.parquet`");

/// Linear probes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Probe;

impl Stage for Probe {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "probe",
            summary: "fits a linear classifier to the features of one layer",
            // 2: another draw of `train_rows`; a test image counts by its first view.
            // 3: matrix products of another width end in other last digits.
            // 4: two classes have scikit-learn's objective; a search without held-out images and a test
            //    without labels are errors; a draw of few labels has each class held out; metrics.
            // 5: the predictions say which network and layer they are from.
            // 6: pixels are not called layer 0.
            version: 6,
            inputs: vec![FEATURES.port()],
            outputs: vec![METRICS.port(), PREDICTIONS.port(), FOLDS.port()],
            // What is drawn at random has seeds among the parameters.
            seeded: false,
            device_dependent: false,
            isolated: false,
            unkeyed: &[],
            resources: Resources { cpus: 1, memory_mib: 1024, gpus: 0 },
        }
    }

    fn check(&self, params: &Params) -> Result<(), ParamError> {
        params::check(params)
    }

    fn flops(&self, params: &Params, inputs: &KnownInputs<'_>) -> Option<f64> {
        let features = inputs.shape(FEATURES.name);
        let rows = if params.train_rows == 0 { features.train? } else { params.train_rows as u64 } as f64;
        let product = rows * features.width? as f64 * CLASSES;
        let passes = match params.solver {
            Solver::Lbfgs => params.c.len() as f64 * ITERATIONS,
            Solver::Sgd => (params.learning_rates.len() * params.steps * params.batch) as f64 / rows,
        };
        // Two products with the features in each pass, two operations for each of their numbers.
        Some(4.0 * product * passes)
    }

    fn memory(&self, _: &Params, inputs: &KnownInputs<'_>) -> Option<Memory> {
        let features = inputs.shape(FEATURES.name);
        // The features, and those of the rows that are fitted or scored, gathered.
        let values = 2.0 * features.images()? as f64 * features.width? as f64;
        Some(Memory::of_processor(4.0 * values))
    }

    fn foresee(&self, params: &Params, _: &KnownInputs<'_>) -> KnownOutputs {
        [(METRICS.name, measure::names(params))].into()
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        let table = FeatureTable::read(io.input(&FEATURES))?;
        if let Some(at) = table.values.iter().position(|x| !x.is_finite()) {
            let what = format!("image {} has a feature that is not finite", table.ids[at / table.dim]);
            return Err(
                StageError::new(what).hint("the training of the network may have diverged; check its loss")
            );
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(cx.threads()).build();
        let pool = pool.map_err(|e| StageError::caused("the threads could not be started", e))?;
        let (metrics, predictions, folds) = pool.install(|| measure::measure(params, &table, cx))?;
        metrics.write(io.output(&METRICS))?;
        predictions.write(io.output(&PREDICTIONS))?;
        folds.write(io.output(&FOLDS))?;
        Ok(())
    }
}
