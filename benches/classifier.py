"""A published classifier in transformers beside our own predictions: largest difference of a log-probability.

    python benches/classifier.py FOLDER TOKENS PREDICTIONS

FOLDER, TOKENS and PREDICTIONS are exports of a `publish` step's `folder`, a `tokenize` step's `tokens` and
a `finetune` step's `predictions`. Needs torch, transformers and pyarrow. Fails above 1e-5.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from transformers import AutoModelForImageClassification


def rows(folder: str, pattern: str) -> list[dict]:
    """The rows of a table's shards."""
    return [row for file in sorted(Path(folder).glob(pattern)) for row in pq.read_table(file).to_pylist()]


def main() -> None:
    folder, tokens, predictions = sys.argv[1:]
    test = {row["id"]: row["tokens"] for row in rows(tokens, "*.parquet") if row["split"] == "test"}
    ours = rows(predictions, "*.parquet")
    model = AutoModelForImageClassification.from_pretrained(folder, trust_remote_code=True, dtype=torch.float32)
    with torch.no_grad():
        ids = torch.tensor([test[row["id"]] for row in ours])
        theirs = torch.log_softmax(model.eval()(input_ids=ids).logits.double(), -1).numpy()
    worst = np.abs(theirs - np.array([row["log_probs"] for row in ours])).max()
    print(f"{len(ours)} images, classes {list(model.config.id2label.values())}, largest difference {worst:.1e}")
    sys.exit(int(worst > 1e-5))


if __name__ == "__main__":
    main()
