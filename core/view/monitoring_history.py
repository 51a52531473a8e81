"""How the health of a model and the verdicts on it changed: from its document, and from the recorded past."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from core.json_documents import msgpack_decoder
from core.monitoring.documents import ModelMonitoring, VersionMonitoring
from core.monitoring.monitoring_store import MonitoringStore, not_watched

if TYPE_CHECKING:
    from core.state import Workspace

FIELD = "monitoring"


class MonitoringChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change: of health, of a verdict, or of the versions that are live."""

    at: datetime
    version: str
    what: Literal["health", "inputs", "performance", "estimate", "live"]
    state: str  # empty once the version is no longer live
    before: str = ""  # empty at the first state that is known
    reason: str = ""  # empty where only the change is kept, not its reason


class MonitoringHistory(msgspec.Struct, frozen=True, kw_only=True):
    """The changes of one model, newest first."""

    model: str
    changes: tuple[MonitoringChange, ...]
    recorded_since: datetime | None = None  # verdicts and reasons are known from then on; None: nothing is recorded
    n_unreadable: int = 0  # recorded states of another version of the program


def monitoring_history(workspace: "Workspace", model: str, *, since: datetime | None = None) -> MonitoringHistory:
    """Return how a model's health and verdicts changed.

    The newest changes of health stay in the document of the model for as long as its version is live. Verdicts and
    reasons are compared in the recorded past, which reaches back `telemetry.past_hours`.

    Args:
        workspace: Where the model is watched.
        model: The model.
        since: Only changes at or after this time, UTC unless it has a zone; None for all.
    Raises:
        NotFoundError: The model is not watched, and was not in the recorded past.
        TelemetryError: The past cannot be read now, or its file is damaged.
    """
    from core.telemetry.past import PastReader

    store, past = MonitoringStore(workspace), PastReader(workspace.past_file)
    found: list[tuple[datetime, ModelMonitoring | None]] = []
    n_unreadable = 0
    decoder = msgpack_decoder(ModelMonitoring)
    for at, body in past.states(FIELD, model):
        try:
            found.append((at, None if body is None else decoder.decode(body)))
        except msgspec.DecodeError:
            n_unreadable += 1
    if (now := store.find(model)) is not None:
        found.append((now.updated_at, now))
    if not found and not n_unreadable:
        raise not_watched(model, (each.model for each in store.all()))
    changes = {
        (each.at, each.version, each.what, each.state): each for each in _kept(each for _, each in reversed(found))
    }
    changes |= {(each.at, each.version, each.what, each.state): each for each in _compared(found)}
    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    wanted = [each for each in changes.values() if since is None or each.at >= since]
    return MonitoringHistory(
        model=model,
        changes=tuple(sorted(wanted, key=lambda each: (each.at, each.version, each.what), reverse=True)),
        recorded_since=past.first(),
        n_unreadable=n_unreadable,
    )


def _kept(documents: Iterable[ModelMonitoring | None]) -> Iterator[MonitoringChange]:
    """Yield the changes of health that the documents keep."""
    for document in documents:
        for version in document.versions if document is not None else ():
            before = ""
            for change in version.health.changes:
                yield _health(version, change.at, change.state, before)
                before = change.state


def _compared(states: Iterable[tuple[datetime, ModelMonitoring | None]]) -> Iterator[MonitoringChange]:
    """Yield what differs between each state and the one before."""
    known: dict[str, VersionMonitoring] = {}
    is_first = True  # since when its versions are live is not known
    for seen_at, document in states:
        versions = {each.version: each for each in document.versions} if document is not None else {}
        at = document.updated_at if document is not None else seen_at
        for gone in known.keys() - versions.keys():
            yield MonitoringChange(at=at, version=gone, what="live", state="", before=known[gone].role)
        for number, version in versions.items():
            before = known.get(number)
            if not is_first and (before is None or before.role != version.role):
                was, since = ("", version.live_since or at) if before is None else (before.role, at)
                yield MonitoringChange(at=since, version=number, what="live", state=version.role, before=was)
            yield from _verdicts(version, before, at)
        known, is_first = versions, False


def _verdicts(version: VersionMonitoring, before: VersionMonitoring | None, at: datetime) -> Iterator[MonitoringChange]:
    parts: tuple[tuple[Literal["inputs", "performance", "estimate"], str, str, str], ...] = (
        ("inputs", _verdict(version.drift), _verdict(before and before.drift), _moved(version)),
        (
            "performance",
            _verdict(version.performance),
            _verdict(before and before.performance),
            version.performance.reason if version.performance else "",
        ),
        (
            "estimate",
            _verdict(version.estimate),
            _verdict(before and before.estimate),
            version.estimate.reason if version.estimate else "",
        ),
    )
    for what, state, was, reason in parts:
        if state != was:
            yield MonitoringChange(at=at, version=version.version, what=what, state=state, before=was, reason=reason)


def _verdict(part: object) -> str:
    return str(getattr(part, "verdict", "") or "")


def _moved(version: VersionMonitoring) -> str:
    """Name the columns that the verdict on the inputs rests on, with the reason of the first."""
    if version.drift is None:
        return ""
    moved = [each for each in version.drift.columns if each.verdict is version.drift.verdict]
    if not moved or version.drift.verdict not in ("alarm", "watch"):
        return ""
    more = f", and {len(moved) - 1} more" if len(moved) > 1 else ""
    return f"{moved[0].name}: {moved[0].reason}{more}"


def _health(version: VersionMonitoring, at: datetime, state: str, before: str) -> MonitoringChange:
    is_last = version.health.since == at
    reason = next((each.text for each in version.health.reasons), "") if is_last else ""
    return MonitoringChange(
        at=at, version=version.version, what="health", state=str(state), before=str(before), reason=reason
    )
