#!/usr/bin/env python3
"""A palette of 512 colours beside scikit-learn's KMeans: seconds and inertia, and what all pixels of CIFAR-10 cost.

    benches/palette.py PALETTE_FIT PIXELS [--cifar ARCHIVE] [--colours 512] [--seeds 5] [--threads 2] [--peer-threads 2]

PALETTE_FIT is target/release/examples/palette_fit (`cargo build --release --workspace --example palette_fit`), PIXELS an
.npy array (n, 3) of bytes. Each seed is a round: igpt-flow, then KMeans (k-means++, one start, at most 100 rounds, its
default tolerance; igpt-flow stops by the same rule). Inertia is the sum of squared distances in levels of 0 to 255, over
the same pixels. ARCHIVE is cifar-10-binary.tar.gz: the 51.2 million training pixels by igpt-flow alone, counting them
included. Needs numpy and scikit-learn.
"""
import argparse, json, pathlib, sys, tarfile, tempfile, time

from beside import answer, faster, median, memory


def peer(pixels, colours, seed):
    import numpy as np
    from sklearn.cluster import KMeans

    x = np.load(pixels).astype(np.float64)
    start, cpu = time.perf_counter(), time.process_time()
    model = KMeans(colours, n_init=1, max_iter=100, random_state=seed).fit(x)
    took = dict(seconds=time.perf_counter() - start, cpu=time.process_time() - cpu)
    print(json.dumps(dict(took, inertia=float(model.inertia_), iterations=int(model.n_iter_))))


def raw(array, out):
    """The data of an .npy file of bytes."""
    data = array.read_bytes()
    out.write_bytes(data[10 + int.from_bytes(data[8:10], "little") :])


def cifar(archive, out):
    """The training images' pixels; in CIFAR's files a label byte and three planes of 1,024 bytes make an image."""
    with tarfile.open(archive) as tar, open(out, "wb") as file:
        for member in tar:
            if "data_batch" in member.name:
                data = tar.extractfile(member).read()
                for at in range(1, len(data), 3073):
                    pixels = bytearray(3072)
                    for channel in range(3):
                        pixels[channel::3] = data[at + 1024 * channel : at + 1024 * (channel + 1)]
                    file.write(pixels)


def show(name, each):
    more = "".join(f", {key} {each[key]:.4g}" for key in ("histogram", "distinct") if key in each)
    print(f"{name}: {each['seconds']:.3f} s, {each['cpu']:.3f} CPU s, inertia {each['inertia']:,.0f}, "
          f"{each['iterations']} iterations, peak {each['peak_mib']:.0f} MiB{more}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("example", type=pathlib.Path)
    parser.add_argument("pixels", type=pathlib.Path)
    parser.add_argument("--cifar", type=pathlib.Path)
    parser.add_argument("--peer", type=int, help=argparse.SUPPRESS)
    for name, default in {"colours": 512, "seeds": 5, "threads": 2, "peer-threads": 2}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    if args.peer is not None:
        return peer(args.pixels, args.colours, args.peer)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        raw(args.pixels, folder / "pixels")
        rounds = dict(ours=[], theirs=[], all=[])
        for seed in range(args.seeds):
            command = [sys.executable, __file__, args.example, args.pixels, "--peer", seed, "--colours", args.colours]
            rounds["ours"].append(answer([args.example, folder / "pixels", args.colours, seed, args.threads]))
            show(f"seed {seed}, igpt-flow", rounds["ours"][-1])
            rounds["theirs"].append(answer(command, args.peer_threads))
            show(f"seed {seed}, KMeans", rounds["theirs"][-1])
        if args.cifar:
            cifar(args.cifar, folder / "all")
            for seed in range(args.seeds):
                rounds["all"].append(answer([args.example, folder / "all", args.colours, seed, args.threads]))
                show(f"seed {seed}, all pixels", rounds["all"][-1])
    ours, theirs = rounds["ours"], rounds["theirs"]
    inertia = [median(side, "inertia") for side in (ours, theirs)]
    print(f"median inertia: igpt-flow {inertia[0]:,.0f}, KMeans {inertia[1]:,.0f}, {inertia[0] / inertia[1]:.5f} times KMeans'")
    faster("palette", median(ours, "seconds"), median(theirs, "seconds"))
    faster("palette, CPU", median(ours, "cpu"), median(theirs, "cpu"), "CPU s")
    memory("palette", max(o["peak_mib"] for o in ours), max(t["peak_mib"] for t in theirs))
    if rounds["all"]:
        for key in ("seconds", "cpu"):
            ratio = median(rounds["all"], key) / median(ours, key)
            print(f"all pixels: {median(rounds['all'], key):.3f} ({key}), {ratio:.1f} times the {len(ours)} seeds' median above")


if __name__ == "__main__":
    main()
