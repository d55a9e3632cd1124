"""The ladder: every model of the course on one chart, in bits per character of the same held-out text."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nextword import plots, presets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILE = "ladder.json"


@dataclass(frozen=True)
class Rung:
    """One model's result on the test part of `village`."""

    model: str
    nats: float  # total, over all words and sentence ends; inf when the model thinks the text impossible
    characters: int
    notebook: str
    preset: str

    @property
    def bits(self) -> float:
        """Bits per character."""
        return self.nats / (self.characters * math.log(2))


_rungs: dict[str, Rung] = {}


def record(model: str, *, nats: float, characters: int, notebook: str, preset: str | None = None) -> Rung:
    """Record a model's total negative log-likelihood (nats) on a text, and return the rung.

    A second record under the same name replaces the first. `preset` is the name of the preset it was made
    with; left out, it is the one that is on. Raises ValueError for numbers that no model can have.
    """
    nats, characters = float(nats), int(characters)
    if math.isnan(nats) or nats < 0:
        raise ValueError(
            f"{model}: {nats} nats can't be a negative log-likelihood. Sum -log p over all words and ends."
        )
    if characters <= 0:
        raise ValueError(
            f"{model}: a text of {characters} characters can't be scored. Pass metrics.n_characters(test)."
        )
    rung = Rung(model, nats, characters, notebook, presets.preset().name if preset is None else preset)
    _rungs[model] = rung
    return rung


def rungs() -> list[Rung]:
    """Return what has been recorded, highest bits per character first."""
    return sorted(_rungs.values(), key=lambda rung: -rung.bits)


def clear() -> None:
    """Forget what has been recorded in this process."""
    _rungs.clear()


def save(path: str | Path = FILE) -> Path:
    """Write the rungs to a small JSON file, in the working folder unless told otherwise; return its path."""
    path = Path(path)
    path.write_text(json.dumps([asdict(rung) for rung in rungs()], indent=1) + "\n", encoding="utf-8")
    return path


def load(path: str | Path = FILE) -> list[Rung]:
    """Add the rungs of a file that `save` wrote to this process's ladder, and return the whole ladder.

    What was recorded in this process wins over the file. Raises FileNotFoundError and ValueError with a
    remedy.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no ladder at {path}. Make one with ladder.save() at the end of a notebook."
        )
    try:
        read = [Rung(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is not a ladder ({error}). Remove it and save the ladder again.") from error
    for rung in read:
        _rungs.setdefault(rung.model, rung)
    return rungs()


def chart(title: str | None = None, alt: str | None = None) -> Figure:
    """Return a figure of all rungs with the village's floor drawn in."""
    from nextword.corpora import corpus

    village = corpus("village")
    assert village.source is not None
    floor = village.source.bits_per_character_floor(village.test)
    return plots.ladder_chart({rung.model: rung.bits for rung in rungs()}, floor, title=title, alt=alt)
