"""The public-style attack suite beside the checkout, run as its README says, against `course`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = Path(__file__).resolve().parents[3] / "shared" / "attacks"
GOOD = {"OK", "BLOCKED"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not SUITE.is_dir(), reason="the attack suite (../shared/attacks) is not beside this checkout"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="the suite's outer sandbox is set up as root here"),
]


def test_every_attack_is_blocked_and_honest_work_keeps_its_points(tmp_path: Path) -> None:
    assert shutil.which("bwrap"), "bubblewrap is installed by make test"
    out = tmp_path / "results.json"
    command = [
        sys.executable,
        str(SUITE / "run_attacks.py"),
        "--grader",
        str(SUITE / "graders" / "course.json"),
    ]
    subprocess.run(
        [*command, "--work", str(tmp_path / "work"), "--out", str(out)],
        env={**os.environ, "ATTACK_VENV": sys.prefix},
        cwd=SUITE,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    results = json.loads(out.read_text())
    listed = {path.stem for path in (SUITE / "attacks").glob("*.py")}
    assert {r["id"] for r in results} == listed, "an attack of the suite could not be run"
    bad = {r["id"]: (r["verdict"], r["harms"], r["nuisances"]) for r in results if r["verdict"] not in GOOD}
    assert not bad
