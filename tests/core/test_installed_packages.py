"""What is installed, and what the product requires; a bare source tree has no metadata of its own."""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from console.cli.main import main
from core.installed_packages import DISTRIBUTION, installed_version, own_release, required, spelled
from core.maintenance import library_versions
from core.tracking.environment import software

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


@pytest.fixture
def bare_tree(monkeypatch):
    """A source tree that is not installed."""
    version = metadata.version

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    monkeypatch.setattr(metadata, "version", lambda name: missing(name) if name == DISTRIBUTION else version(name))


def test_the_required_packages_are_those_of_the_project_without_extras():
    assert {spelled(each.name) for each in required()} == {
        spelled(Requirement(text).name) for text in PROJECT["dependencies"]
    }
    assert {spelled(each.name): each.bounds for each in required()}["pyyaml"] == ">=6"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a", [("a", "")]),
        ("a-b.c >= 1 , <2", [("a-b.c", ">= 1 , <2")]),
        ("a [x, y]>=1", [("a", ">=1")]),
        ('a>=1; python_version < "4"', [("a", ">=1")]),
        ("a; extra == 'web'", []),
        ("", []),
    ],
)
def test_a_requirement_is_read_as_metadata_spells_it(monkeypatch, text, found):
    monkeypatch.setattr(metadata, "requires", lambda _: [text])
    assert required() == found


def test_a_package_that_is_not_installed_has_no_version():
    assert installed_version("no-such-package") is None
    assert installed_version("pytest") == pytest.__version__


@pytest.mark.usefixtures("bare_tree")
def test_a_bare_source_tree_names_no_release_and_fails_nowhere(called):
    assert (own_release(), required()) == ("unknown", [])
    assert called(main, "--version") == (0, "bondx unknown\n", "")
    code, page, _ = called(main, "man")
    assert code == 0
    assert '"BondX Console unknown"' in page.splitlines()[0]
    assert [item.name for item in library_versions.examine_libraries()] == ["library versions"]
    assert software.__wrapped__()["packages"] == {}
