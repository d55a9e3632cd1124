"""Byte pair encoding, trained fast: the merges of notebook 07, for large texts and thousands of merges.

Notebook 07 counts all pairs anew for each merge. Here they are counted once; a merge visits only the pieces
that have its pair, and changes only the counts of that pair and its neighbours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from itertools import pairwise

Pair = tuple[int, int]


def train_bpe(counts: Mapping[str, int], n_merges: int) -> list[Pair]:
    """Return the merges of byte pair encoding, in the order in which they were found.

    counts    for each different piece of the text how often it occurs, 1 or more
    n_merges  how many merges to look for; fewer are returned when no pair is left

    Symbols 0 to 255 are bytes (UTF-8); the merge at place i of the list makes symbol 256 + i. Of equally
    frequent pairs the smallest is merged.

    Source: Sennrich, Haddow and Birch 2016, "Neural Machine Translation of Rare Words with Subword Units".
    """
    pieces = [list(piece.encode()) for piece in counts]
    occurrences = list(counts.values())
    pair_counts: defaultdict[Pair, int] = defaultdict(int)
    pieces_with: defaultdict[Pair, list[int]] = defaultdict(list)  # numbers of pieces that have or had a pair
    for number, symbols in enumerate(pieces):
        for pair in pairwise(symbols):
            pair_counts[pair] += occurrences[number]
            pieces_with[pair].append(number)

    # The heap has each pair once, with its count when it was put in. Counts only fall after that, because a
    # merge makes no pairs but those of its new symbol. So the pair on top is the next one if its count holds.
    heap = [(-count, pair) for pair, count in pair_counts.items()]
    heapify(heap)
    merges: list[Pair] = []
    while heap and len(merges) < n_merges:
        minus_count, pair = heappop(heap)
        if -minus_count == pair_counts[pair]:
            new_pairs: set[Pair] = set()
            for number in pieces_with.pop(pair):
                for gone, came in _merge(pieces[number], pair, 256 + len(merges)):
                    pair_counts[gone] -= occurrences[number]
                    pair_counts[came] += occurrences[number]
                    pieces_with[came].append(number)
                    new_pairs.add(came)
            merges.append(pair)
        else:
            new_pairs = {pair}  # its count has fallen: back with it
        for pair in new_pairs:
            if pair_counts[pair] > 0:
                heappush(heap, (-pair_counts[pair], pair))
    return merges


def _merge(symbols: list[int], pair: Pair, new: int) -> list[tuple[Pair, Pair]]:
    """Merge a pair in a piece, in place; return which neighbouring pairs became which."""
    left, right = pair
    became = []
    i = 0
    while i < len(symbols) - 1:
        if symbols[i] == left and symbols[i + 1] == right:
            if i > 0:
                became.append(((symbols[i - 1], left), (symbols[i - 1], new)))
            if i + 2 < len(symbols):
                became.append(((right, symbols[i + 2]), (new, symbols[i + 2])))
            symbols[i : i + 2] = [new]
        i += 1
    return became
