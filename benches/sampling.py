#!/usr/bin/env python3
"""Drawing images with igpt-flow beside transformers' `generate`: tokens a second on one network.

    benches/sampling.py SAMPLING_EXAMPLE [--images 16] [--side 16] [--layers 8] [--width 128] [--heads 4] [--rounds 5]

SAMPLING_EXAMPLE is target/release/examples/sampling (`cargo build --release --workspace --example sampling`). A random
ImageGPT of 512 colours is saved by transformers; both read that folder and draw so many images at once, each pixel its
likeliest colour, on as many threads. Rounds are interleaved, medians printed, with the ratio; the first image must be
the same. Without the cache igpt-flow computes a whole forward pass for each pixel. Run it with the Python that has
torch and transformers.
"""
import argparse, json, pathlib, statistics, subprocess, tempfile, time

import torch
from transformers import ImageGPTConfig, ImageGPTForCausalImageModeling

COLOURS = 512


def network(folder, args):
    config = ImageGPTConfig(
        vocab_size=COLOURS + 1, n_positions=args.side**2, n_embd=args.width, n_layer=args.layers, n_head=args.heads,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, initializer_range=0.08,
    )
    torch.manual_seed(0)
    model = ImageGPTForCausalImageModeling(config).eval()
    model.save_pretrained(folder)
    clusters = [[i / COLOURS] * 3 for i in range(COLOURS)]
    (folder / "preprocessor_config.json").write_text(json.dumps(dict(clusters=clusters)))
    return model


def theirs(model, images, positions):
    start = torch.full((images, 1), COLOURS)
    options = dict(max_new_tokens=positions, min_new_tokens=positions, do_sample=False, use_cache=True, pad_token_id=0)
    began = time.perf_counter()
    with torch.inference_mode():
        out = model.generate(start, attention_mask=torch.ones_like(start), **options)
    return images * positions / (time.perf_counter() - began), out[0, 1:].tolist()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("example", type=pathlib.Path)
    for name, default in dict(images=16, side=16, layers=8, width=128, heads=4, rounds=5, threads=2).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    positions = args.side**2
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        model = network(folder, args)
        theirs(model, args.images, 8)  # warms up
        rates = dict(cached=[], full=[], transformers=[])
        for _ in range(args.rounds):
            command = [args.example, folder, str(args.images), str(args.threads)]
            ours = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
            rate, image = theirs(model, args.images, positions)
            same = sum(a == b for a, b in zip(ours["image"], image))
            print(f"cached {ours['cached']:.0f}, full {ours['full']:.0f}, transformers {rate:.0f} tokens/s; "
                  f"{same} of {positions} pixels of the first image agree", flush=True)
            rates["cached"].append(ours["cached"])
            rates["full"].append(ours["full"])
            rates["transformers"].append(rate)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    print("medians: " + ", ".join(f"{name} {value:.0f} tokens/s" for name, value in medians.items()))
    print(f"cached / transformers: {medians['cached'] / medians['transformers']:.2f}")
    print(f"cached / full: {medians['cached'] / medians['full']:.2f}")


main()
