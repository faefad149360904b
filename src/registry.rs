//! The stage kinds of this binary: the only file that names the crate of stages.

use std::path::Path;
use std::sync::Arc;

use igpt_contract::{DynStage, MetricRow};

/// Every stage kind of this binary, in the order of a pipeline.
pub fn stages() -> Vec<Arc<dyn DynStage>> {
    #[cfg(feature = "stages")]
    return igpt_stages::all();
    #[cfg(not(feature = "stages"))]
    Vec::new()
}

/// The stage kind of that name.
pub fn find(name: &str) -> Option<Arc<dyn DynStage>> {
    stages().into_iter().find(|stage| stage.spec().name == name)
}

/// The numerics class of a device (`flex-f32`): what device-dependent stages have in their keys.
///
/// # Errors
/// If this binary cannot compute on that device.
pub fn numerics(device: &str) -> Result<String, String> {
    #[cfg(feature = "stages")]
    return igpt_stages::numerics_class(device);
    #[cfg(not(feature = "stages"))]
    match device {
        "auto" | "cpu" => Ok("none".to_owned()),
        other => Err(format!("this binary cannot compute on `{other}`")),
    }
}

/// Writes rows of numbers as Parquet.
///
/// # Errors
/// If the file cannot be written, or this binary has no stages and with them no Parquet.
pub fn write_parquet(rows: &[MetricRow], path: &Path) -> Result<(), String> {
    #[cfg(feature = "stages")]
    return igpt_stages::write_metric_rows(rows, path);
    #[cfg(not(feature = "stages"))]
    {
        let (count, path) = (rows.len(), path.display());
        Err(format!(
            "this binary has no stages and cannot write the {count} rows to `{path}` as Parquet: use --csv"
        ))
    }
}
