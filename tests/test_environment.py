"""environment.yml, the two pyprojects, the constraints and Colab's versions must agree with one another."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
OWN = {"nextword", "autograder"}
# Python's own installers: every environment has them, at its own version.
INSTALLERS = {"pip", "setuptools", "wheel"}
# The oldest Python we promise (Debian 12), Ubuntu 24.04's, and Colab's.
PYTHONS = ("3.11.2", "3.12.3", "3.13.0")

# What Colab's runtime had installed when last looked at (August 2026, Python 3.13).
COLAB = {
    "torch": "2.11.0",
    "numpy": "2.1.3",
    "datasets": "4.0.0",
    "transformers": "5.15.0",
    "pyarrow": "18.1.0",
    "ipython": "7.34.0",
}
# Installing a newer one of these breaks a running Colab notebook.
NEVER_ON_COLAB = {"nbgrader", "jupyterlab", "ipython", "notebook", "jupyter-server", "ipykernel"}
# conda-forge's name where it is not PyPI's.
CONDA_TO_PYPI = {"pytorch": "torch", "matplotlib-base": "matplotlib"}


def project(package: str) -> dict:
    return tomllib.loads((ROOT / package / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirements(package: str, *, extras: set[str] | None = None) -> list[Requirement]:
    """Dependencies of a package and its extras (all of them when none are named), without our own two."""
    table = project(package)
    lines = list(table["dependencies"])
    for name, more in table.get("optional-dependencies", {}).items():
        if extras is None or name in extras:
            lines += more
    return [r for r in map(Requirement, lines) if canonicalize_name(r.name) not in OWN]


def constraints() -> dict[str, str]:
    pinned: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][^\s;+]*)", line)
            assert match, f"constraints.txt: {line!r} is not NAME==VERSION (no local label such as +cpu)"
            name = canonicalize_name(match[1])
            assert name not in pinned, f"constraints.txt names {name} twice"
            pinned[name] = match[2]
    return pinned


def conda() -> tuple[dict[str, SpecifierSet], list[str]]:
    """Packages of environment.yml under their PyPI names, and its pip lines."""
    packages: dict[str, SpecifierSet] = {}
    pip_lines: list[str] = []
    for entry in yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]:
        if isinstance(entry, dict):
            pip_lines += entry["pip"]
        else:
            requirement = Requirement(entry)
            packages[CONDA_TO_PYPI.get(requirement.name, requirement.name)] = requirement.specifier
    return packages, pip_lines


@pytest.mark.parametrize("package", ["helpers", "autograder"])
def test_every_dependency_is_pinned_inside_its_range(package: str) -> None:
    pinned = constraints()
    for requirement in requirements(package):
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{package}/pyproject.toml needs {name}; pin it in constraints.txt"
        assert pinned[name] in requirement.specifier, (
            f"{package}/pyproject.toml asks for {requirement}, constraints.txt pins {pinned[name]}"
        )


def test_what_the_dependencies_need_is_pinned_too() -> None:
    pinned = constraints()
    missing = sorted(set(installed_closure()) - set(pinned) - OWN - INSTALLERS)
    assert not missing, f"installed with the course, yet not in constraints.txt: {', '.join(missing)}"


def installed_closure() -> dict[str, str]:
    """Everything that an installation of both packages with the test tools pulls in here: name -> version."""
    wanted = [Requirement("nextword[hub,widgets]"), Requirement("autograder[test]")]
    extras_seen: dict[str, set[str]] = {}
    versions: dict[str, str] = {}
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        extras = {"", *requirement.extras}
        if extras <= extras_seen.get(name, set()):
            continue
        extras_seen.setdefault(name, set()).update(extras)
        distribution = importlib.metadata.distribution(name)
        versions[name] = distribution.version
        for line in distribution.requires or []:
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": e}) for e in extras_seen[name]):
                wanted.append(needed)
    return versions


@pytest.mark.parametrize("python", PYTHONS)
def test_pinned_versions_install_on_every_python_we_promise(python: str) -> None:
    pinned = constraints()
    refusing = []
    for name, version in installed_closure().items():
        if pinned.get(name) == version.partition("+")[0]:
            asks = importlib.metadata.metadata(name).get("Requires-Python")
            if asks and python not in SpecifierSet(asks):
                refusing.append(f"{name} {version} asks for Python {asks}")
    assert not refusing, f"constraints.txt cannot be installed on Python {python}: {'; '.join(refusing)}"


def test_both_packages_promise_the_same_python() -> None:
    for package in ("helpers", "autograder"):
        promised = SpecifierSet(project(package)["requires-python"])
        assert all(python in promised for python in PYTHONS), f"{package} refuses one of {PYTHONS}"
        assert "3.10.14" not in promised


def test_conda_environment_holds_the_student_package_and_jupyterlab() -> None:
    packages, pip_lines = conda()
    assert pip_lines == ["-e ./helpers[hub,widgets]"]
    python = packages.pop("python")
    assert all(version in python for version in PYTHONS)
    packages.pop("pip")
    jupyterlab = packages.pop("jupyterlab")
    assert constraints()["jupyterlab"] in jupyterlab
    student = {
        canonicalize_name(r.name): r.specifier for r in requirements("helpers", extras={"hub", "widgets"})
    }
    assert packages == student, "environment.yml and helpers/pyproject.toml name different packages or ranges"


def test_colab_keeps_its_versions() -> None:
    """pip changes nothing in Colab's runtime when it installs nextword with all extras there."""
    for requirement in requirements("helpers"):
        name = canonicalize_name(requirement.name)
        if name in COLAB:
            assert COLAB[name] in requirement.specifier, (
                f"helpers asks for {requirement}, Colab has {COLAB[name]}: pip would change a live kernel"
            )
    assert "3.13.0" in SpecifierSet(project("helpers")["requires-python"])


def test_students_install_no_grading_code() -> None:
    names = {canonicalize_name(Requirement(line).name) for line in project("helpers")["dependencies"]}
    for extra in project("helpers").get("optional-dependencies", {}).values():
        names |= {canonicalize_name(Requirement(line).name) for line in extra}
    assert not names & NEVER_ON_COLAB
    assert "autograder" not in names


def test_student_guide_installs_the_torch_that_we_use() -> None:
    guide = (ROOT / "docs" / "student.md").read_text(encoding="utf-8")
    assert f"pip install torch=={constraints()['torch']} --index-url" in guide
