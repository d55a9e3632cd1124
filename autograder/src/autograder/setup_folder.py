"""`course init`: a course folder for grading, made from the authored notebooks and course.toml."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from autograder.build import instructor_notebook, open_course
from autograder.course_folder import CourseFolder, make_course_folder
from autograder.diagnosis import WrongAnswer, write_wrong_answers
from autograder.errors import CourseError
from autograder.late import add_assignments, write_due_date
from autograder.variants import WRONG, load_variants


def init(
    root: Path,
    folder: Path,
    names: list[str] | None = None,
    force: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> CourseFolder:
    """Make (or, with `force`, update) the course folder. Its course.toml is its own once it is there.

    `progress` is called with what is being done, how many steps are done and how many there are.
    Raises CourseError for a folder that would be published with the course.
    """
    course = open_course(root)
    if (
        course.root.resolve() in folder.resolve().parents
        and "build" not in folder.resolve().relative_to(course.root.resolve()).parts
    ):
        raise CourseError(
            f"{folder} lies inside the repository; students' work must not end there.",
            "Name a folder outside, such as ~/lm-course.",
        )
    wanted = course.names(names)

    def tell(what: str, done: int) -> None:
        if progress:
            progress(what, done, 2 * len(wanted))

    notebooks = {}
    for done, name in enumerate(wanted):
        tell(f"reading {name}", done)
        notebooks[name] = instructor_notebook(course.source(name), course.notebooks)
    made = make_course_folder(
        folder,
        course.settings.course_id,
        notebooks,
        (course.root / "course.toml").read_text(encoding="utf-8"),
        force,
        lambda name, done: tell(f"releasing {name}", len(wanted) + done),
    )
    add_assignments(made, [course.settings.assignment(name) for name in wanted])
    for name in wanted:
        write_due_date(made, name)
        declared = load_variants(course, course.source(name)).variants
        write_wrong_answers(
            made.root / "variants" / f"{name}.json",
            [WrongAnswer(v.exercise, v.misconception, v.source) for v in declared if v.kind == WRONG],
        )
    return made
