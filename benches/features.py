#!/usr/bin/env python3
"""Features of all layers by igpt-flow beside a forward pass of PyTorch with scaled-dot-product attention.

    benches/features.py THROUGHPUT [--hugging-face SCRIPT] [--images 256] [--batch 64] [--rounds 5] [--threads 2]

THROUGHPUT is target/release/examples/throughput (`cargo build --release --workspace --example throughput`). Both sides
compute 8 layers of width 128 with 4 heads on 256 positions and the mean over positions of what each layer's attention
sees (behind its norm; the final norm at the end), without gradients. SCRIPT is called as `SCRIPT features --threads N`
and prints a line of JSON with `images_per_s`: Hugging Face's model. Run it with the Python that has torch.
"""
import argparse, json, pathlib, re, sys, time

from beside import answer, child, faster, median

LAYERS, WIDTH, HEADS, POSITIONS, COLOURS = 8, 128, 4, 256, 512


def peer(images, batch, threads):
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln1, self.ln2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.fc, self.out = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

        def forward(self, h):
            b, t, _ = h.shape
            n = self.ln1(h)
            q, k, v = (x.view(b, t, HEADS, -1).transpose(1, 2) for x in self.qkv(n).split(WIDTH, -1))
            a = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, t, WIDTH)
            h = h + self.proj(a)
            return h + self.out(F.gelu(self.fc(self.ln2(h)))), n.mean(1)

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    tokens, places = nn.Embedding(COLOURS + 1, WIDTH), nn.Parameter(torch.randn(POSITIONS, WIDTH) * 0.01)
    blocks, last = nn.ModuleList(Block() for _ in range(LAYERS)), nn.LayerNorm(WIDTH)

    def features(x):
        h, found = tokens(x) + places, []
        for block in blocks:
            h, pooled = block(h)
            found.append(pooled)
        return torch.stack([*found, last(h).mean(1)], 1)

    x = torch.randint(0, COLOURS, (batch, POSITIONS))
    with torch.inference_mode():
        features(x)  # warms up
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(0, images, batch):
            features(x)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    done = -(-images // batch) * batch
    print(json.dumps(dict(rate=done / seconds, per_cpu=done / cpu, torch=torch.__version__)))


def ours(args):
    out, peak = child([args.example, args.images, args.threads, args.batch])
    rate, per_cpu = (float(re.search(rf"([0-9.]+) images/{unit}", out)[1]) for unit in ("s", "CPU s"))
    return dict(rate=rate, per_cpu=per_cpu, peak_mib=peak)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("example", type=pathlib.Path)
    parser.add_argument("--hugging-face", type=pathlib.Path)
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    for name, default in dict(images=256, batch=64, rounds=5, threads=2).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    if args.peer:
        return peer(args.images, args.batch, args.threads)
    options = [part for name in ("images", "batch", "threads") for part in (f"--{name}", getattr(args, name))]
    rounds = dict(ours=[], torch=[], hugging_face=[])
    for _ in range(args.rounds):
        rounds["ours"].append(ours(args))
        rounds["torch"].append(answer([sys.executable, __file__, args.example, "--peer", *options]))
        if args.hugging_face:
            found = answer([sys.executable, args.hugging_face, "features", "--reps", 1, "--threads", args.threads])
            rounds["hugging_face"].append(dict(rate=found["images_per_s"], peak_mib=found["peak_mib"]))
        print(", ".join(f"{name} {each[-1]['rate']:.1f}" for name, each in rounds.items() if each), "images/s", flush=True)
    for name in ("torch", "hugging_face"):
        if rounds[name]:
            faster(f"features, {name}", median(rounds["ours"], "rate"), median(rounds[name], "rate"), "images/s", True)
    faster("features, torch", median(rounds["ours"], "per_cpu"), median(rounds["torch"], "per_cpu"), "images/CPU s", True)


main()
