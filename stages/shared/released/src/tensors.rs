//! Reads the tensors of a folder: from safetensors (whole or in shards), an `.npz` archive, or `.npy`
//! files whose paths are the names. All floats are converted to single precision.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use igpt_dataset::{Npy, read_npy, shown};
use safetensors::tensor::{Dtype, Metadata};
use serde::Deserialize;

use crate::error::ReleasedError;

/// The longest header of a safetensors file, as in the format's own readers.
const MAX_HEADER: u64 = 100_000_000;

/// A tensor: its shape, and its elements row by row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

impl From<Npy> for Tensor {
    fn from(npy: Npy) -> Self {
        Self { shape: npy.shape, values: npy.values }
    }
}

/// Tensors by the names that their files give them.
pub(crate) type Tensors = BTreeMap<String, Tensor>;

/// `model.safetensors.index.json`: which shard holds which tensor.
#[derive(Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

/// Reads every tensor of a folder.
///
/// # Errors
/// If there are none, their format is not supported, or a file is damaged.
pub(crate) fn read_tensors(folder: &Path) -> Result<Tensors, ReleasedError> {
    let index = folder.join("model.safetensors.index.json");
    let whole = folder.join("model.safetensors");
    let mut tensors = Tensors::new();
    if whole.is_file() {
        read_safetensors(&whole, &mut tensors)?;
    } else if index.is_file() {
        read_shards(folder, &index, &mut tensors)?;
    } else {
        let files = files_below(folder)?;
        let of = |extension: &str| -> Vec<&PathBuf> {
            files.iter().filter(|file| file.extension().is_some_and(|found| found == extension)).collect()
        };
        for file in of("safetensors") {
            read_safetensors(file, &mut tensors)?;
        }
        for file in of("npz") {
            read_npz(file, &mut tensors)?;
        }
        for file in of("npy") {
            // A palette beside the weights is not a weight.
            if !file.file_name().is_some_and(|name| name == "kmeans_centers.npy" || name == "palette.npy") {
                let relative = file.strip_prefix(folder).unwrap_or(file).with_extension("");
                let name = relative.to_string_lossy().replace('\\', "/");
                let bytes = std::fs::read(file).map_err(|error| unreadable(file, error))?;
                let array = read_npy(&bytes).map_err(|what| ReleasedError::new(file, what))?;
                add(&mut tensors, file, name, array.into())?;
            }
        }
        if tensors.is_empty() {
            return Err(none_found(folder, &files));
        }
    }
    Ok(tensors)
}

/// Why a folder has no tensors, with a hint for formats that are not supported.
fn none_found(folder: &Path, files: &[PathBuf]) -> ReleasedError {
    let ends = |end: &str| files.iter().find(|file| file.to_string_lossy().ends_with(end));
    if let Some(file) = [".bin", ".pt", ".pth"].into_iter().find_map(ends) {
        return ReleasedError::new(file, "PyTorch pickles are not supported: reading one runs code").hint(
            "convert it to safetensors with transformers: `ImageGPTForCausalImageModeling.from_pretrained(FOLDER)\
             .save_pretrained(OTHER, safe_serialization=True)`",
        );
    }
    let is_checkpoint = |file: &&PathBuf| {
        let name = file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        name.contains(".ckpt") || name.contains(".data-00000-of-")
    };
    if let Some(file) = files.iter().find(is_checkpoint) {
        return ReleasedError::new(file, "TensorFlow checkpoints are not supported").hint(
            "convert it with TensorFlow: `r = tf.train.load_checkpoint(PATH); \
             numpy.savez('model.npz', **{n: r.get_tensor(n) for n in r.get_variable_to_shape_map()})`",
        );
    }
    ReleasedError::new(folder, "expected weights (`model.safetensors`, `.npz` or `.npy`), found none")
}

/// Every file below a folder, sorted; links to folders are not followed.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>, ReleasedError> {
    let mut found = Vec::new();
    // The folder itself may be a link: a step finds its inputs as links.
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, error))? {
            let entry = entry.map_err(|error| unreadable(&folder, error))?;
            let kind = entry.file_type().map_err(|error| unreadable(&entry.path(), error))?;
            if kind.is_dir() { folders.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found.sort();
    Ok(found)
}

fn unreadable(path: &Path, error: std::io::Error) -> ReleasedError {
    ReleasedError::caused(path, "cannot read the file", error)
}

fn add(tensors: &mut Tensors, file: &Path, name: String, array: Tensor) -> Result<(), ReleasedError> {
    match tensors.insert(name.clone(), array) {
        Some(_) => Err(ReleasedError::new(
            file,
            format!("expected each tensor once, found `{}` twice", shown(&name)),
        )),
        None => Ok(()),
    }
}

fn read_shards(folder: &Path, index: &Path, tensors: &mut Tensors) -> Result<(), ReleasedError> {
    let bytes = std::fs::read(index).map_err(|error| unreadable(index, error))?;
    let ShardIndex { weight_map } = serde_json::from_slice(&bytes)
        .map_err(|error| ReleasedError::caused(index, "not a valid index of shards", error))?;
    let shards: BTreeSet<&String> = weight_map.values().collect();
    for shard in shards {
        if !is_plain_name(shard) {
            return Err(ReleasedError::new(
                index,
                format!("`{}` is not a valid name of a shard", shown(shard)),
            ));
        }
        read_safetensors(&folder.join(shard), tensors)?;
    }
    match weight_map.keys().find(|name| !tensors.contains_key(*name)) {
        Some(name) => {
            Err(ReleasedError::new(index, format!("no shard contains the tensor `{}`", shown(name))))
        }
        None => Ok(()),
    }
}

/// Whether a name refers to a file in the same folder.
pub(crate) fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', ':'])
}

fn read_safetensors(path: &Path, tensors: &mut Tensors) -> Result<(), ReleasedError> {
    let fail = |error| unreadable(path, error);
    let damaged = |what: String| ReleasedError::new(path, format!("not a valid safetensors file: {what}"));
    let mut file = File::open(path).map_err(fail)?;
    let size = file.metadata().map_err(fail)?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| damaged("no header".to_owned()))?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER || length > size - 8 {
        return Err(damaged(format!("a header of {length} bytes in {size}")));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(fail)?;
    let header: Metadata = serde_json::from_slice(&header).map_err(|error| damaged(error.to_string()))?;
    let data = header.data_len() as u64;
    if data != size - 8 - length {
        return Err(damaged(format!("expected {data} bytes of tensors, found {}", size - 8 - length)));
    }
    // In the order of the file, in one pass.
    let mut infos: Vec<_> = header.tensors().into_iter().collect();
    infos.sort_by_key(|(_, info)| info.data_offsets.0);
    for (name, info) in infos {
        let (start, end) = info.data_offsets;
        let mut bytes = vec![0; end - start];
        file.seek(SeekFrom::Start(8 + length + start as u64)).map_err(fail)?;
        file.read_exact(&mut bytes).map_err(fail)?;
        // Buffers that are not weights, such as attention masks, may have any type.
        let values = floats(info.dtype, &bytes).unwrap_or_default();
        if values.is_empty() && !bytes.is_empty() && !is_buffer(&name) {
            let what =
                format!("expected F32, F16, BF16 or F64 for `{}`, found {:?}", shown(&name), info.dtype);
            return Err(ReleasedError::new(path, what));
        }
        add(tensors, path, name, Tensor { shape: info.shape.clone(), values })?;
    }
    Ok(())
}

/// Whether a tensor is a buffer and not a weight: the causal mask in older files.
pub(crate) fn is_buffer(name: &str) -> bool {
    name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias")
}

/// The elements in single precision; `None` if they are not floats.
fn floats(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    Some(match dtype {
        Dtype::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F16 => bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::BF16 => bytes.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        _ => return None,
    })
}

/// Reads an archive of NumPy's `savez`: a zip of `.npy` members.
fn read_npz(path: &Path, tensors: &mut Tensors) -> Result<(), ReleasedError> {
    let damaged = |error| ReleasedError::caused(path, "not a valid `.npz` archive", error);
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    let mut archive = zip::ZipArchive::new(std::io::BufReader::new(file)).map_err(damaged)?;
    for i in 0..archive.len() {
        let mut member = archive.by_index(i).map_err(damaged)?;
        let name = member.name().map_err(damaged)?.into_owned();
        let Some(name) = name.strip_suffix(".npy") else { continue };
        let mut bytes = Vec::new();
        member
            .read_to_end(&mut bytes)
            .map_err(|error| ReleasedError::caused(path, format!("member `{}`", shown(name)), error))?;
        match read_npy(&bytes) {
            // Integers are step counters and the like; missing tensors are reported later.
            Ok(array) if array.integers => {}
            Ok(array) => add(tensors, path, name.to_owned(), array.into())?,
            Err(what) if what.contains("expected the dtype") => {}
            Err(what) => {
                return Err(ReleasedError::new(path, format!("member `{}`: {what}", shown(name))));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_of_every_width_are_read() {
        let one_and_half = |dtype, bytes: &[u8]| floats(dtype, bytes);
        assert_eq!(one_and_half(Dtype::F32, &1.5f32.to_le_bytes()), Some(vec![1.5]));
        assert_eq!(one_and_half(Dtype::F64, &1.5f64.to_le_bytes()), Some(vec![1.5]));
        assert_eq!(one_and_half(Dtype::F16, &[0x00, 0x3e]), Some(vec![1.5]));
        assert_eq!(one_and_half(Dtype::BF16, &[0xc0, 0x3f]), Some(vec![1.5]));
        assert_eq!(one_and_half(Dtype::I64, &[0; 8]), None);
    }

    #[test]
    fn names_that_reach_elsewhere_are_none_of_a_shard() {
        for name in ["../x", "/etc/passwd", "a/b", "c:x", ".hidden", ""] {
            assert!(!is_plain_name(name), "{name}");
        }
        assert!(is_plain_name("model-00001-of-00002.safetensors"));
    }
}
