//! The stage kinds of this binary: the only file that names the crate of stages.

use std::sync::Arc;

use igpt_contract::DynStage;

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
