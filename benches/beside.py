"""What the benchmarks share: a child process and its answer, medians of interleaved rounds, the line with the ratio.

Both sides are children, so that neither inherits the other's threads or memory. Callers import nothing heavy before
they call `child`: a child's peak memory counts that of its parent at the start.
"""
import json, os, statistics, subprocess, sys

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def child(command, threads=None, **env):
    """The standard output of a command, and its peak memory in MiB."""
    if threads is not None:
        env.update({name: str(threads) for name in THREAD_VARIABLES})
    process = subprocess.Popen([str(part) for part in command], env={**os.environ, **env}, stdout=subprocess.PIPE, text=True)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} failed with {process.returncode}")
    return out, usage.ru_maxrss / 1024


def answer(command, threads=None, **env):
    """The last line of a command's output, a JSON object, with its `peak_mib`."""
    out, peak = child(command, threads, **env)
    return {"peak_mib": peak, **json.loads(out.splitlines()[-1])}


def median(rounds, key):
    return statistics.median(each[key] for each in rounds)


def shown(value):
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


def faster(what, ours, theirs, unit="s", more_is_better=False):
    """Prints the medians and who is faster by how much."""
    ratio = ours / theirs if more_is_better else theirs / ours
    word = f"igpt-flow is {ratio:.2f} times as fast" if ratio >= 1 else f"the peer is {1 / ratio:.2f} times as fast"
    print(f"{what}: igpt-flow {shown(ours)} {unit}, peer {shown(theirs)} {unit}; {word} (ratio {ratio:.2f})", flush=True)


def memory(what, ours, theirs):
    print(f"{what}: peak memory igpt-flow {ours:.0f} MiB, peer {theirs:.0f} MiB, {ours / theirs:.2f} times the peer's", flush=True)
