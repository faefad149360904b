#!/usr/bin/env python3
"""A published network in transformers beside the network itself: the largest difference of logits and hidden states.

    benches/published.py LOGITS_EXAMPLE MODEL PUBLISHED [--images 8] [--tolerance 1e-4]

MODEL is the export of a `pretrain` step's `model`, PUBLISHED that of the `publish` step made of it, LOGITS_EXAMPLE
target/release/examples/logits (`cargo build --release --workspace --example logits`). Both compute random images, and
transformers' image processor reads the palette. The exit code is 1 where a difference is above the tolerance, as a share
of the largest value where that is above 1. Run it with the Python that has torch and transformers.
"""
import argparse, pathlib, subprocess, sys, tempfile

import torch
from safetensors.torch import load_file, save_file
from transformers import ImageGPTForCausalImageModeling, ImageGPTImageProcessor


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("example", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("published", type=pathlib.Path)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    args = parser.parse_args()
    model, info = ImageGPTForCausalImageModeling.from_pretrained(args.published, output_loading_info=True)
    model.eval()
    strays = {name: list(names) for name, names in info.items() if names}
    print(f"{sum(p.numel() for p in model.parameters())} parameters; missing, unexpected or mismatched: {strays or 'none'}")
    processor = ImageGPTImageProcessor.from_pretrained(args.published)
    colours = model.config.vocab_size - 1
    print(f"the processor has {len(processor.clusters)} colours of {colours}, size {processor.size}")
    tokens = torch.randint(colours, (args.images, model.config.n_positions), generator=torch.manual_seed(0))
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        save_file({"tokens": tokens}, folder / "tokens.safetensors")
        command = [args.example, args.model, folder / "tokens.safetensors", folder / "logits.safetensors"]
        subprocess.run(command, check=True)
        ours = load_file(folder / "logits.safetensors")
    start = torch.full((args.images, 1), colours)
    with torch.inference_mode():
        out = model(torch.cat([start, tokens[:, :-1]], 1), output_hidden_states=True, use_cache=False)
    theirs = {"logits": out.logits} | {f"hidden.{l}": hidden for l, hidden in enumerate(out.hidden_states)}
    assert theirs.keys() == ours.keys(), (theirs.keys(), ours.keys())
    worst = 0.0
    for name, expected in theirs.items():
        difference, largest = (expected - ours[name]).abs().max().item(), expected.abs().max().item()
        # Residual streams reach hundreds, where 32-bit floats are further apart than the tolerance.
        worst = max(worst, difference / max(1.0, largest))
        print(f"{name}: largest difference {difference:.2e} of {largest:.3g}")
    sys.exit(0 if worst <= args.tolerance else 1)


main()
