"""Training in two phases: at a constant rate for as long as there is time, then a cool-down to zero.

The first phase may end at any step, since its rate does not depend on when it ends; what it had written last
is where the second begins. So a run that the clock has stopped at some step is repeated exactly by giving
that number of steps (Hägele et al. 2024 compare such schedules with a cosine).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from nextword.batches import Batches
from nextword.training import History, train

WARMUP = 40  # steps
CHECKPOINT_EVERY = 25  # steps: what a kill can cost
COOLDOWN = 0.3  # of the steps of the first phase
MANY = 1_000_000  # steps of a first phase that ends by the clock


class OutOfTimeError(Exception):
    """The minutes of the first phase are over."""


def run(
    model: nn.Module,
    optimizers: list[Optimizer],
    data: Batches,
    folder: Path,
    *,
    steps: int | None,
    minutes: float | None,
    cooldown: int | None,
    batch_size: int,
    seed: int = 0,
    dtype: str = "float32",
    label: str = "course-lm",
) -> dict[str, Any]:
    """Train a model in place, through both phases; go on from what `folder` holds; return what was done.

    Ends the first phase after `steps`, or at the last checkpoint within `minutes`. Without `cooldown` the second
    takes a share of the first one's steps.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {
        "batch_size": batch_size,
        "clip": 1.0,
        "evaluate_every": CHECKPOINT_EVERY,
        "device": "cpu",
        "dtype": dtype,
    }
    stable = folder / "stable.pt"
    planned = steps or MANY
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    told = _Log(folder / "log.txt", time.monotonic())

    def constant(fraction: float) -> float:
        step = round(fraction * planned)
        if deadline is not None and time.monotonic() > deadline and stable.exists():
            raise OutOfTimeError
        if step % CHECKPOINT_EVERY == 0:
            told.line(f"{label}: step {step}")
        return min(1.0, step / WARMUP)

    rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    done = folder / "stable.done"
    if not done.exists():
        try:
            train(
                model,
                data,
                steps=planned,
                schedule=constant,
                optimizer=optimizers,
                seed=seed,
                checkpoint=stable,
                label=label,
                **settings,
            )
        except OutOfTimeError:
            pass
        done.touch()
    state = torch.load(stable, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    for optimizer, saved, peaks in zip(optimizers, state["optimizers"], rates, strict=True):
        optimizer.load_state_dict(saved)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak
    cooldown = cooldown or max(1, round(COOLDOWN * state["step"]))
    told.line(f"{label}: cool-down of {cooldown} steps after {state['step']}")
    history = train(
        model,
        data,
        steps=cooldown,
        schedule=lambda fraction: 1 - fraction,
        optimizer=optimizers,
        seed=seed + 1,
        checkpoint=folder / "cooldown.pt",
        label=f"{label} cool-down",
        **settings,
    )
    told.line(str(history))
    return record_of(state, history, cooldown=cooldown, dtype=dtype)


def record_of(
    stable: dict[str, Any], history: History | None, *, cooldown: int, dtype: str = "bfloat16"
) -> dict[str, Any]:
    """Return what was done, from the checkpoint of the first phase and the history of the second."""
    after = history or History()
    first = stable["history"]
    return {
        "steps": stable["step"],
        "cooldown": cooldown,
        "batch_size": stable["settings"]["batch_size"],
        "seconds": round(stable["elapsed"] + (after.seconds[-1] if after.seconds else 0)),
        "processor_seconds": round(first["processor_seconds"] + after.processor_seconds),
        "train_bits": [round(x, 4) for x in first["train"] + after.train],
        "at_steps": first["steps"] + [stable["step"] + step for step in after.steps],
        "dtype": dtype,
        "seed": stable["settings"]["seed"],
    }


class _Log:
    """A file with the time at the beginning of each line."""

    def __init__(self, path: Path, began: float) -> None:
        self.path, self.began = path, began

    def line(self, text: str) -> None:
        """Add a line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{time.monotonic() - self.began:8.0f} s  {text}\n")
