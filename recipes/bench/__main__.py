"""The command: python -m recipes.bench [NAME...]."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything is imported that starts threads
os.environ.setdefault("RAYON_NUM_THREADS", "1")  # the threads of `tokenizers`
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import importlib
from typing import Annotated

import typer

from recipes.bench.report import PAGE, publish

NAMES = (  # short ones first
    *("ngram_counting", "ngram_scoring", "word_vectors", "bpe"),
    *("decoding", "notebooks", "training", "grading"),
)


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"Which to measure: {', '.join(NAMES)}. None named: all.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Runs of every way, in turn.")] = 5,
    write: Annotated[bool, typer.Option(help="Write table and plot into docs/.")] = True,
) -> None:
    """Measure the course beside other programs, and write docs/benchmarks.md.

    Examples: python -m recipes.bench; python -m recipes.bench ngram_scoring --runs 3 --no-write
    """
    unknown = [name for name in names or () if name not in NAMES]
    if unknown:
        raise typer.BadParameter(f"There is no benchmark {unknown[0]!r}. Choose from: {', '.join(NAMES)}.")
    for name in names or NAMES:
        report = importlib.import_module(f"recipes.bench.{name}").measure(runs)
        typer.echo(f"\n{report.title}\n\n{report.as_markdown()}\n")
        if write:
            publish(report)
            typer.echo(f"Written to {os.path.relpath(PAGE)}.")


if __name__ == "__main__":
    typer.run(main)
