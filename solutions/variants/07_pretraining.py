"""Other right answers to notebook 07, and the wrong ones that students give."""

import itertools
import math
from collections import Counter, defaultdict

import numpy as np
import torch

from autograder.variants import equivalent, right, wrong

# --- most_frequent_pair ------------------------------------------------------------------------------------------------


@right("most_frequent_pair", why="sorts all pairs, by falling count and rising pair")
def with_sort(pieces: dict[tuple[int, ...], int]) -> tuple[int, int] | None:
    counts = defaultdict(int)
    for symbols, times in pieces.items():
        for i in range(len(symbols) - 1):
            counts[symbols[i], symbols[i + 1]] += times
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ranked[0][0] if ranked else None


@right("most_frequent_pair", why="the largest count first, then the smallest pair that has it")
def in_two_steps(pieces: dict[tuple[int, ...], int]) -> tuple[int, int] | None:
    counts = Counter()
    for symbols, times in pieces.items():
        for pair in itertools.pairwise(symbols):
            counts[pair] += times
    if not counts:
        return None
    largest = max(counts.values())
    return min(pair for pair, count in counts.items() if count == largest)


@wrong("most_frequent_pair", misconception="Breaks ties by dictionary order.", hint="order of the dictionary")
def first_of_ties(pieces: dict[tuple[int, ...], int]) -> tuple[int, int] | None:
    counts = Counter()
    for symbols, times in pieces.items():
        for pair in zip(symbols, symbols[1:]):
            counts[pair] += times
    return max(counts, key=counts.get, default=None)


@wrong("most_frequent_pair", misconception="Takes the pair that came last.", hint="'do' is the smaller pair")
def last_of_ties(pieces: dict[tuple[int, ...], int]) -> tuple[int, int] | None:
    counts = Counter()
    for symbols, times in pieces.items():
        for pair in zip(symbols, symbols[1:]):
            counts[pair] += times
    best = None
    for pair, count in counts.items():
        if best is None or count >= counts[best]:
            best = pair
    return best


@wrong("most_frequent_pair", misconception="Takes the largest of the ties.", hint="'do' is the smaller pair")
def largest_of_ties(pieces: dict[tuple[int, ...], int]) -> tuple[int, int] | None:
    counts = Counter()
    for symbols, times in pieces.items():
        for pair in zip(symbols, symbols[1:]):
            counts[pair] += times
    return max(counts, key=lambda pair: (counts[pair], pair), default=None)


@wrong("most_frequent_pair", misconception="Counts each piece once.", hint="each piece was counted once")
def unweighted(pieces: dict[tuple[int, ...], int]) -> tuple[int, int] | None:
    counts = Counter(pair for symbols in pieces for pair in zip(symbols, symbols[1:]))
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


@wrong("most_frequent_pair", misconception="Counts pairs across pieces.", hint="must not cross")
def across_pieces(pieces: dict[tuple[int, ...], int]) -> tuple[int, int] | None:
    row = [symbol for symbols, times in pieces.items() for symbol in symbols * times]
    counts = Counter(zip(row, row[1:]))
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


@wrong("most_frequent_pair", misconception="Counts a run once.", hint="every place counts")
def without_overlaps(pieces: dict[tuple[int, ...], int]) -> tuple[int, int] | None:
    counts = Counter()
    for symbols, times in pieces.items():
        for pair in set(zip(symbols, symbols[1:])):
            counts[pair] += times
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


@wrong("most_frequent_pair", misconception="Returns the count as well.", hint="without its count")
def with_count(pieces: dict[tuple[int, ...], int]) -> tuple[int, int] | None:
    counts = Counter()
    for symbols, times in pieces.items():
        for pair in zip(symbols, symbols[1:]):
            counts[pair] += times
    return min(counts.items(), key=lambda item: (-item[1], item[0]), default=None)


@wrong("most_frequent_pair", misconception="Returns the rarest pair.", hint="'ol' occurs in every piece")
def rarest(pieces: dict[tuple[int, ...], int]) -> tuple[int, int] | None:
    counts = Counter()
    for symbols, times in pieces.items():
        for pair in zip(symbols, symbols[1:]):
            counts[pair] += times
    return min(counts, key=lambda pair: (counts[pair], pair), default=None)


@wrong("most_frequent_pair", misconception="Turns the pair round.", hint="the order in a pair matters")
def turned_round(pieces: dict[tuple[int, ...], int]) -> tuple[int, int] | None:
    counts = Counter()
    for symbols, times in pieces.items():
        for left, other in zip(symbols, symbols[1:]):
            counts[other, left] += times
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


@wrong("most_frequent_pair", misconception="Fails when there is no pair.", hint="there is no pair here")
def fails_on_nothing(pieces: dict[tuple[int, ...], int]) -> tuple[int, int] | None:
    counts = Counter()
    for symbols, times in pieces.items():
        for pair in zip(symbols, symbols[1:]):
            counts[pair] += times
    return min(counts, key=lambda pair: (-counts[pair], pair))


# --- merge_pair --------------------------------------------------------------------------------------------------------


@right("merge_pair", why="builds the result from its end: the last symbol may swallow the next one")
def with_a_stack(symbols: tuple[int, ...], pair: tuple[int, int], new: int) -> tuple[int, ...]:
    merged, fresh = [], False
    for symbol in symbols:
        if merged and not fresh and (merged[-1], symbol) == pair:
            merged[-1], fresh = new, True
        else:
            merged.append(symbol)
            fresh = False
    return tuple(merged)


@right("merge_pair", why="an iterator that looks one symbol ahead")
def with_an_iterator(symbols: tuple[int, ...], pair: tuple[int, int], new: int) -> tuple[int, ...]:
    merged, skip = [], False
    for i, symbol in enumerate(symbols):
        if skip:
            skip = False
        elif symbol == pair[0] and i + 1 < len(symbols) and symbols[i + 1] == pair[1]:
            merged.append(new)
            skip = True
        else:
            merged.append(symbol)
    return tuple(merged)


@wrong("merge_pair", misconception="Merges overlapping places.", hint="overlapping places")
def overlapping(symbols: tuple[int, ...], pair: tuple[int, int], new: int) -> tuple[int, ...]:
    starts = {i for i in range(len(symbols) - 1) if symbols[i : i + 2] == pair}
    return tuple(
        new if i in starts else symbol
        for i, symbol in enumerate(symbols)
        if i in starts or i - 1 not in starts
    )


@wrong("merge_pair", misconception="Goes from right to left.", hint="from left to right")
def from_the_right(symbols: tuple[int, ...], pair: tuple[int, int], new: int) -> tuple[int, ...]:
    merged, i = [], len(symbols) - 1
    while i >= 0:
        if i > 0 and (symbols[i - 1], symbols[i]) == pair:
            merged.append(new)
            i -= 2
        else:
            merged.append(symbols[i])
            i -= 1
    return tuple(reversed(merged))


@wrong("merge_pair", misconception="Merges the first place only.", hint="only the first occurrence")
def first_only(symbols: tuple[int, ...], pair: tuple[int, int], new: int) -> tuple[int, ...]:
    for i in range(len(symbols) - 1):
        if symbols[i : i + 2] == pair:
            return (*symbols[:i], new, *symbols[i + 2 :])
    return symbols


@wrong(
    "merge_pair",
    misconception="Keeps the second symbol.",
    hint="the second symbol of the pair is still there",
)
def keeps_second(symbols: tuple[int, ...], pair: tuple[int, int], new: int) -> tuple[int, ...]:
    return tuple(new if symbols[i : i + 2] == pair else symbol for i, symbol in enumerate(symbols))


@wrong("merge_pair", misconception="Loses the last symbol.", hint="the last symbol is lost")
def loses_the_last(symbols: tuple[int, ...], pair: tuple[int, int], new: int) -> tuple[int, ...]:
    merged, i = [], 0
    while i < len(symbols) - 1:
        if symbols[i : i + 2] == pair:
            merged.append(new)
            i += 2
        else:
            merged.append(symbols[i])
            i += 1
    return tuple(merged)


@wrong("merge_pair", misconception="Merges in either order.", hint="'na' is not 'an'")
def either_order(symbols: tuple[int, ...], pair: tuple[int, int], new: int) -> tuple[int, ...]:
    merged, i = [], 0
    while i < len(symbols):
        if i + 1 < len(symbols) and symbols[i : i + 2] in (pair, pair[::-1]):
            merged.append(new)
            i += 2
        else:
            merged.append(symbols[i])
            i += 1
    return tuple(merged)


@wrong("merge_pair", misconception="Returns a list.", hint="return a tuple")
def as_list(symbols: tuple[int, ...], pair: tuple[int, int], new: int) -> tuple[int, ...]:
    merged, i = [], 0
    while i < len(symbols):
        if symbols[i : i + 2] == pair:
            merged.append(new)
            i += 2
        else:
            merged.append(symbols[i])
            i += 1
    return merged


@wrong("merge_pair", misconception="Compares a list with a tuple.", hint="nothing was merged")
def never_equal(symbols: tuple[int, ...], pair: tuple[int, int], new: int) -> tuple[int, ...]:
    merged, i = [], 0
    while i < len(symbols):
        if list(symbols[i : i + 2]) == pair:
            merged.append(new)
            i += 2
        else:
            merged.append(symbols[i])
            i += 1
    return tuple(merged)


@wrong("merge_pair", misconception="Replaces both symbols wherever they stand.", hint="too many symbols")
def each_by_itself(symbols: tuple[int, ...], pair: tuple[int, int], new: int) -> tuple[int, ...]:
    return tuple(new if symbol in pair else symbol for symbol in symbols)


# --- train_bpe ---------------------------------------------------------------------------------------------------------


@right("train_bpe", why="keeps the vocabulary's next number in a variable, and lists of pieces and counts")
def with_lists(counts: dict[str, int], n_merges: int) -> list[tuple[int, int]]:
    symbols = [tuple(bytearray(piece, "utf-8")) for piece in counts]
    times = list(counts.values())
    merges, new = [], 256
    for _ in range(n_merges):
        pair = most_frequent_pair(dict(zip(symbols, times)))
        if pair is None:
            return merges
        symbols = [merge_pair(s, pair, new) for s in symbols]
        merges.append(pair)
        new += 1
    return merges


@right("train_bpe", why="does without the two other functions")
def on_its_own(counts: dict[str, int], n_merges: int) -> list[tuple[int, int]]:
    pieces = [(list(piece.encode("utf8")), times) for piece, times in counts.items()]
    merges = []
    for number in range(n_merges):
        pairs = Counter()
        for symbols, times in pieces:
            for i in range(len(symbols) - 1):
                pairs[symbols[i], symbols[i + 1]] += times
        if not pairs:
            break
        best = sorted(pairs, key=lambda pair: (-pairs[pair], pair))[0]
        merges.append(best)
        for symbols, _ in pieces:
            i = 0
            while i < len(symbols) - 1:
                if (symbols[i], symbols[i + 1]) == best:
                    symbols[i : i + 2] = [256 + number]
                i += 1
    return merges


@wrong("train_bpe", misconception="Counts once, at the start.", hint="counted once, at the start")
def counted_once(counts: dict[str, int], n_merges: int) -> list[tuple[int, int]]:
    pairs = Counter()
    for piece, times in counts.items():
        symbols = tuple(piece.encode())
        for pair in zip(symbols, symbols[1:]):
            pairs[pair] += times
    return sorted(pairs, key=lambda pair: (-pairs[pair], pair))[:n_merges]


@wrong("train_bpe", misconception="Never merges.", hint="again and again")
def never_merged(counts: dict[str, int], n_merges: int) -> list[tuple[int, int]]:
    pieces = {tuple(piece.encode()): times for piece, times in counts.items()}
    return [most_frequent_pair(pieces) for _ in range(n_merges)]


@wrong("train_bpe", misconception="Numbers the symbols from 257.", hint="the first merge makes symbol 256")
def from_257(counts: dict[str, int], n_merges: int) -> list[tuple[int, int]]:
    pieces = {tuple(piece.encode()): times for piece, times in counts.items()}
    merges = []
    for _ in range(n_merges):
        pair = most_frequent_pair(pieces)
        if pair is None:
            break
        merges.append(pair)
        pieces = {merge_pair(s, pair, 256 + len(merges)): times for s, times in pieces.items()}
    return merges


@wrong("train_bpe", misconception="Goes on when no pair is left.", hint="no pair was left")
def never_stops(counts: dict[str, int], n_merges: int) -> list[tuple[int, int]]:
    pieces = {tuple(piece.encode()): times for piece, times in counts.items()}
    merges = []
    for new in range(256, 256 + n_merges):
        pair = most_frequent_pair(pieces)
        pieces = {merge_pair(s, pair, new): times for s, times in pieces.items()}
        merges.append(pair)
    return merges


@wrong("train_bpe", misconception="Starts from characters.", hint="numbers of characters (ord)")
def from_characters(counts: dict[str, int], n_merges: int) -> list[tuple[int, int]]:
    pieces = {tuple(map(ord, piece)): times for piece, times in counts.items()}
    merges = []
    while len(merges) < n_merges:
        pair = most_frequent_pair(pieces)
        if pair is None:
            break
        pieces = {merge_pair(s, pair, 256 + len(merges)): times for s, times in pieces.items()}
        merges.append(pair)
    return merges


@wrong(
    "train_bpe", misconception="Forgets how often a piece occurs.", hint="mind how often each piece occurs"
)
def each_piece_once(counts: dict[str, int], n_merges: int) -> list[tuple[int, int]]:
    pieces = {tuple(piece.encode()[::-1]): 1 for piece in counts}
    merges = []
    while len(merges) < n_merges:
        pair = most_frequent_pair(pieces)
        if pair is None:
            break
        pieces = {merge_pair(s, pair, 256 + len(merges)): times for s, times in pieces.items()}
        merges.append(pair)
    return merges


@wrong("train_bpe", misconception="Lists the new symbol, too.", hint="the list holds pairs")
def triples(counts: dict[str, int], n_merges: int) -> list[tuple[int, int]]:
    pieces = {tuple(piece.encode()): times for piece, times in counts.items()}
    merges = []
    for new in range(256, 256 + n_merges):
        pair = most_frequent_pair(pieces)
        if pair is None:
            break
        pieces = {merge_pair(s, pair, new): times for s, times in pieces.items()}
        merges.append((*pair, new))
    return merges


@wrong("train_bpe", misconception="Makes one merge too few.", hint="one merge is missing")
def one_too_few(counts: dict[str, int], n_merges: int) -> list[tuple[int, int]]:
    pieces = {tuple(piece.encode()): times for piece, times in counts.items()}
    merges = []
    for new in range(256, 255 + n_merges):
        pair = most_frequent_pair(pieces)
        if pair is None:
            break
        pieces = {merge_pair(s, pair, new): times for s, times in pieces.items()}
        merges.append(pair)
    return merges


# --- next_token_batch --------------------------------------------------------------------------------------------------


@right("next_token_batch", why="a loop that slices windows and stacks them")
def stacked(
    ids: torch.Tensor, length: int, batch_size: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    inputs, targets = [], []
    for _ in range(batch_size):
        start = torch.randint(0, len(ids) - length, (1,), generator=generator).item()
        inputs.append(ids[start : start + length])
        targets.append(ids[start + 1 : start + length + 1])
    return torch.stack(inputs), torch.stack(targets)


@right("next_token_batch", why="one view of all windows with unfold")
def unfolded(
    ids: torch.Tensor, length: int, batch_size: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    windows = ids.unfold(0, length + 1, 1)
    rows = windows[torch.randint(len(windows), (batch_size,), generator=generator)]
    return rows[:, :-1], rows[:, 1:]


@wrong("next_token_batch", misconception="Does not shift the targets.", hint="the targets are not shifted")
def unshifted(
    ids: torch.Tensor, length: int, batch_size: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    starts = torch.randint(len(ids) - length, (batch_size, 1), generator=generator)
    window = ids[starts + torch.arange(length)]
    return window, window.clone()


@wrong("next_token_batch", misconception="Shifts the wrong way.", hint="shifted the wrong way")
def wrong_way(
    ids: torch.Tensor, length: int, batch_size: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    places = torch.randint(len(ids) - length, (batch_size, 1), generator=generator) + torch.arange(length)
    return ids[places + 1], ids[places]


@wrong("next_token_batch", misconception="Rolls the window.", hint="the last target is the first input")
def rolled(
    ids: torch.Tensor, length: int, batch_size: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    starts = torch.randint(len(ids) - length, (batch_size, 1), generator=generator)
    window = ids[starts + torch.arange(length)]
    return window, window.roll(-1, dims=1)


@wrong(
    "next_token_batch",
    misconception="Ignores the last target.",
    hint="the last target is not the token after",
)
def last_ignored(
    ids: torch.Tensor, length: int, batch_size: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    starts = torch.randint(len(ids) - length, (batch_size, 1), generator=generator)
    window = ids[starts + torch.arange(length)]
    targets = window.roll(-1, dims=1)
    targets[:, -1] = -100
    return window, targets


@wrong(
    "next_token_batch", misconception="Never draws the last window.", hint="the last window is never drawn"
)
def last_never(
    ids: torch.Tensor, length: int, batch_size: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    starts = torch.randint(len(ids) - length - 1, (batch_size, 1), generator=generator)
    places = starts + torch.arange(length)
    return ids[places], ids[places + 1]


@wrong(
    "next_token_batch", misconception="Never draws the first window.", hint="the first window is never drawn"
)
def first_never(
    ids: torch.Tensor, length: int, batch_size: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    starts = torch.randint(1, len(ids) - length, (batch_size, 1), generator=generator)
    places = starts + torch.arange(length)
    return ids[places], ids[places + 1]


@wrong("next_token_batch", misconception="Reads beyond the end.", hint="The last window starts at n - T - 1")
def beyond(
    ids: torch.Tensor, length: int, batch_size: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    starts = torch.randint(len(ids) - length + 1, (batch_size, 1), generator=generator)
    places = starts + torch.arange(length)
    return ids[places], ids[places + 1]


@wrong("next_token_batch", misconception="Draws one start for all.", hint="all rows are the same window")
def same_start(
    ids: torch.Tensor, length: int, batch_size: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    start = torch.randint(len(ids) - length, (1,), generator=generator)
    places = (start + torch.arange(length)).expand(batch_size, length)
    return ids[places], ids[places + 1]


@wrong("next_token_batch", misconception="Draws single tokens.", hint="neighbouring")
def scattered(
    ids: torch.Tensor, length: int, batch_size: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    places = torch.randint(len(ids) - 1, (batch_size, length), generator=generator)
    return ids[places], ids[places + 1]


@wrong(
    "next_token_batch", misconception="Cuts the text into fixed windows.", hint="not only at multiples of T"
)
def fixed_windows(
    ids: torch.Tensor, length: int, batch_size: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    n = (len(ids) - 1) // length
    starts = length * torch.randint(n, (batch_size, 1), generator=generator)
    places = starts + torch.arange(length)
    return ids[places], ids[places + 1]


@wrong("next_token_batch", misconception="Uses another source of chance.", hint="the generator you are given")
def own_chance(
    ids: torch.Tensor, length: int, batch_size: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    starts = torch.randint(len(ids) - length, (batch_size, 1), generator=torch.Generator().manual_seed(0))
    places = starts + torch.arange(length)
    return ids[places], ids[places + 1]


@wrong(
    "next_token_batch",
    misconception="Leaves the last target in the inputs.",
    hint="leave it out of the inputs",
)
def too_long(
    ids: torch.Tensor, length: int, batch_size: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    starts = torch.randint(len(ids) - length, (batch_size, 1), generator=generator)
    window = ids[starts + torch.arange(length + 1)]
    return window, window[:, 1:]


@wrong("next_token_batch", misconception="Cuts T tokens in all.", hint="cut T + 1 tokens")
def too_short(
    ids: torch.Tensor, length: int, batch_size: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    starts = torch.randint(len(ids) - length, (batch_size, 1), generator=generator)
    window = ids[starts + torch.arange(length)]
    return window[:, :-1], window[:, 1:]


# --- mask_tokens -------------------------------------------------------------------------------------------------------


@right("mask_tokens", why="clones and assigns by index; one number says what happens to a chosen place")
def by_index(ids, may_hide, mask_id, n_tokens, generator, share=0.15):
    inputs, targets = ids.clone(), torch.full_like(ids, -100)
    chosen = torch.zeros_like(may_hide)
    chosen[may_hide] = torch.rand(int(may_hide.sum()), generator=generator) < share
    targets[chosen] = ids[chosen]
    n = int(chosen.sum())
    what = torch.multinomial(torch.tensor([0.8, 0.1, 0.1]), max(n, 1), replacement=True, generator=generator)[
        :n
    ]
    new = ids[chosen]
    new[what == 0] = mask_id
    new[what == 1] = torch.randint(0, n_tokens, (int((what == 1).sum()),), generator=generator)
    inputs[chosen] = new
    return inputs, targets


@right("mask_tokens", why="one draw for all: u < share is chosen, u / share decides what happens")
def one_draw(ids, may_hide, mask_id, n_tokens, generator, share=0.15):
    u = torch.rand(ids.shape, generator=generator)
    chosen = (u < share) & may_hide
    inputs = ids.masked_fill(chosen & (u < 0.8 * share), mask_id)
    randomised = chosen & (u >= 0.8 * share) & (u < 0.9 * share)
    drawn = torch.randint(n_tokens, ids.shape, generator=generator)
    return torch.where(randomised, drawn, inputs), ids.masked_fill(~chosen, -100)


@wrong("mask_tokens", misconception="Asks for all tokens.", hint="a target at every place")
def loss_everywhere(ids, may_hide, mask_id, n_tokens, generator, share=0.15):
    chosen = (torch.rand(ids.shape, generator=generator) < share) & may_hide
    how = torch.rand(ids.shape, generator=generator)
    anything = torch.randint(n_tokens, ids.shape, generator=generator)
    inputs = torch.where(chosen & (how < 0.8), mask_id, ids)
    inputs = torch.where(chosen & (how >= 0.8) & (how < 0.9), anything, inputs)
    return inputs, ids.clone()


@wrong("mask_tokens", misconception="Always puts [MASK].", hint="All of them became [MASK]")
def always_mask(ids, may_hide, mask_id, n_tokens, generator, share=0.15):
    chosen = (torch.rand(ids.shape, generator=generator) < share) & may_hide
    return torch.where(chosen, mask_id, ids), torch.where(chosen, ids, -100)


@wrong("mask_tokens", misconception="Asks only where something changed.", hint="among the chosen only")
def only_changed(ids, may_hide, mask_id, n_tokens, generator, share=0.15):
    chosen = (torch.rand(ids.shape, generator=generator) < share) & may_hide
    how = torch.rand(ids.shape, generator=generator)
    anything = torch.randint(n_tokens, ids.shape, generator=generator)
    inputs = torch.where(chosen & (how < 0.8), mask_id, ids)
    inputs = torch.where(chosen & (how >= 0.8) & (how < 0.9), anything, inputs)
    return inputs, torch.where(chosen & (how < 0.9), ids, -100)


@wrong("mask_tokens", misconception="Asks for [MASK] only.", hint="must be the same")
def asks_for_masks(ids, may_hide, mask_id, n_tokens, generator, share=0.15):
    chosen = (torch.rand(ids.shape, generator=generator) < share) & may_hide
    how = torch.rand(ids.shape, generator=generator)
    anything = torch.randint(n_tokens, ids.shape, generator=generator)
    inputs = torch.where(chosen & (how < 0.8), mask_id, ids)
    inputs = torch.where(chosen & (how >= 0.8) & (how < 0.9), anything, inputs)
    return inputs, torch.where(inputs == mask_id, ids, -100)


@wrong("mask_tokens", misconception="Hides 85%.", hint="mind which way <")
def wrong_way_round(ids, may_hide, mask_id, n_tokens, generator, share=0.15):
    chosen = (torch.rand(ids.shape, generator=generator) > share) & may_hide
    how = torch.rand(ids.shape, generator=generator)
    anything = torch.randint(n_tokens, ids.shape, generator=generator)
    inputs = torch.where(chosen & (how < 0.8), mask_id, ids)
    inputs = torch.where(chosen & (how >= 0.8) & (how < 0.9), anything, inputs)
    return inputs, torch.where(chosen, ids, -100)


@wrong("mask_tokens", misconception="Takes targets from the masked inputs.", hint="taken after the masking")
def targets_after(ids, may_hide, mask_id, n_tokens, generator, share=0.15):
    chosen = (torch.rand(ids.shape, generator=generator) < share) & may_hide
    how = torch.rand(ids.shape, generator=generator)
    anything = torch.randint(n_tokens, ids.shape, generator=generator)
    inputs = torch.where(chosen & (how < 0.8), mask_id, ids)
    inputs = torch.where(chosen & (how >= 0.8) & (how < 0.9), anything, inputs)
    return inputs, torch.where(chosen, inputs, -100)


@wrong("mask_tokens", misconception="Uses the same number twice.", hint="draw a new number")
def same_number(ids, may_hide, mask_id, n_tokens, generator, share=0.15):
    u = torch.rand(ids.shape, generator=generator)
    chosen = (u > 1 - share) & may_hide
    anything = torch.randint(n_tokens, ids.shape, generator=generator)
    inputs = torch.where(chosen & (u < 0.9), mask_id, ids)
    inputs = torch.where(chosen & (u >= 0.9), anything, inputs)
    return inputs, torch.where(chosen, ids, -100)


@wrong("mask_tokens", misconception="Draws anew for the random ones.", hint="Use one number u")
def two_draws(ids, may_hide, mask_id, n_tokens, generator, share=0.15):
    chosen = (torch.rand(ids.shape, generator=generator) < share) & may_hide
    masked = chosen & (torch.rand(ids.shape, generator=generator) < 0.8)
    randomised = chosen & (torch.rand(ids.shape, generator=generator) < 0.1)
    anything = torch.randint(n_tokens, ids.shape, generator=generator)
    inputs = torch.where(masked, mask_id, ids)
    inputs = torch.where(randomised, anything, inputs)
    return inputs, torch.where(chosen, ids, -100)


@wrong("mask_tokens", misconception="Mixes up the shares.", hint="Use one number u")
def shares_mixed_up(ids, may_hide, mask_id, n_tokens, generator, share=0.15):
    chosen = (torch.rand(ids.shape, generator=generator) < share) & may_hide
    how = torch.rand(ids.shape, generator=generator)
    anything = torch.randint(n_tokens, ids.shape, generator=generator)
    inputs = torch.where(chosen & (how < 0.15), mask_id, ids)
    inputs = torch.where(chosen & (how >= 0.15) & (how < 0.25), anything, inputs)
    return inputs, torch.where(chosen, ids, -100)


@wrong("mask_tokens", misconception="Draws one random token for all.", hint="the same one")
def one_random_token(ids, may_hide, mask_id, n_tokens, generator, share=0.15):
    chosen = (torch.rand(ids.shape, generator=generator) < share) & may_hide
    how = torch.rand(ids.shape, generator=generator)
    anything = int(torch.randint(n_tokens, (1,), generator=generator))
    inputs = torch.where(chosen & (how < 0.8), mask_id, ids)
    inputs = torch.where(chosen & (how >= 0.8) & (how < 0.9), anything, inputs)
    return inputs, torch.where(chosen, ids, -100)


@wrong("mask_tokens", misconception="Hides special tokens.", hint="may_hide is False")
def hides_everything(ids, may_hide, mask_id, n_tokens, generator, share=0.15):
    chosen = torch.rand(ids.shape, generator=generator) < share
    how = torch.rand(ids.shape, generator=generator)
    anything = torch.randint(n_tokens, ids.shape, generator=generator)
    inputs = torch.where(chosen & (how < 0.8), mask_id, ids)
    inputs = torch.where(chosen & (how >= 0.8) & (how < 0.9), anything, inputs)
    return inputs, torch.where(chosen, ids, -100)


@wrong("mask_tokens", misconception="Changes what it was given.", hint="you changed the ids")
def in_place(ids, may_hide, mask_id, n_tokens, generator, share=0.15):
    chosen = (torch.rand(ids.shape, generator=generator) < share) & may_hide
    targets = torch.where(chosen, ids, -100)
    how = torch.rand(ids.shape, generator=generator)
    anything = torch.randint(n_tokens, ids.shape, generator=generator)
    ids[chosen & (how < 0.8)] = mask_id
    randomised = chosen & (how >= 0.8) & (how < 0.9)
    ids[randomised] = anything[randomised]
    return ids, targets


@wrong(
    "mask_tokens", misconception="Uses another source of chance.", hint="draw everything with the generator"
)
def global_chance(ids, may_hide, mask_id, n_tokens, generator, share=0.15):
    chosen = (torch.rand(ids.shape) < share) & may_hide
    how = torch.rand(ids.shape)
    anything = torch.randint(n_tokens, ids.shape)
    inputs = torch.where(chosen & (how < 0.8), mask_id, ids)
    inputs = torch.where(chosen & (how >= 0.8) & (how < 0.9), anything, inputs)
    return inputs, torch.where(chosen, ids, -100)


equivalent(
    "mask_tokens",
    mutant="line 1: torch.rand(ids.shape, generator=generator) < share -> torch.rand(ids.shape, generator=generator) <= share",
    why="a uniform number is hardly ever exactly at the border",
)
equivalent(
    "mask_tokens",
    mutant="line 4: how < 0.8 -> how <= 0.8",
    why="a uniform number is hardly ever exactly at the border",
)
equivalent(
    "mask_tokens",
    mutant="line 5: how >= 0.8 -> how > 0.8",
    why="a uniform number is hardly ever exactly at the border",
)
equivalent(
    "mask_tokens",
    mutant="line 5: how < 0.9 -> how <= 0.9",
    why="a uniform number is hardly ever exactly at the border",
)
equivalent(
    "mask_tokens",
    mutant="line 5: how < 0.9 -> how > 0.9",
    why="the upper tenth becomes random in place of the one below it: the same shares",
)


# --- next_sentence_pairs -----------------------------------------------------------------------------------------------


@right("next_sentence_pairs", why="draws among the other documents by a list of their numbers")
def by_choice(documents: list[list[str]], rng: np.random.Generator) -> list[tuple[str, str, bool]]:
    pairs = []
    for d in range(len(documents)):
        others = [e for e in range(len(documents)) if e != d]
        for i in range(len(documents[d]) - 1):
            is_next = bool(rng.integers(2))
            if is_next:
                second = documents[d][i + 1]
            else:
                chosen = documents[int(rng.choice(others))]
                second = chosen[int(rng.integers(len(chosen)))]
            pairs.append((documents[d][i], second, is_next))
    return pairs


@right("next_sentence_pairs", why="draws until the document is another one")
def by_rejection(documents: list[list[str]], rng: np.random.Generator) -> list[tuple[str, str, bool]]:
    pairs = []
    for d, document in enumerate(documents):
        for i in range(len(document) - 1):
            if rng.random() > 0.5:
                pairs.append((document[i], document[i + 1], True))
                continue
            e = d
            while e == d:
                e = int(rng.integers(len(documents)))
            pairs.append((document[i], documents[e][int(rng.random() * len(documents[e]))], False))
    return pairs


@wrong("next_sentence_pairs", misconception="Swaps the labels.", hint="upside down")
def labels_swapped(documents: list[list[str]], rng: np.random.Generator) -> list[tuple[str, str, bool]]:
    pairs = []
    for d, document in enumerate(documents):
        for first, following in zip(document, document[1:]):
            if rng.random() < 0.5:
                pairs.append((first, following, False))
            else:
                other = rng.integers(len(documents) - 1)
                other += other >= d
                pairs.append((first, documents[other][rng.integers(len(documents[other]))], True))
    return pairs


@wrong("next_sentence_pairs", misconception="Makes neighbours only.", hint="All pairs are neighbours")
def neighbours_only(documents: list[list[str]], rng: np.random.Generator) -> list[tuple[str, str, bool]]:
    return [(a, b, True) for document in documents for a, b in zip(document, document[1:])]


@wrong("next_sentence_pairs", misconception="Draws from all documents.", hint="*same* document")
def any_document(documents: list[list[str]], rng: np.random.Generator) -> list[tuple[str, str, bool]]:
    pairs = []
    for document in documents:
        for first, following in zip(document, document[1:]):
            if rng.random() < 0.5:
                pairs.append((first, following, True))
            else:
                other = rng.integers(len(documents))
                pairs.append((first, documents[other][rng.integers(len(documents[other]))], False))
    return pairs


@wrong("next_sentence_pairs", misconception="Draws from the same document.", hint="not from the same one")
def same_document_only(documents: list[list[str]], rng: np.random.Generator) -> list[tuple[str, str, bool]]:
    pairs = []
    for document in documents:
        for i, (first, following) in enumerate(zip(document, document[1:])):
            if rng.random() < 0.5:
                pairs.append((first, following, True))
            else:
                pairs.append(
                    (first, document[(i + 2 + rng.integers(len(document) - 1)) % len(document)], False)
                )
    return pairs


@wrong("next_sentence_pairs", misconception="Runs across documents.", hint="pairs run across documents")
def across_documents(documents: list[list[str]], rng: np.random.Generator) -> list[tuple[str, str, bool]]:
    sentences = [(d, sentence) for d, document in enumerate(documents) for sentence in document]
    pairs = []
    for (d, first), (_, following) in zip(sentences, sentences[1:]):
        if rng.random() < 0.5:
            pairs.append((first, following, True))
        else:
            other = rng.integers(len(documents) - 1)
            other += other >= d
            pairs.append((first, documents[other][rng.integers(len(documents[other]))], False))
    return pairs


@wrong(
    "next_sentence_pairs", misconception="Makes both pairs for each sentence.", hint="toss a coin, not both"
)
def both(documents: list[list[str]], rng: np.random.Generator) -> list[tuple[str, str, bool]]:
    pairs = []
    for d, document in enumerate(documents):
        for first, following in zip(document, document[1:]):
            pairs.append((first, following, True))
            other = rng.integers(len(documents) - 1)
            other += other >= d
            pairs.append((first, documents[other][rng.integers(len(documents[other]))], False))
    return pairs


@wrong(
    "next_sentence_pairs",
    misconception="Takes the first sentence of the other.",
    hint="draw it from the whole",
)
def always_the_first(documents: list[list[str]], rng: np.random.Generator) -> list[tuple[str, str, bool]]:
    pairs = []
    for d, document in enumerate(documents):
        for first, following in zip(document, document[1:]):
            if rng.random() < 0.5:
                pairs.append((first, following, True))
            else:
                other = rng.integers(len(documents) - 1)
                other += other >= d
                pairs.append((first, documents[other][0], False))
    return pairs


@wrong("next_sentence_pairs", misconception="Takes the document after.", hint="from all other documents")
def the_one_after(documents: list[list[str]], rng: np.random.Generator) -> list[tuple[str, str, bool]]:
    pairs = []
    for d, document in enumerate(documents):
        other = documents[(d + 1) % len(documents)]
        for first, following in zip(document, document[1:]):
            if rng.random() < 0.5:
                pairs.append((first, following, True))
            else:
                pairs.append((first, other[rng.integers(len(other))], False))
    return pairs


@wrong("next_sentence_pairs", misconception="Alternates.", hint="toss a coin for each pair")
def alternating_labels(documents: list[list[str]], rng: np.random.Generator) -> list[tuple[str, str, bool]]:
    pairs = []
    for d, document in enumerate(documents):
        for first, following in zip(document, document[1:]):
            if len(pairs) % 2 == 0:
                pairs.append((first, following, True))
            else:
                other = rng.integers(len(documents) - 1)
                other += other >= d
                pairs.append((first, documents[other][rng.integers(len(documents[other]))], False))
    return pairs


@wrong("next_sentence_pairs", misconception="Keeps 15% only.", hint="it should be half of them")
def wrong_share(documents: list[list[str]], rng: np.random.Generator) -> list[tuple[str, str, bool]]:
    pairs = []
    for d, document in enumerate(documents):
        for first, following in zip(document, document[1:]):
            if rng.random() < 0.15:
                pairs.append((first, following, True))
            else:
                other = rng.integers(len(documents) - 1)
                other += other >= d
                pairs.append((first, documents[other][rng.integers(len(documents[other]))], False))
    return pairs


@wrong("next_sentence_pairs", misconception="Seeds a generator of its own.", hint="Different seeds gave")
def own_seed(documents: list[list[str]], rng: np.random.Generator) -> list[tuple[str, str, bool]]:
    rng = np.random.default_rng(0)
    pairs = []
    for d, document in enumerate(documents):
        for first, following in zip(document, document[1:]):
            if rng.random() < 0.5:
                pairs.append((first, following, True))
            else:
                other = rng.integers(len(documents) - 1)
                other += other >= d
                pairs.append((first, documents[other][rng.integers(len(documents[other]))], False))
    return pairs


equivalent(
    "next_sentence_pairs",
    mutant="line 4: if rng.random() < 0.5: -> if not rng.random() < 0.5:",
    why="the coin is fair, so its sides may be swapped",
)
equivalent(
    "next_sentence_pairs",
    mutant="line 4: rng.random() < 0.5 -> rng.random() <= 0.5",
    why="a uniform number is hardly ever exactly at the border",
)
equivalent(
    "next_sentence_pairs",
    mutant="line 4: rng.random() < 0.5 -> rng.random() > 0.5",
    why="the coin is fair, so its sides may be swapped",
)


# --- corrupt_spans -----------------------------------------------------------------------------------------------------


@right("corrupt_spans", why="replaces from right to left, so that places do not shift")
def from_right_to_left(tokens: list[str], spans: list[tuple[int, int]], sentinels: list[str]):
    source, target = list(tokens), [sentinels[len(spans)]]
    for k, (start, end) in sorted(enumerate(sorted(spans)), reverse=True):
        target = [sentinels[k], *tokens[start:end], *target]
        source[start:end] = [sentinels[k]]
    return source, target


@right("corrupt_spans", why="walks over the tokens with a table of the starts")
def with_a_table(tokens: list[str], spans: list[tuple[int, int]], sentinels: list[str]):
    ends, names = dict(spans), iter(sentinels)
    source, target, i = [], [], 0
    while i < len(tokens):
        if i in ends:
            name = next(names)
            source.append(name)
            target.extend([name] + tokens[i : ends[i]])
            i = ends[i]
        else:
            source.append(tokens[i])
            i += 1
    target.append(next(names))
    return source, target


@wrong("corrupt_spans", misconception="Uses the order in which spans are given.", hint="out of order")
def as_given(tokens: list[str], spans: list[tuple[int, int]], sentinels: list[str]):
    names = {span: sentinel for span, sentinel in zip(spans, sentinels)}
    source, target, done = [], [], 0
    for start, end in sorted(spans):
        source += tokens[done:start] + [names[start, end]]
        target += [names[start, end]] + tokens[start:end]
        done = end
    return source + tokens[done:], [*target, sentinels[len(spans)]]


@wrong("corrupt_spans", misconception="Numbers sentinels from the right.", hint="<X> for the leftmost span")
def from_the_end(tokens: list[str], spans: list[tuple[int, int]], sentinels: list[str]):
    source, target, done = [], [], 0
    for (start, end), sentinel in zip(sorted(spans), sentinels[: len(spans)][::-1]):
        source += tokens[done:start] + [sentinel]
        target += [sentinel] + tokens[start:end]
        done = end
    return source + tokens[done:], [*target, sentinels[len(spans)]]


@wrong(
    "corrupt_spans", misconception="Leaves out the closing sentinel.", hint="the closing sentinel is missing"
)
def not_closed(tokens: list[str], spans: list[tuple[int, int]], sentinels: list[str]):
    source, target, done = [], [], 0
    for (start, end), sentinel in zip(sorted(spans), sentinels):
        source += tokens[done:start] + [sentinel]
        target += [sentinel] + tokens[start:end]
        done = end
    return source + tokens[done:], target


@wrong("corrupt_spans", misconception="Closes with the last of all sentinels.", hint="sentinels[len(spans)]")
def closed_by_the_last(tokens: list[str], spans: list[tuple[int, int]], sentinels: list[str]):
    source, target, done = [], [], 0
    for (start, end), sentinel in zip(sorted(spans), sentinels):
        source += tokens[done:start] + [sentinel]
        target += [sentinel] + tokens[start:end]
        done = end
    return source + tokens[done:], [*target, sentinels[-1]]


@wrong("corrupt_spans", misconception="A sentinel for each token.", hint="each *span* leaves one sentinel")
def sentinel_per_token(tokens: list[str], spans: list[tuple[int, int]], sentinels: list[str]):
    gone = {i for start, end in spans for i in range(start, end)}
    names = iter(sentinels * 3)
    source, target = [], []
    for i, token in enumerate(tokens):
        if i in gone:
            name = next(names)
            source.append(name)
            target += [name, token]
        else:
            source.append(token)
    return source, [*target, next(names)]


@wrong("corrupt_spans", misconception="The same sentinel for all.", hint="a sentinel of its own")
def one_sentinel(tokens: list[str], spans: list[tuple[int, int]], sentinels: list[str]):
    source, target, done = [], [], 0
    for start, end in sorted(spans):
        source += tokens[done:start] + [sentinels[0]]
        target += [sentinels[0]] + tokens[start:end]
        done = end
    return source + tokens[done:], [*target, sentinels[0]]


@wrong("corrupt_spans", misconception="Leaves gaps without a trace.", hint="leave no trace")
def no_trace(tokens: list[str], spans: list[tuple[int, int]], sentinels: list[str]):
    gone = {i for start, end in spans for i in range(start, end)}
    return [t for i, t in enumerate(tokens) if i not in gone], [t for i, t in enumerate(tokens) if i in gone]


@wrong(
    "corrupt_spans",
    misconception="Loses what stands after the last span.",
    hint="after the last span are missing",
)
def loses_the_rest(tokens: list[str], spans: list[tuple[int, int]], sentinels: list[str]):
    source, target, done = [], [], 0
    for (start, end), sentinel in zip(sorted(spans), sentinels):
        source += tokens[done:start] + [sentinel]
        target += [sentinel] + tokens[start:end]
        done = end
    return source, [*target, sentinels[len(spans)]]


@wrong("corrupt_spans", misconception="Puts sentinels behind their spans.", hint="stands *before* its span")
def sentinel_behind(tokens: list[str], spans: list[tuple[int, int]], sentinels: list[str]):
    source, target, done = [], [], 0
    for (start, end), sentinel in zip(sorted(spans), sentinels):
        source += tokens[done:start] + [sentinel]
        target += tokens[start:end] + [sentinel]
        done = end
    return source + tokens[done:], target


@wrong("corrupt_spans", misconception="Asks for the whole text, as BART does.", hint="BART's target")
def whole_text(tokens: list[str], spans: list[tuple[int, int]], sentinels: list[str]):
    source, done = [], 0
    for (start, end), sentinel in zip(sorted(spans), sentinels):
        source += tokens[done:start] + [sentinel]
        done = end
    return source + tokens[done:], list(tokens)


@wrong("corrupt_spans", misconception="Swaps source and target.", hint="swapped")
def swapped(tokens: list[str], spans: list[tuple[int, int]], sentinels: list[str]):
    source, target, done = [], [], 0
    for (start, end), sentinel in zip(sorted(spans), sentinels):
        source += tokens[done:start] + [sentinel]
        target += [sentinel] + tokens[start:end]
        done = end
    return [*target, sentinels[len(spans)]], source + tokens[done:]


@wrong("corrupt_spans", misconception="Replaces from left to right in place.", hint="places shift")
def places_shift(tokens: list[str], spans: list[tuple[int, int]], sentinels: list[str]):
    source, target = list(tokens), []
    for (start, end), sentinel in zip(sorted(spans), sentinels):
        target += [sentinel] + tokens[start:end]
        source[start:end] = [sentinel]
    return source, [*target, sentinels[len(spans)]]


@wrong(
    "corrupt_spans", misconception="Joins spans that are neighbours.", hint="two spans that are neighbours"
)
def joined(tokens: list[str], spans: list[tuple[int, int]], sentinels: list[str]):
    together = []
    for start, end in sorted(spans):
        if together and together[-1][1] == start:
            together[-1] = (together[-1][0], end)
        else:
            together.append((start, end))
    source, target, done = [], [], 0
    for (start, end), sentinel in zip(together, sentinels):
        source += tokens[done:start] + [sentinel]
        target += [sentinel] + tokens[start:end]
        done = end
    return source + tokens[done:], [*target, sentinels[len(together)]]


# --- warmup_cosine -----------------------------------------------------------------------------------------------------


@right("warmup_cosine", why="a sine of half the angle, squared, and clamped progress")
def with_cosine_squared(step: int, n_steps: int, warmup: int, peak: float, low: float = 0.0) -> float:
    if step < warmup:
        return (step + 1) / (warmup + 1) * peak
    progress = min((step - warmup) / (n_steps - warmup), 1)
    share = math.cos(math.pi / 2 * progress) ** 2
    return share * peak + (1 - share) * low


@right("warmup_cosine", why="numpy")
def with_numpy(step: int, n_steps: int, warmup: int, peak: float, low: float = 0.0) -> float:
    rise = peak * (step + 1) / (warmup + 1)
    progress = np.clip((step - warmup) / (n_steps - warmup), 0, 1)
    fall = (peak + low) / 2 + (peak - low) / 2 * np.cos(np.pi * progress)
    return float(rise if step < warmup else fall)


@wrong("warmup_cosine", misconception="Wastes step 0.", hint="one step late")
def one_late(step: int, n_steps: int, warmup: int, peak: float, low: float = 0.0) -> float:
    if step < warmup:
        return peak * step / warmup
    if step > n_steps:
        return low
    return low + 0.5 * (peak - low) * (1 + math.cos(math.pi * (step - warmup) / (n_steps - warmup)))


@wrong("warmup_cosine", misconception="Has the full rate one step early.", hint="one step early")
def one_early(step: int, n_steps: int, warmup: int, peak: float, low: float = 0.0) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    if step > n_steps:
        return low
    return low + 0.5 * (peak - low) * (1 + math.cos(math.pi * (step - warmup) / (n_steps - warmup)))


@wrong("warmup_cosine", misconception="Leaves out the warm-up.", hint="there is no warm-up")
def cold(step: int, n_steps: int, warmup: int, peak: float, low: float = 0.0) -> float:
    if step > n_steps:
        return low
    return low + 0.5 * (peak - low) * (1 + math.cos(math.pi * max(0, step - warmup) / (n_steps - warmup)))


@wrong("warmup_cosine", misconception="Starts the cosine at step 0.", hint="the cosine starts at step 0")
def from_zero(step: int, n_steps: int, warmup: int, peak: float, low: float = 0.0) -> float:
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    if step > n_steps:
        return low
    return low + 0.5 * (peak - low) * (1 + math.cos(math.pi * step / n_steps))


@wrong("warmup_cosine", misconception="Divides by the whole length.", hint="in mid-air")
def mid_air(step: int, n_steps: int, warmup: int, peak: float, low: float = 0.0) -> float:
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    if step > n_steps:
        return low
    return low + 0.5 * (peak - low) * (1 + math.cos(math.pi * (step - warmup) / n_steps))


@wrong("warmup_cosine", misconception="Falls in a straight line.", hint="straight line")
def straight(step: int, n_steps: int, warmup: int, peak: float, low: float = 0.0) -> float:
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    return low + (peak - low) * max(0, 1 - (step - warmup) / (n_steps - warmup))


@wrong("warmup_cosine", misconception="Lets the cosine go below 0.", hint="from 1 to -1")
def below_zero(step: int, n_steps: int, warmup: int, peak: float, low: float = 0.0) -> float:
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    if step > n_steps:
        return low
    return low + (peak - low) * math.cos(math.pi * (step - warmup) / (n_steps - warmup))


@wrong("warmup_cosine", misconception="Does not halve.", hint="from 2 to 0")
def not_halved(step: int, n_steps: int, warmup: int, peak: float, low: float = 0.0) -> float:
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    if step > n_steps:
        return low
    return low + (peak - low) * (1 + math.cos(math.pi * (step - warmup) / (n_steps - warmup)))


@wrong("warmup_cosine", misconception="Adds the lowest rate on top.", hint="added on top of the peak")
def on_top(step: int, n_steps: int, warmup: int, peak: float, low: float = 0.0) -> float:
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    if step > n_steps:
        return low
    return low + 0.5 * peak * (1 + math.cos(math.pi * (step - warmup) / (n_steps - warmup)))


@wrong("warmup_cosine", misconception="Ignores the lowest rate.", hint="low is not used")
def never_low(step: int, n_steps: int, warmup: int, peak: float, low: float = 0.0) -> float:
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    if step > n_steps:
        return 0.0
    return 0.5 * peak * (1 + math.cos(math.pi * (step - warmup) / (n_steps - warmup)))


@wrong("warmup_cosine", misconception="Rises again after the end.", hint="a cosine rises again")
def rises_again(step: int, n_steps: int, warmup: int, peak: float, low: float = 0.0) -> float:
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    return low + 0.5 * (peak - low) * (1 + math.cos(math.pi * (step - warmup) / (n_steps - warmup)))


@wrong("warmup_cosine", misconception="Takes degrees.", hint="degrees")
def in_degrees(step: int, n_steps: int, warmup: int, peak: float, low: float = 0.0) -> float:
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    if step > n_steps:
        return low
    return low + 0.5 * (peak - low) * (1 + math.cos((step - warmup) / (n_steps - warmup)))


equivalent(
    "warmup_cosine",
    mutant="line 1: step < warmup -> step <= warmup",
    why="at step number warmup both formulas give the peak",
)
equivalent(
    "warmup_cosine",
    mutant="line 3: step > n_steps -> step >= n_steps",
    why="at step n_steps the cosine gives low as well",
)
equivalent(
    "warmup_cosine",
    mutant="line 5: step - warmup -> warmup - step",
    why="the cosine of a negative angle is the same",
)
equivalent(
    "warmup_cosine",
    mutant="line 5: n_steps - warmup -> warmup - n_steps",
    why="the cosine of a negative angle is the same",
)


# --- estimate_flops ----------------------------------------------------------------------------------------------------


@right(
    "estimate_flops", why="counts parameters of matrices first, 6 operations for each, then adds attention"
)
def by_parameters(n_layers: int, width: int, vocabulary_size: int, context: int, n_tokens: int) -> int:
    parameters = 12 * n_layers * width * width + vocabulary_size * width
    attention = 12 * n_layers * context * width
    return (6 * parameters + attention) * n_tokens


@right("estimate_flops", why="goes through the matrices")
def by_matrices(n_layers: int, width: int, vocabulary_size: int, context: int, n_tokens: int) -> int:
    layer = [(width, 3 * width), (width, width), (width, 4 * width), (4 * width, width)]
    layer += [(width, context), (context, width)]
    numbers = n_layers * sum(m * n for m, n in layer) + width * vocabulary_size
    return n_tokens * sum([2 * numbers, 4 * numbers])


@wrong("estimate_flops", misconception="Counts the forward pass only.", hint="the forward pass alone")
def forward_only(n_layers: int, width: int, vocabulary_size: int, context: int, n_tokens: int) -> int:
    return n_tokens * (n_layers * (24 * width**2 + 4 * context * width) + 2 * vocabulary_size * width)


@wrong("estimate_flops", misconception="Backward costs as much as forward.", hint="3 times the forward pass")
def twice(n_layers: int, width: int, vocabulary_size: int, context: int, n_tokens: int) -> int:
    return 2 * n_tokens * (n_layers * (24 * width**2 + 4 * context * width) + 2 * vocabulary_size * width)


@wrong("estimate_flops", misconception="Counts multiplications only.", hint="are two operations")
def multiplications(n_layers: int, width: int, vocabulary_size: int, context: int, n_tokens: int) -> int:
    return 3 * n_tokens * (n_layers * (12 * width**2 + 2 * context * width) + vocabulary_size * width)


@wrong("estimate_flops", misconception="Forgets what has no parameters.", hint="scores and averages")
def six_n_d(n_layers: int, width: int, vocabulary_size: int, context: int, n_tokens: int) -> int:
    return 6 * n_tokens * (12 * n_layers * width**2 + vocabulary_size * width)


@wrong("estimate_flops", misconception="Counts scores without averages.", hint="an average over T values")
def scores_only(n_layers: int, width: int, vocabulary_size: int, context: int, n_tokens: int) -> int:
    return 3 * n_tokens * (n_layers * (24 * width**2 + 2 * context * width) + 2 * vocabulary_size * width)


@wrong("estimate_flops", misconception="Forgets the head.", hint="the head is missing")
def headless(n_layers: int, width: int, vocabulary_size: int, context: int, n_tokens: int) -> int:
    return 3 * n_tokens * n_layers * (24 * width**2 + 4 * context * width)


@wrong("estimate_flops", misconception="Counts the embedding.", hint="the embedding is looked up")
def with_embedding(n_layers: int, width: int, vocabulary_size: int, context: int, n_tokens: int) -> int:
    return 3 * n_tokens * (n_layers * (24 * width**2 + 4 * context * width) + 4 * vocabulary_size * width)


@wrong("estimate_flops", misconception="Counts attention forward only.", hint="3 times")
def attention_once(n_layers: int, width: int, vocabulary_size: int, context: int, n_tokens: int) -> int:
    matrices = 24 * n_layers * width**2 + 2 * vocabulary_size * width
    return n_tokens * (3 * matrices + 4 * n_layers * context * width)


@wrong("estimate_flops", misconception="Counts one layer.", hint="taken L times")
def one_layer(n_layers: int, width: int, vocabulary_size: int, context: int, n_tokens: int) -> int:
    return 3 * n_tokens * (24 * width**2 + 4 * context * width + 2 * vocabulary_size * width)


@wrong("estimate_flops", misconception="Counts one token.", hint="multiply by the number of tokens")
def one_token(n_layers: int, width: int, vocabulary_size: int, context: int, n_tokens: int) -> int:
    return 3 * (n_layers * (24 * width**2 + 4 * context * width) + 2 * vocabulary_size * width)


# --- generate ----------------------------------------------------------------------------------------------------------


@right("generate", why="keeps a tensor, and draws with the probabilities' running sum")
def with_a_tensor(model, ids: list[int], n: int, context: int, generator: torch.Generator) -> list[int]:
    mode = model.training
    model.train(False)
    row = torch.tensor(ids)[None]
    with torch.inference_mode():
        for _ in range(n):
            logits = model(row[:, max(0, row.shape[1] - context) :])[0][:, -1]
            u = torch.rand(1, 1, generator=generator)
            drawn = (logits.softmax(-1).cumsum(-1) < u).sum(-1, keepdim=True).clamp(max=logits.shape[-1] - 1)
            row = torch.cat([row, drawn], dim=1)
    model.train(mode)
    return row[0, len(ids) :].tolist()


@right("generate", why="adds Gumbel noise to the logits and takes the largest")
def with_gumbel(model, ids: list[int], n: int, context: int, generator: torch.Generator) -> list[int]:
    was = model.training
    model.eval()
    new = []
    for _ in range(n):
        seen = (list(ids) + new)[-context:]
        logits = model(torch.tensor(seen)[None])[0][0, -1].detach()
        noise = -torch.log(-torch.log(torch.rand(logits.shape, generator=generator).clamp(1e-12, 1 - 1e-7)))
        new.append(int((logits + noise).argmax()))
    if was:
        model.train()
    return new


@wrong("generate", misconception="Leaves dropout on.", hint="dropout was left on")
def dropout_on(model, ids: list[int], n: int, context: int, generator: torch.Generator) -> list[int]:
    text = list(ids)
    with torch.no_grad():
        for _ in range(n):
            logits, _ = model(torch.tensor([text[-context:]]))
            text.append(torch.multinomial(logits[0, -1].softmax(0), 1, generator=generator).item())
    return text[len(ids) :]


@wrong("generate", misconception="Never switches back.", hint="leave the model in the mode it was in")
def stays_in_evaluation(model, ids: list[int], n: int, context: int, generator: torch.Generator) -> list[int]:
    model.eval()
    text = list(ids)
    with torch.no_grad():
        for _ in range(n):
            logits, _ = model(torch.tensor([text[-context:]]))
            text.append(torch.multinomial(logits[0, -1].softmax(0), 1, generator=generator).item())
    return text[len(ids) :]


@wrong("generate", misconception="Always switches to training.", hint="leave the model in the mode it was in")
def ends_in_training(model, ids: list[int], n: int, context: int, generator: torch.Generator) -> list[int]:
    model.eval()
    text = list(ids)
    with torch.no_grad():
        for _ in range(n):
            logits, _ = model(torch.tensor([text[-context:]]))
            text.append(torch.multinomial(logits[0, -1].softmax(0), 1, generator=generator).item())
    model.train()
    return text[len(ids) :]


@wrong("generate", misconception="Shows the whole text.", hint="longer than the model's positions")
def too_much(model, ids: list[int], n: int, context: int, generator: torch.Generator) -> list[int]:
    was_training = model.training
    model.eval()
    text = list(ids)
    with torch.no_grad():
        for _ in range(n):
            logits, _ = model(torch.tensor([text]))
            text.append(torch.multinomial(logits[0, -1].softmax(0), 1, generator=generator).item())
    model.train(was_training)
    return text[len(ids) :]


@wrong("generate", misconception="Shows the first tokens.", hint="the *first* tokens")
def the_first(model, ids: list[int], n: int, context: int, generator: torch.Generator) -> list[int]:
    was_training = model.training
    model.eval()
    text = list(ids)
    with torch.no_grad():
        for _ in range(n):
            logits, _ = model(torch.tensor([text[:context]]))
            text.append(torch.multinomial(logits[0, -1].softmax(0), 1, generator=generator).item())
    model.train(was_training)
    return text[len(ids) :]


@wrong("generate", misconception="Shows the last token only.", hint="the last token only")
def last_only(model, ids: list[int], n: int, context: int, generator: torch.Generator) -> list[int]:
    was_training = model.training
    model.eval()
    text = list(ids)
    with torch.no_grad():
        for _ in range(n):
            logits, _ = model(torch.tensor([text[-1:]]))
            text.append(torch.multinomial(logits[0, -1].softmax(0), 1, generator=generator).item())
    model.train(was_training)
    return text[len(ids) :]


@wrong("generate", misconception="Returns the beginning as well.", hint="leave out the ids that were given")
def with_the_beginning(model, ids: list[int], n: int, context: int, generator: torch.Generator) -> list[int]:
    was_training = model.training
    model.eval()
    text = list(ids)
    with torch.no_grad():
        for _ in range(n):
            logits, _ = model(torch.tensor([text[-context:]]))
            text.append(torch.multinomial(logits[0, -1].softmax(0), 1, generator=generator).item())
    model.train(was_training)
    return text


@wrong("generate", misconception="Takes the likeliest token.", hint="(argmax)")
def greedy(model, ids: list[int], n: int, context: int, generator: torch.Generator) -> list[int]:
    was_training = model.training
    model.eval()
    text = list(ids)
    with torch.no_grad():
        for _ in range(n):
            logits, _ = model(torch.tensor([text[-context:]]))
            text.append(logits[0, -1].argmax().item())
    model.train(was_training)
    return text[len(ids) :]


@wrong("generate", misconception="Looks at the first place.", hint="at the last place")
def first_place(model, ids: list[int], n: int, context: int, generator: torch.Generator) -> list[int]:
    was_training = model.training
    model.eval()
    text = list(ids)
    with torch.no_grad():
        for _ in range(n):
            logits, _ = model(torch.tensor([text[-context:]]))
            text.append(torch.multinomial(logits[0, 0].softmax(0), 1, generator=generator).item())
    model.train(was_training)
    return text[len(ids) :]


@wrong("generate", misconception="Never appends.", hint="again and again")
def never_appends(model, ids: list[int], n: int, context: int, generator: torch.Generator) -> list[int]:
    was_training = model.training
    model.eval()
    new = []
    with torch.no_grad():
        for _ in range(n):
            logits, _ = model(torch.tensor([ids[-context:]]))
            new.append(torch.multinomial(logits[0, -1].softmax(0), 1, generator=generator).item())
    model.train(was_training)
    return new


@wrong(
    "generate", misconception="Uses another source of chance.", hint="draw with the generator you are given"
)
def other_chance(model, ids: list[int], n: int, context: int, generator: torch.Generator) -> list[int]:
    was_training = model.training
    model.eval()
    text = list(ids)
    with torch.no_grad():
        for _ in range(n):
            logits, _ = model(torch.tensor([text[-context:]]))
            text.append(torch.multinomial(logits[0, -1].softmax(0), 1).item())
    model.train(was_training)
    return text[len(ids) :]


equivalent("generate", mutant="line 7: 0 -> -1", why="there is one row, so the first is the last")
equivalent(
    "generate",
    mutant="line 7: 0 -> -1 (no. 2)",
    why="the logits of one place have one axis, so the first is the last",
)
