"""The rows that one version has just answered, on their way to the thread that counts them."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from core.monitoring.data_profile import DataProfile
from core.monitoring.live.counting import SketchCounter
from core.monitoring.live.encoding import profile_number
from core.monitoring.live.sketch import ProfileIndex
from core.serving.live.sampler import RequestSampler
from core.serving.stats import VersionStats

if TYPE_CHECKING:
    from core.models.scoring.fields import Rows
    from core.serving.scoring.scorer import Scorer

MOST_CELLS = 4_000_000
"""Cells that may wait to be counted, by version: 32 MiB of numbers, or seven seconds of the highest rate."""
COUNTED_TOGETHER = 2_048
"""Rows that are counted together. The counting thread is woken once so many wait, before its second is over: rows are
counted for a third less while they are still in the processor's cache."""
_EARLY = 4  # or from this part of the cells that may wait, if these are fewer rows

UnixClock = Callable[[], float]


class AnsweredRequest(NamedTuple):
    """The rows of one request, and the answers to them; what the answering thread had anyway."""

    at: float  # seconds since 1970
    request_id: str
    rows: "Rows"
    values: Sequence[Any]
    share: float = 1.0  # of the requests, by which it was chosen to be counted; 0: it is here for the log of features

    @property
    def is_counted(self) -> bool:
        """Whether it was chosen to be counted."""
        return self.share > 0.0


class RowTally:
    """A number of rows that one thread raises, and another takes."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self._n = self._n_taken = 0  # each is changed by one thread only

    def add(self, n: int) -> None:
        """Raise it."""
        self._n += n

    def take(self) -> int:
        """Return by how much it was raised since the last call."""
        n = self._n
        found, self._n_taken = n - self._n_taken, n
        return found


class LiveTap:
    """Takes the answered rows of one version; one thread adds, another takes.

    Attributes:
        model: The model.
        version: Its version.
        profile: The name of its profile; empty if it has none.
        counter: Counts its rows; None without a profile.
        numbers: Names of its numeric fields.
        texts: Names of its other fields.
        signature: The fields of a row.
        retired_at: When the version was unloaded, by the clock of `UnixClock`; None while it is loaded.
        dropped: Rows that found no room.
        left_out: Rows for which a random share of the requests stands.
    """

    def __init__(
        self,
        model: str,
        version: str,
        scorer: "Scorer",
        profile: DataProfile | None,
        stats: VersionStats,
        *,
        wake: threading.Event,
        seconds: UnixClock,
        takes_all: bool = False,
    ) -> None:
        """Prepare.

        Args:
            model: The model.
            version: Its version.
            scorer: Its scorer, which knows the fields of a row.
            profile: What it learned from, if it has a profile.
            stats: Its counters.
            wake: Set when much waits.
            seconds: The time.
            takes_all: Whether requests that are not counted are handed over, too.
        """
        self.model = model
        self.version = version
        self.retired_at: float | None = None
        self.profile = "" if profile is None else profile_number(profile)
        self.counter = None if profile is None else _counter_of(profile, scorer)
        self.numbers = tuple(field.name for field in scorer.signature.numbers)
        self.texts = tuple(field.name for field in scorer.signature.texts)
        self.signature = scorer.signature
        self.stats = stats
        self._wake = wake
        self._seconds = seconds
        self._takes_all = takes_all
        self._sampler = None if self.counter is None else RequestSampler()
        self._limit = max(MOST_CELLS // max(len(scorer.signature.fields), 1), 1)
        self._early = max(min(self._limit // _EARLY, COUNTED_TOGETHER), 1)
        self._waiting: deque[AnsweredRequest] = deque()
        self._n_in = self._n_out = 0  # each is changed by one thread only
        self.dropped, self.left_out = RowTally(), RowTally()

    def add(self, request_id: str, rows: "Rows", values: Sequence[Any]) -> None:
        """Take the rows of an answered request; never blocks. If too many wait, they are counted as dropped."""
        n = len(values)
        is_counted = self._sampler is None or self._sampler.chooses(n)
        if not is_counted:
            self.left_out.add(n)
            if not self._takes_all:
                return
        n_waiting = self._n_in - self._n_out
        if n_waiting and n_waiting + n > self._limit:
            self.dropped.add(n if is_counted else 0)
            return
        self._n_in += n
        share = self.share if is_counted else 0.0
        self._waiting.append(AnsweredRequest(self._seconds(), request_id, rows, values, share))
        if n_waiting + n > self._early:
            self._wake.set()

    @property
    def share(self) -> float:
        """The share of the requests that is counted now."""
        return 1.0 if self._sampler is None else self._sampler.share

    def follow(self) -> None:
        """Set the share of the requests that is counted by the rate of the last minute; for the thread that takes."""
        if self._sampler is not None:
            self._sampler.follow(self._seconds())

    def take(self) -> list[AnsweredRequest]:
        """Return the next requests, the oldest first, of as many rows as are counted together."""
        waiting, taken, n = self._waiting, list[AnsweredRequest](), 0
        while waiting and n < COUNTED_TOGETHER:
            taken.append(each := waiting.popleft())
            n += len(each.values)
        self._n_out += n
        return taken


def _counter_of(profile: DataProfile, scorer: "Scorer") -> SketchCounter:
    signature = scorer.signature
    return SketchCounter(
        ProfileIndex(profile),
        numbers=[field.name for field in signature.numbers],
        texts=[field.name for field in signature.texts],
        classes=scorer.form.classes or signature.classes,
    )
