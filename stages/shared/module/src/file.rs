//! Tensors as a safetensors file.

use std::collections::HashMap;
use std::path::Path;

use safetensors::SafeTensorError;

use crate::tensor::NamedTensor;

/// Writes tensors as a safetensors file of 32-bit floats, one after another, so that a large network
/// is never copied as a whole. `metadata` is the file's own.
///
/// # Errors
/// If the file cannot be written.
pub fn write_tensors(
    path: &Path,
    tensors: &[NamedTensor],
    metadata: Option<HashMap<String, String>>,
) -> Result<(), SafeTensorError> {
    let views = tensors.iter().map(|tensor| (tensor.name.as_str(), tensor));
    safetensors::serialize_to_file(views, metadata, path)
}
