"""Every notebook's own code and checks under the versions that Colab has, IPython 7.34 among them.

The versions are installed into an environment of their own, before everything else that the tests use. Two
things stay as they are here, and are not Colab's: Python itself, and torch (a CPU build).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from shown_checks import SHOWN, shown_by_cells

from autograder.build import open_course, solved_notebook

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
COURSE = open_course(ROOT)
# Colab's runtime when last looked at (August 2026), with the ipykernel and ipywidgets of its IPython.
VERSIONS = {
    "ipython": "7.34.0",
    "numpy": "2.1.3",
    "datasets": "4.0.0",
    "transformers": "5.15.0",
    "pyarrow": "18.1.0",
    "ipykernel": "6.17.1",
    "ipywidgets": "7.7.1",
}
RUN = """\
import json, sys, types
google, colab = types.ModuleType("google"), types.ModuleType("google.colab")
google.colab = colab
sys.modules.update({"google": google, "google.colab": colab})  # what tells code that it is on Colab
import importlib.metadata
from IPython.core.interactiveshell import InteractiveShell
wanted = json.loads(sys.argv[2])
found = {name: importlib.metadata.version(name) for name in wanted}
assert found == wanted, found
shell = InteractiveShell.instance()
for number, source in enumerate(json.load(open(sys.argv[1]))):
    result = shell.run_cell(source)
    if not result.success:
        error = result.error_in_exec or result.error_before_exec
        sys.exit(f"cell {number} fails: {error!r}\\n{source[:500]}")
"""


@pytest.fixture(scope="session")
def colabs_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with Colab's versions, and behind them whatever the tests have."""
    folder = tmp_path_factory.mktemp("colab") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    pins = [f"{name}=={version}" for name, version in VERSIONS.items()]
    done = subprocess.run([python, "-m", "pip", "install", "-q", *pins], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"Colab's versions can't be installed here: {done.stderr.strip().splitlines()[-1:]}")
    site = next((folder / "lib").glob("python*/site-packages"))
    behind = [sysconfig.get_path("purelib"), str(ROOT / "helpers" / "src")]
    (site / "zz_behind.pth").write_text("\n".join(behind) + "\n")
    return python


@pytest.mark.parametrize("name", COURSE.names())
def test_setup_solutions_and_checks_run_with_colabs_versions(
    name: str, colabs_python: Path, tmp_path: Path
) -> None:
    source = COURSE.source(name)
    graded = {cell.id for cell in source.cells if cell.role in ("setup", "exercise", "test")}
    cells = [cell.source for cell in solved_notebook(source, COURSE.notebooks).cells if cell.id in graded]
    assert len(cells) > 4
    (tmp_path / "cells.json").write_text(json.dumps(cells))
    command = [colabs_python, "-c", RUN, tmp_path / "cells.json", json.dumps(VERSIONS)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "IPYTHONDIR": str(tmp_path), "MPLBACKEND": "agg"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]


def test_checks_show_the_same_with_colabs_versions(colabs_python: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path)}
    assert shown_by_cells(colabs_python, cwd=tmp_path, env=environment) == SHOWN
