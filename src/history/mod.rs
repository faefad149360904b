//! What is known of past runs and of those under way: from their records, their events, and what they were
//! made of. Several verbs look back through it, and so do the pages of `view`.

mod made_of;
mod run_facts;
mod steps;

pub(crate) use made_of::{MadeOf, PipelineText};
pub(crate) use run_facts::{Counts, RunFacts, began};
pub(crate) use steps::{attempts, log_end, log_name, record_of, steps_of};
