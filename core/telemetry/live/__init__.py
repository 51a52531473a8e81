"""Counts of served rows: `writer.py` stores minutes and hours, `reader.py` reads them, `states.py` keeps watchers."""

from core.telemetry.live.reader import LiveReader
from core.telemetry.live.records import AnsweredRows, CountedMinute, CountedVersion, LiveHour, LiveMinute
from core.telemetry.live.states import LiveStates
from core.telemetry.live.upkeep import keep_up
from core.telemetry.live.writer import LiveHealth, LiveWriter

__all__ = [
    "AnsweredRows",
    "CountedMinute",
    "CountedVersion",
    "LiveHealth",
    "LiveHour",
    "LiveMinute",
    "LiveReader",
    "LiveStates",
    "LiveWriter",
    "keep_up",
]
