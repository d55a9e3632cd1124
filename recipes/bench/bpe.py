"""Byte pair encoding trained by nextword.byte_pairs, by the library `tokenizers` and by notebook 07."""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from autograder.executed import solved_names
from autograder.source import read_source
from nextword.byte_pairs import Pair, train_bpe
from nextword.corpora import corpus
from nextword.metrics import text_of
from recipes.bench.alternating import Timing, alternating, processor_seconds
from recipes.bench.report import ROOT, Report, Target, number
from recipes.bench.training import TEXT

SOURCE = ROOT / "solutions" / "07_pretraining.py"
OURS, THEIRS, NOTEBOOK = "nextword.byte_pairs", "tokenizers", "notebook 07"


def as_text(merges: Sequence[Pair]) -> list[tuple[str, str]]:
    """Return merges of symbols as merges of tokens; a byte is the character of its number."""
    tokens = [chr(i) for i in range(256)]
    told = []
    for left, right in merges:
        told.append((tokens[left], tokens[right]))
        tokens.append(tokens[left] + tokens[right])
    return told


def trained_by_the_library(text: str, n_merges: int, pieces: re.Pattern[str]) -> Any:
    """Return the tokenizer that `tokenizers` trains on a text, cut into the pieces of a regular expression.

    Raises ValueError for a text that is not ASCII: its characters would not be its bytes.
    """
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    if not text.isascii():
        raise ValueError("The text has characters beyond ASCII. Pass one in which each character is a byte.")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pieces.pattern), behavior="removed", invert=True)
    trainer = trainers.BpeTrainer(vocab_size=len(set(text)) + n_merges, show_progress=False)
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer


def merges_of(tokenizer: Any) -> list[tuple[str, str]]:
    """Return the merges of a tokenizer of the library."""
    return [(left, right) for left, right in json.loads(tokenizer.to_str())["model"]["merges"]]


def timings_on(
    name: str, text: str, n_merges: int, runs: int, notebook: dict[str, Any], with_notebook: bool
) -> list[Timing]:
    """Time all ways from a text to its merges; the notebook's only if asked for.

    Raises AssertionError where they do not give the same merges.
    """
    pieces: re.Pattern[str] = notebook["PIECES"]
    ways: dict[str, Callable[[int], Any]] = {
        OURS: lambda n: train_bpe(Counter(pieces.findall(text)), n),
        THEIRS: lambda n: trained_by_the_library(text, n, pieces),
    }
    if with_notebook:
        ways[NOTEBOOK] = lambda n: notebook["train_bpe"](Counter(pieces.findall(text)), n)
    wanted = merges_of(ways[THEIRS](n_merges))
    for way in ways.keys() - {THEIRS}:
        if as_text(ways[way](n_merges)) != wanted or len(wanted) != n_merges:
            raise AssertionError(f"{name}: {way} has other merges than the library, or not {n_merges}.")

    def timed(n: int) -> dict[str, tuple[float, ...]]:
        once = {way: lambda work=work: processor_seconds(lambda: work(n)) for way, work in ways.items()}
        return alternating(once, runs)

    told, without_merges = timed(n_merges), timed(0)
    size = f"{len(text):,} / {len(set(pieces.findall(text))):,} / {n_merges:,}"
    return [
        Timing(
            way,
            told[way],
            n_merges,
            {
                "characters / different pieces / merges": size,
                "seconds without merges": number(statistics.median(without_merges[way])),
            },
            name,
        )
        for way in ways
    ]


def measure(runs: int) -> Report:
    """Measure merges per processor second, from the text to the merges, which must be the same."""
    notebook = solved_names(read_source(SOURCE))
    village = text_of(corpus("village").train)
    timings = timings_on("the village", village, 600, runs, notebook, with_notebook=True)
    if TEXT.exists():
        plays = TEXT.read_text(encoding="utf-8")
        timings += timings_on("Tiny Shakespeare", plays, 5000, runs, notebook, with_notebook=False)
    return report(timings)


def report(timings: Sequence[Timing]) -> Report:
    """Return what timings come to; in each group the first is ours, the second the library's."""
    targets = []
    for group in dict.fromkeys(timing.group for timing in timings):
        ours, theirs = [timing for timing in timings if timing.group == group][:2]
        targets.append(
            Target(
                f"{group}: the merges of `tokenizers` (no speed was asked for)",
                f"the same {ours.amount:,.0f} merges in {ours.median / theirs.median:.2f} times its seconds",
                True,  # or they would not have been timed
            )
        )
    return Report(
        "bpe",
        "Byte pair encoding",
        "Training, from a text to the list of its merges: the text is cut into pieces by the regular "
        "expression of notebook 07, the pieces are counted, merges are looked for. All ways do all of it, "
        "with one thread, and find the same merges in the same order, which is asserted before anything is "
        "timed. *Seconds without merges* are those of the same with 0 merges. Seconds are of the processor. "
        "The library gets the text as one string.",
        "merges",
        timings,
        ["tokenizers"],
        targets,
        "Ours and the library go the same way: pairs are counted once, a merge visits only the pieces that "
        "have its pair and changes the counts of the pairs beside it, and a heap gives the next pair. The "
        "library's code is compiled and looks for merges faster; Python's regular expressions cut the text "
        "faster. So ours is ahead on both texts, and by less where there are more different pieces and "
        "merges. What limits us is Python's time for each change of a count.\n\n"
        "Notebook 07 counts all pairs anew for each merge: that is the definition, and what students write. "
        "It is left out on the longer text, where it takes minutes.",
    )
