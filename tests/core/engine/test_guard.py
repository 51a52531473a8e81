"""An engine whose workspace goes away ends and says so; an engine that does not move shows as silent."""

import os
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from console.commands.status import exit_code, facts_of
from console.presentation.status import Circumstances, status_of
from console.presentation.unattended import unattended
from console.presentation.write_access import WriteAccess
from core.clock import utc_now
from core.engine import Engine
from core.engine.guard import LeaseGuard
from core.errors import ExitCode
from core.state import Lease, LeaseHeldError, Workspace, read_lease
from core.view.source import SnapshotSource
from tests.waiting import PATIENCE_SECONDS, until


@pytest.fixture
def lost():
    return []


@pytest.fixture
def guard(workspace, person, lost):
    with Lease.acquire(workspace, person, "headless", beat_seconds=1.0) as lease:
        yield LeaseGuard(workspace, lease, lost=lost.append)


def test_a_sound_workspace_is_no_loss(guard, lost):
    for _ in range(3):
        assert guard.step() == 1.0
    assert lost == []


def replaced(workspace):
    workspace.root.rename(workspace.root.with_name("moved"))
    Workspace.create(workspace.root, settings_text="{}\n")


@pytest.mark.parametrize(
    ("lose", "said"),
    [
        (lambda workspace: shutil.rmtree(workspace.root), "was deleted, moved or unmounted"),
        (lambda workspace: workspace.root.rename(workspace.root.with_name("x")), "was deleted, moved or unmounted"),
        (replaced, "another folder has taken the place"),
        (lambda workspace: workspace.lease_file.unlink(), "was removed or replaced, so another engine may start"),
    ],
    ids=["deleted", "moved", "replaced", "lease removed"],
)
def test_a_loss_is_told_once(guard, workspace, lost, lose, said):
    lose(workspace)
    assert guard.step() is None
    assert guard.step() is None
    (sentence,) = lost
    assert said in sentence


def test_a_workspace_that_becomes_read_only_is_a_loss(guard, lost, monkeypatch):
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_RDONLY))
    guard.step()
    assert "was mounted read-only" in lost[0]


def test_an_engine_whose_workspace_is_deleted_ends_and_does_not_bring_it_back(workspace, tmp_path, person):
    told = []
    engine = Engine(workspace, mode="headless", actor=person, on_loss=told.append)
    engine.start()
    workspace.root.rename(tmp_path / "trash")
    until(lambda: told, "the engine's last word")
    assert engine.wait(0)
    assert "was deleted" in told[0]
    assert "was deleted" in engine.loss
    assert not workspace.root.exists()
    engine.stop()


def headless(root):
    """Start `bondx run` in a process of its own, with an engine and no session."""
    Workspace.create(root, settings_text="{}\n")
    script = "import sys; from console.cli.main import main; sys.exit(main(sys.argv[1:]))"
    words = ["--workspace", str(root), "run", "--headless", "--no-session"]
    process = subprocess.Popen([sys.executable, "-c", script, *words], stderr=subprocess.PIPE, text=True)
    assert "is running" in process.stderr.readline()
    return process


def circumstances():
    return Circumstances(now=utc_now(), standing=WriteAccess(read_only=True))


def test_a_stopped_engine_shows_as_silent_everywhere_and_wakes_again(tmp_path, person):
    root = tmp_path / "workspace"
    process = headless(root)
    try:
        workspace = Workspace.open(root)
        source = SnapshotSource(workspace)
        until(lambda: source.take().engine.silence is None, "a beat")
        os.kill(process.pid, signal.SIGSTOP)
        snapshot = until(lambda: (s := source.take()).engine.silent_since and s, "the silence")
        assert f"engine pid {process.pid} " in snapshot.engine.silence
        assert "holds the lease and is silent since" in snapshot.engine.silence
        assert status_of(snapshot, circumstances()).engine == "silent"
        assert unattended(snapshot).told == snapshot.engine.silence
        facts = facts_of(snapshot)
        assert facts["problems"] == [snapshot.engine.silence]
        assert exit_code(facts) == ExitCode.FAILING
        with pytest.raises(LeaseHeldError, match=f"kill -CONT {process.pid}"):
            Engine(workspace, mode="headless", actor=person).start()
        os.kill(process.pid, signal.SIGCONT)
        until(lambda: source.take().engine.silence is None, "the next beat")
        until(lambda: read_lease(workspace).silent_since is None, "the next beat, in the lease as well")
    finally:
        os.kill(process.pid, signal.SIGCONT)
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)


def test_a_headless_engine_leaves_with_a_sentence_when_its_workspace_is_deleted(tmp_path):
    root = tmp_path / "workspace"
    process = headless(root)
    root.rename(tmp_path / "trash")
    _, told = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == ExitCode.REFUSED
    assert "was deleted, moved or unmounted" in told
    assert not root.exists()
