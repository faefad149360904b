//! Which images of the sets are used.

use igpt_contract::Validation;

/// Which images of the sets are used, and how many.
#[derive(Debug, Clone, Copy)]
pub struct Selection {
    /// Which training images are held out, in each image set.
    pub validation: Validation,
    /// Held-out images to keep, evenly spaced; 0 keeps all.
    pub validation_rows: usize,
    /// Test images to keep, evenly spaced; 0 keeps all.
    pub test_rows: usize,
    /// Training images to keep, drawn at random; 0 keeps all.
    pub train_rows: usize,
    /// The most memory that tokens may take, in MiB; more are read from a scratch file.
    pub memory_mib: u64,
}
