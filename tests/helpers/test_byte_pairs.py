"""Fast byte pair encoding beside a slow one that counts everything anew for each merge."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest

from nextword.byte_pairs import Pair, train_bpe


def by_counting_anew(counts: dict[str, int], n_merges: int) -> list[Pair]:
    pieces = [(list(piece.encode()), times) for piece, times in counts.items()]
    merges: list[Pair] = []
    for new in range(256, 256 + n_merges):
        pairs: Counter[Pair] = Counter()
        for symbols, times in pieces:
            for pair in pairwise(symbols):
                pairs[pair] += times
        if not pairs:
            break
        merges.append(min(pairs, key=lambda pair: (-pairs[pair], pair)))
        for symbols, _ in pieces:
            for i, _ in enumerate(symbols):
                if tuple(symbols[i : i + 2]) == merges[-1]:
                    symbols[i : i + 2] = [new]
    return merges


def test_little_text_of_notebook_07() -> None:
    counts = {" old": 3, " cold": 4, " told": 2, " colt": 1}
    assert train_bpe(counts, 4) == [(111, 108), (256, 100), (32, 99), (258, 257)]


@pytest.mark.parametrize("alphabet", ["a", "ab", "abc", "abcé ñ"])
def test_merges_are_those_of_counting_anew(alphabet: str) -> None:
    draw = random.Random(alphabet)
    for _ in range(100):
        counts = {
            "".join(draw.choices(alphabet, k=draw.randrange(1, 15))): draw.randrange(1, 5)
            for _ in range(draw.randrange(1, 20))
        }
        assert train_bpe(counts, 60) == by_counting_anew(counts, 60), counts


@pytest.mark.parametrize("counts", [{}, {"a": 5, "b": 2}, {"": 1}])
def test_without_pairs_there_are_no_merges(counts: dict[str, int]) -> None:
    assert train_bpe(counts, 3) == []


def test_no_more_merges_than_asked_for() -> None:
    assert train_bpe({"abcd": 2}, 0) == []
    assert train_bpe({"abcd": 2}, 2) == [(97, 98), (99, 100)]
    assert len(train_bpe({"abcd": 2}, 9)) == 3
