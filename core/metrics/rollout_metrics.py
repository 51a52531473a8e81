"""The metrics of rollouts: the newest of each model, so that the number of series does not grow with their history."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from core.metrics import catalogue
from core.view.snapshot import Snapshot

if TYPE_CHECKING:
    from core.rollout import GuardReading, Rollout


class RolloutMetrics(Collector):
    """The newest rollout of every model, active or ended."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        """Collect the metrics."""
        newest: dict[str, Rollout] = {}
        for rollout in self._snapshot().rollouts:  # the newest first
            newest.setdefault(rollout.model, rollout)
        families = _Families()
        for rollout in newest.values():
            families.add(rollout)
        return families.all()


class _Families:
    def __init__(self) -> None:
        self.phase = catalogue.ROLLOUT_PHASE.family()
        self.share = catalogue.ROLLOUT_SHARE.family()
        self.answers = catalogue.ROLLOUT_ANSWERS.family()
        self.outcomes = catalogue.ROLLOUT_OUTCOMES.family()
        self.arrivals = catalogue.ROLLOUT_ARRIVALS.family()
        self.set_aside = catalogue.ROLLOUT_SET_ASIDE.family()
        self.failures = catalogue.ROLLOUT_FAILURES.family()
        self.verdict = catalogue.ROLLOUT_VERDICT.family()
        self.evidence = catalogue.ROLLOUT_EVIDENCE.family()
        self.stuck = catalogue.ROLLOUT_STUCK.family()
        self.not_judged = catalogue.ROLLOUT_NOT_JUDGED.family()
        self.reported = catalogue.ROLLOUT_REPORTED.family()

        self.slices = catalogue.ROLLOUT_SLICES.family()
        self.compared = catalogue.ROLLOUT_COMPARED.family()
        self.different = catalogue.ROLLOUT_DIFFERENT.family()
        self.difference = catalogue.ROLLOUT_DIFFERENCE.family()
        self.unpaired = catalogue.ROLLOUT_UNPAIRED.family()

    def all(self) -> Iterable[Metric]:
        return vars(self).values()

    def add(self, rollout: "Rollout") -> None:
        key = (rollout.model, rollout.rollout_id)
        observed = rollout.observed
        phase = "stuck" if rollout.is_stuck else str(observed.phase)
        self.phase.add_metric((*key, rollout.candidate, str(rollout.strategy), phase), 1.0)
        share = rollout.share if rollout.is_active else observed.share
        counts = (
            ("stable", 1 - share, observed.evidence.n_stable),
            ("candidate", share, observed.evidence.n_candidate),
        )
        for arm, given, n in counts:
            self.share.add_metric((*key, arm), given)
            self.answers.add_metric((*key, arm), n)
        self.stuck.add_metric(key, float(rollout.is_stuck))
        self.reported.add_metric(key, observed.losses.n_reported)
        for found in rollout.not_judged:
            self.not_judged.add_metric((*key, found.what), 1.0)
        for reading in observed.readings:
            self._add_reading(key, reading)
        for reading in observed.slices:
            if reading.slice is not None:
                labels = (*key, str(reading.source), reading.slice.column, reading.slice.level)
                self.slices.add_metric(labels, reading.harm_share)
        for everything in observed.disagreement[:1]:
            self.compared.add_metric(key, everything.n)
            self.different.add_metric(key, everything.n_different)
            self.difference.add_metric((*key, "mean"), everything.mean)
            self.difference.add_metric((*key, "p95"), everything.p95)
        if rollout.plan.is_paired:
            self.unpaired.add_metric(key, observed.evidence.n_unpaired)

    def _add_reading(self, key: tuple[str, str], reading: "GuardReading") -> None:
        guard = (*key, reading.guard)
        self.verdict.add_metric((*guard, str(reading.verdict).replace(" ", "_")), 1.0)
        self.set_aside.add_metric(guard, reading.n_set_aside)
        self.evidence.add_metric((*guard, "harm"), reading.harm_share)
        self.evidence.add_metric((*guard, "safety"), reading.safety_share)
        arms = (
            ("stable", reading.stable_value, reading.n_stable),
            ("candidate", reading.candidate_value, reading.n_candidate),
        )
        for arm, value, n in arms:
            if reading.source == "loss":
                self.outcomes.add_metric((*key, arm), n)
            if reading.source == "arrivals" and value is not None:
                self.arrivals.add_metric((*key, arm), value)
            if reading.source.is_rate and not reading.source.is_check:
                self.failures.add_metric((*guard, arm), round((value or 0.0) * n))
