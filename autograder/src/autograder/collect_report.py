"""What `course collect` prints: a row per student, then what needs a person."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autograder.archives import shown
from autograder.collect import ALREADY, IGNORED, OLDER, REFUSED, TAKEN, UNMATCHED, Collection, Receipt

STYLES = {
    TAKEN: "green",
    ALREADY: "dim",
    OLDER: "dim",
    UNMATCHED: "bold red",
    REFUSED: "bold red",
    IGNORED: "dim",
}


def print_collection(found: Collection) -> None:
    """The table of files, the unmatched with the nearest names, who handed in nothing."""
    console = Console(highlight=False, width=None if Console().is_terminal else 160)
    table = Table("student", "file", "handed in", "", "status", "remarks", box=box.SIMPLE_HEAD)
    for receipt in sorted(found.receipts, key=lambda r: (r.student, r.file)):
        when = receipt.handed_in.replace("T", " ").replace("+00:00", "")
        status = f"[{STYLES[receipt.status]}]{receipt.status}[/]"
        remarks = "; ".join(receipt.notes)
        late = "[yellow]late[/]" if receipt.late else ""
        table.add_row(
            escape(receipt.student or "?"),
            escape(receipt.file or receipt.member),
            when,
            late,
            status,
            escape(remarks),
        )
    console.print(table)
    for receipt in found.of(UNMATCHED):
        console.print(_unmatched(receipt), style="bold red", markup=False)
    for note in found.notes:
        console.print(note, style="yellow", markup=False)
    if found.missing:
        console.print(f"nothing from: {', '.join(found.missing)}", markup=False)
    n_late = len({r.student for r in found.receipts if r.late and r.status in (TAKEN, ALREADY)})
    students = len({r.student for r in found.receipts if r.status in (TAKEN, ALREADY)})
    console.print(
        f"{len(found.receipts)} files of {students} students, {n_late} late; "
        f"{len(found.written)} hand-ins written; "
        f"{len(found.of(UNMATCHED))} unmatched, {len(found.of(REFUSED))} refused"
    )


def _unmatched(receipt: Receipt) -> str:
    near = f"; nearest: {', '.join(receipt.nearest)}" if receipt.nearest else ""
    why = "; ".join(receipt.notes)
    return (
        f"unmatched: {shown(receipt.member)} ({why}{near}). Kept as {receipt.stored}; name the "
        "student with --roster."
    )
