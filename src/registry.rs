//! The stage kinds of this binary: the only file that names the crate of stages.

use std::io;
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

/// Does the work of a further rank of a step, as `input` describes it; answers whether it did not fail.
///
/// # Errors
/// If the description cannot be read, or this binary has no stages.
pub fn serve_rank(input: impl io::Read + Send + 'static, output: &mut impl io::Write) -> io::Result<bool> {
    #[cfg(feature = "stages")]
    return igpt_stages::serve_rank(find, input, output);
    #[cfg(not(feature = "stages"))]
    {
        let _ = (input, output);
        Err(io::Error::other("this binary has no stages"))
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
