#!/usr/bin/env python3
"""Bytes into the store, and the store checked, beside `cp` and `b3sum` of the same bytes.

    benches/store.py IGPT_FLOW_BINARY [--gib 2] [--files 5000] [--kib 16] [--rounds 5] [--b3sum PATH] [--work DIR]

Two artifacts: one file of so many GiB, and a folder of so many files of so many KiB. Admit: a command step that makes
the artifact with `cp -r`, so that the whole run is the copy and the admission, beside `cp -r`, `b3sum` of every copied
file and `sync` of them (what is admitted is on disk). Verify: `igpt-flow verify` beside `b3sum` of every object. Rounds
are interleaved; medians of wall and CPU seconds, and their ratios, are printed. `--work` on a memory file system leaves
the disk out. `b3sum`: `cargo install b3sum`.
"""
import argparse, os, pathlib, shutil, statistics

from beside import measured

PIPELINE = """name: store
stages:
  made:
    uses: command
    with: {run: 'cp -r "$SOURCE" out', pass_env: [SOURCE]}
"""


def measure(command, folder, **env):
    return measured(command, folder, IGPT_FLOW_STORE=str(folder / "artifacts"), **env)


def compare(name, source, args):
    """One artifact: rounds of admit and verify, ours and theirs by turns."""
    folder, flow = args.work, str(args.binary.resolve())
    hashes = f'find "$1" -type f -print0 | xargs -0 {args.b3sum}'
    script = lambda text, path: ["sh", "-ec", text, "sh", str(path)]
    runs = {}
    for _ in range(args.rounds):
        for path in ("artifacts", "copy"):
            path = folder / path
            path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)
        os.sync()
        ours = measure([flow, "run", "pipeline.yaml"], folder, SOURCE=str(source))
        runs.setdefault("admit", []).append(ours)
        os.sync()
        copied = f'cp -r "$SOURCE" "$1"; {hashes}; find "$1" -type f -print0 | xargs -0 sync'
        theirs = measure(script(copied, folder / "copy"), folder, SOURCE=str(source))
        runs.setdefault("cp, b3sum, sync", []).append(theirs)
        runs.setdefault("verify", []).append(measure([flow, "verify"], folder))
        runs.setdefault("b3sum", []).append(measure(script(hashes, folder / "artifacts/objects-v1"), folder))
    middle = {what: {key: statistics.median(run[key] for run in all_of) for key in ("wall", "cpu")} for what, all_of in runs.items()}
    for what, row in middle.items():
        print("| {} | {} | {wall:.3f} | {cpu:.3f} |".format(name, what, **row), flush=True)
    for ours, theirs in (("admit", "cp, b3sum, sync"), ("verify", "b3sum")):
        wall, cpu = (middle[ours][key] / middle[theirs][key] for key in ("wall", "cpu"))
        yield f"{name}: {ours} / ({theirs}) = {wall:.2f} wall, {cpu:.2f} CPU"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--gib", type=float, default=2)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--kib", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--b3sum", default="b3sum")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("target/bench-store"))
    args = parser.parse_args()
    args.work = args.work.resolve()
    shutil.rmtree(args.work, ignore_errors=True)
    (args.work / "many").mkdir(parents=True)
    (args.work / "pipeline.yaml").write_text(PIPELINE)
    with open(args.work / "large", "wb") as out:
        for _ in range(int(args.gib * 2**30) >> 20):
            out.write(os.urandom(1 << 20))
    for n in range(args.files):
        (args.work / f"many/{n:06}").write_bytes(os.urandom(args.kib << 10))
    ratios = []
    print("| artifact | what | wall s | CPU s |\n|---|---|---|---|")
    for name, source in ((f"{args.gib:g} GiB", "large"), (f"{args.files} files of {args.kib} KiB", "many")):
        ratios += compare(name, args.work / source, args)
    print("\n".join(ratios))
    shutil.rmtree(args.work)


if __name__ == "__main__":
    main()
