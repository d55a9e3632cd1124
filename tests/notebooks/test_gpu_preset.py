"""The notebooks that train with the preset's device, on a pretended GPU: nothing is left on the wrong device.

Their experiments run with training cut to a few steps. What they conclude is then of no interest, and what a
notebook computes from it may fail; a mix of devices may not.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
import torch
from matplotlib import pyplot
from pretended_gpu import pretended_gpu

from autograder.build import open_course
from nextword import presets, training

ROOT = Path(__file__).parents[2]
STEPS = 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["03_feed_forward", "04_recurrent", "05_attention", "06_transformer", "07_pretraining"]
)
def test_no_tensor_is_left_behind(name, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(presets.VARIABLE, "gpu")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, "train", short := Short())
    threads = torch.get_num_threads()
    failed = []
    names: dict[str, object] = {"__name__": "__main__"}
    try:
        with pretended_gpu(), contextlib.redirect_stdout(io.StringIO()):
            for cell in open_course(ROOT).source(name).cells:
                if cell.role not in ("setup", "exercise", "experiment"):
                    continue
                try:
                    exec(cell.source, names)
                except StopIteration:
                    pass  # no such step within two
                except Exception as error:
                    failed.append(f"{cell.id}: {error!r:.300}")
    finally:
        torch.set_num_threads(threads)
        pyplot.close("all")
    assert not failed
    assert "cuda" in short.devices


class Short:
    """`train` for two steps; it remembers where models were trained."""

    def __init__(self) -> None:
        self.train, self.devices = training.train, set[str]()

    def __call__(self, model, data, **options):
        cut = options | {"steps": STEPS, "seconds": None, "evaluate_every": 1, "progress": False}
        history = self.train(model, data, **cut)
        self.devices.add(next(model.parameters()).device.type)
        return history
