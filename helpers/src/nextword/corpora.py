"""Text to train and test on, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from nextword.village import Village

Sentences = list[list[str]]


@dataclass(frozen=True)
class Corpus:
    """Sentences (lists of words, without boundary symbols) in three parts, and where they come from."""

    name: str
    train: Sentences
    valid: Sentences  # to choose settings on
    test: Sentences  # to report on, once
    source: Village | None  # the exact source, where the text has one
    note: str  # origin, size and licence in a sentence

    def __str__(self) -> str:
        return f"Corpus {self.name}: {self.note}"


def corpus(name: str) -> Corpus:
    """Return the corpus of that name, made or read once per process.

    Raises ValueError for an unknown name; the message lists the known ones.
    """
    if name not in _MAKERS:
        raise ValueError(f"There is no corpus {name!r}. Known corpora: {', '.join(sorted(_MAKERS))}.")
    return _MAKERS[name]()


@lru_cache(maxsize=1)
def _village() -> Corpus:
    source = Village()
    train, valid, test = source.sample(15_000, 1), source.sample(1_000, 2), source.sample(1_000, 3)
    return Corpus("village", train, valid, test, source, "made by the village source")


_MAKERS: dict[str, Callable[[], Corpus]] = {"village": _village}
