"""The training benchmark: its clock, its schedule, its table; the training of minutes is left out."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import torch

from recipes.bench import training as bench_train
from recipes.bench.training import OURS, PLAIN, Clocked, Result, table, written


def test_clock_leaves_out_what_is_done_with_the_held_out_text() -> None:
    valid = Clocked(torch.arange(100) % 5, 10, 100)
    for _ in range(2):
        for _ in valid.chunks(4):
            busy = time.process_time()
            while time.process_time() - busy < 0.05:
                pass
    assert valid.marks[1] - valid.marks[0] < 0.05


def test_recipe_is_nanogpts() -> None:
    rates = [PLAIN.rate * PLAIN.schedule((step + 1) / PLAIN.steps) for step in range(PLAIN.steps)]
    assert rates[0] == pytest.approx(1e-3 / 101)
    assert max(rates) == rates[100] == pytest.approx(1e-3)
    assert rates[-1] == pytest.approx(1e-4, rel=1e-4)
    assert (PLAIN.batch_size, PLAIN.steps, bench_train.CONTEXT, bench_train.WIDTH) == (12, 2000, 64, 128)


def test_every_way_trains_and_is_measured() -> None:
    ids = torch.arange(3000) % 7
    for recipe in (PLAIN, *OURS):
        short = replace(recipe, steps=4, warmup=1, evaluate_every=2)
        result = bench_train.run(short, ids, ids[:500], 7, seed=0)
        assert len(result.losses) == len(result.seconds) == 2
        assert result.seconds == sorted(result.seconds)
        assert 0 < result.losses[1] < result.losses[0] < 2.1  # ln 7 = 1.95


def test_models_are_of_one_size() -> None:
    ids = torch.arange(3000) % 65
    sizes = [
        bench_train.run(replace(r, steps=1, evaluate_every=1), ids, ids[:200], 65, seed=0).parameters
        for r in (PLAIN, OURS[0])
    ]
    assert sizes[0] - sizes[1] == 64 * 128  # the positions that the rotary model does not need


def test_table_says_when_each_loss_was_reached() -> None:
    plain = Result(PLAIN, 800_000, [2.5, 1.88, 1.85], [10.0, 40.0, 60.0])
    ours = Result(OURS[0], 790_000, [1.9, 1.87], [5.0, 8.0])
    longer = Result(OURS[1], 790_000, [1.7, 1.599], [20.0, 50.0])
    text = table([plain, ours, longer], threads=1)
    assert "| 60 s | 1.850 | 40 s | not reached |" in text
    assert "| 8 s | 1.870 | 8 s (1/5.0) | not reached |" in text
    assert "1.88 took 13% of the recipe's whole time (target: a quarter)." in text
    assert "1.60 took 83% of the recipe's whole time (target: all of it)." in text
    short = Result(OURS[1], 790_000, [1.7, 1.62], [20.0, 57.0])
    missed = table([plain, ours, short], threads=1)
    assert "1.60 was not reached: 1.620 after 95% of the recipe's whole time (target: all of it)." in missed


def test_page_keeps_what_stands_around_the_table() -> None:
    part = f"{bench_train.BEGIN}\nnew\n{bench_train.END}"
    page = written("# Benchmarks\n\nBefore.\n", part)
    assert page.startswith("# Benchmarks\n\nBefore.\n") and page.count("new") == 1
    again = written(page + "\nAfter.\n", part.replace("new", "newer"))
    assert "Before." in again and again.endswith("\nAfter.\n") and "newer" in again and "\nnew\n" not in again
