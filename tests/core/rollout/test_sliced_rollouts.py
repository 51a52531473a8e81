"""Slices and pairs: what is worse on a part is found, what is equal is left alone, and pairs need few outcomes."""

import math

import numpy as np
import pytest

from core.rollout import Arm, Guard, GuardSource, GuardVerdict, RolloutPhase, RolloutWorker, Strategy
from core.rollout.by_caller import contrast, log_evidence
from core.rollout.caller_sums import CallerSums, CellLayout
from core.rollout.collector import Collector
from core.rollout.evidence import RolloutEvidence
from core.rollout.guard_reader import read_levels
from core.rollout.slices import Slice, packed
from core.telemetry.predictions import (
    Batch,
    Cursor,
    OutcomeRecord,
    PredictionReader,
    PredictionRecord,
    PredictionWriter,
    Scored,
    ScoredPair,
)
from tests.truth import most_expected

LOSS = Guard(name="loss", source=GuardSource.LOSS, margin=1.1)
COLUMNS = tuple(
    Slice(column=name, names=("missing", "a", "b", "c", "d", "other"), levels=("a", "b", "c", "d"))
    for name in ("region", "band", "sector", "size", "desk")
)
LEVEL_SHARES = (0.0, 0.4, 0.3, 0.15, 0.1, 0.05)
ALIKE = 0.9
_SPAN = 1 << 64


def losses_of(random, n, *, callers, worse=0.0, elsewhere=1.0, spread=0.5):
    """Losses of both versions on n rows; the candidate's are larger by `worse` where region is d.

    Returns:
        Callers, codes of slices, losses of the stable version and of the candidate.
    """
    units = random.integers(0, _SPAN, callers or n, dtype=np.uint64).astype(np.int64)
    unit = random.integers(0, len(units), n) if callers else np.arange(n)
    levels = [random.choice(6, size=len(units), p=LEVEL_SHARES)[unit]]  # a caller's region is always the same
    levels = [random.choice(6, size=n, p=LEVEL_SHARES), *levels]
    levels += [random.choice(6, size=n, p=LEVEL_SHARES) for _ in range(3)]
    scale = np.exp(spread * random.normal(size=len(units)))[unit]
    first, second = random.normal(size=(2, n))
    stable = np.abs(first) * scale
    ratio = np.where(levels[0] == 4, 1 + worse, elsewhere)
    candidate = np.abs(ALIKE * first + math.sqrt(1 - ALIKE**2) * second) * scale * ratio
    codes = np.array([packed(row) for row in np.stack(levels, axis=1).tolist()])
    return units[unit], codes, stable, candidate


def looked_at(plan, units, codes, stable, candidate, n_looks=12):
    """Collect the losses of a canary, and yield the slices read at each look with the number of outcomes."""
    collector = Collector(plan, RolloutEvidence())
    share, n, before = plan.steps[-1].share, len(units), 0
    places = (units.astype(np.float64) + 2.0**63) / 2.0**64
    for until in np.unique(np.geomspace(n / 30, n, n_looks).astype(int)).tolist():
        part = range(before, until)
        if plan.is_paired:
            pairs = [ScoredPair(stable[i], candidate[i], int(units[i]), int(codes[i])) for i in part]
            collector.add(Batch([], [], [], Cursor(), True, scored_pairs=pairs))
        else:
            scored = [
                Scored(Arm.CANDIDATE, share, candidate[i], int(units[i]), int(codes[i]))
                if places[i] < share
                else Scored(Arm.STABLE, share, stable[i], int(units[i]), int(codes[i]))
                for i in part
            ]
            collector.add(Batch([], [], scored, Cursor(), True))
        before = until
        yield until, read_levels(plan, collector.sums)


def found_at(plan, *losses):
    """Return after how many outcomes a level was called harmful, and which; None if none was."""
    for n, readings in looked_at(plan, *losses):
        if readings and readings[0].verdict is GuardVerdict.HARMFUL:
            return n, str(readings[0].slice)
    return None


@pytest.fixture
def sliced(plan_of):
    def made(strategy=Strategy.CANARY, **more):
        return plan_of(strategy, **{"guards": (LOSS,), "primary": "loss", "slices": COLUMNS} | more)

    return made


@pytest.mark.truth
@pytest.mark.parametrize("callers", [50, 500, 0], ids=["50 callers", "500 callers", "no callers"])
@pytest.mark.parametrize("changes", [True, False], ids=["arms", "pairs"])
def test_equal_versions_are_rarely_called_worse_on_any_of_five_slices(truth, sliced, callers, changes) -> None:
    plan, random = sliced(answer_changes_outcome=changes), np.random.default_rng(11)
    n = 5 * truth.scale
    wrong = sum(found_at(plan, *losses_of(random, 6_000, callers=callers)) is not None for _ in range(n))
    truth.at_most(wrong / n, most_expected(plan.alpha / 2, n), n=n)


@pytest.mark.truth
@pytest.mark.parametrize("changes", [True, False], ids=["arms", "pairs"])
def test_a_candidate_better_on_average_and_worse_on_a_level_is_found_there(truth, sliced, changes) -> None:
    plan, random = sliced(answer_changes_outcome=changes), np.random.default_rng(12)
    n, n_outcomes = 3 * truth.scale, 40_000 if changes else 4_000
    found = []
    for _ in range(n):
        losses = losses_of(random, n_outcomes, callers=0, worse=0.5, elsewhere=0.92)
        assert losses[3].mean() < losses[2].mean()  # better on average
        found.append(found_at(plan, *losses))
    truth.at_least(np.mean([each is not None and each[1] == "region=d" for each in found]), 0.6, n=n)


@pytest.mark.truth
@pytest.mark.parametrize(("worse", "n_pairs", "n_arms"), [(1.05, 9_000, 150_000), (1.10, 2_500, 60_000)])
def test_pairs_need_twenty_times_fewer_outcomes_than_a_tenth_of_the_traffic(truth, worse, n_pairs, n_arms) -> None:
    random, needed, n = np.random.default_rng(7), -math.log(0.01 / 3), 9 * truth.scale
    by_pairs = np.median([_outcomes_to_harm(random, worse, None, n_pairs, needed) for _ in range(n)])
    by_arms = np.median([_outcomes_to_harm(random, worse, 0.1, n_arms, needed) for _ in range(n)])
    truth.at_least(by_arms / by_pairs, 15, n=n)


def _outcomes_to_harm(random, worse, share, most, needed):
    layout = CellLayout(() if share is None else (share,))
    sums, place = CallerSums(layout), random.random(most)
    first, second = random.normal(size=(2, most))
    stable, candidate = np.abs(first), worse * np.abs(ALIKE * first + math.sqrt(1 - ALIKE**2) * second)
    cells, steps, before, n = layout.cells(place), np.zeros(most, dtype=np.int64), 0, 50
    while True:
        part = slice(before, n)
        if share is None:
            sums.add_pairs(cells[part], stable[part], candidate[part])
        else:
            sums.add(cells[part], steps[part], np.where(place < share, candidate, stable)[part])
        if n >= most or log_evidence(contrast(sums), higher=True) >= needed:
            return n
        before, n = n, min(most, int(n * 1.12))


@pytest.mark.truth
@pytest.mark.parametrize("callers", [50, 200])
@pytest.mark.parametrize("kind", ["callers who differ", "mostly a little better, rarely much worse", "0 and 1"])
def test_pairs_of_equal_versions_are_rarely_called_worse(truth, kind, callers) -> None:
    random, needed, n, n_rows = np.random.default_rng(9), -math.log(0.01), 25 * truth.scale, 4_000
    wrong = 0
    for _ in range(n):
        layout, unit = CellLayout(()), random.integers(0, callers, n_rows)
        sums, cells = CallerSums(layout), layout.cells(random.random(callers))[unit]
        first, second = random.normal(size=(2, n_rows))
        if kind == "callers who differ":
            stable = 3 + np.abs(first)
            candidate = 3 + np.abs(second) + random.normal(0, 0.3, callers)[unit]
        elif kind == "0 and 1":
            rate = np.minimum(0.05 * np.exp(random.normal(size=callers)), 0.5)[unit]
            stable, candidate = (random.random((2, n_rows)) < rate).astype(float)
        else:
            stable = 5 + np.abs(first)
            candidate = stable + np.where(random.random(n_rows) < 0.02, 4.9, -0.1)
        looks = np.unique(np.geomspace(60, n_rows, 25).astype(int))
        before = 0
        for until in looks.tolist():
            sums.add_pairs(cells[before:until], stable[before:until], candidate[before:until])
            before = until
            if log_evidence(contrast(sums), higher=True) >= needed:
                wrong += 1
                break
    truth.at_most(wrong / n, most_expected(0.01, n), n=n)


def test_a_level_on_which_the_candidate_is_worse_takes_it_back_though_it_is_better_on_average(
    rollouts, start, worker, source, clock
) -> None:
    rollout = start(Strategy.AB, guards=(LOSS,), primary="loss", slices=COLUMNS[:1])
    worker.tick(clock.now)
    random = np.random.default_rng(2)
    units, codes, stable, candidate = losses_of(random, 8_000, callers=0, worse=1.0, elsewhere=0.7)
    places = (units.astype(np.float64) + 2.0**63) / 2.0**64
    for arm, losses, which in ((Arm.CANDIDATE, candidate, places < 0.5), (Arm.STABLE, stable, places >= 0.5)):
        source.serve(arm, int(which.sum()), share=0.5)
        source.scored += [
            Scored(arm, 0.5, float(losses[i]), int(units[i]), int(codes[i]) & 15) for i in np.flatnonzero(which)
        ]
    worker.tick(clock.pass_by(30))
    ended = rollouts.get(rollout.rollout_id)
    assert ended.observed.phase is RolloutPhase.ROLLED_BACK
    assert ended.observed.events[-1].reason.startswith("loss region=d: ")
    assert "shown to be worse" in ended.observed.events[-1].reason
    (loss, *_) = ended.observed.readings
    assert loss.candidate_value < loss.stable_value
    worst, *others = ended.observed.slices
    assert (str(worst.slice), worst.verdict) == ("region=d", GuardVerdict.HARMFUL)
    assert {str(each.slice) for each in others} == {"region=a", "region=b", "region=c", "region=other"}
    assert [each.harm_share for each in others] == sorted((each.harm_share for each in others), reverse=True)


def test_a_level_of_errors_takes_a_candidate_back(rollouts, start, worker, source, clock) -> None:
    rollout = start(Strategy.AB, slices=COLUMNS[:1])
    worker.tick(clock.now)
    for arm in (Arm.STABLE, Arm.CANDIDATE):
        for level, n_failed in ((1, 6), (4, 60 if arm is Arm.CANDIDATE else 1)):
            first = len(source.served)
            source.serve(arm, 300, share=0.5, n_failed=n_failed)
            source.served[first:] = [served._replace(slices=level) for served in source.served[first:]]
    worker.tick(clock.pass_by(30))
    worst = rollouts.get(rollout.rollout_id).observed.slices[0]
    assert (worst.guard, worst.verdict) == ("errors region=d", GuardVerdict.HARMFUL)
    assert worst.reason == "errors region=d: 60 of 300 against 1 of 300, shown to be more frequent"


def write_pairs(workspace, rollout, n, *, first=0):
    """Store requests that both versions answered, with their outcomes; each tenth copy was dropped."""
    random = np.random.default_rng(4 + first)
    now = rollout.created_at
    with PredictionWriter(workspace.predictions_file, clock=lambda: now) as writer:
        for number in range(first, first + n):
            place, actual = int(random.integers(-(2**63), 2**63)), float(random.normal(100, 10))
            is_candidate = (place + 2**63) / 2**64 < rollout.share
            shared = {"model": "spread", "rollout_id": rollout.rollout_id, "share": rollout.share, "unit": place}
            error = float(random.normal())
            values = {
                rollout.stable: actual + error,
                rollout.candidate: actual + 0.9 * error + 0.436 * float(random.normal()),
            }
            answering, other = (
                (rollout.candidate, rollout.stable) if is_candidate else (rollout.stable, rollout.candidate)
            )
            arms = (Arm.CANDIDATE, Arm.STABLE_COPY) if is_candidate else (Arm.STABLE, Arm.SHADOW)
            for version, arm in zip((answering, other), arms, strict=True):
                if arm.is_copy and number % 10 == 0:
                    continue
                writer.add(
                    PredictionRecord(
                        f"r{number}", now, version=version, latency_ms=2.0, value=values[version], arm=arm,
                        slices=None if arm.is_copy else 1 + number % 2, **shared,
                    )
                )  # fmt: skip
            writer.add_outcome(OutcomeRecord(f"r{number}", now, actual=actual))
        writer.flush()


def test_a_canary_by_pairs_judges_losses_row_by_row_and_reports_how_far_answers_differ(
    workspace, registry, rollouts, start, clock
) -> None:
    """A new engine in the middle comes to the same sums."""
    rollout = start(
        guards=(LOSS,), slices=COLUMNS[:1], answer_changes_outcome=False, difference_tolerance=1.0, primary=""
    )
    reader = PredictionReader(workspace.predictions_file)
    RolloutWorker(workspace, source=reader, registry=registry, clock=clock).tick(clock.now)
    rollout = rollouts.get(rollout.rollout_id)
    assert rollout.mirror_share == 1.0
    for first in (0, 400):  # each by a worker of its own, as after a restart
        write_pairs(workspace, rollout, 400, first=first)
        worker = RolloutWorker(workspace, source=reader, registry=registry, clock=clock)
        worker.tick(clock.pass_by(30))
        worker.tick(clock.pass_by(30))
    observed = rollouts.get(rollout.rollout_id).observed
    (loss, *_) = observed.readings
    assert loss.n_stable == loss.n_candidate == 720
    assert observed.evidence.n_unpaired == 80
    assert "80 outcomes of rows that one version did not answer are left out" in loss.reason
    assert loss.candidate_value == pytest.approx(loss.stable_value, rel=0.1)
    everything, *levels = observed.disagreement
    assert everything.n == 720
    assert 0 < everything.share_different < 0.3
    assert everything.p95 > everything.mean > 0
    assert {each.subject for each in levels} == {"region=a", "region=b"}
    assert {str(each.slice) for each in observed.slices} == {"region=a", "region=b"}


def test_the_arms_of_a_canary_by_pairs_are_still_compared_by_their_answers(rollouts, start, worker, source, clock):
    rollout = start(answer_changes_outcome=False)
    worker.tick(clock.now)
    source.serve(Arm.STABLE, 950, share=0.05, n_failed=2)
    source.serve(Arm.CANDIDATE, 50, share=0.05, n_failed=30)
    worker.tick(clock.pass_by(30))
    assert rollouts.get(rollout.rollout_id).observed.phase is RolloutPhase.ROLLED_BACK
