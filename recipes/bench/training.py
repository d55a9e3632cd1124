"""How soon our trainer has the losses of nanoGPT's recipe for a processor.

The recipe (nanoGPT's README, "I only have a macbook"): characters of Tiny Shakespeare, 4 layers, 4 heads, 128
wide, windows of 64, batches of 12, 2,000 steps of AdamW. It is run here in our code, and beside it our own
settings with a model of the same size. What is measured is processor time, without the evaluations.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor
from torch.optim import AdamW, Optimizer

from nextword.batches import TokenBatches
from nextword.corpora import corpus
from nextword.models import GPT, GPTConfig
from nextword.optimizers import muon_and_adamw
from nextword.tokenizers import CharacterTokenizer
from nextword.training import train

HERE = Path(__file__).resolve().parents[2]
TEXT = (
    HERE.parent / "shared" / "data" / "tinyshakespeare" / "input.txt"
)  # where it lies on the course's machine
TABLE = HERE / "docs" / "benchmarks.md"
BEGIN, END = (
    "<!-- training: written by `python -m recipes.bench training` -->",
    "<!-- end of the training benchmark -->",
)
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
        """Return the share of the full rates after a fraction of the run: warm-up, then half a cosine."""
        step = round(fraction * self.steps) - 1
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        progress = (step - self.warmup) / (self.steps - self.warmup)
        return self.low + (1 - self.low) * (1 + math.cos(math.pi * progress)) / 2


PLAIN = Recipe("nanoGPT's recipe: AdamW", 2000, 12, 100, 0.1, "learned", rate=1e-3)
SHORT = Recipe(
    "ours, for 1.88",
    250,
    16,
    10,
    0.0,
    "rotary",
    rate=2e-2,
    muon_rate=0.05,
    momentum=0.9,
    weight_decay=0.0,
    evaluate_every=25,
)
LONG = replace(SHORT, name="ours, for 1.60", steps=1050, evaluate_every=50)
OURS = (SHORT, LONG)


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
    data = TokenBatches(train_ids, CONTEXT, len(train_ids))
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


def table(results: list[Result], threads: int) -> str:
    """Return what was measured as text for the documentation."""
    plain = results[0]

    def cell(result: Result, target: float) -> str:
        seconds, before = result.seconds_to(target), plain.seconds_to(target)
        if seconds is None:
            return "not reached"
        return f"{seconds:.0f} s" + (f" (1/{before / seconds:.1f})" if before and result is not plain else "")

    rows = [
        f"| {r.recipe.name} | {r.parameters:,} | {r.recipe.steps:,} × {r.recipe.batch_size} | "
        f"{r.seconds[-1]:.0f} s | {r.losses[-1]:.3f} | "
        + " | ".join(cell(r, target) for target in TARGETS)
        + " |"
        for r in results
    ]
    heads = " | ".join(f"to {target:.2f}" for target in TARGETS)
    verdicts = []
    for result, target, allowed in zip(results[1:], TARGETS, ("a quarter", "all of it"), strict=False):
        seconds = result.seconds_to(target)
        told = (
            f"{target:.2f} was not reached: {result.losses[-1]:.3f} after"
            f" {result.seconds[-1] / plain.seconds[-1]:.0%}"
            if seconds is None
            else f"{target:.2f} took {seconds / plain.seconds[-1]:.0%}"
        )
        verdicts.append(f"{told} of the recipe's whole time (target: {allowed}).")
    return "\n".join(
        [
            BEGIN,
            "",
            f"`make bench-train`: {threads} thread{'s' * (threads > 1)}, {platform.machine()}, "
            f"Python {platform.python_version()}, torch {torch.__version__}. Characters of Tiny "
            f"Shakespeare; a model of {LAYERS} layers, {HEADS} heads, width {WIDTH}, windows of {CONTEXT}. "
            "The loss is in nats per character on the whole last tenth of the text, in windows that do not "
            "overlap. Seconds are of processor time, without evaluations.",
            "",
            f"| way | parameters | steps × batch | whole run | last loss | {heads} |",
            "|---|---:|---:|---:|---:|---:|---:|",
            *rows,
            "",
            *verdicts,
            "",
            END,
        ]
    )


def written(page: str, part: str) -> str:
    """Return the page with the part between its marks, or after its end where it has none."""
    if BEGIN in page:
        before, rest = page.split(BEGIN, 1)
        return before + part + rest.split(END, 1)[1]
    return page.rstrip() + "\n\n## Training, beside nanoGPT's recipe\n\n" + part + "\n"


def main(
    text: Annotated[
        Path | None, typer.Option(help="Tiny Shakespeare; left out, it is looked for, or fetched.")
    ] = None,
    only: Annotated[
        str, typer.Option(help="Run only the ways whose name has this in it; write nothing.")
    ] = "",
    threads: int = 1,
    seed: int = 0,
) -> None:
    """Train by nanoGPT's recipe and by ours, and write the table into docs/benchmarks.md (ten minutes).

    Example: python -m recipes.bench training
    """
    torch.set_num_threads(threads)
    shakespeare = corpus("tiny_shakespeare", source=text or (TEXT if TEXT.exists() else None))
    if shakespeare.name != "tiny_shakespeare":
        raise typer.BadParameter("There is no network to fetch the text. Pass --text with a copy of it.")
    held_out = shakespeare.valid + shakespeare.test  # nanoGPT holds out the last tenth
    tokenizer = CharacterTokenizer.train(shakespeare.train + held_out)
    train_ids, valid_ids = (torch.tensor(tokenizer.encode(part)) for part in (shakespeare.train, held_out))
    results = []
    for recipe in (PLAIN, *OURS):
        if only in recipe.name:
            results.append(run(recipe, train_ids, valid_ids, len(tokenizer), seed))
            typer.echo(
                f"{recipe.name}: {results[-1].losses[-1]:.3f} after {results[-1].seconds[-1]:.0f} s; "
                + ", ".join(
                    f"{target:.2f} after {results[-1].seconds_to(target) or math.nan:.0f} s"
                    for target in TARGETS
                )
            )
    if only:
        return
    part = table(results, threads)
    TABLE.write_text(written(TABLE.read_text(encoding="utf-8"), part), encoding="utf-8")
    typer.echo(part)


if __name__ == "__main__":
    typer.run(main)
