"""The same code on a dask cluster, and with PostgreSQL as the gradebook."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from classes import expected, honest, make, notebook_bytes, put

from autograder.course_folder import CourseFolder
from autograder.errors import CourseError
from autograder.grade_class import grade_class
from autograder.record import Recorder

pytestmark = pytest.mark.slow


def totals(folder: CourseFolder) -> dict[str, float]:
    with Recorder(folder, folder.assignment("ps")) as recorder:
        return {s: sum(v or 0 for v in row.values()) for s, row in recorder.scores().items()}


def test_two_dask_workers_one_of_them_killed(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    folder = make(tmp_path / "course")
    for i in range(16):
        put(folder, f"s{i:02d}", notebook_bytes(honest(i)))
    os.environ.update(OMP_NUM_THREADS="1")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
    ) as cluster:
        killed = threading.Event()

        def kill_one(done: int, total: int, result: object) -> None:
            if done >= 3 and not killed.is_set():
                killed.set()
                process = next(iter(cluster.workers.values())).process.process
                os.kill(process.pid, 9)

        summary = grade_class(folder, "ps", scheduler=cluster.scheduler_address, progress=kill_one)
    assert killed.is_set() and len(summary.results) == 16
    assert totals(folder) == {f"s{i:02d}": expected(i) for i in range(16)}


def test_no_scheduler_is_said_in_a_sentence(tmp_path: Path) -> None:
    folder = make(tmp_path / "course")
    put(folder, "ann", notebook_bytes(honest(0)))
    with pytest.raises(CourseError, match="No dask scheduler answers"):
        grade_class(folder, "ps", scheduler="tcp://127.0.0.1:9")


@pytest.fixture
def postgresql(tmp_path: Path) -> Iterator[str]:
    """A real server in a temporary folder; needs Debian's postgresql (its programs are not on PATH there)."""
    folders = [
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
        *map(Path, os.environ["PATH"].split(":")),
    ]
    programs = next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    data = Path("/tmp") / f"course-pg-{os.getpid()}"  # a short path: unix sockets live there
    data.mkdir(mode=0o700)
    user: dict[str, object] = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(data, "nobody")
        user = {"user": "nobody", "extra_groups": []}
    port = 54000 + os.getpid() % 1000
    try:
        made = subprocess.run(
            [programs / "initdb", "-D", data / "db", "-U", "course", "-A", "trust"],
            capture_output=True,
            text=True,
            cwd=data,
            **user,
        )
        if made.returncode:
            pytest.skip(f"PostgreSQL's initdb does not run here: {made.stderr.strip().splitlines()[-1:]}")
        server = subprocess.Popen(
            [programs / "postgres", "-D", data / "db", "-k", data, "-h", "127.0.0.1", "-p", str(port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=data, **user,
        )  # fmt: skip
        try:
            yield _when_ready(f"postgresql://course@127.0.0.1:{port}/postgres")
        finally:
            server.terminate()
            server.wait(20)
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _when_ready(url: str) -> str:
    import psycopg

    for _ in range(100):
        try:
            psycopg.connect(url).close()
            return url
        except psycopg.OperationalError:
            time.sleep(0.2)
    pytest.skip("PostgreSQL did not start here")


def test_a_postgresql_gradebook(tmp_path: Path, postgresql: str) -> None:
    made = make(tmp_path / "course")
    for i in range(4):
        put(made, f"s{i:02d}", notebook_bytes(honest(i)))
    command = [
        sys.executable,
        "-m",
        "autograder.cli",
        "grade",
        "ps",
        "--course-dir",
        str(made.root),
        "--db",
        postgresql,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    folder = CourseFolder(made.root, postgresql)
    assert totals(folder) == {f"s{i:02d}": expected(i) for i in range(4)}
    assert totals(made) == {}, "gradebook.db was not touched"


def test_a_gradebook_that_is_not_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    made = make(tmp_path / "course")
    put(made, "ann", notebook_bytes(honest(0)))
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with pytest.raises(CourseError, match="can't be opened"):
        grade_class(CourseFolder(made.root, "postgresql://nobody@127.0.0.1:9/none"), "ps")
