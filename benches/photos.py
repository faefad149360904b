#!/usr/bin/env python3
"""Photographs decoded, resized, cropped and brought to 32x32, beside Pillow: a thread against a thread, then all cores.

    benches/photos.py PHOTOS_EXAMPLE PHOTOS [--rounds 5] [--threads 1 2] [--draft]

PHOTOS_EXAMPLE is target/release/examples/photos (`cargo build --release --workspace --example photos`), PHOTOS a tar or a
folder of JPEG files. Both sides decode each to RGB, bring the shorter side to 224 (bicubic), crop 224x224 at the centre
and shrink to 32x32 (box); the files lie in memory before the time starts. Pillow runs with as many threads as igpt-flow
(it lets go of Python's lock while it decodes and resizes). The largest difference of a channel is printed: decoders may
differ by a level or two. With --draft Pillow decodes at a fraction of the size where it can, as `thumbnail` does: quicker,
but another image. Needs Pillow.
"""
import argparse, json, pathlib, sys, tarfile, tempfile, time

from beside import answer, faster, median


def small(data, draft):
    import io
    from PIL import Image

    image = Image.open(io.BytesIO(data))
    if draft:
        image.draft("RGB", (224, 224))
    image = image.convert("RGB")
    w, h = image.size
    w, h = (224, 224 * h // w) if w <= h else (224 * w // h, 224)
    image = image.resize((w, h), Image.BICUBIC)
    # torchvision's centre crop: a half is rounded to the even number.
    left, top = round((w - 224) / 2), round((h - 224) / 2)
    return image.crop((left, top, left + 224, top + 224)).resize((32, 32), Image.BOX).tobytes()


def peer(folder, threads, draft, out):
    import PIL
    from concurrent.futures import ThreadPoolExecutor

    photos = [path.read_bytes() for path in sorted(folder.iterdir())]
    small(photos[0], draft)  # imports
    start, cpu = time.perf_counter(), time.process_time()
    if threads == 1:
        images = [small(photo, draft) for photo in photos]
    else:
        with ThreadPoolExecutor(threads) as pool:
            images = list(pool.map(lambda photo: small(photo, draft), photos))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    out.write_bytes(b"".join(images))
    print(json.dumps(dict(photos_per_s=len(photos) / seconds, photos_per_cpu_s=len(photos) / cpu, pillow=PIL.__version__)))


def unpack(photos, folder):
    """The JPEG files in one folder, under names that keep their order."""
    def put(n, name, data):
        (folder / f"{n:06}-{pathlib.PurePath(name).name}").write_bytes(data)

    if photos.is_dir():
        for n, path in enumerate(sorted(path for path in photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))):
            put(n, path.name, path.read_bytes())
    else:
        with tarfile.open(photos) as tar:
            for n, member in enumerate(member for member in tar if member.isfile()):
                put(n, member.name, tar.extractfile(member).read())


def difference(a, b):
    """The largest difference of a channel, and the share of channels that differ by more than one level."""
    steps = [abs(x - y) for x, y in zip(a, b)]
    return f"largest difference {max(steps)} levels, {100 * sum(step > 1 for step in steps) / len(steps):.3f} % above 1"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("example", type=pathlib.Path)
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--draft", action="store_true")
    parser.add_argument("--peer", type=pathlib.Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        return peer(args.photos, args.threads[0], args.draft, args.peer)
    rounds = {threads: dict(ours=[], theirs=[]) for threads in args.threads}
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        folder = work / "photos"
        folder.mkdir()
        unpack(args.photos, folder)
        for _ in range(args.rounds):
            for threads, each in rounds.items():
                each["ours"].append(answer([args.example, folder, threads, work / "ours"]))
                command = [sys.executable, __file__, args.example, folder, "--threads", threads, "--peer", work / "theirs"]
                each["theirs"].append(answer(command + ["--draft"] * args.draft))
                print(f"threads {threads}: igpt-flow {each['ours'][-1]['photos_per_s']:.1f}, "
                      f"Pillow {each['theirs'][-1]['photos_per_s']:.1f} photos/s", flush=True)
        print(difference((work / "ours").read_bytes(), (work / "theirs").read_bytes()))
    for threads, each in rounds.items():
        for key, unit in (("photos_per_s", "photos/s"), ("photos_per_cpu_s", "photos/CPU s")):
            faster(f"threads {threads}", median(each["ours"], key), median(each["theirs"], key), unit, True)
    if len(rounds) > 1:
        least, most = min(rounds), max(rounds)
        for side in ("ours", "theirs"):
            gain = median(rounds[most][side], "photos_per_s") / median(rounds[least][side], "photos_per_s")
            print(f"{side}: {gain:.2f} times the rate of {least} threads with {most}")


main()
