"""The metrics of rollouts: the newest of each model, so that the number of series does not grow with their history."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.view.snapshot import Snapshot

if TYPE_CHECKING:
    from core.rollout import GuardReading, Rollout

_ROLLOUT = ("model", "rollout")
_ARM = (*_ROLLOUT, "arm")
_GUARD = (*_ROLLOUT, "guard")


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
        self.phase = GaugeMetricFamily(
            "bondx_rollout_phase",
            "1 for the phase of the newest rollout of each model; stuck: it cannot be judged.",
            labels=(*_ROLLOUT, "candidate", "strategy", "phase"),
        )
        self.share = GaugeMetricFamily(
            "bondx_rollout_share", "Share of the requests that each arm should answer.", labels=_ARM
        )
        self.answers = CounterMetricFamily("bondx_rollout_answers", "Answers that were judged.", labels=_ARM)
        self.outcomes = CounterMetricFamily("bondx_rollout_outcomes", "Losses that were judged.", labels=_ARM)
        self.arrivals = GaugeMetricFamily(
            "bondx_rollout_arrivals", "Share of the answers of each arm whose outcome has arrived.", labels=_ARM
        )
        self.set_aside = CounterMetricFamily(
            "bondx_rollout_values_set_aside", "Values too large to be added up.", labels=_GUARD
        )
        self.failures = CounterMetricFamily(
            "bondx_rollout_failures", "Answers that failed, by the guard that counts them.", labels=(*_GUARD, "arm")
        )
        self.verdict = GaugeMetricFamily(
            "bondx_rollout_verdict", "1 for the verdict of each guard.", labels=(*_GUARD, "verdict")
        )
        self.evidence = GaugeMetricFamily(
            "bondx_rollout_evidence", "Evidence of each guard, as a share of what decides.", labels=(*_GUARD, "of")
        )
        self.stuck = GaugeMetricFamily(
            "bondx_rollout_stuck", "1 while an active rollout cannot be judged.", labels=_ROLLOUT
        )
        self.not_judged = GaugeMetricFamily(
            "bondx_rollout_not_judged", "1 for what the candidate has not been judged by.", labels=(*_ROLLOUT, "what")
        )
        self.reported = CounterMetricFamily(
            "bondx_rollout_reported_losses", "Losses that callers computed themselves.", labels=_ROLLOUT
        )

        self.slices = GaugeMetricFamily(
            "bondx_rollout_slice_evidence",
            "Evidence of harm of each guard on each level of each slice, as a share of what decides.",
            labels=(*_ROLLOUT, "source", "column", "level"),
        )
        self.compared = CounterMetricFamily(
            "bondx_rollout_compared_rows", "Rows that both versions answered with a number.", labels=_ROLLOUT
        )
        self.different = CounterMetricFamily(
            "bondx_rollout_different_rows", "Compared rows whose answers differ beyond the tolerance.", labels=_ROLLOUT
        )
        self.difference = GaugeMetricFamily(
            "bondx_rollout_difference", "Mean and p95 of the differences of compared rows.", labels=(*_ROLLOUT, "of")
        )
        self.unpaired = CounterMetricFamily(
            "bondx_rollout_unpaired_outcomes", "Outcomes of rows that only one version answered.", labels=_ROLLOUT
        )

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
