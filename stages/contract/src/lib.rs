//! The contract between the orchestrator and its stages.
//!
//! It is the one crate that both sides depend on, so that neither depends on the other.
//!
//! ```text
//! igpt-flow ──> stage crates ──> stages/shared/* ──> igpt-contract
//!     └────────────────────────────────────────────────^
//! ```
//!
//! It stays light (no tensors, no tables, no network) and depends on no other crate of the workspace,
//! because the inner test loop compiles it and nothing heavier.

mod best;
mod candidates;
mod choice;
mod context;
mod digest;
mod error;
pub mod float;
mod hash;
mod instructions;
mod io;
mod kind;
mod known;
mod memory;
mod metric_rows;
mod metrics;
mod plural;
mod port;
mod rng;
mod stage;
mod unlabelled;
mod validation;

pub use best::{BestLayer, best_layer};
pub use candidates::Candidates;
pub use choice::{ChosenValue, TriedValue};
pub use context::{Rank, Signal, StageContext};
pub use digest::{Digest, ParseDigestError};
pub use error::StageError;
pub use hash::hash_file;
pub use instructions::instruction_set;
pub use io::{LabelledInput, Labels, StageIo};
pub use kind::{
    AnyFile, Checkpoints, Choice, FeatureLayer, FeatureLayers, Figure, ImageSet, Kind, KindInfo, Metrics,
    Model, Palette, Predictions, Table, Tokens, kind_info, kinds,
};
pub use known::{Known, KnownInput, KnownInputs, KnownOutputs, MetricNames, Misfit, Shape, Sought};
pub use memory::Memory;
pub use metric_rows::MetricRow;
pub use metrics::{Curve, METRICS_FILE, MetricValues};
pub use plural::counted;
pub use port::{Arity, In, InputPort, Many, Opt, Out, OutputPort};
pub use rng::{Stream, stream};
pub use stage::{DynStage, Foreseen, ParamError, Resources, Stage, StageSpec};
pub use unlabelled::UnlabelledTest;
pub use validation::{Validation, validation_split};
