#!/usr/bin/env python3
"""igpt-flow beside make, ninja and Snakemake on one graph of 1,000 small command steps, in one run.

    benches/orchestrators.py IGPT_FLOW_BINARY [--steps 1000] [--large 10000] [--reps 5] [--peers make ninja snakemake]
                             [--work DIR]

The graph has 10 layers; a step concatenates two outputs of the layer before and notes its execution in a log, so that
the numbers of executions are counted, not believed. Outputs are compared with the expected bytes after every phase.
Phases: first, no-op, leaf changed, leaf reverted, leaf touched, one exported middle output deleted. Peers that are not
installed are named and left out (`pip install ninja snakemake`). Prints a table: wall and CPU seconds (median), steps
executed, peak memory, and the ratio of each peer's no-op to ours. `--large`: of a graph of so many steps the first run
and the no-op only, ours alone, and what a step of it takes of the time that a step of the small graph takes.
"""
import argparse, json, os, pathlib, shutil, statistics, subprocess, sys, time

from beside import measured


def graph(steps):
    width = steps // 10
    for layer in range(10):
        for i in range(width):
            j = (i + 1) % width
            deps = [f"in/{k}.txt" if layer == 0 else f"out/{layer - 1}_{k}.txt" for k in (i, j)]
            yield dict(id=f"s{layer}_{i}", layer=layer, index=i, deps=deps, out=f"out/{layer}_{i}.txt")


def shell(step):
    a, b = step["deps"]
    return f'cat {a} {b} > {step["out"]} && echo {step["out"]} >> "$BENCH_LOG"'


def write_igpt_flow(folder, steps):
    lines = ["name: bench", "stages:"]
    for step in steps:
        k, i = step["layer"], step["index"]
        sources = step["deps"] if k == 0 else [f's{k - 1}_{d.split("_")[1][:-4]}.out' for d in step["deps"]]
        lines += [
            f'  {step["id"]}:',
            "    uses: command",
            f"    in: {{a: {sources[0]}, b: {sources[1]}}}",
            f"    with: {{run: 'cat a b > out && echo {step['out']} >> \"$BENCH_LOG\"', pass_env: [BENCH_LOG]}}",
        ]
    lines += ["export:"] + [f'  {step["id"]}.out: {step["out"]}' for step in steps]
    (folder / "pipeline.yaml").write_text("\n".join(lines) + "\n")


def write_make(folder, steps):
    lines = ["all: " + " ".join(step["out"] for step in steps)]
    for step in steps:
        lines += [f'{step["out"]}: {" ".join(step["deps"])}', "\t@" + shell(step).replace("$", "$$")]
    (folder / "Makefile").write_text("\n".join(lines) + "\n")


def write_ninja(folder, steps):
    lines = ["rule c", "  command = $c"]
    for step in steps:
        lines += [f'build {step["out"]}: c {" ".join(step["deps"])}', "  c = " + shell(step).replace("$", "$$")]
    (folder / "build.ninja").write_text("\n".join(lines) + "\n")


def write_snakemake(folder, steps):
    lines = ["rule all:", "    input: " + ",".join(repr(step["out"]) for step in steps)]
    for step in steps:
        lines += [f'rule {step["id"]}:', f'    input: {",".join(map(repr, step["deps"]))}',
                  f'    output: {step["out"]!r}', f"    shell: {shell(step)!r}"]
    (folder / "Snakefile").write_text("\n".join(lines) + "\n")


def expected(folder, steps):
    content = {}
    def read(path):
        if path not in content:
            content[path] = (folder / path).read_bytes()
        return content[path]
    for step in steps:
        content[step["out"]] = b"".join(read(dep) for dep in step["deps"])
    return all((folder / s["out"]).is_file() and (folder / s["out"]).read_bytes() == content[s["out"]] for s in steps)


def measure(command, folder):
    log = folder / "executions.log"
    log.write_text("")
    env = dict(BENCH_LOG=str(log), IGPT_FLOW_STORE=str(folder / "artifacts"), XDG_CACHE_HOME=str(folder / ".cache"))
    took = measured(command, folder, subprocess.STDOUT, **env)
    return dict(took, executed=len(log.read_text().splitlines()))


def phases(name, command, writer, count, args):
    folder = args.work / f"{name}-{count}"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "in").mkdir(parents=True)
    (folder / "out").mkdir()
    steps = list(graph(count))
    for i in range(count // 10):
        (folder / f"in/{i}.txt").write_text(f"leaf{i:03}\n")
    writer(folder, steps)
    leaf = folder / "in/7.txt"

    def phase(title, reps, before=lambda n: None):
        runs = []
        for n in range(reps):
            time.sleep(0.05)
            before(n)
            runs.append(measure(command, folder))
            if not expected(folder, steps):
                runs[-1]["executed"] = f'{runs[-1]["executed"]} WRONG'
        middle = {key: statistics.median(run[key] for run in runs) for key in ("wall", "cpu", "peak_mib")}
        row = dict(peer=name, steps=count, phase=title, executed=sorted({str(run["executed"]) for run in runs}), **middle)
        print(json.dumps(row), file=sys.stderr, flush=True)
        return row

    rows = [phase("first", 1), phase("no-op", args.reps)]
    if count == args.large:
        return rows
    rows.append(phase("leaf changed", 3, lambda n: leaf.write_text(f"LEAF{n:03}\n")))
    rows.append(phase("leaf reverted", 1, lambda n: leaf.write_text("leaf007\n")))
    rows.append(phase("leaf touched", 3, lambda n: os.utime(leaf)))
    rows.append(phase("middle output deleted", 1, lambda n: (folder / "out/5_7.txt").unlink()))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--large", type=int, help="also the no-op of so many steps")
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--peers", nargs="*", default=["make", "ninja", "snakemake"])
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("target/bench-orchestrators"))
    args = parser.parse_args()
    args.work = args.work.resolve()
    commands = {
        "igpt-flow": ([str(args.binary.resolve()), "run", "pipeline.yaml"], write_igpt_flow),
        "make": (["make", "-s", "-j", "2", "all"], write_make),
        "ninja": (["ninja", "-j", "2", "--quiet"], write_ninja),
        "snakemake": (["snakemake", "-j", "2", "--quiet", "all"], write_snakemake),
    }
    rows = []
    for name in ["igpt-flow", *args.peers]:
        command, writer = commands[name]
        if shutil.which(command[0]) is None:
            print(f"{name}: not installed, left out", file=sys.stderr)
            continue
        rows += phases(name, command, writer, args.steps, args)
    noops = {row["peer"]: row for row in rows if row["phase"] == "no-op"}
    ours = noops.pop("igpt-flow")
    if args.large:
        rows += phases("igpt-flow", *commands["igpt-flow"], args.large, args)
    print(f"| peer | steps | phase | wall s | CPU s | CPU ms a step | executed | peak MiB |\n|---|---|---|---|---|---|---|---|")
    for row in rows:
        per_step = 1000 * row["cpu"] / row["steps"]
        print(f'| {row["peer"]} | {row["steps"]} | {row["phase"]} | {row["wall"]:.3f} | {row["cpu"]:.3f} | {per_step:.2f} | {" / ".join(row["executed"])} | {row["peak_mib"]:.0f} |')
    for peer, row in noops.items():
        print(f'no-op: {peer} / igpt-flow = {row["wall"] / ours["wall"]:.2f}')
    if args.large:
        wall, cpu = (rows[-1][key] / ours[key] / (args.large / args.steps) for key in ("wall", "cpu"))
        print(f"a step of {args.large} / a step of {args.steps} = {wall:.2f} wall, {cpu:.2f} CPU")


if __name__ == "__main__":
    main()
