"""A student in JupyterLab: runs a notebook, sees a check fail with its hint and pass, moves a widget, validates.

The pictures are kept in build/screenshots, to be looked at.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from browsing import TOKEN, chromium, jupyter
from nbformat.v4 import new_code_cell, new_notebook

from autograder.build import answered_notebook, answers, open_course

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "build" / "screenshots"
NOTEBOOK, EXERCISE = "01_ngrams", "transition_matrix"
TRANSPOSED = """\
def transition_matrix(text: str, vowels: str = "aeiou") -> np.ndarray:
    kinds = [int(letter not in vowels) for letter in text.lower() if letter.isalpha()]
    counts = np.zeros((2, 2))
    for this, following in zip(kinds, kinds[1:]):
        counts[following, this] += 1
    totals = counts.sum(axis=0, keepdims=True)
    return np.divide(counts, totals, out=np.zeros((2, 2)), where=totals > 0)
"""
# What the current notebook holds: of each cell its grade id, count, errors and text shown; and whether it runs.
STATE = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cells = panel.content.widgets.map((cell, index) => ({
    index, kind: cell.model.type, grade: (cell.model.metadata.nbgrader || {}).grade_id || "",
    count: cell.model.executionCount ?? null,
    errors: cell.model.type === "code"
      ? cell.model.outputs.toJSON().filter(o => o.output_type === "error").map(o => o.ename + ": " + o.evalue) : [],
    told: cell.model.type === "code"
      ? cell.model.outputs.toJSON().map(o => (o.traceback || [o.text || ""]).flat().join(" ")) : [],
  }));
  return {status: panel.sessionContext.kernelDisplayStatus, cells};
}"""


class Lab:
    """JupyterLab in a browser, with a folder of notebooks."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address

    def open(self, name: str) -> None:
        """Open a notebook and wait for its kernel."""
        self.page.goto(f"{self.address}/lab/tree/{name}.ipynb?token={TOKEN}")
        self.page.wait_for_selector(".jp-Notebook", timeout=120_000)
        # JupyterLab also restores what was open before, and may put that in front
        self.page.evaluate(
            "async path => { await window.jupyterapp.commands.execute('docmanager:open', {path}); }",
            f"{name}.ipynb",
        )
        current = "() => window.jupyterapp.shell.currentWidget?.context?.path"
        self.wait(lambda: self.page.evaluate(current) == f"{name}.ipynb")
        if self.page.is_visible("text=notified about official"):
            self.page.click(".Toastify button:has-text('No')")
        self.wait(lambda: self.state()["status"] == "idle")

    def state(self) -> dict[str, Any]:
        """The cells of the notebook that is open, and its kernel's status."""
        return self.page.evaluate(STATE)

    def cell(self, grade_id: str) -> dict[str, Any]:
        """The cell of that grade id."""
        return next(cell for cell in self.state()["cells"] if cell["grade"] == grade_id)

    def command(self, name: str) -> None:
        """Run a command as its menu entry does."""
        self.page.evaluate("name => window.jupyterapp.commands.execute(name)", name)

    def wait(self, true: Any, seconds: float = 180) -> None:
        """Wait until something is true."""
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, self.state()
            self.page.wait_for_timeout(300)

    def go_to(self, grade_id: str, at: str = "start") -> None:
        """Make that cell the active one and show its start or its end."""
        self.page.evaluate(
            """([i, at]) => { const notebook = window.jupyterapp.shell.currentWidget.content;
                             notebook.activeCellIndex = i; return notebook.scrollToItem(i, at); }""",
            [self.cell(grade_id)["index"], at],
        )
        self.page.wait_for_selector(".jp-Cell.jp-mod-active")

    def write(self, grade_id: str, text: str) -> None:
        """Type over that cell."""
        self.go_to(grade_id)
        self.page.click(".jp-Cell.jp-mod-active .cm-content")
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(text)

    def run(self, grade_id: str) -> dict[str, Any]:
        """Run that cell with Shift + Enter, as the guide says, and return it."""
        before = self.cell(grade_id)["count"]
        self.go_to(grade_id)
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("Shift+Enter")
        self.wait(lambda: self.cell(grade_id)["count"] not in (None, before))
        self.wait(lambda: self.state()["status"] == "idle")
        return self.cell(grade_id)

    def picture(self, name: str) -> None:
        """Keep what is seen now."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a student has after a while: notebook 01 with all exercises answered but one, and a small own one."""
    folder = tmp_path_factory.mktemp("student")
    release = nbformat.read(ROOT / "notebooks" / f"{NOTEBOOK}.ipynb", as_version=4)
    solved = answers(open_course(ROOT).source(NOTEBOOK))
    nbformat.write(
        answered_notebook(release, {name: text for name, text in solved.items() if name != EXERCISE}),
        folder / f"{NOTEBOOK}.ipynb",
    )
    explore = (
        "from nextword import plots\n"
        "def draw(power):\n"
        "    return plots.lines([1, 2, 3], {'y': [x**power for x in (1, 2, 3)]}, title=f'Power {power}',"
        " x_label='x', y_label='y', alt=f'A curve of power {power}.')\n"
        "plots.explore(draw, power=[1, 2, 3, 4])\n"
    )
    metadata = {"kernelspec": release.metadata.kernelspec}  # without it JupyterLab asks for a kernel
    nbformat.write(new_notebook(cells=[new_code_cell(explore)], metadata=metadata), folder / "widget.ipynb")
    return folder


@pytest.fixture(scope="module")
def lab(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with (
        chromium() as browser,
        jupyter("lab", folder, tmp_path_factory.mktemp("home"), "--expose-app-in-browser") as address,
    ):
        yield Lab(browser.new_page(viewport={"width": 1300, "height": 950}), address)


def test_an_exercise_fails_with_its_hint_then_passes_and_the_notebook_runs_to_its_end(lab: Lab) -> None:
    lab.open(NOTEBOOK)
    lab.command("notebook:run-all-cells")
    lab.wait(lambda: any(cell["errors"] for cell in lab.state()["cells"]))
    (stopped,) = (cell for cell in lab.state()["cells"] if cell["errors"])
    assert stopped["errors"][0].startswith("NotImplementedError")
    assert EXERCISE in stopped["grade"], "the check of the exercise that is not written stops the run"

    lab.write(EXERCISE, TRANSPOSED)
    assert not lab.run(EXERCISE)["errors"]
    failed = lab.run(f"test_{EXERCISE}")
    assert "this is transposed: rows are the current letter, columns the next one" in failed["errors"][0]
    lab.go_to(f"test_{EXERCISE}", "end")
    assert not any("Traceback" in text for text in failed["told"]), "the hint stands alone"
    lab.picture("check-fails")

    lab.write(EXERCISE, answers(open_course(ROOT).source(NOTEBOOK))[EXERCISE])
    assert not lab.run(EXERCISE)["errors"]
    passed = lab.run(f"test_{EXERCISE}")
    assert not passed["errors"] and passed["told"][-1].startswith("✓ All ")
    lab.go_to(f"test_{EXERCISE}", "end")
    lab.picture("check-passes")

    lab.command("notebook:run-all-cells")
    code = [cell["index"] for cell in lab.state()["cells"] if cell["kind"] == "code"]
    lab.wait(lambda: (lab.state()["cells"][code[-1]]["count"] or 0) >= len(code), seconds=400)
    assert not [cell for cell in lab.state()["cells"] if cell["errors"]]
    lab.go_to("submit")
    lab.picture("to-hand-in")


def test_nbgraders_validate_button_says_that_all_tests_pass(lab: Lab) -> None:
    lab.page.click("text=Validate")
    lab.page.wait_for_selector(".jp-Dialog", timeout=400_000)
    lab.picture("validated")
    assert "Success! Your notebook passes all the tests." in lab.page.inner_text(".jp-Dialog")
    lab.page.keyboard.press("Escape")


def test_a_widget_draws_the_figure_anew(lab: Lab) -> None:
    lab.open("widget")
    lab.command("notebook:run-all-cells")
    shown = ".jp-NotebookPanel:not(.lm-mod-hidden)"  # the other notebook is still open behind it
    image = f"{shown} .jp-OutputArea-output img"
    lab.page.wait_for_selector(image, timeout=120_000)
    first = lab.page.get_attribute(image, "src")
    lab.page.wait_for_selector(f"{shown} .noUi-handle")
    lab.page.focus(f"{shown} .noUi-handle")
    lab.page.keyboard.press("ArrowRight")
    lab.wait(lambda: lab.page.get_attribute(image, "src") != first, seconds=60)
    lab.picture("widget")
