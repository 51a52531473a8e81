"""The observations of a rollout so far, guard by guard: small, exact, and stored in its document."""

import msgspec

from core.rollout.eprocess import RateEvidence, Tally, log_safety, tallied
from core.rollout.means import MeanEvidence
from core.rollout.plan import Guard, GuardSource, RolloutPlan
from core.rollout.strategies import Strategy
from core.telemetry.predictions import Arm, Batch, Scored, ServedRequest

_OF_PAIRS = 0.5  # if only one of two arms fails a request given to both, either is equally likely


class RateCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Requests and failures by arm, and the evidence in the failures."""

    n_stable: int = 0
    n_candidate: int = 0
    n_stable_failed: int = 0
    n_candidate_failed: int = 0
    evidence: RateEvidence = RateEvidence()  # the first failure of each caller, and all failures of unknown callers
    failures: tuple[Tally, ...] = ()  # all failures, once some caller has failed again

    def log_safety(self, margin: float) -> float:
        """Weigh the evidence that the candidate's rate is below a margin.

        First failures alone would call any candidate safe in the end: once most callers of both arms have failed, the
        first failures are as many as the callers. All failures alone would depend on few callers who fail often. If at
        least one of two proofs is sound, the weaker of them is.
        """
        first = log_safety(self.evidence.tallies, margin)
        return min(first, log_safety(self.failures, margin)) if self.failures else first


class RolloutEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a verdict is based on."""

    n_stable: int = 0
    n_candidate: int = 0
    rates: dict[str, RateCounts] = {}
    means: dict[str, MeanEvidence] = {}

    def counts_losses(self, guard: Guard) -> bool:
        """Return whether the losses of a guard are judged as a rate: all losses so far are 0 or 1.

        The first other loss ends that permanently, in the order in which outcomes are stored: from that loss on, the
        mean is judged, without the losses before it.
        """
        counts, mean = self.rates.get(guard.name, RateCounts()), self.means.get(guard.name, MeanEvidence())
        return guard.source is GuardSource.LOSS and counts.n_stable + counts.n_candidate > 0 and not mean.has_begun


class Collector:
    """Adds up observations. O(1) per success, O(grid) per failure."""

    def __init__(
        self, plan: RolloutPlan, evidence: RolloutEvidence, failed_units: dict[str, set[int]] | None = None
    ) -> None:
        """Continue from earlier observations.

        Args:
            plan: The plan with its guards.
            evidence: The earlier observations.
            failed_units: By guard, the callers whose first failure is already counted. A caller's requests all go to
                one arm, so a single caller who always fails would otherwise look like a failing arm.
        """
        self._rates = [
            _RateCollector(guard, evidence.rates.get(guard.name)) for guard in plan.guards if guard.source.is_rate
        ]
        for rate in self._rates:
            rate.failed_units = (failed_units or {}).get(rate.guard.name, set())
        self._means = {guard.name: evidence.means.get(guard.name, MeanEvidence()) for guard in plan.guards}
        self._losses = [
            _RateCollector(guard, evidence.rates.get(guard.name))
            for guard in plan.guards
            if guard.source is GuardSource.LOSS
        ]
        self._is_paired = plan.strategy is Strategy.SHADOW
        self._of_served = [rate for rate in self._rates if not rate.guard.source.needs_outcomes]
        self._of_scored = [rate for rate in self._rates if rate.guard.source.needs_outcomes]
        self._latency_means = [guard.name for guard in plan.guards if guard.source is GuardSource.LATENCY]
        self._n_stable, self._n_candidate = evidence.n_stable, evidence.n_candidate

    def add(self, batch: Batch) -> None:
        """Add a batch of observations."""
        for served in batch.served:
            self._serve(served)
        for answer, copy in batch.pairs:
            self._compare(answer, copy)
        for scored in batch.scored:
            self._score(scored)

    @property
    def evidence(self) -> RolloutEvidence:
        """The observations, as a document."""
        return RolloutEvidence(
            n_stable=self._n_stable,
            n_candidate=self._n_candidate,
            rates={rate.guard.name: rate.counts for rate in (*self._rates, *self._losses)},
            means={name: mean for name, mean in self._means.items() if mean.has_begun},
        )

    def _serve(self, served: ServedRequest) -> None:
        is_candidate = served.arm is not Arm.STABLE
        self._count(is_candidate)
        for rate in self._of_served:
            rate.count(is_candidate, rate.has_failed(served), served.share, served.unit)
        self._time(served, is_candidate)

    def _compare(self, answer: ServedRequest, copy: ServedRequest) -> None:
        """Add an answer and the candidate's answer to a copy of the request: only a difference counts."""
        self._count(False)
        self._count(True)
        for rate in self._of_served:
            failed, copy_failed = rate.has_failed(answer), rate.has_failed(copy)
            differ = failed != copy_failed
            rate.count(False, failed, _OF_PAIRS if differ else 0.0, answer.unit)
            rate.count(True, copy_failed, _OF_PAIRS if differ else 0.0, answer.unit)
        self._time(answer, False)
        self._time(copy, True)

    def _score(self, scored: Scored) -> None:
        is_candidate = scored.arm is not Arm.STABLE
        share = _OF_PAIRS if self._is_paired else scored.share
        for rate in self._of_scored:
            failed = rate.guard.limit is not None and scored.loss > rate.guard.limit
            rate.count(is_candidate, failed, share, scored.unit)
        for losses in self._losses:
            mean = self._means[losses.guard.name]
            if scored.loss in (0.0, 1.0) and not mean.has_begun:
                losses.count(is_candidate, scored.loss == 1.0, share, None)  # as for a mean, every outcome counts
            else:
                self._means[losses.guard.name] = mean.after(scored.loss, is_candidate=is_candidate)

    def _count(self, is_candidate: bool) -> None:
        if is_candidate:
            self._n_candidate += 1
        else:
            self._n_stable += 1

    def _time(self, served: ServedRequest, is_candidate: bool) -> None:
        if served.latency_ms is not None:
            for name in self._latency_means:
                self._means[name] = self._means[name].after(served.latency_ms, is_candidate=is_candidate)


class _RateCollector:
    """Counts one guard's requests and failures."""

    def __init__(self, guard: Guard, before: RateCounts | None) -> None:
        before = before or RateCounts()
        self.guard = guard
        self.failed_units: set[int] = set()
        self._n = [before.n_stable, before.n_candidate]
        self._n_failed = [before.n_stable_failed, before.n_candidate_failed]
        self._evidence = before.evidence
        self._failures = before.failures

    def has_failed(self, served: ServedRequest) -> bool:
        if self.guard.source is GuardSource.ERRORS:
            return served.error
        limit, latency_ms = self.guard.limit, served.latency_ms
        return limit is not None and latency_ms is not None and latency_ms > limit

    def count(self, is_candidate: bool, failed: bool, share: float, unit: int | None) -> None:
        self._n[is_candidate] += 1
        if not failed:
            return
        self._n_failed[is_candidate] += 1
        is_repeated = unit is not None and unit in self.failed_units
        if unit is not None:
            self.failed_units.add(unit)
        if not 0 < share < 1:
            return
        if self._failures or is_repeated:
            known = self._failures or self._evidence.tallies
            self._failures = tallied(known, share, candidate_failed=is_candidate)
        if not is_repeated:
            self._evidence = self._evidence.after(share, candidate_failed=is_candidate)

    @property
    def counts(self) -> RateCounts:
        return RateCounts(
            n_stable=self._n[0],
            n_candidate=self._n[1],
            n_stable_failed=self._n_failed[0],
            n_candidate_failed=self._n_failed[1],
            evidence=self._evidence,
            failures=self._failures,
        )
