"""A page that says how texts were coded by a language model, for the appendix of a paper."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}th,td{border-bottom:1px solid #ccc;padding:.3rem .8rem;"
    "text-align:left;vertical-align:top}td.n{text-align:right}"
    "pre{background:#f3f6f8;padding:.8rem;white-space:pre-wrap}"
)


@dataclass(frozen=True)
class Annotation:
    """What a reader needs to judge, and to repeat, a coding done by a model."""

    title: str
    question: str  # what was to be found out, in one sentence
    codebook: Mapping[str, str]  # label -> its definition
    model: str
    version: str  # commit, digest or dated name: what makes the model the same one tomorrow
    prompt: str  # the template, word by word
    settings: str  # how the answer was taken: scored labels or sampled text, examples, calibration
    date: str
    human_coding: str  # who coded, how many texts, and how well coders agreed
    n_validated: int
    unanswered: float  # share of texts without a usable answer, 0 to 1
    validation: Mapping[str, tuple[float, float, float]]  # metric -> (value, low, high)
    accepted: bool
    counts: Mapping[str, int]  # label -> how many texts of the full run
    cost: str
    limits: Sequence[str]
    baselines: Mapping[str, float] | None = None  # other classifiers on the same texts -> accuracy


def annotation_page(annotation: Annotation) -> str:
    """Return the report as one HTML page without scripts; all text is escaped.

    Raises ValueError where a value that a reader needs is empty.
    """
    a = annotation
    needed = ["title", "question", "codebook", "model", "version", "prompt", "date", "human_coding"]
    needed += ["validation", "cost", "limits"]
    empty = [name for name in needed if not getattr(a, name)]
    if empty:
        raise ValueError(f"The report lacks {', '.join(empty)}. A reader can't judge the coding without it.")
    verdict = (
        "The validation met the requirements that were set before."
        if a.accepted
        else "The validation did not meet the requirements that were set before. "
        "The counts below must not be used as measurements."
    )
    validation = [
        [name, f"{value:.2f}", f"{low:.2f} to {high:.2f}"]
        for name, (value, low, high) in a.validation.items()
    ]
    total = sum(a.counts.values())
    counts = [
        [label, f"{n:,}", f"{n / total:.0%}" if total else "0%"]  # an empty run has no shares
        for label, n in a.counts.items()
    ]
    parts = [
        f"<h1>{_text(a.title)}</h1>",
        f"<p>{_text(a.question)}</p>",
        "<h2>Codebook</h2>",
        _table(["label", "definition"], [[label, what] for label, what in a.codebook.items()]),
        "<h2>Coder</h2>",
        _table(
            ["", ""],
            [["model", a.model], ["version", a.version], ["settings", a.settings], ["date", a.date]],
        ),
        "<p>Prompt, word by word:</p>",
        f"<pre>{_text(a.prompt)}</pre>",
        "<h2>Validation against human coding</h2>",
        f"<p>{_text(a.human_coding)}</p>",
        f"<p>{a.n_validated:,} texts; {a.unanswered:.0%} without a usable answer, counted as mistakes. "
        "Intervals are 95 per cent bootstrap intervals over texts.</p>",
        _table(["measure", "value", "interval"], validation, numbers=1),
    ]
    if a.baselines:
        parts.append("<p>Accuracy of other classifiers on the same texts:</p>")
        rows = [[name, f"{value:.2f}"] for name, value in a.baselines.items()]
        parts.append(_table(["classifier", "accuracy"], rows, numbers=1))
    parts += [
        f"<p><strong>{verdict}</strong></p>",
        f"<h2>Full run: {total:,} texts</h2>",
        _table(["label", "texts", "share"], counts, numbers=1),
        f"<p>Cost: {_text(a.cost)}</p>",
        "<h2>Limits</h2>",
        "<ul>" + "".join(f"<li>{_text(limit)}</li>" for limit in a.limits) + "</ul>",
    ]
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{_text(a.title)}</title>'
        f"<style>{STYLE}</style></head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _text(value: object) -> str:
    return html.escape(str(value))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: int | None = None) -> str:
    """Rows as a table; columns from `numbers` on are aligned to the right."""

    def row(cells: Sequence[str]) -> str:
        made = (
            f'<td class="n">{_text(cell)}</td>'
            if numbers is not None and i >= numbers
            else f"<td>{_text(cell)}</td>"
            for i, cell in enumerate(cells)
        )
        return f"<tr>{''.join(made)}</tr>"

    first = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in head) if any(head) else ""
    top = f"<tr>{first}</tr>" if first else ""
    return f"<table>{top}{''.join(row(cells) for cells in rows)}</table>"
