//! Bundles: what a reviewer needs to check tables and figures without the data.
//!
//! A bundle is a `.tar.zst`: `bundle.json`, which lists every other file with its size and digest, then a store
//! (`store/`) with records and the few objects that are wanted, the pipeline with what it includes (`pipeline/`),
//! and `ro-crate-metadata.json`, the same in the words of RO-Crate. Unpacked, it is a store like any other.
//!
//! A bundle comes from somebody else. Nothing in it is believed: names that are not of these forms, files that
//! are not listed, and bytes that are not those of their digest are refused.

mod error;
mod manifest;
mod pack;
mod ro_crate;
mod select;
mod unpack;

pub use error::BundleError;
pub use manifest::{BundleFile, BundleManifest, BundleStep, FORMAT};
pub use pack::{PipelineFile, write_bundle};
pub use select::{Selection, Steps, rebuildable, select};
pub use unpack::{Unpacked, unpack};
