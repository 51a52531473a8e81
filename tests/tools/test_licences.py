"""The list of licences has every dependency, and marks those that a person should read."""

import json
import tomllib
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from core.installed_packages import spelled
from tools import dependencies, licences

ROOT = Path(__file__).parents[2]


def test_every_dependency_has_a_permitted_licence(capsys):
    assert licences.main(["--json"]) == 0
    found = {spelled(each["name"]): each for each in json.loads(capsys.readouterr().out)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = {spelled(Requirement(text).name) for text in project["dependencies"]}
    assert direct <= set(found)
    assert {"h11", "httpcore", "idna"} <= set(found)  # required by what is required
    assert "pytest" not in found
    assert "colorama" not in found  # of another system
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
    assert said.err.startswith("tools/licences.py does not permit the licences of ")
    assert "add them to PERMITTED, or replace the dependencies." in said.err


@pytest.mark.parametrize(
    "licence",
    ["Limited Use", "No use permitted", "Disclaimer applies", "Simplified terms", "Apaches", "MIT AND LicenseRef-Own"],
)
def test_a_word_within_a_word_permits_nothing(licence):
    assert not licences.is_permitted(licence)


@pytest.mark.parametrize(
    "licence",
    [
        *("MIT-0", "3-Clause BSD License", "ISC License (ISCL)", "Mozilla Public License 2.0 (MPL 2.0)", "PSF-2.0"),
        *("0BSD", "MPL-2.0 AND (Apache-2.0 OR MIT)", "Apache Software License, MIT License"),
    ],
)
def test_a_licence_is_permitted_by_its_name(licence):
    assert licences.is_permitted(licence)


def test_an_extra_that_does_not_exist_is_refused_with_those_that_do(capsys):
    with pytest.raises(SystemExit) as refused:
        licences.main(["--extra", "tf_serving"])
    assert refused.value.code == 2
    assert "invalid choice: 'tf_serving' (choose from 'dask', 'dev'," in capsys.readouterr().err


def test_extras_are_listed_when_asked_for(capsys):
    licences.main(["--json", "--extra", "tf-serving"])
    assert {"grpcio", "protobuf"} <= {each["name"] for each in json.loads(capsys.readouterr().out)}


def test_an_extra_that_is_not_installed_is_refused_instead_of_left_out(monkeypatch, capsys):
    stated = dependencies.project()
    stated["optional-dependencies"]["web"] = ["no-such-package>=1"]
    monkeypatch.setattr(licences, "project", lambda: stated)
    with pytest.raises(SystemExit) as refused:
        licences.main(["--extra", "web"])
    assert refused.value.code == 2
    assert "no-such-package is not installed" in capsys.readouterr().err


def test_what_a_dependency_needs_follows_the_extras_that_are_asked_of_it():
    found = dependencies.closure(["httpx", "httpx[http2]; python_version < '3'"])
    assert {"httpcore", "idna", "certifi", "anyio"} == found["httpx"].needs
    assert list(found) == sorted(found)
    assert set().union(*(each.needs for each in found.values())) <= set(found)
    with pytest.raises(dependencies.NotInstalledError, match="h2 is not installed"):
        dependencies.closure(["httpx[http2]"])
