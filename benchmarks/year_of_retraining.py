"""A year of daily traffic under four ways to retrain: never, monthly, always, and as the product decides.

    python benchmarks/year_of_retraining.py [--days 365] [--rows 400] [--seeds 1] [--plot year_of_retraining.svg]

Each day a live model answers rows of two classes, and their outcomes come on the next day. The world has a season (the
mean and the effect of temperature turn over the year), one change of regime (day 150: an effect turns its sign), one
slow drift (days 215 to 315: another effect fades and turns), one broken feed (days 96 to 100: one column arrives in
another unit, another is empty) and one poisoned week (days 250 to 256: 30 % of the reported outcomes are flipped).

"Ours" calls the product's own decisions: the triggers (`core.retraining.triggers.judge`) on drift (`check_profile`) and
realised performance (`core.monitoring.performance.verdict.judge`), the newest rows held out
(`core.retraining.collecting.newest`), the guards against poisoning (`guard_rows`), the comparison with the live version
(`compare`, `verdict`), and the watch that takes a version back (`did_no_better`). "Monthly" and "always" deploy what
they trained.

Attainment is known exactly, since the world knows the probability of each outcome: the share of what can be gained over
the constant answer of the day, on 2,000 fresh rows. A deployment is harmful if the new version, over the 14 days after
it, has an attainment lower by more than 0.01 than the version that it replaced would have had.
"""

import argparse
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier

from core.intervals.sums import mean_interval
from core.models.outcomes import Outcomes
from core.monitoring.data_profile import DataProfile
from core.monitoring.documents import (
    DriftPart,
    MonitoredColumn,
    MonitoredMetric,
    PerformancePart,
    VersionMonitoring,
)
from core.monitoring.performance.held_out import HeldOutFigure
from core.monitoring.performance.sequences import LEVEL, Moments
from core.monitoring.performance.verdict import MARGIN
from core.monitoring.performance.verdict import judge as judge_performance
from core.monitoring.profile_check import check_profile
from core.monitoring.profiling import kinds_of, profile_columns, profile_of
from core.monitoring.verdicts import PerformanceVerdict
from core.retraining.collecting import newest
from core.retraining.comparing import compare, level_slices, verdict
from core.retraining.deploying import did_no_better, metrics_before
from core.retraining.document import MetricBefore, Retraining, RetrainingMemory
from core.retraining.guarding import GuardReference, guard_rows
from core.retraining.triggers import ModelFacts, judge
from core.settings import Policy
from core.settings.retraining import (
    DataWindow,
    DriftTrigger,
    PerformanceTrigger,
    RetrainingPolicy,
    RetrainingValidation,
)
from core.tables.signature import ColumnKind, ColumnSignature

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
NUMBERS, LEVELS = ("demand", "temperature", "wind", "margin", "age"), ("north", "south", "west")
FEED, REGIME, SLOW, POISON = range(96, 101), 150, range(215, 316), range(250, 257)
WARM_UP = 60
N_FRESH, HARM, HARM_DAYS = 2_000, 0.01, 14
COLUMNS = (
    *(ColumnSignature(name=name, kind=ColumnKind.NUMBER, allows_missing=True) for name in NUMBERS),
    ColumnSignature(name="region", kind=ColumnKind.CATEGORY, allows_missing=True, levels=LEVELS),
)


@dataclass(frozen=True)
class Day:
    """One day's rows as they are recorded, and the outcomes as they are reported."""

    frame: pd.DataFrame
    reported: np.ndarray


class World:
    """The rows and the law of their outcomes, day by day."""

    def __init__(self, n_rows: int, seed: int) -> None:
        self._n_rows, self._seed = n_rows, seed

    def day(self, number: int) -> Day:
        """Draw a day; days before 0 are the history that the first model learned from."""
        random = np.random.default_rng([self._seed, number + 1_000])
        frame = self._frame(number, self._n_rows, random)
        actual = (random.random(self._n_rows) < self.probability(number, frame)).astype(float)
        if number in POISON:
            flipped = random.random(self._n_rows) < 0.3
            actual = np.where(flipped, 1.0 - actual, actual)
        if number in FEED:
            frame = frame.assign(temperature=frame["temperature"] * 1.8 + 32.0, wind=np.nan)
        return Day(frame, actual)

    def fresh(self, number: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
        """Draw rows for the measurement: as recorded, and the probability and share of the second class."""
        random = np.random.default_rng([self._seed, number + 1_000, 7])
        true = self._frame(number, N_FRESH, random)
        recorded = true.assign(temperature=true["temperature"] * 1.8 + 32.0, wind=np.nan) if number in FEED else true
        chance = self.probability(number, true)
        return recorded, chance, np.full(N_FRESH, chance.mean())

    @staticmethod
    def probability(number: int, frame: pd.DataFrame) -> np.ndarray:
        """Return the chance of the second class, by the law of the day."""
        season = np.sin(2 * np.pi * number / 365)
        demand_effect = -0.3 if number >= REGIME else 1.2
        faded = np.clip((number - SLOW.start) / len(SLOW), 0, 1)
        region = frame["region"].map({"north": 0.6, "south": -0.6, "west": 0.0}).to_numpy(dtype=float)
        logit = (
            demand_effect * frame["demand"]
            + 0.9 * season * (frame["temperature"] - 12.0) / 8.0
            + (1.2 - 1.4 * faded) * frame["margin"]
            + 0.5 * np.abs(frame["wind"])
            + region
            - 0.4
        )
        return np.asarray(1 / (1 + np.exp(-logit)), dtype=float)

    @staticmethod
    def _frame(number: int, n: int, random: np.random.Generator) -> pd.DataFrame:
        season = np.sin(2 * np.pi * (number - 80) / 365)
        weekend = 0.3 if (number % 7) >= 5 else 0.0
        return pd.DataFrame(
            {
                "demand": random.normal(0.2 * season - weekend, 1.0, n),
                "temperature": random.normal(12.0 + 9.0 * season, 4.0, n),
                "wind": random.gamma(2.0, 0.6, n),
                "margin": random.normal(0.0, 1.0, n),
                "age": random.integers(0, 40, n).astype(float),
                "region": random.choice(LEVELS, n, p=(0.4, 0.35, 0.25)),
            }
        )


@dataclass
class Version:
    """A trained version, with what the product keeps of it."""

    model: LGBMClassifier
    learned_on: int  # the day
    profile: DataProfile
    reference: GuardReference
    held_out: HeldOutFigure
    importance: dict[str, float]
    live_since: int = 0
    losses: list[np.ndarray] = field(default_factory=list)  # of the days it was live

    def answer(self, frame: pd.DataFrame) -> np.ndarray:
        """Answer rows."""
        return np.asarray(self.model.predict_proba(_matrix(frame))[:, 1], dtype=float)


def train(frame: pd.DataFrame, actual: np.ndarray, day: int, seed: int) -> Version:
    """Train as every strategy does; a fifth of the rows is held out for the references."""
    random = np.random.default_rng(seed)
    held = random.random(len(frame)) < 0.2
    model = LGBMClassifier(
        n_estimators=150,
        learning_rate=0.05,
        num_leaves=15,
        min_child_samples=40,
        n_jobs=1,
        random_state=seed,
        verbose=-1,
    )
    model.fit(_matrix(frame[~held]), actual[~held])
    gains = model.booster_.feature_importance("gain")
    answer = np.asarray(model.predict_proba(_matrix(frame[held]))[:, 1], dtype=float)
    loss = _log_loss(answer, actual[held])
    bounds = mean_interval(loss, np.arange(len(loss)), reference=float(np.log(2)))
    assert bounds is not None
    rows = frame[~held].reset_index(drop=True)
    outcomes = Outcomes(frame[held].reset_index(drop=True), answer, actual[held], ("0", "1"))
    columns = profile_columns(rows.assign(outcome=actual[~held]), {**kinds_of(rows), "outcome": ColumnKind.NUMBER})
    profile = profile_of(columns, features=(*NUMBERS, "region"), target="outcome", group=None, held_out=outcomes)
    return Version(
        model=model,
        learned_on=day,
        profile=profile,
        reference=GuardReference(answer, actual[held]),
        held_out=HeldOutFigure(float(loss.mean()), bounds.low, bounds.high),
        importance=dict(zip((*NUMBERS, "region"), gains / max(gains.sum(), 1.0), strict=True)),
    )


class Strategy:
    """When a strategy trains anew, and what it puts live."""

    name = ""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed = world, seed
        self.history: list[Day] = [world.day(number) for number in range(-WARM_UP, 0)]
        frame, actual = self.window(WARM_UP)
        self.live = train(frame, actual, 0, seed)
        self.attainment: list[float] = []
        self.n_trained = 0
        self.deployed: list[tuple[int, Version, Version]] = []  # day, new version, earlier version
        self.told: list[str] = []

    def window(self, days: int) -> tuple[pd.DataFrame, np.ndarray]:
        """Return the newest recorded days, with the outcomes as reported."""
        part = self.history[-days:]
        frame = pd.concat([each.frame for each in part], ignore_index=True)
        return frame, np.concatenate([each.reported for each in part])

    def step(self, number: int) -> None:
        """Live through one day: answer, measure, hear outcomes, decide."""
        self.attainment.append(attainment(self.world, self.live, number))
        day = self.world.day(number)
        self.live.losses.append(_log_loss(self.live.answer(day.frame), day.reported))
        self.history.append(day)
        self.decide(number)

    def decide(self, number: int) -> None:
        """Train and deploy, or not."""

    def deploy(self, number: int, new: Version) -> None:
        """Put a version live."""
        new.live_since = number + 1
        self.deployed.append((number, new, self.live))
        self.live = new


class Never(Strategy):
    """The first version answers for the whole year."""

    name = "never"


class Always(Strategy):
    """A version a day, deployed unseen."""

    name, every = "always", 1

    def decide(self, number: int) -> None:
        if number % self.every == self.every - 1:
            frame, actual = self.window(WARM_UP)
            self.n_trained += 1
            self.deploy(number, train(frame, actual, number, self.seed + number))


class Monthly(Always):
    """A version every 30 days, deployed unseen."""

    name, every = "monthly", 30


class Ours(Strategy):
    """The product's own decisions."""

    name = "ours"
    policy = RetrainingPolicy(
        enabled=True,
        drift=DriftTrigger(importance_share=0.2),
        performance=PerformanceTrigger(by="realised"),
        max_age_days=60,
        window=DataWindow(days=WARM_UP),
        min_samples=1000,
        cooldown_hours=72,
        auto_deploy=True,
        watch_minutes=7 * 24 * 60,
    )

    def __init__(self, world: World, seed: int) -> None:
        super().__init__(world, seed)
        self.started: list[datetime] = []
        self.watched: tuple[int, Version] | None = None  # until which day, and the version before
        self.before: tuple[MetricBefore, ...] = ()  # what the version before did just before
        self.n_rejected = self.n_restored = 0

    def decide(self, number: int) -> None:
        now = FIRST + timedelta(days=number + 1)
        seen = self.monitoring(now)
        if self.watched is not None:
            until, before = self.watched
            fell = seen.performance is not None and seen.performance.verdict is PerformanceVerdict.FELL
            if seen.performance is not None and fell and did_no_better(seen.performance, self.before, "") is None:
                self.told.append(f"day {number}: taken back: {seen.performance.reason}")
                self.live, self.watched = before, None
                self.n_restored += 1
                return
            if number >= until:
                self.watched = None
        facts = ModelFacts(
            model="demand",
            live="1.0.0",
            registered_at=FIRST + timedelta(days=self.live.learned_on),
            monitoring=seen,
            memory=RetrainingMemory(model="demand"),
            started_at=tuple(self.started),
        )
        plan = judge(self.policy, facts, now)
        if not plan.starts or plan.kind is None:
            return
        self.started.append(now)
        self.n_trained += 1
        asked = Retraining(
            retraining_id=f"rt-{len(self.started):04d}",
            model="demand",
            trigger=plan.kind,
            cause=plan.cause,
            policy=self.policy,
            as_of=now,
            created_at=now,
            created_by="engine",
            desired_by="engine",
            desired_at=now,
            updated_at=now,
            updated_by="engine",
        )
        refusal, new = self.challenge(number, asked)
        self.told.append(f"day {number}: {plan.cause}: {refusal or 'deployed'}")
        if refusal or new is None:
            self.n_rejected += 1
            return
        before = self.live
        self.before = () if seen.performance is None else metrics_before(seen.performance)
        self.deploy(number, new)
        self.watched = (number + int(self.policy.watch_minutes / 1440), before)

    def challenge(self, number: int, asked: Retraining) -> tuple[str, Version | None]:
        """Collect, check, train, validate; return why it was rejected, or the new version."""
        days = int(self.policy.window.days or WARM_UP)
        frame, actual = self.window(days)
        at = np.repeat(np.arange(days, dtype=float), len(self.history[-1].frame))
        live = Outcomes(frame, self.live.answer(frame), actual, ("0", "1"))
        units = np.arange(len(frame))
        findings = guard_rows(live, COLUMNS, units, self.live.reference, self.policy.checks, seed=self.seed)
        if refused := [each.reason for each in findings if each.passed is False]:
            return "check: " + "; ".join(refused), None
        held = newest(at, frame, None, self.policy.validation.held_out_share)
        new = train(frame[~held].reset_index(drop=True), actual[~held], number, self.seed + number)
        rows = frame[held].reset_index(drop=True)
        old = Outcomes(rows, self.live.answer(rows), actual[held], ("0", "1"))
        made = Outcomes(rows, new.answer(rows), actual[held], ("0", "1"))
        rules = self.policy.validation
        found = compare(
            "newest rows",
            old,
            made,
            level_slices(rows, COLUMNS),
            np.arange(len(rows)),
            margin=rules.margin,
            slice_margin=rules.slice_margin,
        )
        return verdict({"newest rows": found}, needs_superiority=asked.needs_superiority) or "", new

    def monitoring(self, now: datetime) -> VersionMonitoring:
        """Judge drift of the last seven days, and performance since the version went live and over a week."""
        frame, actual = self.window(7)
        outcomes = Outcomes(frame, self.live.answer(frame), actual, ("0", "1"))
        found = check_profile(
            self.live.profile, frame, Policy().drift, outcomes=outcomes, importance=self.live.importance
        )
        columns = tuple(
            MonitoredColumn(
                name=each.found.feature,
                type=each.type,
                verdict=each.found.verdict,
                reason=each.found.reason,
                importance=each.importance,
            )
            for each in found.columns
        )
        drift = DriftPart(as_of=now, verdict=found.verdict, columns=columns)
        return VersionMonitoring(version="1.0.0", role="stable", drift=drift, performance=self.performance(now))

    def performance(self, now: datetime) -> PerformancePart | None:
        """Judge the realised log loss, as the monitoring does: since the version went live, and over a week."""
        if not self.live.losses:
            return None
        verdicts, metrics = [], []
        for window, days in (("", len(self.live.losses)), ("day", 1), ("week", 7)):
            loss = np.concatenate(self.live.losses[-days:])
            top = float(-np.log(1e-3))
            moments = Moments(
                mean=float(loss.mean()),
                variance=float(loss.var()),
                n=float(len(loss)),
                below=float(loss.mean()),
                above=top - float(loss.mean()),
            )
            found = judge_performance(moments, self.live.held_out, 1.0 + MARGIN, level=LEVEL, effect=1.0)
            metrics.append(
                MonitoredMetric(
                    metric="log_loss",
                    value=moments.mean,
                    low=found.interval.low if found.interval else None,
                    high=found.interval.high if found.interval else None,
                    n=len(loss),
                    window=window,
                )
            )
            verdicts.append(found.verdict)
        fell = PerformanceVerdict.FELL in (verdicts[0], verdicts[2])
        verdict_now = PerformanceVerdict.FELL if fell else verdicts[0]
        reason = f"log loss {metrics[0].value:.3f} since it went live, held out {self.live.held_out.value:.3f}"
        return PerformancePart(as_of=now, verdict=verdict_now, reason=reason, metrics=tuple(metrics))


def attainment(world: World, version: Version, number: int) -> float:
    """Measure the share of what can be gained over a constant answer."""
    frame, chance, constant = world.fresh(number)
    best, worst = _expected(chance, chance), _expected(chance, constant)
    return float((worst - _expected(chance, version.answer(frame))) / (worst - best))


def harmful(world: World, strategy: Strategy, n_days: int) -> list[int]:
    """Return the days of deployments that were worse than staying, over the days after them."""
    found = []
    for number, new, before in strategy.deployed:
        days = range(number + 1, min(number + 1 + HARM_DAYS, n_days))
        lost = [attainment(world, before, day) - attainment(world, new, day) for day in days]
        if lost and float(np.mean(lost)) > HARM:
            found.append(number)
    return found


def _expected(chance: np.ndarray, answer: np.ndarray) -> float:
    answer = np.clip(answer, 1e-3, 1 - 1e-3)
    return float(-(chance * np.log(answer) + (1 - chance) * np.log(1 - answer)).mean())


def _log_loss(answer: np.ndarray, actual: np.ndarray) -> np.ndarray:
    answer = np.clip(answer, 1e-3, 1 - 1e-3)
    return np.asarray(-np.log(np.where(actual == 1, answer, 1 - answer)), dtype=float)


def _matrix(frame: pd.DataFrame) -> np.ndarray:
    codes = frame["region"].map(dict(zip(LEVELS, range(3), strict=True))).to_numpy(dtype=float)
    return np.column_stack([frame[list(NUMBERS)].to_numpy(dtype=float), codes])


COLOURS = {"never": "#999999", "monthly": "#c77700", "always": "#b5179e", "ours": "#0a7d34"}


def picture(curves: dict[str, Sequence[float]]) -> str:
    """Draw attainment over the days, as the mean of a week, with the events of the year."""
    width, height, left, top, plot_w, plot_h = 960, 420, 60, 40, 760, 320
    n_days = max(map(len, curves.values()))
    low = -0.5

    def x(day: float) -> float:
        return left + plot_w * day / n_days

    def y(value: float) -> float:
        return top + plot_h * (1 - (max(value, low) - low) / (1 - low))

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        '<text x="60" y="22" font-size="14">Attainment over a year, mean of a week (1 is the best possible)</text>',
    ]
    spans = (("broken feed", FEED), ("slow drift", SLOW), ("poisoned week", POISON))
    for name, days in spans:
        if days.start < n_days:
            wide = x(min(days.stop, n_days)) - x(days.start)
            shade = "#f3d9d9" if name != "slow drift" else "#e6ecf5"
            parts.append(
                f'<rect x="{x(days.start):.1f}" y="{top}" width="{wide:.1f}" height="{plot_h}" fill="{shade}"/>'
                f'<text x="{x(days.start):.1f}" y="{top + plot_h + 30}">{escape(name)}</text>'
            )
    if n_days > REGIME:
        parts.append(
            f'<line x1="{x(REGIME):.1f}" x2="{x(REGIME):.1f}" y1="{top}" y2="{top + plot_h}" stroke="#444" '
            f'stroke-dasharray="4 3"/><text x="{x(REGIME):.1f}" y="{top + plot_h + 30}">regime</text>'
        )
    for value in (-0.5, 0.0, 0.5, 1.0):
        parts.append(
            f'<line x1="{left}" x2="{left + plot_w}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#ddd"/>'
            f'<text x="{left - 34}" y="{y(value) + 4:.1f}">{value:.1f}</text>'
        )
    for place, (name, curve) in enumerate(curves.items()):
        smooth = pd.Series(curve).rolling(7, min_periods=1).mean()
        points = " ".join(f"{x(day):.1f},{y(value):.1f}" for day, value in enumerate(smooth))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" stroke-width="1.8"/>'
            f'<text x="{left + plot_w + 12}" y="{top + 16 + 18 * place}" fill="{COLOURS[name]}">{escape(name)}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    """Live through the year under each strategy; print a table, and draw a plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rows", type=int, default=400, help="rows a day")
    parser.add_argument("--seeds", type=int, default=1, help="years")
    parser.add_argument("--plot", type=Path, default=Path("year_of_retraining.svg"))
    parser.add_argument("--window", type=int, default=WARM_UP, help="days that ours learns from, 60 at most")
    parser.add_argument("--held-out", type=float, default=0.25, help="share of them that ours compares on")
    parser.add_argument("--only", choices=list(COLOURS), action="append", default=[], help="only this strategy")
    parser.add_argument("--told", action="store_true", help="print what ours decided, and why")
    args = parser.parse_args()
    Ours.policy = msgspec.structs.replace(
        Ours.policy,
        window=DataWindow(days=min(args.window, WARM_UP)),
        validation=RetrainingValidation(held_out_share=args.held_out),
    )
    warnings.filterwarnings("ignore", message="X does not have valid feature names")
    curves: dict[str, list[float]] = {}
    print(f"{'strategy':<10}{'attainment':>12}{'worst week':>12}{'trained':>9}{'live':>6}{'harmful':>9}{'seconds':>9}")
    for kind in (Never, Monthly, Always, Ours):
        if args.only and kind.name not in args.only:
            continue
        means, worst, trained, live, harm, rejected, restored = [], [], [], [], [], 0, 0
        began = time.perf_counter()
        for seed in range(args.seeds):
            world = World(args.rows, seed)
            strategy = kind(world, seed)
            for number in range(args.days):
                strategy.step(number)
            curves.setdefault(kind.name, strategy.attainment)
            means.append(float(np.mean(strategy.attainment)))
            worst.append(float(pd.Series(strategy.attainment).rolling(7).mean().min()))
            trained.append(strategy.n_trained)
            live.append(len(strategy.deployed))
            harm.append(len(harmful(world, strategy, args.days)))
            if isinstance(strategy, Ours):
                rejected, restored = rejected + strategy.n_rejected, restored + strategy.n_restored
                if args.told:
                    print(*strategy.told, sep="\n")
        took = time.perf_counter() - began
        print(  # each strategy as it ends, and the plot so far: a year takes minutes
            f"{kind.name:<10}{np.mean(means):>12.3f}{np.mean(worst):>12.3f}{np.mean(trained):>9.1f}"
            f"{np.mean(live):>6.1f}{np.mean(harm):>9.1f}{took:>9.1f}",
            flush=True,
        )
        if kind is Ours:
            print(f"ours: {rejected} rejected, {restored} taken back, in {args.seeds} year(s)")
        args.plot.write_text(picture(curves))
    print(f"plot: {args.plot}")


if __name__ == "__main__":
    main()
