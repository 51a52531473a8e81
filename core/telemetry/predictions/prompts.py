"""The measured prompts of one version that writes texts, in the order in which they were stored."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from core.losses import AnswerKind
from core.telemetry.predictions.cursor import Cursor
from core.telemetry.predictions.matching import listed
from core.telemetry.predictions.records import Arm, PromptRecord
from core.telemetry.predictions.schema import Segment

_ROUTES = "SELECT id FROM route WHERE model = ? AND version = ? AND kind = ? AND arm NOT IN (?, ?)"
_PROMPTS = """
SELECT seq, at, detail FROM {table}
WHERE seq > ? AND seq <= ? AND detail IS NOT NULL AND route IN ({routes}) ORDER BY seq LIMIT ?"""


class MeasuredPrompt(NamedTuple):
    """A prompt, and when its request was answered."""

    at_us: int
    prompt: PromptRecord


class PromptPage(NamedTuple):
    """The prompts behind a cursor, and the next cursor."""

    prompts: list[MeasuredPrompt]
    cursor: Cursor
    is_last: bool  # nothing is left to read now


def measured_prompts(
    connection: sqlite3.Connection, segments: Sequence[Segment], model: str, version: str, after: int, n: int
) -> tuple[list[MeasuredPrompt], int, bool]:
    """Return measured prompts, the number of the last row that was looked at, and whether it is the last of all.

    Args:
        connection: To the store.
        segments: Where predictions are, oldest first.
        model: The model.
        version: Its version.
        after: The number of the prediction behind which to begin.
        n: The most rows to read.
    """
    newest = max((segment.last for segment in segments), default=after)
    found = connection.execute(_ROUTES, (model, version, str(AnswerKind.TEXT), Arm.SHADOW, Arm.STABLE_COPY))
    routes = listed(route for (route,) in found)
    rows: list[tuple[int, int, bytes]] = []
    for segment in segments:
        if segment.last > after:
            rows += connection.execute(_PROMPTS.format(table=segment.table, routes=routes), (after, newest, n))
    rows = sorted(rows)[:n]
    prompts = [MeasuredPrompt(at, prompt) for _, at, detail in rows if (prompt := PromptRecord.unpacked(detail))]
    until = newest if len(rows) < n else rows[-1][0]
    return prompts, max(until, after), until >= newest
