"""Verdicts on texts: by caller, at every look, and never of callers that were not met."""

from collections import Counter

import numpy as np
import pytest

from core.rollout import Arm, Guard, GuardSource, GuardVerdict, RolloutPlan, Strategy, make_plan
from core.rollout.by_caller import callers_met
from core.rollout.collector import Collector
from core.rollout.evidence import RolloutEvidence
from core.rollout.guard_reader import read_guards
from core.rollout.plan import TextRules
from core.rollout.rare_losses import callers_to_meet
from core.rollout.readings import GuardReading, Pace
from core.rollout.unjudged import in_a_line, not_judged
from core.telemetry.predictions import Batch, Cursor, ServedRequest, TextCounts
from tests.core.rollout.simulated_texts import PLAN, Writers, judged
from tests.truth import Truth, most_expected

N_RUNS = 12
PACE = Pace(share=0.05, n_requests=100, seconds=100.0)


def readings_of(served: list[ServedRequest], plan: RolloutPlan = PLAN) -> dict[str, GuardReading]:
    collector = Collector(plan, RolloutEvidence())
    collector.add(Batch(served, [], [], Cursor(), True))
    again = Collector(plan, collector.evidence, collector.failed_units, collector.stored)  # as after a killed engine
    found = read_guards(plan, collector.evidence, collector.sums, PACE)
    assert found == read_guards(plan, again.evidence, again.sums, PACE)
    return {reading.guard: reading for reading in found}


def request(place: float, counts: TextCounts | None, *, failed: bool = False) -> ServedRequest:
    """Let a caller at a place on the line ask, while the candidate has a fifth of it."""
    unit = int(place * 2.0**64) - 2**63
    arm = Arm.CANDIDATE if place < 0.2 else Arm.STABLE
    return ServedRequest(arm, 0.2, 5.0, failed, unit, request=unit, texts=counts)


def test_each_document_counts_and_what_nobody_judged_does_not():
    stable = [request(place, TextCounts(3, 1, 2, 1)) for place in np.linspace(0.201, 0.999, 400)]
    candidate = [request(place, TextCounts(2, 2, 0, 0)) for place in np.linspace(0.001, 0.199, 100)]
    found = readings_of([*stable, *candidate, request(0.02, None, failed=True)])
    facts, cut = found["facts"], found["cut"]
    assert (facts.n_stable, facts.stable_value, facts.n_candidate) == (800, 0.5, 0)
    assert (facts.verdict, facts.reason) == (GuardVerdict.NO_DATA, "facts: no candidate whole text yet")
    assert (cut.n_stable, cut.n_candidate, cut.candidate_value) == (1_200, 200, 1.0)
    assert cut.verdict is GuardVerdict.HARMFUL
    assert cut.reason == "cut: 200 of 200 cut off against 400 of 1,200, shown to be more frequent"
    assert found["errors"].n_candidate == 101


def test_where_no_caller_leaves_the_end_of_its_texts_to_the_model_it_is_not_judged_and_keeps_nothing_from_going_live():
    served = [request(place, TextCounts(0, 0, 1, 0)) for place in (np.arange(400) + 0.5) / 400]
    cut = readings_of(served)["cut"]
    assert (cut.verdict, cut.required) == (GuardVerdict.NO_DATA, False)
    assert cut.reason == "cut: no candidate text of a request that left the end to the model yet"
    assert "cut (no candidate text of a request" in in_a_line(not_judged(PLAN, [cut]))
    one = readings_of([*served, request(0.9, TextCounts(1, 0, 1, 0))])["cut"]
    assert (one.verdict, one.required) == (GuardVerdict.NO_DATA, True)


def test_few_callers_show_nothing_however_much_they_ask():
    """Of twenty callers without a contradiction, a kind that is 3 % of them all can be missing."""

    def asked(n: int, n_each: int) -> list[ServedRequest]:
        places = (np.arange(n) + 0.5) / n
        return [request(place, TextCounts(8, 0, 8, 0)) for place in places for _ in range(n_each)]

    facts = readings_of(asked(100, 50))["facts"]
    assert facts.n_candidate == 8_000
    assert facts.verdict is GuardVerdict.UNDECIDED
    assert facts.reason.endswith("too few callers to have met the kind that fares worse: 20 of about 97 needed")
    assert facts.low is None or facts.low < 0 < 0.03 < facts.high
    assert readings_of(asked(1_000, 5))["facts"].verdict is GuardVerdict.SAFE


def test_a_caller_with_most_of_the_texts_is_not_as_many_callers():
    places = np.linspace(0.001, 0.199, 120)
    even = [request(place, TextCounts(1, 0, 1, 0)) for place in places for _ in range(3)]
    uneven = [*even, *(request(places[0], TextCounts(8, 0, 8, 0)) for _ in range(40))]
    met = []
    for served in (even, uneven):
        collector = Collector(PLAN, RolloutEvidence())
        collector.add(Batch(served, [], [], Cursor(), True))
        met.append(callers_met(collector.sums["facts"], of_candidate=True))
    assert met[0] == pytest.approx(120, rel=0.1)
    assert met[1] < 10


def test_the_margins_are_those_of_the_policy_and_differences():
    for source in (GuardSource.FACTS, GuardSource.CUT):
        with pytest.raises(ValueError, match="needs a margin_difference"):
            Guard(name="it", source=source)
    assert {guard.name: guard.margin_difference for guard in PLAN.guards if guard.source.is_of_texts} == {
        "facts": 0.03,
        "cut": 0.1,
    }
    assert callers_to_meet(0.03, PLAN.beta) == 97
    with pytest.raises(ValueError, match="no request is copied"):
        make_plan(Strategy.SHADOW, texts=TextRules(grammar="etrm"))


EQUAL = {
    "alike": Writers(alike=0.3, volume="lognormal"),
    "few bad callers": Writers(bad=0.05),
    "one heavy caller": Writers(n=60, alike=0.3, volume="heavy"),
    "no keys": Writers(n=0),
}
AT_THE_MARGIN = {
    "all callers": Writers(n=1_000, more=0.03),
    "few callers": Writers(n=1_000, more=0.03, of_few=True),
    "few callers, few contradictions": Writers(n=1_000, more=0.03, of_few=True, rate=0.005),
    "no keys": Writers(n=0, more=0.03),
    "one heavy caller": Writers(n=3_000, volume="heavy", of_heavy=True, rate=0.005),
    "ten heavy callers": Writers(n=3_000, volume="ten", of_heavy=True, rate=0.005),
}


def verdicts(writers: Writers, truth: Truth, seed: int) -> tuple[Counter, int]:
    random, n = np.random.default_rng(seed), N_RUNS * truth.scale
    return Counter(judged(writers, random) for _ in range(n)), n


@pytest.mark.truth
@pytest.mark.parametrize("name", EQUAL)
def test_an_equal_candidate_is_rolled_back_as_rarely_as_promised(name: str, truth: Truth):
    found, n = verdicts(EQUAL[name], truth, seed=21)
    truth.at_most(found[GuardVerdict.HARMFUL] / n, most_expected(PLAN.alpha_per_guard, n), n=n)


@pytest.mark.truth
@pytest.mark.parametrize("name", AT_THE_MARGIN)
def test_a_candidate_at_the_margin_is_called_safe_as_rarely_as_promised(name: str, truth: Truth):
    found, n = verdicts(AT_THE_MARGIN[name], truth, seed=22)
    truth.at_most(found[GuardVerdict.SAFE] / n, most_expected(PLAN.beta, n), n=n)


@pytest.mark.truth
def test_a_candidate_that_contradicts_itself_much_more_often_is_found(truth: Truth):
    found, n = verdicts(Writers(n=1_000, more=0.15), truth, seed=23)
    truth.at_least(found[GuardVerdict.HARMFUL] / n, 0.9, n=n)
