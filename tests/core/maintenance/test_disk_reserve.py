"""A prune on a disk without a free byte: the reserve is given back, and what was listed goes."""

import os
import shutil
import signal
import sys
from functools import partial
from pathlib import Path

import pytest

from console.cli.main import main
from core.errors import RefusedError
from core.governance import AuditLog
from core.maintenance.disk_reserve import LEAST_BYTES, MOST_BYTES, PLENTY, DiskReserve
from core.quality.gate import judge
from core.registry import Registry
from core.state import Workspace
from core.telemetry.errors import TelemetryDamagedError
from core.tracking import Runs, RunStatus
from tests.disks import filled, mounted
from tests.processes import dies

RULES = "retention: {runs: 1, versions: true}\npolicy: {retention: {keep_development: 1}}\n"
GATES = tuple(judge(f"gate_{n}", 99.0, ">=", 90.0, unit="%") for n in range(20))


@pytest.fixture
def disk(tmp_path):
    with mounted(tmp_path / "disk", "24m") as folder:
        yield folder


@pytest.fixture
def small(disk, person):
    """A workspace with three ended runs, each with metrics, and three versions, on a small disk."""
    workspace = Workspace.create(disk / "ws", settings_text="{}\n")
    source = disk / "trained"
    source.mkdir()
    registry = Registry(workspace)
    with Runs(workspace) as runs:
        for number in range(3):
            run = runs.start(name=f"n{number}", actor=person)
            for epoch in range(1, 200):
                runs.log_metrics(run.run_id, epoch, {"mae": 1 / epoch})
            runs.finish(run.run_id, RunStatus.FINISHED, actor=person)
            (source / "model.bin").write_bytes(bytes([number]) * 100_000)
            registry.register("spread", source, metrics={}, lineage={"n": number}, gates=GATES, actor=person)
    return workspace


@pytest.fixture
def answer(small, called):
    return partial(called, main, "--workspace", small.root)


COMMANDS = {
    "prune": ("prune", "runs", "versions"),
    "registry prune": ("registry", "prune", "--keep", "1"),
    "runs prune": ("runs", "prune", "--keep", "1"),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_without_a_free_byte_what_is_listed_goes(small, disk, answer, words):
    small.settings_file.write_text(RULES)
    DiskReserve(small).keep()
    with filled(disk):
        code, out, err = answer(*words, "--yes", "--reason", "tidy")
        assert (code, err) == (0, ""), out
        assert len(Runs(small).all()) == (3 if words[0] == "registry" else 1)
        assert len(Registry(small).versions("spread")) == (3 if words[0] == "runs" else 1)
        assert shutil.disk_usage(disk).free, "what went was freed"
    assert answer("audit", "verify")[0] == 0
    assert any(record.reason == "tidy" for record in AuditLog(small).tail(20))


def test_without_the_reserve_it_is_refused_and_nothing_is_lost(small, disk, answer):
    small.settings_file.write_text(RULES)
    with filled(disk):
        code, _, err = answer("prune", "runs", "versions", "--yes")
        assert code == 2
        assert "free some space" in err
    assert (len(Runs(small).all()), len(Registry(small).versions("spread"))) == (3, 3)


def test_it_is_made_only_while_the_disk_has_plenty_of_room(small, disk):
    reserve, file = DiskReserve(small), small.cache_dir / "reserve"
    with (disk / "ballast").open("wb") as ballast:
        ballast.write(b"x" * (shutil.disk_usage(disk).free - PLENTY * LEAST_BYTES + 4096))
    reserve.keep()
    assert not file.exists()
    (disk / "ballast").unlink()
    reserve.keep()
    assert file.stat().st_size == LEAST_BYTES
    before = file.stat().st_ino
    reserve.keep()
    assert file.stat().st_ino == before, "what is there is not written again"


def test_it_grows_with_the_largest_state_file_up_to_a_limit(small):
    reserve = DiskReserve(small)
    assert reserve.n_bytes == LEAST_BYTES
    (small.state_dir / "large.json").write_bytes(b" " * LEAST_BYTES)
    assert reserve.n_bytes == 2 * LEAST_BYTES
    (small.state_dir / "large.json").write_bytes(b" " * MOST_BYTES)
    assert reserve.n_bytes == MOST_BYTES


@pytest.mark.parametrize(
    "error",
    [RefusedError("a version must stay now"), TelemetryDamagedError(Path("telemetry.db"), "it is no database")],
    ids=["refused", "damaged"],
)
def test_a_failure_that_is_not_for_want_of_room_leaves_it(workspace, error):
    reserve, file = DiskReserve(workspace), workspace.cache_dir / "reserve"
    reserve.keep()
    before = file.read_bytes()

    def fail():
        raise error

    with pytest.raises(type(error)):
        reserve.lend(fail)
    assert file.read_bytes() == before


@pytest.fixture
def unfinished(workspace):
    """The reserve as a process left it that was killed while it wrote."""
    reserve = DiskReserve(workspace)

    def keep_and_die_before_it_has_its_name():
        os.replace = lambda unfinished, path: os.kill(os.getpid(), signal.SIGKILL)
        reserve.keep()

    assert dies(sys.maxsize, keep_and_die_before_it_has_its_name)
    (left,) = workspace.cache_dir.iterdir()
    assert left.stat().st_size == LEAST_BYTES
    return left


def test_what_kill_9_left_of_it_goes_when_it_is_made(workspace, unfinished):
    DiskReserve(workspace).keep()
    assert [file.name for file in workspace.cache_dir.iterdir()] == ["reserve"]


def test_what_kill_9_left_of_it_is_room_for_a_prune(workspace, unfinished):
    assert DiskReserve(workspace).give_back()
    assert list(workspace.cache_dir.iterdir()) == []
    assert not DiskReserve(workspace).give_back()
