//! Runs as pages that one can look at, click and hand on: one file without a server, or served on this
//! machine while runs go on.
//!
//! Pages see the store, the events and what was planned; they know no engine and no schedule, and how a
//! pipeline is planned they are told ([`PlannedRun`]). What is shown of a run is a function of the store
//! alone: the same store makes the same bytes. Every text passes [`masks`](mod@masks) and is escaped by
//! maud; data for scripts passes [`data`](mod@data).

mod boxes;
mod chart;
mod compare;
mod condense;
mod curves;
mod data;
mod graph;
mod http;
mod in_full;
mod layout;
mod links;
mod list;
mod live;
mod log_end;
mod masks;
mod media;
mod origin;
mod page;
mod planned;
mod progress;
mod read;
mod run;
mod run_page;
mod serve;
mod step_list;
mod step_page;
mod tables;
#[cfg(test)]
mod testing;
mod thin;
mod ticks;
mod timeline;

pub(crate) use compare::{RUNS as MOST_COMPARED, compare_page};
pub(crate) use page::Medium;
pub(crate) use planned::{Param, PlannedRun, PlannedStep};
pub(crate) use run::Run;
pub(crate) use run_page::{RunPage, run_page};
pub(crate) use serve::Server;
