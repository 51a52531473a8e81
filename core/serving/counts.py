"""The counters of all processes of one server: each process keeps a file of its own, and any of them answers the sum.

A Prometheus counter never falls, whichever process answers. So a process writes its own file first and then adds up
files only. The file of an ended process stays, because its requests were answered.
"""

import logging
from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path

import msgspec

from core.files import write_file
from core.plain_files import read_file
from core.serving.stats import ServerStats, VersionStats
from core.telemetry.predictions import PredictionHealth

log = logging.getLogger(__name__)

_NOTHING = PredictionHealth(0, 0, 0, None)


class Counts(msgspec.Struct):
    """The counters of one process, or of several."""

    versions: list[tuple[str, str, VersionStats]] = []
    refused: list[tuple[str, int, int]] = []  # dialect, status, how many
    n_outcomes_refused: int = 0
    n_evicted: int = 0
    health: PredictionHealth = _NOTHING

    @classmethod
    def of(cls, stats: ServerStats, health: PredictionHealth) -> "Counts":
        """Take the counters of this process."""
        refused = [(dialect, status, n) for (dialect, status), n in list(stats.refused.items())]
        return cls(stats.versions(), refused, stats.n_outcomes_refused, stats.n_evicted, health)


def total(parts: Iterable[Counts]) -> Counts:
    """Add up counters; recording has failed if it has failed in one process."""
    stats, health = ServerStats(), _NOTHING
    for part in parts:
        for model, version, counted in part.versions:
            stats.of(model, version).add(counted)
        for dialect, status, n in part.refused:
            stats.refused[dialect, status] += n
        stats.n_outcomes_refused += part.n_outcomes_refused
        stats.n_evicted += part.n_evicted
        sums = {
            field.name: getattr(health, field.name) + getattr(part.health, field.name)
            for field in fields(PredictionHealth)
            if field.name != "failure"
        }
        health = PredictionHealth(**sums, failure=health.failure or part.health.failure)
    return Counts.of(stats, health)


class SharedCounts:
    """The counters of the processes of one server, in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        """Prepare.

        Args:
            folder: Of all processes.
            name: Of this process; never used again after it has ended.
        """
        self._folder = folder
        self._name = f"{name}.json"

    def write(self, own: Counts) -> None:
        """Write the counters of this process."""
        write_file(self._folder / self._name, msgspec.json.encode(own), durable=False)

    def settle(self) -> None:
        """Note that the process has ended: its counters stay, without records that wait and without a failure."""
        file = self._folder / self._name
        try:
            left = msgspec.json.decode(read_file(file), type=Counts)
        except (OSError, msgspec.DecodeError):  # it ended before it counted anything
            return
        left.health = replace(left.health, n_waiting=0, failure=None)
        self.write(left)

    def total(self, own: Counts) -> Counts:
        """Add up the counters of all processes; a file that cannot be read is left out and logged."""
        self.write(own)
        parts = []
        for file in sorted(self._folder.glob("[!.]*.json")):
            try:
                parts.append(msgspec.json.decode(read_file(file), type=Counts))
            except (OSError, msgspec.DecodeError) as error:
                log.error("the counters in %s cannot be read: %s", file, error)
        return total(parts)
