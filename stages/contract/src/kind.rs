//! Artifact kinds: the types of ports.
//!
//! A kind is a name and a format number. Its files are described here; the shared crates read and write
//! them. An artifact is a folder of files; a *part* of an artifact is one of its top-level
//! folders (`layers/5`), an artifact of its own.

/// An artifact kind as a type, so that ports are typed in the stage's code.
pub trait Kind: 'static {
    /// The name in specs and error messages.
    const NAME: &'static str;
    /// Raised when the files of the kind change their meaning.
    const FORMAT: u32;
    /// The kind of each part, for kinds that consist of parts.
    const PART: Option<&'static str> = None;
}

/// A kind as the planner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindInfo {
    /// The kind's name.
    pub name: &'static str,
    /// The kind's format number.
    pub format: u32,
    /// The kind of each part, for kinds that consist of parts.
    pub part: Option<&'static str>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $type:ident = $name:literal v $format:literal $(of $part:literal)?;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy)]
            pub enum $type {}
            impl Kind for $type {
                const NAME: &'static str = $name;
                const FORMAT: u32 = $format;
                $(const PART: Option<&'static str> = Some($part);)?
            }
        )*
        /// Every kind, in a fixed order.
        pub fn kinds() -> &'static [KindInfo] {
            &[$(KindInfo { name: <$type as Kind>::NAME, format: <$type as Kind>::FORMAT, part: <$type as Kind>::PART }),*]
        }
    };
}

kinds! {
    /// Labelled images: Parquet shards (id, split, label, height, width, pixels or encoded bytes)
    /// and `classes.json`.
    ImageSet = "image-set" v 1;
    /// A colour palette: `palette.npy` (k x 3 float32 in [-1, 1]), `clusters.json`, `palette.png`.
    Palette = "palette" v 1;
    /// Colour-index sequences: Parquet shards (id, split, label, tokens) and `tokens.json`
    /// (resolution, palette digest, vocabulary).
    Tokens = "tokens" v 1;
    /// Model weights: `model.safetensors` and `config.json` (structure, objective, palette digest).
    Model = "model" v 1;
    /// Models by training step: a part for each step, zero-padded (`00001000`).
    Checkpoints = "checkpoints" v 1 of "model";
    /// Pooled features by layer: a part for each layer (`0`, `1`, ... `L`).
    FeatureLayers = "feature-layers" v 1 of "feature-layer";
    /// Pooled features of one layer: `features.parquet` (id, split, label, feature).
    FeatureLayer = "feature-layer" v 1;
    /// Numbers: `metrics.json`, see [`crate::MetricValues`].
    Metrics = "metrics" v 1;
    /// Per-example predictions: `predictions.parquet` (id, split, label, predicted, and a column of
    /// log-probabilities).
    Predictions = "predictions" v 1;
    /// The result of a search: `choice.json` (param, value, step).
    Choice = "choice" v 1;
    /// A results table: `table.md`, `table.tex`, `table.csv`.
    Table = "table" v 1;
    /// Figures: SVG (and PNG) files.
    Figure = "figure" v 1;
    /// Any file or folder: outputs of `command` steps and paths on disk.
    AnyFile = "file" v 1;
}

/// The kind of that name.
pub fn kind_info(name: &str) -> Option<KindInfo> {
    kinds().iter().copied().find(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_parts_exist() {
        for (i, kind) in kinds().iter().enumerate() {
            assert!(kinds()[..i].iter().all(|other| other.name != kind.name));
            assert!(kind.part.is_none_or(|part| kind_info(part).is_some()));
        }
    }
}
