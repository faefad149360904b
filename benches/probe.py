#!/usr/bin/env python3
"""The L-BFGS probe beside scikit-learn's LogisticRegression: seconds, peak memory, and whether both found the minimum.

    benches/probe.py PROBE_FIT FIXTURE [--c 0.01 1 100] [--synthetic 50000 512] [--rounds 3] [--threads 2]
        [--peer-threads 1 2] [--peer-types float64 float32] [--work DIR]

PROBE_FIT is target/release/examples/probe_fit (`cargo build --release --workspace --example probe_fit`), FIXTURE a folder
with train_features.npy (float32) and train_labels.npy. Then the same on synthetic features of 10 classes: so many rows of
so many float32 numbers, at C = 1 (`--synthetic 0 0` leaves it out). scikit-learn has tol = 1e-8, igpt-flow its default of
1e-6; scikit-learn's objective is computed anew in float64 from its coefficients, and both must agree to 1e-6. In the first
round scikit-learn runs with each of the numbers of threads on each of the types; the quickest that reaches the minimum
(the least seen) to 1e-6 is its way from then on. (Where other work runs, two threads that wait for each other by spinning
take minutes: `--peer-threads 1`.) Memory is the whole process's: numpy and scikit-learn take about 100 MiB of it before
they begin. Needs numpy and scikit-learn.
"""
import argparse, json, pathlib, sys, time

from beside import answer, faster, median, memory

TOLERANCE, OURS = 1e-8, 1e-6


def prepare(work, fixture, rows, width):
    """Writes raw arrays; in a child of its own, as numpy must not weigh on the parent's memory."""
    import numpy as np

    if fixture:
        x, y = (np.load(pathlib.Path(fixture) / f"train_{name}.npy") for name in ("features", "labels"))
    else:
        # Features like those of a network: correlated, of unequal spread; classes overlap.
        random = np.random.default_rng(0)
        mix = random.standard_normal((width, width)) * np.geomspace(1, 0.03, width)[:, None]
        centres = random.standard_normal((10, width)) * 0.12
        y = random.integers(0, 10, rows)
        x = (random.standard_normal((rows, width)) + centres[y]) @ mix / width**0.5
    np.ascontiguousarray(x, "<f4").tofile(work / "features")
    y.astype("<u4").tofile(work / "labels")
    print(json.dumps(dict(rows=len(y), width=x.shape[1])))


def peer(work, width, c, dtype):
    import numpy as np
    import sklearn
    from sklearn.linear_model import LogisticRegression

    x = np.fromfile(work / "features", "<f4").reshape(-1, width).astype(dtype, copy=False)
    y = np.fromfile(work / "labels", "<u4").astype(np.int64)
    start, cpu = time.perf_counter(), time.process_time()
    model = LogisticRegression(C=c, tol=TOLERANCE, max_iter=10_000).fit(x, y)
    took = dict(seconds=time.perf_counter() - start, cpu=time.process_time() - cpu)
    peak = next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
    loss, weights = 0.0, model.coef_.astype(np.float64)
    for first in range(0, len(y), 4096):
        z = x[first : first + 4096].astype(np.float64) @ weights.T + model.intercept_
        z -= z.max(1, keepdims=True)
        loss += (np.log(np.exp(z).sum(1)) - z[np.arange(len(z)), y[first : first + 4096]]).sum()
    objective = float(c * loss + 0.5 * (weights**2).sum())
    print(json.dumps(dict(took, peak_mib=peak, objective=objective, iterations=int(model.n_iter_[0]), sklearn=sklearn.__version__)))


def compare(what, args, width, c):
    def ours():
        return answer([args.example, args.work / "features", args.work / "labels", width, c, OURS, args.threads])

    def theirs(threads, dtype):
        command = [sys.executable, __file__, "--peer", dtype, "--work", args.work, "--width", width, "--c", c]
        return answer(command, threads)

    def show(name, each):
        print(f"{what} {name}: {each['seconds']:.3f} s, {each['cpu']:.3f} CPU s, {each['iterations']} iterations, "
              f"objective {each['objective']:.9g}, peak {each['peak_mib']:.0f} MiB", flush=True)

    rounds = dict(ours=[ours()], theirs=[])
    show("igpt-flow", rounds["ours"][0])
    ways = {}
    for way in [(threads, dtype) for threads in args.peer_threads for dtype in args.peer_types]:
        ways[way] = theirs(*way)
        show(f"scikit-learn, threads {way[0]}, {way[1]}", ways[way])
    least = min(each["objective"] for each in [*ways.values(), *rounds["ours"]])
    met = {way: each for way, each in ways.items() if each["objective"] <= least * (1 + 1e-6)} or ways
    best = min(met, key=lambda way: met[way]["seconds"])
    rounds["theirs"].append(ways[best])
    for _ in range(1, args.rounds):
        rounds["ours"].append(ours())
        rounds["theirs"].append(theirs(*best))
        show("igpt-flow", rounds["ours"][-1])
        show("scikit-learn", rounds["theirs"][-1])
    ours, theirs = rounds["ours"], rounds["theirs"]
    print(f"{what}: scikit-learn {theirs[0]['sklearn']} at its best with {best[0]} threads on {best[1]}")
    for name, side in (("igpt-flow", ours), ("scikit-learn", theirs)):
        gap = side[0]["objective"] / least - 1
        print(f"{what}: {name} is {gap:.1e} above the least objective{'' if gap <= 1e-6 else ': NOT the minimum'}")
    faster(what, median(ours, "seconds"), median(theirs, "seconds"))
    faster(f"{what}, CPU", median(ours, "cpu"), median(theirs, "cpu"), "CPU s")
    memory(what, max(o["peak_mib"] for o in ours), max(t["peak_mib"] for t in theirs))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("example", type=pathlib.Path, nargs="?")
    parser.add_argument("fixture", type=pathlib.Path, nargs="?")
    parser.add_argument("--c", type=float, nargs="+", default=[0.01, 1.0, 100.0])
    parser.add_argument("--synthetic", type=int, nargs=2, default=[50_000, 512])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer-threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--peer-types", nargs="+", default=["float64", "float32"])
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("target/bench-probe"))
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--prepare", help=argparse.SUPPRESS)
    parser.add_argument("--width", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.prepare is not None:
        return prepare(args.work, args.prepare, *args.synthetic)
    if args.peer:
        return peer(args.work, args.width, args.c[0], args.peer)
    args.work.mkdir(parents=True, exist_ok=True)

    def data(fixture):
        command = [sys.executable, __file__, "--prepare", fixture, "--work", args.work, "--synthetic", *args.synthetic]
        return answer(command)["width"]

    width = data(args.fixture)
    for c in args.c:
        compare(f"fixture, C = {c:g}", args, width, c)
    if args.synthetic[0]:
        width = data("")
        compare(f"{args.synthetic[0]} x {width}, C = 1", args, width, 1.0)


main()
