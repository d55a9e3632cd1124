"""The public-style attack suite beside the checkout, run as its README says, against `course`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SUITE = Path(__file__).resolve().parents[3] / "shared" / "attacks"
ROOT = Path(__file__).resolve().parents[2]
GOOD = {"OK", "BLOCKED"}


def closed_to_others() -> bool:
    """Whether another user could not enter this checkout or its environment; the suite grades as one."""
    folders = [p for start in (Path(sys.prefix), ROOT) for p in (start, *start.parents)]
    return not all(folder.stat().st_mode & 0o001 for folder in folders)


def stopped(result: dict) -> bool:
    """Blocked; or, where an attack only collects and grades nobody, nothing harmed and nothing failed."""
    quiet = result["verdict"] == "NUISANCE" and not result["harms"] and not result["nuisances"]
    return result["verdict"] in GOOD or (quiet and result["kind"] == "collect")


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not SUITE.is_dir(), reason="the attack suite (../shared/attacks) is not beside this checkout"
    ),
    pytest.mark.skipif(
        closed_to_others(), reason="the suite's user may not enter this folder or its environment"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="the suite's outer sandbox is set up as root here"),
]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the suite's own unprivileged user can enter, which pytest's are not."""
    folder = Path(tempfile.mkdtemp(prefix="attacks-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_every_attack_is_blocked_and_honest_work_keeps_its_points(tmp_path: Path, open_folder: Path) -> None:
    assert shutil.which("bwrap"), "bubblewrap is installed by make test"
    out = tmp_path / "results.json"
    command = [
        sys.executable,
        str(SUITE / "run_attacks.py"),
        "--grader",
        str(SUITE / "graders" / "course.json"),
    ]
    subprocess.run(
        [*command, "--work", str(open_folder), "--out", str(out)],
        env={**os.environ, "ATTACK_VENV": sys.prefix},
        cwd=SUITE,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    results = json.loads(out.read_text())
    listed = {path.stem for path in (SUITE / "attacks").glob("*.py")}
    assert {r["id"] for r in results} == listed, "an attack of the suite could not be run"
    bad = {r["id"]: (r["verdict"], r["harms"], r["nuisances"]) for r in results if not stopped(r)}
    assert not bad
