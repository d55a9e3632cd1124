"""Labelled text written for this course: reviews, headlines and posts, to classify.

The files lie in data/labelled, with a datasheet (README.md): who wrote them, what the labels mean, how the
test part was coded twice.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import DatasetDict

FOLDER = Path(__file__).parent / "data" / "labelled"
SPLITS = ("train", "validation", "test")
LABELS = {  # in the order of their numbers in the dataset
    "reviews": ("negative", "positive"),
    "headlines": ("politics", "economy", "sport", "science", "culture"),
    "posts": ("against", "none", "favour"),
}
TARGETS = {
    "posts": ("a four-day working week", "car-free city centres", "a ban on phones in schools"),
}


@dataclass(frozen=True)
class LabelledText:
    """One text with the label its writer meant; posts have a target, test texts a second label."""

    id: str
    text: str
    label: str
    target: str | None  # what the stance of a post is for or against
    split: str
    second_label: str | None  # from a second reading of the text alone


def labelled_texts(name: str) -> list[LabelledText]:
    """Return all texts of "reviews", "headlines" or "posts" in the order of the file, without `datasets`.

    Raises ValueError for an unknown name.
    """
    return list(_read(name))


def labelled(name: str) -> DatasetDict:
    """Return "reviews", "headlines" or "posts" as a DatasetDict: train, validation, test.

    Columns: id, text, label, target (posts only), second_label (None where there was no second reading).
    Labels and targets are ClassLabel numbers; `features["label"].names` says what they stand for.
    Raises ValueError for an unknown name, ImportError where Hugging Face `datasets` is missing.
    """
    texts = _read(name)
    try:
        from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
    except ImportError as error:
        raise ImportError(
            "labelled() needs Hugging Face datasets, which is not installed. Run: pip install datasets. "
            f"Or take labelled_texts({name!r}), the same texts as plain rows."
        ) from error

    features = {"id": Value("string"), "text": Value("string"), "label": ClassLabel(names=list(LABELS[name]))}
    if name in TARGETS:
        features["target"] = ClassLabel(names=list(TARGETS[name]))
    features["second_label"] = ClassLabel(names=list(LABELS[name]))
    return DatasetDict(
        {
            split: Dataset.from_dict(
                {
                    column: [getattr(text, column) for text in texts if text.split == split]
                    for column in features
                },
                features=Features(features),
            )
            for split in SPLITS
        }
    )


@cache
def _read(name: str) -> tuple[LabelledText, ...]:
    if name not in LABELS:
        raise ValueError(f"There is no labelled text {name!r}. Choose one of: {', '.join(LABELS)}.")
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            LabelledText(
                id=row["id"],
                text=row["text"],
                label=row["label"],
                target=row.get("target"),
                split=row["split"],
                second_label=row["second_label"] or None,
            )
            for row in csv.DictReader(file)
        )
