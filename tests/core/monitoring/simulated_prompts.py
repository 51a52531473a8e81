"""Simulated months of prompts: callers with prompts of their own, few of whom may send most; looked at every day."""

from dataclasses import dataclass

import numpy as np

from core.monitoring.prompt_drift import LEAST_DAYS, PromptDrift, PromptState
from core.monitoring.verdicts import DriftVerdict
from core.telemetry.predictions import MeasuredPrompt, PromptRecord

DAY_US = 86_400_000_000
FIRST_DAY = 20_000
DOCUMENTS = 400  # held out


@dataclass(frozen=True, slots=True, kw_only=True)
class Senders:
    """The callers of one version.

    Attributes:
        n: How many callers there are, the same in all months; a day brings a part of them.
        days: How long they are watched.
        daily: The prompts of all of them in a day.
        volume: How the prompts spread over the callers: "equal", "zipf", or "heavy": three send 90 % of them.
        alike: The share of the variance of nats that is between callers.
        shift: By how much all prompts are less likely than documents, in standard deviations of nats.
        from_day: From which day on.
        of_heavy: Whether only the heavy callers have moved, and by three standard deviations.
        long: The share of prompts that are longer than 95 % of documents.
    """

    n: int = 300
    days: int = 360
    daily: int = 600
    volume: str = "equal"
    alike: float = 0.5
    shift: float = 0.0
    from_day: int = 0
    of_heavy: bool = False
    long: float = 0.05


@dataclass(frozen=True, slots=True)
class Watched:
    """What came of it: the days that ended with a verdict, and the first of them with an alarm after the change."""

    alarms: int  # times the verdict became an alarm
    first: int | None  # days from the change to the first alarm
    stable: float  # the share of days in line
    open: float  # the share of days with too few callers


def watched(senders: Senders, random: np.random.Generator, *, n_documents: int = DOCUMENTS) -> Watched:
    """Watch the prompts of one version day by day."""
    known = np.sort(random.normal(size=n_documents))
    numbers = random.integers(-(2**63), 2**63, senders.n)
    levels = random.normal(0, np.sqrt(senders.alike), senders.n)
    weights = {
        "equal": np.ones(senders.n),
        "zipf": 1 / np.arange(1, senders.n + 1),
        "heavy": np.r_[np.full(3, 0.3), np.full(senders.n - 3, 0.1 / max(senders.n - 3, 1))],
    }[senders.volume]
    if senders.of_heavy:
        levels[:3] += 3.0
    drift = PromptDrift(n_documents, LEAST_DAYS, PromptState())
    verdicts: list[DriftVerdict] = []
    for day in range(senders.days):
        who = random.choice(senders.n, senders.daily, p=weights / weights.sum())
        nats = levels[who] + random.normal(0, np.sqrt(1 - senders.alike), len(who))
        nats += senders.shift * (day >= senders.from_day)
        ranks = np.searchsorted(known, nats) / n_documents
        longs = random.random(len(who)) < senders.long
        at = (FIRST_DAY + day) * DAY_US
        prompts = (
            MeasuredPrompt(at, PromptRecord(int(numbers[k]), float(rank), bool(is_long)))
            for k, rank, is_long in zip(who, ranks, longs, strict=True)
        )
        drift.take(prompts, FIRST_DAY + day)
        drift.close_days(FIRST_DAY + day + 1)
        verdicts.append(max((each.verdict for each in drift.verdicts()), key=list(DriftVerdict).index))
    is_alarm = [each is DriftVerdict.ALARM for each in verdicts]
    after = [day - senders.from_day + 1 for day, found in enumerate(is_alarm) if found and day >= senders.from_day]
    return Watched(
        alarms=sum(now and not before for before, now in zip([False, *is_alarm], is_alarm, strict=False)),
        first=after[0] if after else None,
        stable=float(np.mean([each is DriftVerdict.STABLE for each in verdicts])),
        open=float(np.mean([each is DriftVerdict.INCONCLUSIVE for each in verdicts])),
    )
