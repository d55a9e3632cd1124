"""What numpy and torch do once in a process, done before forking; and what torch need not do, put off.

A process's first product of matrices takes milliseconds, its first LSTM forty, as libraries inside choose
what to compute with. The first optimizer step imports torch's compiler, only to say that there is nothing to
compile: eight hundred modules with those of sympy, a second of processor time, 70 MB in each copy of the
process.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_loader
from typing import Any

_COMPILER = "torch._dynamo"


def call_numpy() -> None:
    """Do once what notebooks do with numpy. Leaves its global generator seeded with 0."""
    import numpy as np

    x = np.random.default_rng(0).normal(size=(4, 4))
    np.testing.assert_allclose(x @ x.T, np.einsum("ij,kj->ik", x, x))
    assert np.allclose(np.linalg.norm(x, axis=-1) ** 2, np.sum(x * x, -1))
    for array in (np.exp(x - x.max()), np.argsort(x), np.unique(np.arange(4)), np.array(["a", "b"])):
        repr(array)
    np.random.seed(0)  # noqa: NPY002  (the generator that students' code draws from)


def call_torch() -> None:
    """Do once what notebooks do with torch, in one thread. Leaves its generator seeded with 0."""
    import torch
    from torch import nn
    from torch.nn import functional

    torch.set_num_threads(1)
    put_off_compiler()
    tokens = torch.arange(6).reshape(2, 3)
    x = nn.LayerNorm(8)(nn.Embedding(6, 8)(tokens) + torch.randn(3, 8))
    for recurrent in (nn.RNN(8, 8), nn.GRU(8, 8), nn.LSTM(8, 8)):
        x = recurrent(x)[0]
    mask = torch.tril(torch.ones(3, 3, dtype=torch.bool))
    weights = torch.softmax((x @ x.transpose(-2, -1)).masked_fill(~mask, float("-inf")), -1)
    x = weights @ x + functional.scaled_dot_product_attention(x, x, x, is_causal=True)
    x = torch.cat([functional.gelu(x), functional.relu(x), torch.tanh(x), torch.sigmoid(x)], -1)
    logits = nn.Linear(32, 6)(functional.dropout(x, 0.1))
    for kind in (torch.optim.SGD, torch.optim.AdamW):
        head = nn.Linear(6, 6)
        loss = functional.cross_entropy(head(logits.detach()).flatten(0, 1), tokens.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        kind(head.parameters(), lr=0.1).step()
    logits.sum().backward()
    with torch.no_grad():
        probabilities = torch.softmax(logits[0], -1)
        drawn = torch.multinomial(probabilities, 2)
        best = probabilities.topk(2).indices, probabilities.argmax(-1), probabilities.sort(-1)[0].cumsum(-1)
        repr((drawn, best, head, torch.stack([probabilities, probabilities.exp().log()]).numpy()))
        assert torch.allclose(torch.tensor(probabilities.numpy()).sum(-1), torch.ones(3), atol=1e-4)
        assert torch.isfinite(probabilities).all().item() and torch.equal(drawn, drawn.clone())
    ignore_absent_devices()
    torch.manual_seed(0)


def ignore_absent_devices() -> None:
    """Let seeds for devices that this machine lacks be forgotten at once.

    torch keeps each of them for the day that one appears, with a printed stack of its callers: a millisecond.
    """
    import torch

    for name in ("cuda", "xpu", "mtia"):
        device: Any = getattr(torch, name, None)
        if hasattr(device, "manual_seed_all") and not device.is_available():
            device.manual_seed_all = _forget


def _forget(seed: int) -> None:
    """What torch says of seeds for a device that is not there: silently ignored. Raises ValueError or
    TypeError for what is no number.
    """
    int(seed)


def put_off_compiler() -> None:
    """Let a stand-in take the compiler's place where torch asks it to leave eager code alone.

    Whoever wants anything else of it, torch.compile or torch.func for example, gets the real one. Does
    nothing where that has been imported already.
    """
    if _COMPILER in sys.modules:
        return
    spec = find_spec(_COMPILER)
    if spec is None:
        return
    later = _Later(_COMPILER)
    later.__spec__, later.__file__ = spec, spec.origin
    sys.modules[_COMPILER] = later
    sys.modules["torch"]._dynamo = later  # type: ignore[attr-defined]
    sys.meta_path.insert(0, _Loaded())


class _Later(types.ModuleType):
    """Stands for the compiler as long as nothing is compiled."""

    def graph_break(self, *_: Any, **__: Any) -> None:
        """There is no graph to break."""

    def disable(self, function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Any:
        """A function that is not compiled, or a decorator for such functions."""
        return function if function is not None else lambda function: function

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":  # a look at all modules is no wish to compile
            raise AttributeError(f"module {_COMPILER!r} has no attribute {name!r}")
        if sys.modules.get(_COMPILER) is self:
            del sys.modules[_COMPILER]
            try:
                importlib.import_module(_COMPILER)
            except BaseException:  # interrupted, or out of memory: it may be asked for again
                sys.modules[_COMPILER] = self
                raise
        return getattr(sys.modules[_COMPILER], name)


class _Loaded:
    """Finds modules of the compiler that came with it while they were being looked for: a statement such as
    `import torch._dynamo.config` asks the stand-in where to look, and by then the real one has loaded it.
    """

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        if name.startswith(f"{_COMPILER}.") and name in sys.modules:
            return spec_from_loader(name, self)  # type: ignore[arg-type]
        return None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return sys.modules[spec.name]

    def exec_module(self, module: types.ModuleType) -> None:
        """It has run."""
