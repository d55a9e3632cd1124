"""For honest work our scores are those of plain `nbgrader autograde` on the same files: variants of all notebooks."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path

import nbformat
import pytest

from autograder.build import open_course
from autograder.grade_class import grade_class
from autograder.record import Recorder
from autograder.setup_folder import init
from autograder.variants import load_variants

ROOT = Path(__file__).resolve().parents[2]
COURSE = open_course(ROOT)

MOST = 8  # hand-ins for each notebook

pytestmark = pytest.mark.slow


def hand_ins(name: str) -> list[dict[str, str]]:
    """Answers of made-up students: each takes one variant of every exercise, so that few of them cover all.

    Where there are more than MOST, they are taken at even distances: nbgrader needs seconds for each. The
    untouched and the solved notebook are graded both ways by the release gate.
    """
    source = COURSE.source(name)
    declared = load_variants(COURSE, source)
    by_exercise = [[(c.name, v.source) for v in declared.of(c.name)] for c in source.of_role("exercise")]
    rows = [dict(pair for pair in row if pair is not None) for row in zip_longest(*by_exercise)]
    return rows[:: -(-len(rows) // MOST)]


@pytest.mark.parametrize("name", COURSE.names())
def test_scores_equal_those_of_plain_nbgrader(name: str, tmp_path: Path) -> None:
    folder = init(ROOT, tmp_path / "course", [name])
    release = nbformat.read(folder.step("release", ".", name) / f"{name}.ipynb", as_version=4)
    for number, answers in enumerate(hand_ins(name)):
        notebook = nbformat.from_dict(release)
        for cell in notebook.cells:
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
            cell.source = answers.get(grade_id, cell.source)
        target = folder.step("submitted", f"s{number:02d}", name)
        target.mkdir(parents=True)
        nbformat.write(notebook, target / f"{name}.ipynb")
    ours = grade_class(folder, name, workers=2)
    assert not ours.broken_tests and "internal" not in ours.verdicts
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        # A test that warns costs points there, since it writes to stderr; here it never does.
        "PYTHONWARNINGS": "ignore",
    }
    with Recorder(folder, folder.assignment(name)) as recorder:
        engine = recorder.scores()
    command = [sys.executable, "-m", "nbgrader", "autograde", name, "--force"]
    # A cell that loops for ever costs nbgrader its whole time limit; ours has its own in course.toml.
    command += ["--ExecutePreprocessor.timeout=20"]
    subprocess.run(command, cwd=folder.root, env=environment, check=True, capture_output=True)
    with Recorder(folder, folder.assignment(name)) as recorder:
        plain = recorder.scores()
    assert engine == plain
    assert len({sum(v or 0 for v in row.values()) for row in plain.values()}) > 1
