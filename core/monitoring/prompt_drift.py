"""Have the prompts of a model of language moved away from its documents? A verdict by caller, valid at every look.

A caller sends many prompts that are alike, so callers are counted and not prompts: each enters a window once, with the
mean of its prompts of the first day on which it asks in the window, however many they are. Days are whole: who asks at
night differs from who asks by day, and a look at half a day would judge the night.

Two figures are judged by the confidence sequence of performance (`performance.sequences.mean_sequence`), which holds at
all looks of a window together. The rank of a prompt is the share of held-out documents whose beginnings of its length
are likelier; it is one half on average of prompts that are beginnings of such documents. The other figure is the share
of prompts that are longer than nearly all of these documents.

A window ends with the day that decides, or after seven days, and the next one counts the same callers anew: evidence is
not carried over, since a caller who comes again is no new caller. So callers by chance unlike all others are looked at
again and again, and prove nothing more by it.
"""

import math
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import msgspec

from core.intervals import Interval
from core.json_documents import decode_msgpack
from core.monitoring.documents import DriftPart, MonitoredColumn
from core.monitoring.performance.sequences import Moments, mean_sequence
from core.monitoring.verdicts import DriftType, DriftVerdict
from core.telemetry.predictions import Cursor, MeasuredPrompt

HARMLESS = 0.1
"""How far the mean rank, or the share of long prompts, may move without a word: 0.36 standard deviations of nats."""
LONGEST_WINDOW = 7  # days
MOST_CALLERS = 4_000  # of a window: an even draw of them, since so many decide
LEAST_DAYS = 100.0  # to a false alarm, whatever the settings allow
_DAY_US = 86_400_000_000
_REFERENCE_ERRORS = 3.0  # standard errors of the held-out documents that belong to what is harmless
_VERSION = 1
_GRAVITY = list(DriftVerdict)
_DECIDED = (DriftVerdict.STABLE, DriftVerdict.WATCH, DriftVerdict.ALARM)


class PromptLimits(msgspec.Struct, frozen=True):
    """Between which means a figure has not moved.

    Attributes:
        usual: Its mean in held-out documents.
        low: The least that is harmless; none below 0.
        high: The most that is harmless.
    """

    usual: float
    low: float
    high: float

    @classmethod
    def of(cls, usual: float, n_documents: int) -> "PromptLimits":
        """Return the limits around a usual mean, as wide as the error of the held-out documents demands.

        >>> limits = PromptLimits.of(0.5, 400)
        >>> round(limits.low, 3), round(limits.high, 3)
        (0.357, 0.643)
        """
        variance = 1 / 12 if usual == RANK else usual * (1 - usual)
        width = HARMLESS + _REFERENCE_ERRORS * math.sqrt(variance / n_documents)
        return cls(usual, usual - width, usual + width)

    def judge(self, interval: Interval | None) -> DriftVerdict:
        """Say what an interval of the mean proves; fewer or shorter ones than usual are no alarm."""
        if interval is None:
            return DriftVerdict.INCONCLUSIVE
        if interval.low > self.high:
            return DriftVerdict.ALARM
        if interval.high < self.low:
            return DriftVerdict.WATCH
        is_inside = interval.high < self.high and (interval.low > self.low or self.low <= 0)
        return DriftVerdict.STABLE if is_inside else DriftVerdict.INCONCLUSIVE


RANK, LONG = 0.5, 0.05
"""The usual mean rank, and the usual share of long prompts."""


class CallerMeans(msgspec.Struct):
    """The sums of one figure over callers, each of which counts once."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, mean: float) -> None:
        """Add a caller."""
        self.n, self.total, self.squares = self.n + 1, self.total + mean, self.squares + mean * mean

    def interval(self, level: float) -> Interval | None:
        """Bound the mean over callers at every look; None of too few callers."""
        if not self.n:
            return None
        mean = self.total / self.n
        variance = max(self.squares / self.n - mean * mean, 0.0)
        return mean_sequence(Moments(mean, variance, self.n, below=mean, above=1.0 - mean), level)


class FigureVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a window says of one figure.

    Attributes:
        verdict: What is proven.
        n_callers: How many callers it rests on.
        mean: Of the callers; 0 of none.
        low: Of its interval.
        high: Of its interval.
        begun: The first day of the window, in days since 1970.
    """

    verdict: DriftVerdict = DriftVerdict.INCONCLUSIVE
    n_callers: int = 0
    mean: float = 0.0
    low: float = 0.0
    high: float = 1.0
    begun: int = 0


class CallerDay(msgspec.Struct):
    """The prompts of one caller today."""

    n: int = 0
    ranks: float = 0.0
    n_long: int = 0


class PromptState(msgspec.Struct, kw_only=True):
    """What is remembered between two looks.

    Attributes:
        version: Of this format.
        cursor: How far prompts were read.
        begun_us: When the first prompt came.
        n_prompts: Prompts in all.
        day: The day that is being counted, in days since 1970.
        window: The first day of the window.
        today: By caller who is new in the window, its prompts of the day.
        entered: The callers who count in the window already.
        below: Callers with a greater hash are left out; None while there are few.
        ranks: The callers' mean ranks.
        longs: The callers' shares of long prompts.
        last: What the last window said of both figures.
        moved_since: By figure, the first day of the first window of those in a row that say it has moved.
    """

    version: int = _VERSION
    cursor: Cursor = msgspec.field(default_factory=Cursor)
    begun_us: int | None = None
    n_prompts: int = 0
    day: int = 0
    window: int = 0
    today: dict[int, CallerDay] = {}
    entered: set[int] = set()
    below: int | None = None
    ranks: CallerMeans = msgspec.field(default_factory=CallerMeans)
    longs: CallerMeans = msgspec.field(default_factory=CallerMeans)
    last: tuple[FigureVerdict, FigureVerdict] = (FigureVerdict(), FigureVerdict())
    moved_since: dict[int, int] = {}


class PromptDrift:
    """The verdict on the prompts of one version."""

    def __init__(self, n_documents: int, false_alarm_days: float, state: PromptState) -> None:
        """Go on from a state, which changes.

        Args:
            n_documents: Held-out documents that ranks are of.
            false_alarm_days: Mean days to a false alarm, of both figures together; at least 100.
            state: What is known.
        """
        self.state = state
        self.false_alarm_days = max(false_alarm_days, LEAST_DAYS)
        self._level = 1.0 / self.false_alarm_days  # a window has a day at least; half of it for each end
        self.limits = (PromptLimits.of(RANK, n_documents), PromptLimits.of(LONG, n_documents))

    def take(self, prompts: Iterable[MeasuredPrompt], today: int) -> None:
        """Count prompts, in the order of storage.

        Args:
            prompts: The prompts.
            today: The day of the look, in days since 1970: one that a clock dated ahead counts on it.
        """
        state = self.state
        if state.day > today:  # a clock was ahead when the last look was
            self.state = state = PromptState(cursor=state.cursor)
        for at_us, (caller, rank, is_long) in prompts:
            self.close_days(min(at_us // _DAY_US, today))
            if state.begun_us is None:
                state.begun_us = min(at_us, (today + 1) * _DAY_US - 1)
            state.n_prompts += 1
            if caller in state.entered or (state.below is not None and abs(caller) >= state.below):
                continue
            own = state.today.setdefault(caller, CallerDay())
            own.n, own.ranks, own.n_long = own.n + 1, own.ranks + rank, own.n_long + is_long
            if len(state.today) + len(state.entered) > MOST_CALLERS:
                state.below = sorted(map(abs, state.today))[len(state.today) // 2]
                state.today = {each: of for each, of in state.today.items() if abs(each) < state.below}

    def close_days(self, today: int) -> None:
        """End the days before one, in days since 1970; a prompt that comes late counts on the day under way."""
        state = self.state
        if state.begun_us is None:
            state.day = state.window = max(state.day, today)
            return
        while state.day < today:
            for caller, own in state.today.items():
                state.ranks.add(own.ranks / own.n)
                state.longs.add(own.n_long / own.n)
                state.entered.add(caller)
            state.today = {}
            state.day += 1
            found = self._found()
            if state.day - state.window >= LONGEST_WINDOW or self._is_decided(found):
                self._end_window(found)
            if not state.entered and today - state.day > LONGEST_WINDOW:  # nobody has asked for long
                state.day = state.window = today
                state.last, state.moved_since = (FigureVerdict(), FigureVerdict()), {}

    def verdicts(self) -> tuple[FigureVerdict, FigureVerdict]:
        """Return what is known of the ranks and of the lengths: of the window, else of the one before."""
        found = self._found()
        ranks, longs = (
            now if now.verdict in _DECIDED or before.verdict not in _DECIDED else before
            for now, before in zip(found, self.state.last, strict=True)
        )
        return ranks, longs

    def part(self, live_since: datetime) -> DriftPart:
        """Return what is shown."""
        state, (ranks, longs) = self.state, self.verdicts()
        if state.begun_us is None:
            return DriftPart(
                as_of=live_since,
                verdict=DriftVerdict.INCONCLUSIVE,
                notes=("no prompt of this version has been measured and recorded yet",),
            )
        columns = (
            self._column(0, "prompts", ranks, self._of_ranks(ranks)),
            self._column(1, "prompt length", longs, self._of_lengths(longs)),
        )
        return DriftPart(
            as_of=_instant(state.day),
            verdict=max((ranks.verdict, longs.verdict), key=_GRAVITY.index),
            n_rows=state.n_prompts,
            since=datetime.fromtimestamp(state.begun_us / 1e6, UTC),
            columns=tuple(sorted(columns, key=lambda each: -_GRAVITY.index(each.verdict))),
            false_alarm_days=self.false_alarm_days,
            notes=("a caller counts once in a window, which has one to seven whole days (UTC)",),
        )

    def _found(self) -> tuple[FigureVerdict, FigureVerdict]:
        state = self.state
        ranks, longs = (
            _verdict(limits, means, means.interval(self._level), state)
            for limits, means in zip(self.limits, (state.ranks, state.longs), strict=True)
        )
        return ranks, longs

    @staticmethod
    def _is_decided(found: tuple[FigureVerdict, FigureVerdict]) -> bool:
        verdicts = [each.verdict for each in found]
        return DriftVerdict.ALARM in verdicts or DriftVerdict.INCONCLUSIVE not in verdicts

    def _end_window(self, found: tuple[FigureVerdict, FigureVerdict]) -> None:
        state = self.state
        state.last, state.window = found, state.day
        state.entered, state.below = set(), None
        state.ranks, state.longs = CallerMeans(), CallerMeans()
        for k, each in enumerate(found):
            if each.verdict in (DriftVerdict.ALARM, DriftVerdict.WATCH):
                state.moved_since.setdefault(k, each.begun)
            else:
                state.moved_since.pop(k, None)

    def _column(self, k: int, name: str, found: FigureVerdict, reason: str) -> MonitoredColumn:
        has_moved = found.verdict in (DriftVerdict.ALARM, DriftVerdict.WATCH)
        since = self.state.moved_since.get(k, found.begun)
        return MonitoredColumn(
            name=name,
            type=DriftType.FEATURE,
            verdict=found.verdict,
            reason=reason,
            evidence=float(has_moved),
            n=found.n_callers + (0 if found.verdict in _DECIDED else len(self.state.today)),
            unit="caller",
            changed_at=_instant(since) if has_moved else None,
        )

    def _of_ranks(self, found: FigureVerdict) -> str:
        low, _, high = (self.limits[0].low, self.limits[0].usual, self.limits[0].high)
        if not found.n_callers or found.verdict is DriftVerdict.INCONCLUSIVE:
            return self._too_few(found, "less likely than {} of held-out documents")
        return (
            f"a prompt is less likely than {found.mean:.0%} of held-out documents are up to its length, by caller "
            f"({_between(found)}); {low:.0%} to {high:.0%} is harmless"
        )

    def _of_lengths(self, found: FigureVerdict) -> str:
        if not found.n_callers or found.verdict is DriftVerdict.INCONCLUSIVE:
            return self._too_few(found, "{} of prompts are longer than nearly all held-out documents")
        return (
            f"{found.mean:.0%} of prompts are longer than 95% of held-out documents, by caller ({_between(found)}); up "
            f"to {self.limits[1].high:.0%} is harmless"
        )

    def _too_few(self, found: FigureVerdict, seen: str) -> str:
        today = len(self.state.today)
        so_far = f", {today:,} so far today" if today else ""
        since = f"{_instant(self.state.window):%Y-%m-%d}"
        text = f"not enough callers yet: {found.n_callers:,} on the days since {since}{so_far}"
        between = f" ({found.low:.0%} to {found.high:.0%})"
        return f"{text}; {seen.format(f'{found.mean:.0%}')}{between}" if found.n_callers and found.high < 1 else text


def prompt_state(content: bytes | None) -> PromptState:
    """Read the state of the last look; a new one if there is none that this release can read."""
    if content is None:
        return PromptState()
    try:
        found = decode_msgpack(content, PromptState)
    except msgspec.DecodeError:
        return PromptState()
    return found if found.version == _VERSION else PromptState()


def day_of(now: datetime) -> int:
    """Return the day of an instant, in days since 1970 (UTC)."""
    return int(now.timestamp() * 1e6) // _DAY_US


def _verdict(limits: PromptLimits, means: CallerMeans, interval: Interval | None, state: PromptState) -> FigureVerdict:
    return FigureVerdict(
        verdict=limits.judge(interval),
        n_callers=means.n,
        mean=means.total / means.n if means.n else 0.0,
        low=0.0 if interval is None else max(interval.low, 0.0),
        high=1.0 if interval is None else min(interval.high, 1.0),
        begun=state.window,
    )


def _between(found: FigureVerdict) -> str:
    return f"{found.low:.0%} to {found.high:.0%}, {found.n_callers:,} callers since {_instant(found.begun):%Y-%m-%d}"


def _instant(day: int) -> datetime:
    at = date(1970, 1, 1) + timedelta(days=day)
    return datetime(at.year, at.month, at.day, tzinfo=UTC)
