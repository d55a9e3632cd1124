"""The datasheets of the models: prose from datasheet.md, encoder.md and draft.md, numbers as measured."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recipes.course_lm import models, tokens
from recipes.course_lm.evaluate import Row, as_markdown
from recipes.course_lm.grammar import Grammar
from recipes.course_lm.text import SOURCES, documents
from recipes.course_lm.train import ANSWER_WEIGHT, STAGES

HERE = Path(__file__).parent
TRAIN_SEED = 3
TEMPLATES = {  # folder: (its template, what its rows are called in the table)
    "course-lm": ("datasheet.md", "course-lm"),
    "course-lm-encoder": ("encoder.md", "encoder"),
    "course-lm-draft": ("draft.md", "draft"),
}


def write(folder: Path, rows: Sequence[Row]) -> None:
    """Write README.md into the folder of each model that the rows are about."""
    for name, (template, model) in TEMPLATES.items():
        place = folder / name
        mine = [row for row in rows if row.model == model]
        if not place.exists() or not mine:
            continue
        facts = facts_of(place) | {"results": as_markdown(mine)}
        text = (HERE / template).read_text(encoding="utf-8").format(**facts)
        (place / "README.md").write_text(text, encoding="utf-8")


def facts_of(place: Path) -> dict[str, Any]:
    """Return what the datasheets say about a model folder."""
    run = json.loads((place / "run.json").read_text())
    grammar = Grammar.load()
    sample = " ".join(text for _, text in itertools.islice(documents(TRAIN_SEED), 10_000))
    total = sum(weight for _, weight in SOURCES.values())
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(place)
    kinds = [f"| {kind} | {weight / total:.0%} |" for kind, (_, weight) in SOURCES.items()]
    return {
        "parameters": f"{run['parameters']:,}",
        "megabytes": f"{(place / 'model.safetensors').stat().st_size / 1e6:.1f}",
        "layers": config.num_hidden_layers,
        "width": config.hidden_size,
        "heads": config.num_attention_heads,
        "context": tokens.CONTEXT,
        "vocabulary": f"{tokens.VOCABULARY:,}",
        "rules": len(grammar.rules),
        "phrases": f"{sum(map(len, grammar.rules.values())):,}",
        "tokens": f"{run['tokens_in_text']:,}",
        "characters": f"{run['characters_in_text']:,}",
        "train_seed": TRAIN_SEED,
        "kinds": "\n".join(["| kind | share |", "|---|---:|", *kinds]),
        "distinct": f"{len(set(re.findall(r'[a-z]+', sample.lower()))):,}",
        "masked": round(100 * models.MASKED),
        "training": training_of(run, place.name),
    }


def training_of(run: dict[str, Any], name: str) -> str:
    """Return a paragraph on a run."""
    encoder = name.endswith("encoder")
    plain = encoder or name.endswith("draft")  # one kind of rows, all tokens counting alike
    rows = "rows" if plain else "whole rows"
    heavy = f", labels counting {ANSWER_WEIGHT:.0f} times"
    kinds = {
        "stable": rows,
        "half": "half rows",
        "answers": f"half rows{heavy}",
        "cooldown": f"{rows}, the rate falling to zero{'' if plain else heavy}",
    }
    parts, seen = [], 0
    for stage, done in ((stage, run["stages"][stage]) for stage in STAGES if stage in run["stages"]):
        length = 128 if encoder else tokens.CONTEXT // (1 + (stage in ("half", "answers")))
        seen += done["steps"] * done["batch_size"] * length
        kind, _, remark = kinds[stage].partition(",")
        where = f"{done['batch_size']} {kind} of {length} tokens"
        parts.append(f"{done['steps']:,} on {where}{',' * bool(remark)}{remark}")
    count = {stage: done["steps"] for stage, done in run["stages"].items()}
    cooldown = count.get("cooldown", 0)
    command = f"train --steps {run['steps'] - cooldown} --cooldown {cooldown}"
    if encoder:
        command += " --encoder"
    elif plain:
        command += " --draft"
    else:
        command += f" --first {count['stable']} --plain {count['stable'] + count.get('half', 0)}"
    start = " It began with the weights that course-lm had before its cool-down." if encoder else ""
    times = seen / run["tokens_in_text"]
    return (
        f"{run['steps']:,} steps: {'; '.join(parts)}; {seen:,} tokens in all, {times:.2f} times the "
        f"text.{start} Muon for the matrices inside the layers (rate {models.MUON_RATE}), AdamW for the "
        f"rest (rate {models.ADAM_RATE}), {run['dtype']} arithmetic, seed 0. Machine: one thread of a "
        f"shared x86-64 server (AVX-512), {run['processor_seconds']:,} seconds of processor time within "
        f"{run['seconds']:,} seconds of the clock; other work took the rest. To repeat it: "
        f"`python -m recipes.course_lm {command}`"
    )
