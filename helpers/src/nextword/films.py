"""Sentences from film reviews with their sentiment, from the hub: SST-2 (Socher et al. 2013)."""

from __future__ import annotations

from nextword.causal_lm import hub_is_reachable

DATASET = "stanfordnlp/sst2"  # parquet, so that no script runs
LABELS = ("negative", "positive")  # in the order of the dataset's numbers


def film_sentences(split: str, n: int, *, seed: int = 0) -> list[tuple[str, str]]:
    """Return n pairs (sentence, label) of the split "train" or "validation", drawn at random.

    The labels of the test split were never published. Raises ValueError for another split, OSError where
    the hub is out of reach, ImportError without Hugging Face `datasets`.
    """
    if split not in ("train", "validation"):
        raise ValueError(f"SST-2 has labels for train and validation, not for {split!r}. Choose one of them.")
    if not hub_is_reachable():
        raise OSError(
            "SST-2 is on the hub, which is out of reach here; everything else works without it. "
            "With a network, run this cell again."
        )
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise ImportError("SST-2 needs Hugging Face datasets. Run: pip install datasets.") from error
    rows = load_dataset(DATASET, split=split).shuffle(seed=seed)
    return [(str(row["sentence"]).strip(), LABELS[row["label"]]) for row in rows.select(range(n))]
