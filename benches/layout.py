#!/usr/bin/env python3
"""What it costs to lay out a command's inputs: copies of its own, and links.

    benches/layout.py IGPT_FLOW_BINARY [--gib 4] [--files 5000] [--rounds 3] [--work DIR]

One input of a single large file, and one of many files of 16 KiB; each from disk and from the store, copied and linked
(`link: true`), beside `cp -r` of the same and, for the many files, `cp -rs`. The steps do nothing else. Everything is
in the page cache. Prints medians of wall and CPU seconds, and the ratio of a copy to `cp`.
"""
import argparse, os, pathlib, shutil, statistics, time

from beside import measured

PIPELINE = """name: layout
stages:
  keep: {{uses: command, in: {{data: ./data}}, with: {{run: "{keep}", outputs: {{out: out}}}}}}
  disk: {{uses: command, in: {{data: ./data}}, with: {{run: "true > out", link: {link}, env: {{N: "{n}"}}}}}}
  store: {{uses: command, in: {{data: keep.out}}, with: {{run: "true > out", link: {link}, env: {{N: "{n}"}}}}}}
"""


def make(folder, gib, files):
    data = folder / "data"
    if files:
        for n in range(files):
            path = data / f"{n % 50:02}" / f"{n}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(16 << 10))
    else:
        with open(data, "wb") as out:
            for _ in range(int(gib * 1024)):
                out.write(os.urandom(1 << 20))
    return data


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--gib", type=float, default=4)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("target/bench-layout"))
    args = parser.parse_args()
    binary = str(args.binary.resolve())
    print("| input | what | wall s | CPU s |\n|---|---|---|---|")
    for name, files in ((f"{args.gib:g} GiB in one file", 0), (f"{args.files} files of 16 KiB", args.files)):
        folder = args.work.resolve()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder, args.gib, files)
        runs, n = {}, 0

        def flow(step, link):
            nonlocal n
            n += 1
            keep = "cp -r data out"
            (folder / "pipeline.yaml").write_text(PIPELINE.format(keep=keep, link=str(link).lower(), n=n))
            return measured([binary, "run", "pipeline.yaml", step], folder, IGPT_FLOW_STORE=str(folder / "artifacts"))

        flow("keep", False)
        for _ in range(args.rounds):
            for step in ("disk", "store"):
                for link in (False, True):
                    key = f"{'linked' if link else 'copied'} from {'disk' if step == 'disk' else 'the store'}"
                    runs.setdefault(key, []).append(flow(step, link))
            for key, command in (("cp -r", ["cp", "-r", "data", "copy"]), ("cp -rs", ["cp", "-rs", str(folder / "data"), "copy"])):
                runs.setdefault(key, []).append(measured(command, folder))
                copy = folder / "copy"
                shutil.rmtree(copy) if copy.is_dir() and not copy.is_symlink() else copy.unlink()
                time.sleep(0.1)
        middle = {key: {m: statistics.median(run[m] for run in all_of) for m in ("wall", "cpu")} for key, all_of in runs.items()}
        for key, took in middle.items():
            print("| {} | {} | {wall:.3f} | {cpu:.3f} |".format(name, key, **took))
        ratio = middle["copied from the store"]["wall"] / middle["cp -r"]["wall"]
        print(f"| {name} | copied from the store / `cp -r`, wall | {ratio:.2f} | |")
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
