import errno
import os

import pytest

from core.files import DiskFullError, FileAccessError
from core.state.fair_lock import FairLock
from tests.waiting import until


def test_a_waiter_is_next_even_beside_a_process_that_relocks_immediately(database, fork, monkeypatch):
    database.table("turns").insert({"n": 0})

    def busy():
        while True:
            with database.transaction():
                database.table("turns").update(lambda document: document.update(n=document["n"] + 1))

    def n_turns():
        return database.table("turns").get(doc_id=1)["n"]

    flock, n_when_queued = FairLock._flock, []

    def flock_and_count(lock, path):
        descriptor = flock(lock, path)
        if path == lock.queue:
            n_when_queued.append(n_turns())
        return descriptor

    child = fork(busy)
    until(n_turns, "the first turn")
    monkeypatch.setattr(FairLock, "_flock", flock_and_count)
    waited = []
    for _ in range(15):
        with database.transaction():
            waited.append(n_turns() - n_when_queued.pop())
    child.kill()
    assert max(waited) <= 1, "the turn under way, and no other"


def test_the_lock_files_stay_when_the_lock_is_released(tmp_path):
    lock = FairLock(tmp_path / "state.json")
    with lock.held():
        pass
    with lock.held():
        pass
    assert sorted(os.listdir(tmp_path)) == ["state.json.lock", "state.json.queue"]


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, DiskFullError), (errno.EACCES, FileAccessError)], ids=["full disk", "forbidden"]
)
def test_a_lock_that_cannot_be_created_is_a_file_access_error(database, monkeypatch, number, kind):
    def fail(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("core.lock_files.open_to_write", fail)
    with pytest.raises(kind, match=r"Cannot lock .*registry\.json"):
        database.table("t").insert({})
