"""A stand-in for the parts of `google.colab` that the course uses, with its time-outs and refusals.

As seen there: the answer to get_ipynb is {"ipynb": notebook}, None after a time-out; cells carry no id but
keep their metadata; elsewhere (the VS Code extension) the module is there and asking raises.
"""

from __future__ import annotations

import copy
import sys
import types
from typing import Any

import pytest


class Page:
    """The page that Colab's Python talks to. `answers`: "notebook", "nothing", "error" or "nonsense"."""

    def __init__(self, notebook: dict[str, Any], answers: str = "notebook") -> None:
        self.notebook, self.answers = notebook, answers
        self.asked: list[str] = []

    def blocking_request(self, name: str, request: Any = None, timeout_sec: float | None = 5) -> Any:
        """What `google.colab._message.blocking_request` does, without the waiting."""
        self.asked.append(name)
        assert timeout_sec is not None, "without a limit a page that sleeps would be waited for for ever"
        if self.answers == "error":
            raise RuntimeError("the frontend does not support this request")
        if self.answers == "nothing":
            return None
        if self.answers == "nonsense":
            return {"ipynb": ["?"]}
        sent = copy.deepcopy(self.notebook)
        for cell in sent["cells"]:
            cell.pop("id", None)
        return {"ipynb": sent}


def enter(monkeypatch: pytest.MonkeyPatch, page: Page) -> Page:
    """Make this process look as if it ran on Colab, with that page."""
    google, colab, message = (
        types.ModuleType(name) for name in ("google", "google.colab", "google.colab._message")
    )
    message.blocking_request = page.blocking_request  # type: ignore[attr-defined]
    colab._message, google.colab = message, colab  # type: ignore[attr-defined]
    for module in (google, colab, message):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return page
