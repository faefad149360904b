#!/usr/bin/env python3
"""Images to tokens beside transformers' ImageGPT image processors: images a second, share of the memory's bandwidth.

    benches/tokens.py QUANTIZE PALETTE ARCHIVE [--images 50000] [--peer-images 500] [--rounds 5] [--threads 2]

QUANTIZE is target/release/examples/quantize (`cargo build --release --workspace --example quantize`), PALETTE an .npy
array (k, 3) of float32 in [-1, 1], ARCHIVE cifar-10-binary.tar.gz, whose training images are 32x32. From memory to memory
on both sides, on as many threads. transformers has two processors, by Pillow and by torchvision; those that are there
take part, with fewer images, as their rate does not depend on the number (theirs are taken after a first call of a few
images, ours from nothing: its search structure is included). The share of bandwidth is that of the bytes read and
written, beside a copy by the same threads. Run it with the Python that has transformers, Pillow, torch and torchvision.
"""
import argparse, json, pathlib, sys, tempfile, time

from beside import answer, faster, median
from palette import cifar


def peer(kind, images, palette, n, threads):
    import numpy as np
    import transformers

    name = dict(pillow="ImageGPTImageProcessorPil", torchvision="ImageGPTImageProcessor")[kind]
    if kind == "torchvision":
        import torch, torchvision

        torch.set_num_threads(threads)
    processor = getattr(transformers, name)
    x = list(np.fromfile(images, np.uint8, count=n * 3072).reshape(-1, 32, 32, 3))
    processor = processor(clusters=np.load(palette).tolist(), size={"height": 32, "width": 32})
    processor(x[:8], return_tensors="np")
    start, cpu = time.perf_counter(), time.process_time()
    # A few at a time, as a data loader would: all at once take gigabytes.
    for first in range(0, n, 100):
        processor(x[first : first + 100], return_tensors="np")
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(json.dumps(dict(rate=n / seconds, per_cpu=n / cpu, transformers=transformers.__version__)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("example", "palette", "archive"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--peers", nargs="*", default=["pillow", "torchvision"])
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    for name, default in {"images": 50_000, "peer-images": 500, "rounds": 5, "threads": 2}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    if args.peer:
        return peer(args.peer, args.archive, args.palette, args.peer_images, args.threads)
    rounds = {name: [] for name in ["ours", *args.peers]}
    with tempfile.TemporaryDirectory() as folder:
        images = pathlib.Path(folder) / "images"
        cifar(args.archive, images)
        with open(images, "rb+") as file:
            file.truncate(args.images * 3072)
        for _ in range(args.rounds):
            rounds["ours"].append(answer([args.example, images, 32, args.palette, args.threads]))
            print("igpt-flow: {first:,.0f} images/s from nothing, {again:,.0f} again, {bandwidth_gb_s:.2f} of "
                  "{copy_gb_s:.2f} GB/s".format(**rounds["ours"][-1]), flush=True)
            for name in args.peers:
                command = [sys.executable, __file__, args.example, args.palette, images, "--peer", name]
                command += ["--peer-images", args.peer_images, "--threads", args.threads]
                rounds[name].append(answer(command, args.threads))
                print("{}: {rate:,.0f} images/s, {per_cpu:,.0f} a CPU second".format(name, **rounds[name][-1]), flush=True)
    ours = rounds["ours"]
    for name in args.peers:
        faster(f"tokenize, {name}", median(ours, "first"), median(rounds[name], "rate"), "images/s", True)
        faster(f"tokenize, {name}", median(ours, "images_per_cpu_s"), median(rounds[name], "per_cpu"), "images/CPU s", True)
    for each in ours:
        each["share"] = each["bandwidth_gb_s"] / each["copy_gb_s"]
    print(f"colours seen before: {median(ours, 'again'):,.0f} images/s, {median(ours, 'bandwidth_gb_s'):.2f} GB/s, "
          f"{100 * median(ours, 'share'):.0f} % of a copy's {median(ours, 'copy_gb_s'):.2f} GB/s")


if __name__ == "__main__":
    main()
