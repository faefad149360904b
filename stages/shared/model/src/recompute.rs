//! Gradients with less memory: of a pass only the residual stream between blocks is kept, and each
//! block is computed once more when its turn comes on the way back (gradient checkpointing, Chen et
//! al. 2016).

use burn::module::Module as _;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Gradients, Int, Tensor};

use crate::dropout::Dropout;
use crate::gpt::{Block, Gpt, Input};

impl Gpt {
    /// The gradients of the loss that `loss` makes of the colours' logits `[B,T,V]`: to the bit those of
    /// [`Gpt::logits`] and its backward pass, for a third more time.
    ///
    /// Beside one block's own, it keeps `[B,T,C]` for each layer.
    pub fn gradients_by_block(
        &self,
        tokens: Tensor<2, Int>,
        input: &Input,
        mut dropout: Option<&mut Dropout>,
        loss: impl FnOnce(Tensor<3>) -> Tensor<1>,
    ) -> GradientsParams {
        let causal = input.causal();
        let embedded = self.enter(tokens, input, dropout.as_deref_mut()); // [B,T,C]
        let off_tape = self.valid();
        let mut h = embedded.clone().inner(); // [B,T,C]
        // What each block was given: h^l, and dropout as it stood.
        let mut given = Vec::with_capacity(self.h.len());
        for block in &off_tape.h {
            given.push((h.clone(), dropout.as_deref().cloned()));
            h = off_tape.pass(block, h, causal, dropout.as_deref_mut());
        }

        let mut sum = GradientsAccumulator::new();
        let h = Tensor::from_inner(h).require_grad();
        let top = loss(self.project(self.norm(h.clone(), &self.ln_f)));
        let mut slope = self.collect(top.backward(), &h, &mut sum); // [B,T,C]
        for (block, (h, mut dropout)) in self.h.iter().zip(given).rev() {
            let h = Tensor::from_inner(h).require_grad();
            let next = self.pass(block, h.clone(), causal, dropout.as_mut());
            slope = self.collect(backward(next, slope), &h, &mut sum);
        }
        sum.accumulate(self, GradientsParams::from_grads(backward(embedded, slope), self));
        sum.grads()
    }

    fn pass(&self, block: &Block, h: Tensor<3>, causal: bool, dropout: Option<&mut Dropout>) -> Tensor<3> {
        let qkv = self.qkv(block, h.clone());
        self.block(block, h, qkv, causal, dropout)
    }

    /// Adds the parameters' gradients to `sum` and returns that of `h`, off the tape.
    fn collect(
        &self,
        gradients: Gradients,
        h: &Tensor<3>,
        sum: &mut GradientsAccumulator<Self>,
    ) -> Tensor<3> {
        let slope = h.grad(&gradients).expect("every block depends on its input");
        sum.accumulate(self, GradientsParams::from_grads(gradients, self));
        slope
    }
}

/// The backward pass from a tensor whose own gradient is known.
fn backward(h: Tensor<3>, slope: Tensor<3>) -> Gradients {
    (h * Tensor::from_inner(slope)).sum().backward()
}
