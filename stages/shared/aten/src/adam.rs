//! One update by Adam.

/// The constants of one update by Adam, the same on every device: the processor's update and LibTorch's
/// both follow it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamRule {
    /// Which update it is, from 1.
    pub step: u64,
    /// The learning rate.
    pub learning_rate: f64,
    /// The decay rate of the mean of gradients.
    pub beta1: f64,
    /// The decay rate of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the root of the bias-corrected mean of squares.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}
