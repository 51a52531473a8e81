"""The bill of materials holds to the schema of CycloneDX, lists every package, and is the same for the same release."""

import hashlib
import json
from datetime import UTC, datetime

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from core.maintenance.library_versions import pinned_versions
from tools import release
from tools.bill_of_materials import SPEC_VERSION, bill_of_materials
from tools.dependencies import closure, project
from tools.release import ReleaseError, check_pins

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def files(tmp_path):
    for name in ("bondx_console-0.1.0-py3-none-any.whl", "bondx_console-0.1.0.tar.gz"):
        (tmp_path / name).write_text(name)
    return sorted(tmp_path.iterdir())


@pytest.fixture
def text(files):
    return bill_of_materials(project(), files, at=AT)


def test_the_bill_holds_to_the_strict_schema(text):
    validator = JsonStrictValidator(SchemaVersion.from_version(SPEC_VERSION))
    assert validator.validate_str(text) is None
    broken = json.loads(text)
    del broken["components"][0]["type"]
    assert validator.validate_str(json.dumps(broken)) is not None


def test_the_same_release_has_the_same_bytes_and_another_release_another_number(files, text):
    assert bill_of_materials(project(), reversed(files), at=AT) == text
    files[0].write_text("changed")
    assert json.loads(bill_of_materials(project(), files, at=AT))["serialNumber"] != json.loads(text)["serialNumber"]


def test_the_bill_names_the_files_of_the_release_with_their_hashes(files, text):
    own = json.loads(text)["metadata"]["component"]
    assert (own["name"], own["version"]) == ("bondx-console", project()["version"])
    assert {each["url"]: each["hashes"][0]["content"] for each in own["externalReferences"]} == {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files
    }


def test_every_package_is_listed_once_with_what_it_needs(text):
    bill = json.loads(text)
    refs = [each["bom-ref"] for each in bill["components"]]
    assert len(set(refs)) == len(refs) == len(closure(project()["dependencies"]))
    edges = {each["ref"]: each["dependsOn"] for each in bill["dependencies"]}
    own = bill["metadata"]["component"]["bom-ref"]
    assert set(edges) == {own, *refs}
    reached, waiting = set(), [own]
    while waiting:
        reached.add(ref := waiting.pop())
        waiting += set(edges[ref]) - reached
    assert reached == set(edges)
    assert all(each["licenses"] for each in bill["components"])


def test_packages_that_are_not_the_pinned_ones_are_refused():
    found = closure(["httpx"])
    check_pins(found, pinned_versions())
    with pytest.raises(ReleaseError, match=r"httpx \S+ is installed, but constraints\.txt pins 0\.1: pin it"):
        check_pins(found, {**pinned_versions(), "httpx": "0.1"})
    with pytest.raises(ReleaseError, match=r"h11 \S+ is installed, but constraints\.txt does not pin it"):
        check_pins(found, {name: pin for name, pin in pinned_versions().items() if name != "h11"})


def test_a_release_has_its_bill_beside_it(tmp_path, monkeypatch, capsys, files):
    for name in ("check_tree", "check_version", "check_changelog", "check_contents", "check_commands"):
        monkeypatch.setattr(release, name, lambda *_: None)
    monkeypatch.setattr(release, "build_twice", lambda *_: tuple(files))
    version = project()["version"]
    assert release.main([version, "--out", str(tmp_path)]) == 0
    bill = tmp_path / f"bondx-console-{version}.cdx.json"
    assert f"{hashlib.sha256(bill.read_bytes()).hexdigest()}  {bill}" in capsys.readouterr().out
    stamp = datetime.fromisoformat(json.loads(bill.read_text())["metadata"]["timestamp"])
    assert stamp == release.commit_time(release.ROOT)
