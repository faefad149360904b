#!/usr/bin/env python3
"""Some thousands of JPEG files of all kinds, made with libjpeg's own encoder, read by igpt-flow and by Pillow: levels apart.

    benches/jpeg_variants.py IGPT_FLOW [--most 4] [--keep FOLDER]
    benches/jpeg_variants.py --samples stages/shared/dataset/tests/jpegs

Sizes from 1x1 to 67x33; samplings 4:4:4, 4:2:2, 4:2:0, 4:4:0, 4:1:1, 4:1:0 and of the other components; baseline and
progressive; all components in one scan, one scan each, or two and one; restarts after rows and within them; optimised
Huffman codes; grey, RGB, CMYK and YCCK. All are read as one `folder`. Arithmetic coding, 12 bits and files that are cut
off must be refused, and by name. Prints how many of each kind there are and the largest difference of a channel; the exit
code is 1 where one is above `--most` levels or a file is missing, read or refused that should not be. Needs Pillow,
pyarrow, and `cjpeg` and `jpegtran` (Debian's libjpeg-turbo-progs). `--keep` keeps the files in a new folder;
`--samples` writes the few that a test of the crate `igpt-dataset` reads, with Pillow's pixels as PPM, and ends.
"""
import argparse, collections, io, itertools, json, pathlib, random, shutil, subprocess, sys, tempfile

from PIL import Image

SIZES = [(1, 1), (5, 3), (7, 9), (8, 8), (9, 8), (15, 17), (16, 16), (18, 14), (17, 31), (33, 32), (48, 40), (64, 33), (67, 33)]
SAMPLINGS = {"4:4:4": "1x1", "4:2:2": "2x1", "4:2:0": "2x2", "4:4:0": "1x2", "4:1:1": "4x1", "4:1:0": "4x2",
             "cb 2x1": "2x1,2x1,1x1", "cr 1x2": "2x2,2x1,1x1"}
SCANS = {"interleaved": None, "scan each": "0;\n1;\n2;\n", "scans 2+1": "0 1;\n2;\n", "scans 1+2": "0;\n1 2;\n"}
RESTARTS = {"": [], "restart row": ["-restart", "1"], "restart 1": ["-restart", "1B"], "restart 3": ["-restart", "3B"]}
SAMPLES = ["4:2:0, interleaved", "4:2:0, interleaved, restart 1", "4:2:0, scan each", "4:2:0, scans 2+1", "4:2:0, progressive",
           "4:2:2, scan each, restart 3", "4:4:0, scan each", "4:4:4, scans 1+2, restart 3", "4:1:1, scans 2+1",
           "4:1:0, scan each", "cr 1x2, scan each", "grey, sampling 2x2", "RGB, scan each, restart 3", "CMYK, scan each",
           "YCCK, progressive"]
PROGRESSIVE = "0 1 2: 0-0, 0, 0;\n0: 1-9, 0, 2;\n2: 1-63, 0, 1;\n1: 1-63, 0, 1;\n0: 10-63, 0, 2;\n0: 1-63, 2, 1;\n" \
    "0: 1-63, 1, 0;\n1: 1-63, 1, 0;\n2: 1-63, 1, 0;\n"


def picture(size, seed, bands=3):
    """Slopes, an edge and grain, in as many bands."""
    w, h = size
    grain = random.Random(seed)
    image = Image.new("RGB" if bands == 3 else "CMYK" if bands == 4 else "L", size)
    for x, y in itertools.product(range(w), range(h)):
        base = 200 * x // w, 220 * y // h, 60 + 120 * (x > y), 40 + (x * y) % 90
        value = tuple(min(255, max(0, c + grain.randrange(-12, 13))) for c in base[:bands])
        image.putpixel((x, y), value if bands > 1 else value[0])
    return image


def run(command, data):
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def script(folder, text):
    path = folder / f"{abs(hash(text))}.scans"
    path.write_text(text)
    return ["-scans", str(path)]


def saved(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


def good(work):
    """Pairs of a kind and a file's bytes."""
    seed = itertools.count()
    for size in SIZES:
        ppm, pgm = io.BytesIO(), io.BytesIO()
        picture(size, next(seed)).save(ppm, "PPM")
        picture(size, next(seed), 1).save(pgm, "PPM")
        ppm, pgm = ppm.getvalue(), pgm.getvalue()
        for (sampling, factors), (scans, text), (restart, flags) in itertools.product(
                SAMPLINGS.items(), SCANS.items(), RESTARTS.items()):
            how = script(work, text) if text else []
            kind = f"{sampling}, {scans}{', ' * bool(restart)}{restart}"
            yield kind, run(["cjpeg", "-quality", "90", "-sample", factors, *how, *flags], ppm)
        for (sampling, factors), (restart, flags) in itertools.product(SAMPLINGS.items(), RESTARTS.items()):
            more = ", " + restart if restart else ""
            yield f"{sampling}, progressive{more}", run(["cjpeg", "-progressive", "-sample", factors, *flags], ppm)
            how = script(work, PROGRESSIVE)
            yield f"{sampling}, progressive by a script{more}", run(["cjpeg", "-sample", factors, *how, *flags], ppm)
        for restart, flags in RESTARTS.items():
            more = ", " + restart if restart else ""
            yield f"grey{more}", run(["cjpeg", "-quality", "85", *flags], pgm)
            yield f"grey, sampling 2x2{more}", run(["cjpeg", "-sample", "2x2", *flags], pgm)
            yield f"grey, progressive{more}", run(["cjpeg", "-progressive", *flags], pgm)
            yield f"RGB{more}", run(["cjpeg", "-rgb", "-quality", "95", *flags], ppm)
            yield f"RGB, scan each{more}", run(["cjpeg", "-rgb", *script(work, SCANS["scan each"]), *flags], ppm)
        yield "4:2:0, optimised", run(["cjpeg", "-optimize", "-quality", "20"], ppm)
        yield "4:4:4, quality 1, 16-bit tables allowed", run(["cjpeg", "-quality", "1", "-sample", "1x1"], ppm)
        cmyk = saved(picture(size, next(seed), 4), quality=90)
        adobe = cmyk.index(b"Adobe")
        ycck = cmyk[:adobe + 11] + b"\2" + cmyk[adobe + 12:]
        for name, data in (("CMYK", cmyk), ("YCCK", ycck)):
            yield name, data
            yield f"{name}, scan each", run(["jpegtran", *script(work, "0;\n1;\n2;\n3;\n")], data)
            yield f"{name}, progressive", run(["jpegtran", "-progressive"], data)
            yield f"{name}, restart 3", run(["jpegtran", "-restart", "3B"], data)


def bad():
    """Triples of a kind, a file's bytes and words of which the refusal must have one."""
    ppm = io.BytesIO()
    picture((40, 40), 7).save(ppm, "PPM")
    plain = run(["cjpeg", "-sample", "2x2"], ppm.getvalue())
    each = run(["cjpeg", "-restart", "3B"], ppm.getvalue())
    yield "arithmetic coding", run(["cjpeg", "-arithmetic"], ppm.getvalue()), ("arithmetic",)
    yield "arithmetic coding, progressive", run(["cjpeg", "-arithmetic", "-progressive"], ppm.getvalue()), ("arithmetic",)
    thin = io.BytesIO()
    picture((3, 9), 7).save(thin, "PPM")
    yield "thin chroma", run(["cjpeg", "-sample", "2x2"], thin.getvalue()), ("4 pixels across",)
    frame = plain.index(b"\xff\xc0")
    yield "12 bits", plain[:frame + 1] + b"\xc1" + plain[frame + 2:frame + 4] + b"\x0c" + plain[frame + 5:], ("12 bits",)
    yield "lossless", plain[:frame + 1] + b"\xc3" + plain[frame + 2:], ("lossless",)
    for name, data in (("one scan", plain), ("restarts within a row", each)):
        for share in (0.4, 0.7, 0.95):
            yield f"cut off, {name}", data[:int(len(data) * share)], ("cut off", "cannot decode")


def samples(folder):
    """Writes the files of SAMPLES, 18x14 pixels each, and what Pillow reads in them."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        for kind, data in good(pathlib.Path(work)):
            image = Image.open(io.BytesIO(data))
            if kind in SAMPLES and image.size == (18, 14):
                name = "".join(c if c.isalnum() else "-" for c in kind).replace("--", "-")
                (folder / f"{name}.jpg").write_bytes(data)
                image.convert("RGB").save(folder / f"{name}.ppm")
    for kind, data, _ in bad():
        if "cut off" not in kind:
            (folder / f"refused-{kind.replace(', ', '-').replace(' ', '-')}.jpg").write_bytes(data)


def pipeline(work, igpt, steps, exports):
    lines = ["name: variants", "stages:", *(f"  {name}: {step}" for name, step in steps.items()),
             "export: {" + ", ".join(f"{wire}: {place}" for wire, place in exports.items()) + "}"]
    (work / "p.yaml").write_text("\n".join(lines) + "\n")
    command = [str(igpt), "--store", str(work / "store"), "run", str(work / "p.yaml")]
    return subprocess.run(command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def rows(folder, pattern):
    import pyarrow.parquet

    for path in sorted(folder.glob(pattern)):
        yield from pyarrow.parquet.read_table(path).to_pylist()


def read(work, igpt, names):
    """The RGB bytes of each file of the folders `small` and `large`, by name."""
    step = "{uses: download, in: {archive: ./%s}, with: {source: folder, skip_broken: true}}"
    steps = {name: step % name for name in ("small", "large")}
    # What is above 64 pixels a side is kept as the file's bytes, and decoded by whoever reads it.
    steps["pixels"] = "{uses: pixels, in: {images: large.images}}"
    ran = pipeline(work, igpt, steps, {"small.images": "out/small", "large.images": "out/large", "pixels.layer": "out/pixels"})
    if ran.returncode:
        sys.exit(f"the run failed with {ran.returncode}:\n{ran.stdout[-3000:]}")
    images = {row["name"]: row["pixels"] for row in rows(work / "out/small", "images-*.parquet")}
    large = {row["id"]: row["name"] for row in rows(work / "out/large", "images-*.parquet")}
    for row in rows(work / "out/pixels", "*.parquet"):
        values = next(value for value in row.values() if isinstance(value, list))
        images[large[row["id"]]] = bytes(round((value + 1) * 127.5) for value in values)
    return images


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("igpt", type=pathlib.Path, nargs="?")
    parser.add_argument("--samples", type=pathlib.Path)
    parser.add_argument("--most", type=int, default=4)
    parser.add_argument("--keep", type=pathlib.Path)
    args = parser.parse_args()
    for tool in ("cjpeg", "jpegtran"):
        if not shutil.which(tool):
            sys.exit(f"expected the program `{tool}`, found none; Debian's package is libjpeg-turbo-progs")
    if args.samples:
        return samples(args.samples)
    if not args.igpt:
        parser.error("expected the binary of igpt-flow")
    with tempfile.TemporaryDirectory() as work:
        work = args.keep.absolute() if args.keep else pathlib.Path(work)
        for name in ("small", "large"):
            (work / name).mkdir(parents=True)
        kinds, expected = {}, {}
        for number, (kind, data) in enumerate(good(work)):
            image = Image.open(io.BytesIO(data))
            name = f"{number:05}.jpg"
            kinds[name], expected[name] = kind, image.convert("RGB").tobytes()
            (work / ("small" if max(image.size) <= 64 else "large") / name).write_bytes(data)
        (work / "kinds.json").write_text(json.dumps(kinds))
        refused, words = {}, {}
        for number, (kind, data, word) in enumerate(bad()):
            name = f"bad-{number:02}.jpg"
            refused[name], words[name] = kind, word
            (work / "small" / name).write_bytes(data)
        found = read(work, args.igpt.absolute(), kinds)
        log = subprocess.run([str(args.igpt.absolute()), "--store", str(work / "store"), "logs", "small"], cwd=work,
                             stdout=subprocess.PIPE, text=True).stdout
        counts, worst, wrong = collections.Counter(), collections.Counter(), []
        for name, kind in kinds.items():
            counts[kind] += 1
            if name not in found or len(found[name]) != len(expected[name]):
                wrong.append(f"{name} ({kind}): not read")
                continue
            most = max(abs(a - b) for a, b in zip(found[name], expected[name]))
            worst[kind] = max(worst[kind], most)
            if most > args.most:
                wrong.append(f"{name} ({kind}): {most} levels apart")
        for kind in counts:
            print(f"{counts[kind]:3} files, at most {worst[kind]:3} levels apart: {kind}")
        for name, kind in refused.items():
            line = next((line for line in log.splitlines() if name in line), "")
            if name in found or not any(word in line for word in words[name]):
                wrong.append(f"{name} ({kind}): expected a refusal with {words[name]}, found {line or 'none'}")
        print(f"{len(kinds)} files of {len(counts)} kinds, {len(refused)} to refuse; "
              f"largest difference {max(worst.values())} levels, {len(wrong)} wrong")
        print("\n".join(wrong[:50]))
        sys.exit(1 if wrong else 0)


main()
