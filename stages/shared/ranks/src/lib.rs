//! One step on several processes, its *ranks*: they are started, they meet, they exchange numbers, and where
//! one of them dies the step ends with an error that names it.
//!
//! ```text
//! worker = rank 0 ── Team::gather ──> starts ranks 1.. (`igpt-flow rank`, a RankJob on their input)
//!    │                                   └─ serve ─> Stage::run ─> Team::gather
//!    └────────── all_to_all, all_gather, broadcast ──────┘
//! ```
//!
//! Rank 0 is the step's own process: it alone has the outputs, writes checkpoints and reports. The others are
//! given the same inputs and parameters and go through the same steps with it. Without the feature `tch` a
//! team is one process.

#[cfg(feature = "tch")]
mod crew;
mod job;
mod serve;
mod team;

pub use job::RankJob;
pub use serve::serve;
pub use team::Team;
