"""Notebook 07: its tokenizer against the `tokenizers` library, costs against PyTorch's counter, its prose."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from solved import solved_names, worked_examples
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from autograder.source import read_source
from nextword import corpus
from nextword.metrics import text_of
from nextword.models import GPT, GPTConfig

ROOT = Path(__file__).parents[2]
SOURCE = read_source(ROOT / "solutions" / "07_pretraining.py")
TEXT = "\n".join(cell.source for cell in SOURCE.cells)


SOLVED = solved_names(SOURCE)


@pytest.mark.parametrize("exercise", [cell.name for cell in SOURCE.of_role("exercise")])
def test_worked_example_is_what_the_solution_returns(exercise: str) -> None:
    examples, failures = worked_examples(exercise, SOLVED)
    assert examples
    assert not failures, failures


# Byte pair encoding against the library


def merges_of_the_library(counts: Counter[str], n_merges: int) -> list[tuple[str, str]]:
    """Merges of `tokenizers`, each byte as the character of that number."""
    pieces = {piece.encode().decode("latin-1"): times for piece, times in counts.items()}
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.CharDelimiterSplit("\0")
    size = len({character for piece in pieces for character in piece}) + n_merges
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False)
    tokenizer.train_from_iterator(("\0".join([p] * times) for p, times in pieces.items()), trainer)
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def as_text(merges: list[tuple[int, int]]) -> list[tuple[str, str]]:
    tokens = [bytes([i]) for i in range(256)]
    told = []
    for left, right in merges:
        told.append((tokens[left].decode("latin-1"), tokens[right].decode("latin-1")))
        tokens.append(tokens[left] + tokens[right])
    return told


def english() -> str:
    """Our own documentation: English with code, tables and signs of all kinds."""
    return "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md")))


def russian() -> str:
    words = "мороз солнце день чудесный друг прелестный пора красавица проснись взоры север звезда".split()
    draw = random.Random(7)
    return " ".join(
        draw.choice(words) + draw.choice(["", "ый", "ая", "ом", "!", ", ещё"]) for _ in range(3000)
    )


TEXTS = {
    "village": (lambda: text_of(corpus("village").train[:1500]), 400),
    "documentation": (english, 250),
    "russian": (russian, 100),
}


@pytest.mark.parametrize("name", TEXTS)
def test_merges_equal_those_of_the_tokenizers_library(name: str) -> None:
    make, n_merges = TEXTS[name]
    counts = Counter(SOLVED["PIECES"].findall(make()))
    ours = as_text(SOLVED["train_bpe"](counts, n_merges))
    assert len(ours) == n_merges
    assert ours == merges_of_the_library(counts, n_merges)[:n_merges]


def test_pieces_make_the_text_again() -> None:
    text = "Hm, tsk!  Two  spaces,\n\nan_underscore; naïve 3.14 — ещё\t(tab)"
    assert "".join(SOLVED["PIECES"].findall(text)) == text


def test_tokens_make_the_text_again_and_new_words_too() -> None:
    names = dict(SOLVED)
    cell = next(cell for cell in SOURCE.of_role("experiment") if "class BytePairTokenizer" in cell.source)
    exec(cell.source.split("village_merges =")[0], names)
    tokenizer = names["BytePairTokenizer"](SOLVED["train_bpe"](SOLVED["little_text"], 6))
    for text in ["an old colt told\na cold ñandú", "", " old"]:
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode(" cold old") == [259, 260]


def test_table_of_the_first_merges_is_right() -> None:
    merges = SOLVED["train_bpe"](SOLVED["little_text"], 4)
    assert as_text(merges) == [("o", "l"), ("ol", "d"), (" ", "c"), (" c", "old")]
    for text in ["`o l` occurs 10 times", "`ol d`, 9 times", "`␣ c`, 5 times", "`␣c old`, 4 times"]:
        assert text in TEXT


# Costs


@pytest.mark.parametrize("sizes", [(1, 16, 11, 8), (3, 32, 50, 16)])
def test_operations_equal_those_that_pytorch_counts(sizes: tuple[int, int, int, int]) -> None:
    n_layers, width, vocabulary, context = sizes
    model = GPT(GPTConfig(vocabulary, n_positions=context, n_layers=n_layers, n_heads=2, embedding_dim=width))
    idx = torch.randint(vocabulary, (3, context))
    # written out: the counter knows no fused attention on a processor
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(idx, idx)[1].backward()
    ours = SOLVED["estimate_flops"](n_layers, width, vocabulary, context, idx.numel())
    assert counter.get_total_flops() == ours


def test_numbers_of_the_prose_are_right() -> None:
    assert math.isclose(6 * 175e9 * 300e9, 3.15e23)
    assert 95 < 3.15e23 / 1e14 / 86_400 / 365 < 105  # "a hundred years"
    assert round(300 / 175, 1) == 1.7
    assert (round(2.9 / 2.1, 2), round(2.9 / 2.1 / math.log(2), 2), round(1.5 / math.log(2), 2)) == (
        1.38,
        1.99,
        2.16,
    )


# Objectives


def test_sentinels_and_spans_hold_the_whole_text() -> None:
    draw = random.Random(0)
    sentinels = [f"<{i}>" for i in range(9)]
    for _ in range(100):
        n = draw.randrange(2, 40)
        borders = sorted(draw.sample(range(n + 1), 2 * draw.randrange(1, min(4, (n + 1) // 2) + 1)))
        spans = list(zip(borders[::2], borders[1::2], strict=True))
        tokens = [f"w{i}" for i in range(n)]
        source, target = SOLVED["corrupt_spans"](tokens, spans, sentinels)
        filled: list[str] = []
        for token in source:
            if token in sentinels:
                after = target[target.index(token) + 1 :]
                filled += after[: next(i for i, t in enumerate(after) if t in sentinels)]
            else:
                filled.append(token)
        assert filled == tokens
        assert [t for t in target if t in sentinels] == sentinels[: len(spans) + 1]


def test_masking_follows_the_binomial_law() -> None:
    ids = torch.full((300, 400), 7)
    generator = torch.Generator().manual_seed(0)
    seen, asked = SOLVED["mask_tokens"](ids, torch.ones_like(ids, dtype=torch.bool), 1, 2, generator)
    chosen = int((asked != -100).sum())
    for n, of, p in [
        (chosen, ids.numel(), 0.15),
        (int((seen == 0).sum()), chosen, 0.05),  # a random token is 0 or 1 here
        (int((seen == 7)[asked != -100].sum()), chosen, 0.1),
    ]:
        assert abs(n - of * p) < 4 * math.sqrt(of * p * (1 - p))


def test_next_sentences_are_half_of_the_pairs() -> None:
    documents = [[f"{d}.{i}" for i in range(5)] for d in range(400)]
    pairs = SOLVED["next_sentence_pairs"](documents, np.random.default_rng(1))
    assert abs(sum(label for *_, label in pairs) - 800) < 4 * math.sqrt(1600) / 2
