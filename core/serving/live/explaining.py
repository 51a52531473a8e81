"""Explaining a random sample of the answered rows of each minute, in a thread of its own.

The counting thread chooses the rows: each row of a minute gets a random number, and those with the least are kept, so
that every row has the same chance however many come. Where requests are counted by a share, the number of a row is
drawn from 0 to the share of its request: that a row gets a number below a limit is then as likely as if all requests
were counted, whatever the share was then, as long as the limit is below the least share of the minute. Rows of one
request are counted together or not at all: where few large requests are counted, their rows have a smaller chance (a
fifth less where six of 10,000 rows are).

When the minute is over, the sample is explained, and only sums of contributions are stored. A version is loaded for
that when its first minute is over. The thread rests after each sample, so that explaining takes at most one hundredth
of the time of one processor, shared among the loaded versions: minutes of a version that it rests through are stored
as not explained.

Source: Duffield, Lund and Thorup, Journal of the ACM 54(6), 2007 (priority sampling).
"""

import logging
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from core.arrays import FloatArray
from core.clock import Clock
from core.errors import CoreError
from core.explain.served_sketch import merged_contributions
from core.models.scoring.fields import Rows
from core.serving.live.tap import AnsweredRequest, LiveTap
from core.settings.current import CurrentSettings
from core.settings.telemetry import LiveRetention
from core.state import Workspace
from core.telemetry.live import CountedMinute, LiveWriter

if TYPE_CHECKING:
    from core.training.own_data.served_explainer import ServedExplainer

log = logging.getLogger(__name__)

MOST_SHARE: Final = 0.01
"""Of the time that explaining takes, but for the first sample of each version."""
MOST_WAITING: Final = 200
"""Samples that wait to be explained, of all versions; those of later minutes are stored as not explained."""
CLOSE_SECONDS: Final = 2.0
"""How long what waits may be explained when a server stops: less than `stuck.STORE_SECONDS`, in which all is stored."""
_VersionKey = tuple[str, str]


class SampledRow(NamedTuple):
    """A row that was chosen, and the number by which."""

    key: float
    request: int
    numbers: FloatArray
    texts: Any


@dataclass(slots=True)
class _Sample:
    """The chosen rows of one version within one minute.

    Attributes:
        rows: The rows with the least keys so far, in order of these.
        n: Rows that they were chosen from.
        n_requests: Requests of which rows could be chosen.
        n_left_out: Further rows, whose requests were not handed over, at random.
        n_dropped: Rows that nothing stands for.
        least_share: The least share by which requests of the minute were handed over.
    """

    rows: list[SampledRow] = field(default_factory=list)
    n: int = 0
    n_requests: int = 0
    n_left_out: int = 0
    n_dropped: int = 0
    least_share: float = 1.0


class _Job(NamedTuple):
    """A sample to explain."""

    tap: LiveTap
    at: int
    sample: _Sample


class ServedExplanations:
    """Chooses rows of each minute, and stores the sums of their contributions; nothing that fails stops an answer."""

    def __init__(
        self,
        workspace: Workspace,
        settings: CurrentSettings,
        *,
        retention: LiveRetention | None = None,
        clock: Clock,
        stopwatch: Callable[[], float] = time.perf_counter,
        seed: int | None = None,
    ) -> None:
        """Open the store; nothing is explained before `start`.

        Args:
            workspace: The workspace with the store.
            settings: How many rows a minute, and which columns must not appear.
            retention: How long minutes and hours are kept; the defaults if None.
            clock: The time, for retention.
            stopwatch: Seconds that only go forward, by which the thread rests.
            seed: Of the choice of rows; each process seeds by itself.
        Raises:
            CoreError: The store cannot be opened.
            OSError: It cannot be opened.
        """
        self._workspace = workspace
        self._settings = settings
        self._rate = settings.read().explanation.served_rows
        self._random = np.random.default_rng(seed)
        self._stopwatch = stopwatch
        self._samples: dict[LiveTap, dict[int, _Sample]] = {}
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._loaded: dict[_VersionKey, ServedExplainer | None] = {}
        self._rests_until: dict[_VersionKey, float] = {}
        self._told: set[_VersionKey] = set()
        self._stopping = False
        self._writer = LiveWriter(workspace.contributions_file, merged_contributions, retention=retention, clock=clock)
        self._thread = threading.Thread(target=self._run, name="serving-explaining", daemon=True)

    def start(self) -> None:
        """Begin to explain."""
        self._thread.start()

    def add(self, tap: LiveTap, at: int, requests: Sequence[AnsweredRequest]) -> None:
        """Choose among the rows of some requests; for the counting thread.

        Args:
            tap: Of their version.
            at: The beginning of their minute, in seconds since 1970.
            requests: The requests.
        """
        sample, rate = self._sample(tap, at), self._rate
        sizes = [len(each.values) for each in requests]
        ends, shares = list(accumulate(sizes)), [each.share for each in requests]
        keys = self._random.random(ends[-1]) * np.repeat(shares, sizes)
        least = np.argpartition(keys, rate)[:rate] if len(keys) > rate else np.arange(len(keys))
        if len(sample.rows) == rate:
            least = least[keys[least] < sample.rows[-1].key]
        for place in least.tolist():
            number = bisect_right(ends, place)
            rows, row = requests[number].rows, place - ends[number - 1] if number else place
            sample.rows.append(
                SampledRow(keys[place].item(), sample.n_requests + number, rows.numbers[row].copy(), rows.texts[row])
            )
        sample.rows = sorted(sample.rows, key=_key)[:rate]
        sample.n += len(keys)
        sample.n_requests += len(requests)
        sample.least_share = min(sample.least_share, *shares)

    def lack(self, tap: LiveTap, at: int, *, n_left_out: int, share: float, n_dropped: int) -> None:
        """Count rows that were not handed over; for the counting thread.

        Args:
            tap: Of their version.
            at: The beginning of their minute, in seconds since 1970.
            n_left_out: Rows of requests that were left out at random, so that others stand for them.
            share: By which the others were chosen.
            n_dropped: Rows that nothing stands for.
        """
        sample = self._sample(tap, at)
        sample.n_left_out += n_left_out
        sample.n_dropped += n_dropped
        if n_left_out:
            sample.least_share = min(sample.least_share, share)

    def finish(self, tap: LiveTap, before: int | None) -> None:
        """Hand the samples of minutes that began before an instant to the thread; all of them if it is None."""
        samples = self._samples.get(tap, {})
        for at in sorted(samples):
            if before is None or at < before:
                sample = samples.pop(at)
                # Beyond the least share, rows of requests with a larger one would have more chances than the others.
                sample.rows = [row for row in sample.rows if row.key < sample.least_share]
                self._jobs.put(_Job(tap, at, sample))
        if not samples:
            self._samples.pop(tap, None)

    def keep(self, taps: Iterable[LiveTap]) -> None:
        """Let go of the explainers of other versions."""
        keys = {(tap.model, tap.version) for tap in taps}
        for loaded in (self._loaded, self._rests_until):
            for key in [key for key in list(loaded) if key not in keys]:
                loaded.pop(key, None)
        self._told.intersection_update(keys)

    def close(self) -> None:
        """Explain what waits, unless its version would have to be loaded first, and stop."""
        self._stopping = True
        self._jobs.put(None)
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)
            if self._thread.is_alive():
                log.warning("the last served rows are not explained: that takes longer than %g s", CLOSE_SECONDS)
        else:
            self._run()
        self._writer.close()

    def explain_waiting(self) -> None:
        """Explain what waits, in the thread that calls."""
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return
            if job is not None:
                self._store(*job)

    def flush(self) -> None:
        """Wait until all that was explained is stored."""
        self._writer.flush()

    def _sample(self, tap: LiveTap, at: int) -> _Sample:
        return self._samples.setdefault(tap, {}).setdefault(at, _Sample())

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._store(*job)
            except Exception:  # one version's rows must not end the explaining of all others
                log.exception("served rows could not be explained")

    def _store(self, tap: LiveTap, at: int, sample: _Sample) -> None:
        n_rows = sample.n + sample.n_left_out
        content, basis, n = b"", "", 0
        key = tap.model, tap.version
        if sample.rows and self._may_explain(key):
            begun = self._stopwatch()
            try:
                sketch = self._sketch(tap, sample, n_rows)
            except Exception as error:  # a model of a plug-in may do anything
                self._tell(key, error)
            else:
                if sketch is not None:
                    content, basis, n = sketch
                    tap.stats.n_explained += len(sample.rows)
            spent = self._stopwatch() - begun
            self._rests_until[key] = begun + spent * len(self._loaded) / MOST_SHARE
        tap.stats.n_unexplained += n_rows - n + sample.n_dropped
        self._writer.add(CountedMinute(tap.model, tap.version, basis, at, n, n_rows - n + sample.n_dropped, content))

    def _may_explain(self, key: _VersionKey) -> bool:
        return self._jobs.qsize() < MOST_WAITING and self._stopwatch() >= self._rests_until.get(key, 0.0)

    def _sketch(self, tap: LiveTap, sample: _Sample, n_rows: int) -> tuple[bytes, str, int] | None:
        """Explain a sample; return the bytes, their basis and the number of rows; None: its version is not loaded."""
        from core.explain.deny_list import DenyList

        if (explainer := self._explainer(tap)) is None:
            return None
        denied = DenyList.of(self._settings.read().explanation)
        is_all = sample.least_share == 1.0
        requests = None if is_all else np.array([row.request for row in sample.rows])
        found = explainer.sketch(_frame(tap, sample.rows), n_rows, denied, requests)
        return found.to_bytes(), found.basis.number, found.n

    def _explainer(self, tap: LiveTap) -> "ServedExplainer | None":
        """Return the explainer of a version, loaded at the first call; None: it cannot be explained, or all ends."""
        key = tap.model, tap.version
        if key in self._loaded:
            return self._loaded[key]
        if self._stopping:
            return None
        from core.training.own_data.served_explainer import ServedExplainer

        self._loaded[key] = None
        try:
            found = self._loaded[key] = ServedExplainer(self._workspace, *key)
        except Exception as error:
            self._tell(key, error)
            return None
        log.info("%s %s: %d of its answers a minute are explained by %s", *key, self._rate, found.algorithm)
        return found

    def _tell(self, key: _VersionKey, error: Exception) -> None:
        if key not in self._told:
            self._told.add(key)
            is_bug = not isinstance(error, CoreError)
            log.warning("%s %s: its answers are not explained: %s", *key, error, exc_info=is_bug and error)


def _key(row: SampledRow) -> float:
    return row.key


def _frame(tap: LiveTap, rows: Sequence[SampledRow]) -> Any:
    """Return chosen rows as a table in the layout of a request."""
    from core.serving.scoring.frames import frame_of, open_frame

    if tap.signature.is_open:
        return open_frame([row.texts for row in rows])
    return frame_of(tap.signature, Rows(np.array([row.numbers for row in rows]), [row.texts for row in rows]))
