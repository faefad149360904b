//! The trait of a stage, and its type-erased form that the engine holds.

use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};
use serde_json::Value;

use crate::context::StageContext;
use crate::error::StageError;
use crate::io::StageIo;
use crate::known::{KnownInputs, KnownOutputs, Misfit};
use crate::port::{InputPort, OutputPort};

/// A reusable implementation of one kind of work. A *step* is a use of a stage in a pipeline.
pub trait Stage: Send + Sync + 'static {
    /// Parameters: `#[serde(deny_unknown_fields)]`, with a default where there is one; their docs give
    /// units and the source of each number (`igpt-flow stages KIND` shows them to users).
    type Params: Serialize + DeserializeOwned + JsonSchema;

    /// What the stage is and what it needs. The same at every call.
    fn spec(&self) -> StageSpec;

    /// Refuses parameters that have the right types but are out of range or contradict each other.
    ///
    /// # Errors
    /// The parameter, what was expected and what was found.
    fn check(&self, params: &Self::Params) -> Result<(), ParamError> {
        let _ = params;
        Ok(())
    }

    /// What the outputs will hold, as far as it follows from the parameters and from what is known of
    /// the inputs: parts, names of metrics, layers. An output that nothing is known of is left out.
    /// Default: nothing is known.
    fn foresee(&self, params: &Self::Params, inputs: &KnownInputs<'_>) -> KnownOutputs {
        let _ = (params, inputs);
        KnownOutputs::new()
    }

    /// The parameters that cannot fit the inputs, by what is known of them: names that no artifact will
    /// have, layers that a network lacks. Running the step would certainly fail. Default: none.
    fn misfits(&self, params: &Self::Params, inputs: &KnownInputs<'_>) -> Vec<Misfit> {
        let _ = (params, inputs);
        Vec::new()
    }

    /// How much work a step with these parameters is, in any unit: on the same inputs, twice as much
    /// should take twice as long. An estimate for people. Default: not known.
    fn work(&self, params: &Self::Params) -> Option<f64> {
        let _ = params;
        None
    }

    /// About how many floating-point operations a step is, by what is known of its inputs: what the
    /// first run of a pipeline is estimated by. Default: not known.
    fn flops(&self, params: &Self::Params, inputs: &KnownInputs<'_>) -> Option<f64> {
        let _ = (params, inputs);
        None
    }

    /// About what a step takes of each process that computes it, by what is known of its inputs. Default: not
    /// known.
    fn footprint(&self, params: &Self::Params, inputs: &KnownInputs<'_>) -> Option<Footprint> {
        let _ = (params, inputs);
        None
    }

    /// Does the work: reads the inputs and fills every output folder. The same inputs, parameters and
    /// seed give the same bytes, for any number of threads.
    ///
    /// # Errors
    /// See [`StageError`].
    fn run(&self, params: &Self::Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError>;
}

/// A parameter that is not valid.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{what}")]
pub struct ParamError {
    /// The dotted path of the parameter, empty if no single one is at fault.
    pub path: String,
    /// What was expected and what was found.
    pub what: String,
}

impl ParamError {
    /// An error at a parameter.
    pub fn at(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self { path: path.into(), what: what.into() }
    }
}

/// The share of the machine that a step may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Resources {
    /// CPU slots; 0 means all of the run's.
    pub cpus: u32,
    /// Memory in MiB; 0 means negligible.
    pub memory_mib: u64,
    /// GPU slots.
    pub gpus: u32,
}

/// A stage as the planner and the engine see it.
#[derive(Debug, Clone)]
pub struct StageSpec {
    /// The name in YAML (`uses: pretrain`).
    pub name: &'static str,
    /// One sentence for the reader of `igpt-flow stages`.
    pub summary: &'static str,
    /// Raised by hand whenever the same inputs and parameters give different bytes.
    pub version: u32,
    /// Input ports, in the order of the documentation.
    pub inputs: Vec<InputPort>,
    /// Output ports, in the order of the documentation.
    pub outputs: Vec<OutputPort>,
    /// Whether the stage is stochastic: only then is the seed part of its cache keys.
    pub seeded: bool,
    /// Whether its results depend on the device: only then is the numerics class part of its cache keys.
    pub device_dependent: bool,
    /// Whether each step runs in a process of its own, as training does.
    pub isolated: bool,
    /// Top-level parameters that affect only how a step runs and are not part of the cache key.
    pub unkeyed: &'static [&'static str],
    /// The share of the machine that a step uses unless the pipeline says otherwise.
    pub resources: Resources,
}

/// What follows of a step before it runs, by what is known of its inputs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Foreseen {
    /// What its outputs will hold.
    pub outputs: KnownOutputs,
    /// About how many floating-point operations it is; none where that is not known.
    pub flops: Option<f64>,
    /// About what it takes of each process; none where that is not known.
    pub footprint: Option<Footprint>,
}

/// About what a training takes of each process that computes it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Footprint {
    /// How many processes compute it.
    pub processes: usize,
    /// The bytes of parameters, gradients and the optimizer's state, and of what is exchanged of them, in each
    /// process when they are most.
    pub state: f64,
    /// The bytes of what a pass through the network leaves for its gradients.
    pub activations: f64,
    /// The bytes that each process sends the others in a step, and takes from them.
    pub exchanged: f64,
}

/// The type-erased form of [`Stage`], which the registry holds.
pub trait DynStage: Send + Sync + 'static {
    /// See [`Stage::spec`].
    fn spec(&self) -> StageSpec;

    /// The JSON Schema of the parameters, docs included.
    fn params_schema(&self) -> Schema;

    /// The parameters with every default filled in.
    ///
    /// # Errors
    /// If a parameter is not valid.
    fn complete(&self, params: &Value) -> Result<Value, ParamError>;

    /// See [`Stage::foresee`], [`Stage::flops`] and [`Stage::footprint`]; `params` as [`Self::complete`] returned them.
    fn foresee(&self, params: &Value, inputs: &KnownInputs<'_>) -> Foreseen;

    /// See [`Stage::misfits`]; `params` as [`Self::complete`] returned them.
    fn misfits(&self, params: &Value, inputs: &KnownInputs<'_>) -> Vec<Misfit>;

    /// See [`Stage::work`]; `params` as [`Self::complete`] returned them.
    fn work(&self, params: &Value) -> Option<f64>;

    /// See [`Stage::run`]; `params` as [`Self::complete`] returned them.
    ///
    /// # Errors
    /// See [`StageError`].
    fn run(&self, params: &Value, io: &StageIo, cx: &StageContext) -> Result<(), StageError>;
}

impl<S: Stage> DynStage for S {
    fn spec(&self) -> StageSpec {
        Stage::spec(self)
    }

    fn params_schema(&self) -> Schema {
        schemars::schema_for!(S::Params)
    }

    fn complete(&self, params: &Value) -> Result<Value, ParamError> {
        let params = parse::<S>(params)?;
        self.check(&params)?;
        serde_json::to_value(&params).map_err(|e| ParamError::at("", e.to_string()))
    }

    fn foresee(&self, params: &Value, inputs: &KnownInputs<'_>) -> Foreseen {
        // Parameters that are not valid are reported elsewhere.
        let Ok(params) = S::Params::deserialize(params) else { return Foreseen::default() };
        Foreseen {
            outputs: Stage::foresee(self, &params, inputs),
            flops: Stage::flops(self, &params, inputs),
            footprint: Stage::footprint(self, &params, inputs),
        }
    }

    fn misfits(&self, params: &Value, inputs: &KnownInputs<'_>) -> Vec<Misfit> {
        S::Params::deserialize(params).map_or_else(|_| Vec::new(), |p| Stage::misfits(self, &p, inputs))
    }

    fn work(&self, params: &Value) -> Option<f64> {
        Stage::work(self, &S::Params::deserialize(params).ok()?)
    }

    fn run(&self, params: &Value, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        let params =
            parse::<S>(params).map_err(|e| StageError::new(format!("parameter `{}`: {}", e.path, e.what)))?;
        Stage::run(self, &params, io, cx)
    }
}

/// Deserializes parameters; the path of a failure is found by trying each member alone.
fn parse<S: Stage>(params: &Value) -> Result<S::Params, ParamError> {
    let error = match serde_json::from_value::<S::Params>(params.clone()) {
        Ok(params) => return Ok(params),
        Err(error) => error.to_string(),
    };
    // serde names no path: the member whose removal changes the message is at fault.
    let path = params.as_object().and_then(|object| {
        object.keys().find(|key| {
            let mut rest = object.clone();
            rest.remove(*key);
            match serde_json::from_value::<S::Params>(Value::Object(rest)) {
                Ok(_) => true,
                Err(other) => other.to_string() != error,
            }
        })
    });
    Err(ParamError::at(path.cloned().unwrap_or_default(), error))
}
