//! Takes tensors by name and shape, and reports those that do not fit.

use std::path::Path;

use crate::error::ReleasedError;
use crate::tensors::{Tensor, Tensors};

/// Takes tensors by name and shape, and collects what does not fit.
pub(crate) struct Taker {
    pub(crate) tensors: Tensors,
    found: usize,
    expected: usize,
    missing: Vec<String>,
    shapes: Vec<String>,
}

impl Taker {
    pub(crate) fn new(tensors: Tensors) -> Self {
        let found = tensors.len();
        Self { tensors, found, expected: 0, missing: Vec::new(), shapes: Vec::new() }
    }

    /// The elements of a tensor, if it exists and has that shape.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Option<Vec<f32>> {
        self.expected += 1;
        match self.tensors.remove(name) {
            None => self.missing.push(format!("`{name}` {shape:?}")),
            Some(array) if array.shape != shape => {
                self.shapes.push(format!("`{name}`: expected {shape:?}, found {:?}", array.shape));
            }
            Some(array) => return Some(array.values),
        }
        None
    }

    /// Fails if a tensor did not fit or is unexpected.
    pub(crate) fn finish(self, path: &Path) -> Result<(), ReleasedError> {
        let unexpected =
            |(name, array): (&String, &Tensor)| format!("`{}` {:?}", igpt_dataset::shown(name), array.shape);
        let unexpected: Vec<String> = self.tensors.iter().map(unexpected).collect();
        if self.missing.is_empty() && self.shapes.is_empty() && unexpected.is_empty() {
            return Ok(());
        }
        let kinds = [
            ("missing", self.missing.as_slice()),
            ("of another shape", self.shapes.as_slice()),
            ("unexpected", unexpected.as_slice()),
        ];
        Err(ReleasedError::differences(path, self.expected, self.found, kinds))
    }
}
