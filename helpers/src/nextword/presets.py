"""Which hardware a notebook runs on, and the sizes that suit it."""

import os
from dataclasses import dataclass
from functools import cache

PRESETS = ("cpu", "gpu", "grade")
VARIABLE = "NEXTWORD_PRESET"


@dataclass(frozen=True)
class Preset:
    """The sizes that fit one kind of machine; `str(preset)` is a sentence that says which is on and why."""

    name: str
    # Where tensors live: "cpu" or "cuda".
    device: str
    # What models compute in: a processor is fast in float32 only, a GPU needs half precision to be fast.
    dtype: str
    # Why this preset was chosen, as the end of a sentence.
    reason: str
    # Budget of one training run: a notebook has a handful of them and must end within minutes.
    seconds: float
    # Sequences per step: enough to keep the device busy, few enough for many steps within the budget.
    batch_size: int
    # Sentences of `village` to train on: more than the budget can read would be wasted.
    train_sentences: int

    def __str__(self) -> str:
        return (
            f"Preset {self.name}: {self.reason}. Device {self.device}, numbers in {self.dtype}, "
            f"up to {self.seconds:g} seconds per training run."
        )


def preset() -> Preset:
    """Return the preset: `NEXTWORD_PRESET` if set, else `grade` while nbgrader runs, else by hardware.

    Raises ValueError when NEXTWORD_PRESET names no preset, RuntimeError when it asks for a GPU that is not
    there.
    """
    wanted = os.environ.get(VARIABLE, "").strip()
    if wanted:
        if wanted not in PRESETS:
            raise ValueError(
                f"{VARIABLE} is {wanted!r}, which is not a preset. Set it to one of "
                f"{', '.join(PRESETS)}, or remove it."
            )
        if wanted == "gpu" and _gpu() is None:
            raise RuntimeError(
                f"{VARIABLE} is 'gpu', but torch finds no GPU here. Choose a runtime with a GPU "
                "(Colab: Runtime > Change runtime type), or remove the variable."
            )
        return _make(wanted, f"the environment variable {VARIABLE} asks for it")
    if os.environ.get("NBGRADER_EXECUTION"):
        return _make("grade", "this notebook is being graded, so nothing trains")
    gpu = _gpu()
    if gpu is not None:
        return _make("gpu", f"torch finds a GPU, {gpu[0]}")
    return _make("cpu", "torch finds no GPU here")


def _make(name: str, reason: str) -> Preset:
    if name == "gpu":
        gpu = _gpu()
        # torch.cuda.is_bf16_supported() says True on a T4, which only emulates it: ask for its generation.
        dtype = "bfloat16" if gpu is not None and gpu[1] >= (8, 0) else "float16"
        return Preset("gpu", "cuda", dtype, reason, seconds=60, batch_size=256, train_sentences=60_000)
    if name == "grade":
        return Preset("grade", "cpu", "float32", reason, seconds=2, batch_size=8, train_sentences=1_000)
    return Preset("cpu", "cpu", "float32", reason, seconds=30, batch_size=32, train_sentences=15_000)


@cache
def _gpu() -> tuple[str, tuple[int, int]] | None:
    """Name and compute capability of the GPU that torch would use; None when there is none, or no torch."""
    try:
        import torch
    except ImportError:
        return None
    if not torch.cuda.is_available():
        return None
    major, minor = torch.cuda.get_device_capability()
    return torch.cuda.get_device_name(), (major, minor)
