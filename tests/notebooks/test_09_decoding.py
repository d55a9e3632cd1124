"""Notebook 09: decoding beside `transformers`, and speculative sampling beside the exact distribution."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from solved import solved_names, worked_examples
from torch import Tensor
from torch.nn import functional as F

from autograder.source import read_source

SOURCE = read_source(Path(__file__).parents[2] / "solutions" / "09_decoding.py")
VOCABULARY, END = 17, 3
TEXTS = 20_000


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


# Greedy decoding and beam search, beside transformers


@pytest.fixture(scope="module")
def gpt2() -> Any:
    """A tiny GPT-2 with random weights, large enough that no two tokens come near to a tie."""
    pytest.importorskip("transformers")
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(9)
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=32,
        n_layer=1,
        n_head=2,
        n_embd=8,
        initializer_range=0.6,
        tie_word_embeddings=False,  # tied ones, untrained, say the last token again and again
        bos_token_id=END,
        eos_token_id=END,
        pad_token_id=END,
    )
    return GPT2LMHeadModel(config).eval().double()


def asked(gpt2: Any) -> Callable[[Tensor], tuple[Tensor, None]]:
    def model(idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, None]:
        with torch.no_grad():
            return gpt2(idx).logits, None

    return model


def prompts() -> list[list[int]]:
    """Two hundred prompts of 1 to 12 tokens, the end token among them."""
    generator = torch.Generator().manual_seed(90)
    lengths = torch.randint(1, 13, (200,), generator=generator).tolist()
    return [torch.randint(VOCABULARY, (n,), generator=generator).tolist() for n in lengths]


def generated(gpt2: Any, prompt: list[int], n: int, end: int | None, **settings: Any) -> list[int]:
    """What transformers writes after a prompt."""
    idx = torch.tensor([prompt])
    gpt2.generation_config.eos_token_id = end
    out = gpt2.generate(
        idx,
        attention_mask=torch.ones_like(idx),
        max_new_tokens=n,
        do_sample=False,
        pad_token_id=0,
        **settings,
    )
    new: list[int] = out[0, len(prompt) :].tolist()
    return new[: new.index(end) + 1] if end in new else new  # what follows is padding


@pytest.mark.slow
def test_greedy_decoding_is_that_of_transformers(solved: dict[str, Any], gpt2: Any) -> None:
    model, ended = asked(gpt2), 0
    for i, prompt in enumerate(prompts()):
        n = 1 + i % 15
        free = generated(gpt2, prompt, n, None)
        end = free[n // 2] if i % 3 else None  # a token that does come
        want = generated(gpt2, prompt, n, end)
        assert solved["greedy_decode"](model, prompt, n, end) == want, prompt
        ended += bool(want) and want[-1] == end and len(want) < n
    assert ended >= 10, "too few texts end before their last token for this to say much"


@pytest.mark.slow
def test_beam_search_is_that_of_transformers(solved: dict[str, Any], gpt2: Any) -> None:
    model, ended, beyond_greedy = asked(gpt2), 0, 0
    for i, prompt in enumerate(prompts()):
        n, k, alpha = 1 + i % 8, 2 + i % 4, (1.0, 0.0, 0.6, 2.0)[i // 4 % 4]
        # "never" stops when no text can win any more, not before
        settings = {"num_beams": k, "length_penalty": alpha, "early_stopping": "never"}
        free = generated(gpt2, prompt, n, None, **settings)
        end = free[n // 2] if i % 3 else None  # a token that does come
        want = generated(gpt2, prompt, n, end, **settings)
        assert solved["beam_search"](model, prompt, n, k, end, alpha) == want, (prompt, n, k, end, alpha)
        ended += bool(want) and want[-1] == end and len(want) < n
        beyond_greedy += want != solved["greedy_decode"](model, prompt, n, end)
    assert ended >= 10
    assert beyond_greedy >= 50


def test_no_two_candidates_are_near_to_a_tie(solved: dict[str, Any], gpt2: Any) -> None:
    """What is compared token for token must not hang on the last digit of a sum."""
    gaps = []
    with torch.no_grad():
        for prompt in prompts():
            best = gpt2(torch.tensor([prompt])).logits[0, -1].topk(2).values
            gaps.append(float(best[0] - best[1]))
    assert min(gaps) > 1e-4


def test_a_wide_beam_finds_the_likeliest_of_all_texts(solved: dict[str, Any]) -> None:
    torch.manual_seed(1)
    log_p = torch.randn(4, 4).log_softmax(-1)
    found = solved["beam_search"](lambda idx: (log_p[idx], None), [0], 4, k=64)

    def total(text: tuple[int, ...]) -> float:
        return sum(float(log_p[a, b]) for a, b in itertools.pairwise((0, *text)))

    assert found == list(max(itertools.product(range(4), repeat=4), key=total))


# Filters, beside the logits processors of transformers


def processed(scores: Tensor, **settings: Any) -> Tensor:
    """What the logits processors of transformers leave, as probabilities."""
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    idx = torch.zeros(len(scores), 1, dtype=torch.long)
    if settings.get("temperature"):
        scores = TemperatureLogitsWarper(settings["temperature"])(idx, scores)
    if settings.get("top_k"):
        scores = TopKLogitsWarper(settings["top_k"])(idx, scores)
    if settings.get("top_p"):
        scores = TopPLogitsWarper(settings["top_p"])(idx, scores)
    return scores.softmax(-1)


@pytest.mark.parametrize("seed", range(5))
def test_filters_are_the_logits_processors_of_transformers(solved: dict[str, Any], seed: int) -> None:
    pytest.importorskip("transformers")
    torch.manual_seed(seed)
    logits = (3 * torch.randn(40, 200)).double()
    for temperature in (0.3, 1.0, 1.7):
        got = solved["apply_temperature"](logits, temperature)
        torch.testing.assert_close(got, processed(logits, temperature=temperature))
    p = logits.softmax(-1)
    for k in (1, 2, 50, 199, 200, 300):
        torch.testing.assert_close(solved["top_k_filter"](p, k), processed(logits, top_k=k))
    for nucleus in (1e-6, 0.1, 0.5, 0.9, 0.999):
        torch.testing.assert_close(solved["top_p_filter"](p, nucleus), processed(logits, top_p=nucleus))
    both = solved["top_p_filter"](solved["top_k_filter"](solved["apply_temperature"](logits, 0.7), 30), 0.8)
    torch.testing.assert_close(both, processed(logits, temperature=0.7, top_k=30, top_p=0.8))


def test_draws_follow_what_the_filters_leave(solved: dict[str, Any]) -> None:
    torch.manual_seed(2)
    logits = 1.5 * torch.randn(12)
    for settings in ({}, {"temperature": 0.5}, {"top_k": 4}, {"temperature": 2.0, "top_k": 9, "top_p": 0.7}):
        generator = torch.Generator().manual_seed(3)
        drawn = solved["sample"](logits.expand(TEXTS, -1), **settings, generator=generator)
        want = processed(logits[None].double(), **settings)[0]
        assert p_value(torch.bincount(drawn, minlength=12), want) > 0.01, settings


# The cache


def test_decoding_with_a_cache_is_decoding_without(solved: dict[str, Any]) -> None:
    from nextword.models import GPT, GPTConfig

    torch.manual_seed(4)
    for positions in ("learned", "rotary"):
        model = GPT(GPTConfig(vocab_size=VOCABULARY, n_positions=40, positions=positions)).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        model.requires_grad_(False)
        for prompt in prompts()[:20]:
            for end in (None, END):
                want = solved["greedy_decode"](model, prompt, 12, end)
                assert solved["decode_with_cache"](model.read, prompt, 12, end) == want


# Calibration


def test_a_calibrated_model_has_no_error_and_a_sure_one_has(solved: dict[str, Any]) -> None:
    torch.manual_seed(5)
    sure = torch.rand(200_000)
    right = torch.rand(200_000) < sure
    assert solved["expected_calibration_error"](sure, right) < 0.006
    over = solved["expected_calibration_error"](0.5 + sure / 2, right)
    assert abs(over - 0.25) < 0.01  # (1 + c) / 2 - c, averaged over c from 0 to 1


# Speculative decoding


def p_value(counts: Tensor, exact: Tensor) -> float:
    """Pearson's chi-square of counts against probabilities; rare cells are taken together."""
    counts, expected = counts.double(), exact.double() * counts.sum()
    common = expected >= 5
    observed = torch.cat([counts[common], counts[~common].sum()[None]])
    wanted = torch.cat([expected[common], expected[~common].sum()[None]])
    observed, wanted = observed[wanted > 0], wanted[wanted > 0]
    statistic = ((observed - wanted) ** 2 / wanted).sum()
    half_freedom = torch.tensor((len(wanted) - 1) / 2, dtype=torch.float64)
    return float(torch.special.gammaincc(half_freedom, statistic / 2))


def test_p_values_are_those_of_a_table() -> None:
    # upper 5% and 1% points of chi-square with 4 degrees of freedom: 9.488 and 13.277
    for statistic, chance in ((9.488, 0.05), (13.277, 0.01)):
        shift = math.sqrt(statistic * 1000 / 2)
        counts = torch.tensor([1000 + shift, 1000 - shift, 1000, 1000, 1000], dtype=torch.float64)
        assert p_value(counts, torch.full((5,), 0.2)) == pytest.approx(chance, rel=0.01)


def joint_chance(solved: dict[str, Any], temperature: float, verify: Callable[..., Any], seed: int) -> float:
    """The p-value of 20,000 texts of three tokens that speculative_decode draws, against their joint law."""
    generator = torch.Generator().manual_seed(seed)
    large, small = (1.2 * torch.randn(3, 3, generator=generator) for _ in range(2))
    counts = torch.zeros(27, dtype=torch.long)
    for _ in range(TEXTS):
        a, b, c = solved["speculative_decode"](
            lambda idx: (large[idx], None),
            lambda idx: (small[idx], None),
            [0],
            3,
            ahead=2,
            temperature=temperature,
            generator=generator,
            verify=verify,
        )
        counts[9 * a + 3 * b + c] += 1
    p = (large / temperature).softmax(-1).double()
    exact = p[0][:, None, None] * p[:, :, None] * p[None]
    return p_value(counts, exact.flatten())


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.5])
def test_speculative_decoding_draws_from_the_large_model(solved: dict[str, Any], temperature: float) -> None:
    assert joint_chance(solved, temperature, solved["accept_or_resample"], seed=6) > 0.01


def resamples_from_p(
    p: Tensor, q: Tensor, drafted: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The planted bug: what is turned down is drawn again from p."""
    row = torch.arange(len(drafted))
    kept = torch.rand(len(drafted), generator=generator) * q[row, drafted] < p[row, drafted]
    return kept, torch.where(kept, drafted, torch.multinomial(p, 1, generator=generator)[:, 0])


@pytest.mark.slow
def test_resampling_from_p_is_noticed(solved: dict[str, Any]) -> None:
    assert joint_chance(solved, 1.0, resamples_from_p, seed=6) < 1e-6


@pytest.mark.parametrize("V", [2, 5, 40])
def test_one_decision_leaves_the_large_models_distribution(solved: dict[str, Any], V: int) -> None:
    generator = torch.Generator().manual_seed(V)
    for scale in (0.3, 1.0, 3.0):
        p, q = (scale * torch.randn(2, V, generator=generator)).softmax(-1)
        drafted = torch.multinomial(q, TEXTS, replacement=True, generator=generator)
        rows = [row.expand(TEXTS, -1) for row in (p, q)]
        kept, tokens = solved["accept_or_resample"](*rows, drafted, generator)
        assert p_value(torch.bincount(tokens, minlength=V), p) > 0.01
        overlap = float(torch.minimum(p, q).sum())
        assert abs(float(kept.float().mean()) - overlap) < 0.015
        _, wrong = resamples_from_p(*rows, drafted, generator)
        if overlap < 0.9:
            assert p_value(torch.bincount(wrong, minlength=V), p) < 1e-3


def test_at_temperature_zero_it_is_greedy_decoding(solved: dict[str, Any], gpt2: Any) -> None:
    large = asked(gpt2)

    def small(idx: Tensor) -> tuple[Tensor, None]:
        return large(idx)[0] + 2 * torch.sin(3.0 * torch.arange(VOCABULARY)), None

    for i, prompt in enumerate(prompts()[:30]):
        got = solved["speculative_decode"](large, small, prompt, 10, ahead=1 + i % 5, temperature=0)
        assert got == solved["greedy_decode"](large, prompt, 10)


# Numbers of the prose


def test_numbers_of_the_prose(solved: dict[str, Any]) -> None:
    table = solved["TOY_TABLE"]
    torch.testing.assert_close(table.sum(1), torch.ones(7))
    assert float(table[0, 1] * table[1, 3]) == pytest.approx(0.24)
    assert float(table[0, 2] * table[2, 5]) == pytest.approx(0.36)
    assert math.log(0.36) == pytest.approx(-1.02, abs=0.005)
    assert math.log(0.24) == pytest.approx(-1.43, abs=0.005)
    assert pytest.approx(37_000, rel=0.01) == 2 * 12 * 768 * 2
    p, q = torch.tensor([0.6, 0.4]), torch.tensor([0.9, 0.1])
    assert float(1 - torch.minimum(p, q).sum()) == pytest.approx(0.3)
    assert F.one_hot((p - q).clamp(min=0).argmax(), 2).tolist() == [0, 1]
