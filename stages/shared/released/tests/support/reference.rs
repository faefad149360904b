//! A fixture's tokens, and the outputs that its network has for them.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use igpt_model::{Gpt, Input};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

/// The largest difference from the reference, absolute.
const TOLERANCE: f64 = 1e-4;

/// Numbers with the shape of their tensor.
type Array = (Vec<usize>, Vec<f64>);

pub(crate) struct Reference {
    pub(crate) tokens: Tensor<2, Int>,
    outputs: BTreeMap<String, Array>,
}

fn array(view: &TensorView) -> Array {
    let values = match view.dtype() {
        Dtype::F64 => view.data().as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        Dtype::I64 => view.data().as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
        other => panic!("{other:?}"),
    };
    (view.shape().to_vec(), values)
}

fn arrays(path: &Path) -> BTreeMap<String, Array> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.tensors().into_iter().map(|(name, view)| (name, array(&view))).collect()
}

impl Reference {
    pub(crate) fn read(folder: &Path) -> Self {
        let (shape, tokens) = arrays(&folder.join("inputs.safetensors")).remove("tokens").unwrap();
        let tokens: Vec<i64> = tokens.into_iter().map(|token| token as i64).collect();
        let tokens = Tensor::from_data(TensorData::new(tokens, shape), &Device::flex());
        Self { tokens, outputs: arrays(&folder.join("outputs_f64.safetensors")) }
    }

    /// Asserts that an output is the reference's.
    #[track_caller]
    pub(crate) fn check<const D: usize>(&self, name: &str, found: Tensor<D>) {
        let (shape, expected) = &self.outputs[name];
        assert_eq!(found.dims().as_slice(), shape, "{name}");
        let found: Vec<f32> = found.into_data().iter::<f32>().collect();
        let off = |(e, f): (&f64, f32)| {
            let off = (e - f64::from(f)).abs();
            if off.is_nan() { f64::INFINITY } else { off }
        };
        let worst = expected.iter().zip(found).map(off).fold(0.0, f64::max);
        assert!(worst <= TOLERANCE, "`{name}` is off by {worst:e}");
    }

    /// The logits over colours and every layer's hidden state.
    #[track_caller]
    pub(crate) fn check_layers(&self, gpt: &Gpt) {
        let input = Input::Autoregressive;
        self.check("logits", gpt.logits(self.tokens.clone(), &input, None));
        let last = gpt.config().n_layer;
        for (l, layer) in gpt.trace(self.tokens.clone(), &input).into_iter().enumerate() {
            // The last hidden state of the reference is the normalised one.
            let hidden = if l == last { layer.n } else { layer.h };
            self.check(&format!("hidden_states.{l}"), hidden);
        }
    }
}
