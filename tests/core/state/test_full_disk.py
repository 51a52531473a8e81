# ruff: noqa: PT012 - the disk is filled until it is full
import os
import subprocess

import pytest

from core.files import DiskFullError
from core.maintenance.doctor import examine
from core.state import Database, Workspace


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 256 KiB."""
    mounted_at = tmp_path / "disk"
    mounted_at.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", mounted_at], capture_output=True, text=True
    )
    if mounting.returncode != 0:
        pytest.skip(f"needs the right to mount a small disk: {mounting.stderr.strip()}")
    yield mounted_at
    # Lazily: the traceback of a failed test keeps a file open, and a mount left behind breaks every later clean-up.
    subprocess.run(["umount", "--lazy", mounted_at], check=True)


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
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    with pytest.raises(DiskFullError):
        database.table("t").insert({"n": 2, "ballast": "x" * 10_000})
    filler.unlink()
    database.table("t").insert({"n": 2})
    assert database.table("t").all() == [{"n": 1}, {"n": 2}]


def test_the_doctor_reports_a_full_disk(small_disk):
    workspace = Workspace.create(small_disk / "ws", settings_text="")
    (finding,) = examine(workspace)
    assert "free" in finding.problem
