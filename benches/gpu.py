#!/usr/bin/env python3
"""A training step on a GPU: igpt-flow beside PyTorch, eager and compiled, in one run.

    benches/gpu.py GPU_BENCH [--preset igpt-s] [--batch 128] [--micro 1] [--steps 12] [--rounds 3] [--skip SIDE]... [--device cuda]

GPU_BENCH is `gpu_bench` of `cargo build --release --workspace --examples --features tch`, built against the PyTorch of this
Python. Both train the text's variant of the network at 32x32 on 512 colours: bfloat16 inside transformer blocks, parameters and
Adam in float32. A round runs each side once, in a process of its own; a side that fails is told and left out. Prints the
medians of tokens a second, the peak memory that nvidia-smi saw, and the ratios. `--device cpu` is for trying the script
out. SIDE is `keep`, `recompute`, `eager` or `compiled`: a large preset takes long to compile.
"""
import argparse, json, os, re, statistics, subprocess, sys, threading, time

SHAPES = {"tiny": (4, 64, 2), "small": (8, 128, 4), "igpt-s": (24, 512, 8), "igpt-m": (36, 1024, 8), "igpt-l": (48, 1536, 16)}
COLOURS = 512


def step_of_torch(preset, batch, micro, steps, device, compiled):
    """Tokens a second of a PyTorch training step, printed as JSON."""
    import torch
    import torch.nn as nn
    import torch.nn.functional as F

    layers, width, heads = SHAPES[preset]
    positions = 1024 if device == "cuda" else 64

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.fc, self.out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, h):
            b, t, c = h.shape
            q, k, v = (x.view(b, t, heads, c // heads).transpose(1, 2) for x in self.qkv(self.ln_1(h)).split(c, 2))
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, t, c)
            h = h + self.proj(mixed)
            return h + self.out(F.gelu(self.fc(self.ln_2(h)), approximate="tanh"))

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte, self.sos = nn.Embedding(COLOURS, width), nn.Parameter(torch.randn(width) * 0.02)
            self.wpe = nn.Parameter(torch.randn(positions, width) * 0.01)
            self.blocks, self.ln_f = nn.ModuleList(Block() for _ in range(layers)), nn.LayerNorm(width)
            self.head = nn.Linear(width, COLOURS, bias=False)
            nn.init.zeros_(self.head.weight)

        def forward(self, tokens):
            b = tokens.shape[0]
            h = torch.cat([self.sos.expand(b, 1, width), self.wte(tokens[:, :-1])], 1) + self.wpe
            for block in self.blocks:
                h = block(h)
            return F.cross_entropy(self.head(self.ln_f(h)).view(-1, COLOURS).float(), tokens.view(-1))

    torch.manual_seed(0)
    network = Network().to(device)
    run = torch.compile(network) if compiled else network
    adam = torch.optim.Adam(network.parameters(), 1e-3, betas=(0.9, 0.95), fused=True)
    tokens = torch.randint(0, COLOURS, (batch // micro, positions), device=device)
    times = []
    for _ in range(steps):
        start = time.time()
        for _ in range(micro):
            with torch.autocast(device, dtype=torch.bfloat16):
                loss = run(tokens) / micro
            loss.backward()
        adam.step()
        adam.zero_grad()
        loss.item()
        times.append(time.time() - start)
    step = statistics.median(times[2:])
    print(json.dumps({"tokens": batch * positions / step, "step": step, "torch": torch.__version__}))


class Watch:
    """The most memory that nvidia-smi sees in use while it runs, MiB."""

    def __enter__(self):
        self.peak, self.done = 0, False
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        return self

    def look(self):
        ask = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        while not self.done:
            try:
                found = subprocess.run(ask, capture_output=True, text=True).stdout.split()
            except FileNotFoundError:
                return
            self.peak = max([self.peak, *map(int, found[:1])])
            time.sleep(0.2)

    def __exit__(self, *_):
        self.done = True
        self.thread.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--preset", default="igpt-s", choices=SHAPES)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--micro", type=int, default=1, help="micro-batches of a step")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--skip", action="append", default=[], choices=["keep", "recompute", "eager", "compiled"])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--torch", choices=["eager", "compiled"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.torch:
        return step_of_torch(args.preset, args.batch, args.micro, args.steps, args.device, args.torch == "compiled")
    ours = [args.binary, args.preset, str(args.batch), str(args.steps), str(args.micro), "bf16"]
    side, device = ("32", "cuda") if args.device == "cuda" else ("8", "tch-cpu")
    sides = {"keep": ("igpt-flow", ours), "recompute": ("igpt-flow, recompute", [*ours, "recompute"])}
    for mode in ["eager", "compiled"]:
        sides[mode] = (f"PyTorch {mode}", [sys.executable, __file__, *sys.argv[1:], "--torch", mode])
    commands = dict(side for name, side in sides.items() if name not in args.skip)
    speeds, memory = {name: [] for name in commands}, dict.fromkeys(commands, 0)
    for n in range(args.rounds):
        for name, command in commands.items():
            env = {**os.environ, "SIDE": side, "DEVICE": device}
            with Watch() as watch:
                run = subprocess.run(command, capture_output=True, text=True, env=env)
            if run.returncode:
                print(f"round {n}: {name} failed:\n{run.stderr[-2000:]}", flush=True)
                continue
            line = run.stdout.strip().splitlines()[-1]
            found = re.search(r"tok/s=([0-9.]+)", line)
            speeds[name].append(float(found[1]) if found else json.loads(line)["tokens"])
            memory[name] = max(memory[name], watch.peak)
            print(f"round {n}: {name}: {line}", flush=True)
    medians = {name: statistics.median(found) for name, found in speeds.items() if found}
    for name, speed in medians.items():
        ratios = ", ".join(f"{speed / other:.2f}x {rival}" for rival, other in medians.items() if rival != name)
        print(f"{args.preset} batch {args.batch}: {name}: {speed:,.0f} tokens/s, {memory[name]:,} MiB ({ratios})")


if __name__ == "__main__":
    main()
