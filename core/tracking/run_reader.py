"""Reading runs: the record of every training, and which runs may be removed."""

import math
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from core.clock import Clock, utc_now
from core.errors import UsageError
from core.state import Workspace
from core.state.brief import whole
from core.tracking import heartbeat, search
from core.tracking.comparison import RunComparison, compare_runs
from core.tracking.divergence import last_values
from core.tracking.errors import RunNotFoundError
from core.tracking.experiments import Experiment, experiments
from core.tracking.run import Run, RunStatus, run_number

if TYPE_CHECKING:
    from core.telemetry import TelemetryReader

DATABASE = "runs"
PAGE_EPOCHS = 10_000
"""How many epochs of a history are read at once."""

MetricHistory: TypeAlias = dict[str, list[tuple[int, float]]]
"""The values of each metric by epoch."""


class RunReader:
    """The runs of one workspace, read-only."""

    def __init__(self, workspace: Workspace, *, clock: Clock = utc_now) -> None:
        """Open the runs.

        Args:
            workspace: The workspace.
            clock: The current time, for judging how long a run has been silent.
        """
        self._workspace = workspace
        self._clock = clock
        self._telemetry_reader: TelemetryReader | None = None
        self._documents = workspace.database(DATABASE).documents("runs", Run, "run_id")

    def all(self) -> list[Run]:
        """Return every run, oldest first; running runs without metrics, which `get` adds.

        A run of another process that has been silent for too long is shown as lost, even before an engine records
        it.
        """
        return [whole(run) for run in self._all_in_brief()]

    def latest(self) -> list[Run]:
        """Return every run, newest first; running runs with the latest value of each metric."""
        return [whole(run) for run in self.latest_in_brief()]

    def latest_in_brief(self) -> list[Run]:
        """Return every run as `latest` does; ended ones in brief, which only `core.state.brief.whole` can encode."""
        return [self._with_metrics(run) for run in reversed(self._all_in_brief())]

    def _all_in_brief(self) -> list[Run]:
        runs = sorted(self._documents.all(), key=_number)
        silent = self._silent(runs)
        return [msgspec.structs.replace(run, status=RunStatus.LOST) if run.run_id in silent else run for run in runs]

    def find(self, run_id: str) -> Run | None:
        """Return a run, or None; a running run with the latest value of each metric."""
        run = self._documents.find(run_id)
        if run is None or run.is_over:
            return run
        return self._with_metrics(msgspec.structs.replace(run, status=RunStatus.LOST) if self._silent([run]) else run)

    def search(self, expression: str) -> list[Run]:
        """Return the runs that an expression of `core.tracking.search` matches, oldest first.

        Raises:
            ExpressionError: The expression cannot be read; the message shows where.
        """
        matches = search.parse(expression)
        return [whole(run) for run in map(self._with_metrics, self._all_in_brief()) if matches(run)]

    def experiments(self) -> list[Experiment]:
        """Return the groups of runs with the same `experiment_name`, each with its best run; the newest first."""
        return experiments(self.latest_in_brief())

    def children(self, run_id: str) -> list[Run]:
        """Return the runs that are parts of a run, oldest first."""
        return [whole(run) for run in self._all_in_brief() if run.parent_id == run_id]

    def get(self, run_id: str) -> Run:
        """Return a run.

        Raises:
            RunNotFoundError: No run has this id; the message names the newest.
        """
        if (run := self.find(run_id)) is None:
            raise self._not_found(run_id)
        return run

    def metric_history(self, run_id: str) -> dict[str, list[tuple[int, float]]]:
        """Return the value of every metric of a run by epoch. `metric_pages` takes a long run in pieces.

        Raises:
            RunNotFoundError: There is no such run.
        """
        return self._reader().epochs(self.get(run_id).run_id)

    def metric_page(
        self, run_id: str, *, after: int | None = None, n_epochs: int = PAGE_EPOCHS
    ) -> tuple[MetricHistory, int | None]:
        """Return the value of every metric of a run in its next epochs, and the epoch after which more follow.

        Args:
            run_id: The run.
            after: The epoch before the first; by default the page is the first.
            n_epochs: How many epochs.
        Raises:
            RunNotFoundError: There is no such run.
        """
        values, next_after = self._reader().of_epochs.page_after(self.get(run_id).run_id, after, n_epochs)
        history: MetricHistory = {}
        for epoch, name, _, value in values:
            history.setdefault(name, []).append((epoch, value))
        return history, next_after

    def metric_pages(self, run_id: str, *, after: int | None = None) -> Iterator[MetricHistory]:
        """Yield the value of every metric of a run by epoch, some thousand epochs at a time.

        Raises:
            RunNotFoundError: There is no such run.
        """
        page, next_after = self.metric_page(run_id, after=after)
        yield page
        while next_after is not None:
            page, next_after = self.metric_page(run_id, after=next_after)
            yield page

    def metric_course(self, run_id: str, *, most_spans: int) -> MetricHistory:
        """Return the points that draw the course of each metric of a run: extremes and the newest are among them.

        Args:
            run_id: The run.
            most_spans: The largest number of spans that a course is divided into; each has up to four points.
        Raises:
            RunNotFoundError: There is no such run.
        """
        from core.telemetry.courses import courses_now

        courses = courses_now(self._reader(), self.get(run_id).run_id, most=most_spans)
        return {name: list(points) for name, points in courses.items()}

    def metric_names(self, run_id: str) -> list[str]:
        """Return the names of the metrics of a run.

        Raises:
            RunNotFoundError: There is no such run.
        """
        return sorted(self._reader().of_epochs.series(self.get(run_id).run_id))

    def undefined_steps(self, run_id: str) -> dict[str, int]:
        """Return the last step of each metric of a run whose value at that step is NaN or infinite.

        Raises:
            RunNotFoundError: There is no such run.
        """
        series = self._reader().of_epochs.series(self.get(run_id).run_id)
        return {name: one.newest_epoch for name, one in series.items() if not math.isfinite(one.newest)}

    def compare(self, run_ids: Sequence[str]) -> RunComparison:
        """Compare runs.

        Raises:
            UsageError: Fewer than two runs are named.
            RunNotFoundError: A run does not exist.
        """
        if len(run_ids) < 2:
            raise UsageError("A comparison needs at least two runs.")
        return compare_runs([self.get(run_id) for run_id in run_ids])

    def prunable(self, *, keep: int, referenced: Collection[str]) -> list[Run]:
        """Return the runs that `prune` would remove, oldest first."""
        runs = sorted(self._documents.all(), key=_number)
        free = [run for run in runs if run.is_over and run.run_id not in referenced]
        kept = {run.run_id for run in runs} - {run.run_id for run in free[: max(0, len(runs) - keep)]}
        for run in reversed(runs):  # a parent is older than its parts, so it comes after them
            if run.run_id in kept and run.parent_id:
                kept.add(run.parent_id)
        return [whole(run) for run in runs if run.run_id not in kept]

    def _with_metrics(self, run: Run) -> Run:
        if run.ended_at is not None:
            return run
        return msgspec.structs.replace(run, **last_values(self._reader(), run.run_id, run.metrics)._asdict())

    def _silent(self, runs: Sequence[Run]) -> frozenset[str]:
        if not any(run.lost_after_seconds and not run.is_over for run in runs):
            return frozenset()
        return frozenset(run.run_id for run in heartbeat.silent(runs, self._beats(), self._clock()))

    def _beats(self) -> dict[str, datetime]:
        return heartbeat.last_beats(self._reader())

    def _not_found(self, run_id: str) -> RunNotFoundError:
        return RunNotFoundError(run_id, self._documents.all_keys())

    def _reader(self) -> "TelemetryReader":
        if self._telemetry_reader is None:
            from core.telemetry import TelemetryReader

            self._telemetry_reader = TelemetryReader(self._workspace.telemetry_file)
        return self._telemetry_reader


def _number(run: Run) -> int:
    return run_number(run.run_id)
