"""Measure the skip-gram training of notebook 02 beside gensim's: processor seconds, and analogies solved.

    pip install gensim
    OMP_NUM_THREADS=1 python tools/bench_word_vectors.py

Prints a Markdown table. Both learn from the same 100,000 village sentences with the same settings (64
dimensions, a window of 2, 5 noise words, threshold 0.001 for frequent words); the notebook's own trainer
takes the steps that the notebook takes, gensim several numbers of epochs and two learning rates.
"""

from __future__ import annotations

import ast
import importlib.metadata
import platform
import random
import time
from pathlib import Path
from typing import Any

import numpy as np

from autograder.source import read_source

SOURCE = Path(__file__).parents[1] / "solutions" / "02_word_vectors.py"
NEEDED = (
    "village =",
    "rng_pairs =",
    "noise =",
    "def train_skipgram",
)  # cells that training needs, by their text
QUESTIONS = 200  # per relation


def notebook_names() -> tuple[dict[str, Any], float]:
    """Run the solved notebook as far as its training; return its names, and the seconds of training."""
    names: dict[str, Any] = {}
    seconds = 0.0
    for cell in read_source(SOURCE).cells:
        if cell.role in ("setup", "exercise"):
            exec(cell.source, names)
        elif cell.role == "experiment" and any(text in cell.source for text in NEEDED):
            tree = ast.parse(cell.source)
            training = tree.body.pop() if "def trained" in cell.source else None
            exec(compile(tree, str(SOURCE), "exec"), names)
            if training is not None:
                began = time.process_time()
                exec(compile(ast.Module([training], []), str(SOURCE), "exec"), names)
                seconds = time.process_time() - began
    return names, seconds


def solved(vectors: np.ndarray, names: dict[str, Any]) -> float:
    """Return the share of analogies solved, mean over the relations."""
    shares = []
    for relation, pairs in names["village"].analogies.items():
        generator = random.Random(relation)
        right = 0
        for _ in range(QUESTIONS):
            (a, b), (c, d) = generator.sample(pairs, 2)
            right += names["analogy"](vectors, names["words"], a, b, c) == [d]
        shares.append(right / QUESTIONS)
    return float(np.mean(shares))


def main() -> None:
    try:
        from gensim.models import Word2Vec
    except ImportError:
        raise SystemExit(
            "gensim is not installed here, so there is nothing to compare with: pip install gensim."
        ) from None
    names, seconds = notebook_names()
    n_words = int(names["occurrences"].sum())
    epochs = 2048 * 1200 / len(names["centers"])
    rows = [("notebook 02, numpy", epochs, seconds, solved(names["W"], names))]
    for rate in (0.025, 0.1):
        for epochs in (5, 10, 15):
            began = time.process_time()
            model = Word2Vec(
                names["sentences"], sg=1, hs=0, negative=5, ns_exponent=0.75, vector_size=64, window=2,
                shrink_windows=False, sample=0.001, min_count=1, epochs=epochs, alpha=rate, workers=1, seed=1,
            )  # fmt: skip
            spent = time.process_time() - began
            vectors = np.array([model.wv[w] if w in model.wv else np.full(64, 1e-9) for w in names["words"]])
            rows.append((f"gensim, alpha {rate}", epochs, spent, solved(vectors, names)))
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("gensim", "numpy", "torch")
    )
    print(f"{platform.machine()}, Python {platform.python_version()}, {versions}; one thread each\n")
    print("| trainer | epochs | processor s | words per processor s | analogies solved |")
    print("|---|---:|---:|---:|---:|")
    for trainer, epochs, spent, share in rows:
        print(f"| {trainer} | {epochs:.1f} | {spent:.1f} | {epochs * n_words / spent:,.0f} | {share:.2f} |")


if __name__ == "__main__":
    main()
