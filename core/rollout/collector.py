"""Adding up what a rollout reads: counts and first failures for its document, and sums by caller."""

from collections.abc import Mapping, Sequence

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.rollout.caller_sums import N_CELLS, CallerSums, CellLayout, StoredSums, places_of
from core.rollout.difference_sums import DifferenceSums, StoredDifferences
from core.rollout.evidence import RateCounts, RolloutEvidence
from core.rollout.plan import Guard, GuardSource, RolloutPlan
from core.rollout.settling_sums import SettlingSums
from core.rollout.sliced_sums import SlicedSums
from core.rollout.strategies import Strategy
from core.rollout.unjudged import LossOrigins
from core.telemetry.predictions import Batch, Scored, ScoredPair, ServedRequest

TRAFFIC = "traffic"
"""The name of the sums of requests, which show whether the arms get the share they are meant to get."""
ARRIVALS = "arrivals"
"""The name of the sums of outcomes by answer, which show whether outcomes arrive for both arms alike."""

_OF_PAIRS = 0.5  # if only one of two arms fails a request given to both, either is equally likely
_CELLS_OF_SLICES = 256  # there are many, and each has a part of the callers


def layout_of(plan: RolloutPlan, guard: Guard | None = None, *, n_cells: int = N_CELLS) -> CellLayout:
    """Return the cells of callers for a guard of a plan, or for its traffic.

    Without shares, both versions give each value: every value of a shadow, and every loss if a plan compares pairs.
    """
    is_paired = plan.is_paired and guard is not None and guard.source.needs_outcomes
    shares = () if is_paired or plan.strategy is Strategy.SHADOW else tuple(step.share for step in plan.steps)
    return CellLayout(shares, n_cells)


class Collector:
    """Adds up observations."""

    def __init__(
        self,
        plan: RolloutPlan,
        evidence: RolloutEvidence,
        failed_units: Mapping[str, set[int]] | None = None,
        sums: Mapping[str, StoredSums] | None = None,
        losses: LossOrigins | None = None,
        differences: StoredDifferences | None = None,
        young: Mapping[str, Mapping[int, StoredSums]] | None = None,
    ) -> None:
        """Continue from earlier observations.

        Args:
            plan: The plan with its guards.
            evidence: The earlier counts.
            failed_units: By guard, the callers whose first failure is already counted. A caller's requests all go to
                one arm, so a single caller who always fails would otherwise look like a failing arm.
            sums: The earlier sums by caller; where outcomes are awaited, those of settled answers.
            losses: Where the earlier losses come from.
            differences: The earlier differences between the answers of both versions.
            young: The earlier sums of younger answers, by cohort.
        Raises:
            ValueError: The earlier sums do not fit the plan.
        """
        self._layout = layout_of(plan)
        self._is_shadow, self._is_paired = plan.strategy is Strategy.SHADOW, plan.is_paired
        self._steps = {step.share: number for number, step in enumerate(plan.steps)}
        self._rates = [
            _RateCollector(guard, evidence.rates.get(guard.name))
            for guard in plan.guards
            if guard.source in (GuardSource.ERRORS, GuardSource.SLOW)
        ]
        for rate in self._rates:
            rate.failed_units = (failed_units or {}).get(rate.guard.name, set())
        checks = [] if self._is_shadow else [TRAFFIC] if self._is_paired else [TRAFFIC, ARRIVALS]
        layouts = {guard.name: layout_of(plan, guard) for guard in plan.guards} | dict.fromkeys(checks, self._layout)
        awaiting = {ARRIVALS, *(guard.name for guard in plan.guards if guard.source.needs_outcomes)}
        sums, young = sums or {}, young or {}
        of_texts = {guard.name for guard in plan.guards if guard.source.is_of_texts}
        self._sums = {
            name: CallerSums(of, sums.get(name), by_caller=name in of_texts)
            for name, of in layouts.items()
            if name not in awaiting
        }
        self._settling = {
            name: SettlingSums(of, plan.settle_seconds, sums.get(name), young.get(name))
            for name, of in layouts.items()
            if name in awaiting
        }
        self._settles = plan.settle_seconds > 0
        self._slices = {
            guard.name: SlicedSums(guard, plan.slices, layout_of(plan, guard, n_cells=_CELLS_OF_SLICES), sums)
            for guard in plan.sliced_guards
        }
        self._differences = DifferenceSums(plan.slices, plan.difference_tolerance, differences)
        self._cap = plan.loss.cap
        self._n_unpaired = evidence.n_unpaired
        self._of_scored = [guard for guard in plan.guards if guard.source.needs_outcomes]
        self._of_texts = [guard for guard in plan.guards if guard.source.is_of_texts]
        self._of_latency = [guard for guard in plan.guards if guard.source is GuardSource.LATENCY]
        self._n_stable, self._n_candidate = evidence.n_stable, evidence.n_candidate
        self.losses = losses or LossOrigins()

    @property
    def failed_units(self) -> dict[str, set[int]]:
        """By guard, the callers whose first failure is counted."""
        return {rate.guard.name: rate.failed_units for rate in self._rates}

    def add(self, batch: Batch) -> None:
        """Add a batch of observations."""
        for settling in self._settling.values():
            settling.settle(batch.seen_until_us)
        if batch.served:
            self._serve(batch.served)
        n_reported = sum(scored.is_reported for scored in batch.scored)
        self.losses = LossOrigins(
            n_computed=self.losses.n_computed + len(batch.scored) - n_reported,
            n_reported=self.losses.n_reported + n_reported,
        )
        if batch.pairs and self._is_shadow:
            self._compare(batch.pairs)
        if self._is_paired:
            self._differences.add(batch.answer_pairs)
            self._n_unpaired += batch.n_unpaired
            if batch.scored_pairs:
                self._score_pairs(batch.scored_pairs)
        elif batch.scored:
            self._score(batch.scored)

    @property
    def evidence(self) -> RolloutEvidence:
        """The counts, as a document."""
        return RolloutEvidence(
            n_stable=self._n_stable,
            n_candidate=self._n_candidate,
            rates={rate.guard.name: rate.counts for rate in self._rates},
            n_unpaired=self._n_unpaired,
        )

    @property
    def sums(self) -> Mapping[str, CallerSums]:
        """The sums by caller: of each guard by its name, of `TRAFFIC` and `ARRIVALS`, and of slices by `slice_key`."""
        arrived = {name: settling.arrived for name, settling in self._settling.items()}
        return self._sums | arrived | self._by_slice

    @property
    def settled(self) -> Mapping[str, CallerSums]:
        """The sums of what needs outcomes, of settled answers alone; empty if a plan does not wait for any."""
        return {name: settling.settled for name, settling in self._settling.items()} if self._settles else {}

    @property
    def stored(self) -> dict[str, StoredSums]:
        """The sums to write to a file, without those of younger answers."""
        settled = {name: settling.settled for name, settling in self._settling.items()}
        return {name: sums.stored for name, sums in (self._sums | settled | self._by_slice).items()}

    @property
    def young(self) -> dict[str, dict[int, StoredSums]]:
        """The sums of younger answers to write to a file, by cohort."""
        return {name: found for name, settling in self._settling.items() if (found := settling.young)}

    @property
    def _by_slice(self) -> dict[str, CallerSums]:
        return {key: found for sliced in self._slices.values() for key, found in sliced.sums.items()}

    @property
    def differences(self) -> DifferenceSums:
        """The differences between the answers of both versions."""
        return self._differences

    def _serve(self, served: Sequence[ServedRequest]) -> None:
        is_candidate = np.array([request.arm.is_of_candidate for request in served])
        failed, latency = _facts(served)
        n_candidate = int(is_candidate.sum())
        self._n_candidate += n_candidate
        self._n_stable += len(served) - n_candidate
        cells, steps, known = self._placed(self._layout, served, is_candidate)
        units = _units(served)
        self._sums[TRAFFIC].count(cells[known], steps[known])
        answered = known & ~failed
        if (arrivals := self._settling.get(ARRIVALS)) is not None:
            at_us, cells_answered, steps_answered = _times(served)[answered], cells[answered], steps[answered]
            for sums, which in arrivals.parts(at_us):
                sums.count(cells_answered[which], steps_answered[which])
        for rate in self._rates:
            failures = rate.failures(failed, latency)
            rate.count(served, is_candidate, failures)
            values = failures.astype(np.float64)
            self._sums[rate.guard.name].add(cells[known], steps[known], values[known], units=units[known])
            if (sliced := self._slices.get(rate.guard.name)) is not None:
                sliced.add(served, *self._placed(sliced.layout, served, is_candidate), values)
        timed = known & np.isfinite(latency)
        for guard in self._of_latency:
            self._sums[guard.name].add(cells[timed], steps[timed], latency[timed])
        for guard in self._of_texts:
            of, values = _documents(guard, served, known)
            self._sums[guard.name].add(cells[of], steps[of], values, units=units[of])

    def _compare(self, pairs: Sequence[tuple[ServedRequest, ServedRequest]]) -> None:
        """Add answers and the candidate's answers to copies of the requests: only a difference counts as a failure."""
        answers, copies = [answer for answer, _ in pairs], [copy for _, copy in pairs]
        self._n_stable += len(pairs)
        self._n_candidate += len(pairs)
        units = _units(answers)
        cells = self._layout.cells(places_of(units))
        failed, latency = _facts(answers)
        copy_failed, copy_latency = _facts(copies)
        for rate in self._rates:
            first, second = rate.failures(failed, latency), rate.failures(copy_failed, copy_latency)
            rate.count_pairs(answers, first, second)
            failures = first.astype(np.float64), second.astype(np.float64)
            self._sums[rate.guard.name].add_pairs(cells, *failures, units=units)
            if (sliced := self._slices.get(rate.guard.name)) is not None:
                sliced.add_pairs(answers, places_of(units), *failures)
        timed = np.isfinite(latency) & np.isfinite(copy_latency)
        for guard in self._of_latency:
            self._sums[guard.name].add_pairs(cells[timed], latency[timed], copy_latency[timed])

    def _score_pairs(self, pairs: Sequence[ScoredPair]) -> None:
        """Add the losses of both versions on the same rows."""
        units = _units(pairs)
        places = places_of(units)
        stable, candidate = np.array([pair[:2] for pair in pairs], dtype=np.float64).T
        at_us = _times(pairs)
        for guard in self._of_scored:
            of_stable, of_candidate = self._judged(guard, stable), self._judged(guard, candidate)
            is_capped = self._is_capped(guard, stable) | self._is_capped(guard, candidate)
            for sums, which in self._settling[guard.name].parts(at_us):
                cells = sums.layout.cells(places[which])
                sums.add_pairs(cells, of_stable[which], of_candidate[which], units=units[which])
                sums.n_capped += int(is_capped[which].sum())
            if (sliced := self._slices.get(guard.name)) is not None:
                sliced.add_pairs(pairs, places, of_stable, of_candidate)

    def _score(self, scored: Sequence[Scored]) -> None:
        is_candidate = np.array([score.arm.is_of_candidate for score in scored])
        cells, steps, known = self._placed(self._layout, scored, is_candidate)
        losses = np.array([score.loss for score in scored], dtype=np.float64)
        at_us, cells_known, steps_known = _times(scored)[known], cells[known], steps[known]
        units_known = _units(scored)[known]
        for sums, which in self._settling[ARRIVALS].parts(at_us):
            sums.add(cells_known[which], steps_known[which], np.ones(len(which)), counted=False)
        for guard in self._of_scored:
            values = self._judged(guard, losses)
            values_known, is_capped = values[known], self._is_capped(guard, losses)[known]
            for sums, which in self._settling[guard.name].parts(at_us):
                sums.add(cells_known[which], steps_known[which], values_known[which], units=units_known[which])
                sums.n_capped += int(is_capped[which].sum())
            if (sliced := self._slices.get(guard.name)) is not None:
                sliced.add(scored, *self._placed(sliced.layout, scored, is_candidate), values)

    def _judged(self, guard: Guard, losses: FloatArray) -> FloatArray:
        """Return the values that a guard judges: losses up to their cap, or whether they exceed its limit."""
        if guard.source is not GuardSource.LOSS and guard.limit is not None:
            return np.asarray(losses > guard.limit).astype(np.float64)
        return losses if self._cap is None else np.clip(losses, -self._cap, self._cap)

    def _is_capped(self, guard: Guard, losses: FloatArray) -> BoolArray:
        cap = self._cap if guard.source is GuardSource.LOSS else None
        return np.abs(losses) > (np.inf if cap is None else cap)

    def _placed(
        self, layout: CellLayout, requests: Sequence[ServedRequest] | Sequence[Scored], is_candidate: BoolArray
    ) -> tuple[IntArray, IntArray, BoolArray]:
        """Return the cell and the step of each request, and whether both are known.

        A request without a caller is a caller of its own, somewhere in its arm's part of the line. A caller's request
        that the other version answered, because its own failed, is left out: that failure is counted elsewhere.
        """
        steps = np.array([self._steps.get(request.share, -1) for request in requests])
        places, is_own = _places(requests), np.array([request.unit is None for request in requests])
        shares = np.array([request.share for request in requests])
        within = np.where(is_candidate, places * shares, shares + places * (1 - shares))
        cells = layout.cells(np.where(is_own, np.minimum(within, 1 - 1e-15), places))
        steps_or_first = np.maximum(steps, 0)
        belongs = layout.of_candidate[cells, steps_or_first] == is_candidate
        return cells, steps_or_first, (steps >= 0) & belongs


def _units(requests: Sequence[ServedRequest] | Sequence[Scored] | Sequence[ScoredPair]) -> IntArray:
    """Return the numbers of callers, and of requests without a caller the request's own."""
    numbers = [(request.request or 0) if request.unit is None else request.unit for request in requests]
    return np.array(numbers, dtype=np.int64)


def _places(requests: Sequence[ServedRequest] | Sequence[Scored] | Sequence[ScoredPair]) -> FloatArray:
    return places_of(_units(requests))


def _times(answers: Sequence[ServedRequest] | Sequence[Scored] | Sequence[ScoredPair]) -> IntArray:
    return np.array([answer.at_us for answer in answers], dtype=np.int64)


def _facts(requests: Sequence[ServedRequest]) -> tuple[BoolArray, FloatArray]:
    failed = np.array([request.error for request in requests], dtype=np.bool_)
    latency = np.array([np.nan if request.latency_ms is None else request.latency_ms for request in requests])
    return failed, latency


def _documents(guard: Guard, served: Sequence[ServedRequest], known: BoolArray) -> tuple[IntArray, FloatArray]:
    """Return the request of each document that a guard judges, and whether the document counts against its version."""
    requests: list[int] = []
    values: list[float] = []
    for number, (request, is_known) in enumerate(zip(served, known.tolist(), strict=True)):
        if request.texts is None or not is_known:
            continue
        counts = request.texts
        is_of_facts = guard.source is GuardSource.FACTS
        n, n_against = (counts.n_judged, counts.n_contradicted) if is_of_facts else (counts.n_documents, counts.n_cut)
        requests += [number] * n
        values += [1.0] * n_against + [0.0] * (n - n_against)
    return np.array(requests, dtype=np.int64), np.array(values, dtype=np.float64)


class _RateCollector:
    """Counts one guard's requests, failures and first failures."""

    def __init__(self, guard: Guard, before: RateCounts | None) -> None:
        before = before or RateCounts()
        self.guard = guard
        self.failed_units: set[int] = set()
        self._n = [before.n_stable, before.n_candidate]
        self._n_failed = [before.n_stable_failed, before.n_candidate_failed]
        self._evidence = before.evidence
        self._has_repeated = before.has_repeated

    def failures(self, failed: BoolArray, latency: FloatArray) -> BoolArray:
        """Say of each answer whether it is a failure."""
        if self.guard.source is GuardSource.ERRORS:
            return failed
        return np.asarray(latency > (np.inf if self.guard.limit is None else self.guard.limit))  # NaN is not

    def count(self, requests: Sequence[ServedRequest], is_candidate: BoolArray, failed: BoolArray) -> None:
        """Count the answers of both arms."""
        n_candidate = int(is_candidate.sum())
        self._n[0] += len(requests) - n_candidate
        self._n[1] += n_candidate
        for index in np.flatnonzero(failed).tolist():
            request = requests[index]
            self._fail(bool(is_candidate[index]), request.share, request.unit)

    def count_pairs(self, answers: Sequence[ServedRequest], failed: BoolArray, copy_failed: BoolArray) -> None:
        """Count answers to the same requests."""
        self._n[0] += len(answers)
        self._n[1] += len(answers)
        for index in np.flatnonzero(failed | copy_failed).tolist():
            share = _OF_PAIRS if failed[index] != copy_failed[index] else 0.0
            for is_candidate, has_failed in ((False, failed[index]), (True, copy_failed[index])):
                if has_failed:
                    self._fail(is_candidate, share, answers[index].unit)

    def _fail(self, is_candidate: bool, share: float, unit: int | None) -> None:
        self._n_failed[is_candidate] += 1
        is_repeated = unit is not None and unit in self.failed_units
        if unit is not None:
            self.failed_units.add(unit)
        if not 0 < share < 1:
            return
        self._has_repeated = self._has_repeated or is_repeated
        if not is_repeated:
            self._evidence = self._evidence.after(share, candidate_failed=is_candidate)

    @property
    def counts(self) -> RateCounts:
        """The counts, as a document."""
        return RateCounts(
            n_stable=self._n[0],
            n_candidate=self._n[1],
            n_stable_failed=self._n_failed[0],
            n_candidate_failed=self._n_failed[1],
            evidence=self._evidence,
            has_repeated=self._has_repeated,
        )
