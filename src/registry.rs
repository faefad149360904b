//! The composition root: the only file that names stage crates.

use std::sync::Arc;

use igpt_contract::DynStage;

/// Every stage kind of this binary, in the order of a pipeline.
pub fn stages() -> Vec<Arc<dyn DynStage>> {
    #[cfg(feature = "stages")]
    return vec![
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
    ];
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
    return igpt_pretrain::numerics_class(device);
    #[cfg(not(feature = "stages"))]
    match device {
        "auto" | "cpu" => Ok("none".to_owned()),
        other => Err(format!("this binary cannot compute on `{other}`")),
    }
}
