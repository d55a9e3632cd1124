"""What torch does once in a process, done before forking; and what it need not do at all, put off.

The first optimizer step in a process imports torch's compiler, only to say that there is nothing to compile:
eight hundred modules with those of sympy, a second of processor time, 70 MB in each copy of the process.
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


def warm_up() -> None:
    """One thread, no compiler until somebody asks for it, the first steps taken, seeds set."""
    import torch

    torch.set_num_threads(1)
    put_off_compiler()
    weight = torch.nn.Parameter(torch.ones(2))
    for kind in (torch.optim.SGD, torch.optim.AdamW):
        weight.sum().backward()
        kind([weight], lr=0.1).step()
    torch.manual_seed(0)  # the first time it reads its own source, for a GPU's benefit


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
            importlib.import_module(_COMPILER)
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
