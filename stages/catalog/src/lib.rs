//! The list of all stage kinds: the only crate that depends on stage crates.

use std::path::Path;
use std::sync::Arc;

use igpt_contract::{DynStage, MetricRow};

pub use igpt_pretrain::{numerics_class, serve_rank};

/// Every stage kind, in the order of a pipeline.
#[must_use]
pub fn all() -> Vec<Arc<dyn DynStage>> {
    vec![
        Arc::new(igpt_download::Archive),
        Arc::new(igpt_download::Download),
        Arc::new(igpt_augment::Augment),
        Arc::new(igpt_pixels::Pixels),
        Arc::new(igpt_palette::PaletteFit),
        Arc::new(igpt_tokenize::Tokenize),
        Arc::new(igpt_pretrain::Pretrain),
        Arc::new(igpt_import::Import),
        Arc::new(igpt_features::Features),
        Arc::new(igpt_loss::Loss),
        Arc::new(igpt_probe::Probe),
        Arc::new(igpt_concat::Concat),
        Arc::new(igpt_finetune::Finetune),
        Arc::new(igpt_sample::Sample),
        Arc::new(igpt_publish::Publish),
        Arc::new(igpt_report::Report),
        Arc::new(igpt_findings::Findings),
        Arc::new(igpt_storyboard::Storyboard),
    ]
}

/// Writes numbers of steps as a Parquet table.
///
/// # Errors
/// What could not be written, and why.
pub fn write_metric_rows(rows: &[MetricRow], path: &Path) -> Result<(), String> {
    igpt_findings::write_metric_rows(rows, path).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        format!("{error}{}", cause.unwrap_or_default())
    })
}
