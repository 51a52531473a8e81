"""Archive files: the same documents for every reader, few bytes for every change, and a crash at every point."""

import gc
import os
import threading
import weakref
from itertools import count
from typing import Any, ClassVar

import msgspec
import orjson
import pytest
from tinydb import TinyDB

from core.state import (
    DamagedFileError,
    Database,
    DocumentFormatError,
    DocumentNotFoundError,
    StaleRevisionError,
)
from core.state.archive import copy_of, folder_of
from core.state.brief import whole
from core.state.document_file import DocumentFile
from core.state.encoding import DocumentInFile, SpelledDocument
from core.state.generation import load, previous_of
from tests.processes import dies
from tests.waiting import PATIENCE_SECONDS


class Version(msgspec.Struct, frozen=True, kw_only=True):
    READ_WHEN_ASKED: ClassVar[tuple[str, ...]] = ("gates", "lineage")

    key: str
    stage: str = "Development"
    gates: tuple[float, ...] = ()
    lineage: dict[str, Any] = {}
    revision: int = 0


N = 40


@pytest.fixture
def versions(database):
    documents = database.documents("versions", Version, "key")
    with database.transaction():
        for n in range(N):
            documents.insert(Version(key=f"spread/1.{n}.0", gates=(n / 7,), lineage={"seed": n}))
    return documents


@pytest.fixture
def archived(database, versions):
    archive(database)
    return versions


def archive(database, **options):
    with database.transaction():
        return database.storage.archive(**{"newest_bytes": 0, **options})


def archive_files(database):
    return sorted(folder_of(database.path).glob("*.json"))


def in_file(database):
    return orjson.loads(database.path.read_bytes())


def elsewhere(database):
    """The same documents, as another process sees them."""
    return Database(database.path).documents("versions", Version, "key")


def changed(document, **fields):
    return msgspec.structs.replace(document, **fields)


def test_archived_documents_are_the_same_for_every_reader(database, versions):
    before = [whole(version) for version in versions.all()]
    moved = archive(database)
    assert (moved.n_documents, moved.n_files) == (N, 1)
    assert in_file(database)["versions"] == {}
    for documents in (versions, elsewhere(database)):
        assert [whole(version) for version in documents.all()] == before
        assert documents.all() == before
        assert documents.get("spread/1.3.0") == before[3]
    assert [row["key"] for row in database.table("versions")] == [version.key for version in before]


def test_an_archive_file_is_a_plain_tinydb_file(database, archived):
    (file,) = archive_files(database)
    with TinyDB(file) as plain:
        assert [row["key"] for row in plain.table("versions").all()] == [version.key for version in archived.all()]


def test_the_newest_documents_of_each_table_and_kept_tables_stay_in_the_state_file(database, versions):
    with database.transaction():
        database.table("outbox").insert({"id": "a"})
    moved = archive(database, keep={"outbox"}, newest_bytes=200)
    assert 0 < N - moved.n_documents < 4
    assert list(in_file(database)["versions"]) == [str(n + 1) for n in range(moved.n_documents, N)]
    assert in_file(database)["outbox"] == {"1": {"id": "a"}}


def test_a_change_writes_only_what_is_not_archived(database, archived, monkeypatch):
    small = len(database.path.read_bytes())
    version = archived.get("spread/1.7.0")
    archived.replace(changed(version, stage="Production"))
    assert list(in_file(database)["versions"]) == ["8"]
    assert len(database.path.read_bytes()) < small + 200
    assert elsewhere(database).get("spread/1.7.0") == changed(version, stage="Production", revision=2)


def test_a_change_reads_no_other_archived_document(database, archived, monkeypatch):
    archived.all()
    read = []
    monkeypatch.setattr(
        DocumentInFile, "read", lambda self, as_it_is=DocumentInFile.read: read.append(self) or as_it_is(self)
    )
    archived.replace(changed(archived.get("spread/1.7.0"), stage="Production"))
    archived.all()
    assert len(read) <= 3  # the one: found, and compared with what it becomes


def test_a_reader_reads_nothing_again_after_a_change_of_another_process(database, archived, monkeypatch):
    reader = elsewhere(database)
    before = reader.all()
    archived.replace(changed(archived.get("spread/1.7.0"), stage="Production"))
    read = []
    monkeypatch.setattr(DocumentInFile, "read", read.append)
    after = reader.all()
    assert read == []
    assert [old.key for old, new in zip(before, after, strict=True) if old is not new] == ["spread/1.7.0"]


def test_a_stale_change_of_an_archived_document_is_refused_with_what_changed(database, archived):
    seen = elsewhere(database).get("spread/1.7.0")
    archived.replace(changed(archived.get("spread/1.7.0"), stage="Production"))
    archive(database)
    with pytest.raises(StaleRevisionError, match="was changed since you viewed it"):
        elsewhere(database).replace(changed(seen, stage="Staging"))


def test_a_removed_document_stays_removed_when_files_are_merged_and_its_number_is_used_again(database, archived):
    archived.remove("spread/1.39.0")
    archived.remove("spread/1.3.0")
    assert elsewhere(database).find("spread/1.3.0") is None
    archived.insert(Version(key="spread/2.0.0"))  # takes the number of the last
    expected = [version.key for version in archived.all()]
    for _ in range(2):
        archive(database)
        assert [version.key for version in elsewhere(database).all()] == expected
    assert "spread/2.0.0" in expected
    assert "spread/1.3.0" not in expected


def test_a_large_file_is_left_alone_until_half_of_it_is_out_of_date(database, archived, monkeypatch):
    monkeypatch.setattr("core.state.archive._MERGED_BELOW_BYTES", 0)
    (first,) = archive_files(database)
    for n in range(N // 2):
        archived.replace(changed(archived.get(f"spread/1.{n}.0"), stage="Archived"))
    assert archive(database).n_files == 2
    assert first in archive_files(database)
    archived.replace(changed(archived.get(f"spread/1.{N - 1}.0"), stage="Archived"))
    assert archive(database).n_files == 2  # the second, whole, and a third with what was left of the first
    assert [version.stage for version in elsewhere(database).all()].count("Archived") == N // 2 + 1


def test_files_that_no_generation_lists_are_removed_and_those_of_the_previous_one_stay(database, archived):
    (first,) = archive_files(database)
    archived.insert(Version(key="spread/2.0.0"))
    archive(database)
    assert first in archive_files(database)
    assert len(load(database.path, previous=True).tables["versions"]) == N + 1
    archived.insert(Version(key="spread/2.1.0"))
    archive(database)
    assert first not in archive_files(database)
    assert not copy_of(first).exists()


def test_a_reader_between_two_generations_reads_the_later_one(database, archived, monkeypatch):
    """The list was read, and its files were replaced by others before they were."""
    from core.state import generation

    stale, as_it_is = [generation.decode(database.path.read_bytes())], generation.decode
    for n in range(2):
        archived.insert(Version(key=f"spread/2.{n}.0"))
        archive(database)
    archived.insert(Version(key="spread/3.0.0"))

    def decode(encoded):
        if not stale:
            return as_it_is(encoded)
        database.path.touch()
        return stale.pop()

    monkeypatch.setattr(generation, "decode", decode)
    monkeypatch.setattr("core.state.archive._read_files", {})
    assert len(load(database.path).tables["versions"]) == N + 3


@pytest.mark.parametrize("harm", ["edited", "cut short", "removed", "a folder"])
def test_a_damaged_archive_file_is_named_with_its_copy(database, archived, harm, monkeypatch):
    (file,) = archive_files(database)
    content = file.read_bytes()
    file.unlink()
    if harm == "edited":
        file.write_bytes(content.replace(b"Development", b"Production "))
    elif harm == "cut short":
        file.write_bytes(content[:-40])
    elif harm == "a folder":
        file.mkdir()
    monkeypatch.setattr("core.state.archive._read_files", {})
    with pytest.raises(DamagedFileError, match=f"bondx doctor --restore {file.name}"):
        elsewhere(database).all()


def test_a_list_that_leads_out_of_the_folder_is_damage(database, archived):
    text = database.path.read_text().replace('"registry-', '"../registry-')
    database.path.write_text(text)
    with pytest.raises(DamagedFileError, match="is not the name of its archive file"):
        elsewhere(database).all()


def test_an_archive_file_that_is_written_into_while_in_use_is_damage_and_not_a_crash(database, archived, monkeypatch):
    monkeypatch.setattr("core.state.document_file._BLOCK_BYTES", 0)
    archived.all()
    (file,) = archive_files(database)
    os.truncate(file, 10)
    in_use = archived.all()
    assert in_use[0].gates == (0.0,), "read from the copy"
    with pytest.raises(DamagedFileError, match="SHA-256"):
        archived.all()
    assert in_use[1].gates == (1 / 7,)
    whole_copy = copy_of(file).read_bytes()
    os.truncate(copy_of(file), 10)
    with pytest.raises(DamagedFileError, match="changed while it was in use"):
        _ = in_use[2].gates
    copy_of(file).write_bytes(whole_copy)
    file.write_bytes(copy_of(file).read_bytes())
    assert archived.all()[0].gates == (0.0,)


def test_a_document_in_brief_is_the_whole_one_to_every_reader(database, archived):
    (brief,) = (version for version in archived.all() if version.key == "spread/1.7.0")
    assert (brief.gates, brief.lineage) == ((1.0,), {"seed": 7})
    assert isinstance(brief, Version)
    assert brief == archived.get("spread/1.7.0")
    assert archived.get("spread/1.7.0") == brief
    assert brief != archived.get("spread/1.8.0")
    assert type(whole(brief)) is Version
    moved = archived.replace(changed(brief, stage="Staging"))
    assert (moved.gates, moved.stage) == ((1.0,), "Staging")
    with pytest.raises(TypeError):  # loudly, not as something else
        msgspec.json.encode(brief)


def test_an_archived_document_of_another_form_is_named(database, archived):
    class Other(msgspec.Struct, frozen=True, kw_only=True):
        key: str
        stage: int
        revision: int = 0

    with pytest.raises(DocumentFormatError, match=r"table versions, document 'spread/1.0.0'"):
        database.documents("versions", Other, "key").all()


def test_a_table_that_is_dropped_is_gone(database, archived):
    database.drop_table("versions")
    assert elsewhere(database).all() == []
    assert "versions" not in Database(database.path).tables()


def test_tinydb_changes_one_archived_row_and_leaves_the_others_in_their_file(database, archived):
    from tinydb import where

    database.table("versions").update({"stage": "Staging"}, where("key") == "spread/1.7.0")
    assert list(in_file(database)["versions"]) == ["8"]


@pytest.mark.crash
def test_archiving_killed_at_any_point_leaves_every_document(database, versions):
    expected = [whole(version) for version in versions.all()]
    for round_ in range(2):  # the second one merges the file of the first
        for point in count(1):
            if not dies(point, lambda: archive(Database(database.path))):
                break
            assert elsewhere(database).all() == expected, f"point {point}"
            assert not previous_of(database.path).exists() or load(database.path, previous=True)
        versions.replace(changed(versions.get(f"spread/1.{round_}.0"), stage="Staging"))
        expected = [whole(version) for version in versions.all()]
    archive(database)
    assert elsewhere(database).all() == expected
    assert not list(folder_of(database.path).glob(".*"))


class AnnouncingLock:
    """A lock that says when a second thread comes to it."""

    def __init__(self):
        self.lock = threading.RLock()
        self.owner = None
        self.is_wanted = threading.Event()

    def __enter__(self):
        if self.owner not in (None, threading.get_ident()):
            self.is_wanted.set()
        self.lock.acquire()
        self.owner = threading.get_ident()

    def __exit__(self, *_):
        self.lock.release()


def test_threads_that_read_a_new_generation_at_once_share_one_copy_of_it(archived, database, monkeypatch):
    fresh = Database(database.path)
    lock = fresh.storage._reading = AnnouncingLock()
    documents, found = fresh.documents("versions", Version, "key"), {}
    n_loads, n_read = count(), count()
    convert = type(documents)._convert

    def load_while_another_waits(path, **how):
        if next(n_loads) == 0:
            second.start()
            assert lock.is_wanted.wait(PATIENCE_SECONDS)
        return load(path, **how)

    def read():
        found[threading.get_ident()] = documents.all()

    def counted(self, stored, **how):
        next(n_read)
        return convert(self, stored, **how)

    monkeypatch.setattr("core.state.storage.load", load_while_another_waits)
    monkeypatch.setattr(type(documents), "_convert", counted)
    second = threading.Thread(target=read)
    read()
    second.join()
    ours, theirs = found.values()
    assert all(one is other for one, other in zip(ours, theirs, strict=True))
    assert (next(n_loads), next(n_read)) == (1, N)


def test_keys_are_listed_without_reading_a_document(archived, database, monkeypatch):
    fresh = Database(database.path).documents("versions", Version, "key")
    monkeypatch.setattr(type(fresh), "_convert", lambda *_, **__: pytest.fail("a document was read"))
    assert fresh.all_keys() == [f"spread/1.{n}.0" for n in range(N)]


def test_documents_are_listed_by_their_keys_in_the_order_of_the_keys(archived, database):
    chosen = ["spread/1.30.0", "spread/1.2.0"]
    assert [version.key for version in elsewhere(database).listed(chosen)] == chosen
    with pytest.raises(DocumentNotFoundError):
        elsewhere(database).listed(["spread/9.9.9"])


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    READ_WHEN_ASKED: ClassVar[tuple[str, ...]] = ("readings", "events")
    ALIKE: ClassVar[tuple[str, ...]] = ("steps",)

    phase: str
    steps: tuple[float, ...] = ()
    readings: tuple[float, ...] = ()
    events: tuple[str, ...] = ("made",)

    def __post_init__(self) -> None:
        if len(self.readings) > 3:
            raise ValueError("too many readings")


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    READ_WHEN_ASKED: ClassVar[tuple[str, ...]] = ("expected",)
    WHOLE_WHILE: ClassVar[str] = "is_active"

    key: str
    part: Part
    expected: str = ""
    revision: int = 0

    @property
    def is_active(self) -> bool:
        return self.part.phase == "active"


@pytest.fixture
def trials(database):
    documents = database.documents("trials", Trial, "key")
    for n in range(3):
        part = Part(phase="active" if n == 1 else "ended", steps=(0.1, 0.5), readings=(0.5, n / 7))
        documents.insert(Trial(key=f"t-{n}", part=part, expected="an hour"))
    return documents


@pytest.mark.parametrize("moves", [False, True], ids=["in the state file", "in an archive file"])
def test_the_large_fields_of_a_part_are_read_when_asked_for(database, trials, moves):
    if moves:
        archive(database)
    first, active, last = Database(database.path).documents("trials", Trial, "key").all()
    assert (first.part.readings, first.part.events, first.expected) == ((0.5, 0.0), ("made",), "an hour")
    assert first.part.steps is last.part.steps, "one object for all that are alike"
    assert isinstance(first.part, Part)
    assert type(first) is not Trial
    assert type(active) is Trial, "what still changes is whole"
    assert first == trials.get("t-0") == whole(first)
    assert (type(whole(first)), type(whole(first).part)) == (Trial, Part)
    renamed = trials.replace(changed(first, part=changed(first.part, phase="gone")))
    assert (renamed.part.phase, renamed.part.readings) == ("gone", (0.5, 0.0))


def test_a_field_that_an_earlier_release_did_not_write_has_its_default(database, trials):
    with database.transaction():
        database.table("trials").update({"part": {"phase": "ended"}}, doc_ids=[1])
    (first, *_) = Database(database.path).documents("trials", Trial, "key").all()
    assert (first.part.readings, first.part.events) == ((), ("made",))


def test_a_part_that_its_checks_refuse_is_named_when_it_is_listed(database, trials):
    with database.transaction():
        database.table("trials").update({"part": {"phase": "ended", "readings": [1, 2, 3, 4]}}, doc_ids=[1])
    found, problems = Database(database.path).documents("trials", Trial, "key").readable()
    assert [trial.key for trial in found] == ["t-1", "t-2"]
    assert "too many readings" in str(problems["t-0"])


def test_who_wrote_a_document_holds_it_as_bytes_as_who_reads_it_does(database, versions):
    versions.insert(Version(key="spread/2.0.0", gates=(0.25,)))
    stored = database.storage.read()["versions"]
    assert {type(document) for document in stored.values()} == {SpelledDocument}
    assert database.storage.read()["versions"] is stored, "nothing was read again"
    assert elsewhere(database).get("spread/2.0.0").gates == (0.25,)


def test_documents_found_by_their_keys_leave_out_what_does_not_exist(versions):
    found = list(versions.found(["spread/1.7.0", "spread/9.9.9", "spread/1.2.0"]))
    assert [version.key for version in found] == ["spread/1.7.0", "spread/1.2.0"]


def test_a_document_that_moves_to_another_file_unchanged_stays_the_object_that_it_was(database, versions):
    reader = elsewhere(database)
    archive(database)
    before = reader.all()
    versions.insert(Version(key="spread/1.99.0"))
    archive(database)  # merges the small file into the next one
    after = reader.all()
    assert all(one is other for one, other in zip(before, after, strict=False))
    assert len(after) == N + 1
    assert [version.gates for version in after[:N]] == [(n / 7,) for n in range(N)]
    assert [version.lineage for version in versions.all()[:N]] == [{"seed": n} for n in range(N)]


def test_a_reader_of_a_large_file_holds_two_of_its_generations_however_often_others_change_it(
    database, versions, monkeypatch
):
    monkeypatch.setattr("core.state.generation._IN_MEMORY_BELOW_BYTES", 0)
    living = _living_files(monkeypatch)
    reader = elsewhere(database)
    for n in range(20):
        reader.all()
        seen = versions.get(f"spread/1.{n}.0")
        versions.replace(changed(seen, stage="Production"))
    reader.all()
    gc.collect()
    assert len(living) <= 2  # the present one, and that of the last change
    with pytest.raises(StaleRevisionError, match="stage"):  # what changed is known as before
        reader.replace(changed(seen, stage="Staging"))


def _living_files(monkeypatch):
    """The files of documents that anything holds from now on."""
    living = weakref.WeakSet()

    def noted(*args):
        living.add(file := DocumentFile(*args))
        return file

    monkeypatch.setattr("core.state.generation.DocumentFile", noted)
    return living
