"""The files of a run are exported as they were recorded, whatever changes between the check and the copy."""

import os

import msgspec
import pytest

from core.actor import Actor, Origin
from core.files import digest
from core.interop import run_files
from core.interop.run_files import ChangedRunFileError, copy_run_files
from core.state import Workspace
from core.tracking.run import RunArtifact
from core.tracking.runs import Runs

RECORDED = b"weights of the run\n"
ANA = Actor("ana", "desk", Origin.COMMAND_LINE)


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "workspace", settings_text="")


@pytest.fixture
def file(workspace):
    file = workspace.root / "reports" / "figures.json"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(RECORDED)
    return file


@pytest.fixture
def run(workspace, file):
    with Runs(workspace) as runs:
        run = runs.start(name="r", actor=ANA)
    path = str(file.relative_to(workspace.root))

    return msgspec.structs.replace(
        run, artifacts=(RunArtifact(path=path, sha256=digest(RECORDED), n_bytes=len(RECORDED)),)
    )


def test_a_copy_holds_the_recorded_bytes(workspace, run, file, tmp_path, monkeypatch):
    write = run_files.write_new

    def swapped(path, content, **more):
        os.replace(_put(file.with_name("other"), b"evil"), file)  # between opening and copying
        return write(path, content, **more)

    monkeypatch.setattr(run_files, "write_new", swapped)
    (copy,) = copy_run_files(workspace, run, tmp_path)
    assert (copy.name, copy.read_bytes()) == ("figures.json", RECORDED)


def test_a_changed_file_is_refused_by_name(workspace, run, file, tmp_path):
    file.write_bytes(b"something else")
    with pytest.raises(ChangedRunFileError, match=r"reports/figures\.json of run r-0001 was changed since"):
        copy_run_files(workspace, run, tmp_path)


def test_a_link_is_refused(workspace, run, file, tmp_path):
    secret = _put(tmp_path / "secret", RECORDED)
    file.unlink()
    file.symlink_to(secret)
    with pytest.raises(ChangedRunFileError, match="cannot be read"):
        copy_run_files(workspace, run, tmp_path)


def test_a_file_that_is_gone_is_left_out(workspace, run, file, tmp_path):
    file.unlink()
    assert copy_run_files(workspace, run, tmp_path) == []


def _put(file, content):
    file.write_bytes(content)
    return file
