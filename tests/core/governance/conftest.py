"""A workspace whose every change is one audited document, `note 1`, `note 2`, …"""

from collections.abc import Callable

import msgspec
import pytest

from core.actor import Actor, Origin
from core.governance import AuditLog, audited
from core.state import Workspace

ACTOR = Actor("ada", "desk", Origin.CONSOLE)


class Note(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    text: str = ""
    revision: int = 0


@pytest.fixture
def log(workspace: Workspace) -> AuditLog:
    return AuditLog(workspace)


@pytest.fixture
def write_notes(workspace: Workspace) -> Callable[..., None]:
    """Return a function that writes some notes, each an audited change of its own."""

    def write(n: int, *, database: str = "registry") -> None:
        for _ in range(n):
            with audited(workspace, database, actor=ACTOR, reason="to remember") as change:
                notes = change.db.documents("notes", Note, key="name")
                note = notes.insert(Note(name=f"note {len(notes.all()) + 1}"))
                change.record("note.write", note.name, after=note)

    return write
