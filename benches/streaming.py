#!/usr/bin/env python3
"""Peak memory of the way from images to features, and a training on tokens that do not fit the memory allowed.

    benches/streaming.py IGPT_FLOW [--images 10000 100000] [--steps 40] [--rounds 3] [--work DIR]

Draws so many images of 32x32, takes them through augment, palette, tokenize, pretrain and features, and prints the peak
resident memory of each step. Then trains on the largest set twice in turn, with its tokens in memory and with a
twentieth of that memory, and prints the ratio of the steps per second and whether the networks are the same bytes.
"""
import argparse, json, pathlib, statistics, subprocess, tempfile

STEPS = ["images", "small", "palette", "tokens", "pretrain", "features"]


def pipeline(images, steps):
    return f"""name: streaming
stages:
  images: {{uses: download, with: {{source: textures, train: {images}, test: 1000}}}}
  small: {{uses: augment, in: {{images: images.images}}, with: {{side: 32}}}}
  palette: {{uses: palette, in: {{images: small.images}}, with: {{colours: 64, sample: 100000}}}}
  tokens: {{uses: tokenize, in: {{images: small.images, palette: palette.palette}}}}
  pretrain:
    uses: pretrain
    in: {{tokens: tokens.tokens}}
    with: {{model: {{preset: tiny, n_layer: 2}}, batch: 8, steps: {steps}, validation_rows: 8, test_rows: 8}}
  features:
    uses: features
    in: {{model: pretrain.model, tokens: tokens.tokens}}
    with: {{train_images: 1000, test_images: 100}}
"""


def run(binary, folder, *more):
    command = [binary, "run", "pipeline.yaml", "-q", *more]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def record(binary, folder, step):
    shown = subprocess.run([binary, "show", step, "--json"], cwd=folder, check=True, capture_output=True)
    return json.loads(shown.stdout)[0]["record"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work")
    args = parser.parse_args()
    binary = str(pathlib.Path(args.binary).resolve())
    with tempfile.TemporaryDirectory(dir=args.work) as work:
        print("| images | " + " | ".join(STEPS) + " |")
        print("|---|" + "---|" * len(STEPS))
        for images in args.images:
            folder = pathlib.Path(work, str(images))
            folder.mkdir()
            (folder / "pipeline.yaml").write_text(pipeline(images, args.steps))
            run(binary, folder)
            peaks = [record(binary, folder, step)["cost"]["peak_memory_mib"] for step in STEPS]
            print(f"| {images} | " + " | ".join(f"{peak:.0f} MiB" for peak in peaks) + " |", flush=True)
        whole = 2 * 32 * 32 * (images + 1000) >> 20
        seconds, peaks, models = {}, {}, set()
        for _ in range(args.rounds):
            for memory in (whole + 1, max(1, whole // 20)):
                run(binary, folder, "--force", "pretrain", "--set", f"stages.pretrain.with.memory_mib={memory}", "pretrain")
                made = record(binary, folder, "pretrain")
                seconds.setdefault(memory, []).append(made["cost"]["wall_s"])
                peaks.setdefault(memory, []).append(made["cost"]["peak_memory_mib"])
                models.add(made["outputs"]["model"]["digest"])
        for memory, times in seconds.items():
            print(f"memory_mib {memory}: {statistics.median(times):.2f} s, peak {max(peaks[memory]):.0f} MiB")
        ratio = statistics.median(seconds[whole + 1]) / statistics.median(seconds[max(1, whole // 20)])
        print(f"from the scratch file / in memory = {ratio:.3f} in steps per second, reading the set included")
        print("the same network" if len(models) == 1 else f"NOT the same network: {models}")


if __name__ == "__main__":
    main()
