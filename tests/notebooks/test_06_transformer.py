"""Notebook 06: GPT-2 beside `transformers`, positions beside those of others, what the experiments show."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from solved import solved_names, worked_examples
from torch.nn import functional as F

from autograder.source import read_source

SOURCE = read_source(Path(__file__).parents[2] / "solutions" / "06_transformer.py")


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


# GPT-2, beside the GPT-2 of transformers


def random_gpt2(sizes: Any, seed: int) -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=sizes.vocabulary_size,
        n_positions=sizes.context,
        n_layer=sizes.n_layers,
        n_head=sizes.n_heads,
        n_embd=sizes.width,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPT2LMHeadModel(config).eval()
    for parameter in model.parameters():  # biases and norms, too, which begin as zeros and ones
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, mean=0.5, std=0.5)
    return model


@pytest.mark.parametrize("shape", [(11, 5, 1, 1, 4), (300, 40, 3, 4, 32), (50, 64, 6, 2, 16)])
def test_logits_and_loss_are_those_of_transformers(solved: dict[str, Any], shape: tuple[int, ...]) -> None:
    sizes = solved["Config"](*shape)
    theirs = random_gpt2(sizes, seed=sizes.width)
    ours = solved["GPT"](sizes)
    solved["load_gpt2_weights"](ours, theirs.transformer.state_dict())
    idx = torch.randint(sizes.vocabulary_size, (3, sizes.context))
    with torch.no_grad():
        want = theirs(idx, labels=idx)
        logits, loss = ours(idx, torch.cat([idx[:, 1:], torch.full((3, 1), -100)], dim=1))
    assert (logits - want.logits).abs().max() < 1e-4
    assert abs(float(loss) - float(want.loss)) < 1e-4  # transformers shifts the targets itself
    assert solved["count_parameters"](sizes) == sum(p.numel() for p in theirs.parameters())


@pytest.mark.parametrize(
    ("size", "count"),
    [("small", 124_439_808), ("medium", 354_823_168), ("large", 774_030_080), ("XL", 1_557_611_200)],
)
def test_gpt2_sizes_have_the_published_number_of_parameters(
    solved: dict[str, Any], size: str, count: int
) -> None:
    sizes = solved["GPT2_SIZES"][size]
    with torch.device("meta"):  # no memory for the numbers
        model = solved["GPT"](sizes)
    assert sum(parameter.numel() for parameter in model.parameters()) == count
    assert solved["count_parameters"](sizes) == count


def test_first_weights_are_small_and_the_first_guess_has_no_preference(solved: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = solved["GPT"](solved["Config"](500, 32, 4, 4, 64))
    spread = {
        name: float(weight.detach().std()) for name, weight in model.named_parameters() if weight.ndim == 2
    }
    for name, value in spread.items():
        writes = "output" in name or "down" in name
        wanted = 0.02 * math.sqrt(768 / 64) / (math.sqrt(8) if writes else 1)
        assert abs(value / wanted - 1) < 0.1, name
    loss = model(torch.randint(500, (8, 32)), torch.randint(500, (8, 32)))[1]
    assert abs(float(loss.detach()) - math.log(500)) < 0.4


# Positions, beside other people's


def test_rotary_positions_are_those_of_gpt_j(solved: dict[str, Any]) -> None:
    from transformers.models.gptj.modeling_gptj import apply_rotary_pos_emb, create_sinusoidal_positions

    torch.manual_seed(0)
    x = torch.randn(2, 3, 20, 16)  # (B, heads, T, d); GPT-J has (B, T, heads, d)
    sin, cos = create_sinusoidal_positions(50, 16)[7:27].chunk(2, dim=-1)
    want = apply_rotary_pos_emb(x.transpose(1, 2), sin[None], cos[None]).transpose(1, 2)
    torch.testing.assert_close(solved["apply_rotary"](x, first=7), want, atol=1e-5, rtol=1e-5)


def test_score_of_ones_is_the_dot_product_of_sinusoidal_vectors(solved: dict[str, Any]) -> None:
    ones = solved["apply_rotary"](torch.ones(30, 64))
    table = solved["sinusoidal_positions"](30, 64)
    torch.testing.assert_close(ones @ ones.T / 2, table @ table.T, atol=1e-3, rtol=1e-4)


def attention_with(solved: dict[str, Any], **settings: Any) -> Any:
    torch.manual_seed(1)
    return solved["MultiHeadAttention"](16, 2, **settings)


def test_rotary_attention_depends_on_distance_only_and_tells_the_order(solved: dict[str, Any]) -> None:
    x = torch.randn(1, 6, 16, generator=torch.Generator().manual_seed(0))
    order = torch.tensor([3, 1, 4, 0, 2, 5])
    plain = attention_with(solved)
    here = attention_with(solved, rotate=solved["apply_rotary"])
    elsewhere = attention_with(solved, rotate=lambda part: solved["apply_rotary"](part, first=100))
    torch.testing.assert_close(here(x), elsewhere(x), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(plain(x[:, order]), plain(x)[:, order], atol=1e-6, rtol=1e-5)
    assert not torch.allclose(here(x[:, order]), here(x)[:, order], atol=1e-3)


def test_numbers_of_the_prose() -> None:
    x = torch.linspace(-10, 10, 200_001, dtype=torch.float64)
    assert (F.gelu(x) - F.gelu(x, approximate="tanh")).abs().max() < 0.0005
    lowest = x[F.gelu(x, approximate="tanh").argmin()]
    assert abs(float(lowest) + 0.75) < 0.01
    widths = {"small": (768, 12), "medium": (1024, 24), "large": (1280, 36), "XL": (1600, 48)}
    shares = {}
    for size, (C, n) in widths.items():
        parts: dict[str, int] = {
            "thought": 8 * C * C * n,
            "attention": 4 * C * C * n,
            "embeddings": (50257 + 1024) * C,
        }
        shares[size] = {part: count / sum(parts.values()) for part, count in parts.items()}
    assert 0.3 < shares["small"]["embeddings"] < 0.35
    assert 0.045 < shares["XL"]["embeddings"] < 0.055
    thought = [share["thought"] for share in shares.values()]
    assert thought == sorted(thought)
    assert 6 < 4 * 1_557_611_200 / 1e9 < 6.5, "6 GB to be counted"
