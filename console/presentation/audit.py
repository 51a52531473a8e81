"""The audit log as rows and as the full text of one record."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from console.presentation.phrases import NOTHING, age, clock_time
from core.actor import Origin
from widgets.columns import Column
from widgets.line import Line
from widgets.rows import Cell, Row

if TYPE_CHECKING:
    from core.evidence import KeptPack
    from core.governance import AuditRecord

_BUILT = "evidence.build"
_MOST_PACKS = 10

COLUMNS = (
    Column("sequence", "#", 6, align="right"),
    Column("at", "UTC", 5, align="right"),
    Column("verb", "WHAT", 19),
    Column("object", "OBJECT", 14, flex=1, max_width=30, cut="middle"),
    Column("actor", "WHO", 12, flex=1, max_width=26),
    Column("reason", "WHY", 10, flex=2, priority=1),
)


def change_lines(records: "Sequence[AuditRecord]", now: datetime) -> list[Line]:
    """Write what people, not the engine, changed, in the order given: a whole sentence each."""
    return [
        Line(
            (
                (f"{age(record.at, now):>4} ", "muted"),
                (f"{record.actor.partition('@')[0]} ", ""),
                (f"{record.verb} ", "strong"),
                (record.object, ""),
                (f": {record.reason}" if record.reason else "", "muted"),
            )
        )
        for record in records
        if record.origin != Origin.ENGINE
    ]


def newer_words(records: "Sequence[AuditRecord]", seen: int | None) -> str:
    """Count the records that came since the reader moved last, with the key that shows them; "" if there are none.

    Args:
        records: The newest records, the newest first.
        seen: The sequence of the newest record when the reader moved; None if there was none.
    """
    n_newer = sum(record.sequence > seen for record in records) if seen is not None else 0
    more = "+" if n_newer and n_newer == len(records) else ""
    return f", {n_newer}{more} newer: g" if n_newer else ""


def audit_rows(records: "Sequence[AuditRecord]", now: datetime) -> list[Row]:
    """Draw each record as a row of `COLUMNS`, in the order given."""
    return [
        Row(
            str(record.sequence),
            (
                Cell(str(record.sequence), value=record.sequence),
                Cell(clock_time(record.at, now), value=record.at),
                Cell(record.verb, "strong"),
                record.object,
                record.actor,
                Cell(record.reason, "muted"),
            ),
        )
        for record in records
    ]


def pack_lines(packs: "Sequence[KeptPack]", record: "AuditRecord | None", workspace: Path) -> list[Line]:
    """Write out the evidence packs, the newest first; of the record of one, that pack alone and where it is."""
    if record is not None and record.verb == _BUILT:
        packs = [pack for pack in packs if pack.pack_id == record.object]
    elif not packs:
        return []
    shown = packs[:_MOST_PACKS]
    lines = [Line(), Line((("Evidence packs", "title"),))]
    for pack in shown:
        facts = f"{pack.built_at:%Y-%m-%d %H:%M} UTC, {pack.n_missing} missing, up to record {pack.audit_sequence}"
        lines.append(Line(((f"{pack.pack_id}  ", "strong"), (f"{pack.subject}  ", ""), (facts, "muted"))))
    if record is not None and record.verb == _BUILT:
        lines += [Line(((str(workspace / pack.folder / "evidence.html"), ""),)) for pack in shown]
        lines += [] if shown else [Line((("The pack is not in this workspace any more.", "muted"),))]
    elif (more := len(packs) - len(shown)) > 0:
        lines.append(Line(((f"and {more:,} more: bondx evidence list", "muted"),)))
    return lines


def detail_lines(record: "AuditRecord") -> list[Line]:
    """Write out a record with its place in the chain."""
    facts = (
        ("sequence", str(record.sequence)),
        ("at", f"{record.at:%Y-%m-%d %H:%M:%S} UTC"),
        ("who", f"{record.actor} ({record.origin})"),
        ("what", f"{record.verb} {record.object}"),
        ("why", record.reason or NOTHING),
        ("before", _spelled(record.before)),
        ("after", _spelled(record.after)),
        ("hash", record.hash),
        ("hash before", record.previous_hash),
    )
    lines = [Line(((f"{name:<12}", "muted"), (value, ""))) for name, value in facts]
    if record.evidence:
        lines += [Line(), Line((("Evidence", "title"),))]
        lines += [Line(((f"{item.sha256[:12]}  ", "muted"), (item.path, ""))) for item in record.evidence]
    return lines


def _spelled(value: object) -> str:
    import json  # no first frame needs it

    return NOTHING if value is None else json.dumps(value, ensure_ascii=False, default=str)
