"""Greedy decoding with a cache: our GPT and the `generate` of transformers, with the same weights.

The model is course-lm, once as a `GPT` of nextword and once as a `GPT2LMHeadModel`. Both read prompts and
write until the context is full, one text or several side by side, and must write the same tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nextword.course_lm import course_lm
from nextword.labelled import labelled_texts
from nextword.models import GPT
from recipes.bench.alternating import Timing, alternating, processor_seconds
from recipes.bench.report import Report, Target

PROMPT = 32  # tokens
BATCHES = (1, 16)  # texts side by side: someone waits for an answer; many texts are worked off
OURS, THEIRS = "our GPT", "transformers"


@torch.no_grad()  # as generate does
def written_by_ours(model: GPT, prompts: Tensor, n: int) -> Tensor:
    """Return n tokens after each prompt, always the likeliest: (B, n) long for prompts (B, T) long."""
    new, cache = prompts, None
    written = []
    for _ in range(n):
        logits, cache = model.read(new, cache)
        new = logits[:, -1:].argmax(-1)
        written.append(new)
    return torch.cat(written, dim=1)


def written_by_theirs(model: Any, prompts: Tensor, n: int) -> Tensor:
    """Return what `generate` writes with its own cache: (B, n) long for prompts (B, T) long."""
    whole: Tensor = model.generate(
        prompts,
        attention_mask=torch.ones_like(prompts),
        do_sample=False,
        max_new_tokens=n,
        eos_token_id=None,  # nobody stops before n tokens
        pad_token_id=0,
    )
    return whole[:, prompts.shape[1] :]


def prompts_from_reviews(batch: int, length: int) -> Tensor:
    """Return the beginnings of a batch of reviews as tokens of course-lm, (batch, length) long."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(course_lm())
    encoded = [tokenizer(f"Review: {review.text}").input_ids for review in labelled_texts("reviews")]
    return torch.tensor([ids[:length] for ids in encoded if len(ids) >= length][:batch])


def models() -> tuple[GPT, Any]:
    """Return course-lm as a GPT of nextword and as a model of transformers, both in evaluation mode."""
    from transformers import AutoModelForCausalLM

    return GPT.from_pretrained(course_lm()).eval(), AutoModelForCausalLM.from_pretrained(course_lm()).eval()


def measure(runs: int, *, batches: Sequence[int] = BATCHES, n: int | None = None) -> Report:
    """Compare the two for each number of texts; n new tokens each, or as many as the context has room for."""
    ours, theirs = models()
    n = n or ours.config.n_positions - PROMPT
    timings, targets = [], []
    for batch in batches:
        prompts = prompts_from_reviews(batch, PROMPT)
        if not written_by_ours(ours, prompts, n).equal(written_by_theirs(theirs, prompts, n)):
            raise AssertionError(f"The two write different tokens for a batch of {batch}.")
        seconds = alternating(
            {
                OURS: lambda prompts=prompts: processor_seconds(lambda: written_by_ours(ours, prompts, n)),
                THEIRS: lambda prompts=prompts: processor_seconds(
                    lambda: written_by_theirs(theirs, prompts, n)
                ),
            },
            runs,
        )
        group = f"{batch} {'text' if batch == 1 else 'texts side by side'}"
        both = [Timing(way, told, batch * n, group=group) for way, told in seconds.items()]
        ratio = both[0].rate / both[1].rate
        targets.append(Target(f"{group}: at least transformers' speed", f"{ratio:.2f} times", ratio >= 1))
        timings += both
    return Report(
        name="decoding",
        title="Greedy decoding with a cache, beside transformers",
        about=(
            f"course-lm ({sum(p.numel() for p in ours.parameters()):,} parameters, float32) reads the first "
            f"{PROMPT} tokens of reviews and writes {n} more, always the likeliest. Ours is a loop around "
            "`GPT.read`, as in notebook 09; theirs is `generate(do_sample=False)` with its usual cache. Both "
            "wrote the same tokens, which was looked at before anything was timed. Seconds are of processor "
            "time; reading the prompts counts for both, loading the models for neither."
        ),
        unit="tokens",
        timings=timings,
        packages=["transformers"],
        targets=targets,
        notes=(
            "A step of decoding is short, so what stands around the arithmetic decides. Keys and values used "
            "to be copied at each step, to put the new ones behind them; that took half of our time. `Cache` "
            "now has room behind them, and is copied only when it is full. What is left is matrix products, "
            "and reading keys and values for attention."
        ),
    )
