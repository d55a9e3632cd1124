"""The table of notebook 11: coders of labelled text, measured on the test parts, one row at a time or all.

    python -m recipes.classification                           all rows of the three sets, printed
    python -m recipes.classification posts --row "bag of words"   one of them
    python -m recipes.classification --write                   all, into docs/results.md
    python -m recipes.classification --hub Qwen/Qwen3-0.6B     with a second model (a network, or a copy)

What is measured is the notebook's own code: its setup, its reference solutions and the two experiment cells
that define the coders are run from solutions/11_classification.py.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autograder.sections import put_section
from autograder.source import read_source

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "solutions" / "11_classification.py"
PAGE = ROOT / "docs" / "results.md"
SETS = ("reviews", "headlines", "posts")
NEEDED = ("def prompts_of(", "def coders(")  # experiment cells that define, and measure nothing


def notebook_names() -> dict[str, Any]:
    """Return the names that the solved notebook defines, without running its experiments."""
    names: dict[str, Any] = {}
    wanted = set(NEEDED)
    for cell in read_source(NOTEBOOK).cells:
        found = {line for line in wanted if cell.role == "experiment" and line in cell.source}
        if cell.role in ("setup", "exercise") or found:
            exec(compile(cell.source, f"{NOTEBOOK.name}, line {cell.line}", "exec"), names)
            wanted -= found
    if wanted:
        raise LookupError(
            f"{NOTEBOOK} has no experiment cell with {', '.join(sorted(wanted))}. Name it in NEEDED."
        )
    return names


def command(name: str, coder: str, model: str | None, hub: str | None) -> str:
    """Return the command that repeats one row."""
    options = [*(["--model", model] if model else []), *(["--hub", hub] if hub else [])]
    return shlex.join(["python", "-m", "recipes.classification", name, "--row", coder, *options])


def as_row(name: str, coder: str, row: dict[str, Any], repeat: str) -> str:
    """Return a line of the table."""

    def shown(measure: str) -> str:
        value, low, high = row[measure]
        return f"{value:.2f} ({low:.2f} to {high:.2f})"

    cells = [
        name,
        coder,
        *map(shown, ("accuracy", "macro-F1", "kappa")),
        f"{row['seconds']:.1f}",
        f"`{repeat}`",
    ]
    return f"| {' | '.join(cells)} |"


def as_section(lines: Sequence[str], sentences: Sequence[str], about: str) -> str:
    """Return the section of the page."""
    head = [
        "| set | coder | accuracy | macro-F1 | kappa | seconds | command |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    return "\n".join([about, "", *head, *lines, "", *sentences])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.classification",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "sets", nargs="*", choices=[[], *SETS], help="reviews, headlines, posts; all if none is named"
    )
    parser.add_argument("--row", help="only the coder of that name")
    parser.add_argument("--model", help="instead of course-lm: a folder, or a name on the hub")
    parser.add_argument("--hub", help="a second model to put beside it")
    parser.add_argument("--write", action="store_true", help="write the table into docs/results.md")
    settings = parser.parse_args(arguments)
    if settings.write and (settings.row or settings.sets):
        parser.error("--write writes the whole table. Leave out the sets and --row.")

    names = notebook_names()
    from nextword.causal_lm import load_causal_lm
    from nextword.course_lm import course_lm

    model = load_causal_lm(settings.model or course_lm())
    hub = load_causal_lm(settings.hub) if settings.hub else None
    lines, sentences = [], []
    for name in settings.sets or SETS:
        rows = {}
        coders = names["coders"](name, model, hub)
        for coder, says in coders.items():
            if settings.row in (None, coder):
                rows[coder] = names["measured"](name, says)
                repeat = command(name, coder, settings.model, settings.hub)
                lines.append(as_row(name, coder, rows[coder], repeat))
                print(lines[-1], flush=True)
        if not rows:
            parser.error(f"There is no row {settings.row!r}. Rows: {', '.join(coders)}.")
        sentences += [f"- {name}: {sentence}" for sentence in names["verdict"](rows)]
    print("\n".join(sentences))
    if settings.write:
        threads = names["torch"].get_num_threads()
        versions = "; ".join(f"{one!r}, version {one.revision}" for one in [model, hub] if one)
        about = (
            "Every coder on the test part of each set (datasheet: "
            f"`helpers/src/nextword/data/labelled/README.md`). Models: {versions}. Intervals: 95 per cent, "
            "bootstrap over texts. Seconds: processor time for all test texts, training included "
            f"({platform.machine()}, {threads} thread). The sentences below the table follow from the "
            "intervals of the gain in accuracy over the most frequent label."
        )
        put_section(
            PAGE,
            "coders",
            "python -m recipes.classification --write",
            as_section(lines, sentences, about),
            title="## Coders of labelled text (notebook 11)",
        )
        print(f"Written to {os.path.relpath(PAGE)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
