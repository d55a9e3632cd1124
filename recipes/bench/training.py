"""How soon our trainer has the losses of nanoGPT's recipe for a processor.

The recipe (nanoGPT's README, "I only have a macbook"): characters of Tiny Shakespeare, 4 layers, 4 heads, 128
wide, windows of 64, batches of 12, 2,000 steps of AdamW. It is run here in our code, and beside it our own
settings with a model of the same size. What is measured is processor time, without the evaluations.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from matplotlib import pyplot
from matplotlib.figure import Figure
from torch import Tensor
from torch.optim import AdamW, Optimizer

from autograder.errors import CourseError
from nextword import plots
from nextword.batches import TokenBatches
from nextword.corpora import corpus
from nextword.models import GPT, GPTConfig
from nextword.optimizers import muon_and_adamw
from nextword.tokenizers import CharacterTokenizer
from nextword.training import train
from recipes.bench.alternating import Timing, alternating
from recipes.bench.report import ROOT, Report, Target

TEXT = (
    ROOT.parent / "shared" / "data" / "tinyshakespeare" / "input.txt"
)  # where it lies on the course's machine
TARGETS = (1.88, 1.60)  # nats per character on the held-out text; the first is what nanoGPT's README names
CONTEXT, LAYERS, HEADS, WIDTH = 64, 4, 4, 128


@dataclass(frozen=True)
class Recipe:
    """One way to train the model; its target decides how long it must be."""

    name: str
    steps: int
    batch_size: int
    warmup: int
    low: float  # the share of the full rates at the end
    positions: str
    rate: float  # of AdamW, for what Muon does not take
    decay: str = "cosine"  # or "linear": how the rates fall after the warm-up
    once: bool = False  # read every window once before any comes again, not windows anywhere at random
    muon_rate: float | None = None
    momentum: float = 0.95  # of Muon
    weight_decay: float = 0.1
    evaluate_every: int = 100

    def optimizers(self, model: GPT) -> list[Optimizer]:
        """Return the optimizers of a model's parameters."""
        if self.muon_rate is not None:
            return muon_and_adamw(
                model,
                learning_rate=self.muon_rate,
                adamw_learning_rate=self.rate,
                momentum=self.momentum,
                weight_decay=self.weight_decay,
            )
        matrices = [p for p in model.parameters() if p.ndim >= 2]
        rest = [p for p in model.parameters() if p.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": self.weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ]
        return [AdamW(groups, lr=self.rate, betas=(0.9, 0.99), fused=True)]

    def schedule(self, fraction: float) -> float:
        """Return the share of the full rates after a fraction of the run: warm-up, then half a cosine or a
        straight line.
        """
        step = round(fraction * self.steps) - 1
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        progress = (step - self.warmup) / (self.steps - self.warmup)
        left = 1 - progress if self.decay == "linear" else (1 + math.cos(math.pi * progress)) / 2
        return self.low + (1 - self.low) * left


PLAIN = Recipe("nanoGPT's recipe: AdamW", 2000, 12, 100, 0.1, "learned", rate=1e-3)
SHORT = Recipe(
    "ours, for 1.88",
    steps=210,
    batch_size=16,
    warmup=10,
    low=0.0,
    positions="rotary",
    rate=2e-2,
    decay="linear",
    once=True,
    muon_rate=0.05,
    momentum=0.9,
    weight_decay=0.0,
    evaluate_every=15,
)
# Larger batches share Muon's cost, a fifth of a step of 16, among more windows.
LONG = replace(
    SHORT,
    name="ours, for 1.60",
    steps=750,
    batch_size=24,
    rate=3e-2,
    muon_rate=0.06,
    momentum=0.85,
    evaluate_every=50,
)
RECIPES = (PLAIN, SHORT, LONG)


class Windows(TokenBatches):
    """A text cut into windows that do not overlap; `sample` draws each of them once before any comes again.

    Where the cuts lie is drawn anew each time all windows have been read.
    """

    def __init__(self, ids: Tensor, length: int, characters: int) -> None:
        super().__init__(ids, length, characters)
        self.left = torch.empty(0, dtype=torch.long)

    def sample(self, size: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return the next `size` windows: inputs and targets, (size, length) each."""
        while len(self.left) < size:
            first = int(torch.randint(self.length, (1,), generator=generator))
            starts = torch.arange(first, len(self.ids) - self.length, self.length)
            drawn = starts[torch.randperm(len(starts), generator=generator)]
            self.left = torch.cat([self.left, drawn])
        starts, self.left = self.left[:size], self.left[size:]
        windows = self.ids[starts[:, None] + torch.arange(self.length + 1)]
        return windows[:, :-1], windows[:, 1:]


class Clocked(TokenBatches):
    """Held-out text that notes, whenever it is read, how long training has taken by then."""

    def __init__(self, ids: Tensor, length: int, characters: int) -> None:
        super().__init__(ids, length, characters)
        self.began, self.away = time.process_time(), 0.0
        self.marks: list[float] = []

    def chunks(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield all rows once; the time until the last of them has been dealt with is not training."""
        start = time.process_time()
        self.marks.append(start - self.began - self.away)
        yield from super().chunks(size)
        self.away += time.process_time() - start


@dataclass(frozen=True)
class Result:
    """What a run came to: its losses (nats per character) and processor seconds at each evaluation."""

    recipe: Recipe
    parameters: int
    losses: list[float]
    seconds: list[float]

    def seconds_to(self, target: float) -> float | None:
        """Return the seconds after which an evaluation first showed the target; None if none did."""
        reached = (s for loss, s in zip(self.losses, self.seconds, strict=True) if loss <= target)
        return next(reached, None)


def run(recipe: Recipe, train_ids: Tensor, valid_ids: Tensor, n_characters: int, seed: int) -> Result:
    """Train one model by a recipe and return what was measured."""
    torch.manual_seed(seed)
    model = GPT(
        GPTConfig(
            n_characters,
            n_positions=CONTEXT,
            n_layers=LAYERS,
            n_heads=HEADS,
            embedding_dim=WIDTH,
            positions=recipe.positions,
        )
    )
    data = (Windows if recipe.once else TokenBatches)(train_ids, CONTEXT, len(train_ids))
    valid = Clocked(valid_ids, CONTEXT, len(valid_ids))
    history = train(
        model,
        data,
        valid=valid,
        steps=recipe.steps,
        batch_size=recipe.batch_size,
        optimizer=recipe.optimizers(model),
        schedule=recipe.schedule,
        evaluate_every=recipe.evaluate_every,
        seed=seed,
        device="cpu",
        dtype="float32",
        label=recipe.name,
    )
    # `valid` comes as bits for each of its characters; the loss is nats for each prediction, one fewer
    losses = [bits * math.log(2) * len(valid_ids) / valid.predictions for bits in history.valid]
    return Result(recipe, sum(p.numel() for p in model.parameters()), losses, valid.marks)


def seconds_to(results: Sequence[Result], target: float) -> float | None:
    """Return the median seconds to a target over runs of one recipe; None where most never reached it."""
    told = statistics.median(result.seconds_to(target) or math.inf for result in results)
    return None if math.isinf(told) else told


def curves(results: Sequence[Result]) -> tuple[Figure, str]:
    """Draw the losses of runs over processor seconds; return the figure and its alt text."""
    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    for i, result in enumerate(results):
        name, colour = result.recipe.name, plots.COLOURS[i]
        style = {"color": colour, "linestyle": plots.DASHES[i], "linewidth": 2}
        axes.plot(result.seconds, result.losses, label=name, **style)
    for target in TARGETS:
        axes.axhline(target, color="0.6", linewidth=1, linestyle=":")
        axes.annotate(f"target {target:.2f}", (0, target), (4, 3), textcoords="offset points")
    axes.set_ylim(min(TARGETS) - 0.05, 2.6)
    axes.set_xlim(0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set(xlabel="processor seconds", ylabel="nats per character, held-out text")
    axes.set_title("Training, beside nanoGPT's recipe", loc="left")
    axes.legend(frameon=False)
    told = "; ".join(
        f"{r.recipe.name} ends at {r.losses[-1]:.2f} after {r.seconds[-1]:.0f} seconds" for r in results
    )
    return figure, f"Loss on held-out text against processor seconds, the first run of each. {told}."


ABOUT = f"""Characters of Tiny Shakespeare; a model of {LAYERS} layers, {HEADS} heads, width {WIDTH},
windows of {CONTEXT}. The loss is in nats per character on the whole last tenth of the text,
in windows that do not overlap. Seconds are of processor time, without evaluations; every run
has a seed of its own. Ours: Muon beside AdamW, rotary positions, every window read once
before any comes again, rates that fall in a straight line to 0, larger batches and fewer
steps."""


def report(results: Sequence[Sequence[Result]]) -> Report:
    """Return what runs of the plain recipe, of ours for the first and ours for the second target came to."""
    plain, *ours = results
    whole = statistics.median(r.seconds[-1] for r in plain)
    timings = []
    for runs in (*ours, plain):
        recipe, to = runs[0].recipe, {target: seconds_to(runs, target) for target in TARGETS}
        more = {
            "parameters": f"{runs[0].parameters:,}",
            "steps × batch": f"{recipe.steps:,} × {recipe.batch_size}",
            "last loss": f"{statistics.median(r.losses[-1] for r in runs):.3f}",
            **{f"to {target:.2f}": f"{s:.0f} s" if s else "not reached" for target, s in to.items()},
        }
        characters = recipe.steps * recipe.batch_size * CONTEXT
        timings.append(Timing(recipe.name, tuple(r.seconds[-1] for r in runs), characters, more))
    targets = []
    for runs, target, allowed, share in zip(ours, TARGETS, ("a quarter", "all"), (0.25, 1.0), strict=True):
        seconds = seconds_to(runs, target)
        loss = statistics.median(r.losses[-1] for r in runs)
        ended = statistics.median(r.seconds[-1] for r in runs) / whole
        told = f"{seconds / whole:.0%}" if seconds else f"ended at {loss:.3f} after {ended:.0%}"
        reached = seconds is not None and seconds <= share * whole
        targets.append(
            Target(f"a loss of {target:.2f} in {allowed} of the recipe's whole time", told, reached)
        )
    return Report(
        name="training",
        title="Training, beside nanoGPT's recipe",
        about=ABOUT,
        unit="characters",
        timings=timings,
        packages=["torch"],
        targets=targets,
        figure=curves([runs[0] for runs in results]),
    )


def measure(runs: int, text: Path | None = None) -> Report:
    """Train by nanoGPT's recipe and by ours, `runs` times each in turn (five minutes a turn).

    `text` is Tiny Shakespeare; left out, it is looked for beside the repository, or fetched. Raises
    CourseError where it can't be had.
    """
    shakespeare = corpus("tiny_shakespeare", source=text or (TEXT if TEXT.exists() else None))
    if shakespeare.name != "tiny_shakespeare":
        raise CourseError("There is no network to fetch Tiny Shakespeare.", f"Put a copy at {TEXT}.")
    held_out = shakespeare.valid + shakespeare.test  # nanoGPT holds out the last tenth
    tokenizer = CharacterTokenizer.train(shakespeare.train + held_out)
    train_ids, valid_ids = (torch.tensor(tokenizer.encode(part)) for part in (shakespeare.train, held_out))
    results: dict[str, list[Result]] = {recipe.name: [] for recipe in RECIPES}

    def once(recipe: Recipe) -> float:
        done = results[recipe.name]
        done.append(run(recipe, train_ids, valid_ids, len(tokenizer), seed=len(done)))
        return done[-1].seconds[-1]

    alternating({recipe.name: lambda recipe=recipe: once(recipe) for recipe in RECIPES}, runs)
    return report(list(results.values()))
