"""The ladder: every model of the course on one chart, in bits per character of the same held-out text."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nextword import plots, presets
from nextword.metrics import n_characters

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILE = "ladder.json"


@dataclass(frozen=True)
class Rung:
    """One model's result on the test part of `village`; it is checked when it is made.

    Raises ValueError for numbers that no model can have.
    """

    model: str
    nats: float  # negative log-likelihood of all words and ends; inf when the model rules some of them out
    characters: int  # of that text
    notebook: str
    preset: str

    def __post_init__(self) -> None:
        if math.isnan(self.nats) or self.nats < 0:
            raise ValueError(
                f"{self.model}: {self.nats} nats can't be a negative log-likelihood. "
                "Sum -log p over all words and sentence ends."
            )
        if self.characters <= 0:
            raise ValueError(
                f"{self.model}: a text of {self.characters} characters can't be scored. "
                "Pass metrics.n_characters(corpus('village').test)."
            )

    @property
    def bits(self) -> float:
        """Bits per character."""
        return self.nats / (self.characters * math.log(2))


_rungs: dict[str, Rung] = {}


def record(model: str, *, nats: float, characters: int, notebook: str, preset: str | None = None) -> Rung:
    """Record a model's total negative log-likelihood (nats) on the test part of `village`; return its rung.

    `characters` is the length of that text, `notebook` the number of the notebook, `preset` the name of the
    preset (left out, the one that is on). A second record of the same name replaces the first. It lasts as
    long as the process; `save` keeps it. Raises ValueError for numbers that no model can have.
    """
    preset = presets.preset().name if preset is None else preset
    _rungs[model] = Rung(model, float(nats), int(characters), notebook, preset)
    return _rungs[model]


def rungs() -> list[Rung]:
    """Return what has been recorded, highest bits per character first."""
    return sorted(_rungs.values(), key=lambda rung: -rung.bits)


def clear() -> None:
    """Forget what has been recorded in this process."""
    _rungs.clear()


def save(path: str | Path = FILE) -> Path:
    """Write the rungs to a small JSON file, in the working folder unless told otherwise; return its path.

    Raises OSError where nothing can be written.
    """
    entries = [
        asdict(rung) | {"nats": str(rung.nats)} for rung in rungs()
    ]  # as text, JSON can carry infinity
    path = Path(path)
    try:
        path.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OSError(
            f"The ladder can't be written to {path} ({error.strerror}). Pass a path that can be."
        ) from error
    return path


def load(path: str | Path = FILE) -> list[Rung]:
    """Add the rungs of a file that `save` wrote to this process's ladder, and return the whole ladder.

    What this process recorded wins over the file. Raises FileNotFoundError when there is no such file,
    ValueError when it holds no ladder.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no ladder at {path}. Make one with ladder.save() at the end of a notebook."
        )
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        read = [Rung(**(e | {"nats": float(e["nats"]), "characters": int(e["characters"])})) for e in entries]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} holds no ladder ({error}). Remove it, and save the ladder again."
        ) from error
    for rung in read:
        _rungs.setdefault(rung.model, rung)
    return rungs()


def chart(title: str | None = None, alt: str | None = None) -> Figure:
    """Return a figure of all rungs with the floor of `village` drawn in.

    Raises ValueError when a rung stands on another text than the test part of `village`.
    """
    from nextword.corpora import corpus

    village = corpus("village")
    assert village.source is not None
    characters = n_characters(village.test)
    for rung in rungs():
        if rung.characters != characters:
            raise ValueError(
                f"{rung.model} was measured on {rung.characters:,} characters, but the ladder stands on the "
                f"{characters:,} of corpus('village').test. Measure it there, end of sentences included."
            )
    floor = village.source.bits_per_character_floor(village.test)
    return plots.ladder_chart({rung.model: rung.bits for rung in rungs()}, floor, title=title, alt=alt)
