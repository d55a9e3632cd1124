"""The command `course`: each command calls one step; what goes wrong is said in a sentence, with a remedy."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from autograder.errors import CourseError
from autograder.settings import ONE_CORE

if TYPE_CHECKING:
    from autograder.build import Course

app = typer.Typer(
    name="course",
    help="Build, check, publish and grade a course of self-grading notebooks.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAMES]", help="Notebooks; all of course.toml if none.")
]
Root = Annotated[Path, typer.Option("--root", help="The course's repository, where course.toml lies.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program instead of a table.")]


def main() -> None:
    """Run the command line. Exits with 1 for what a person can mend, 2 for wrong usage."""
    try:
        app()
    except CourseError as error:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"error: {error.message}", style="bold red", markup=False)
        if error.remedy:
            console.print(error.remedy, markup=False)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


@contextmanager
def imports() -> Iterator[None]:
    """Import modules for good: nothing in them is ever looked at for garbage. No threads for numpy, which
    would only wait beside those that grade.
    """
    for name, value in ONE_CORE.items():
        os.environ.setdefault(name, value)
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output."""
    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], good: Sequence[bool]) -> None:
    """Print a table; rows that are not good stand out."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    table = Table(*columns, box=box.SIMPLE_HEAD)
    for cells, fine in zip(rows, good, strict=True):
        table.add_row(*map(escape, cells), style="" if fine else "bold red")
    console.print(table)


def fail_if(count: int, what: str) -> None:
    """End with status 1 and one line on standard error when something was found."""
    if count:
        print(f"error: {count} {what}.", file=sys.stderr)
        raise typer.Exit(1)


@contextmanager
def progress_bar(title: str) -> Iterator[tuple[Progress, Any]]:
    """A progress bar on standard error, where it cannot mix with results."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield bar, bar.add_task(title, total=None)


def _steps(bar: Progress, task: Any) -> Callable[[str, int, int], None]:
    """The callback that moves a bar: what is being done, how many steps are done, how many there are."""
    return lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


@app.command("build")
def build_command(
    names: Names = None,
    root: Root = Path("."),
    solved: Annotated[
        Path | None, typer.Option(help="Also write the solved notebooks to this folder, to run and read.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write no notebook; name every fault, exit 1 if any.")
    ] = False,
    fast: Annotated[
        bool, typer.Option("--fast", help="With --check: leave out what runs notebooks.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="With --check: notebooks side by side.")] = 2,
    as_json: Json = False,
) -> None:
    """Build notebooks/ from solutions/, or check that what is there may be released.

    Examples: `course build`, `course build 01_ngrams --solved build/solved`, `course build --check --fast`
    """
    from autograder.build import build, open_course, write_solved

    course = open_course(root)
    if check:
        _check(course, names, fast, workers, as_json)
        return
    with progress_bar("building") as (bar, task):
        bar.update(task, total=len(course.names(names)))
        built = build(course, names, progress=lambda name: bar.advance(task))
    for notebook in built:
        print(
            f"{notebook.path}: {notebook.cells} cells, {notebook.points:g} points, "
            f"{notebook.minutes:g} minutes" + ("" if notebook.changed else " (unchanged)")
        )
    if solved:
        for path in write_solved(course, solved, names):
            print(f"{path}: solved, for your eyes only")


def _check(course: Course, names: list[str] | None, fast: bool, workers: int, as_json: bool) -> None:
    from autograder.gate import check

    with progress_bar("checking") as (bar, task):
        faults = check(course, names, fast, _steps(bar, task), workers)
    if as_json:
        print_json([fault.to_json() for fault in faults])
    else:
        for fault in faults:
            print(fault)
    fail_if(len(faults), "fault(s); nothing may be released")
    if not as_json:
        print(
            f"{', '.join(course.names(names))}: ready for release"
            + (" as far as --fast looks" if fast else "")
        )


@app.command("site")
def site_command(
    out: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR",
            help="Where pages go, in place of a site there [default: build/site or build/instructor-site]",
        ),
    ] = None,
    root: Root = Path("."),
    instructor: Annotated[
        bool,
        typer.Option("--instructor", help="Show solutions and hidden tests too; never publish it."),
    ] = False,
) -> None:
    """Make web pages of the notebooks and of docs/. Notebooks that have changed since they last ran are run.

    Examples: `course site`, `course site --instructor`
    """
    from autograder.build import open_course
    from autograder.site import build_site

    out = out or Path("build/instructor-site" if instructor else "build/site")
    course = open_course(root)
    with progress_bar("site") as (bar, task):
        bar.update(task, total=len(course.names()) + 1)

        def tell(what: str) -> None:
            bar.update(task, description=what, advance=1)

        faults = build_site(course, out, instructor=instructor, progress=tell)
    for fault in faults:
        print(fault)
    fail_if(len(faults), "thing(s) wrong with the pages")
    print(f"{out / 'index.html'}: open it in a browser")


@app.command("publish")
def publish_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where students get their files from.")],
    names: Names = None,
    root: Root = Path("."),
) -> None:
    """Write what students get to DIR: notebooks, helpers, README; no solution, hidden test or variant.

    Notebooks published to DIR before are brought up to date as well; to take one back, delete its file there.

    Example: `course publish ../course-students 00_start_here 01_ngrams`
    """
    from autograder.build import open_course
    from autograder.publish import publish

    published = publish(open_course(root), folder, names)
    print(f"{published.folder}: {published.files} files, notebooks {', '.join(published.notebooks)}")


@app.command("variants")
def variants_command(names: Names = None, root: Root = Path("."), as_json: Json = False) -> None:
    """Grade every declared right and wrong answer; fail if a test treats one of them otherwise.

    Examples: `course variants 01_ngrams`, `course variants --json`
    """
    from autograder.build import open_course
    from autograder.variants import run_variants

    rows = []
    with progress_bar("grading variants") as (bar, task):
        for total, row in run_variants(open_course(root), names):
            rows.append(row)
            bar.update(task, total=total, completed=len(rows))
    if as_json:
        print_json([row.to_json() for row in rows])
    else:
        columns = ("notebook", "exercise", "variant", "kind", "expected", "got", "hint", "note")
        print_table(
            columns, [[str(row.to_json()[c]) for c in columns] for row in rows], [row.ok for row in rows]
        )
        for row in rows:
            if not row.ok:
                print(row, file=sys.stderr)
    fail_if(sum(not row.ok for row in rows), "variant(s) not treated as declared")


@app.command("mutate")
def mutate_command(
    names: Names = None,
    root: Root = Path("."),
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many mutants per exercise.")] = None,
    seed: Annotated[int, typer.Option(help="Which ones --limit draws.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Grading processes.")] = 2,
    as_json: Json = False,
) -> None:
    """Change each reference solution in small ways; fail if a test notices too few of the changes.

    Examples: `course mutate 01_ngrams`, `course mutate --limit 20 --seed 7 --json`
    """
    from autograder.build import open_course
    from autograder.mutate import failures, run_mutants, table

    with progress_bar("grading mutants") as (bar, task):
        results = list(
            run_mutants(
                open_course(root),
                names,
                seed,
                limit,
                workers,
                lambda done, total: bar.update(task, completed=done, total=total),
            )
        )
    scores = [score for score, _ in results]
    if as_json:
        print_json([fate.to_json() for _, fates in results for fate in fates])
    else:
        print_table(*table(scores))
    for sentence in (problems := failures(scores)):
        print(sentence, file=sys.stderr)
    fail_if(len(problems), "thing(s) to mend in tests or declarations")


@app.callback()
def _course() -> None:
    """Build, check, publish and grade a course of self-grading notebooks."""


CourseDir = Annotated[
    Path, typer.Option("--course-dir", help="The course folder: source/, submitted/, gradebook.db.")
]
Db = Annotated[str, typer.Option("--db", help="The gradebook, if not gradebook.db: postgresql://...")]


@app.command("init")
def init_command(
    folder: Annotated[Path, typer.Argument(help="The new course folder, outside the repository.")],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAMES]", help="Notebooks; all if none.")
    ] = None,
    root: Root = Path("."),
    force: Annotated[
        bool,
        typer.Option("--force", help="Update the assignments in an existing folder; its course.toml stays."),
    ] = False,
) -> None:
    """Make a course folder for grading: instructor's notebooks, releases, gradebook, due dates.

    Example: `course init ~/lm-course-2027`
    """
    from autograder.setup_folder import init

    with progress_bar("reading the notebooks") as (bar, task):
        made = init(root, folder, names, force, _steps(bar, task))
    print(f"{made.root}: {', '.join(made.assignments())}")
    print(f"Put hand-ins into {made.step('submitted', 'STUDENT', 'ASSIGNMENT')}, then run:")
    print(f"  course grade ASSIGNMENT --course-dir {folder}")


@app.command("collect")
def collect_command(
    assignment: Annotated[str, typer.Argument(help="The assignment, as in source/.")],
    files: Annotated[list[Path], typer.Argument(help="Archives, folders or single files.")],
    source: Annotated[
        str, typer.Option("--from", help="auto, canvas, moodle, gradescope, folder or nbgrader.")
    ] = "auto",
    roster: Annotated[Path | None, typer.Option(help="The class list: any platform's CSV.")] = None,
    course_dir: CourseDir = Path("."),
    db: Db = "",
    as_json: Json = False,
) -> None:
    """Lay a class's hand-ins into submitted/, keep the originals, write a receipt for each file.

    Example: `course collect 01_ngrams submissions.zip --from canvas --roster grades.csv --course-dir ~/lm`
    """
    from autograder.collect import collect
    from autograder.collect_report import print_collection
    from autograder.course_folder import CourseFolder

    with progress_bar("collecting") as (bar, task):
        found = collect(
            CourseFolder(course_dir, db),
            assignment,
            files,
            source,
            roster,
            lambda done: bar.update(task, completed=done),
        )
    if as_json:
        print_json(found.to_json())
    else:
        print_collection(found)
    fail_if(0 if found.anybodys else len(found.receipts), "file(s), and none of them anybody's")


@app.command("grade")
def grade_command(
    assignment: Annotated[str, typer.Argument(help="The assignment, as in source/.")],
    course_dir: CourseDir = Path("."),
    student: Annotated[list[str] | None, typer.Option(help="Only this student; may be repeated.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Grade again what has not changed, too.")] = False,
    changed: Annotated[
        bool, typer.Option("--changed", help="Only hand-ins graded before that have changed since.")
    ] = False,
    workers: Annotated[int, typer.Option(min=0, help="Grading processes; 0: one per core.")] = 0,
    scheduler: Annotated[str, typer.Option(help="A dask scheduler, tcp://HOST:PORT.")] = "",
    unsafe: Annotated[
        bool,
        typer.Option("--unsafe-no-sandbox", help="Run hand-ins without walls: only on a throw-away machine."),
    ] = False,
    db: Db = "",
    as_json: Json = False,
) -> None:
    """Grade what was handed in: sandboxed, in parallel; a run that was stopped goes on where it was.

    Examples: `course grade 01_ngrams --course-dir ~/lm-course`, `course grade ps1 --student alice --force`
    """
    with imports():
        from autograder.class_report import print_summary, summary_json
        from autograder.course_folder import CourseFolder
        from autograder.grade_class import grade_class
        from autograder.sandbox import NESTED, NONE

    if unsafe:
        print("warning: no sandbox; hand-ins can read and change all that you can.", file=sys.stderr)
    folder = CourseFolder(course_dir, db)
    with verdict_bar(f"grading {assignment}") as progress:
        summary = grade_class(
            folder,
            assignment,
            students=student,
            force=force,
            changed_only=changed,
            workers=workers,
            scheduler=scheduler,
            isolation=NONE if unsafe else NESTED,
            progress=progress,
        )
    if as_json:
        print_json(summary_json(folder, summary))
    else:
        print_summary(folder, summary)


@contextmanager
def verdict_bar(title: str) -> Iterator[Any]:
    """A progress bar with time left and a count per verdict; yields the callback that moves it."""
    from collections import Counter

    counts: Counter[str] = Counter()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[verdicts]}"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None, verdicts="")

        def move(done: int, total: int, result: Any) -> None:
            if result is not None:
                counts[result.verdict] += 1
            verdicts = ", ".join(f"{n} {verdict}" for verdict, n in counts.most_common())
            bar.update(task, completed=done, total=total, verdicts=verdicts)

        yield move


@app.command("feedback")
def feedback_command(
    assignment: Annotated[str, typer.Argument(help="The assignment, as in source/.")],
    course_dir: CourseDir = Path("."),
    student: Annotated[list[str] | None, typer.Option(help="Only this student; may be repeated.")] = None,
    db: Db = "",
) -> None:
    """Write a page for each graded student, where `nbgrader release_feedback` looks for it.

    Examples: `course feedback 01_ngrams --course-dir ~/lm-course`, `course feedback ps1 --student alice`
    """
    from autograder.course_folder import CourseFolder
    from autograder.feedback import write_feedback

    folder = CourseFolder(course_dir, db)
    with progress_bar(f"writing feedback on {assignment}") as (bar, task):
        paths = write_feedback(
            folder, assignment, student, lambda done, total: bar.update(task, completed=done, total=total)
        )
    print(f"{len(paths)} pages in {folder.step('feedback', 'STUDENT', assignment)}")


@app.command("report")
def report_command(
    assignment: Annotated[str, typer.Argument(help="The assignment, as in source/.")],
    course_dir: CourseDir = Path("."),
    db: Db = "",
    as_json: Json = False,
) -> None:
    """Write reports/ASSIGNMENT.html, .csv and .json: how the class did, and what needs the instructor.

    Examples: `course report 01_ngrams --course-dir ~/lm-course`, `course report ps1 --json`
    """
    from autograder.course_folder import CourseFolder
    from autograder.report import as_json as report_json
    from autograder.report import make_report, write_report

    folder = CourseFolder(course_dir, db)
    report = make_report(folder, assignment)
    paths = write_report(folder, report)
    if as_json:
        print(report_json(report), end="")
    else:
        for path in paths:
            print(path)


@app.command("export")
def export_command(
    assignment: Annotated[str, typer.Argument(help="The assignment, as in source/.")],
    to: Annotated[str, typer.Option(help="canvas, moodle, csv or json.")] = "csv",
    template: Annotated[
        Path | None, typer.Option(help="The platform's own table; its column is filled.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The file to write; standard output if none.")] = None,
    feedback: Annotated[
        Path | None, typer.Option(help="Also pack the feedback pages into this zip, to upload whole.")
    ] = None,
    course_dir: CourseDir = Path("."),
    db: Db = "",
) -> None:
    """Give points and feedback back to the platform. Who waits for a person is left out and named.

    Example: `course export ps1 --to canvas --template grades.csv --out upload.csv --feedback pages.zip`
    """
    from autograder.course_folder import CourseFolder
    from autograder.export import export, write_feedback_zip

    folder = CourseFolder(course_dir, db)
    result = export(folder, assignment, to, template)
    if out is None:
        sys.stdout.write(result.text)
    else:
        with open(out, "w", encoding="utf-8", newline="") as file:
            file.write(result.text)
        count = f"{len(result.filled)} student" + "s" * (len(result.filled) != 1)
        print(f"Wrote {out}: {count}", file=sys.stderr)
    for note in result.notes:
        print(note, file=sys.stderr)
    if result.waiting:
        print(f"left out, a person has to grade first: {', '.join(result.waiting)}", file=sys.stderr)
    if feedback is not None:
        packed = write_feedback_zip(folder, assignment, to, feedback)
        print(f"{feedback}: pages of {len(packed['students'])} students", file=sys.stderr)
        if packed["without_place"]:
            print(f"not from this platform: {', '.join(packed['without_place'])}", file=sys.stderr)


@app.command("rescue-bench")
def rescue_bench_command(
    assignment: Annotated[str, typer.Argument(help="The assignment; the first if none is named.")] = "",
    course_dir: CourseDir = Path("."),
    damages: Annotated[int, typer.Option(min=1, help="How many damaged hand-ins to make.")] = 2000,
    seed: Annotated[int, typer.Option(help="Which ones.")] = 0,
    sample: Annotated[int, typer.Option(min=0, help="So many that look equal are graded all the same.")] = 20,
    as_json: Json = False,
) -> None:
    """Damage an honest full-mark hand-in in every known way; print whose score survives, by kind of damage.

    Example: `course rescue-bench 01_ngrams --course-dir ~/lm-course --damages 500`
    """
    from autograder.course_folder import CourseFolder
    from autograder.grade_class import grading_for
    from autograder.rescue_bench import run_bench, table

    folder = CourseFolder(course_dir)
    name = assignment or next(iter(folder.assignments()), "")
    grading = grading_for(folder, folder.assignment(name))
    with progress_bar(f"damaging {name}") as (bar, task):
        bench = run_bench(
            grading, damages, seed, sample, lambda done, total: bar.update(task, completed=done, total=total)
        )
    if as_json:
        print_json(bench.to_json())
    else:
        print_table(*table(bench))
        for sentence in bench.sentences():
            print(sentence)
    fail_if(bench.total.wrong + bench.total.crashed, "damaged hand-in(s) with a wrong score and no flag")


@app.command("ladder")
def ladder_command(names: Names = None, root: Root = Path("."), as_json: Json = False) -> None:
    """Run the solved notebooks that put models on the ladder, and publish the numbers.

    Writes docs/results.md, docs/images/ladder.png, and the rungs that later notebooks draw. Takes some
    minutes for each notebook; run it on an idle machine.

    Examples: `course ladder`, `course ladder 03_feed_forward`
    """
    from dataclasses import asdict

    from autograder import ladder
    from autograder.build import open_course

    with progress_bar("running") as (bar, task):
        measured = ladder.run(open_course(root), names, _steps(bar, task))
    if as_json:
        print_json([asdict(m) for m in measured])
        return
    print_table(
        ("model", "bits per character", "notebook", "seconds of the notebook"),
        [
            (rung.model, f"{rung.bits:.3f}", m.notebook, f"{m.seconds:.0f}")
            for m in measured
            for rung in m.rungs
        ],
        [True] * sum(len(m.rungs) for m in measured),
    )
    print(f"Written: {ladder.PAGE}, {ladder.PICTURE}, {ladder.DATA}")


@app.command("bench")
def bench_command(
    sizes: Annotated[str, typer.Option(help="Class sizes, with commas between them.")] = "20,100,300",
    nbgrader_up_to: Annotated[
        int, typer.Option(help="Run plain nbgrader (4 s a hand-in) only on classes up to this size.")
    ] = 100,
    plot: Annotated[Path | None, typer.Option(help="Also draw the result into this PNG.")] = None,
    as_json: Json = False,
) -> None:
    """Grade one class with nbgrader, with this engine and with neither; compare time and memory.

    Examples: `course bench`, `course bench --sizes 20 --nbgrader-up-to 20`
    """
    from autograder import bench

    wanted = [int(size) for size in sizes.split(",") if size.strip().isdigit() and int(size) > 0]
    if not wanted:
        raise CourseError(f"--sizes is {sizes!r}.", "Write numbers with commas between them, such as 20,100.")
    with progress_bar("measuring") as (bar, task):
        bar.update(task, total=None)
        rows = bench.bench(
            wanted, nbgrader_up_to, lambda way, size: bar.update(task, description=f"{size} hand-ins: {way}")
        )
    if plot:
        bench.plot(rows, plot)
    if as_json:
        print_json({"machine": bench.machine(), "rows": bench.as_json(rows)})
        return
    print(f"{bench.machine()}\n\n{bench.as_markdown(rows)}\n")
    for sentence in bench.ratios(rows):
        print(sentence)


@app.command("doctor")
def doctor_command(as_json: Json = False) -> None:
    """Try to break each promise of the sandbox on this machine, and say which hold. Takes some seconds.

    With --json it also says what each trial saw. Example: `course doctor`
    """
    from autograder.doctor import examine, verdict

    with progress_bar("starting the sandbox") as (bar, task):
        findings = examine(progress=_steps(bar, task))
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        rows = [
            (f.promise, "holds" if f.holds else "BROKEN", f.tried + ("" if f.holds else f" Seen: {f.detail}"))
            for f in findings
        ]
        print_table(("promise", "", "how it was tried"), rows, [f.holds for f in findings])
        print(verdict(findings))
    fail_if(sum(not f.holds for f in findings), "promise(s) of the sandbox do not hold on this machine")


@app.command("demo")
def demo_command(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAMES]", help="Notebooks; the first two if none.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All notebooks.")] = False,
    folder: Annotated[Path, typer.Option("--dir", help="Where the demo's course folder goes.")] = Path(
        "build/demo"
    ),
    root: Root = Path("."),
) -> None:
    """Build notebooks, let a made-up class hand them in, grade it, and print the gradebook.

    Takes about a minute on a laptop; with --all, which is 326 hand-ins, about twenty minutes.

    Examples: `course demo`, `course demo 05_attention --dir build/demo`, `course demo --all`
    """
    from autograder.build import open_course
    from autograder.demo import FIRST, run_demo

    course = open_course(root)
    wanted = course.names(names) if names or everything else course.names()[:FIRST]
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    run_demo(course, folder, console, verdict_bar, progress_bar, wanted)


if __name__ == "__main__":
    main()
