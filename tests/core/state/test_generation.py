import errno
import os
import tracemalloc
from pathlib import Path

import pytest

from core.files import DiskFullError, FileAccessError, InDoubtError
from core.state import DamagedFileError, Database
from core.state import generation as module
from core.state.encoding import DocumentInFile, Speller, fields_of
from core.state.generation import ABSENT, good_generation, load, previous_of, replace, signature_of


def tables_of(n):
    return {"counts": {"1": {"n": n}}}


def put(path: Path, n: int) -> None:
    replace(path, Speller().encode(tables_of(n)), tables_of(n))


def counted(path: Path) -> int:
    return fields_of(load(path).tables["counts"]["1"])["n"]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "state.json"
    put(path, 1)
    put(path, 2)
    return path


def test_a_file_that_was_never_written_is_empty(tmp_path):
    assert load(tmp_path / "none.json").tables == {}
    assert signature_of(tmp_path / "none.json") == ABSENT


def test_the_previous_generation_is_kept(path):
    assert counted(path) == 2
    assert counted(previous_of(path)) == 1
    assert {file.name for file in path.parent.iterdir()} == {"state.json", "state.json.prev"}


def test_every_generation_has_a_later_time_even_when_the_clock_goes_back(path, monkeypatch):
    monkeypatch.setattr(module.time, "time_ns", lambda: 1_000)
    before = [signature_of(path)]
    for n in range(3, 8):
        put(path, n)
        before.append(signature_of(path))
    times = [signature.mtime_ns for signature in before]
    assert times == sorted(set(times))


def test_a_reader_holds_the_bytes_of_documents_and_not_their_objects(tmp_path):
    path = tmp_path / "state.json"
    tables = {
        "readings": {
            str(n): {"guards": [{"name": f"guard {k}", "value": k / 7} for k in range(40)]} for n in range(200)
        }
    }
    replace(path, Speller().encode(tables), tables)
    load(path)  # imports
    tracemalloc.start()
    try:
        generation = load(path)
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    size = path.stat().st_size
    assert held < 1.5 * size
    assert most < 3 * size  # the file, its documents, and the objects of one of them
    assert fields_of(generation.tables["readings"]["7"]) == tables["readings"]["7"]


def test_the_permissions_of_the_file_are_kept(path):
    path.chmod(0o660)
    put(path, 3)
    assert path.stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize(
    "content", [b"", b'{"counts": {"1"', b"\0" * 100, b"garbage"], ids=["empty", "torn", "zeros", "garbage"]
)
def test_a_damaged_file_raises_keeps_its_bytes_and_names_the_remedy(path, content):
    path.write_bytes(content)
    with pytest.raises(DamagedFileError) as damaged:
        load(path)
    assert path.read_bytes() == content
    assert damaged.value.good_generation == previous_of(path)
    for said in (str(path), "Every byte was kept", str(previous_of(path)), "bondx doctor --restore state.json"):
        assert said in str(damaged.value)


def test_a_missing_file_with_a_previous_generation_is_damage_and_not_a_new_file(path):
    path.unlink()
    with pytest.raises(DamagedFileError, match="it is missing"):
        load(path)


def test_the_error_says_if_the_previous_generation_is_damaged_too(path):
    path.write_bytes(b"")
    previous_of(path).write_bytes(b"{")
    with pytest.raises(DamagedFileError, match="No earlier generation") as damaged:
        load(path)
    assert damaged.value.good_generation is None


class Recorder:
    """Stands for the `os` module of `generation.py`: does what it does, and something before the n-th step."""

    STEPS = ("stat", "open", "fchmod", "utime", "fsync", "fstat", "link", "rename")

    def __init__(self, at: int, act) -> None:
        self.taken: list[str] = []
        self._at = at
        self._act = act

    def __getattr__(self, name: str):
        function = getattr(os, name)
        if name not in self.STEPS:
            return function

        def step(*args, **kwargs):
            self.taken.append(name)
            if len(self.taken) == self._at:
                self._act()
            return function(*args, **kwargs)

        return step


def steps_of_a_write(path: Path) -> list[str]:
    recorder = Recorder(0, lambda: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "os", recorder)
        put(path, 3)
    return recorder.taken


def test_the_sequence_of_a_write_is_new_synced_linked_renamed(path):
    assert steps_of_a_write(path) == ["stat", "open", "fchmod", "utime", "fsync", "fstat", "link", "rename", "rename"]


@pytest.mark.parametrize("step", range(1, 10))
def test_a_crash_before_any_step_keeps_the_old_generation_and_allows_the_next_write(path, step, fork):
    def crash():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "os", Recorder(step, lambda: os._exit(9)))
            put(path, 3)

    fork(crash).wait()
    assert counted(path) == 2
    assert good_generation(path) is not None
    put(path, 4)
    assert (counted(path), counted(previous_of(path))) == (4, 2)
    assert {file.name for file in path.parent.iterdir()} == {"state.json", "state.json.prev"}


@pytest.mark.parametrize("step", range(1, 10))
def test_a_full_disk_at_any_step_changes_nothing_and_says_so(path, step, monkeypatch):
    def fail():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = path.read_bytes()
    monkeypatch.setattr(module, "os", Recorder(step, fail))
    with pytest.raises(DiskFullError, match=r"no space left on device; free .* This change was not made"):
        put(path, 3)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert not path.with_name("state.json.new").exists()
    put(path, 3)
    assert counted(path) == 3


def test_a_failing_disk_is_distinguished_from_a_full_disk(path, monkeypatch):
    def fail():
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(module, "os", Recorder(5, fail))
    with pytest.raises(FileAccessError, match=r"Cannot write .*Input/output error. This change was not made"):
        put(path, 3)
    assert counted(path) == 2


def test_a_change_without_a_synced_folder_is_in_doubt(path, monkeypatch):
    def fail(folder):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(module, "sync", fail)
    with pytest.raises(InDoubtError, match="in doubt"):
        put(path, 3)
    assert counted(path) == 3


def test_the_documents_of_a_large_file_stay_there_until_they_are_read(database, monkeypatch):
    monkeypatch.setattr("core.state.generation._IN_MEMORY_BELOW_BYTES", 0)
    for n in range(3):
        database.table("t").insert({"n": n, "text": "Zürich"})
    elsewhere = Database(database.path)
    stored = elsewhere.storage.read()["t"]
    assert all(isinstance(document, DocumentInFile) for document in stored.values())
    assert elsewhere.table("t").all() == database.table("t").all()
    elsewhere.table("t").update({"n": 7}, doc_ids=[2])
    assert [row["n"] for row in Database(database.path).table("t").all()] == [0, 7, 2]
    assert elsewhere.storage.read()["t"]["1"] is stored["1"]  # known to be unchanged


@pytest.mark.parametrize(
    "content", [b"", b'{"t": {"1"', b'{"t": {"1": {"a": tru}}}', b'{"t": {"x": {}}}', b'{"t": []}', b"[]"]
)
def test_damage_of_a_large_file_is_that_of_a_small_one(database, monkeypatch, content):
    database.table("t").insert({"n": 1})
    database.table("t").insert({"n": 2})
    database.path.write_bytes(content)
    said = []
    for limit in (1 << 20, 0):
        monkeypatch.setattr("core.state.generation._IN_MEMORY_BELOW_BYTES", limit)
        with pytest.raises(DamagedFileError) as damaged:
            load(database.path)
        said.append(str(damaged.value))
    assert said[0] == said[1]


def test_a_large_file_written_into_while_it_is_in_use_is_read_again(database, monkeypatch):
    monkeypatch.setattr("core.state.generation._IN_MEMORY_BELOW_BYTES", 0)
    monkeypatch.setattr("core.state.document_file._BLOCK_BYTES", 0)
    database.table("t").insert({"n": 1})
    reader = Database(database.path)
    before = reader.storage.read()["t"]["1"]
    database.path.write_bytes(database.path.read_bytes().replace(b'"n":1', b'"n":25'))
    with pytest.raises(DamagedFileError, match="changed while it was in use"):
        fields_of(before)
    assert reader.table("t").all() == [{"n": 25}]
