# ruff: noqa: PT012 - the disk is filled until it is full
import os

import pytest

from core.files import DiskFullError
from core.maintenance.doctor import examine
from core.state import Database, Workspace
from tests.disks import filled, mounted


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 256 KiB."""
    with mounted(tmp_path / "disk", "256k") as folder:
        yield folder


def test_a_full_disk_refuses_the_change_and_loses_nothing(small_disk):
    database = Database(small_disk / "state.json")
    table = database.table("t")
    with pytest.raises(
        DiskFullError, match=r"Cannot (write|lock) .*free some space and try again\. This change was not made"
    ):
        while True:
            table.insert({"ballast": "x" * 10_000})
    n = len(table)
    assert n > 3
    with pytest.raises(DiskFullError):
        table.insert({"ballast": "x" * 200_000})
    assert len(Database(database.path).table("t")) == n
    assert sorted(os.listdir(small_disk)) == ["state.json", "state.json.lock", "state.json.prev", "state.json.queue"]


def test_work_continues_once_there_is_space_again(small_disk):
    database = Database(small_disk / "state.json")
    database.table("t").insert({"n": 1})
    with filled(small_disk), pytest.raises(DiskFullError):
        database.table("t").insert({"n": 2, "ballast": "x" * 10_000})
    database.table("t").insert({"n": 2})
    assert database.table("t").all() == [{"n": 1}, {"n": 2}]


def test_the_doctor_reports_a_full_disk(small_disk):
    workspace = Workspace.create(small_disk / "ws", settings_text="")
    (finding,) = examine(workspace)
    assert "free" in finding.problem
