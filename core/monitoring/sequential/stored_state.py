"""The state of a version's sequential verdict as bytes, which survive a restart of the engine."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from core.arrays import AnyArray, FloatArray, IntArray
from core.errors import CoreError
from core.json_documents import decode_msgpack
from core.monitoring.sequential.alike_minute import RecentLevels
from core.monitoring.sequential.detector import LATE_MINUTES, Detectors
from core.monitoring.sequential.dispersion import TABLES, Dispersion
from core.monitoring.sequential.scores import Aspect
from core.monitoring.sequential.sequential_drift import DriftState, StreamMove, new_state
from core.monitoring.sequential.streams import Streams
from core.monitoring.sequential.warm_up import WARM_TABLES
from core.monitoring.verdicts import DriftVerdict

MOST_BYTES = 16 << 20
_MOST_ROWS = 1 << 53

Whole = Annotated[int, Meta(ge=0, le=_MOST_ROWS)]


class DriftStateError(CoreError):
    """The stored state of a sequential verdict cannot be used."""


class _StoredFinding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    stream: Whole
    found_at: datetime
    aspect: Aspect
    verdict: DriftVerdict
    changed_at: datetime
    changed_from: datetime
    changed_until: datetime
    rows: bytes


class _StoredLevels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rows: bytes
    sums: bytes
    alike_for: float


class _StoredState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: Literal[3]
    fingerprint: str
    cursor: Whole
    by_minute: bytes
    by_day: bytes
    day: bytes
    dispersion: dict[str, bytes]
    warm_up: dict[str, bytes]
    today: bytes
    yesterday: bytes
    quiet_at: bytes
    findings: tuple[_StoredFinding, ...]
    begun_at: datetime | None
    last_at: datetime | None
    n_minutes: Whole
    n_rows: Whole
    added: Annotated[dict[Whole, bytes], Meta(max_length=LATE_MINUTES)] = {}
    recent_levels: _StoredLevels | None = None  # states of earlier releases do not have them


def state_to_bytes(state: DriftState, streams: Streams, cursor: int = 0) -> bytes:
    """Return a state as bytes; the same state gives the same bytes.

    Args:
        state: The state.
        streams: The bets that it belongs to.
        cursor: How far its reader has read.
    """
    found = _StoredState(
        format=3,
        fingerprint=streams.fingerprint,
        cursor=cursor,
        by_minute=_floats(state.detectors.by_minute),
        by_day=_floats(state.detectors.by_day),
        day=_floats(state.detectors.today),
        dispersion={name: _floats(getattr(state.dispersion, name)) for name in TABLES},
        warm_up={name: _floats(getattr(state.dispersion.warm_up, name)) for name in WARM_TABLES},
        today=_wholes(state.today),
        yesterday=_wholes(state.yesterday),
        quiet_at=_wholes(state.quiet_at),
        findings=tuple(
            _StoredFinding(
                stream=k,
                found_at=each.found_at,
                aspect=each.aspect,
                verdict=each.verdict,
                changed_at=each.changed_at,
                changed_from=each.changed_from,
                changed_until=each.changed_until,
                rows=_wholes(each.rows),
            )
            for k, each in sorted(state.findings.items())
        ),
        begun_at=state.begun_at,
        last_at=state.last_at,
        n_minutes=state.n_minutes,
        n_rows=state.n_rows,
        added={number: _floats(log_e) for number, log_e in sorted(state.detectors.added.items())},
        recent_levels=_StoredLevels(
            rows=_floats(state.recent_levels.rows),
            sums=_floats(state.recent_levels.sums),
            alike_for=state.recent_levels.alike_for,
        ),
    )
    return msgspec.msgpack.encode(found)


def state_from_bytes(content: bytes, streams: Streams) -> tuple[DriftState, int]:
    """Read a state strictly.

    Args:
        content: The bytes.
        streams: The bets of the same version.
    Returns:
        The state, and the cursor of its reader.
    Raises:
        DriftStateError: It is not a state, contradicts itself, or belongs to another profile or other settings.
    """
    if len(content) > MOST_BYTES:
        raise DriftStateError(
            f"the state of the sequential verdict has {len(content):,} bytes; it may have {MOST_BYTES:,}"
        )
    try:
        stored = decode_msgpack(content, _StoredState)
    except msgspec.DecodeError as error:
        raise DriftStateError(f"the state of the sequential verdict cannot be read ({error})") from error
    if stored.fingerprint != streams.fingerprint:
        raise DriftStateError("the state of the sequential verdict belongs to another profile or to other settings")
    empty = new_state(streams)
    try:
        return _read(stored, empty), stored.cursor
    except (ValueError, KeyError) as error:
        raise DriftStateError(f"the state of the sequential verdict contradicts itself ({error})") from error


def _read(stored: _StoredState, empty: DriftState) -> DriftState:
    moments = [stored.begun_at, stored.last_at]
    findings = {}
    for each in stored.findings:
        moments += [each.found_at, each.changed_at, each.changed_from, each.changed_until]
        if each.stream >= len(empty.quiet_at) or each.stream in findings:
            raise ValueError("a finding of no stream")
        rows = _read_wholes(each.rows, empty.today[0])
        findings[each.stream] = StreamMove(
            each.found_at, each.aspect, each.verdict, each.changed_at, each.changed_from, each.changed_until, rows
        )
    if any(moment is not None and moment.tzinfo is None for moment in moments):
        raise ValueError("a time without a zone")
    if (stored.begun_at is None) != (stored.last_at is None):
        raise ValueError("a beginning without an end")
    logs = empty.detectors.today
    dispersion = _read_dispersion(stored, empty.dispersion)
    return DriftState(
        detectors=Detectors(
            _read_floats(stored.by_minute, logs, np.isneginf),
            _read_floats(stored.by_day, logs, np.isneginf),
            _read_floats(stored.day, logs),
            {number: _read_floats(log_e, logs) for number, log_e in stored.added.items()},
        ),
        dispersion=dispersion,
        recent_levels=_read_levels(stored.recent_levels, dispersion),
        today=_read_wholes(stored.today, empty.today),
        yesterday=_read_wholes(stored.yesterday, empty.today),
        quiet_at=_read_wholes(stored.quiet_at, empty.quiet_at, most=_LAST_MINUTE),
        findings=findings,
        begun_at=stored.begun_at,
        last_at=stored.last_at,
        n_minutes=stored.n_minutes,
        n_rows=stored.n_rows,
    )


def _read_dispersion(stored: _StoredState, empty: Dispersion) -> Dispersion:
    names = set(TABLES) - set(stored.dispersion)
    if not names <= {_WEIGHED} or len(stored.dispersion) + len(names) != len(TABLES):
        raise ValueError("other tables of dispersion")
    if set(stored.warm_up) != set(WARM_TABLES):
        raise ValueError("other tables of the first minutes")
    found = {}
    for name in stored.dispersion:
        like = getattr(empty, name)
        least = -np.inf if name.endswith("sums") else 0.0
        found[name] = _read_floats(stored.dispersion[name], like, least=least).reshape(like.shape)
    batches, inner_rows, inner, shown = (
        _read_floats(stored.warm_up[name], empty.warm_up.least, np.isposinf) for name in WARM_TABLES
    )
    warm_up = replace(empty.warm_up, batches=batches, rows=inner_rows, inner=inner, least=shown)
    if _WEIGHED in found:
        return Dispersion(empty.columns, warm_up, **found)
    read = Dispersion(empty.columns, warm_up, **found, weighed=np.zeros_like(empty.weighed))
    return replace(read, weighed=np.minimum(read.pairs(), read.compared))


def _read_levels(stored: _StoredLevels | None, dispersion: Dispersion) -> RecentLevels:
    rows, sums = dispersion.last_rows[0], dispersion.last_sums[0]
    if stored is None:
        return RecentLevels(rows.copy(), sums.copy())
    if not 0.0 <= stored.alike_for < np.inf:
        raise ValueError("a time that cannot be")
    return RecentLevels(_read_floats(stored.rows, rows, least=0.0), _read_floats(stored.sums, sums), stored.alike_for)


_WEIGHED = "weighed"  # states of earlier releases do not have it: as many as there would be of equal weight
_LAST_MINUTE = 4_000_000_000  # of the year 9575: minutes since 1970 that a time can hold


def _floats(values: FloatArray) -> bytes:
    return np.ascontiguousarray(values, dtype="<f8").tobytes()


def _wholes(values: IntArray) -> bytes:
    return np.ascontiguousarray(values, dtype="<i8").tobytes()


def _read_floats(
    content: bytes, like: FloatArray, spared: Callable[[FloatArray], AnyArray] | None = None, least: float = -np.inf
) -> FloatArray:
    values = np.frombuffer(_sized(content, like), dtype="<f8").astype(np.float64)
    is_good = np.isfinite(values) if spared is None else np.isfinite(values) | spared(values)
    if not is_good.all() or (values < least).any():
        raise ValueError("a number that cannot be")
    return values


def _read_wholes(content: bytes, like: IntArray, most: int = _MOST_ROWS) -> IntArray:
    values = np.frombuffer(_sized(content, like), dtype="<i8").astype(np.int64).reshape(like.shape)
    if values.size and not 0 <= int(values.min()) <= int(values.max()) <= most:
        raise ValueError("a count that cannot be")
    return values


def _sized(content: bytes, like: AnyArray) -> bytes:
    if len(content) != 8 * like.size:
        raise ValueError(f"{len(content)} bytes instead of {8 * like.size}")
    return content
