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
from core.alerts.routing.signatures import routing_signature
from core.clock import in_words
from core.errors import CoreError
from core.escape import spelled_out
from core.json_documents import decode_json
from core.plain_files import Signatures
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
    root, fault = workspace.root, None
    record = config = file = None
    try:
        file = routing_file(root, settings_in_force(root).alerts.routing)
    except SettingsError as error:  # an engine goes on with the file that was named before
        record, config = _recorded(workspace)
        fault, file = error, None if record is None else Path(record.file)
    settings_problem = "" if fault is None else _settings_sentence(root, fault, file)
    if file is None:
        return RoutingStanding(problem=settings_problem, error=fault)
    try:
        return RoutingStanding(_loaded(file), settings_problem, fault)
    except SettingsError as error:
        if fault is None:
            record, config = _recorded(workspace)
        problem = " ".join(filter(None, (settings_problem, _sentence(root, error, file, record))))
        return RoutingStanding(config, problem, error, None if record is None else record.read_at)


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


def _settings_sentence(root: Path, error: SettingsError, file: Path | None) -> str:
    """Say which routing file is followed while the settings cannot be read."""
    faulty = f"The settings cannot be used{_since(_changed_at(error.file))}: {_told(root, error)}."
    if file is None:
        return f"{faulty} No earlier routing is known: only attached consoles are told."
    return f"{faulty} The routing file stays the one that they named before: {_relative(root, str(file))}."


def _sentence(root: Path, error: SettingsError, file: Path, record: RoutingRecord | None) -> str:
    since = record.faulty_since if record is not None else None  # else no engine has seen it yet
    what = "routing file" if error.file == file else "file of templates of the routing file"
    faults = error.faults if isinstance(error, RoutingFaultsError) else (error,)
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    when = _since(since or _changed_at(error.file))
    faulty = f"The {what} cannot be used{when}: {_told(root, faults[0])}{more}."
    if record is None:
        return f"{faulty} No earlier routing is known: only attached consoles are told."
    follows = f"{faulty} In force is the routing of {in_words(record.read_at)}"
    if not record.follows_record or not record.unreachable:
        return f"{follows}."
    names = ", ".join(record.unreachable)
    return (
        f"{follows}, but nothing is sent to {names}: a secret, or an address that may hold one, stood in the file, and "
        "is not kept elsewhere."
    )


def _told(root: Path, error: SettingsError) -> str:
    return _relative(root, str(error)).rstrip(".?")


def _relative(root: Path, text: str) -> str:
    return text.replace(f"{root}/", "")


def _since(at: datetime | None) -> str:
    return "" if at is None else f" since {in_words(at)}"


def _changed_at(file: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(os.stat(file).st_mtime, UTC)
    except (OSError, OverflowError, ValueError):
        return None


def _recorded(workspace: "Workspace") -> tuple[RoutingRecord | None, RoutingConfig | None]:
    """Return the record with its configuration; neither if one of them cannot be used."""
    try:
        record = records_of(workspace).find(NAME)
        return (None, None) if record is None else (record, _recalled(_content(record)))
    except (CoreError, OSError):  # the doctor says so
        return None, None


def _content(record: RoutingRecord) -> bytes:
    """Return what makes the configuration of a record: one that stays the same is one object to its readers."""
    same = msgspec.structs.replace(record, faulty_since=None, follows_record=False, revision=0)
    return msgspec.json.encode(same)


@lru_cache(maxsize=4)
def _recalled(content: bytes) -> RoutingConfig:
    return recalled(decode_json(content, RoutingRecord))


class _Loaded:
    """The configuration of one file, as long as neither it nor its templates change."""

    def __init__(self) -> None:
        self._known: tuple[Signatures, RoutingConfig] | None = None

    def of(self, file: Path) -> RoutingConfig:
        """Return it; raises as `load_routing` does."""
        known = self._known
        patterns = known[1].templates if known is not None else ()
        signature = routing_signature(file, patterns)
        if known is not None and known[0] == signature:
            return known[1]
        config = load_routing(file)
        if config.templates != patterns:  # which files matter is known from here
            signature = routing_signature(file, config.templates)
            config = load_routing(file)
        self._known = (signature, config)
        return config


@lru_cache(maxsize=4)
def _loaded_from(_file: Path) -> _Loaded:
    return _Loaded()


def _loaded(file: Path) -> RoutingConfig:
    return _loaded_from(file).of(file)


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
