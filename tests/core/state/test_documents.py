# ruff: noqa: PT012 - what is to fail here is the end of a whole transaction
import gc
import tempfile
import tracemalloc
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.errors import ExitCode
from core.state import (
    Database,
    DocumentExistsError,
    DocumentFormatError,
    DocumentNotFoundError,
    ForbiddenCommitError,
    StaleRevisionError,
    UnstorableValueError,
)


class Stage(StrEnum):
    DEVELOPMENT = "Development"
    STAGING = "Staging"


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    value: float | None


class Version(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    stage: Stage = Stage.DEVELOPMENT
    gates: tuple[Gate, ...] = ()
    metrics: dict[str, float] = {}
    updated_at: datetime = datetime(2026, 1, 2, tzinfo=UTC)
    updated_by: str = "anna@desk"
    revision: int = 0


class Loose(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    anything: Any
    revision: int = 0


A_VERSION = Version(key="spread/1.0.0", gates=(Gate(name="coverage", value=0.5),), metrics={"r2": 0.75})


@pytest.fixture
def versions(database):
    return database.documents("versions", Version, "key")


@pytest.fixture
def elsewhere(database):
    """The same documents, as another process sees them."""
    return Database(database.path).documents("versions", Version, "key")


def changed(document, **fields):
    return msgspec.structs.replace(document, **fields)


def test_several_are_replaced_in_one_step_or_none(workspace):
    moves = workspace.database("sessions").documents("moves", Move, key="key")
    stored = moves.insert_all(Move(key=f"{number}") for number in range(3))
    again = moves.replace_all(stored[:2])
    assert [move.revision for move in again] == [2, 2]
    assert moves.all() == [*again, stored[2]]
    with pytest.raises(StaleRevisionError):
        moves.replace_all([stored[2], stored[0]])
    with pytest.raises(StaleRevisionError):
        moves.replace_all([stored[2], stored[2]])
    assert moves.all() == [*again, stored[2]]


def test_a_stored_document_reads_back_equal(versions, elsewhere):
    stored = versions.insert(A_VERSION)
    assert stored == changed(A_VERSION, revision=1)
    assert versions.get("spread/1.0.0") == elsewhere.get("spread/1.0.0") == stored


def test_documents_keep_the_order_in_which_they_were_first_stored(versions):
    for key in ("b", "c", "a"):
        versions.insert(Version(key=key))
    versions.replace(changed(versions.get("c"), stage=Stage.STAGING))
    assert [version.key for version in versions.all()] == ["b", "c", "a"]


def test_a_missing_document_is_reported_with_the_nearest_names(versions):
    for minor in range(40):
        versions.insert(Version(key=f"spread/1.{minor}.0"))
    assert versions.find("spread/2.0.0") is None
    with pytest.raises(
        DocumentNotFoundError, match=r"There is no 'spread/1.40.0' among the versions; choose from .*and 32 more"
    ) as missing:
        versions.get("spread/1.40.0")
    assert "spread/1.4.0" in str(missing.value)
    assert missing.value.exit_code is ExitCode.USAGE


def test_a_key_cannot_be_stored_twice(versions):
    versions.insert(A_VERSION)
    with pytest.raises(DocumentExistsError, match=r"has 'spread/1\.0\.0' already"):
        versions.insert(A_VERSION)


def test_a_change_increments_the_revision_and_keeps_other_fields(versions):
    first = versions.insert(A_VERSION)
    second = versions.replace(changed(first, metrics={}))
    assert second == changed(A_VERSION, metrics={}, revision=2)
    assert versions.get("spread/1.0.0") == second


def test_only_recent_revisions_are_kept_to_say_what_changed_since(versions):
    seen = [versions.insert(A_VERSION)]
    for number in range(80):
        versions.all()  # as a screen does that refreshes
        seen.append(versions.replace(changed(seen[-1], metrics={"r2": number / 100})))
    for base, is_kept in ((seen[-10], True), (seen[10], False)):
        with pytest.raises(StaleRevisionError) as stale:
            versions.replace(changed(base, stage=Stage.STAGING))
        assert bool(stale.value.changes) is is_kept


def test_a_change_elsewhere_leaves_the_unchanged_documents_the_objects_that_they_were(versions, elsewhere):
    for minor in range(50):
        versions.insert(Version(key=f"spread/1.{minor}.0"))
    before = versions.all()
    after_n = []
    for number in range(5):
        elsewhere.replace(changed(elsewhere.get("spread/1.7.0"), metrics={"r2": number / 10}))
        now = versions.all()
        after_n.append([one.key for one, other in zip(before, now, strict=True) if one is not other])
    assert after_n == [["spread/1.7.0"]] * 5


def test_earlier_revisions_take_a_bounded_number_of_bytes(versions, elsewhere):
    large = {f"feature_{number}": number / 7 for number in range(2_000)}
    seen = elsewhere.insert(changed(A_VERSION, metrics=large))
    versions.all()
    tracemalloc.start()
    try:
        for number in range(60):
            seen = elsewhere.replace(changed(seen, metrics={**large, "r2": number / 100}))
            versions.all()
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 3 << 20  # 60 revisions of 60 KiB in JSON, some 250 KiB as objects


def test_a_writer_holds_of_each_document_and_each_earlier_revision_its_bytes_and_no_more(database):
    loose = database.documents("loose", Loose, "key")
    loose.insert(Loose(key="first", anything=""))
    tracemalloc.start()
    try:
        for number in range(40):
            seen = loose.insert(Loose(key=f"{number}", anything="x" * 5_000))
            loose.replace(changed(seen, anything="y" * 5_000))
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1.5 * 2 * 40 * 5_000  # an encoder's own block has up to fourteen times the bytes


class Move(msgspec.Struct, frozen=True, kw_only=True):
    MOST_HELD: ClassVar[int] = 4

    key: str
    revision: int = 0


def test_of_documents_without_end_only_the_newest_are_held(database):
    moves = database.documents("moves", Move, "key")
    moves.insert_all(Move(key=f"{number}") for number in range(9))
    first, *_, last = moves.all()
    assert first.key == "0"
    assert moves.all()[0] == first
    assert moves.all()[0] is not first
    assert moves.all()[-1] is last
    assert sorted(moves._view().converted) == ["6", "7", "8", "9"]
    moves.insert_all(Move(key=f"{number}") for number in range(9, 12))
    assert [move.key for move in moves.all()] == [f"{number}" for number in range(12)]
    assert sorted(map(int, moves._view().converted)) == [9, 10, 11, 12]
    moves.replace(changed(moves.get("0"), key="0"))
    assert moves.get("0").revision == 2


@pytest.mark.parametrize(("before", "after"), [(1, True), (1, 1.0), (0.0, -0.0)])
def test_equal_values_of_another_kind_are_noticed(database, before, after):
    database.table("values").insert({"value": before})
    assert repr(database.table("values").all()[0]["value"]) == repr(before)
    Database(database.path).table("values").update({"value": after})
    assert repr(database.table("values").all()[0]["value"]) == repr(after)


def test_a_change_based_on_an_old_revision_is_refused_with_changes_and_author(versions, elsewhere):
    seen = versions.insert(A_VERSION)
    versions.all()
    elsewhere.replace(changed(elsewhere.get("spread/1.0.0"), stage=Stage.STAGING, updated_by="ben@desk"))
    with pytest.raises(StaleRevisionError) as stale:
        versions.replace(changed(seen, metrics={}))
    assert stale.value.exit_code is ExitCode.CONFLICT
    assert (stale.value.expected, stale.value.found) == (1, 2)
    assert stale.value.changes == {
        "stage": (Stage.DEVELOPMENT, Stage.STAGING),
        "updated_by": ("anna@desk", "ben@desk"),
    }
    assert "by ben@desk at 2026-01-02 00:00 UTC" in str(stale.value)
    assert "stage Development → Staging" in str(stale.value)
    assert versions.get("spread/1.0.0").metrics == {"r2": 0.75}


def test_what_changed_is_known_even_after_the_new_state_was_read(versions, elsewhere):
    seen = versions.insert(A_VERSION)
    versions.all()
    elsewhere.replace(changed(elsewhere.get("spread/1.0.0"), stage=Stage.STAGING))
    versions.all()  # as a screen does that refreshes behind a dialog
    with pytest.raises(StaleRevisionError, match="stage Development → Staging"):
        versions.replace(changed(versions.get("spread/1.0.0"), metrics={}), expected_revision=seen.revision)


def test_removing_requires_an_existing_document(versions):
    versions.insert(A_VERSION)
    versions.remove("spread/1.0.0")
    assert versions.all() == []
    with pytest.raises(DocumentNotFoundError, match="there are none"):
        versions.remove("spread/1.0.0")


def test_a_value_that_json_would_change_is_refused_by_the_name_of_its_field(versions):
    with pytest.raises(UnstorableValueError, match=r"versions spread/1\.0\.0\.gates\[0\]\.value is nan"):
        versions.insert(changed(A_VERSION, gates=(Gate(name="coverage", value=float("nan")),)))
    assert versions.all() == []


def test_inside_a_transaction_its_own_changes_are_seen_and_a_failed_one_leaves_none(versions, elsewhere, database):
    versions.insert(A_VERSION)
    with pytest.raises(ZeroDivisionError), database.transaction():
        versions.insert(Version(key="b"))
        versions.replace(changed(versions.get("spread/1.0.0"), stage=Stage.STAGING))
        assert [version.stage for version in versions.all()] == [Stage.STAGING, Stage.DEVELOPMENT]
        assert [version.stage for version in elsewhere.all()] == [Stage.DEVELOPMENT]
        raise ZeroDivisionError
    assert versions.all() == [changed(A_VERSION, revision=1)]


def test_a_conflict_that_was_caught_forbids_the_outer_commit(versions, database):
    seen = versions.insert(A_VERSION)
    versions.replace(seen)
    with pytest.raises(ForbiddenCommitError, match="StaleRevisionError"), database.transaction():
        versions.insert(Version(key="b"))
        with pytest.raises(StaleRevisionError):
            versions.replace(seen)
    assert versions.find("b") is None


def test_reading_unchanged_documents_again_converts_nothing(versions):
    versions.insert(A_VERSION)
    assert versions.get("spread/1.0.0") is versions.get("spread/1.0.0") is versions.all()[0]


def test_after_a_change_only_the_changed_document_is_converted_again(versions):
    for key in ("a", "b"):
        versions.insert(Version(key=key))
    before = versions.get("b")
    versions.replace(versions.get("a"))
    assert versions.get("b") is before


def test_the_contents_of_a_document_are_never_the_stored_objects(database):
    loose = database.documents("loose", Loose, "key")
    loose.insert(Loose(key="a", anything={"list": [1]}))
    loose.get("a").anything["list"].append(2)  # nobody should
    loose.insert(Loose(key="b", anything=None))
    assert Database(database.path).documents("loose", Loose, "key").get("a").anything == {"list": [1]}


def test_the_list_of_documents_is_the_callers_own(versions):
    versions.insert(A_VERSION)
    versions.all().clear()
    assert len(versions.all()) == 1


def test_a_document_of_another_shape_is_reported_with_its_place(versions, database):
    database.table("versions").insert({"key": "spread/9", "stage": "Nirvana", "revision": 1})
    with pytest.raises(DocumentFormatError, match=r"registry\.json, table versions, document 'spread/9'.*Nirvana"):
        versions.get("spread/9")


def test_a_type_that_cannot_be_stored_by_its_key_is_refused_immediately(database):
    with pytest.raises(TypeError, match="Gate needs the fields name and revision"):
        database.documents("gates", Gate, "name")


def raise_stage(versions):
    """Count up with compare-and-swap alone: look, decide, try; on conflict look again."""
    n_conflicts = 0
    for _ in range(30):
        while True:
            seen = versions.get("counter")
            try:
                versions.replace(changed(seen, metrics={"n": seen.metrics["n"] + 1}))
                break
            except StaleRevisionError:
                n_conflicts += 1
    return n_conflicts


def test_two_processes_that_compare_and_swap_lose_no_update(versions, fork):
    versions.insert(Version(key="counter", metrics={"n": 0}))
    children = [fork(lambda: raise_stage(versions)) for _ in range(2)]
    for child in children:
        child.answer()
    assert versions.get("counter").metrics == {"n": 60}
    assert versions.get("counter").revision == 61


def test_of_two_simultaneous_changes_exactly_one_wins(versions, fork):
    seen = versions.insert(A_VERSION)

    def attempt(name):
        try:
            versions.replace(changed(seen, updated_by=name))
            return "won"
        except StaleRevisionError as stale:
            return str(stale)

    outcomes = [child.answer() for child in [fork(lambda n=n: attempt(f"person-{n}")) for n in range(4)]]
    assert outcomes.count("won") == 1
    winner = versions.get("spread/1.0.0").updated_by
    assert all(f"by {winner}" in outcome for outcome in outcomes if outcome != "won")


KEYS = st.sampled_from("abc")
NUMBERS = st.integers(0, 5)


class DocumentsBehaveAsADictionary(RuleBasedStateMachine):
    """Two instances on one file, as two processes are, against a plain dict; transactions that commit or fail."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "state.json"
        self.databases = [Database(path), Database(path)]
        self.documents = [database.documents("t", Version, "key") for database in self.databases]
        self.model: dict[str, tuple[int, int]] = {}  # key -> revision, n
        self.committed: dict[str, tuple[int, int]] = {}
        self.transaction = None

    def teardown(self):
        if self.transaction is not None:
            self.transaction.__exit__(None, None, None)
        self.folder.cleanup()

    def _instance(self, which):
        return self.documents[0 if self.transaction is not None else which]

    @rule(which=st.integers(0, 1), key=KEYS, n=NUMBERS)
    def store(self, which, key, n):
        documents = self._instance(which)
        found = documents.find(key)
        if found is None:
            documents.insert(Version(key=key, metrics={"n": n}))
            self.model[key] = (1, n)
        else:
            documents.replace(changed(found, metrics={"n": n}))
            self.model[key] = (found.revision + 1, n)

    @rule(which=st.integers(0, 1), key=KEYS)
    def remove(self, which, key):
        if key in self.model:
            self._instance(which).remove(key)
            del self.model[key]

    @rule(which=st.integers(0, 1), newest_bytes=st.integers(0, 400))
    def archive(self, which, newest_bytes):
        database = self.databases[0 if self.transaction is not None else which]
        with database.transaction():
            database.storage.archive(newest_bytes=newest_bytes)

    @precondition(lambda self: self.transaction is None)
    @rule()
    def begin(self):
        self.committed = dict(self.model)
        self.transaction = self.databases[0].transaction()
        self.transaction.__enter__()

    @precondition(lambda self: self.transaction is not None)
    @rule(fails=st.booleans())
    def end(self, fails):
        transaction, self.transaction = self.transaction, None
        if fails:
            with pytest.raises(ZeroDivisionError):
                transaction.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
                raise ZeroDivisionError
            self.model = self.committed
        else:
            transaction.__exit__(None, None, None)

    @invariant()
    def everybody_sees_what_they_should(self):
        elsewhere = self.committed if self.transaction is not None else self.model
        for documents, expected in zip(self.documents, (self.model, elsewhere), strict=True):
            assert {d.key: (d.revision, d.metrics["n"]) for d in documents.all()} == expected
            for key in "abc":
                found = documents.find(key)
                assert (None if found is None else (found.revision, found.metrics["n"])) == expected.get(key)


DocumentsBehaveAsADictionary.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestDocumentsBehaveAsADictionary = DocumentsBehaveAsADictionary.TestCase


def test_documents_stored_together_are_as_if_stored_one_by_one(database, versions):
    stored = versions.insert_all(Version(key=f"spread/1.{n}.0") for n in range(3))
    assert stored == versions.all() == database.documents("versions", Version, "key").all()
    assert [version.revision for version in stored] == [1, 1, 1]
    versions.insert(Version(key="spread/1.3.0"))
    versions.remove_all(["spread/1.2.0", "spread/1.0.0"])
    assert versions.all_keys() == [version.key for version in versions.all()] == ["spread/1.1.0", "spread/1.3.0"]
    assert versions.find("spread/1.0.0") is None


@pytest.mark.parametrize("keys", [("a", "b", "a"), ("a", "there")])
def test_if_one_of_several_documents_exists_none_is_stored(database, versions, keys):
    versions.insert(Version(key="there"))
    with pytest.raises(DocumentExistsError):
        versions.insert_all(Version(key=key) for key in keys)
    assert versions.all_keys() == ["there"]


def test_if_one_of_several_documents_is_missing_none_is_removed(database, versions):
    versions.insert_all(Version(key=key) for key in "ab")
    with pytest.raises(DocumentNotFoundError):
        versions.remove_all(["a", "missing"])
    assert versions.all_keys() == ["a", "b"]


def test_documents_removed_and_stored_within_one_transaction_are_seen_at_once(database, versions):
    versions.insert_all(Version(key=key) for key in "abc")
    with database.transaction():
        versions.remove_all(["b"])
        versions.insert_all([Version(key="b"), Version(key="d")])
        assert versions.all_keys() == ["a", "c", "b", "d"]
        assert versions.get("b").revision == 1
    assert versions.all_keys() == ["a", "c", "b", "d"]
