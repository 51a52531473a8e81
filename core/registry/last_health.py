"""What monitoring last knew of the version that a return would put live, in sentences for the plan.

The engine writes it, this module only reads it: what cannot be read hinders no return.
"""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from core.clock import in_words
from core.errors import CoreError
from core.state import Workspace

DATABASE, TABLE = "monitoring", "models"
MOST_REASONS = 3
MOST_COLUMNS = 3
_ALARM, _FROM_CALLERS = "alarm", ("feature", "quality")
_UNKNOWN = "unknown"


class _Reason(msgspec.Struct, frozen=True, kw_only=True):
    text: str


class _Health(msgspec.Struct, frozen=True, kw_only=True):
    state: str = _UNKNOWN
    reasons: tuple[_Reason, ...] = ()
    missing: tuple[str, ...] = ()


class _Column(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    type: str
    verdict: str


class _Drift(msgspec.Struct, frozen=True, kw_only=True):
    columns: tuple[_Column, ...] = ()


class _Live(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    health: _Health = _Health()
    drift: _Drift | None = None


class _Earlier(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    live_until: datetime
    health: _Health


class KnownModel(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the monitoring of a model that a plan shows."""

    model: str
    versions: tuple[_Live, ...]
    earlier: tuple[_Earlier, ...] = ()
    revision: int = 0


def last_known(workspace: Workspace, model: str, returning: str) -> tuple[str, ...]:
    """Say how the version did when it was last live, and what a return does not cure.

    Args:
        workspace: The workspace.
        model: The model.
        returning: The version that would go live.
    """
    try:
        found = workspace.database(DATABASE).documents(TABLE, KnownModel, key="model").find(model)
    except CoreError:
        return ()
    return () if found is None else tuple(_sentences(found, returning))


def _sentences(found: KnownModel, returning: str) -> Iterator[str]:
    known = next((each for each in found.earlier if each.version == returning), None)
    candidate = next((each for each in found.versions[1:] if each.version == returning), None)
    if known is not None:
        last_live = f"when it was last live, until {in_words(known.live_until)}"
        yield f"{_did(returning, 'was', known.health)} {last_live}{_why(known.health)}."
    elif candidate is not None:
        yield f"{_did(returning, 'is', candidate.health)} as a candidate{_why(candidate.health)}."
    elif all(each.version != returning for each in found.versions):
        yield f"Monitoring knows nothing of {returning}: it has not been live of late."
    live = found.versions[0] if found.versions else None
    columns = live.drift.columns if live is not None and live.drift is not None else ()
    moved = dict.fromkeys(each.name for each in columns if each.verdict == _ALARM and each.type in _FROM_CALLERS)
    if moved:
        more = f" and {len(moved) - MOST_COLUMNS} more" if len(moved) > MOST_COLUMNS else ""
        yield (
            f"Requests have moved ({', '.join(list(moved)[:MOST_COLUMNS])}{more}). That is no fault of a version: "
            f"{returning} gets the same requests, and this does not cure it."
        )


def _did(version: str, verb: str, health: _Health) -> str:
    if health.state == _UNKNOWN:
        return f"The health of {version} {verb} not known"
    return f"{version} {verb} {health.state}"


def _why(health: _Health) -> str:
    texts = [reason.text for reason in health.reasons[:MOST_REASONS]] or list(health.missing[:1])
    return f": {'; '.join(texts)}" if texts else ""
