"""`course rescue-bench`: damage honest full-mark hand-ins in every way that was seen, and count whose score
survives.

Each damage is drawn from a seed. A rebuilt notebook whose code is that of the undamaged one keeps the score
by construction; every other one is graded for real, and a seeded sample of the equal ones too, so that the
short cut is itself checked.
"""

from __future__ import annotations

import ast
import gzip
import io
import json
import random
import re
import string
import zipfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from autograder import names
from autograder.course_folder import MANUAL, SETUP, TEST, Assignment, AssignmentNotebook
from autograder.grade import Grading, evaluate
from autograder.intake import HandIn, Rebuilt, concerned, take_notebook
from autograder.records import UNREADABLE

KEPT, FLAGGED, WRONG, CRASHED = "kept", "flagged", "wrong", "crashed"
Raw = dict[str, Any]


@dataclass
class Row:
    """One kind of damage: how often it was done, and what became of the score. `lossy`: the answer itself is
    gone or ambiguous.
    """

    kind: str
    lossy: bool
    damages: int = 0
    kept: int = 0
    flagged: int = 0
    wrong: int = 0
    crashed: int = 0
    graded: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass
class Bench:
    """The whole run."""

    seed: int
    rows: list[Row]
    broken_tests: list[str] = field(default_factory=list)

    @property
    def total(self) -> Row:
        whole = Row("all", False)
        for row in self.rows:
            for key in ("damages", "kept", "flagged", "wrong", "crashed", "graded"):
                setattr(whole, key, getattr(whole, key) + getattr(row, key))
        return whole

    def share_kept(self, lossy: bool | None = False) -> float:
        """The share of damages whose full score survives; `lossy` None for all kinds."""
        rows = [r for r in self.rows if lossy is None or r.lossy == lossy]
        return sum(r.kept for r in rows) / max(1, sum(r.damages for r in rows))

    def sentences(self) -> list[str]:
        """The result in words, and what went wrong."""
        words = [
            f"Where the answer is in the file: {self.share_kept(False):.2%} keep their full score; "
            f"of all damages, lossy ones too: {self.share_kept(None):.2%}. The rest ask for a person."
        ]
        if self.broken_tests:
            words.append(
                f"Left out, because the solution itself does not pass: {', '.join(self.broken_tests)}."
            )
        words += [f"{r.kind}: {e}" for r in self.rows if r.wrong or r.crashed for e in r.examples]
        return words

    def to_json(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "kept_where_the_answer_is_there": round(self.share_kept(False), 4),
            "kept_of_all": round(self.share_kept(None), 4),
            "tests_that_the_solution_fails": self.broken_tests,
            "total": asdict(self.total),
            "kinds": [asdict(r) for r in self.rows],
        }


def table(bench: Bench) -> tuple[tuple[str, ...], list[tuple[str, ...]], list[bool]]:
    """Columns, rows and which of them are good, to print."""
    columns = ("damage", "", "made", "score kept", "for a person", "wrong, silently", "crashed", "graded")
    rows = [
        (
            r.kind,
            "lossy" if r.lossy else "",
            *map(str, (r.damages, r.kept, r.flagged, r.wrong, r.crashed, r.graded)),
        )
        for r in [*bench.rows, bench.total]
    ]
    return columns, rows, [not (r.wrong or r.crashed) for r in [*bench.rows, bench.total]]


# -- an honest hand-in -----------------------------------------------------------------------------


def honest_notebook(notebook: AssignmentNotebook) -> Raw:
    """The release with the instructor's own answers in it, as JupyterLab would save it: nbformat 4.5, run,
    with outputs.
    """
    cells = []
    for index, cell in enumerate(notebook.cells):
        source = cell.released
        if cell.takes_answer:
            source = (
                _solution(cell.source)
                if cell.kind == "code"
                else f"My answer to {cell.grade_id}, in a sentence or two."
            )
            if cell.role == MANUAL and cell.kind == "code":
                source = f"{_solution(cell.source)}\n"
        made: Raw = {
            "cell_type": cell.kind,
            "id": cell.cell_id or f"c{index}",
            "metadata": deepcopy(cell.metadata),
            "source": _lines(source),
        }
        if cell.kind == "code":
            made |= {"execution_count": index + 1, "outputs": [_output(index)] if index % 3 == 0 else []}
        cells.append(made)
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _output(index: int) -> Raw:
    text = [f"step {index}: loss 0.{index}\n", 'a line with "quotes", {braces} and [brackets]\n']
    return {"name": "stdout", "output_type": "stream", "text": text}


def _solution(source: str) -> str:
    return "\n".join(
        line for line in source.split("\n") if not line.strip().startswith(("### BEGIN ", "### END "))
    )


def _lines(source: str) -> list[str]:
    return source.splitlines(keepends=True)


def _text(cell: Raw) -> str:
    return "".join(cell["source"]) if isinstance(cell["source"], list) else cell["source"]


def _set(cell: Raw, source: str) -> None:
    cell["source"] = _lines(source)


def _grade_id(cell: Raw) -> str:
    return str(cell["metadata"].get("nbgrader", {}).get("grade_id", ""))


def _dump(raw: Raw, indent: int | None = 1) -> bytes:
    return json.dumps(raw, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")


@dataclass
class Patient:
    """An honest notebook about to be damaged, with what a damage needs to know about it."""

    notebook: AssignmentNotebook
    raw: Raw
    dice: random.Random

    def answers(self, code: bool = True) -> list[int]:
        """Where the answer cells are."""
        ids = {c.grade_id for c in self.notebook.cells if c.takes_answer and (c.kind == "code" or not code)}
        return [i for i, c in enumerate(self.raw["cells"]) if _grade_id(c) in ids]

    def locked(self) -> list[int]:
        """Where the cells are that are ours and take no answer."""
        ids = {c.cell_id for c in self.notebook.cells if not c.takes_answer}
        return [i for i, c in enumerate(self.raw["cells"]) if c.get("id") in ids]

    def tests(self) -> list[int]:
        ids = {c.grade_id for c in self.notebook.cells if c.role == TEST}
        return [i for i, c in enumerate(self.raw["cells"]) if _grade_id(c) in ids]

    def setups(self) -> list[int]:
        sources = {c.released for c in self.notebook.cells if c.role == SETUP}
        return [i for i, c in enumerate(self.raw["cells"]) if _text(c) in sources]

    def some(self, found: list[int], at_most: int = 3) -> list[int]:
        return (
            sorted(self.dice.sample(found, min(len(found), self.dice.randint(1, at_most)))) if found else []
        )

    def release_of(self, grade_id: str) -> str:
        return next(c.released for c in self.notebook.cells if c.grade_id == grade_id)

    def fresh_id(self) -> str:
        return "".join(self.dice.choices(string.ascii_letters + string.digits, k=12))

    def new_cell(self, source: str, kind: str = "code") -> Raw:
        cell: Raw = {"cell_type": kind, "id": self.fresh_id(), "metadata": {}, "source": _lines(source)}
        return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})

    def with_helper(self) -> None:
        """Sometimes the student has a helper function in a cell of their own, which the answer uses."""
        where = self.dice.choice(self.answers())
        cell = self.raw["cells"][where]
        tree = deepcopy(names.parse(_text(cell)))
        if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef):
            return
        function = tree.body[0]
        body = function.body[1:] if ast.get_docstring(function) else function.body
        last = body[-1]
        if (
            not isinstance(last, ast.Return)
            or last.value is None
            or any(isinstance(n, (ast.Yield, ast.Await)) for n in ast.walk(function))
        ):
            return
        last.value = ast.Call(ast.Name("my_helper", ast.Load()), [last.value], [])
        _set(cell, ast.unparse(ast.fix_missing_locations(tree)))
        self.raw["cells"].insert(where, self.new_cell("def my_helper(value):\n    return value"))


Damage = Callable[[Patient], "dict[str, bytes] | bytes | Raw | None"]
DAMAGES: dict[str, tuple[Damage, bool]] = {}


def damage(kind: str, lossy: bool = False) -> Callable[[Damage], Damage]:
    def add(function: Damage) -> Damage:
        DAMAGES[kind] = (function, lossy)
        return function

    return add


# -- what tools do ---------------------------------------------------------------------------------


@damage("nbformat 4.0 to 4.4, no ids")
def _older(p: Patient) -> Raw:
    for cell in p.raw["cells"]:
        cell.pop("id", None)
    p.raw["nbformat_minor"] = p.dice.randint(0, 4)
    return p.raw


@damage("nbformat 3")
def _format_3(p: Patient) -> Raw:
    cells = []
    for cell in p.raw["cells"]:
        new: Raw = {"cell_type": cell["cell_type"], "metadata": cell["metadata"]}
        if cell["cell_type"] == "code":
            new |= {
                "input": cell["source"],
                "language": "python",
                "collapsed": False,
                "outputs": [],
                "prompt_number": 1,
            }
        else:
            new["source"] = cell["source"]
        cells.append(new)
    return {
        "metadata": {"name": ""},
        "nbformat": 3,
        "nbformat_minor": 0,
        "worksheets": [{"cells": cells, "metadata": {}}],
    }


@damage("saved by Colab")
def _colab(p: Patient) -> bytes:
    old = p.dice.random() < 0.5
    for number, cell in enumerate(p.raw["cells"]):
        cell["metadata"]["id"] = cell["id"] if not old else p.fresh_id()
        cell["metadata"]["executionInfo"] = {
            "user": {"displayName": "A Student", "userId": "0123"},
            "elapsed": number,
            "status": "ok",
        }
        cell["metadata"]["colab"] = {"base_uri": "https://localhost:8080/"}
        if old:
            cell.pop("id")
        if p.dice.random() < 0.5:
            cell["source"] = _text(cell)
    badge = '<a href="https://colab.research.google.com/github/x/y"><img src="https://colab.research.google.com/assets/colab-badge.svg"></a>'
    p.raw["cells"].insert(
        0,
        {
            "cell_type": "markdown",
            "metadata": {"id": "view-in-github", "colab_type": "text"},
            "source": [badge],
        },
    )
    p.raw["metadata"] |= {"accelerator": "GPU", "colab": {"provenance": [], "gpuType": "T4"}}
    p.raw["metadata"]["widgets"] = {
        "application/vnd.jupyter.widget-state+json": {"0f1e": {"model_name": "HBoxModel"}}
    }
    p.raw["nbformat_minor"] = 0 if old else 5
    return _dump(p.raw, p.dice.choice([None, 2]))


@damage("Colab, nbgrader's metadata and ids lost")
def _colab_stripped(p: Patient) -> Raw:
    for cell in p.raw["cells"]:
        new = p.fresh_id()
        cell["id"], cell["metadata"] = new, {"id": new}
    return p.raw


@damage("nbgrader's metadata lost, ids kept")
def _lost_metadata(p: Patient) -> Raw:
    for cell in p.raw["cells"]:
        cell["metadata"] = {}
    return p.raw


@damage("nbgrader's metadata lost in some cells")
def _lost_some(p: Patient) -> Raw:
    for index in p.some(list(range(len(p.raw["cells"]))), 12):
        p.raw["cells"][index]["metadata"] = {}
        p.raw["cells"][index]["id"] = p.fresh_id()
    return p.raw


@damage("schema 1 or 2, other metadata")
def _schema(p: Patient) -> Raw:
    for cell in p.raw["cells"]:
        grading = cell["metadata"].get("nbgrader")
        if grading:
            grading["schema_version"] = p.dice.choice([1, 2])
            grading.pop("task", None)
            grading["points"] = p.dice.choice([0, 1000, "many"])
        cell["metadata"]["tags"] = ["skip-execution"]
        cell["metadata"]["vscode"] = {"languageId": "python"}
    p.raw["metadata"]["kernelspec"] = {"name": "conda-env-ml-py", "display_name": "ml", "language": "python"}
    return p.raw


@damage("metadata of the wrong type")
def _odd_types(p: Patient) -> Raw:
    locked = p.some(p.locked(), 4)
    for index in p.some(p.answers(), 2):
        p.raw["cells"][index]["metadata"]["nbgrader"]["points"] = None
        p.raw["cells"][index].pop("outputs", None)
    for index in locked:
        p.raw["cells"][index]["metadata"] = p.dice.choice([None, [], "x", 3])
    p.raw["metadata"] = p.dice.choice([None, [], {"widgets": 3}])
    return p.raw


@damage("UTF-16, UTF-32 or a byte order mark")
def _encoding(p: Patient) -> bytes:
    return (
        _dump(p.raw)
        .decode()
        .encode(p.dice.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"]))
    )


@damage("Windows line ends")
def _line_ends(p: Patient) -> bytes:
    for cell in p.raw["cells"]:
        _set(cell, _text(cell).replace("\n", p.dice.choice(["\r\n", "\r"])))
    return _dump(p.raw).replace(b"\n", b"\r\n")


@damage("Western European bytes in comments")
def _western(p: Patient) -> bytes:
    cell = p.raw["cells"][p.dice.choice(p.answers())]
    _set(cell, f"# Lösung für die Übung, naïve Idee\n{_text(cell)}")
    text = _dump(p.raw).decode()
    return (
        text.replace("Lösung für die Übung, naïve", "LATIN")
        .encode()
        .replace(b"LATIN", "Lösung für die Übung, naïve".encode("cp1252"))
    )


@damage("text after the notebook's end")
def _trailing(p: Patient) -> bytes:
    return _dump(p.raw) + p.dice.choice(
        [b"}", b"\n\n", b"\0" * 512, _dump(p.raw)[-300:], b"\n</body></html>"]
    )


@damage("trailing commas, raw line breaks in strings")
def _not_quite_json(p: Patient) -> bytes:
    text = _dump(p.raw).decode()
    if p.dice.random() < 0.5:
        return re.sub(r"(\n\s+)\]", r",\1]", text, count=p.dice.randint(1, 8)).encode()
    where = [m.start() for m in re.finditer(r"\\n", text)]
    for at in sorted(p.dice.sample(where, min(5, len(where))), reverse=True):
        if text[at - 1] != "\\":
            text = f"{text[:at]}\n{text[at + 2 :]}"
    return text.encode()


@damage("wrapped: a server's answer, a string, bare cells")
def _wrapped(p: Patient) -> bytes:
    kind = p.dice.randint(0, 2)
    if kind == 0:
        return json.dumps({"name": "x.ipynb", "type": "notebook", "content": p.raw}).encode()
    return json.dumps(json.dumps(p.raw)).encode() if kind == 1 else json.dumps(p.raw["cells"]).encode()


# -- what students do to cells ---------------------------------------------------------------------


@damage("locked cells deleted")
def _deleted(p: Patient) -> Raw:
    for index in reversed(p.some(p.locked(), 8)):
        del p.raw["cells"][index]
    return p.raw


@damage("all tests deleted")
def _no_tests(p: Patient) -> Raw:
    for index in reversed(p.tests()):
        del p.raw["cells"][index]
    return p.raw


@damage("tests edited")
def _edited_tests(p: Patient) -> Raw:
    for index in p.some(p.tests(), 4):
        cell = p.raw["cells"][index]
        _set(
            cell,
            p.dice.choice(
                [
                    "assert True",
                    f"print('trying')\n{_text(cell)}",
                    _text(cell)[: len(_text(cell)) // 2],
                    "",
                    "1 +",
                ]
            ),
        )
    return p.raw


@damage("setup cells edited")
def _edited_setup(p: Patient) -> Raw:
    for index in p.some(p.setups(), 2):
        cell = p.raw["cells"][index]
        _set(cell, f"{_text(cell)}\nimport collections\nmy_own_constant = 3")
    return p.raw


@damage("cells duplicated, ids and all")
def _duplicated(p: Patient) -> Raw:
    for index in reversed(p.some(list(range(len(p.raw["cells"]))), 5)):
        copy = deepcopy(p.raw["cells"][index])
        if p.dice.random() < 0.5:
            copy["id"] = p.fresh_id()
        p.raw["cells"].insert(index + p.dice.choice([0, 1, 1, 2]), copy)
    return p.raw


@damage("an untouched copy beside the answer")
def _stub_beside(p: Patient) -> Raw:
    for index in reversed(p.some(p.answers())):
        copy = deepcopy(p.raw["cells"][index])
        _set(copy, p.release_of(_grade_id(copy)))
        p.raw["cells"].insert(index + p.dice.choice([0, 1]), copy)
    return p.raw


@damage("an early draft beside the answer")
def _draft_beside(p: Patient) -> Raw:
    for index in reversed(p.some(p.answers())):
        copy = deepcopy(p.raw["cells"][index])
        _set(copy, f"{p.release_of(_grade_id(copy))}\n# a first try")
        if p.dice.random() < 0.5:
            copy["metadata"], copy["id"] = {}, p.fresh_id()
        p.raw["cells"].insert(index, copy)
    return p.raw


def _split_at(p: Patient, index: int, at: int, marks: str) -> None:
    cell = p.raw["cells"][index]
    lines = _text(cell).split("\n")
    after = deepcopy(cell)
    _set(cell, "\n".join(lines[:at]))
    _set(after, "\n".join(lines[at:]))
    if marks == "first":
        after["metadata"], after["id"] = {}, p.fresh_id()
    elif marks == "second":
        cell["metadata"], cell["id"] = {}, p.fresh_id()
    else:
        after.pop("id", None)
    p.raw["cells"].insert(index + 1, after)


@damage("an answer split between two lines")
def _split(p: Patient) -> Raw | None:
    found = [i for i in p.answers() if _text(p.raw["cells"][i]).count("\n") >= 2]
    if not found:
        return None
    index = p.dice.choice(found)
    at = p.dice.randint(1, _text(p.raw["cells"][index]).count("\n"))
    _split_at(p, index, at, p.dice.choice(["first", "second", "both"]))
    return p.raw


@damage("an answer split into three")
def _split_three(p: Patient) -> Raw | None:
    found = [i for i in p.answers() if _text(p.raw["cells"][i]).count("\n") >= 4]
    if not found:
        return None
    index = p.dice.choice(found)
    marks = p.dice.choice(["first", "both"])
    second = p.dice.randint(2, _text(p.raw["cells"][index]).count("\n"))
    _split_at(p, index, second, marks)
    _split_at(p, index, p.dice.randint(1, second - 1), marks)
    return p.raw


@damage("an answer merged with its neighbours")
def _merged(p: Patient) -> Raw:
    index = p.dice.choice(p.answers())
    first = max(0, index - p.dice.randint(0, 1))
    last = min(len(p.raw["cells"]) - 1, index + p.dice.randint(0 if first < index else 1, 2))
    group = p.raw["cells"][first : last + 1]
    keeper = p.dice.choice([group[0], p.raw["cells"][index]])
    merged = deepcopy(keeper)
    _set(merged, p.dice.choice(["\n", "\n\n"]).join(_text(c) for c in group))
    merged["cell_type"] = p.dice.choice(["code", keeper["cell_type"]])
    p.raw["cells"][first : last + 1] = [merged]
    return p.raw


@damage("two answers in one cell")
def _two_in_one(p: Patient) -> Raw | None:
    found = p.answers()
    if len(found) < 2:
        return None
    first, second = sorted(p.dice.sample(found, 2))
    one, two = p.raw["cells"][first], p.raw["cells"][second]
    target = p.dice.choice([one, two])
    _set(target, f"{_text(one)}\n\n{_text(two)}")
    other = two if target is one else one
    if p.dice.random() < 0.5:
        p.raw["cells"].remove(other)
    else:
        _set(other, p.release_of(_grade_id(other)))
    return p.raw


@damage("answer cells retyped")
def _retyped(p: Patient) -> Raw:
    for index in p.some(p.answers(), 3):
        cell = p.raw["cells"][index]
        cell["cell_type"] = p.dice.choice(["markdown", "raw"])
        cell.pop("outputs", None)
        cell.pop("execution_count", None)
        if p.dice.random() < 0.3:
            cell["metadata"] = {}
    return p.raw


@damage("a helper's cell retyped")
def _retyped_helper(p: Patient) -> Raw:
    for cell in p.raw["cells"]:
        if "def my_helper" in _text(cell):
            cell["cell_type"] = "markdown"
    return p.raw


@damage("cells in another order")
def _reordered(p: Patient) -> Raw:
    cells = p.raw["cells"]
    if p.dice.random() < 0.3:
        p.dice.shuffle(cells)
    else:
        for _ in range(p.dice.randint(1, 6)):
            cells.insert(p.dice.randrange(len(cells)), cells.pop(p.dice.randrange(len(cells))))
    return p.raw


@damage("answers moved to new cells")
def _moved(p: Patient) -> Raw:
    for index in reversed(p.some(p.answers(), 4)):
        cell = p.raw["cells"][index]
        new = p.new_cell(_text(cell))
        _set(cell, p.release_of(_grade_id(cell)))
        where = p.dice.choice([index, index + 1, index + 1, index + 2, len(p.raw["cells"])])
        p.raw["cells"].insert(where, new)
        if p.dice.random() < 0.2:
            p.raw["cells"].remove(cell)
    return p.raw


@damage("answers in copies of other answers' cells")
def _crossed(p: Patient) -> Raw | None:
    found = p.answers()
    if len(found) < 2:
        return None
    first, second = p.dice.sample(found, 2)
    copy = deepcopy(p.raw["cells"][first])
    copy["source"] = p.raw["cells"][second]["source"]
    _set(p.raw["cells"][second], p.release_of(_grade_id(p.raw["cells"][second])))
    p.raw["cells"].insert(second + 1, copy)
    return p.raw


@damage("a written answer below its cell")
def _text_below(p: Patient) -> Raw | None:
    found = [i for i in p.answers(code=False) if p.raw["cells"][i]["cell_type"] == "markdown"]
    if not found:
        return None
    index = p.dice.choice(found)
    cell = p.raw["cells"][index]
    p.raw["cells"].insert(index + 1, p.new_cell(_text(cell), "markdown"))
    _set(cell, p.release_of(_grade_id(cell)))
    return p.raw


@damage("scratch cells, broken ones among them")
def _scratch(p: Patient) -> Raw:
    scraps = [
        "print('hello')",
        "1 / 0",
        "this is no python",
        "!pip install something",
        "%timeit 1 + 1",
        "# notes",
        "x = ",
        "assert False",
    ]
    for _ in range(p.dice.randint(1, 8)):
        kind = p.dice.choice(["code", "code", "markdown", "raw"])
        p.raw["cells"].insert(p.dice.randint(0, len(p.raw["cells"])), p.new_cell(p.dice.choice(scraps), kind))
    return p.raw


@damage("cells that are no cells")
def _junk_cells(p: Patient) -> Raw:
    for _ in range(p.dice.randint(1, 4)):
        p.raw["cells"].insert(
            p.dice.randint(0, len(p.raw["cells"])),
            p.dice.choice([None, 3, "x", [], {"cell_type": 7, "source": 3}, {}]),
        )
    return p.raw


# -- what happens to files -------------------------------------------------------------------------


@damage("merge conflict in outputs and metadata")
def _conflict_outputs(p: Patient) -> bytes:
    text = _dump(p.raw).decode()
    where = list(re.finditer(r'^ +"execution_count": \d+,?$', text, re.MULTILINE))
    for match in sorted(p.dice.sample(where, min(len(where), 3)), key=lambda m: -m.start()):
        other = re.sub(r"\d+", "77", match.group())
        text = (
            f"{text[: match.start()]}<<<<<<< HEAD\n{match.group()}\n=======\n{other}\n>>>>>>> "
            f"feature/other\n{text[match.end() + 1 :]}"
        )
    return text.encode()


@damage("merge conflict, one side unanswered")
def _conflict_answer(p: Patient) -> bytes:
    other = deepcopy(p.raw)
    chosen = p.some(p.answers(), 3)
    for index in chosen:
        _set(other["cells"][index], p.release_of(_grade_id(other["cells"][index])))
    mixed = p.dice.random() < 0.4
    first, second = _dump(p.raw).decode(), _dump(other).decode()
    if mixed and len(chosen) > 1:  # each side answered a part
        _set(p.raw["cells"][chosen[0]], p.release_of(_grade_id(p.raw["cells"][chosen[0]])))
        fixed = deepcopy(other)
        _set(
            fixed["cells"][chosen[0]],
            _solution(
                next(c.source for c in p.notebook.cells if c.grade_id == _grade_id(fixed["cells"][chosen[0]]))
            ),
        )
        first, second = _dump(p.raw).decode(), _dump(fixed).decode()
    if p.dice.random() < 0.5:
        first, second = second, first
    return _conflicted(first, second, p.dice.random() < 0.3).encode()


def _conflicted(first: str, second: str, with_base: bool) -> str:
    """As git writes it: each stretch of lines that differ between its markers."""
    import difflib

    a, b = first.split("\n"), second.split("\n")
    out: list[str] = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            out += a[i:j]
        else:
            base = ["||||||| merged common ancestors", *a[i:j]] if with_base else []
            out += ["<<<<<<< HEAD", *a[i:j], *base, "=======", *b[k:m], ">>>>>>> origin/main"]
    return "\n".join(out)


@damage("merge conflict inside an answer", lossy=True)
def _conflict_inside(p: Patient) -> Raw:
    cell = p.raw["cells"][p.dice.choice(p.answers())]
    wrong = re.sub(r"return .*", "return None", _text(cell))
    sides = [_text(cell), wrong]
    p.dice.shuffle(sides)
    _set(cell, _conflicted(sides[0], sides[1], False))
    return p.raw


@damage("a Python script instead (percent)")
def _percent(p: Patient) -> dict[str, bytes]:
    parts = []
    for cell in p.raw["cells"]:
        if cell["cell_type"] == "code":
            parts.append(f"# %%\n{_text(cell)}\n")
        else:
            parts.append(
                "# %% [markdown]\n" + "\n".join(f"# {line}" for line in _text(cell).split("\n")) + "\n"
            )
    return {f"{p.notebook.name}.py": "\n".join(parts).encode()}


@damage("a Python script instead (nbconvert)")
def _nbconvert(p: Patient) -> dict[str, bytes]:
    parts = ["#!/usr/bin/env python", "# coding: utf-8", ""]
    for number, cell in enumerate(p.raw["cells"]):
        if cell["cell_type"] == "code":
            parts += [f"# In[{number if number % 2 else ' '}]:", "", "", _text(cell), "", ""]
        else:
            parts += ["\n".join(f"# {line}" for line in _text(cell).split("\n")), ""]
    return {f"{p.notebook.name}.py": "\n".join(parts).encode()}


@damage("a Python script instead (Colab, no marks)")
def _colab_script(p: Patient) -> dict[str, bytes]:
    parts = [f'# -*- coding: utf-8 -*-\n"""{p.notebook.name}.ipynb\n\nAutomatically generated by Colab.\n"""']
    for cell in p.raw["cells"]:
        text = _text(cell)
        parts.append(
            text
            if cell["cell_type"] == "code"
            else 'r"""' + text.replace('"""', "'''").replace("\\", "/") + '"""'
        )
    return {f"{p.notebook.name.replace(' ', '_')}.py": "\n\n".join(parts).encode()}


@damage("another name, or a browser's copy")
def _renamed(p: Patient) -> dict[str, bytes]:
    n = p.notebook.name
    name = p.dice.choice(
        [
            f"Copy of {n}.ipynb",
            f"{n} (1).ipynb",
            f"{n}-2.ipynb",
            f"tan_LATE_12_345_{n}-1.ipynb",
            f"{n}.ipynb.txt",
            f"{n}.json",
            "Untitled3.ipynb",
        ]
    )
    return {name: _dump(p.raw)}


@damage("an untouched notebook beside the answered one")
def _blank_beside(p: Patient) -> dict[str, bytes]:
    blank = deepcopy(p.raw)
    for index in p.answers(code=False):
        _set(blank["cells"][index], p.release_of(_grade_id(blank["cells"][index])))
    name = p.notebook.name
    return {
        f"{name}.ipynb": _dump(blank),
        p.dice.choice([f"{name} (1).ipynb", f"Copy of {name}.ipynb", "final.ipynb"]): _dump(p.raw),
    }


@damage("in an archive, or an archive in an archive")
def _packed(p: Patient) -> dict[str, bytes]:
    data, name = _dump(p.raw), f"{p.notebook.name}.ipynb"
    if p.dice.random() < 0.2:
        return {f"{name}.gz": gzip.compress(data, mtime=0)}
    for depth in range(p.dice.randint(1, 2)):
        data = _zipped({f"{p.dice.choice(['', 'work/', 'a b/c/'])}{name}": data, "__MACOSX/._x": b"x"})
        name = p.dice.choice(["work.zip", f"inner{depth}.zip"])
    return {p.dice.choice([name, f"{p.notebook.name}.ipynb"]): data}


def _zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


# -- where something is lost, or only a person can say ---------------------------------------------


@damage("cut off (truncated JSON)", lossy=True)
def _truncated(p: Patient) -> bytes:
    data = _dump(p.raw, p.dice.choice([None, 1, 2]))
    return data[: p.dice.randint(len(data) // 10, len(data) - 1)]


@damage("bytes lost in the middle", lossy=True)
def _hole(p: Patient) -> bytes | None:
    data = _dump(p.raw)
    start = p.dice.randrange(len(data) - 100)
    left = (
        data[:start]
        + p.dice.choice([b"", b"\0" * 40, b"\xff\xfe\x80"])
        + data[start + p.dice.randint(1, 400) :]
    )
    try:
        json.loads(left.decode())
    except ValueError:
        return left
    return None  # still a notebook, in which nobody can tell a lost word from one that was never written


@damage("a cut-off zip", lossy=True)
def _cut_zip(p: Patient) -> dict[str, bytes]:
    data = _zipped({"notes.txt": b"notes " * 50, f"{p.notebook.name}.ipynb": _dump(p.raw)})
    return {"work.zip": data[: p.dice.randint(len(data) // 2, len(data) - 1)]}


@damage("a function renamed", lossy=True)
def _renamed_function(p: Patient) -> Raw | None:
    found = [(i, d) for i in p.answers() if (d := names.defined_function(_text(p.raw["cells"][i])))]
    if not found:
        return None
    index, defined = p.dice.choice(found)
    cell = p.raw["cells"][index]
    new = p.dice.choice(
        [f"{defined[-1]}_", f"my_{defined[-1]}", defined[-1].replace("_", ""), defined[-1][:-1]]
    )
    if new == defined[-1]:
        return None
    for other in p.raw["cells"]:
        if other is cell:
            _set(other, re.sub(rf"\b{defined[-1]}\b", new, _text(other)))
    if p.dice.random() < 0.3:
        cell["metadata"], cell["id"] = {}, p.fresh_id()
    return p.raw


@damage("an answer deleted", lossy=True)
def _deleted_answer(p: Patient) -> Raw:
    del p.raw["cells"][p.dice.choice(p.answers())]
    return p.raw


@damage("two different answers", lossy=True)
def _two_answers(p: Patient) -> Raw:
    index = p.dice.choice(p.answers())
    copy = deepcopy(p.raw["cells"][index])
    _set(copy, re.sub(r"return .*", "return None", _text(copy)))
    p.raw["cells"].insert(index + p.dice.choice([0, 1]), copy)
    return p.raw


# -- running it ------------------------------------------------------------------------------------


def run_bench(
    grading: Grading,
    damages: int = 2000,
    seed: int = 0,
    sample: int = 20,
    progress: Callable[[int, int], None] | None = None,
) -> Bench:
    """Damage the assignment's honest hand-in `damages` times, in all ways in turn."""
    rows = {kind: Row(kind, lossy) for kind, (_, lossy) in DAMAGES.items()}
    known: dict[str, Any] = {}
    weak = {n.name: _lost_by_honest(grading, n, known) for n in grading.assignment.notebooks}
    drawn = damaged(grading.assignment, damages, seed)
    for done, (kind, name, files, helper) in enumerate(drawn, start=1):
        row = rows[kind]
        row.damages += 1
        sampled = random.Random(f"{seed} {done}").random() < sample / max(1, damages)
        fate, why, graded = _fate(grading, name, files, helper, known, weak[name], sampled)
        setattr(row, fate, getattr(row, fate) + 1)
        row.graded += graded
        if fate != KEPT and len(row.examples) < 3:
            row.examples.append(why)
        if progress:
            progress(done, damages)
    return Bench(
        seed, [r for r in rows.values() if r.damages], sorted(t for found in weak.values() for t in found)
    )


def damaged(
    assignment: Assignment, damages: int, seed: int
) -> Iterator[tuple[str, str, dict[str, bytes], bool]]:
    """Kind of damage, notebook, the files handed in, whether the student had a helper cell."""
    kinds = list(DAMAGES)
    made = attempt = 0
    while made < damages and attempt < 3 * damages + 100:
        kind = kinds[attempt % len(kinds)]
        notebook = assignment.notebooks[attempt // len(kinds) % len(assignment.notebooks)]
        dice = random.Random(f"{seed} {attempt}")
        attempt += 1
        patient = Patient(notebook, honest_notebook(notebook), dice)
        if not patient.answers():
            continue
        helper = dice.random() < 0.25 or kind == "a helper's cell retyped"
        if helper:
            patient.with_helper()
        result = DAMAGES[kind][0](patient)
        if result is None:
            continue
        made += 1
        exact = f"{notebook.name}.ipynb"
        data = result if isinstance(result, bytes) else b""
        if isinstance(result, dict):
            yield (
                kind,
                notebook.name,
                result if "cells" not in result and "worksheets" not in result else {exact: _dump(result)},
                helper,
            )
        else:
            yield kind, notebook.name, {exact: data}, helper


def _fate(
    grading: Grading,
    name: str,
    files: dict[str, bytes],
    helper: bool,
    known: dict[str, Any],
    weak: frozenset[str],
    sampled: bool,
) -> tuple[str, str, bool]:
    """What becomes of one damaged hand-in, why, and whether it was graded for real."""
    notebook = grading.assignment.notebook(name)
    one = Assignment(grading.assignment.name, (notebook,), grading.assignment.files)
    handin = HandIn("bench", files)
    try:
        handin = _opened(handin)
        rebuilt = take_notebook(handin, one, notebook)
    except Exception as error:
        return CRASHED, f"{type(error).__name__}: {error}", False
    if not helper and not rebuilt.problem and not sampled and _equivalent(notebook, rebuilt):
        return KEPT, "", False
    status, lost = _graded(grading, one, notebook, handin, rebuilt, known)
    lost -= weak
    written = [
        c.origin.grade_id
        for c in rebuilt.cells
        if c.origin is not None and c.origin.kind != "code" and c.origin.takes_answer and not c.answered
    ]
    lost = lost | frozenset(written)
    if not lost:
        return KEPT, "", True
    review = concerned(notebook, rebuilt)
    unflagged = sorted(cell for cell in lost if cell not in review)
    if status == UNREADABLE or not unflagged:
        return (
            FLAGGED,
            "; ".join(dict.fromkeys(s for cell in lost for s in review.get(cell, [rebuilt.problem]))),
            True,
        )
    return WRONG, f"lost without a flag: {', '.join(unflagged)}; repairs: {'; '.join(rebuilt.repairs)}", True


def _graded(
    grading: Grading,
    one: Assignment,
    notebook: AssignmentNotebook,
    handin: HandIn,
    rebuilt: Rebuilt,
    known: dict[str, Any],
) -> tuple[str, frozenset[str]]:
    """The verdict and the tests that lost points, graded for real; the same notebook is graded once."""
    key = json.dumps(
        [notebook.name, rebuilt.problem, [(c.kind, c.source) for c in rebuilt.cells if c.kind == "code"]]
    )
    if key not in known:
        result = evaluate(replace(grading, assignment=one, variants={}), handin).notebooks[0]
        known[key] = result.status, frozenset(o.grade_id for o in result.outcomes if o.points < o.max_points)
    found: tuple[str, frozenset[str]] = known[key]
    return found


def _lost_by_honest(grading: Grading, notebook: AssignmentNotebook, known: dict[str, Any]) -> frozenset[str]:
    """Tests that even the undamaged hand-in does not pass: they say nothing about the rescue."""
    one = Assignment(grading.assignment.name, (notebook,), grading.assignment.files)
    handin = HandIn("bench", {f"{notebook.name}.ipynb": _dump(honest_notebook(notebook))})
    return _graded(grading, one, notebook, handin, take_notebook(handin, one, notebook), known)[1]


def _opened(handin: HandIn) -> HandIn:
    from autograder.intake import open_archives

    files, notes = dict(handin.files), list(handin.notes)
    open_archives(files, notes)
    return HandIn(handin.student, files, tuple(notes), handin.timestamp)


def _equivalent(notebook: AssignmentNotebook, rebuilt: Rebuilt) -> bool:
    """Whether the code that runs is that of the undamaged hand-in, cell for cell, and nothing was added."""
    for cell in rebuilt.cells:
        if cell.origin is None:
            if cell.kind == "code" and names.bound_names(cell.source) & notebook.student_names:
                return False
            if cell.kind == "code" and names.parse(cell.source) is None:
                continue
            continue
        if not cell.origin.takes_answer:
            continue
        if cell.kind != "code":
            if not cell.answered:
                return False
            continue
        if _tree(cell.source) != _tree(_solution(cell.origin.source)):
            return False
    return True


def _tree(source: str) -> str:
    tree = names.parse(source)
    return ast.dump(tree) if tree is not None else source
