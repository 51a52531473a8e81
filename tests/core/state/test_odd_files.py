"""Something else under the name of a file: no reader hangs, and none takes it for an empty file."""

import os
import shutil

import pytest

from core.actor import Actor, Origin
from core.maintenance.doctor import examine
from core.maintenance.restore import restore
from core.plain_files import NotPlainError, open_plain, read_file
from core.settings import load_settings
from core.settings.errors import SettingsError
from core.state import DamagedFileError, Workspace
from core.state.errors import WorkspaceGoneError
from core.telemetry import TelemetryError, TelemetryWriter

PERSON = Actor("ana", "desk", Origin.COMMAND_LINE)


def pipe(path):
    os.mkfifo(path)


def folder(path):
    path.mkdir()


def device(path):
    path.symlink_to("/dev/zero")


def dangling(path):
    path.symlink_to(path.parent / "gone.json")


ODD = pytest.mark.parametrize(
    ("put", "what"),
    [(pipe, "a named pipe"), (folder, "a folder"), (device, "a device"), (dangling, "a link to .*gone.json, which")],
    ids=["pipe", "folder", "device", "dangling link"],
)


@ODD
def test_the_one_door_refuses_what_is_no_plain_file(tmp_path, put, what):
    put(tmp_path / "odd")
    with pytest.raises(NotPlainError, match=what):
        open_plain(tmp_path / "odd")
    with pytest.raises(NotPlainError, match=what):
        read_file(tmp_path / "odd")


@ODD
def test_a_state_file_that_is_none_is_damage_and_its_last_generation_can_be_restored(workspace, put, what):
    for n in range(2):
        workspace.database("registry").table("models").insert({"n": n})
    file = workspace.state_file("registry")
    file.unlink()
    put(file)
    fresh = Workspace.open(workspace.root)
    with pytest.raises(DamagedFileError, match=what):
        fresh.database("registry").table("models").all()
    assert any(what.split()[-1] in finding.problem for finding in examine(fresh) if finding.file == str(file))
    restored = restore(fresh, file, actor=PERSON)
    assert restored.kept_as is not None
    assert os.path.lexists(restored.kept_as)
    assert [document["n"] for document in fresh.database("registry").table("models").all()] == [0]


def test_a_state_file_that_leads_nowhere_is_no_empty_registry(workspace):
    dangling(workspace.state_file("registry"))
    with pytest.raises(DamagedFileError, match="does not exist"):
        workspace.database("registry").table("versions").all()


@ODD
def test_settings_are_a_plain_file(tmp_path, put, what):
    put(tmp_path / "bondx.yaml")
    with pytest.raises(SettingsError, match=what):
        load_settings(tmp_path / "bondx.yaml")


def test_a_store_of_time_series_is_a_plain_file(workspace):
    pipe(workspace.telemetry_file)
    with pytest.raises(TelemetryError, match="a named pipe"):
        TelemetryWriter(workspace.telemetry_file)


def test_a_workspace_that_was_deleted_is_not_an_empty_one(workspace):
    registry = workspace.database("registry")
    registry.table("models").insert({"n": 1})
    shutil.rmtree(workspace.root)
    with pytest.raises(WorkspaceGoneError, match="deleted, moved or unmounted"):
        registry.table("models").all()
