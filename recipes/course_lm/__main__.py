"""`python -m recipes.course_lm`: make course-lm and its encoder twin from nothing, and measure them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Annotated

import typer

from recipes.course_lm import tokens
from recipes.course_lm.text import documents

app = typer.Typer(
    help="Make course-lm from nothing: data, train, encoder, export, evaluate, in this order.\n\n"
    "Example: OMP_NUM_THREADS=2 python -m recipes.course_lm train --minutes 60",
    no_args_is_help=True,
    add_completion=False,
)
Folder = Annotated[Path, typer.Option(help="Where text, checkpoints and weights are kept.")]
BUILD = Path("build/course-lm")
VALID_SEED, TRAIN_SEED = 2, 3
VALID_ROWS = 100


@app.command()
def text(n: int = 5, seed: int = 0, kind: str = "") -> None:
    """Print some documents of the training text.

    Example: python -m recipes.course_lm text --n 3 --kind stories
    """
    chosen = (pair for pair in documents(seed) if kind in ("", pair[0]))
    for name, document in itertools.islice(chosen, n):
        typer.echo(f"--- {name}\n{document}")


@app.command()
def data(folder: Folder = BUILD, rows: int = 12_000) -> None:
    """Draw the text, learn the tokenizer, and write token ids: rows of 513, a fraction of it for validation."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tokens.train_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    for name, seed, n in (("valid", VALID_SEED, VALID_ROWS), ("train", TRAIN_SEED, rows)):
        made, characters = tokens.rows(tokenizer, seed, n, tokens.CONTEXT)
        tokens.save_rows(folder / name, made, characters)
        typer.echo(f"{name}: {made.size:,} tokens, {characters:,} characters")


@app.command()
def train(
    folder: Folder = BUILD,
    steps: Annotated[int | None, typer.Option(help="Steps at a constant rate.")] = None,
    minutes: Annotated[float | None, typer.Option(help="... or minutes; then the cool-down begins.")] = None,
    cooldown: Annotated[int, typer.Option(help="Steps in which the rate falls to zero.")] = 500,
    batch_size: int = 6,
    dtype: str = "bfloat16",
    encoder: Annotated[bool, typer.Option(help="Train the encoder twin instead.")] = False,
) -> None:
    """Train course-lm (or with --encoder its twin); started again, it goes on where it was stopped.

    Example: python -m recipes.course_lm train --minutes 60 --cooldown 500
    """
    from tokenizers import Tokenizer

    from recipes.course_lm import models
    from recipes.course_lm.train import run

    if steps is None and minutes is None:
        raise typer.BadParameter("Pass --steps or --minutes.")
    made, characters = tokens.load_rows(folder / "train")
    if encoder:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        batches = tokens.masked_batches(made, characters, tokenizer, ENCODER_LENGTH)
        model, name = models.new_encoder(), "course-lm-encoder"
    else:
        batches = tokens.next_token_batches(made, characters)
        model, name = models.new_decoder(), "course-lm"
    done = run(
        model,
        models.optimizers(model),
        batches,
        folder / name,
        steps=steps,
        minutes=minutes,
        cooldown=cooldown,
        batch_size=batch_size,
        dtype=dtype,
        label=name,
    )
    (folder / name / "run.json").write_text(json.dumps(done, indent=1) + "\n")
    typer.echo(f"{name}: {done['steps']} + {cooldown} steps, {done['seconds']} s")


ENCODER_LENGTH = 128

if __name__ == "__main__":
    app()
