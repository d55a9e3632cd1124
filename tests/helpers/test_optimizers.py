"""Muon: what it does to matrices, against PyTorch's own, and within the training loop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nextword.batches import token_batches
from nextword.models.gpt import GPT, GPTConfig
from nextword.optimizers import Muon, muon_and_adamw, orthogonalised
from nextword.training import train


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 2**32), st.sampled_from([1e-3, 1.0, 1e4]))
def test_singular_vectors_stay_and_singular_values_come_near_one(
    m: int, n: int, seed: int, size: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    k = min(m, n)
    u, _ = torch.linalg.qr(torch.randn(m, k, generator=generator))
    v, _ = torch.linalg.qr(torch.randn(n, k, generator=generator))
    values = 0.05 + 0.95 * torch.rand(k, generator=generator)
    within = u.mT @ orthogonalised(size * u @ values.diag() @ v.mT) @ v
    assert (within - within.diag().diag()).abs().max() < 2e-2
    assert within.diag().min() > 0.5
    assert within.diag().max() < 1.3


def test_zeros_stay_zeros() -> None:
    assert not orthogonalised(torch.zeros(3, 4)).any()


def test_a_stack_of_matrices_is_each_of_them() -> None:
    stack = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(
        orthogonalised(stack), torch.stack([orthogonalised(one) for one in stack]), atol=1e-5
    )


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="PyTorch has Muon since 2.9")
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_equals_pytorchs_muon(weight_decay: float) -> None:
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(8, 20, bias=False), nn.Tanh(), nn.Linear(20, 4, bias=False))
    theirs = nn.Sequential(nn.Linear(8, 20, bias=False), nn.Tanh(), nn.Linear(20, 4, bias=False))
    theirs.load_state_dict(ours.state_dict())
    optimizers = [
        Muon(ours.parameters(), lr=0.02, weight_decay=weight_decay),
        torch.optim.Muon(
            theirs.parameters(), lr=0.02, momentum=0.95, weight_decay=weight_decay, adjust_lr_fn="original"
        ),
    ]
    for _ in range(5):
        x = torch.randn(16, 8)
        for model, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert (a - b).abs().max() < 0.01  # of 0.1 that they have moved: PyTorch's iterates in bfloat16
        assert a.ne(0).any()


def test_a_vector_is_refused_with_a_remedy() -> None:
    with pytest.raises(ValueError, match="AdamW"):
        Muon([torch.zeros(3, requires_grad=True)])


def test_parameters_are_shared_out_once_each() -> None:
    model = GPT(GPTConfig(vocab_size=11, n_positions=8, n_layers=2, embedding_dim=8, n_heads=2))
    muon, adamw = muon_and_adamw(model)
    shared = [[p for group in optimizer.param_groups for p in group["params"]] for optimizer in (muon, adamw)]
    assert {id(p) for p in shared[0]} == {
        id(p) for n, p in model.named_parameters() if n.startswith("layers") and p.ndim == 2
    }
    assert sorted(map(id, shared[0] + shared[1])) == sorted(map(id, model.parameters()))


def test_a_frozen_parameter_is_left_alone() -> None:
    model = nn.Linear(3, 3)
    model.weight.requires_grad_(False)
    (adamw,) = muon_and_adamw(model)
    assert adamw.param_groups[0]["params"] == [model.bias]


def test_trains_with_the_loop_and_goes_on_after_a_kill(tmp_path: Path) -> None:
    data = token_batches(torch.arange(200) % 7, 8, characters=200)

    def run(steps: int, checkpoint: Path | None) -> tuple[GPT, float]:
        torch.manual_seed(0)
        model = GPT(GPTConfig(vocab_size=7, n_positions=8, n_layers=1, embedding_dim=16, n_heads=2))
        history = train(
            model,
            data,
            steps=steps,
            batch_size=8,
            optimizer=muon_and_adamw(model, adamw_learning_rate=0.02),
            evaluate_every=25,
            checkpoint=checkpoint,
            progress=False,
            device="cpu",
        )
        return model, history.train[-1]

    model, loss = run(150, None)
    assert loss < 0.5
    file = tmp_path / "run"

    class Killed(Exception):
        pass

    def save_then_die(self: object, *arguments: object) -> None:
        original(self, *arguments)
        raise Killed

    from nextword import training

    original = training._Run.save
    training._Run.save = save_then_die  # type: ignore[assignment, method-assign]
    try:
        with pytest.raises(Killed):
            run(150, file)
    finally:
        training._Run.save = original  # type: ignore[method-assign]
    again, _ = run(150, file)
    for a, b in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
