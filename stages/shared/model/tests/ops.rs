//! Every fused operation against the plain graph and against finite differences: results and the
//! gradients of all operands, at sizes that leave ragged blocks; and the same bits for any number
//! of threads.

use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use igpt_contract::{Stream, stream};
use igpt_model::ops::{MlpWeights, NormWeights};
use igpt_model::{
    Activation, Dropout, Gpt, GptConfig, Input, ModelParams, Ops, Precision, Variant, loss, named_parameters,
};
use rand::RngExt as _;

#[expect(dead_code, reason = "the tests share it, and each uses a part")]
mod support;

use support::devices;

/// An operation on flat operands, which it gives their shapes itself; the result flat again.
type Operation<'a> = &'a dyn Fn(Ops, &[Tensor<1>]) -> Tensor<1>;

fn random(n: usize, stream: &mut Stream) -> Vec<f32> {
    (0..n).map(|_| stream.random_range(-1.0..1.0)).collect()
}

fn tensor(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// The result of an operation and the gradient of each operand, where the result is weighted.
fn run(
    device: &Device,
    ops: Ops,
    operation: Operation<'_>,
    operands: &[Vec<f32>],
    weights: &[f32],
) -> (Vec<f32>, Vec<Vec<f32>>) {
    let device = device.clone().autodiff();
    let operands: Vec<_> =
        operands.iter().map(|values| tensor(values.clone(), &device).require_grad()).collect();
    let result = operation(ops, &operands);
    let gradients = (result.clone() * tensor(weights.to_vec(), &device)).sum().backward();
    let gradients = operands.iter().map(|x| values(x.grad(&gradients).expect("a gradient"))).collect();
    (values(result), gradients)
}

fn check(name: &str, sizes: &[usize], operation: Operation<'_>) {
    for device in devices() {
        check_on(&device, &format!("{name} on {device:?}"), sizes, operation);
    }
}

fn check_on(device: &Device, name: &str, sizes: &[usize], operation: Operation<'_>) {
    let mut stream = stream(7, name);
    let operands: Vec<Vec<f32>> = sizes.iter().map(|n| random(*n, &mut stream)).collect();
    let forward = |operands: &[Vec<f32>]| {
        let operands: Vec<_> = operands.iter().map(|v| tensor(v.clone(), device)).collect();
        values(operation(Ops::Fused, &operands))
    };
    let weights = random(forward(&operands).len(), &mut stream);
    let (plain, plain_gradients) = run(device, Ops::Plain, operation, &operands, &weights);
    let (fused, fused_gradients) = run(device, Ops::Fused, operation, &operands, &weights);
    assert_eq!(forward(&operands), fused, "{name}: with and without differentiation");
    assert_close(&format!("{name}: result"), &plain, &fused);
    for (i, (plain, fused)) in plain_gradients.iter().zip(&fused_gradients).enumerate() {
        assert_close(&format!("{name}: gradient of operand {i}"), plain, fused);
    }

    // The slope along a random direction, of each operand by itself.
    for (i, gradient) in fused_gradients.iter().enumerate() {
        let direction = random(sizes[i], &mut stream);
        let at = |h: f32| {
            let mut moved = operands.clone();
            for (x, d) in moved[i].iter_mut().zip(&direction) {
                *x += h * d;
            }
            dot(&forward(&moved), &weights)
        };
        let h = 4e-3;
        let slope = (at(h) - at(-h)) / f64::from(2.0 * h);
        let expected = dot(gradient, &direction);
        let size = dot(gradient, gradient).sqrt();
        assert!(
            (slope - expected).abs() < 5e-3 * size.max(1e-2),
            "{name}: operand {i} has slope {slope}, its gradient says {expected}"
        );
    }
}

/// Within 1e-5 of the largest.
fn assert_close(what: &str, expected: &[f32], found: &[f32]) {
    assert_eq!(expected.len(), found.len(), "{what}");
    let largest = expected.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
    for (i, (e, f)) in expected.iter().zip(found).enumerate() {
        assert!(
            (e - f).abs() <= 1e-5 * largest,
            "{what}: element {i} is {f}, expected {e} (largest {largest})"
        );
    }
}

#[test]
fn attention_agrees_causal_and_not() {
    // 70 and 150 positions: ragged blocks of queries.
    for (b, t, c, heads) in [(2, 70, 12, 3), (1, 150, 16, 2), (3, 1, 8, 2)] {
        for causal in [true, false] {
            let name = format!("attention {b}x{t}x{c}/{heads} causal={causal}");
            check(&name, &[b * t * 3 * c], &|ops, x| {
                // Wider scores than the operands' range makes: a softmax worth its name.
                let qkv = x[0].clone().reshape([b, t, 3 * c]) * 2.0;
                ops.attention(qkv, heads, causal).reshape([b * t * c])
            });
        }
    }
}

fn norm(gain: &Tensor<1>, bias: Option<&Tensor<1>>) -> NormWeights {
    NormWeights { gain: gain.clone(), bias: bias.cloned() }
}

#[test]
fn both_norms_agree() {
    for (rows, c) in [(3, 5), (700, 24)] {
        let shape = [1, rows, c];
        check(&format!("layer norm {rows}x{c}"), &[rows * c, c, c], &|ops, x| {
            let weights = norm(&x[1], Some(&x[2]));
            ops.norm(x[0].clone().reshape(shape), weights).reshape([rows * c])
        });
        check(&format!("gain-only norm {rows}x{c}"), &[rows * c, c], &|ops, x| {
            ops.norm(x[0].clone().reshape(shape), norm(&x[1], None)).reshape([rows * c])
        });
    }
}

#[test]
fn linear_maps_agree_with_and_without_bias_and_residual() {
    let (rows, k, n) = (1030, 6, 9);
    let sizes = [rows * k, k * n, n, rows * n];
    for (bias, residual) in [(true, true), (true, false), (false, true), (false, false)] {
        let used: Vec<usize> = [(sizes[0], true), (sizes[1], true), (sizes[2], bias), (sizes[3], residual)]
            .into_iter()
            .filter_map(|(size, used)| used.then_some(size))
            .collect();
        check(&format!("linear bias={bias} residual={residual}"), &used, &|ops, x| {
            let mut rest = x[2..].iter().cloned();
            let b = bias.then(|| rest.next().unwrap());
            let r = residual.then(|| rest.next().unwrap().reshape([2, rows / 2, n]));
            let w = x[1].clone().reshape([k, n]);
            ops.linear(x[0].clone().reshape([2, rows / 2, k]), w, b, r).reshape([rows * n])
        });
    }
    check("projection", &[rows * k, n * k], &|ops, x| {
        let w = x[1].clone().reshape([n, k]);
        ops.project(x[0].clone().reshape([2, rows / 2, k]), w).reshape([rows * n])
    });
}

#[test]
fn a_branch_from_its_norm_to_a_linear_map_agrees() {
    let (rows, k, n) = (1030, 6, 9);
    let shape = [2, rows / 2, k];
    let sizes = [rows * k, k, k * n, n * k, k, n];
    for with_bias in [true, false] {
        let sizes = if with_bias { &sizes[..] } else { &sizes[..4] };
        check(&format!("branch, biases={with_bias}"), sizes, &|ops, x| {
            let h = x[0].clone().reshape(shape);
            let (weight, back) = (x[2].clone().reshape([k, n]), x[3].clone().reshape([n, k]));
            let y = ops.branch_linear(h.clone(), norm(&x[1], x.get(4)), weight, x.get(5).cloned());
            ops.linear(y, back, None, Some(h)).reshape([rows * k])
        });
    }
}

#[test]
fn the_mlp_agrees_for_every_activation() {
    let (rows, c, m) = (1034, 5, 12);
    let shape = [2, rows / 2, c];
    for activation in [Activation::GeluTanh, Activation::GeluErf, Activation::QuickGelu] {
        let sizes = [rows * c, c, c, c * m, m, m * c, c];
        check(&format!("mlp {activation:?}"), &sizes, &|ops, x| {
            let weights = MlpWeights {
                fc: x[3].clone().reshape([c, m]) * 2.0,
                fc_bias: Some(x[4].clone()),
                proj: x[5].clone().reshape([m, c]),
                proj_bias: Some(x[6].clone()),
            };
            let h = x[0].clone().reshape(shape);
            ops.mlp(h, norm(&x[1], Some(&x[2])), weights, true, activation).reshape([rows * c])
        });
        check(&format!("bare mlp {activation:?}"), &[rows * c, c, c * m, m * c], &|ops, x| {
            let weights = MlpWeights {
                fc: x[2].clone().reshape([c, m]) * 2.0,
                fc_bias: None,
                proj: x[3].clone().reshape([m, c]),
                proj_bias: None,
            };
            let h = x[0].clone().reshape(shape);
            (ops.mlp(h.clone(), norm(&x[1], None), weights, false, activation) * 0.5 + h).reshape([rows * c])
        });
    }
}

#[test]
fn cross_entropy_agrees() {
    for (rows, v) in [(3, 2), (1500, 37)] {
        let mut random = stream(3, "targets");
        let targets: Vec<i64> = (0..rows).map(|_| random.random_range(0..v as i64)).collect();
        check(&format!("cross entropy {rows}x{v}"), &[rows * v], &|ops, x| {
            let targets =
                Tensor::<1, Int>::from_data(TensorData::new(targets.clone(), [rows]), &x[0].device());
            ops.cross_entropy(x[0].clone().reshape([rows, v]) * 4.0, targets)
        });
    }
}

#[test]
#[should_panic(expected = "target 9 is not in 0..4")]
fn a_target_that_is_no_colour_is_refused() {
    let device = Device::flex();
    let logits = Tensor::<2>::zeros([1, 4], &device);
    Ops::Fused.cross_entropy(logits, Tensor::from_ints([9], &device));
}

#[test]
fn bfloat16_is_refused_on_the_processor() {
    let error = Ops::with(&Device::flex(), Precision::Bf16).unwrap_err().to_string();
    assert!(error.contains("`precision: bf16` needs a LibTorch device"), "{error}");
    assert_eq!(Ops::with(&Device::flex().autodiff(), Precision::F32).unwrap(), Ops::Fused);
}

/// A loss and all its gradients of a small network.
fn gradients(device: &Device, ops: Ops, variant: Variant, bert: bool) -> (f32, Vec<Vec<f32>>) {
    let params = ModelParams {
        n_layer: Some(2),
        n_embd: Some(48),
        n_head: Some(3),
        variant,
        ..ModelParams::default()
    };
    let config: GptConfig = params.config(130, 19).unwrap();
    let device = device.clone().autodiff();
    let gpt = Gpt::init(&config, &mut stream(1, "init"), &device).with_class_head(4, 1).with_ops(ops);
    let (tokens, input) = batch(24, &config, bert, &device);
    let labels = Tensor::<1, Int>::from_data(TensorData::new(vec![1i64; 24], [24]), &device);
    let mut dropout = Dropout::new(0.1, stream(3, "dropout"));
    let both = gpt.joint(tokens.clone(), &input, dropout.as_mut());
    let nll = loss::token_nll(both.logits, tokens);
    let generative = match input {
        Input::Bert(masked) => {
            let images = masked.dims()[0];
            loss::bert(nll, masked, loss::BertReduction::Mean, images)
        }
        Input::Autoregressive => loss::autoregressive(nll),
    };
    let loss = generative + loss::classification(both.class_logits, labels);
    let value = loss.clone().into_scalar::<f32>();
    let mut found = Gradients { of: loss.backward(), values: Vec::new() };
    burn::module::Module::visit(&gpt, &mut found);
    assert_eq!(found.values.len(), named_parameters(&gpt).len());
    (value, found.values)
}

/// Random images, shown to the network as BERT or whole.
fn batch(images: usize, config: &GptConfig, bert: bool, device: &Device) -> (Tensor<2, Int>, Input) {
    let mut random = stream(2, "data");
    let shape = [images, config.n_positions];
    let n = images * config.n_positions;
    let tokens: Vec<i64> = (0..n).map(|_| random.random_range(0..config.vocab as i64)).collect();
    let masked: Vec<f32> = (0..n).map(|_| f32::from(random.random_bool(0.2))).collect();
    let masked = Tensor::<2>::from_data(TensorData::new(masked, shape), device);
    let input = if bert { Input::Bert(masked) } else { Input::Autoregressive };
    (Tensor::from_data(TensorData::new(tokens, shape), device), input)
}

struct Gradients {
    of: burn::tensor::Gradients,
    values: Vec<Vec<f32>>,
}

impl burn::module::ModuleVisitor for Gradients {
    fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
        self.values.push(param.val().grad(&self.of).map(values).unwrap_or_default());
    }
}

#[test]
fn any_number_of_threads_makes_the_same_bits() {
    for (variant, bert) in [(Variant::Paper, false), (Variant::Released, true)] {
        let with_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| gradients(&Device::flex(), Ops::Fused, variant, bert))
        };
        let one = with_threads(1);
        assert!(one.0.is_finite());
        for threads in [2, 3, 5] {
            assert!(with_threads(threads) == one, "{variant:?} with {threads} threads");
        }
    }
}

/// Both networks on every device, and in bfloat16 where there is such a device.
#[test]
fn every_device_makes_the_same_gradients_and_bfloat16_about_the_same() {
    for (variant, bert) in [(Variant::Paper, false), (Variant::Released, true)] {
        let (loss, expected) = gradients(&Device::flex(), Ops::Plain, variant, bert);
        let compare = |device: &Device, ops: Ops, tolerance: f64| {
            let (found_loss, found) = gradients(device, ops, variant, bert);
            let what = format!("{variant:?} by {ops:?} on {device:?}");
            assert!(f64::from((loss - found_loss).abs()) < tolerance, "{what}: {found_loss}, not {loss}");
            for (i, (expected, found)) in expected.iter().zip(&found).enumerate() {
                let gap: f64 =
                    expected.iter().zip(found).map(|(e, f)| f64::from(e - f).powi(2)).sum::<f64>().sqrt();
                let size = dot(expected, expected).sqrt();
                assert!(gap <= tolerance * size + 1e-9, "{what}: gradient {i} is off by {gap} of {size}");
            }
        };
        for device in devices() {
            compare(&device, Ops::Plain, 1e-4);
            compare(&device, Ops::Fused, 1e-4);
            let mixed = Ops::with(&device, Precision::Bf16);
            assert_eq!(mixed.is_ok(), device != Device::flex(), "bfloat16 on every device of LibTorch's");
            if let Ok(mixed) = mixed {
                compare(&device, mixed, 0.05);
            }
        }
    }
}

/// Computing blocks again changes no bit: not of the loss, not of a gradient, dropout included.
#[test]
fn gradients_by_block_are_the_same_bits() {
    for (variant, bert) in [(Variant::Paper, false), (Variant::Released, true)] {
        let params = ModelParams {
            n_layer: Some(3),
            n_embd: Some(24),
            n_head: Some(2),
            variant,
            ..ModelParams::default()
        };
        let config = params.config(70, 11).unwrap();
        let device = Device::flex().autodiff();
        let gpt = Gpt::init(&config, &mut stream(1, "init"), &device);
        let (tokens, input) = batch(4, &config, bert, &device);
        let dropout = || Dropout::new(0.2, stream(3, "dropout"));
        let loss = |logits| loss::token_nll(logits, tokens.clone()).mean();

        let logits = gpt.logits(tokens.clone(), &input, dropout().as_mut());
        let whole = GradientsParams::from_grads(loss(logits).backward(), &gpt);
        let by_block = gpt.gradients_by_block(tokens.clone(), &input, dropout().as_mut(), loss);
        let bits = |of| {
            let mut found = Bits { of, values: Vec::new() };
            burn::module::Module::visit(&gpt, &mut found);
            found.values
        };
        let (whole, by_block) = (bits(whole), bits(by_block));
        assert!(whole.len() > 20 && whole.iter().any(|values| values.iter().any(|v| *v != 0.0)));
        assert!(whole == by_block, "{variant:?}");
    }
}

/// The gradients of the parameters that have one.
struct Bits {
    of: GradientsParams,
    values: Vec<Vec<f32>>,
}

impl burn::module::ModuleVisitor for Bits {
    fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
        self.values.extend(self.of.get::<D>(param.id).map(values));
    }
}
