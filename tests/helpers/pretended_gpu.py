"""A GPU that is none: tensors stay on the processor, and a mix of the two devices is an error, as on a GPU.

What it can't show is what a GPU computes; what it shows is a tensor that was left on the wrong device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from nextword import presets

GPU, CPU = torch.device("cuda", 0), torch.device("cpu")
TAKES_BOTH = {
    "copy_",
    "__set__",
    "__get__",
    "__deepcopy__",
    "_has_compatible_shallow_copy_type",
    "__repr__",
    "__format__",
}
INDEXES = {
    "__getitem__",
    "__setitem__",
    "index_put_",
    "index_put",
}  # a tensor on a GPU takes indices from anywhere
# rows of different lengths: how many there are at each place is told on the processor, always
PACKED = {"_pack_padded_sequence", "_pad_packed_sequence", "gru", "lstm", "rnn_tanh", "rnn_relu"}
ON_PROCESSOR = {"numpy", "__array__"}


def place(tensor: Tensor) -> torch.device:
    """Return where a tensor is pretended to be."""
    if getattr(tensor, "_on_gpu", False):
        return GPU
    return torch.device("meta") if tensor.is_meta else CPU  # weights that transformers is about to load


def _is_device(value: Any) -> bool:
    if isinstance(value, torch.device):
        return value.type in ("cuda", "cpu")
    return isinstance(value, str) and value.split(":")[0] in ("cuda", "cpu")


class _Pretend(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "?")
        owner = getattr(func, "__self__", None)
        if func is torch.device or name == "_parse_to":  # they read the name of a device
            return func(*args, **kwargs)
        if name == "__get__" and owner in (Tensor.device, Tensor.is_cuda, Tensor.is_cpu):
            on = place(args[0])
            return on if owner is Tensor.device else (on == GPU) == (owner is Tensor.is_cuda)
        if name in ("cuda", "cpu"):
            return (
                args[0] if place(args[0]).type == name else self._marked(args[0].clone(), torch.device(name))
            )
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        here = {place(tensor) for tensor in tensors}
        if GPU in here and name in ON_PROCESSOR:
            raise TypeError(f"can't convert cuda:0 device type tensor to numpy ({name})")
        asked = self._asked_for(func, args, kwargs)
        if len(here) == 2 and asked is None and name not in TAKES_BOTH:
            self._look(name, args, tensors)
        on = asked or (GPU if GPU in here else CPU)
        generator = kwargs.get("generator")
        if on == GPU and isinstance(generator, torch.Generator):
            raise RuntimeError(f"{name}: expected a 'cuda' device type for generator but found 'cpu'")
        args, kwargs = tree_map(lambda leaf: CPU if _is_device(leaf) else leaf, (args, kwargs))
        found = func(*args, **kwargs)
        if name == "__set__":
            if owner is Tensor.data:
                self._marked(args[0], place(args[1]))
            return found
        if name in ("copy_", "__getitem__"):
            on = place(args[0])
        if asked is not None and found is not None and any(found is tensor for tensor in tensors):
            if place(found) == asked:
                return found
            found = found.clone() if not isinstance(found, torch.nn.Parameter) else found.data.clone()
        if name in ("_pack_padded_sequence", "_pad_packed_sequence"):
            return self._marked(found[0], on), found[1]
        return tree_map(lambda leaf: self._marked(leaf, on) if isinstance(leaf, Tensor) else leaf, found)

    def _look(self, name: str, args: Any, tensors: list[Tensor]) -> None:
        # lists of tensors are put together by device, which torch asks of the tensors' insides
        if name in PACKED or name.startswith("_foreach_") or (name in INDEXES and place(args[0]) == GPU):
            return
        # a single number may come from the processor
        if all(place(tensor) == GPU or tensor.ndim == 0 for tensor in tensors):
            return
        shapes = ", ".join(f"{tuple(tensor.shape)} on {place(tensor)}" for tensor in tensors)
        raise RuntimeError(f"Expected all tensors to be on the same device: {name}({shapes})")

    def _asked_for(self, func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> torch.device | None:
        asked = kwargs.get("device")
        if asked is None:
            asked = next((leaf for leaf in args[1:] if _is_device(leaf)), None)
            if asked is None and getattr(func, "__name__", "") == "to" and len(args) > 1:
                asked = place(args[1]) if isinstance(args[1], Tensor) else None
        if asked is None:
            return None
        return GPU if torch.device(asked).type == "cuda" else CPU

    def _marked(self, tensor: Tensor, on: torch.device) -> Tensor:
        tensor._on_gpu = on.type == "cuda"  # type: ignore[attr-defined]
        return tensor


@contextmanager
def pretended_gpu(capability: tuple[int, int] = (8, 0)) -> Iterator[None]:
    """Let torch find a GPU of that compute capability: (7, 5) is a T4, (8, 0) an A100."""
    autocast, new_parameter = torch.autocast, torch.nn.Parameter.__new__

    def placed_parameter(cls: type, data: Tensor | None = None, requires_grad: bool = True) -> Tensor:
        made: Tensor = new_parameter(cls, data, requires_grad)
        made._on_gpu = data is not None and place(data) == GPU  # type: ignore[attr-defined]
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr(torch.cuda, "get_device_name", lambda *_: "a pretended GPU")
        patch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
        patch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: True)  # as torch says on a T4
        patch.setattr(torch.cuda, "get_rng_state", lambda *_: torch.get_rng_state())
        patch.setattr(torch.cuda, "set_rng_state", lambda *_: None)
        patch.setattr(torch.nn.Parameter, "__new__", placed_parameter)  # no mode is told of it
        patch.setattr(torch, "autocast", lambda _, *args, **kwargs: autocast("cpu", *args, **kwargs))
        for variable in (presets.VARIABLE, "NBGRADER_EXECUTION"):  # tests that grade leave them set
            patch.delenv(variable, raising=False)
        presets._gpu.cache_clear()
        try:
            with _Pretend(), torch.backends.mkldnn.flags(enabled=False):  # it has no LSTM in float16
                yield
        finally:
            presets._gpu.cache_clear()
