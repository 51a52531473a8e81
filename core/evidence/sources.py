"""The sources of a pack: documents, files and audit records as they are read, each with its hash."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import orjson

from core.errors import UsageError
from core.evidence.pack import EvidenceFact, EvidenceSource, Figure
from core.files import access_error, digest
from core.governance.record import AuditRecord
from core.json_documents import decode_json
from core.sealed_files import UnreadableContentError
from core.settings.sealing import read_content
from core.state.encoding import fields_of
from core.state.workspace import Workspace

MOST_EMBEDDED_BYTES = 512 << 10
_LEAST_WHOLE = 10_000.0  # from here on a number has no digits behind the point
_MOST_READ_BYTES = 64 << 20
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?Z")


@dataclass(frozen=True, slots=True)
class Recorded:
    """Something that was read, with the source that its figures name."""

    source: str
    fields: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.fields.get(name)

    def figure(self, value: Any) -> Figure:
        """Return a value as a figure of this source."""
        return Figure(spelled(value), self.source)

    def fact(self, name: str, value: Any) -> EvidenceFact:
        """Return a named value of this source."""
        return EvidenceFact(name=name, value=self.figure(value))

    def facts(self, **names: str) -> list[EvidenceFact]:
        """Return those of its fields that have a value, by field: the name that is shown."""
        return [
            self.fact(shown, self[field]) for field, shown in names.items() if self[field] not in (None, "", [], {})
        ]


class SourceBook:
    """Collects the sources of one pack; what is read twice is one source."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._sources: dict[tuple[str, str], EvidenceSource] = {}
        self._damaged: dict[str, str] = {}

    @property
    def sources(self) -> list[EvidenceSource]:
        """Return the sources in the order in which they were read."""
        return list(self._sources.values())

    def documents(self, database: str, table: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the number and the fields of every document of a table; none is a source yet."""
        if self._workspace.state_file(database).exists():
            for number, document in self._workspace.database(database).storage.read().get(table, {}).items():
                yield number, fields_of(document)

    def cited(self, database: str, table: str, number: str, fields: Mapping[str, Any]) -> Recorded:
        """Make a document a source."""
        content = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
        return Recorded(self._add("document", f"{database}/{table}/{number}", content), fields)

    def chosen(self, database: str, table: str, **wanted: Any) -> list[Recorded]:
        """Return the documents of a table whose fields have these values, as sources."""
        return [
            self.cited(database, table, number, fields)
            for number, fields in self.documents(database, table)
            if all(fields.get(name) == value for name, value in wanted.items())
        ]

    def file(self, path: str, *, within: str = "") -> Recorded | None:
        """Read a JSON file of the workspace as a source; None if there is none or it is something else.

        Args:
            path: Relative to the workspace.
            within: The source that lists its hash.
        Raises:
            FileAccessError: It is there, and cannot be opened.
            UsageError: It is sealed, and the key cannot be had, or it was changed.
        """
        content = self._opened(path)
        if content is None:
            return None
        try:
            content.decode()
            fields = decode_json(content) if len(content) <= _MOST_READ_BYTES else None
        except (UnicodeDecodeError, msgspec.DecodeError):
            fields = None
        if not isinstance(fields, dict):
            self._damaged[path] = f"is there, and is no JSON object of at most {_MOST_READ_BYTES >> 20} MiB"
            return None
        return Recorded(self._add("file", path, content, within=within), fields)

    def absence(self, path: str) -> str:
        """Say in which way a file is none that `file` could read."""
        return self._damaged.get(path, "is not there")

    def settings(self, path: str) -> Recorded | None:
        """Make a file of settings a source by its hash alone: it may name accounts and machines. None without one."""
        try:
            content = self._opened(path)
        except UsageError:
            return None
        if content is None:
            return None
        source = self._add("settings", path, content, is_embedded=False)
        return Recorded(source, {"sha256": digest(content)})

    def record(self, record: AuditRecord) -> Figure:
        """Make an audit record a source, and return its number as a figure; closing the pack quotes its line."""
        key = ("record", f"record {record.sequence}")
        if key not in self._sources:
            self._sources[key] = EvidenceSource(
                id=self._next(), kind="record", place=key[1], sha256="", record=record.sequence
            )
        return Figure(spelled(record.sequence), self._sources[key].id)

    def replaced(self, sources: Iterable[EvidenceSource]) -> None:
        """Take the sources as they are once the records that vouch for them are known."""
        self._sources = {(source.kind, source.place): source for source in sources}

    def _add(self, kind: str, place: str, content: bytes, *, within: str = "", is_embedded: bool = True) -> str:
        key = (kind, place)
        if key not in self._sources:
            self._sources[key] = EvidenceSource(
                id=self._next(),
                kind=kind,  # type: ignore[arg-type]
                place=place,
                sha256=digest(content),
                content=content.decode() if is_embedded and len(content) <= MOST_EMBEDDED_BYTES else None,
                within=within,
            )
        return self._sources[key].id

    def _next(self) -> str:
        return f"S{len(self._sources) + 1}"

    def _opened(self, path: str) -> bytes | None:
        """Return the content of a file; None without one: a file that cannot be opened is not a missing one."""
        place = self._workspace.root / Path(path)
        try:
            return read_content(place, most=_MOST_READ_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except UnreadableContentError as error:
            raise UsageError(str(error.strerror)) from error
        except OSError as error:
            raise access_error(place, "read", error) from error


def spelled(value: Any) -> str:
    """Spell a value as a report shows it.

    >>> [spelled(value) for value in (0.98765432, 41880.4, 1234567, True, None, ["a", "b"])]
    ['0.9877', '41,880', '1,234,567', 'yes', '–', 'a, b']
    >>> spelled("2026-03-01T02:50:07.000000Z")
    '2026-03-01 02:50:07 UTC'
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < _LEAST_WHOLE else f"{value:,.0f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(spelled, value)) or "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {spelled(value[name])}" for name in sorted(value)) or "–"
    text = str(value)
    return f"{text[:10]} {text[11:19]} UTC" if _INSTANT.fullmatch(text) else text
