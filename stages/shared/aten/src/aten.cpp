// What of aten the crate tch has no name for. An error comes back as its text, for the caller to free.

#include "guarded.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

using at::Tensor;

extern "C" {

// found[i] = the gradient of operands[i], n of them, where that of `result` is `slope`.
char *igpt_aten_gradients(const Tensor *result, const Tensor *slope, const Tensor *const *operands, size_t n,
                          Tensor **found) {
  return guarded([&] {
    std::vector<Tensor> inputs;
    for (size_t i = 0; i < n; i++)
      inputs.push_back(*operands[i]);
    auto gradients = torch::autograd::grad({*result}, inputs, {*slope}, /*retain_graph=*/false);
    for (size_t i = 0; i < n; i++)
      found[i] = new Tensor(std::move(gradients[i]));
  });
}

// An update of Adam of n parameters, in place; `step` counts from 1, weight decay is decoupled.
char *igpt_aten_adam(const Tensor *const *values, const Tensor *const *gradients, const Tensor *const *means,
                     const Tensor *const *squares, size_t n, double step, double rate, double beta1, double beta2,
                     double decay, double epsilon) {
  return guarded([&] {
    if (n == 0)
      return;
    c10::NoGradGuard off;
    auto list = [n](const Tensor *const *tensors) {
      std::vector<Tensor> all;
      for (size_t i = 0; i < n; i++)
        all.push_back(*tensors[i]);
      return all;
    };
    std::vector<Tensor> steps(n, at::full({}, step, values[0]->options()));
    at::_fused_adamw_(list(values), list(gradients), list(means), list(squares), {}, steps, rate, beta1, beta2, decay,
                      epsilon, /*amsgrad=*/false, /*maximize=*/false);
  });
}
}
