"""Which version wins a rollout: the calibrated one, whichever arm it is in, also where events are rare."""

import numpy as np
import pytest

from core.losses import Actual, AnswerForm, AnswerKind, LossKind, LossRule, RecordedAnswer, loss_of
from core.rollout import Arm, Guard, GuardSource, GuardVerdict, RolloutStep, Strategy
from core.rollout.collector import Collector
from core.rollout.evidence import RolloutEvidence
from core.rollout.guard_reader import read_guards
from core.rollout.readings import Pace
from core.telemetry.predictions import Batch, Cursor, Scored, ServedRequest
from tests.truth import Truth, most_expected

EVENT = AnswerForm(AnswerKind.PROBABILITIES, ("0", "1"))
LOG = LossRule(kind=LossKind.LOG)
LOSS = Guard(name="loss", source=GuardSource.LOSS, margin=1.1)
N_RUNS, N_CALLERS, N_EACH, SHARE = 10, 400, 30, 0.5


def verdict_of(plan, random: np.random.Generator, offset: float, *, candidate_is_calibrated: bool) -> GuardVerdict:
    """Let callers of both arms ask, report every outcome, and read the loss."""
    numbers = random.integers(-(2**63), 2**63, N_CALLERS)  # the router sends a caller by the place of its number
    caller = np.repeat(np.arange(N_CALLERS), N_EACH)
    is_candidate = ((numbers.astype(float) + 2.0**63) / 2.0**64 < SHARE)[caller]
    # Callers differ: each has a level of its own.
    true = 1 / (1 + np.exp(-(offset + random.normal(0, 0.5, N_CALLERS)[caller] + random.normal(0, 1.2, len(caller)))))
    came = random.random(len(caller)) < true
    told = np.where(is_candidate == candidate_is_calibrated, true, np.where(true > 0.5, 0.99, 0.01))
    served, scored = [], []
    for unit, of_candidate, p, y in zip(
        numbers[caller].tolist(), is_candidate.tolist(), told.tolist(), came, strict=True
    ):
        arm = Arm.CANDIDATE if of_candidate else Arm.STABLE
        loss = loss_of(LOG, RecordedAnswer(EVENT, p), Actual(float(y)))
        assert loss is not None
        served.append(ServedRequest(arm, SHARE, 1.0, False, unit))
        scored.append(Scored(arm, SHARE, loss, unit))
    collector = Collector(plan, RolloutEvidence())
    collector.add(Batch(served, [], scored, Cursor(), True))
    readings = read_guards(plan, collector.evidence, collector.sums, Pace(share=SHARE, n_requests=1, seconds=1.0))
    (reading,) = (reading for reading in readings if reading.guard == "loss")
    assert "answers, " not in reading.cannot_exclude, "callers were drawn, not answers"
    return reading.verdict


@pytest.mark.truth
@pytest.mark.parametrize("offset", [0.0, -3.0], ids=["balanced", "8 percent"])
def test_the_calibrated_version_wins_in_either_arm(plan_of, offset: float, truth: Truth) -> None:
    steps = (RolloutStep(share=SHARE, dwell_seconds=60, min_samples=50),)
    plan = plan_of(Strategy.CANARY, guards=(LOSS,), steps=steps, ceiling=SHARE, loss=LOG)
    random, n = np.random.default_rng(11), N_RUNS * truth.scale
    better = [verdict_of(plan, random, offset, candidate_is_calibrated=True) for _ in range(n)]
    worse = [verdict_of(plan, random, offset, candidate_is_calibrated=False) for _ in range(n)]
    truth.at_least(better.count(GuardVerdict.SAFE) / n, 0.9, n=n)
    truth.at_most(better.count(GuardVerdict.HARMFUL) / n, most_expected(plan.alpha, n), n=n)
    truth.at_least(worse.count(GuardVerdict.HARMFUL) / n, 0.9, n=n)
    truth.at_most(worse.count(GuardVerdict.SAFE) / n, most_expected(plan.beta, n), n=n)
