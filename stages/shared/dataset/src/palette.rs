//! Palettes: a few hundred colours, in the format of the released one.
//!
//! `palette.npy` is a float32 array (k, 3) of red, green and blue in [-1, 1], x = level / 127.5 - 1;
//! `clusters.json` holds the same numbers under the key `clusters`, as a Hugging Face
//! `preprocessor_config.json` does; `palette.json` says how well the palette fits.

use std::path::Path;

use igpt_contract::Digest;
use serde::{Deserialize, Serialize};

use crate::error::DatasetError;
use crate::{json, npy};

/// How well a palette fits the training images: `palette.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaletteInfo {
    /// Colours.
    pub k: usize,
    /// The sum over all pixels of the squared distance to the nearest colour, in [-1, 1] units.
    pub inertia: f64,
    /// The peak signal-to-noise ratio of the quantised pixels, in dB; at most 999, if no pixel changes.
    pub psnr_db: f64,
    /// Iterations of the fit; 0 for a palette that was read from a file.
    pub iterations: u64,
    /// Pixels of the training images, over which `inertia` and `psnr_db` are computed; the fit may have
    /// used a sample of them.
    pub pixels: u64,
    /// Distinct colours among them.
    pub distinct_colours: u64,
}

impl PaletteInfo {
    /// Reads `palette.json` from an artifact's folder.
    ///
    /// # Errors
    /// If the file is missing or was not written by [`Self::write`].
    pub fn read(dir: &Path) -> Result<Self, DatasetError> {
        json::read_json(&dir.join("palette.json"))
    }

    /// Writes `palette.json` into an artifact's folder.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), DatasetError> {
        json::write_json(&dir.join("palette.json"), self)
    }
}

/// A palette's colours.
#[derive(Debug, Clone, PartialEq)]
pub struct PaletteTable {
    /// Red, green and blue in [-1, 1].
    pub colours: Vec<[f32; 3]>,
}

/// `clusters.json`.
#[derive(Serialize)]
struct Clusters {
    clusters: Vec<[f32; 3]>,
}

/// The files of an artifact that hold the colours.
pub(crate) const FILES: [&str; 2] = ["palette.npy", "clusters.json"];

impl PaletteTable {
    /// A palette from levels in [0, 255].
    pub fn from_levels(levels: &[[f64; 3]]) -> Self {
        Self { colours: levels.iter().map(|colour| colour.map(|x| (x / 127.5 - 1.0) as f32)).collect() }
    }

    /// The colours as levels in [0, 255], not rounded.
    pub fn levels(&self) -> Vec<[f32; 3]> {
        self.colours.iter().map(|colour| colour.map(|c| 127.5 * (c + 1.0))).collect()
    }

    /// The colours as bytes, as the released code has it: `rint(127.5 * (c + 1))`.
    pub fn rgb(&self) -> Vec<[u8; 3]> {
        let level = |c: f32| (127.5 * (c + 1.0)).round_ties_even() as u8;
        self.colours.iter().map(|colour| colour.map(level)).collect()
    }

    /// Writes `palette.npy` and `clusters.json` into an artifact's folder.
    ///
    /// # Errors
    /// If the palette is not valid, or a file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), DatasetError> {
        let path = dir.join(FILES[0]);
        self.check().map_err(|what| DatasetError::new(&path, what))?;
        std::fs::write(&path, npy::write_npy(&self.colours))
            .map_err(|error| DatasetError::caused(&path, "cannot write the file", error))?;
        json::write_json(&dir.join(FILES[1]), &Clusters { clusters: self.colours.clone() })
    }

    /// The digest of the bytes of `palette.npy`, whichever file the palette came from: equal palettes
    /// have equal digests.
    pub fn digest(&self) -> Digest {
        Digest::of(&npy::write_npy(&self.colours))
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        let k = self.colours.len();
        if !(1..=65_535).contains(&k) {
            return Err(format!("expected 1 to 65535 colours, found {k}"));
        }
        // The released palette reaches beyond 1 by no more than rounding.
        match self.colours.iter().position(|colour| !colour.iter().all(|c| (-1.001..=1.001).contains(c))) {
            Some(i) => Err(format!("expected colours in [-1, 1], found {:?} at index {i}", self.colours[i])),
            None => Ok(()),
        }
    }
}
