"""The one list of parts: it decides what is shown, what is recorded and what is replayed."""

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, fields

import msgspec
import pytest

from core.view.parts import PARTS
from core.view.parts.part import DocumentPart, HistoryPart, PartSource
from core.view.parts.stored import Listed
from core.view.past.recorder import DocumentRecorder
from core.view.past.replay import RecordedPast
from core.view.snapshot import Snapshot
from core.view.source import SnapshotSource

# Written by the source itself.
OF_NO_PART = {"taken_at", "workspace", "follows", "problems", "damaged", "unwritable", "unread", "unreadable"}


@pytest.fixture
def look(workspace, clock):
    look = PartSource(workspace=workspace, clock=clock, seen=Snapshot(taken_at=clock(), workspace=workspace.root))
    yield look
    look.close()


def test_every_field_of_a_snapshot_is_read_by_one_part(look):
    read = Counter(field for part in PARTS for field in part(look).read())
    assert read == Counter({field.name for field in fields(Snapshot)} - OF_NO_PART)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_replays_what_it_reads_now(look, part):
    now = set(part(look).read())
    if issubclass(part, DocumentPart):
        assert {stored.field for stored in part.stored()} == now
    else:
        assert set(part(look).read_as_of(look.clock())) == now


def test_part_names_are_unique():
    assert len({part.name for part in PARTS}) == len(PARTS)


@pytest.mark.parametrize("kind", [DocumentPart, HistoryPart])
def test_a_part_without_playback_cannot_be_created(look, kind):
    class Forgetful(kind):
        name = "forgetful"

        def read(self):
            return {}

    with pytest.raises(TypeError, match="abstract"):
        Forgetful(look)


class Note(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    text: str
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WiderSnapshot(Snapshot):
    notes: tuple[Note, ...] = ()
    minute: int | None = None


def notes_of(workspace):
    return workspace.database("notes").documents("notes", Note, key="name")


class NotesPart(DocumentPart):
    name = "notes"

    def read(self):
        return {"notes": tuple(reversed(notes_of(self._workspace).all()))}

    @classmethod
    def stored(cls):
        return (Listed("notes", Note, key="name"),)


class MinutePart(HistoryPart):
    name = "minute"

    def read(self):
        return {"minute": self._look.clock().minute}

    def read_as_of(self, when):
        return {"minute": when.minute}


@pytest.fixture
def _wider(monkeypatch):
    monkeypatch.setattr("core.view.parts.PARTS", (*PARTS, NotesPart, MinutePart))
    monkeypatch.setattr("core.view.source.Snapshot", WiderSnapshot)
    monkeypatch.setattr("core.view.past.replay.Snapshot", WiderSnapshot)


@pytest.mark.usefixtures("_wider")
def test_a_part_added_to_the_list_is_shown_recorded_and_replayed(workspace, clock):
    notes, live = notes_of(workspace), []
    with closing(DocumentRecorder(workspace, hours=1, clock=clock)) as recorder:
        for act in (
            lambda: None,
            lambda: notes.insert(Note(name="a", text="first")),
            lambda: notes.insert(Note(name="b", text="second")),
            lambda: notes.remove("a"),
        ):
            act()
            live.append(SnapshotSource(workspace, clock=clock).take())
            recorder.look()
            clock.pass_by(60)
    assert [[note.text for note in snapshot.notes] for snapshot in live] == [
        [],
        ["first"],
        ["second", "first"],
        ["second"],
    ]
    for snapshot in live:
        then = RecordedPast(workspace).at(snapshot.taken_at)
        assert (then.notes, then.minute) == (snapshot.notes, snapshot.minute)


def test_documents_of_a_removed_part_are_ignored(workspace, clock, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("core.view.parts.PARTS", (*PARTS, NotesPart))
        patched.setattr("core.view.source.Snapshot", WiderSnapshot)
        notes_of(workspace).insert(Note(name="a", text="first"))
        with closing(DocumentRecorder(workspace, hours=1, clock=clock)) as recorder:
            recorder.look()
    assert RecordedPast(workspace).at(clock()).problems == ()
