"""Which preset is on, and why."""

from __future__ import annotations

import sys

import pytest
import torch

from nextword import preset, presets


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    monkeypatch.delenv("NEXTWORD_PRESET", raising=False)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    presets._gpu.cache_clear()
    yield
    presets._gpu.cache_clear()


def pretend_gpu(monkeypatch, name: str, capability: tuple[int, int]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: name)


def no_gpu(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_a_processor_gets_cpu(monkeypatch) -> None:
    no_gpu(monkeypatch)
    on = preset()
    assert (on.name, on.device, on.dtype) == ("cpu", "cpu", "float32")
    assert str(on).startswith("Preset cpu: torch finds no GPU here. Device cpu, numbers in float32")


@pytest.mark.parametrize(
    ("name", "capability", "dtype"),
    [("Tesla T4", (7, 5), "float16"), ("NVIDIA L4", (8, 9), "bfloat16"), ("NVIDIA A100", (8, 0), "bfloat16")],
)
def test_half_precision_is_what_the_hardware_has(monkeypatch, name, capability, dtype) -> None:
    pretend_gpu(monkeypatch, name, capability)
    on = preset()
    assert (on.name, on.device, on.dtype) == ("gpu", "cuda", dtype)
    assert name in str(on)
    assert hasattr(torch, on.dtype)


def test_grading_trains_nothing_and_asks_no_hardware(monkeypatch) -> None:
    pretend_gpu(monkeypatch, "Tesla T4", (7, 5))
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    on = preset()
    assert (on.name, on.device) == ("grade", "cpu")
    assert "being graded" in str(on)
    assert on.seconds < 5


@pytest.mark.parametrize("name", ["cpu", "grade", "gpu"])
def test_the_variable_overrides_all_else(monkeypatch, name) -> None:
    pretend_gpu(monkeypatch, "Tesla T4", (7, 5))
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    monkeypatch.setenv("NEXTWORD_PRESET", f" {name} ")
    on = preset()
    assert on.name == name
    assert on.device == ("cuda" if name == "gpu" else "cpu")
    assert "NEXTWORD_PRESET asks for it" in str(on)


def test_an_unknown_preset_is_a_sentence_with_a_remedy(monkeypatch) -> None:
    monkeypatch.setenv("NEXTWORD_PRESET", "tpu")
    with pytest.raises(ValueError, match=r"'tpu', which is not a preset\. Set it to one of cpu, gpu, grade"):
        preset()


def test_asking_for_a_gpu_that_is_not_there(monkeypatch) -> None:
    no_gpu(monkeypatch)
    monkeypatch.setenv("NEXTWORD_PRESET", "gpu")
    with pytest.raises(RuntimeError, match="torch finds no GPU here"):
        preset()


def test_without_torch_it_is_cpu(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert preset().name == "cpu"


def test_budgets_grow_with_the_machine(monkeypatch) -> None:
    pretend_gpu(monkeypatch, "Tesla T4", (7, 5))
    budgets = []
    for name in ("grade", "cpu", "gpu"):
        monkeypatch.setenv("NEXTWORD_PRESET", name)
        on = preset()
        budgets.append((on.seconds, on.batch_size, on.train_sentences))
    assert budgets == sorted(budgets)
