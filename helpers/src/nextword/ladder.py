"""The ladder: every model of the course on one chart, in bits per character of the same held-out text.

A notebook records the models it makes. The rungs of the notebooks before it are drawn too: `course ladder`
measured them, and the package carries the numbers (data/ladder.json).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from nextword import plots, presets
from nextword.metrics import n_characters

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILE = "ladder.json"
PUBLISHED = Path(__file__).parent / "data" / "ladder.json"
VARIABLE = "NEXTWORD_LADDER"  # a file that every record goes to: how `course ladder` reads a notebook's rungs


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
    seconds: float | None = None  # that training took, for a model that is trained by descent

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


def record(
    model: str,
    *,
    nats: float,
    characters: int,
    notebook: str,
    preset: str | None = None,
    seconds: float | None = None,
) -> Rung:
    """Record a model's total negative log-likelihood (nats) on the test part of `village`; return its rung.

    `characters` is the length of that text, `notebook` the number of the notebook, `preset` the name of the
    preset (left out, the one that is on), `seconds` what training took. A second record of the same name
    replaces the first. It lasts as long as the process; `save` keeps it. Raises ValueError for numbers that
    no model can have.
    """
    preset = presets.preset().name if preset is None else preset
    _rungs[model] = Rung(model, float(nats), int(characters), notebook, preset, seconds)
    if os.environ.get(VARIABLE):
        save(os.environ[VARIABLE])
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
    return write(rungs(), path)


def write(entries: Sequence[Rung], path: str | Path) -> Path:
    """Write these rungs to a JSON file that `read` takes; return its path. Raises OSError."""
    # As text, JSON can carry infinity.
    plain = [asdict(rung) | {"nats": str(rung.nats)} for rung in entries]
    path = Path(path)
    try:
        path.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
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
    for rung in read(path):
        _rungs.setdefault(rung.model, rung)
    return rungs()


def read(path: str | Path) -> list[Rung]:
    """Return the rungs of a file that `save` wrote; errors as for `load`."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no ladder at {path}. Make one with ladder.save() at the end of a notebook."
        )
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [Rung(**(e | {"nats": float(e["nats"]), "characters": int(e["characters"])})) for e in entries]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} holds no ladder ({error}). Remove it, and save the ladder again."
        ) from error


def before(notebook: str) -> list[Rung]:
    """Return the published rungs of the notebooks before this one, highest bits per character first."""
    return sorted((rung for rung in _published() if rung.notebook < notebook), key=lambda rung: -rung.bits)


@cache
def _published() -> tuple[Rung, ...]:
    return tuple(read(PUBLISHED)) if PUBLISHED.exists() else ()


def chart(title: str | None = None, alt: str | None = None) -> Figure:
    """Return a figure of all rungs with the floor of `village` drawn in.

    These are the rungs of this process and the published ones of the notebooks before it, which have paler
    bars. Raises ValueError when a rung stands on another text than the test part of `village`.
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
    bits = {rung.model: rung.bits for rung in rungs()}
    latest = max((rung.notebook for rung in rungs()), default="")
    earlier = {rung.model: rung.bits for rung in before(latest) if rung.model not in bits}
    return plots.ladder_chart(bits | earlier, floor, pale=set(earlier), title=title, alt=alt)
