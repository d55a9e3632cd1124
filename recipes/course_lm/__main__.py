"""`python -m recipes.course_lm`: make course-lm, its encoder twin and its draft; measure them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.course_lm import tokens
from recipes.course_lm.text import documents

if TYPE_CHECKING:
    from recipes.course_lm import models

app = typer.Typer(
    help="Make course-lm from nothing: data, train, export, evaluate; or everything at once.\n\n"
    "Example: OMP_NUM_THREADS=2 python -m recipes.course_lm everything",
    no_args_is_help=True,
    add_completion=False,
)
Folder = Annotated[Path, typer.Option(help="Where text, checkpoints and weights are kept.")]
BUILD = Path("build/course-lm")
VALID_SEED, TRAIN_SEED = 2, 3
VALID_ROWS = 100
PACKAGE = Path("helpers/src/nextword/data")
ENCODER_LENGTH = 128


@app.command()
def text(n: int = 5, seed: int = 0, kind: str = "") -> None:
    """Print some documents of the training text.

    Example: python -m recipes.course_lm text --n 3 --kind stories
    """
    chosen = (pair for pair in documents(seed) if kind in ("", pair[0]))
    for name, document in itertools.islice(chosen, n):
        typer.echo(f"--- {name}\n{document}")


@app.command()
def data(folder: Folder = BUILD, rows: int = 24_000) -> None:
    """Draw the text, learn the tokenizer, and write token ids: rows of 513, some for validation."""
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
    steps: Annotated[
        int | None, typer.Option(help="Steps at a constant rate, the first ones included.")
    ] = None,
    first: Annotated[int, typer.Option(help="Steps on whole rows before those on half rows.")] = 600,
    plain: Annotated[int, typer.Option(help="Steps before labels begin to count more.")] = 1200,
    minutes: Annotated[float | None, typer.Option(help="... or minutes; then the cool-down begins.")] = None,
    cooldown: Annotated[
        int | None, typer.Option(help="Steps in which the rate falls to zero; left out, 30% of those before.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows in a step.")] = None,
    dtype: str = "bfloat16",
    encoder: Annotated[bool, typer.Option(help="Train the encoder twin instead.")] = False,
    draft: Annotated[bool, typer.Option(help="Train the small draft model instead.")] = False,
) -> None:
    """Train course-lm (or its twin, or its draft); started again, it goes on where it was stopped.

    Example: python -m recipes.course_lm train --minutes 60
    """
    from tokenizers import Tokenizer

    from recipes.course_lm import models
    from recipes.course_lm.train import plan, run

    if steps is None and minutes is None:
        raise typer.BadParameter("Pass --steps or --minutes.")
    if not (encoder or draft) and not 0 <= first <= plain <= (plain if steps is None else steps):
        raise typer.BadParameter(
            f"--first {first}, --plain {plain} and --steps {steps} must rise in this order."
        )
    name = model_name(encoder=encoder, draft=draft)
    made, characters = tokens.load_rows(folder / "train")
    model: models.Decoder | models.Encoder
    if encoder:
        whole, half = tokens.masked_batches(made, characters, ENCODER_LENGTH), None
        model = models.new_encoder()
        models.begin_as(model, trained_decoder(folder))
    elif draft:  # attention is little of its work, so half rows would save nothing
        whole, half = tokens.next_token_batches(made, characters), None
        model = models.new_draft()
    else:
        whole, half = (tokens.next_token_batches(made, characters, pieces) for pieces in (1, 2))
        model = models.new_decoder()
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        model.know_answers(*tokens.answers_and_askers(tokenizer))
    stages = plan(
        whole,
        half,
        batch_size=batch_size or (16 if encoder else 4),
        steps=steps,
        cooldown=cooldown,
        first=first,
        plain=plain,
    )
    done = run(
        model, models.optimizers(model), stages, folder / name, minutes=minutes, dtype=dtype, label=name
    )
    (folder / name / "run.json").write_text(json.dumps(done, indent=1) + "\n")
    typer.echo(f"{name}: {done['steps']} steps, {done['seconds']} s")


def model_name(*, encoder: bool, draft: bool) -> str:
    """Return the name of the model that the switches ask for. Raises BadParameter when they ask for two."""
    if encoder and draft:
        raise typer.BadParameter("Pass --encoder or --draft: there is no draft of the encoder.")
    return "course-lm-encoder" if encoder else "course-lm-draft" if draft else "course-lm"


def trained_decoder(folder: Path) -> models.Decoder:
    """Return course-lm as it was before its cool-down."""
    import torch

    from recipes.course_lm import models

    path = next(
        (p for p in (folder / "course-lm" / f"{s}.pt" for s in ("answers", "half")) if p.exists()), None
    )
    if path is None:
        raise typer.BadParameter(
            f"The encoder begins with course-lm's weights. Train that first: {folder} has none."
        )
    decoder = models.new_decoder()
    decoder.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["model"])
    return decoder


@app.command()
def export(
    folder: Folder = BUILD,
    to: Annotated[Path, typer.Option(help="Where the model folders go.")] = PACKAGE,
    encoder: Annotated[bool, typer.Option(help="Export the encoder twin instead.")] = False,
    draft: Annotated[bool, typer.Option(help="Export the draft model instead.")] = False,
    unfinished: Annotated[bool, typer.Option(help="From a run that has not cooled down yet.")] = False,
) -> None:
    """Write a trained model as transformers loads it, with its tokenizer and the record of its run."""
    import hashlib

    import torch
    from tokenizers import Tokenizer

    from recipes.course_lm import models
    from recipes.course_lm.export import export_model, write_json
    from recipes.course_lm.train import STAGES, record_of

    name = model_name(encoder=encoder, draft=draft)
    model: models.Decoder | models.Encoder
    model = models.new_encoder() if encoder else models.new_draft() if draft else models.new_decoder()
    found = [folder / name / f"{stage}.pt" for stage in reversed(STAGES)]
    checkpoint = next((path for path in found if path.exists()), None)
    if checkpoint is None or not (unfinished or (folder / name / "run.json").exists()):
        raise typer.BadParameter(
            f"{folder / name} has no finished run. Run `python -m recipes.course_lm train`."
        )
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    export_model(model.model, tokenizer, to / name, encoder=encoder)
    trained = folder / name / "run.json"
    dtype = json.loads(trained.read_text())["dtype"] if trained.exists() else "bfloat16"
    record = record_of(folder / name, dtype=dtype)
    record |= {
        "parameters": sum(p.numel() for p in model.parameters()),
        "tokens_in_text": json.loads((folder / "train.json").read_text())["tokens"],
        "characters_in_text": json.loads((folder / "train.json").read_text())["characters"],
        "text_sha256": hashlib.sha256((folder / "train.npy").read_bytes()).hexdigest(),
        "valid_sha256": hashlib.sha256((folder / "valid.npy").read_bytes()).hexdigest(),
    }
    write_json(to / name / "run.json", record)
    typer.echo(f"{to / name}: {(to / name / 'model.safetensors').stat().st_size / 1e6:.1f} MB")


@app.command()
def everything(
    folder: Folder = BUILD,
    to: Annotated[Path, typer.Option(help="Where the model folders go.")] = PACKAGE,
    minutes: Annotated[float, typer.Option(help="For training all models.")] = 100,
) -> None:
    """Make the models from nothing, measure them, write their datasheets; go on where it was stopped.

    Example: OMP_NUM_THREADS=2 python -m recipes.course_lm everything --minutes 100
    """
    from recipes.course_lm.train import COOLDOWN

    if not (folder / "train.json").exists():
        data(folder)
    for name, part in (("course-lm", 0.70), ("course-lm-encoder", 0.24), ("course-lm-draft", 0.06)):
        kind = {"encoder": name == "course-lm-encoder", "draft": name == "course-lm-draft"}
        if not (folder / name / "run.json").exists():
            train(folder, minutes=part * minutes / (1 + COOLDOWN), **kind)
        export(folder, to, **kind)
    evaluate(folder, to, write=True)


@app.command()
def evaluate(
    folder: Folder = BUILD,
    models_in: Annotated[Path, typer.Option(help="Where the model folders are.")] = PACKAGE,
    limit: Annotated[int | None, typer.Option(help="Cases for each row; for a quick look.")] = None,
    write: Annotated[bool, typer.Option(help="Also write results.json and the datasheets.")] = False,
) -> None:
    """Print the table of what the models can do (some minutes on one core).

    Example: python -m recipes.course_lm evaluate --write
    """
    from transformers.utils import logging

    from recipes.course_lm import datasheet
    from recipes.course_lm.evaluate import as_json, as_markdown, measure

    logging.set_verbosity_error()
    twin, draft = (
        place if place.exists() else None
        for place in (models_in / "course-lm-encoder", models_in / "course-lm-draft")
    )
    rows = measure(models_in / "course-lm", twin, folder, limit, draft)
    typer.echo(as_markdown(rows))
    if write:
        (models_in / "course-lm" / "results.json").write_text(json.dumps(as_json(rows), indent=1) + "\n")
        datasheet.write(models_in, rows)


if __name__ == "__main__":
    app()
