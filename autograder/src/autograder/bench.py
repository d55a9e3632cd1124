"""`course bench`: our engine beside nbgrader's on the same class, in one run on one machine.

The class hands in a small but real torch assignment. Measured are seconds, processor seconds of all processes
and peak memory. The floor is what nobody can go under: the students' own cells and our tests, one after the
other in one warm process, without a sandbox, a gradebook or anything else.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nbformat

from autograder.course_folder import CourseFolder, make_course_folder

ASSIGNMENT = "ps1"
LIMITS = "[limits]\ncell_seconds = 20\n"

IMPORTS = "import numpy as np\nimport torch\nfrom torch import nn"
EXERCISES = {
    "softmax": (
        '''def softmax(x, dim=-1):
    """Softmax of a tensor along dim, safe for large values."""
    ### BEGIN SOLUTION
    e = torch.exp(x - x.max(dim, keepdim=True).values)
    return e / e.sum(dim, keepdim=True)
    ### END SOLUTION''',
        """x = torch.tensor([[1.0, 2.0, 3.0]])
assert softmax(x).shape == x.shape, "the shape changes"
assert torch.allclose(softmax(x).sum(-1), torch.ones(1)), "rows must sum to one"
### BEGIN HIDDEN TESTS
torch.manual_seed(0)
x = torch.randn(5, 9) * 40
assert torch.allclose(softmax(x), torch.softmax(x, -1), atol=1e-6)
assert torch.isfinite(softmax(torch.tensor([[1000.0, 0.0]]))).all()
### END HIDDEN TESTS""",
        "def softmax(x, dim=-1):\n    return torch.exp(x) / torch.exp(x).sum()",
    ),
    "attention": (
        '''def attention(q, k, v):
    """Causal scaled dot-product attention: q, k, v (B, T, C) -> (B, T, C)."""
    ### BEGIN SOLUTION
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    mask = torch.tril(torch.ones(q.shape[1], q.shape[1], dtype=torch.bool))
    return softmax(scores.masked_fill(~mask, float("-inf"))) @ v
    ### END SOLUTION''',
        """torch.manual_seed(1)
q, k, v = torch.randn(3, 2, 6, 8).unbind(0)
assert attention(q, k, v).shape == (2, 6, 8), "the shape is wrong"
### BEGIN HIDDEN TESTS
want = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
assert torch.allclose(attention(q, k, v), want, atol=1e-5)
changed = v.clone()
changed[:, -1] += 5
assert torch.allclose(attention(q, k, changed)[:, :-1], want[:, :-1], atol=1e-5)
### END HIDDEN TESTS""",
        "def attention(q, k, v):\n    return softmax(q @ k.transpose(-2, -1)) @ v",
    ),
    "fit": (
        '''def fit(x, y, steps=150, lr=0.1):
    """Train a linear model by gradient descent; returns weight (C,), bias () and the loss of each step."""
    ### BEGIN SOLUTION
    torch.manual_seed(0)
    model = nn.Linear(x.shape[1], 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        loss = (model(x).squeeze(-1) - y).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model.weight.detach()[0], model.bias.detach()[0], losses
    ### END SOLUTION''',
        """torch.manual_seed(2)
x = torch.randn(64, 3)
y = x @ torch.tensor([1.0, -2.0, 0.5]) + 3
weight, bias, losses = fit(x, y)
assert len(losses) == 150 and losses[-1] < losses[0], "the loss does not fall"
### BEGIN HIDDEN TESTS
assert torch.allclose(weight, torch.tensor([1.0, -2.0, 0.5]), atol=1e-2) and abs(float(bias) - 3) < 1e-2
weight, bias, losses = fit(x, -y, steps=200)
assert torch.allclose(weight, torch.tensor([-1.0, 2.0, -0.5]), atol=1e-2)
### END HIDDEN TESTS""",
        "def fit(x, y, steps=150, lr=0.1):\n    return torch.zeros(x.shape[1]), torch.zeros(()), [1.0]",
    ),
}
LOOK = """x = torch.randn(64, 3)
weight, bias, losses = fit(x, x.sum(1))
print(f"{losses[0]:.3f} -> {losses[-1]:.3f}")"""


@dataclass(frozen=True)
class Row:
    """One way to grade one class.

    Memory is the largest sum over all processes of what each does not share.
    """

    way: str
    hand_ins: int
    seconds: float
    cpu_seconds: float
    peak_mb: float

    @property
    def per_minute(self) -> float:
        return 60 * self.hand_ins / self.seconds

    @property
    def cpu_each(self) -> float:
        return self.cpu_seconds / self.hand_ins


def instructor_notebook() -> Any:
    """The assignment, as an instructor writes it."""
    cells = [nbformat.v4.new_markdown_cell("# Attention and a first fit", id="title")]

    def add(grade_id: str, source: str, **grading: Any) -> None:
        made = {"schema_version": 3, "grade_id": grade_id, "grade": False, "solution": False, "locked": False}
        metadata = {"nbgrader": {**made, "task": False, **grading}}
        cells.append(nbformat.v4.new_code_cell(source, id=grade_id.replace("_", "-"), metadata=metadata))

    add("imports", IMPORTS, locked=True)
    for name, (solution, test, _) in EXERCISES.items():
        add(name, solution, solution=True)
        add(f"test_{name}", test, grade=True, locked=True, points=2)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def make_class(root: Path, hand_ins: int) -> CourseFolder:
    """A course folder with a class.

    right, partly right and wrong answers, each with a cell of the student's own.
    """
    folder = make_course_folder(root, "bench", {ASSIGNMENT: instructor_notebook()}, LIMITS)
    release = nbformat.read(folder.step("release", ".", ASSIGNMENT) / f"{ASSIGNMENT}.ipynb", as_version=4)
    for number in range(hand_ins):
        notebook = nbformat.from_dict(release)
        for index, (name, (solution, _, wrong)) in enumerate(EXERCISES.items()):
            right = "\n".join(line for line in solution.splitlines() if "### " not in line)
            cell = next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == name)
            cell.source = wrong if number % 4 == index + 1 else right
        notebook.cells.append(nbformat.v4.new_code_cell(LOOK, id="look"))
        target = folder.step("submitted", f"{'ab'[number % 2]}{number:04d}", ASSIGNMENT)
        target.mkdir(parents=True)
        nbformat.write(notebook, target / f"{ASSIGNMENT}.ipynb")
    return folder


class Meter:
    """Processor seconds and peak memory of everything that is started while it runs."""

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self.cpu_seconds = 0.0
        self.seconds = 0.0
        self._group = Path("/sys/fs/cgroup/cpuacct") / f"bench-{uuid.uuid4().hex[:8]}"
        self._stop = threading.Event()

    def __enter__(self) -> Meter:
        try:
            self._group.mkdir()
            self._counted = True
        except OSError:
            self._counted = (
                False  # then only what was waited for is counted, which leaves out the warm process
            )
        self._before: Any = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._started = time.monotonic()
        self._watch = threading.Thread(target=self._sample, daemon=True)
        self._watch.start()
        return self

    def join(self) -> None:
        """For preexec_fn: count this process and what it starts."""
        if self._counted:
            (self._group / "cgroup.procs").write_text(str(os.getpid()))

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._started
        self._stop.set()
        self._watch.join()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu_seconds = after.ru_utime + after.ru_stime - self._before.ru_utime - self._before.ru_stime
        if self._counted:
            self.cpu_seconds = int((self._group / "cpuacct.usage").read_text()) / 1e9
            for _attempt in range(50):
                with contextlib.suppress(OSError):
                    self._group.rmdir()
                    break
                time.sleep(0.05)

    def _sample(self) -> None:
        while not self._stop.wait(1.0):
            with contextlib.suppress(OSError):
                total = sum(_proportional_kb(pid) for pid in self._pids())
                self.peak_mb = max(self.peak_mb, total / 1024)

    def _pids(self) -> list[str]:
        if self._counted:
            return (self._group / "cgroup.procs").read_text().split()
        children, found = _children(), [str(os.getpid())]
        for pid in found:
            found += children.get(pid, [])
        return found[1:]


def _children() -> dict[str, list[str]]:
    table: dict[str, list[str]] = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, IndexError):
            parent = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]
            table.setdefault(parent, []).append(pid)
    return table


def _proportional_kb(pid: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def measure(way: str, hand_ins: int, commands: list[list[str]], cwd: Path) -> Row:
    """Grade the class in a course folder anew by one way. Raises RuntimeError when a command fails."""
    shutil.rmtree(cwd / "autograded", ignore_errors=True)
    with Meter() as meter:
        running = [
            subprocess.Popen(
                command,
                cwd=cwd,
                env=_environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                preexec_fn=meter.join,
            )
            for command in commands
        ]
        for process in running:
            process.wait()
    if any(process.returncode for process in running):
        raise RuntimeError(f"{way} ended with {[p.returncode for p in running]}")
    return Row(way, hand_ins, meter.seconds, meter.cpu_seconds, meter.peak_mb)


def _nbgrader(*more: str) -> list[str]:
    return [sys.executable, "-m", "nbgrader", "autograde", ASSIGNMENT, "--force", *more]


def _ours(workers: int) -> list[str]:
    command = [sys.executable, "-m", "autograder.cli", "grade", ASSIGNMENT, "--force"]
    return [*command, "--workers", str(workers), "--json"]


def _floor(folder: Path) -> list[str]:
    return [sys.executable, "-m", "autograder.bench", str(folder)]


def ways(folder: Path, nbgrader: bool) -> Iterator[tuple[str, list[list[str]]]]:
    """The ways to grade a class that are compared, and their commands."""
    if nbgrader:
        yield "nbgrader autograde", [_nbgrader()]
        yield "nbgrader, 2 processes", [_nbgrader("--student=a*"), _nbgrader("--student=b*")]
    yield "course grade, 1 worker", [_ours(1)]
    yield "course grade, 2 workers", [_ours(2)]
    yield "floor: cells and tests alone", [_floor(folder)]


def bench(
    sizes: list[int], nbgrader_up_to: int, progress: Callable[[str, int], None] | None = None
) -> list[Row]:
    """Measure every way on classes of these sizes; plain nbgrader only up to `nbgrader_up_to` hand-ins."""
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="course-bench-") as scratch:
            made = make_class(Path(scratch) / "course", size).root
            for way, commands in ways(made, size <= nbgrader_up_to):
                if progress:
                    progress(way, size)
                rows.append(measure(way, size, commands, made))
    return rows


def run_floor(folder: Path) -> None:
    """The students' cells and the tests of all hand-ins, one after the other in this process."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    source = nbformat.read(folder / "source" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb", as_version=4)
    tests = {c.metadata.nbgrader.grade_id: c.source for c in source.cells if "nbgrader" in c.metadata}
    for path in sorted((folder / "submitted").glob(f"*/{ASSIGNMENT}/{ASSIGNMENT}.ipynb")):
        namespace: dict[str, Any] = {"__name__": "__main__"}
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] != "code":
                continue
            grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
            text = tests[grade_id] if grade_id.startswith("test_") else "".join(cell["source"])
            with (
                contextlib.suppress(Exception),
                contextlib.redirect_stdout(io.StringIO()),
                warnings.catch_warnings(),
            ):
                warnings.simplefilter("ignore")
                exec(text, namespace)


def as_markdown(rows: list[Row]) -> str:
    """The table of docs/benchmarks.md."""
    lines = [
        "| hand-ins | way | seconds | hand-ins per minute | cpu s per hand-in | peak MB |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        lines.append(
            f"| {row.hand_ins} | {row.way} | {row.seconds:.1f} | {row.per_minute:.0f} "
            f"| {row.cpu_each:.2f} | {row.peak_mb:.0f} |"
        )
    return "\n".join(lines)


def ratios(rows: list[Row]) -> list[str]:
    """Ours against nbgrader's and the floor, for each size, in sentences."""
    said = []
    for size in sorted({r.hand_ins for r in rows}):
        by_way = {r.way: r for r in rows if r.hand_ins == size}
        ours, floor = by_way["course grade, 2 workers"], by_way["floor: cells and tests alone"]
        text = f"{size} hand-ins: {ours.cpu_each / floor.cpu_each:.1f} times the floor's processor time"
        plain = by_way.get("nbgrader autograde")
        if plain is not None:
            text += (
                f", {ours.per_minute / plain.per_minute:.1f} times the hand-ins per minute of plain nbgrader"
                f" at 1/{plain.cpu_each / ours.cpu_each:.1f} of its processor time"
            )
        said.append(text + f"; {ours.peak_mb:.0f} MB at most.")
    return said


def machine() -> str:
    """What this was measured on."""
    from importlib.metadata import version

    versions = ", ".join(f"{n} {version(n)}" for n in ("nbgrader", "torch", "ipykernel"))
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {versions}"


def plot(rows: list[Row], path: Path) -> None:
    """Hand-ins per minute of every way, as bars."""
    from matplotlib import pyplot

    size = (
        max(r.hand_ins for r in rows if r.way.startswith("nbgrader"))
        if any(r.way.startswith("nbgrader") for r in rows)
        else rows[-1].hand_ins
    )
    shown = [r for r in rows if r.hand_ins == size]
    figure, axes = pyplot.subplots(figsize=(8, 3), layout="constrained")
    bars = axes.barh([r.way for r in shown], [r.per_minute for r in shown], color="0.6")
    for bar, row in zip(bars, shown, strict=True):
        if row.way.startswith("course"):
            bar.set_color("#1b6ca8")
    axes.bar_label(bars, fmt="%.0f", padding=3)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("hand-ins per minute")
    axes.set_title(f"Grading {size} hand-ins on {os.cpu_count()} cores", loc="left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def as_json(rows: list[Row]) -> list[dict[str, Any]]:
    """The rows for a program."""
    return [{**asdict(r), "per_minute": r.per_minute, "cpu_each": r.cpu_each} for r in rows]


if __name__ == "__main__":
    run_floor(Path(sys.argv[1]))
