"""Muon, for the matrices of a network, and which optimizer takes which parameter.

`nextword.training.train` takes one optimizer or several: train(model, data, optimizer=muon_and_adamw(model)).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

# A quintic that drives any number between 0 and 1 near 1 in a few rounds; its slope at 0 is as steep as can
# be had, at the price of stopping anywhere between 0.7 and 1.2 (Jordan et al. 2024).
QUINTIC = (3.4445, -4.7750, 2.0315)
ROUNDS = 5


def orthogonalised(matrices: Tensor, rounds: int = ROUNDS) -> Tensor:
    """Return matrices (..., m, n) with about the same singular vectors, and singular values near 1.

    The Newton-Schulz iteration of Jordan et al. (2024): only products of matrices, so that it is fast on any
    device. Each round multiplies x from the left by a I + b x xᵀ + c (x xᵀ)², so the rounds need x xᵀ alone,
    which is square and as small as the shorter side. A matrix of zeros stays one.
    """
    a, b, c = QUINTIC
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)  # no singular value above 1
    gram = x @ x.mT
    identity = torch.eye(gram.shape[-1], dtype=x.dtype, device=x.device)
    product = None
    for round_ in range(rounds):
        factor = a * identity + b * gram + c * gram @ gram
        product = factor if product is None else factor @ product
        if round_ < rounds - 1:
            gram = factor @ gram @ factor
    x = x if product is None else product @ x
    return x.mT if tall else x


class Muon(Optimizer):
    """Momentum whose steps are made orthogonal: every direction of a matrix moves equally far.

    For the matrices inside a network; embeddings, biases and gains are better off with AdamW (Jordan et al.
    2024, Muon: An optimizer for hidden layers in neural networks). A step moves a matrix (m, n) by the
    learning rate times sqrt(max(1, m / n)), so that one rate suits matrices of all shapes. `weight_decay`
    pulls towards 0 apart from the gradient, as in AdamW. Raises ValueError for a parameter that is no matrix.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        rounds: int = ROUNDS,
    ) -> None:
        settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "rounds": rounds}
        super().__init__(params, settings)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim != 2:
                    raise ValueError(
                        f"Muon moves matrices, and here is a parameter of shape {tuple(parameter.shape)}. "
                        "Give it to AdamW; muon_and_adamw(model) shares parameters out."
                    )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move all matrices that have a gradient; return what the closure returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            alike: dict[tuple[Any, ...], list[tuple[Tensor, Tensor]]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update = self._with_momentum(parameter, group["momentum"])
                    kind = (parameter.shape, parameter.device, parameter.dtype)
                    alike.setdefault(kind, []).append((parameter, update))
            for (shape, *_), members in alike.items():
                # one batched product for all matrices of a shape: fewer and larger calls
                moves = orthogonalised(torch.stack([update for _, update in members]), group["rounds"])
                rate = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for (parameter, _), move in zip(members, moves, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(move, alpha=-rate)
        return loss

    def _with_momentum(self, parameter: Tensor, momentum: float) -> Tensor:
        """Return the gradient looked at from where the momentum will have carried us (Nesterov)."""
        assert parameter.grad is not None
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        running: Tensor = state["momentum"].lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(running, momentum)


def muon_and_adamw(
    model: nn.Module,
    *,
    learning_rate: float = 0.02,
    adamw_learning_rate: float = 3e-3,
    momentum: float = 0.95,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.99),
) -> list[Optimizer]:
    """Return Muon for the matrices inside a model, and AdamW for its embeddings and all that is no matrix.

    `momentum` is Muon's; `weight_decay` is for both, on matrices and embeddings. An output layer that is no
    embedding counts as inside. A model without matrices gets AdamW alone.
    """
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    inside = [p for p in trained if p.ndim == 2 and id(p) not in embeddings]
    groups = [
        {"params": [p for p in trained if id(p) in embeddings], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim != 2 and id(p) not in embeddings], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    optimizers: list[Optimizer] = []
    if inside:
        optimizers.append(Muon(inside, lr=learning_rate, momentum=momentum, weight_decay=weight_decay))
    if groups:
        optimizers.append(AdamW(groups, lr=adamw_learning_rate, betas=betas, fused=True))
    return optimizers
