#!/usr/bin/env python3
"""A training step of igpt-flow beside one in PyTorch: seconds, tokens a second, peak memory, share of the GEMM peak.

    benches/training.py TRAIN_BENCH PEER [--configs a b] [--mode eager] [--steps 6] [--rounds 5] [--threads 2]

TRAIN_BENCH is target/release/examples/train_bench (`cargo build --release --workspace --example train_bench`), PEER a
script that is called as `PEER CONFIG MODE STEPS` with the number of threads in TH and prints `median_step=`, `cpu_step=`,
`tok/s=` and `peakrss=` (GiB), as the example does. Configurations: see the example's head. A round runs one after the
other, each in a process of its own whose first step does not count. Run it with the Python that has torch.
"""
import argparse, pathlib, re, sys

from beside import child, faster, median, memory


def step(command, threads):
    out, _ = child(command, TH=str(threads))
    numbers = {name: float(number) for name, number in re.findall(r"([\w/]+)=([0-9.]+)", out)}
    return dict(numbers, peak_mib=numbers["peakrss"] * 1024)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("example", type=pathlib.Path)
    parser.add_argument("peer", type=pathlib.Path)
    parser.add_argument("--configs", nargs="+", default=["a", "b"])
    parser.add_argument("--mode", default="eager")
    for name, default in dict(steps=6, rounds=5, threads=2).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    for config in args.configs:
        ours, theirs = [], []
        for _ in range(args.rounds):
            ours.append(step([args.example.resolve(), config, args.steps], args.threads))
            theirs.append(step([sys.executable, args.peer, config, args.mode, args.steps], args.threads))
            for name, side in (("igpt-flow", ours[-1]), (f"torch {args.mode}", theirs[-1])):
                print(f"{config} {name}: {side['median_step']:.3f} s a step, {side['cpu_step']:.3f} CPU s, "
                      f"{side['tok/s']:.0f} tokens/s, peak {side['peak_mib']:.0f} MiB", flush=True)
        faster(f"{config}, a step", median(ours, "median_step"), median(theirs, "median_step"))
        faster(f"{config}, CPU of a step", median(ours, "cpu_step"), median(theirs, "cpu_step"), "CPU s")
        memory(config, max(o["peak_mib"] for o in ours), max(t["peak_mib"] for t in theirs))
        # The peak of all rounds: no single one of them can have been too fast.
        peak = max(o["gemm_peak"] for o in ours)
        rate = median(ours, "GFLOP/s")
        print(f"{config}: {rate:.0f} GFLOP/s, {100 * rate / peak:.1f} % of the f32 GEMM peak of {peak:.0f} GFLOP/s")


main()
