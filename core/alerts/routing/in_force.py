"""The routing of a workspace as any process knows it, and which alerts it keeps from being told."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from core.alerts.alert import Alert
from core.alerts.routing.config import RoutingConfig
from core.alerts.routing.effective import effective_document
from core.alerts.routing.last_good import NAME, RoutingRecord, recalled, records_of
from core.alerts.routing.placement import Placements
from core.alerts.routing.reading import RoutingFaultsError, load_routing, routing_file
from core.errors import CoreError
from core.escape import spelled_out
from core.json_documents import decode_json
from core.settings import SettingsError, settings_in_force

if TYPE_CHECKING:
    from core.state import Workspace


@dataclass(frozen=True, slots=True)
class RoutingStanding:
    """What is in force, and why it is not the file of now, if it is not."""

    config: RoutingConfig | None = None
    problem: str = ""
    """What is wrong with the file, where and since when, and what is in force instead; empty while it can be used."""
    error: SettingsError | None = None
    read_at: datetime | None = None
    """When what is in force instead was read."""


def routing_standing(workspace: "Workspace") -> RoutingStanding:
    """Return the routing in force: that of the settings' file, or while it cannot be used the last good one.

    An engine records what it follows, so that every process knows it.
    """
    root, file = workspace.root, None
    try:
        file = routing_file(root, settings_in_force(root).alerts.routing)
        if file is None:
            return RoutingStanding()
        return RoutingStanding(_loaded(file, _version(file)))
    except SettingsError as error:
        record, config = _recorded(workspace)
        return RoutingStanding(
            config, _sentence(root, error, file, record), error, None if record is None else record.read_at
        )


def routing_in_force(workspace: "Workspace") -> RoutingConfig | None:
    """Return the routing in force; None without one. See `routing_standing`."""
    return routing_standing(workspace).config


NO_ROUTING: Final = (
    "There is no routing file, so only attached consoles are told. Name one as alerts.routing in bondx.yaml."
)


class ShownRouting(msgspec.Struct, frozen=True, kw_only=True):
    """The routing in force for programs."""

    file: str  # where it was read; empty without one
    problem: str  # as of the standing
    read_at: datetime | None  # of an earlier one that is in force instead of the file
    configuration: dict[str, Any]  # without its secrets; empty without one


def shown_routing(standing: RoutingStanding) -> ShownRouting:
    """Return the routing in force for programs."""
    config = standing.config
    return ShownRouting(
        file="" if config is None else str(config.file),
        problem=standing.problem,
        read_at=standing.read_at,
        configuration={} if config is None else effective_document(config),
    )


def comment_of(standing: RoutingStanding) -> str:
    """Return what is wrong with the routing file as a line of YAML; empty if nothing is."""
    return f"# {spelled_out(standing.problem)}\n" if standing.problem else ""


def _sentence(root: Path, error: SettingsError, file: Path | None, record: RoutingRecord | None) -> str:
    since = _faulty_since(file, record)
    when = f" since {_minute(since)}" if since is not None else ""
    faults = error.faults if isinstance(error, RoutingFaultsError) else (error,)
    first = str(faults[0]).replace(f"{root}/", "").rstrip(".")
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    faulty = f"The routing file cannot be used{when}: {first}{more}."
    if record is None:
        return f"{faulty} No earlier routing is known: only attached consoles are told."
    follows = f"{faulty} In force is the routing of {_minute(record.read_at)}"
    if not record.follows_record or not record.unreachable:
        return f"{follows}."
    names = ", ".join(record.unreachable)
    return f"{follows}, but nothing is sent to {names}: a secret stood in the file, and is not kept elsewhere."


def _faulty_since(file: Path | None, record: RoutingRecord | None) -> datetime | None:
    if record is not None and record.faulty_since is not None:
        return record.faulty_since
    try:  # no engine has seen it yet
        return None if file is None else datetime.fromtimestamp(os.stat(file).st_mtime, UTC)
    except (OSError, OverflowError, ValueError):
        return None


def _minute(at: datetime) -> str:
    return f"{at:%d %b %H:%M} UTC"


def _recorded(workspace: "Workspace") -> tuple[RoutingRecord | None, RoutingConfig | None]:
    """Return the record with its configuration; neither if one of them cannot be used."""
    try:
        record = records_of(workspace).find(NAME)
        return (None, None) if record is None else (record, _recalled(_content(record)))
    except (CoreError, OSError):  # the doctor says so
        return None, None


def _version(file: Path) -> tuple[int, ...]:
    try:
        status = os.stat(file)
    except OSError:
        return ()  # reading it says why
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _content(record: RoutingRecord) -> bytes:
    """Return what makes the configuration of a record: one that stays the same is one object to its readers."""
    same = msgspec.structs.replace(record, faulty_since=None, follows_record=False, revision=0)
    return msgspec.json.encode(same)


@lru_cache(maxsize=4)
def _recalled(content: bytes) -> RoutingConfig:
    return recalled(decode_json(content, RoutingRecord))


@lru_cache(maxsize=4)
def _loaded(file: Path, _version: Sequence[int]) -> RoutingConfig:
    return load_routing(file)


def inhibited_by(placements: Placements, open_alerts: Sequence[Alert]) -> Mapping[str, str]:
    """Return the alerts that nobody is told of while another one fires, by fingerprint, with the name of that one.

    Args:
        placements: Where the alerts belong under the routing in force.
        open_alerts: Every open alert.
    """
    if not placements.rules:
        return {}
    inhibition = placements.inhibition(open_alerts)
    sources = {alert.fingerprint: inhibition.source_of(placements.of(alert)) for alert in open_alerts}
    return {name: source.get("alertname", "another alert") for name, source in sources.items() if source is not None}
