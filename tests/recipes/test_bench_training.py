"""The training benchmark: its clock, its schedule, its table; the training of minutes is left out."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest
import torch

from recipes.bench import training as bench
from recipes.bench.training import LONG, PLAIN, RECIPES, SHORT, Clocked, Result, Windows, report


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
    assert (PLAIN.batch_size, PLAIN.steps, bench.CONTEXT, bench.WIDTH) == (12, 2000, 64, 128)


def test_every_way_trains_and_is_measured() -> None:
    ids = torch.arange(3000) % 7
    for recipe in RECIPES:
        short = replace(recipe, steps=12, warmup=4, evaluate_every=6)
        result = bench.run(short, ids, ids[:500], 7, seed=0)
        assert len(result.losses) == len(result.seconds) == 2
        assert result.seconds == sorted(result.seconds)
        assert 0 < result.losses[1] < min(result.losses[0], math.log(7))


def test_models_are_of_one_size() -> None:
    ids = torch.arange(3000) % 65
    sizes = [
        bench.run(replace(r, steps=1, evaluate_every=1), ids, ids[:200], 65, seed=0).parameters
        for r in (PLAIN, SHORT)
    ]
    assert sizes[0] - sizes[1] == 64 * 128  # the positions that the rotary model does not need


def test_windows_are_read_once_before_any_comes_again() -> None:
    windows = Windows(torch.arange(1000), 10, 1000)
    generator = torch.Generator().manual_seed(0)
    starts = torch.cat([windows.sample(33, generator)[0][:, 0] for _ in range(3)])
    assert len(starts.unique()) == 99 and len((starts % 10).unique()) == 1
    again = torch.cat([windows.sample(33, generator)[0][:, 0] for _ in range(2)])
    assert len(again.unique()) == 66 and len((again % 10).unique()) == 1
    inputs, targets = windows.sample(5, generator)
    assert inputs.shape == (5, 10) and torch.equal(targets, inputs + 1)


def test_rates_fall_in_a_straight_line() -> None:
    rates = [LONG.schedule((step + 1) / LONG.steps) for step in range(LONG.steps)]
    assert max(rates) == rates[LONG.warmup] == 1
    falls = [a - b for a, b in zip(rates[LONG.warmup :], rates[LONG.warmup + 1 :], strict=False)]
    assert min(falls) == pytest.approx(max(falls)) and 0 < rates[-1] < 0.01


def test_report_says_when_each_loss_was_reached() -> None:
    plain = [
        Result(PLAIN, 800_000, [2.5, 1.88, 1.85], [10.0, 40.0, seconds]) for seconds in (60.0, 58.0, 70.0)
    ]
    ours = [Result(SHORT, 790_000, [1.9, 1.87], [5.0, 8.0])] * 3
    longer = [Result(LONG, 790_000, [1.7, loss], [20.0, 50.0]) for loss in (1.599, 1.61, 1.59)]
    found = report([plain, ours, longer])
    table = found.table()
    assert "| nanoGPT's recipe: AdamW | 800,000 | 2,000 × 12 | 1.850 | 40 s | not reached | 60.0 |" in table
    assert "| ours, for 1.88 | 790,000 | 210 × 16 | 1.870 | 8 s | not reached | 8.00 |" in table
    assert [(t.measured, t.reached) for t in found.targets] == [("13%", True), ("83%", True)]
    assert "ours, for 1.60 ends at 1.60 after 50 seconds" in found.as_markdown()
    missed = report([plain, ours, [Result(LONG, 790_000, [1.7, 1.62], [20.0, 57.0])] * 3])
    assert (missed.targets[1].measured, missed.targets[1].reached) == ("ended at 1.620 after 95%", False)
