"""Training in two phases: at a constant rate for as long as there is time, then a cool-down to zero.

The first phase may end at any step, since its rate does not depend on when it ends; what it had written last is
where the second begins. So a run that the clock has stopped at some step is repeated exactly by giving that
number of steps (Hägele et al. 2024 compare such schedules with a cosine).
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from nextword.batches import Batches
from nextword.training import train

WARMUP = 40  # steps
CHECKPOINT_EVERY = 25  # steps: what a kill can cost
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
    cooldown: int,
    batch_size: int,
    seed: int = 0,
    dtype: str = "float32",
    label: str = "course-lm",
) -> dict[str, Any]:
    """Train a model in place, through both phases; go on from what `folder` holds; return what was done.

    Ends the first phase after `steps`, or at the last checkpoint within `minutes`.
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
    done = folder / "stable.json"
    if not done.exists():
        try:
            train(model, data, steps=planned, schedule=constant, optimizer=optimizers, seed=seed,
                  checkpoint=stable, label=label, **settings)  # fmt: skip
        except OutOfTimeError:
            pass
        state = torch.load(stable, map_location="cpu", weights_only=True)
        first = {"steps": state["step"], "seconds": state["elapsed"], "history": state["history"]}
        done.write_text(json.dumps(first) + "\n")
    first = json.loads(done.read_text())
    state = torch.load(stable, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    for optimizer, saved, peaks in zip(optimizers, state["optimizers"], rates, strict=True):
        optimizer.load_state_dict(saved)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak
    told.line(f"{label}: cool-down of {cooldown} steps after {first['steps']}")
    history = train(model, data, steps=cooldown, schedule=lambda fraction: 1 - fraction, optimizer=optimizers,
                    seed=seed + 1, checkpoint=folder / "cooldown.pt", label=f"{label} cool-down", **settings)  # fmt: skip
    told.line(str(history))
    return {
        "steps": first["steps"],
        "cooldown": cooldown,
        "batch_size": batch_size,
        "seconds": round(first["seconds"] + history.seconds[-1]),
        "processor_seconds": round(first["history"]["processor_seconds"] + history.processor_seconds),
        "train_bits": [round(x, 4) for x in first["history"]["train"] + history.train],
        "at_steps": first["history"]["steps"] + [first["steps"] + step for step in history.steps],
        "dtype": dtype,
        "seed": seed,
    }


class _Log:
    """A file with the time at the beginning of each line."""

    def __init__(self, path: Path, began: float) -> None:
        self.path, self.began = path, began

    def line(self, text: str) -> None:
        """Add a line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{time.monotonic() - self.began:8.0f} s  {text}\n")
