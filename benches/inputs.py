#!/usr/bin/env python3
"""A large input on disk: what a run reads of it when it is new, untouched, and touched without a change.

    benches/inputs.py IGPT_FLOW_BINARY [--gib 2] [--rounds 5] [--b3sum PATH] [--work DIR]

One command step reads the file. A round touches the file and runs (the content must be hashed again, nothing executed),
runs once more untouched (nothing may be read), and hashes the file with `b3sum` (`cargo install b3sum`), with its
threads and with one. The file is in the page cache throughout. Prints medians of wall and CPU seconds, the bytes that
the process read, and the ratio of the touched run's CPU seconds to those of one thread of `b3sum`.
"""
import argparse, os, pathlib, shutil, statistics, sys, time

from beside import measured

PIPELINE = """name: inputs
stages:
  size:
    uses: command
    in: {data: ./data.bin}
    with: {run: 'wc -c < data > out && echo ran >> "$BENCH_LOG"', pass_env: [BENCH_LOG]}
"""


def measure(command, folder):
    """What the command takes, and how often the step `ran`."""
    log = folder / "executions.log"
    log.write_text("")
    took = measured(command, folder, BENCH_LOG=str(log), IGPT_FLOW_STORE=str(folder / "artifacts"))
    return dict(took, ran=len(log.read_text().splitlines()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--gib", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--b3sum", default="b3sum")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("target/bench-inputs"))
    args = parser.parse_args()
    folder = args.work.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "pipeline.yaml").write_text(PIPELINE)
    data = folder / "data.bin"
    with open(data, "wb") as out:
        for _ in range(int(args.gib * 2**30) >> 20):
            out.write(os.urandom(1 << 20))
    flow = [str(args.binary.resolve()), "run", "pipeline.yaml"]
    peers = {"b3sum": [args.b3sum, data.name], "b3sum, one thread": [args.b3sum, "--num-threads", "1", data.name]}
    if shutil.which(args.b3sum) is None:
        print(f"{args.b3sum}: not installed, left out", file=sys.stderr)
        peers = {}
    time.sleep(0.1)
    runs = {"first": [measure(flow, folder)], "touched": [], "untouched": [], **{name: [] for name in peers}}
    for _ in range(args.rounds):
        os.utime(data)
        time.sleep(0.1)
        runs["touched"].append(measure(flow, folder))
        runs["untouched"].append(measure(flow, folder))
        for name, command in peers.items():
            runs[name].append(measure(command, folder))
    print("| what | wall s | CPU s | MiB read | executed |\n|---|---|---|---|---|")
    middle = {}
    for name, all_of in runs.items():
        middle[name] = {key: statistics.median(run[key] for run in all_of) for key in ("wall", "cpu", "read_mib")}
        ran = " / ".join(sorted({str(run["ran"]) for run in all_of}))
        print("| {} | {wall:.3f} | {cpu:.3f} | {read_mib:.1f} | {} |".format(name, ran, **middle[name]))
    if peers:
        ratio = middle["touched"]["cpu"] / middle["b3sum, one thread"]["cpu"]
        print(f"CPU seconds: touched / b3sum with one thread = {ratio:.2f}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
