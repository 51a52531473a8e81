"""The list of licences has every dependency, and marks those that a person should read."""

import json
import tomllib
from email.message import Message
from pathlib import Path

import pytest

from tools import licences

ROOT = Path(__file__).parents[2]


def test_every_dependency_has_a_permitted_licence(capsys):
    assert licences.main(["--json"]) == 0
    found = {licences.spelled(each["name"]): each for each in json.loads(capsys.readouterr().out)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = {licences.spelled(name) for name, _ in licences.requirements(project["dependencies"], frozenset())}
    assert direct <= set(found)
    assert {"h11", "httpcore", "idna"} <= set(found)  # required by what is required
    assert "pytest" not in found
    assert all(each["licence"] and each["version"] for each in found.values())


class Distribution:
    """A distribution with these fields, and this licence file."""

    def __init__(self, fields, file=None):
        self.metadata = Message()
        for name, value in fields:
            self.metadata[name] = value
        self._file = file

    def read_text(self, name):
        return self._file if name == "licenses/LICENSE" else None


@pytest.mark.parametrize(
    ("fields", "file", "licence"),
    [
        ([("License-Expression", "MIT"), ("License", "other")], None, "MIT"),
        ([("Classifier", "License :: OSI Approved :: BSD License"), ("Classifier", "Topic :: X")], None, "BSD License"),
        ([("Classifier", "License :: OSI Approved"), ("License", "ISC\nlong text")], None, "ISC"),
        ([("License-File", "LICENSE")], "\nMIT License\n\nCopyright", "MIT License"),
        ([], None, "unknown"),
    ],
)
def test_a_licence_is_read_from_where_it_is_said(fields, file, licence):
    assert licences.licence_of(Distribution(fields, file)) == licence


@pytest.mark.parametrize("licence", ["GPL-3.0", "GNU Lesser General Public License v3", "unknown", "Proprietary"])
def test_what_a_person_should_read_fails(monkeypatch, capsys, licence):
    monkeypatch.setattr(licences, "licence_of", lambda _: licence)
    assert licences.main([]) == 1
    said = capsys.readouterr()
    assert "<- read it" in said.out
    assert "not among the permitted licences: " in said.err


def test_extras_are_listed_when_asked_for(capsys):
    licences.main(["--json", "--extra", "tf-serving"])
    assert {"grpcio", "protobuf"} <= {each["name"] for each in json.loads(capsys.readouterr().out)}
