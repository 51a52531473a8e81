"""What is stored of a minute."""

from datetime import datetime
from typing import NamedTuple


class CountedMinute(NamedTuple):
    """The rows of one version that one process answered within one minute, or within a part of it."""

    model: str
    version: str
    profile: str  # `profile_number` of the version's profile; empty: it has none, so that rows are only numbered
    at: int  # seconds since 1970, the beginning of the minute
    n: int  # rows counted
    n_dropped: int  # rows answered, but not counted
    sketch: bytes  # empty without a profile


class LiveMinute(NamedTuple):
    """A stored minute of a version, or one process' part of it."""

    seq: int  # the number of the row: the cursor of a reader that has seen it
    at: datetime  # the beginning of the minute
    n: int  # rows counted
    n_dropped: int  # rows answered, but not counted: the minute stands for n + n_dropped rows
    profile: str  # the profile in whose bins they were counted
    sketch: bytes  # empty: the version has no profile


class LiveHour(NamedTuple):
    """An hour of a version: the sum of its minutes so far."""

    at: datetime
    n: int
    n_dropped: int
    profile: str
    sketch: bytes


class AnsweredRows(NamedTuple):
    """The rows that a version answered in some time."""

    n: int
    n_dropped: int  # those of them that were not counted


class CountedVersion(NamedTuple):
    """A version of which rows were counted."""

    model: str
    version: str
    profile: str
    last_at: datetime  # the beginning of its newest minute
