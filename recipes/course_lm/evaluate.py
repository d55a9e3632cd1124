"""What course-lm and its twin can do, measured: text, labelled sets that others wrote, questions, copying."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from nextword.labelled import labelled_texts
from recipes.course_lm import labelled, patterns, questions, tokens
from recipes.course_lm.grammar import Grammar
from recipes.course_lm.text import SOURCES

VALID_SEED = 2
SHOTS = (0, 1, 4, 8)
BATCH = 16


@dataclass(frozen=True)
class Row:
    """One line of the table: a share (0 to 1) with the number of cases, or bits per character."""

    model: str
    task: str
    setting: str
    n: int
    value: float
    baseline: float | None
    unit: str = "accuracy"

    def __str__(self) -> str:
        if self.unit != "accuracy":
            return f"| {self.model} | {self.task} | {self.setting} | {self.n:,} | {self.value:.3f} | |"
        low, high = wilson(self.value, self.n)
        base = "" if self.baseline is None else f"{self.baseline:.2f}"
        result = f"{self.value:.2f} ({low:.2f} to {high:.2f})"
        return f"| {self.model} | {self.task} | {self.setting} | {self.n:,} | {result} | {base} |"


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return the 95% interval of a share (Wilson 1927)."""
    z = 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return middle - half, middle + half


@dataclass(frozen=True)
class LabelledSet:
    """A set that the course ships, and the prompt in which course-lm reads it."""

    labels: tuple[str, ...]
    form: str  # the label follows it, after a space


SETS = {
    "reviews": LabelledSet(labelled.POLARITIES, "Review: {text}\nSentiment:"),
    "headlines": LabelledSet(labelled.TOPICS, "Headline: {text}\nTopic:"),
    "posts": LabelledSet(labelled.STANCES, "Post: {text}\nStance towards {target}:"),
}


class Measured:
    """A folder that transformers loads, ready to be asked."""

    def __init__(self, folder: Path, *, encoder: bool = False) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        auto = AutoModelForMaskedLM if encoder else AutoModelForCausalLM
        self.model = auto.from_pretrained(folder).eval()
        self.pad: int = self.tokenizer.pad_token_id

    def ids(self, text: str) -> list[int]:
        """Return the token ids of a text, without special tokens."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    @torch.no_grad()
    def last_logits(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return next-token logits (N, V) after each prompt, and the last hidden states (N, C)."""
        logits, hidden = [], []
        for at in range(0, len(prompts), BATCH):
            rows = [self.ids(prompt)[-tokens.CONTEXT :] for prompt in prompts[at : at + BATCH]]
            longest = max(map(len, rows))
            idx = torch.tensor([row + [self.pad] * (longest - len(row)) for row in rows])
            last = torch.tensor([len(row) - 1 for row in rows])
            states = self.model.transformer(idx).last_hidden_state[torch.arange(len(rows)), last]
            hidden.append(states)
            logits.append(self.model.lm_head(states))
        return torch.cat(logits), torch.cat(hidden)

    def label_ids(self, labels: Sequence[str]) -> list[int]:
        """Return the one token of each label after a space. Raises ValueError where a label has several."""
        encoded = [self.ids(" " + label) for label in labels]
        if any(len(ids) != 1 for ids in encoded):
            raise ValueError(f"The labels {labels} take several tokens: {encoded}. Use others.")
        return [ids[0] for ids in encoded]

    @torch.no_grad()
    def answer(self, prompt: str, most: int = 8) -> str:
        """Return the greedy continuation of a prompt up to the end of its line."""
        ids = self.ids(prompt)
        made: list[int] = []
        for _ in range(most):
            logits = self.model(torch.tensor([(ids + made)[-tokens.CONTEXT :]])).logits[0, -1]
            token = int(logits.argmax())
            text = str(self.tokenizer.decode([token]))
            if "\n" in text or token in self.tokenizer.all_special_ids or text.startswith("<|"):
                break
            made.append(token)
        return str(self.tokenizer.decode(made)).strip()


def read_set(name: str, split: str) -> list[labelled.Example]:
    """Return the texts of one split of a labelled set."""
    texts = [text for text in labelled_texts(name) if text.split == split]
    return [labelled.Example(text.text, text.label, text.target or "") for text in texts]


def ask(form: str, example: labelled.Example) -> str:
    """Return a prompt that ends where the label would follow."""
    return form.replace("{text}", example.text).replace("{target}", example.target)


def few_shot(form: str, example: labelled.Example, shown: Sequence[labelled.Example]) -> str:
    """Return a prompt with solved examples before the one that is asked."""
    return "\n\n".join([*(f"{ask(form, e)} {e.label}" for e in shown), ask(form, example)])


def labelled_rows(model: Measured, limit: int | None = None) -> list[Row]:
    """Return accuracy on the labelled sets' test splits: zero and few shots, calibrated, linear probe."""
    rows = []
    for name, settings in SETS.items():
        train, test = read_set(name, "train"), read_set(name, "test")[:limit]
        labels = settings.labels
        chance = max(sum(e.label == label for e in test) for label in labels) / len(test)
        gold = torch.tensor([labels.index(e.label) for e in test])
        label_ids = model.label_ids(labels)
        for shots in SHOTS:
            rng = random.Random(shots)
            prompts = []
            for example in test:
                pool = [e for e in train if e.target == example.target]
                prompts.append(few_shot(settings.form, example, rng.sample(pool, shots)))
            scores = model.last_logits(prompts)[0][:, label_ids].log_softmax(-1)
            rows.append(
                Row(
                    "course-lm",
                    name,
                    f"{shots} shot{'s' * (shots != 1)}",
                    len(test),
                    right(scores, gold),
                    chance,
                )
            )
            if shots == 0:  # minus what the prompt says of an empty text (Zhao et al. 2021)
                empty = [labelled.Example(text, "", e.target) for e in test for text in ("N/A", "...")]
                prior = model.last_logits([ask(settings.form, e) for e in empty])[0][:, label_ids]
                prior = prior.log_softmax(-1).view(len(test), 2, -1).logsumexp(1)
                row = Row(
                    "course-lm", name, "0 shots, calibrated", len(test), right(scores - prior, gold), chance
                )
                rows.append(row)
        features = [model.last_logits([ask(settings.form, e) for e in part])[1] for part in (train, test)]
        probe = linear_probe(features[0], torch.tensor([labels.index(e.label) for e in train]), features[1])
        setting = f"linear probe, {len(train)} examples"
        rows.append(Row("course-lm", name, setting, len(test), right(probe, gold), chance))
    return rows


def right(scores: Tensor, gold: Tensor) -> float:
    """Return the share of rows whose highest score is the gold one."""
    return float((scores.argmax(-1) == gold).float().mean())


def linear_probe(train: Tensor, labels: Tensor, test: Tensor, penalty: float = 1e-2) -> Tensor:
    """Return the scores (N, labels) that a logistic regression on frozen features gives to the test rows."""
    mean, spread = train.mean(0), train.std(0) + 1e-6
    train, test = (train - mean) / spread, (test - mean) / spread
    n_labels = int(labels.max()) + 1
    weight = torch.zeros(train.shape[1], n_labels, requires_grad=True)
    bias = torch.zeros(n_labels, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(train @ weight + bias, labels) + penalty * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[arg-type,unused-ignore]
    return (test @ weight + bias).detach()


@torch.no_grad()
def bits_per_character(model: Measured, texts: Sequence[str]) -> float:
    """Return the bits per character of texts, each read from <|endoftext|> to its end."""
    end = model.tokenizer.eos_token_id
    nats, characters = 0.0, 0
    for text in texts:
        ids = torch.tensor([[end, *model.ids(text), end]])[:, : tokens.CONTEXT + 1]
        logits = model.model(ids[:, :-1]).logits
        nats += float(F.cross_entropy(logits[0], ids[0, 1:], reduction="sum"))
        characters += len(model.tokenizer.decode(ids[0, 1:-1])) + 1
    return nats / math.log(2) / characters


def text_rows(model: Measured, n: int, name: str = "course-lm") -> list[Row]:
    """Return bits per character on new documents of each kind."""
    rows = []
    for kind, (source, _) in SOURCES.items():
        rng, grammar = random.Random(f"course-lm {VALID_SEED} {kind}"), Grammar.load()
        texts = [source(grammar, rng) for _ in range(n)]
        bits = bits_per_character(model, texts)
        rows.append(Row(name, kind, "new documents", n, bits, None, "bits per character"))
    return rows


def own_rows(model: Measured, n: int) -> list[Row]:
    """Return accuracy on the generator's own texts: labels, facts, passages, tables, instructions."""
    grammar, rng = Grammar.load(), random.Random("course-lm own tasks")
    made: dict[str, Callable[[str], labelled.Example]] = {
        "reviews": lambda label: labelled.Example(labelled.review(grammar, rng, label), label),
        "headlines": lambda label: labelled.Example(labelled.headline(grammar, rng, label), label),
        "posts": lambda label: labelled.post(grammar, rng, label),
    }
    rows = []
    for name, settings in SETS.items():
        test = [made[name](label) for label in itertools.islice(itertools.cycle(settings.labels), n)]
        scores = model.last_logits([ask(settings.form, e) for e in test])[0][
            :, model.label_ids(settings.labels)
        ]
        gold = torch.tensor([settings.labels.index(e.label) for e in test])
        row = Row(
            "course-lm",
            f"{name} of the generator",
            "0 shots",
            n,
            right(scores, gold),
            1 / len(settings.labels),
        )
        rows.append(row)
    people = questions.facts_of_the_village(grammar)
    facts = [(name, a, v) for name, attributes in people.items() for a, v in attributes.items()][:n]
    asked = [questions.question(a, name, v, rng) for name, a, v in facts]
    exact = [model.answer(f"Question: {q}\nAnswer:") == a for q, a in asked]
    rows.append(Row("course-lm", "facts of the village", "exact answer", len(exact), share(exact), None))
    passages = [split_last(questions.reading(grammar, rng), "\nAnswer:") for _ in range(n)]
    exact = [model.answer(prompt) == a for prompt, a in passages]
    rows.append(Row("course-lm", "answer from a passage", "exact answer", n, share(exact), None))
    tables = [look_up(grammar, rng) for _ in range(n)]
    exact = [model.answer(prompt) == a for prompt, a in tables]
    rows.append(Row("course-lm", "copy from a table", "exact answer", n, share(exact), None))
    chats = [questions.instruction(grammar, rng) for _ in range(3 * n)]
    short = [(q, a) for q, a in chats if len(a.split()) == 1][:n]
    exact = [model.answer(f"<|user|> {q}<|end|><|assistant|>") == a for q, a in short]
    rows.append(
        Row(
            "course-lm", "instructions with a one-word answer", "exact answer", len(exact), share(exact), None
        )
    )
    return rows


def share(right_ones: Sequence[bool]) -> float:
    """Return the share of cases that are right."""
    return sum(right_ones) / len(right_ones)


def split_last(text: str, mark: str) -> tuple[str, str]:
    """Return the text up to its last mark, and what follows that."""
    before, _, after = text.rpartition(mark)
    return before + mark, after.strip()


def look_up(grammar: Grammar, rng: random.Random) -> tuple[str, str]:
    """Return a table of four pairs, one key of it again, and the value that belongs there."""
    left, right_kind = rng.sample(patterns.KINDS, 2)
    keys, values = rng.sample(grammar.rules[left], 4), rng.sample(grammar.rules[right_kind], 4)
    i = rng.randrange(4)
    lines = [f"{key}: {value}" for key, value in zip(keys, values, strict=True)]
    return "\n".join([*lines, f"{keys[i]}:"]), values[i]


@torch.no_grad()
def encoder_rows(folder: Path, build: Path, limit: int | None = None) -> list[Row]:
    """Return what the twin can do: masked words, the label at a mask, a linear probe on its states."""
    model = Measured(folder, encoder=True)
    made, characters = tokens.load_rows(build / "valid")
    data = tokens.masked_batches(made[:40], characters, 128)
    generator = torch.Generator().manual_seed(0)
    chosen = (torch.rand(data.inputs.shape, generator=generator) < 0.15) & (data.targets != -100)
    seen = data.inputs.masked_fill(chosen, model.tokenizer.mask_token_id)
    guessed = torch.cat([model.model(part).logits.argmax(-1) for part in seen.split(BATCH)])
    found = (guessed == data.targets)[chosen]
    rows = [
        Row(
            "encoder",
            "masked tokens, 15% hidden",
            "exact token",
            len(found),
            float(found.float().mean()),
            None,
        )
    ]
    for name, settings in SETS.items():
        train, test = read_set(name, "train"), read_set(name, "test")[:limit]
        gold = torch.tensor([settings.labels.index(e.label) for e in test])
        chance = max(sum(e.label == label for e in test) for label in settings.labels) / len(test)
        scores = torch.stack([mask_logits(model, ask(settings.form, e) + " ") for e in test])
        scores = scores[:, model.label_ids(settings.labels)]
        rows.append(Row("encoder", name, "label at [MASK]", len(test), right(scores, gold), chance))
        features = [torch.stack([mean_state(model, e.text) for e in part]) for part in (train, test)]
        labels = torch.tensor([settings.labels.index(e.label) for e in train])
        with torch.enable_grad():
            probe = linear_probe(features[0], labels, features[1])
        setting = f"linear probe on mean state, {len(train)} examples"
        rows.append(Row("encoder", name, setting, len(test), right(probe, gold), chance))
    return rows


def mask_logits(model: Measured, text: str) -> Tensor:
    """Return the logits (V,) at a [MASK] that follows the text; the label's token holds the space itself."""
    special = model.tokenizer
    ids = [special.cls_token_id, *model.ids(text.rstrip()), special.mask_token_id, special.sep_token_id]
    logits: Tensor = model.model(torch.tensor([ids])).logits[0, -2]
    return logits


def mean_state(model: Measured, text: str) -> Tensor:
    """Return the mean of the last hidden states (C,) over a text."""
    batch = model.tokenizer(text, return_tensors="pt", truncation=True)
    states: Tensor = model.model.base_model(batch["input_ids"]).last_hidden_state[0].mean(0)
    return states


def measure(
    decoder: Path, encoder: Path | None, build: Path, limit: int | None = None, draft: Path | None = None
) -> list[Row]:
    """Return the whole table; with `limit`, a quick one of so many cases for each row."""
    model = Measured(decoder)
    rows = text_rows(model, limit or 40)
    rows += labelled_rows(model, limit)
    rows += own_rows(model, limit or 100)
    if encoder is not None:
        rows += encoder_rows(encoder, build, limit)
    if draft is not None:
        rows += text_rows(Measured(draft), limit or 40, "draft")
    return rows


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the table."""
    head = [
        "| model | what | how | cases | result (95% interval) | most frequent label |",
        "|---|---|---|---:|---|---:|",
    ]
    return "\n".join([*head, *map(str, rows)])


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the table for programs."""
    return [asdict(row) for row in rows]
