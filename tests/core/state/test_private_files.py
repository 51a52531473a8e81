"""No other account can enter the folders, lock a lock or read a file, whatever the umask."""

import fcntl
import os
import stat

import pytest

from core.actor import Actor, Origin
from core.errors import ExitCode
from core.governance.audit import audited
from core.state import Lease, Workspace, file_lock
from core.state.errors import LockHeldError
from core.state.fair_lock import FairLock
from core.telemetry import TelemetryWriter
from core.telemetry.predictions.writer import PredictionWriter
from tests.waiting import until

PERSON = Actor("ana", "desk", Origin.COMMAND_LINE)


@pytest.fixture
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077], indirect=True, ids=["000", "022", "077"])
def test_whatever_the_umask_everything_is_the_owners_alone(tmp_path, umask):
    workspace = Workspace.create(tmp_path / "new" / "workspace", settings_text="{}\n")
    with audited(workspace, "registry", actor=PERSON) as change:
        change.db.table("models").insert({"name": "spread"})
        change.record("model.make", "spread")
    with Lease.acquire(workspace, PERSON, "headless"), TelemetryWriter(workspace.telemetry_file):
        PredictionWriter(workspace.predictions_file).close()
        found = [workspace.root, *workspace.root.rglob("*")]
        open_to_others = {path.name: oct(path.stat().st_mode) for path in found if path.stat().st_mode & 0o077}
        owner_can = all(path.stat().st_mode & (0o700 if path.is_dir() else 0o600) for path in found)
    assert owner_can
    assert open_to_others == {}
    assert {"registry.json.lock", "registry.json.queue", "engine.lease", ".audit.lock"} <= {path.name for path in found}


@pytest.fixture
def short_limit(monkeypatch):
    monkeypatch.setattr(file_lock, "LIMIT_SECONDS", 0.2)
    monkeypatch.setattr(file_lock, "TELL_AFTER_SECONDS", 0.05)


@pytest.fixture
def holder(fork, tmp_path):
    """Another process that locks a file and never lets go."""

    def hold(path):
        ready, say_ready = os.pipe()

        def work():
            descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(say_ready, b".")
            until(lambda: False, "never")

        child = fork(work)
        os.read(ready, 1)
        os.close(ready)
        os.close(say_ready)
        return child

    return hold


@pytest.mark.parametrize("suffix", [".lock", ".queue"])
def test_waiting_for_a_lock_says_who_holds_it_and_ends(workspace, holder, short_limit, suffix):
    file = workspace.state_file("registry")
    child = holder(file.with_name(file.name + suffix))
    told = []
    token = file_lock.tell_waiting.set(told.append)
    with pytest.raises(LockHeldError, match=f"process {child.pid} ") as refusal:
        workspace.database("registry").table("models").insert({"n": 1})
    file_lock.tell_waiting.reset(token)
    assert refusal.value.exit_code is ExitCode.CONFLICT
    assert "so nothing was written there" in str(refusal.value)  # "this change" would be another one in the console
    assert len(told) == 1
    assert f"registry.json{suffix}, locked by process {child.pid} (" in told[0]
    child.kill()
    workspace.database("registry").table("models").insert({"n": 2})
    assert [document["n"] for document in workspace.database("registry").table("models").all()] == [2]


def test_a_change_is_kept_while_somebody_locks_the_audit_log(workspace, holder, short_limit, caplog):
    def make(name):
        with audited(workspace, "registry", actor=PERSON) as change:
            change.db.table("models").insert({"name": name})
            change.record("model.make", name)

    make("downgrade")  # the first change begins the log, which needs the lock
    holder(workspace.audit_dir / ".audit.lock")
    make("spread")
    assert len(workspace.database("registry").table("models")) == 2
    assert "the record waits in the registry database" in caplog.text


def test_a_wait_that_was_given_up_leaves_the_lock_to_others(tmp_path, holder, short_limit):
    lock = FairLock(tmp_path / "state.json")
    child = holder(lock.lock)
    with pytest.raises(LockHeldError), lock.held():
        pass
    child.kill()
    until(lambda: not file_lock._waiting, "the end of the wait that was given up")
    with FairLock(tmp_path / "state.json").held():
        pass
    assert stat.S_IMODE(lock.lock.stat().st_mode) & 0o077 == 0
