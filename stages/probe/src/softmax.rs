//! Softmax regression: the cross entropy of examples, its gradient, and the fitted model.

use rayon::prelude::*;

use crate::examples::{CHUNK, Examples, chunks};
use crate::matmul::{MatrixView, matmul};
use crate::moments::Scaling;

/// Sums over the examples are made in at most this many parts, whatever the number of threads, and
/// then added in order: the same bytes everywhere.
const PARTS: usize = 32;

/// A linear classifier on raw features: `argmax of W x + b`.
#[derive(Debug, Clone, PartialEq)]
pub struct Softmax {
    /// Rows of `W`, one for each class, of as many weights as there are features.
    pub weights: Vec<f64>,
    /// `b`, one for each class.
    pub bias: Vec<f64>,
}

/// Scores of a classifier on some examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// The share of examples whose class has the largest logit.
    pub accuracy: f64,
    /// Mean cross entropy in nats; infinite where an example's class has a probability of zero.
    pub loss: f64,
}

impl Softmax {
    /// Classes that the classifier tells apart.
    pub fn n_class(&self) -> usize {
        self.bias.len()
    }

    /// Log-probabilities of each class (rows of `n_class`) for every example, in order. On equal
    /// logits the first class wins, as with numpy's `argmax`.
    pub fn log_probabilities(&self, examples: &Examples<'_>) -> Vec<f64> {
        let n_class = self.n_class();
        let mut all = vec![0.0; examples.len() * n_class];
        all.par_chunks_mut(CHUNK * n_class).enumerate().for_each(|(i, out)| {
            let mut wide = Vec::new();
            let chunk = i * CHUNK..i * CHUNK + out.len() / n_class;
            examples.widen(chunk, &mut wide);
            self.logits(&wide, out);
            out.chunks_mut(n_class).for_each(|row| {
                let log_sum = log_sum_exp(row);
                row.iter_mut().for_each(|z| *z -= log_sum);
            });
        });
        all
    }

    /// Accuracy and loss; none without examples. An example of a class that the classifier does not
    /// know (its number is past the last) counts as an error of infinite loss.
    pub fn score(&self, examples: &Examples<'_>) -> Option<Score> {
        if examples.is_empty() {
            return None;
        }
        let rows = self.log_probabilities(examples);
        let (mut right, mut loss) = (0_usize, 0.0);
        for (row, &class) in rows.chunks(self.n_class()).zip(examples.classes()) {
            right += usize::from(argmax(row) == class as usize);
            loss -= row.get(class as usize).copied().unwrap_or(f64::NEG_INFINITY);
        }
        let n = examples.len() as f64;
        Some(Score { accuracy: right as f64 / n, loss: loss / n })
    }

    /// Logits (rows of `n_class`) of a chunk of widened features.
    fn logits(&self, wide: &[f64], out: &mut [f64]) {
        let width = self.weights.len() / self.n_class();
        let rows = out.len() / self.n_class();
        let weights = MatrixView::new(&self.weights, self.n_class(), width, width);
        matmul(out, MatrixView::new(wide, rows, width, width), weights.transposed(), false);
        for row in out.chunks_mut(self.n_class()) {
            row.iter_mut().zip(&self.bias).for_each(|(z, b)| *z += b);
        }
    }

    /// Adds the cross entropy's gradient over a chunk of examples to `gradient` (weights and bias
    /// of the raw features); returns the summed cross entropy.
    fn accumulate(
        &self,
        examples: &Examples<'_>,
        chunk: impl ExactSizeIterator<Item = usize> + Clone,
        gradient: &mut Softmax,
        scratch: &mut Scratch,
    ) -> f64 {
        let (n_class, width, rows) = (self.n_class(), examples.width(), chunk.len());
        examples.widen(chunk.clone(), &mut scratch.wide);
        scratch.residual.resize(rows * n_class, 0.0);
        self.logits(&scratch.wide, &mut scratch.residual);
        let mut loss = 0.0;
        for (row, example) in scratch.residual.chunks_mut(n_class).zip(chunk) {
            // From logits to probabilities, to their difference from the truth.
            let class = examples.classes()[example] as usize;
            let target = row[class];
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            row.iter_mut().for_each(|z| *z = (*z - largest).exp());
            let sum: f64 = row.iter().sum();
            loss += largest + sum.ln() - target;
            row.iter_mut().for_each(|p| *p /= sum);
            row[class] -= 1.0;
            gradient.bias.iter_mut().zip(&*row).for_each(|(g, r)| *g += r);
        }
        let residual = MatrixView::new(&scratch.residual, rows, n_class, n_class).transposed();
        matmul(&mut gradient.weights, residual, MatrixView::new(&scratch.wide, rows, width, width), true);
        loss
    }
}

/// Memory that a chunk's work needs, kept from chunk to chunk.
#[derive(Default)]
struct Scratch {
    wide: Vec<f64>,
    residual: Vec<f64>,
}

/// `J = C * sum of CE + 0.5 * penalty * ||W||^2` over scaled features, as a function of the parameters
/// `theta`: for each class its weights, then its intercept. The intercept is not penalised. The
/// penalty is 1, and 2 for two classes: scikit-learn fits these by one vector w, which is our
/// W_1 - W_0; at the minimum W_1 = -W_0 = w / 2, so that ||w||^2 = 2 ||W||^2.
///
/// The features are scaled in parameter space: the data are only ever read as they lie.
pub(crate) struct ProbeObjective<'a> {
    pub(crate) examples: &'a Examples<'a>,
    pub(crate) scaling: &'a Scaling,
    pub(crate) n_class: usize,
    /// The weight of the summed cross entropy.
    pub(crate) c: f64,
}

impl ProbeObjective<'_> {
    /// What the squares of the weights count, see above.
    pub(crate) fn penalty(&self) -> f64 {
        if self.n_class == 2 { 2.0 } else { 1.0 }
    }

    /// How many parameters there are.
    pub(crate) fn size(&self) -> usize {
        self.n_class * (self.examples.width() + 1)
    }

    /// The classifier of raw features that the parameters stand for.
    pub(crate) fn classifier(&self, theta: &[f64]) -> Softmax {
        let width = self.examples.width();
        let mut model = Softmax { weights: Vec::with_capacity(self.n_class * width), bias: Vec::new() };
        for class in theta.chunks(width + 1) {
            let mut bias = class[width];
            for ((weight, scale), mean) in
                class.iter().zip(&self.scaling.inverse_scale).zip(&self.scaling.mean)
            {
                let raw = weight * scale;
                bias -= raw * mean;
                model.weights.push(raw);
            }
            model.bias.push(bias);
        }
        model
    }

    /// The objective at `theta`; fills its gradient.
    pub(crate) fn evaluate(&self, theta: &[f64], gradient: &mut [f64]) -> f64 {
        let model = self.classifier(theta);
        let n = self.examples.len();
        let per_part = n.div_ceil(CHUNK).div_ceil(PARTS).max(1) * CHUNK;
        let parts: Vec<(f64, Softmax)> = (0..n.div_ceil(per_part))
            .into_par_iter()
            .map(|part| {
                let mut sum = self.zero();
                let mut scratch = Scratch::default();
                let range = part * per_part..((part + 1) * per_part).min(n);
                let loss = chunks(range)
                    .map(|chunk| model.accumulate(self.examples, chunk, &mut sum, &mut scratch))
                    .sum();
                (loss, sum)
            })
            .collect();
        let mut sum = self.zero();
        let mut loss = 0.0;
        for (part_loss, part) in &parts {
            loss += part_loss;
            sum.weights.iter_mut().zip(&part.weights).for_each(|(sum, part)| *sum += part);
            sum.bias.iter_mut().zip(&part.bias).for_each(|(sum, part)| *sum += part);
        }
        self.finish(loss, &sum, theta, self.c, self.penalty(), gradient)
    }

    /// An unbiased estimate of `J / (C n)` and of its gradient from a batch of examples.
    pub(crate) fn estimate(&self, theta: &[f64], batch: &[usize], gradient: &mut [f64]) -> f64 {
        let model = self.classifier(theta);
        let mut sum = self.zero();
        let mut scratch = Scratch::default();
        let loss = batch
            .chunks(CHUNK)
            .map(|chunk| model.accumulate(self.examples, chunk.iter().copied(), &mut sum, &mut scratch))
            .sum();
        let penalty = self.penalty() / (self.c * self.examples.len() as f64);
        self.finish(loss, &sum, theta, 1.0 / batch.len() as f64, penalty, gradient)
    }

    fn zero(&self) -> Softmax {
        let weights = vec![0.0; self.n_class * self.examples.width()];
        Softmax { weights, bias: vec![0.0; self.n_class] }
    }

    /// From sums over raw features to `data * loss + penalty * 0.5 * ||W||^2` and its gradient.
    fn finish(
        &self,
        loss: f64,
        sum: &Softmax,
        theta: &[f64],
        data: f64,
        penalty: f64,
        gradient: &mut [f64],
    ) -> f64 {
        let width = self.examples.width();
        let mut squares = 0.0;
        let classes = gradient.chunks_mut(width + 1).zip(theta.chunks(width + 1));
        for (class, (gradient, theta)) in classes.enumerate() {
            let bias = sum.bias[class];
            let weights = &sum.weights[class * width..(class + 1) * width];
            for (j, (g, t)) in gradient[..width].iter_mut().zip(theta).enumerate() {
                let centred = weights[j] - bias * self.scaling.mean[j];
                *g = data * centred * self.scaling.inverse_scale[j] + penalty * t;
                squares += t * t;
            }
            gradient[width] = data * bias;
        }
        data * loss + penalty * 0.5 * squares
    }
}

/// The position of the largest number, the first of equals.
pub(crate) fn argmax(row: &[f64]) -> usize {
    let mut best = 0;
    for (i, z) in row.iter().enumerate() {
        if *z > row[best] {
            best = i;
        }
    }
    best
}

fn log_sum_exp(row: &[f64]) -> f64 {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + row.iter().map(|z| (z - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> (Vec<f32>, Vec<u32>) {
        let features = (0..300 * 3).map(|i| ((i * 37 % 101) as f32).sin() + 2.0).collect();
        (features, (0..300).map(|i| i * i % 3).collect())
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let (features, classes) = data();
        let examples = Examples::new(&features, 3, (0..300).collect(), classes);
        for standardise in [false, true] {
            let scaling = Scaling::of(&examples, standardise);
            let objective = ProbeObjective { examples: &examples, scaling: &scaling, n_class: 3, c: 0.7 };
            let mut theta: Vec<f64> = (0..objective.size()).map(|i| (i as f64).cos()).collect();
            let mut gradient = vec![0.0; theta.len()];
            let mut ignored = gradient.clone();
            objective.evaluate(&theta, &mut gradient);
            for i in 0..theta.len() {
                let (at, h) = (theta[i], 1e-5);
                theta[i] = at + h;
                let above = objective.evaluate(&theta, &mut ignored);
                theta[i] = at - h;
                let below = objective.evaluate(&theta, &mut ignored);
                theta[i] = at;
                assert!((gradient[i] - (above - below) / (2.0 * h)).abs() < 1e-5 * (1.0 + gradient[i].abs()));
            }
            // The batch of all examples is the objective itself, but for its scale.
            let all: Vec<usize> = (0..300).collect();
            objective.estimate(&theta, &all, &mut ignored);
            assert!(gradient.iter().zip(&ignored).all(|(g, e)| (g / 210.0 - e).abs() < 1e-12));
        }
    }

    #[test]
    fn an_unknown_class_is_an_error_of_infinite_loss() {
        let model = Softmax { weights: vec![0.0, 0.0], bias: vec![0.0, 1.0] };
        let examples = Examples::new(&[1.0, 1.0], 1, vec![0, 1], vec![1, 2]);
        assert_eq!(model.score(&examples), Some(Score { accuracy: 0.5, loss: f64::INFINITY }));
        assert_eq!(model.score(&examples.pick([])), None);
    }
}
