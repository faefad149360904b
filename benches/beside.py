"""What the benchmarks share: a child process and its answer, medians of interleaved rounds, the line with the ratio.

Both sides are children, so that neither inherits the other's threads or memory. Callers import nothing heavy before
they call `child`: a child's peak memory counts that of its parent at the start.
"""
import json, os, pathlib, statistics, subprocess, sys, tempfile, time

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def measured(command, cwd=None, stderr=None, **env):
    """What a command takes: seconds `wall` and `cpu`, MiB `peak_mib` and `read_mib` (by system calls); its output `out`."""
    command = [str(part) for part in command]
    with tempfile.TemporaryFile("w+") as out:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, env={**os.environ, **env}, stdout=out, stderr=stderr)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        wall = time.perf_counter() - began
        read = int(pathlib.Path(f"/proc/{process.pid}/io").read_text().split()[1]) / 2**20
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        out = out.read()
    if process.returncode:
        sys.exit(f"{command} failed with {process.returncode}:\n{out[-3000:]}")
    cpu = usage.ru_utime + usage.ru_stime
    return dict(out=out, wall=wall, cpu=cpu, peak_mib=usage.ru_maxrss / 1024, read_mib=read)


def child(command, threads=None, **env):
    """The standard output of a command, and its peak memory in MiB."""
    if threads is not None:
        env.update({name: str(threads) for name in THREAD_VARIABLES})
    took = measured(command, **env)
    return took["out"], took["peak_mib"]


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
