"""Training in stages: whole rows, half rows for as long as there is time, then a cool-down on whole rows.

Whole rows teach all positions; half rows cost a third less, since attention grows with the length; once the
model writes the language, the labels in it count more. The rate is constant until the cool-down, in which it
falls to zero (Hägele et al. 2024 compare this with a cosine). So the stage before may end at any step: a run
that the clock has stopped is repeated by giving its steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from nextword.batches import Batches
from nextword.training import train
from recipes.course_lm.models import Decoder

WARMUP = 40  # steps
CHECKPOINT_EVERY = 25  # steps: what a kill can cost
ANSWER_WEIGHT = 10.0
COOLDOWN = 0.3  # of the steps before
STAGES = ("stable", "half", "answers", "cooldown")
MANY = 1_000_000  # steps of a stage that ends by the clock


class OutOfTimeError(Exception):
    """The minutes of the first phase are over."""


@dataclass(frozen=True)
class Stage:
    """A stretch of training on one kind of rows; `steps` None means until the clock says so."""

    name: str  # of its checkpoint
    data: Batches
    batch_size: int
    steps: int | None
    seed: int
    cools: bool = False
    answer_weight: float = 1.0


def plan(
    whole: Batches,
    half: Batches | None,
    *,
    batch_size: int,
    steps: int | None,
    cooldown: int | None,
    first: int,
    plain: int,
    seed: int = 0,
) -> list[Stage]:
    """Return the stages of a run with so many steps at a constant rate (None: until the clock ends them).

    The `first` steps read whole rows, the others half rows, twice as many; without half rows, all whole ones.
    After `plain` steps answers count more than other tokens: a label is one token among thirty.
    """
    if half is None:
        constant = [Stage("stable", whole, batch_size, steps, seed)]
    else:
        rest = None if steps is None else steps - plain
        constant = [
            Stage("stable", whole, batch_size, first, seed),
            Stage("half", half, 2 * batch_size, plain - first, seed + 2),
            Stage("answers", half, 2 * batch_size, rest, seed + 3, answer_weight=ANSWER_WEIGHT),
        ]
    weight = 1.0 if half is None else ANSWER_WEIGHT
    return [
        *constant,
        Stage("cooldown", whole, batch_size, cooldown, seed + 1, cools=True, answer_weight=weight),
    ]


def run(
    model: nn.Module,
    optimizers: list[Optimizer],
    stages: Sequence[Stage],
    folder: Path,
    *,
    minutes: float | None = None,
    dtype: str = "float32",
    label: str = "course-lm",
) -> dict[str, Any]:
    """Train a model in place, stage by stage; go on from what `folder` holds; return what was done.

    A stage whose steps are None ends at the last checkpoint within `minutes` from now; such a cool-down
    takes a share of all steps before it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    told = _Log(folder / "log.txt", time.monotonic())
    rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    before = 0  # steps
    for stage in stages:
        checkpoint, done = folder / f"{stage.name}.pt", folder / f"{stage.name}.done"
        steps = stage.steps
        if stage.cools and steps is None:
            steps = max(1, round(COOLDOWN * before))
        if steps == 0:
            continue
        if not done.exists():
            if isinstance(model, Decoder):
                model.answer_weight = stage.answer_weight
            told.line(f"{label}: {stage.name} after {before} steps")
            most = MANY if steps is None else steps
            ends = deadline if steps is None else None
            schedule = _schedule(stage, before, most, ends, told, checkpoint)
            try:
                train(
                    model,
                    stage.data,
                    steps=most,
                    batch_size=stage.batch_size,
                    schedule=schedule,
                    optimizer=optimizers,
                    seed=stage.seed,
                    checkpoint=checkpoint,
                    evaluate_every=CHECKPOINT_EVERY,
                    device="cpu",
                    dtype=dtype,
                    label=f"{label} {stage.name}",
                )
            except OutOfTimeError:
                pass
            done.touch()
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved, peaks in zip(optimizers, state["optimizers"], rates, strict=True):
            optimizer.load_state_dict(saved)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak
        before += state["step"]
    record = record_of(folder, dtype=dtype)
    told.line(f"{label}: {before} steps, {record['train_bits'][-1]:.3f} bits per character")
    return record


def _schedule(
    stage: Stage, before: int, steps: int, deadline: float | None, told: _Log, checkpoint: Path
) -> Callable[[float], float]:
    """Return the multiple of the rate after a fraction of a stage; it also ends one whose time is over."""

    def multiple(fraction: float) -> float:
        step = round(fraction * steps)
        if deadline is not None and time.monotonic() > deadline and checkpoint.exists():
            raise OutOfTimeError
        if step % CHECKPOINT_EVERY == 0:
            told.line(f"step {before + step}")
        return 1 - fraction if stage.cools else min(1.0, (before + step) / WARMUP)

    return multiple


def record_of(folder: Path, *, dtype: str) -> dict[str, Any]:
    """Return what was done, from the checkpoints of the stages that there are."""
    record: dict[str, Any] = {"stages": {}, "dtype": dtype, "train_bits": [], "at_steps": []}
    record |= {"seconds": 0, "processor_seconds": 0, "steps": 0}
    for name in STAGES:
        if not (folder / f"{name}.pt").exists():
            continue
        state = torch.load(folder / f"{name}.pt", map_location="cpu", weights_only=True)
        history = state["history"]
        record["stages"][name] = {"steps": state["step"], "batch_size": state["settings"]["batch_size"]}
        record["train_bits"] += [round(x, 4) for x in history["train"]]
        record["at_steps"] += [record["steps"] + step for step in history["steps"]]
        record["steps"] += state["step"]
        record["seconds"] += round(state["elapsed"])
        record["processor_seconds"] += round(history["processor_seconds"])
    return record


class _Log:
    """A file with the time at the beginning of each line."""

    def __init__(self, path: Path, began: float) -> None:
        self.path, self.began = path, began

    def line(self, text: str) -> None:
        """Add a line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{time.monotonic() - self.began:8.0f} s  {text}\n")
