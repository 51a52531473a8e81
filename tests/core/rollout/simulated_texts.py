"""Simulated canaries of a model of language, whose callers have prompts of their own, so that their texts are alike."""

from dataclasses import dataclass

import numpy as np

from core.rollout import GuardVerdict, RolloutPlan, Strategy, make_plan
from core.rollout.caller_readings import read_callers
from core.rollout.caller_sums import CallerSums, places_of
from core.rollout.collector import layout_of
from core.rollout.plan import TextRules
from core.rollout.readings import Pace

PLAN = make_plan(Strategy.CANARY, texts=TextRules(grammar="etrm"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Writers:
    """The callers of one rollout, and what they get.

    Attributes:
        n: The callers; 0: each text is a caller of its own.
        n_texts: Whole texts, spread evenly over the steps.
        volume: How the texts spread over the callers: "equal", "lognormal", "heavy": one caller has 30 % of them, or
            "ten": ten callers have 3 % each.
        rate: The share of the stable version's texts that contradict themselves.
        bad: The share of callers who have all of these contradictions; None: shares by caller follow a beta law.
        alike: Its intraclass correlation.
        more: How many more of the candidate's texts contradict themselves, as a difference of shares.
        of_few: Whether all of these are texts of few callers, each of whose texts then contradicts itself.
        of_heavy: Whether they are all texts of the most active callers instead, each of which contradicts itself.
        n_looks: How often the verdict is read, evenly on a log scale.
    """

    n: int = 300
    n_texts: int = 12_000
    volume: str = "equal"
    rate: float = 0.05
    bad: float | None = None
    alike: float = 0.1
    more: float = 0.0
    of_few: bool = False
    of_heavy: bool = False
    n_looks: int = 40


def judged(writers: Writers, random: np.random.Generator, plan: RolloutPlan = PLAN) -> GuardVerdict:
    """Return the first verdict of a rollout that would end it: harm at any step, safety at the last; else undecided."""
    guard = next(guard for guard in plan.guards if guard.name == "facts")
    shares = np.array([step.share for step in plan.steps])
    n = writers.n or writers.n_texts
    numbers = random.integers(-(2**63), 2**63, n)
    places = places_of(numbers)
    weights = {
        "equal": np.ones(n),
        "lognormal": random.lognormal(0, 1, n),
        "heavy": np.r_[0.3, np.full(n - 1, 0.7 / max(n - 1, 1))],
        "ten": np.r_[np.full(10, 0.03), np.full(max(n - 10, 0), 0.7 / max(n - 10, 1))][:n],
    }[writers.volume]
    who = random.choice(n, writers.n_texts, p=weights / weights.sum()) if writers.n else np.arange(n)
    step = (np.arange(writers.n_texts) * len(shares) / writers.n_texts).astype(int)
    is_candidate = places[who] < shares[step]
    if writers.bad is not None:
        rates = np.where(random.random(n) < writers.bad, writers.rate / writers.bad, 0.0)
    else:
        strength = 1 / writers.alike - 1
        rates = random.beta(writers.rate * strength, (1 - writers.rate) * strength, n)
    hit = random.random(n) < writers.more / (1 - writers.rate)
    if writers.of_heavy:
        hit = weights > 10 * np.median(weights)
    worse = (
        np.where(hit, 1.0, rates)
        if writers.of_few or writers.of_heavy
        else rates + writers.more / (1 - writers.rate) * (1 - rates)
    )
    contradicts = (random.random(len(who)) < np.where(is_candidate, worse[who], rates[who])).astype(float)

    sums = CallerSums(layout := layout_of(plan, guard), by_caller=True)
    cells, last = layout.cells(places[who]), len(shares) - 1
    cuts = np.unique(np.geomspace(60, len(who), writers.n_looks).astype(int))
    for begin, end in zip((0, *cuts), cuts, strict=False):
        part = slice(begin, end)
        sums.add(cells[part], step[part], contradicts[part], units=numbers[who[part]])
        pace = Pace(share=float(shares[step[end - 1]]), n_requests=end, seconds=float(end))
        verdict = read_callers(plan, guard, sums, pace, bound=1.0).verdict
        if verdict is GuardVerdict.HARMFUL or (verdict is GuardVerdict.SAFE and step[end - 1] == last):
            return verdict
    return GuardVerdict.UNDECIDED
