import os

import pytest

from core.actor import Actor, Origin
from core.files import DiskFullError, FileAccessError
from core.state import Database, Lease, Workspace, read_lease
from core.state.write_health import RefusedWrites, disk_problem, write_problem
from core.view.source import SnapshotSource
from tests.clocks import HandSeconds
from tests.disks import filled, mounted


@pytest.fixture
def workspace(tmp_path):
    with mounted(tmp_path / "disk", "8m") as folder:
        yield Workspace.create(folder / "ws", settings_text="")


def test_a_full_disk_is_the_first_problem_of_a_snapshot_without_anything_being_written(workspace):
    source = SnapshotSource(workspace)
    assert source.take().unwritable == ""
    with filled(workspace.root.parent):
        snapshot = source.take()
        assert snapshot.problems[0] == snapshot.unwritable == disk_problem(workspace.root)
        assert f"the disk of {workspace.root} is full: 0 KiB free. Nothing can be recorded" in snapshot.unwritable
    assert source.take().problems == ()


def test_a_refused_write_is_a_problem_until_a_write_of_as_many_bytes_succeeds(tmp_path):
    seconds = HandSeconds()
    refused = RefusedWrites(monotonic=seconds)
    file = tmp_path / "state" / "alerts.json"
    file.parent.mkdir()
    file.write_text("{}")
    refused.refused(file, FileAccessError(file, "write", "Input/output error"))
    assert "Input/output error" in refused.within(tmp_path)
    assert refused.within(tmp_path / "another") is None
    seconds.pass_by(10)
    assert refused.within(tmp_path) is None
    assert os.listdir(file.parent) == ["alerts.json"]


def test_a_refused_write_that_still_fails_stays_a_problem(workspace):
    seconds = HandSeconds()
    refused = RefusedWrites(monotonic=seconds)
    file = workspace.state_dir / "alerts.json"
    file.write_text("{}")
    refused.refused(file, FileAccessError(file, "write", "No space left on device"))
    with filled(workspace.root.parent):
        seconds.pass_by(10)
        assert refused.within(workspace.root) is not None
    seconds.pass_by(10)
    assert refused.within(workspace.root) is None


def test_a_change_that_is_refused_is_remembered_and_forgotten_with_the_next_change(workspace):
    database = Database(workspace.state_dir / "any.json")
    with filled(workspace.root.parent), pytest.raises(DiskFullError):
        database.table("t").insert({"ballast": "x" * 200_000})
    assert "the last change was refused: Cannot write" in write_problem(workspace.root)
    database.table("t").insert({"n": 1})
    assert write_problem(workspace.root) is None


MIRA = Actor("mira", "desk-4", Origin.CONSOLE)


def test_an_engine_tells_readers_on_a_full_disk_that_its_writes_are_refused(workspace):
    with (
        Lease.acquire(workspace, MIRA, "headless") as lease,
        filled(workspace.root.parent),
    ):
        lease.tell("Cannot write alerts.json: input/output error. " * 200)
        assert read_lease(workspace).refused.startswith("Cannot write alerts.json")
        lease.tell("")
        assert read_lease(workspace).refused == ""


def test_what_the_engine_was_refused_is_the_first_problem_of_every_reader(tmp_path):
    workspace = Workspace.create(tmp_path / "ws", settings_text="")
    with Lease.acquire(workspace, MIRA, "headless") as lease:
        lease.tell("Cannot write alerts.json: input/output error.")
        assert SnapshotSource(workspace).take().problems == (
            "the engine's last change was refused: Cannot write alerts.json: input/output error.",
        )
