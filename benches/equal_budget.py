#!/usr/bin/env python3
"""igpt-flow beside a PyTorch script of the same experiment: loss and probe accuracies at equal budget.

    benches/equal_budget.py IGPT_FLOW_BINARY SCRIPT [--steps 999] [--labels 10000] [--work DIR] [--tokens-only]

SCRIPT is called as `SCRIPT 16 8 128 4 1 LABELS 0.003 0` with STEPS and DUMP in its environment: 16x16 images, 8 layers of
width 128, 4 heads, learning rate 0.003, seed 0. It trains, probes every layer, prints `untrained {...}`, `trained {...}`
(layer -> test accuracy) and `test nats/token X` (the first 2,000 test images), and leaves its tokens and labels in DUMP as
train.npy, test.npy, train_labels.npy, test_labels.npy. igpt-flow then trains on the same tokens (the text's variant of
the network, the same initial distributions, batch 32, clipping at 1, warm-up and cosine) and fits probes with the same
labels, C = 1, standardised. With --tokens-only the script stops after one step: its tokens are taken, its figures
are a smoke test only. Needs numpy and pyarrow; run it with the Python that has PyTorch and scikit-learn.
"""
import argparse, csv, json, os, pathlib, subprocess, sys, time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

PIPELINE = """
name: equal-budget
stages:
  pretrain:
    uses: pretrain
    in: {{tokens: ./training}}
    with:
      model: {{preset: small, variant: paper}}
      steps: {steps}
      batch: 32
      learning_rate: 0.003
      warmup_steps: {warmup}
      clip: 1.0
      validation: {{fraction: 0.0}}
      validate_every: 0
      test_rows: 0
  features:
    uses: features
    in: {{model: pretrain.model, tokens: ./probing}}
  probe:
    uses: probe
    matrix: {{layer: {{range: [0, 8]}}}}
    in: {{features: "features.layers/${{matrix.layer}}"}}
    with: {{c: 1.0, validation: {{fraction: 0.0}}}}
  table:
    uses: report
    in: {{metrics: [{{pretrain: pretrain.metrics}}, {{probe: probe.*}}]}}
    with:
      rows: [step, layer]
      columns: [{{metric: loss.test, digits: 4}}, {{metric: accuracy.test, digits: 4}}]
export: {{table.table: table}}
"""


def write_tokens(folder, vocab, rows):
    """A token set: (split, ids, labels, tokens) for the training and the test rows."""
    folder.mkdir(parents=True)
    columns = dict(id=[], split=[], label=[], view=[], tokens=[])
    for split, ids, labels, tokens in rows:
        columns["id"] += [int(i) for i in ids]
        columns["split"] += [split] * len(ids)
        columns["label"] += [int(label) for label in labels]
        columns["view"] += [0] * len(ids)
        columns["tokens"] += [np.asarray(row, np.uint16) for row in tokens]
    positions = len(columns["tokens"][0])
    fields = [
        pa.field("id", pa.uint64(), False),
        pa.field("split", pa.string(), False),
        pa.field("label", pa.int32(), False),
        pa.field("view", pa.uint16(), False),
        pa.field("tokens", pa.list_(pa.field("item", pa.uint16(), False), positions), False),
    ]
    flat = pa.array(np.concatenate(columns.pop("tokens")), pa.uint16())
    arrays = [pa.array(values, field.type) for values, field in zip(columns.values(), fields)]
    arrays.append(pa.FixedSizeListArray.from_arrays(flat, type=fields[-1].type))
    pq.write_table(pa.table(arrays, schema=pa.schema(fields)), folder / "tokens-00000.parquet", compression="zstd")
    side = round(positions**0.5)
    document = dict(name="equal-budget", height=side, width=side, vocab=vocab, palette=None)
    document["classes"] = [str(n) for n in range(10)]
    document["rows"] = {split: len(ids) for split, ids, _, _ in rows}
    (folder / "tokens.json").write_text(json.dumps(document))


def theirs(script, work, steps, labels):
    dump = work / "dump"
    dump.mkdir()
    command = [sys.executable, str(script), "16", "8", "128", "4", "1", str(labels), "0.003", "0"]
    started = time.time()
    out = subprocess.run(
        command, env=dict(os.environ, STEPS=str(steps), DUMP=str(dump)), stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    print(out, flush=True)
    lines = {line.split(" ", 1)[0]: line for line in out.splitlines()}
    probe = json.loads(lines["trained"].split(" ", 1)[1])
    return float(lines["test"].split()[2]), list(probe.values()), time.time() - started


def ours(binary, work, steps, labels):
    data = {path.stem: np.load(path) for path in (work / "dump").glob("*.npy")}
    train, train_labels = data["train"], data["train_labels"]
    test, test_labels = data["test"], data["test_labels"]
    seen = np.arange(2000)
    # The script's own draw of labelled images.
    labelled = np.sort(np.random.RandomState(0).permutation(len(train))[:labels])
    for name, train_ids, test_ids in (
        ("training", np.arange(len(train)), seen),
        ("probing", labelled, np.arange(len(test))),
    ):
        write_tokens(work / name, 512, [
            ("train", train_ids, train_labels[train_ids], train[train_ids]),
            ("test", test_ids, test_labels[test_ids], test[test_ids]),
        ])
    (work / "pipeline.yaml").write_text(PIPELINE.format(steps=steps, warmup=max(50, steps // 20)))
    started = time.time()
    subprocess.run([str(binary), "run", "pipeline.yaml", "--store", "store"], cwd=work, check=True)
    took = time.time() - started
    with open(work / "table/table.csv") as file:
        rows = list(csv.DictReader(file))
    loss = next(float(row["loss.test"]) for row in rows if row["step"] == "pretrain")
    return loss, [float(row["accuracy.test"]) for row in rows if row["step"] == "probe"], took


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("script", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=999)
    parser.add_argument("--labels", type=int, default=10000)
    parser.add_argument("--tokens-only", action="store_true")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("equal-budget"))
    args = parser.parse_args()
    work = args.work.resolve()
    work.mkdir(parents=True)
    loss, accuracies, script_s = theirs(args.script.resolve(), work, 1 if args.tokens_only else args.steps, args.labels)
    our_loss, our_accuracies, our_s = ours(args.binary.resolve(), work, args.steps, args.labels)
    print(f"script: {loss:.4f} nats/token, best layer {max(accuracies):.4f}, {script_s:.0f} s in all")
    print(f"script by layer: {accuracies}")
    print(f"igpt-flow: {our_loss:.4f} nats/token, best layer {max(our_accuracies):.4f}, {our_s:.0f} s in all")
    print(f"igpt-flow by layer: {our_accuracies}")
    print(f"loss: {our_loss - loss:+.4f} nats; best layer: {max(our_accuracies) - max(accuracies):+.4f}")


main()
