"""Counters of answers, cheap enough for every request; Prometheus reads them on request.

Only the answering thread changes them, so an increment needs no lock.
"""

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Self

import msgspec

from core.metrics.limits import MOST_UNLOADED
from core.registry.numbering import SemanticVersion

if TYPE_CHECKING:
    from core.text.sampling import WrittenText
    from core.text.traffic import PromptFigures, TextFacts

BOUNDS_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class TextStats(msgspec.Struct):
    """The counters of the texts of one version since the server started."""

    finished: dict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))  # documents, by how they ended
    n_tokens: int = 0  # written
    n_weighed: int = 0  # of these, tokens of documents that were not cut off
    nats: float = 0.0  # of these
    n_prompts: int = 0  # that were weighed
    n_prompt_tokens: int = 0  # of these, all
    n_prompt_weighed: int = 0  # of these, the first ones, which were weighed
    prompt_nats: float = 0.0  # of these
    n_unweighed: int = 0  # prompts, since all threads were writing
    n_agreeing: int = 0  # whole documents whose facts agree
    n_contradicted: int = 0

    def wrote(self, written: Sequence["WrittenText"]) -> None:
        """Count the documents of a request."""
        for each in written:
            self.finished[each.finish] += 1
            self.n_tokens += each.n_tokens
            if each.nats:  # unknown of a document that was cut off
                self.nats += each.nats
                self.n_weighed += each.n_tokens

    def judged(self, found: "TextFacts") -> None:
        """Count the facts of the documents of a request."""
        self.n_agreeing += found.n_agreeing
        self.n_contradicted += found.n_contradicted

    def measured(self, found: "PromptFigures | None") -> None:
        """Count what was measured of a prompt; None: nothing was."""
        if found is None:
            self.n_unweighed += 1
            return
        self.n_prompts += 1
        self.n_prompt_tokens += found.n_tokens
        self.n_prompt_weighed += found.n_weighed
        self.prompt_nats += found.nats

    def add(self, other: Self) -> None:
        """Add the counters of another process."""
        for name, n in other.finished.items():
            self.finished[name] += n
        for name in self.__struct_fields__:
            if name != "finished":
                setattr(self, name, getattr(self, name) + getattr(other, name))


class VersionStats(msgspec.Struct):
    """The counters of one version since the server started."""

    n_requests: int = 0
    n_rows: int = 0
    n_errors: int = 0
    n_shadow: int = 0
    n_copies_dropped: int = 0
    n_live: int = 0  # rows counted in the bins of the profile; this and the next three change in the counting thread
    n_live_left_out: int = 0
    n_live_dropped: int = 0
    n_live_unprofiled: int = 0
    n_explained: int = 0  # rows; this and the next change in the explaining thread
    n_unexplained: int = 0
    seconds: float = 0.0
    last_used: float = 0.0  # seconds that only go forward, of this machine
    buckets: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS_SECONDS) + 1))
    unfamiliar: dict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))
    texts: TextStats | None = None  # of a model of language

    def answered(self, seconds: float, n_rows: int) -> None:
        """Count one answered request."""
        self.last_used = time.monotonic()
        self.n_requests += 1
        self.n_rows += n_rows
        self.seconds += seconds
        self.buckets[bisect_left(BOUNDS_SECONDS, seconds)] += 1

    def add(self, other: Self) -> None:
        """Add the counters of another process."""
        self.n_requests += other.n_requests
        self.n_rows += other.n_rows
        self.n_errors += other.n_errors
        self.n_shadow += other.n_shadow
        self.n_copies_dropped += other.n_copies_dropped
        self.n_live += other.n_live
        self.n_live_left_out += other.n_live_left_out
        self.n_live_dropped += other.n_live_dropped
        self.n_live_unprofiled += other.n_live_unprofiled
        self.n_explained += other.n_explained
        self.n_unexplained += other.n_unexplained
        self.seconds += other.seconds
        self.buckets = [mine + theirs for mine, theirs in zip(self.buckets, other.buckets, strict=True)]
        for name, n in other.unfamiliar.items():
            self.unfamiliar[name] += n
        if other.texts is not None:
            self.texts = self.texts or TextStats()
            self.texts.add(other.texts)


class EarlierStats(msgspec.Struct):
    """The sum of the counters of a model's older versions, which are unloaded and have none of their own any more."""

    until: str  # the newest of these versions
    counted: VersionStats = msgspec.field(default_factory=VersionStats)

    def add(self, version: str, counted: VersionStats) -> None:
        """Add a version, or the sum of another process up to it."""
        self.until = max(self.until, version, key=SemanticVersion.parse)
        self.counted.add(counted)

    def covers(self, version: str) -> bool:
        """Whether a version, unless it is loaded, is among them."""
        return SemanticVersion.parse(version) <= SemanticVersion.parse(self.until)


class ServerStats:
    """All counters of one server."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], VersionStats] = {}
        self.earlier: dict[str, EarlierStats] = {}  # by model
        self.refused: dict[tuple[str, int], int] = defaultdict(int)  # (dialect, status) -> how many
        self.n_telemetry_dropped = 0
        self.n_outcomes_refused = 0
        self.n_evicted = 0

    def of(self, model: str, version: str) -> VersionStats:
        """Return the counters of a version; they survive its unloading."""
        return self._versions.setdefault((model, version), VersionStats())

    def versions(self) -> list[tuple[str, str, VersionStats]]:
        """List the counters of every version that was ever loaded, but for those in `earlier`."""
        return [(model, version, stats) for (model, version), stats in list(self._versions.items())]

    def join_earlier(self, loaded: Container[tuple[str, str]]) -> None:
        """Add up the counters of old unloaded versions, so that what is counted does not grow with every version.

        Args:
            loaded: The models and versions whose counters stay.
        """
        unloaded: dict[str, list[str]] = defaultdict(list)
        for model, version in list(self._versions):
            if (model, version) not in loaded:
                unloaded[model].append(version)
        for model, versions in unloaded.items():
            for version in sorted(versions, key=SemanticVersion.parse)[:-MOST_UNLOADED]:
                self.add_earlier(model, version, self._versions.pop((model, version)))

    def add_earlier(self, model: str, version: str, counted: VersionStats) -> None:
        """Add counters to those of a model's older versions."""
        self.earlier.setdefault(model, EarlierStats(version)).add(version, counted)
