"""Which records of the audit log are wanted: by actor, verb, object and time."""

import re
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import msgspec

from core.actor import Origin

if TYPE_CHECKING:
    from core.governance.record import AuditRecord

_PARTS_OF_ACTOR = re.compile(r"@| via ")
_PARTS_OF_VERB = re.compile(r"\.")


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The wanted records; an empty field accepts every record."""

    actor: str = ""  # "ana" also finds ana@desk; `*` stands for any characters
    verb: str = ""  # "promote" also finds version.promote
    object: str = ""  # a part of it
    since: datetime | None = None
    until: datetime | None = None
    by_people: bool = False  # leave out the changes of the engine

    def accepts(self, record: "AuditRecord") -> bool:
        """Whether a record is wanted."""
        return (
            not (self.by_people and record.origin == Origin.ENGINE)
            and (self.since is None or record.at >= self.since)
            and (self.until is None or record.at <= self.until)
            and _names(self.actor, record.actor, _PARTS_OF_ACTOR)
            and _names(self.verb, record.verb, _PARTS_OF_VERB)
            and self.object.casefold() in record.object.casefold()
        )


def _names(wanted: str, text: str, between: "re.Pattern[str]") -> bool:
    """Whether a word names a text or one of its parts, ignoring case.

    >>> _names("Ana", "ana@desk via ci", _PARTS_OF_ACTOR), _names("session.*", "session.start", _PARTS_OF_VERB)
    (True, True)
    """
    if not wanted:
        return True
    text, wanted = text.casefold(), wanted.casefold()
    return any(fnmatchcase(part, wanted) for part in (text, *between.split(text)))
