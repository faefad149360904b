#!/usr/bin/env bash
# All measurements of a GPU in one go: training steps beside PyTorch, and a training of iGPT-S with its probes.
#
#   benches/gpu.sh BINARY_FOLDER [OUT]
#
# BINARY_FOLDER holds `igpt-flow` and `examples/gpu_bench`, built with `--features tch` against the PyTorch of `python3`:
# `cargo build --release --workspace --examples --bins --features tch` fills target/release. The libraries of that PyTorch
# are found by themselves. OUT (default results/gpu) receives a log of each part. STEPS (default 2000) are the training's:
# give as many as the machine can be had for. IGPT_FLOW_MIRROR may name a folder with CIFAR-10's archive.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { sed -n '2,9p' "$0" | cut -c3-; exit 2; }
bin=$(realpath "$1")
out=${2:-results/gpu}
mkdir -p "$out"
# LibTorch, and the compiler of kernels that PyTorch installs beside it.
LD_LIBRARY_PATH=$(python3 -c 'import glob, os, torch
lib = os.path.join(os.path.dirname(torch.__file__), "lib")
print(":".join([lib, *map(os.path.dirname, glob.glob(lib + "/../../nvidia/*/lib/libnvrtc.so.*"))]))'):${LD_LIBRARY_PATH:-}
export LD_LIBRARY_PATH
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | tee "$out/machine.txt"

# The same numbers as on a processor, first.
DEVICE=tch-cpu SIDE=8 "$bin/examples/gpu_bench" small 8 3 1 f32 | tee "$out/check.txt"
DEVICE=cuda SIDE=8 "$bin/examples/gpu_bench" small 8 3 1 f32 | tee -a "$out/check.txt"

gpu() { python3 benches/gpu.py "$bin/examples/gpu_bench" --preset "$1" "${@:2}" 2>&1 | tee "$out/$1.txt"; }
gpu igpt-s
gpu igpt-m --micro 4 --steps 6 --rounds 1
gpu igpt-l --micro 16 --steps 4 --rounds 1 --skip compiled

"$bin/igpt-flow" run pipelines/cifar10.yaml --profile gpu --device cuda --store "$out/store" \
  --set vars.steps="${STEPS:-2000}" 2>&1 | tee "$out/cifar10.txt"
