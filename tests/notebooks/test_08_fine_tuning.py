"""Notebook 08: LoRA beside merged weights, DPO in float64, chats beside the tokenizer's template, any GPT."""

from __future__ import annotations

import contextlib
import io
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from solved import solved_names, worked_examples
from torch import nn

from autograder.source import read_source
from nextword.course_lm import course_lm

ROOT = Path(__file__).parents[2]
SOURCE = read_source(ROOT / "solutions" / "08_fine_tuning.py")
TEXT = "\n".join(cell.source for cell in SOURCE.cells)


@pytest.fixture(scope="module")
def solved() -> dict[str, Any]:
    """The names of the solved notebook: setup and reference solutions, no test and no experiment."""
    return solved_names(SOURCE)


# Worked examples


@pytest.mark.parametrize("exercise", [cell.name for cell in SOURCE.of_role("exercise")])
def test_worked_example_is_what_the_solution_returns(solved: dict[str, Any], exercise: str) -> None:
    examples, failures = worked_examples(exercise, solved)
    assert examples
    assert not failures, failures


# LoRA


@pytest.mark.parametrize("bias", [True, False])
def test_lora_is_a_linear_layer_with_the_merged_weights(solved: dict[str, Any], bias: bool) -> None:
    torch.manual_seed(0)
    layer = solved["LoRALinear"](nn.Linear(24, 17, bias=bias), rank=5, alpha=3.0).double()
    nn.init.normal_(layer.B)
    numbers = {name: value.numpy() for name, value in layer.state_dict().items()}
    merged = numbers["linear.weight"] + 3.0 / 5 * numbers["B"] @ numbers["A"]
    x = torch.randn(4, 6, 24, dtype=torch.float64)
    want = x.numpy() @ merged.T + (numbers["linear.bias"] if bias else 0.0)
    np.testing.assert_allclose(layer(x).detach().numpy(), want, atol=1e-12)
    np.testing.assert_allclose(layer.merged_weight().detach().numpy(), merged, atol=1e-12)


def test_lora_trains_its_two_matrices_only_and_lets_gradients_through(solved: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = solved["LoRALinear"](nn.Linear(6, 4), rank=2, alpha=4)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in layer.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):  # in the first step only B has a gradient
        x = torch.randn(8, 6, requires_grad=True)
        layer(x).square().sum().backward()
        optimizer.step()
    assert x.grad is not None and x.grad.abs().sum() > 0
    changed = {name for name, value in layer.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"A", "B"}


# DPO


def dpo_in_float64(logits: list[np.ndarray], labels: list[np.ndarray], beta: float) -> float:
    """The loss from logits (policy chosen, policy rejected, reference chosen, reference rejected)."""

    def log_p(z: np.ndarray, y: np.ndarray) -> np.ndarray:
        rows = []
        for b in range(len(y)):
            total = 0.0
            for t in range(1, y.shape[1]):
                if y[b, t] >= 0:
                    row = z[b, t - 1]
                    total += row[y[b, t]] - np.logaddexp.reduce(row)
            rows.append(total)
        return np.array(rows)

    chosen, rejected, chosen_before, rejected_before = (
        log_p(z, y) for z, y in zip(logits, labels, strict=True)
    )
    rewards = beta * (chosen - chosen_before), beta * (rejected - rejected_before)
    return float(np.logaddexp(0.0, rewards[1] - rewards[0]).mean())


@pytest.mark.parametrize(("beta", "scale"), [(0.1, 1.0), (0.5, 4.0), (2.0, 30.0)])
def test_dpo_loss_is_that_of_an_independent_computation(
    solved: dict[str, Any], beta: float, scale: float
) -> None:
    rng = np.random.default_rng(int(10 * beta))
    labels, lengths = [], (7, 9)
    for T in lengths:
        y = rng.integers(0, 11, (5, T))
        y[:, :2] = -100
        y[rng.random((5, T)) < 0.2] = -100
        labels.append(y)
    logits = [scale * rng.normal(size=(5, T, 11)) for T in (*lengths, *lengths)]
    ours = [
        solved["answer_log_probability"](torch.from_numpy(z), torch.from_numpy(y))
        for z, y in zip(logits, labels * 2, strict=True)
    ]
    loss = solved["dpo_loss"](*ours, beta=beta)
    assert abs(float(loss) - dpo_in_float64(logits, labels * 2, beta)) < 1e-9


def test_dpo_gradient_is_the_papers(solved: dict[str, Any]) -> None:
    """Rafailov et al. 2023, section 4: pairs weigh by how wrong the implicit reward is."""
    torch.manual_seed(0)
    chosen, rejected = (torch.randn(6, dtype=torch.float64, requires_grad=True) for _ in range(2))
    reference = torch.randn(2, 6, dtype=torch.float64)
    solved["dpo_loss"](chosen, rejected, *reference, beta=0.3).backward()
    margins = 0.3 * ((chosen - reference[0]) - (rejected - reference[1])).detach()
    weight = 0.3 * torch.sigmoid(-margins) / 6
    torch.testing.assert_close(chosen.grad, -weight)
    torch.testing.assert_close(rejected.grad, weight)


# Chats and label words, beside transformers and course-lm


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(course_lm())


def chats() -> list[list[dict[str, str]]]:
    rng = random.Random(0)
    made = []
    for n in range(1, 8):
        roles = ["system"] * (n % 2) + ["user", "assistant"] * n
        made.append([{"role": role, "content": f"say {rng.random():.3f}, please"} for role in roles])
    return made


def test_chat_is_that_of_the_tokenizers_template(solved: dict[str, Any], tokenizer: Any) -> None:
    for chat in chats():
        for prompted in (False, True):
            want = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=prompted)
            assert solved["render_chat"](chat, add_generation_prompt=prompted) == want


def test_labels_of_a_chat_are_its_answers(solved: dict[str, Any], tokenizer: Any) -> None:
    assistant, end = tokenizer.convert_tokens_to_ids(["<|assistant|>", "<|end|>"])
    for chat in chats():
        ids = tokenizer.encode(solved["render_chat"](chat), add_special_tokens=False)
        labels = solved["instruction_labels"](ids, assistant, end)
        counted = tokenizer.decode([label for label in labels if label != -100])
        assert counted == "".join(f" {m['content']}<|end|>" for m in chat if m["role"] == "assistant")


def test_loss_is_that_of_transformers(solved: dict[str, Any]) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=40, n_positions=16, n_embd=8, n_layer=1, n_head=2)).eval()
    ids = torch.randint(40, (3, 12))
    labels = ids.masked_fill(torch.rand(3, 12) < 0.5, -100)
    labels[:, 0] = -100
    with torch.no_grad():
        want = model(input_ids=ids, labels=labels)
        total = solved["answer_log_probability"](want.logits, labels).sum()
    assert abs(-float(total) / int((labels != -100).sum()) - float(want.loss)) < 1e-5


def test_label_words_are_one_token_of_course_lm(tokenizer: Any) -> None:
    for word in ("positive", "negative", "cat", "dog"):
        assert len(tokenizer.encode(" " + word, add_special_tokens=False)) == 1, word


def test_best_spans_are_those_of_a_search(solved: dict[str, Any]) -> None:
    torch.manual_seed(0)
    logits = torch.randn(20, 9, 2)
    logits[torch.rand(20, 9) < 0.3] = -math.inf
    logits[:, 4] = 0.0
    for longest in (1, 3, 9):
        got = solved["SpanHead"](1).best_spans(logits, longest).tolist()
        for row, (first, last) in zip(logits.tolist(), got, strict=True):
            sums = {(i, j): row[i][0] + row[j][1] for i in range(9) for j in range(i, 9) if j - i < longest}
            assert sums[first, last] == max(sums.values())


# Any model in the format of transformers, in place of course-lm


def first_cells() -> str:
    """The experiment that loads the models."""
    return next(cell.source for cell in SOURCE.of_role("experiment") if "def load(" in cell.source)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_another_model_stands_in_by_its_name(
    solved: dict[str, Any], tokenizer: Any, kind: str, tmp_path: Path
) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    if kind == "gpt2":
        model: Any = GPT2LMHeadModel(
            GPT2Config(vocab_size=len(tokenizer), n_positions=64, n_embd=16, n_layer=1, n_head=2)
        )
    else:
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=1,
                num_attention_heads=2,
                tie_word_embeddings=kind == "gpt2",
            )
        )
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    names = dict(solved)
    source = first_cells().replace("MODEL = course_lm()", f"MODEL = {str(tmp_path)!r}")
    needed = ("def encode(text)", "def as_batch(", "def as_linear(", "def merge(")
    with contextlib.redirect_stdout(io.StringIO()):
        exec(source, names)
        for cell in SOURCE.of_role("experiment"):
            if "def read(network" in cell.source:
                exec(cell.source, names)
            if any(text in cell.source for text in needed):
                exec(definitions(cell.source), names)
    assert type(names["model"]).__name__ == type(model).__name__
    states = names["last_states"](["Hello there.", "A longer text than that."])
    ids, mask, labels = names["as_batch"](
        names["chat_rows"]([("Is honey food?", "yes"), ("And a hammer, is it food?", "no")])
    )
    assert states.shape == (2, 16) and ids.shape == mask.shape == labels.shape
    adapted = names["with_lora"](names["model"], rank=2)
    for layer in adapted.modules():
        if hasattr(layer, "merged_weight"):
            nn.init.normal_(layer.B, std=0.1)
    with torch.no_grad():
        beside, inside, plain = (
            network(input_ids=ids, attention_mask=mask).logits[mask == 1]
            for network in (adapted, names["merge"](adapted), names["model"])
        )
    torch.testing.assert_close(beside, inside, atol=1e-4, rtol=1e-4)
    assert (beside - plain).abs().max() > 1e-3


def definitions(source: str) -> str:
    """The imports and functions of a cell, without what it does with them."""
    import ast

    kept = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef)
    ]
    return "\n".join(ast.unparse(node) for node in kept)


# Numbers of the prose


def test_numbers_of_the_prose() -> None:
    assert round(math.exp(2) / (math.exp(2) + math.exp(1)), 3) == 0.731
    assert round(-math.log(0.731), 3) == 0.313
    assert round(math.log(1 + math.exp(-1)), 3) == 0.313, "the margin 1"
    assert round(math.log(2), 3) == 0.693
    points = sum(cell.points or 0 for cell in SOURCE.cells)
    minutes = sum(cell.minutes or 0 for cell in SOURCE.cells)
    assert f"**Points:** {points:g}." in TEXT and f"{minutes:g} minutes of it" in TEXT
    weights, adam = 4 * 7, 8 * 7  # GB for 7 billion parameters in float32, and two numbers each for Adam
    assert 100 <= weights + weights + adam <= 120, "weights, gradients, optimiser"
