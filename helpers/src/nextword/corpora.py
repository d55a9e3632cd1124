"""Text to train and test on, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from nextword.village import Village

Sentences = list[list[str]]

TRAIN, HELD_OUT = 15_000, 1_000  # sentences of `village`: seconds to count, minutes to train on, on a laptop
TRAIN_SEED, VALID_SEED, TEST_SEED = 1, 2, 3


@dataclass(frozen=True)
class Corpus:
    """Sentences, as lists of words without boundary symbols, in three parts; and where they come from."""

    name: str
    train: Sentences
    valid: Sentences  # to choose settings on
    test: Sentences  # to report on, once
    source: Village | None  # the exact source, for a text that has one
    note: str  # origin, size and licence

    def __str__(self) -> str:
        return f"Corpus {self.name}: {self.note}"


def corpus(name: str) -> Corpus:
    """Return the corpus of that name, the same object each time: don't change its lists.

    Known: "village", 15,000 + 1,000 + 1,000 sentences of the village's new era, made offline.
    Raises ValueError for an unknown name.
    """
    if name not in _MAKERS:
        raise ValueError(f"There is no corpus {name!r}. Choose one of: {', '.join(sorted(_MAKERS))}.")
    return _MAKERS[name]()


@cache
def _village() -> Corpus:
    source = Village()
    note = (
        f"{TRAIN:,} sentences to train on and twice {HELD_OUT:,} held out, spoken by the village, "
        "whose probabilities are known. Made on this machine from fixed seeds, free for any use."
    )
    return Corpus(
        "village",
        source.sample(TRAIN, TRAIN_SEED),
        source.sample(HELD_OUT, VALID_SEED),
        source.sample(HELD_OUT, TEST_SEED),
        source,
        note,
    )


_MAKERS: dict[str, Callable[[], Corpus]] = {"village": _village}
