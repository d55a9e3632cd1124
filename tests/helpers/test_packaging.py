"""The student package installs on Colab without changing anything that is already there."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

PYPROJECT = Path(__file__).parents[2] / "helpers" / "pyproject.toml"
PROJECT = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
REQUIREMENTS = [
    Requirement(line)
    for lines in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for line in lines
]

# What the Colab runtime of August 2026 holds, as far as it is written down (design notes on Colab).
COLAB = {"numpy": "2.1.3", "torch": "2.11.0", "datasets": "4.0.0", "transformers": "5.15.0"}


@pytest.mark.parametrize("name", COLAB)
def test_colabs_version_satisfies_the_package(name) -> None:
    found = [requirement for requirement in REQUIREMENTS if requirement.name == name]
    assert found, f"{name} is not among the requirements any more: take it out of COLAB."
    assert all(COLAB[name] in requirement.specifier for requirement in found)


def test_colabs_python_satisfies_the_package() -> None:
    assert "3.13.5" in SpecifierSet(PROJECT["requires-python"])
    assert "3.11.0" in SpecifierSet(PROJECT["requires-python"])


def test_nothing_is_pinned_or_capped() -> None:
    for requirement in REQUIREMENTS:
        assert {part.operator for part in requirement.specifier} <= {">=", "!="}, requirement


def test_nothing_that_breaks_the_runtime_or_belongs_to_grading_is_asked_for() -> None:
    names = {requirement.name.lower() for requirement in REQUIREMENTS}
    assert not names & {"nbgrader", "jupyterlab", "notebook", "ipython", "ipykernel", "autograder"}
