"""The routing that an engine follows, kept in the state without its secrets, for every reader and for a restart.

A workspace keeps one record. While its file can be used, every process reads the file itself; while it cannot, the
record says what is in force.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from core.alerts.delivery.template_files import template_files
from core.alerts.routing.config import Receiver, ReceiverBlock, RoutingConfig
from core.alerts.routing.effective import document_without_secrets, needs_masked_secret
from core.alerts.routing.reading import read_document
from core.settings.errors import SettingsError
from core.settings.source import read_text

if TYPE_CHECKING:
    from core.state import Documents, Workspace

DATABASE: Final = "routing"
TABLE: Final = "in_force"
NAME: Final = "routing"


class RecordedBlock(msgspec.Struct, frozen=True, kw_only=True):
    """One channel of a receiver, in the order of the file."""

    place: str  # "file:line:column"
    receiver: str = ""
    lacks_secret: bool = False  # it, or an address that may hold one, stood in the file itself, so it is not kept


class RoutingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The last routing that could be used."""

    name: str
    file: str
    read_at: datetime  # when an engine read it first
    document: dict[str, Any]  # the configuration with `<secret>` for each secret
    templates: dict[str, str] = {}  # the text of each file of templates, by its path
    blocks: list[RecordedBlock] = []
    faulty_since: datetime | None = None  # since when the file cannot be used; None while it can
    follows_record: bool = False  # the engine began after that, and knows the routing from here
    revision: int = 0

    @property
    def unreachable(self) -> list[str]:
        """The receivers with a channel whose secret is not kept."""
        return list(dict.fromkeys(block.receiver for block in self.blocks if block.lacks_secret))


def records_of(workspace: "Workspace") -> "Documents[RoutingRecord]":
    """Return where the record of a workspace is."""
    return workspace.database(DATABASE).documents(TABLE, RoutingRecord, key="name")


def recorded(config: RoutingConfig, now: datetime) -> RoutingRecord:
    """Return the record of a configuration.

    Args:
        config: As it was read from its file.
        now: The time.

    Raises:
        SettingsError: A file of templates cannot be read any more.
    """
    return RoutingRecord(
        name=NAME,
        file=str(config.file),
        read_at=now,
        document=document_without_secrets(config),
        templates={str(file): read_text(file) for file in template_files(config.templates)},
        blocks=[
            RecordedBlock(place=block.place, receiver=name, lacks_secret=needs_masked_secret(block, config))
            for name, receiver in config.receivers.items()
            for block in receiver.blocks
        ],
    )


def recalled(record: RoutingRecord) -> RoutingConfig:
    """Return the configuration that a record keeps.

    Raises:
        SettingsError: This version cannot use it.
    """
    templates = {Path(name): text for name, text in record.templates.items()}
    config = read_document(record.document, Path(record.file), templates)
    if sum(len(receiver.blocks) for receiver in config.receivers.values()) != len(record.blocks):
        raise SettingsError(Path(record.file), "the record of its last good content is incomplete.")
    blocks = iter(record.blocks)
    receivers = {name: _with_places(receiver, blocks) for name, receiver in config.receivers.items()}
    return replace(config, receivers=receivers)


def _with_places(receiver: Receiver, blocks: Iterator[RecordedBlock]) -> Receiver:
    placed: list[ReceiverBlock] = []
    for block in receiver.blocks:
        known = next(blocks)
        placed.append(replace(block, place=known.place, lacks_secret=known.lacks_secret))
    return replace(receiver, blocks=tuple(placed))
