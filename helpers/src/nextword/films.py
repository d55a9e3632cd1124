"""Sentences from film reviews with their sentiment, from the hub: SST-2 (Socher et al. 2013)."""

from __future__ import annotations

from nextword.hub import data_set

DATASET = "stanfordnlp/sst2"  # parquet, so that no script runs
LABELS = ("negative", "positive")  # in the order of the dataset's numbers


def film_sentences(split: str, n: int, *, seed: int = 0) -> list[tuple[str, str]]:
    """Return n pairs (sentence, label) of the split "train" or "validation", drawn at random.

    The labels of the test split were never published. Raises ValueError for another split or more
    sentences than it has, OSError where the hub is out of reach, ImportError without Hugging Face `datasets`.
    """
    if split not in ("train", "validation"):
        raise ValueError(f"SST-2 has labels for train and validation, not for {split!r}. Choose one of them.")
    rows = data_set("SST-2 is", DATASET, split=split).shuffle(seed=seed)
    if n > len(rows):
        raise ValueError(f"The split {split!r} has {len(rows):,} sentences, not {n:,}. Ask for fewer.")
    return [(str(row["sentence"]).strip(), LABELS[row["label"]]) for row in rows.select(range(n))]
