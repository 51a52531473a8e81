"""What the stored predictions take on the disk, and what the settings of their retention would cost."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from core.settings.telemetry import PredictionRetention
from core.telemetry.predictions.schema import Segment
from core.telemetry.predictions.tally import OUTCOMES, WAITING, tally_of

_MIB = 1 << 20
_LEAST_ROWS = 10_000  # the pages of fewer say little about a row
BYTES_A_ROW = 77.0
"""A prediction with its place in the index, measured on 300,000 rows; a store of many rows is measured itself."""


class ChainRows(NamedTuple):
    """The rows of one chain of segments."""

    chain: str  # the model; empty for all models without a retention of their own
    n: int
    oldest_us: int


class StoreContents(NamedTuple):
    """What a store holds."""

    chains: tuple[ChainRows, ...]
    n_outcomes: int
    n_waiting: int  # outcomes without their prediction
    n_bytes: int  # in use, without what deleted rows left free


class ModelUsage(msgspec.Struct, frozen=True, kw_only=True):
    """The predictions of one model, or of all models without a retention of their own."""

    model: str  # empty for all others
    n_rows: int
    oldest_at: datetime | None
    keep_days: float
    keep_rows: int
    mib: float
    days_at_this_rate: float | None  # that they are kept: `keep_days`, or less where `keep_rows` comes first
    mib_at_this_rate: float | None  # once the time of retention is full; None: too young to say
    mib_at_most: float  # at `keep_rows`


class PredictionUsage(msgspec.Struct, frozen=True, kw_only=True):
    """The predictions of a workspace, and what they cost."""

    models: tuple[ModelUsage, ...]
    n_outcomes: int
    n_unmatched: int  # outcomes that wait for their prediction
    unmatched_hours: float
    bytes_per_row: float
    mib: float


def contents_of(connection: sqlite3.Connection, segments: Sequence[Segment]) -> StoreContents:
    """Count what a store holds."""
    chains: dict[str, ChainRows] = {}
    for segment in segments:
        known = chains.get(segment.chain, ChainRows(segment.chain, 0, segment.begun_us))
        chains[segment.chain] = known._replace(n=known.n + segment.n)
    n_outcomes, n_waiting = tally_of(connection, OUTCOMES), tally_of(connection, WAITING)
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return StoreContents(tuple(chains.values()), n_outcomes, n_waiting, (pages - free) * size)


def usage_of(contents: StoreContents, retention: PredictionRetention, now: datetime) -> PredictionUsage:
    """Say what the stored predictions cost, and what they would cost at the limits of the settings."""
    n_rows = sum(chain.n for chain in contents.chains)
    bytes_per_row = contents.n_bytes / n_rows if n_rows >= _LEAST_ROWS else BYTES_A_ROW
    named = {model for model in retention.models if not any(sign in model for sign in "*?[")}
    found = {chain.chain: chain for chain in contents.chains}
    models = [_usage_of(name, found.get(name), retention, bytes_per_row, now) for name in sorted({"", *named, *found})]
    return PredictionUsage(
        models=tuple(models),
        n_outcomes=contents.n_outcomes,
        n_unmatched=contents.n_waiting,
        unmatched_hours=retention.unmatched_hours,
        bytes_per_row=round(bytes_per_row, 1),
        mib=round(contents.n_bytes / _MIB, 2),
    )


def _usage_of(
    name: str, chain: ChainRows | None, retention: PredictionRetention, bytes_per_row: float, now: datetime
) -> ModelUsage:
    kept, keep_rows = retention.kept(name), retention.rows(name)
    oldest_at = None if chain is None else datetime.fromtimestamp(chain.oldest_us / 1e6, UTC)
    expected: float | None = None
    days: float | None = None
    if chain is not None and oldest_at is not None and (now - oldest_at).total_seconds() >= 60:
        rows = chain.n * max(kept / (now - oldest_at), 1.0)
        rows_a_day = chain.n / ((now - oldest_at) / timedelta(days=1))
        days = min(kept / timedelta(days=1), keep_rows / rows_a_day) if rows_a_day else None
        expected = round(min(rows, keep_rows) * bytes_per_row / _MIB, 2)
    return ModelUsage(
        model=name,
        n_rows=chain.n if chain is not None else 0,
        oldest_at=oldest_at,
        keep_days=kept.total_seconds() / 86_400,
        keep_rows=keep_rows,
        mib=round((chain.n if chain is not None else 0) * bytes_per_row / _MIB, 2),
        days_at_this_rate=None if days is None else round(days, 3),
        mib_at_this_rate=expected,
        mib_at_most=round(keep_rows * bytes_per_row / _MIB, 1),
    )
