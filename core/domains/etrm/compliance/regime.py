"""What a regime is: its name, the columns it reads, and its judgement of trades."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntFlag, StrEnum

import numpy as np

from core.arrays import AnyArray, BoolArray, DateArray
from core.domains.etrm.compliance.trades import TradeColumns
from core.errors import UsageError

MONTHS = 12


class EmirMethod(StrEnum):
    """How positions count towards EMIR's clearing threshold."""

    ALL_OTC = "old"
    UNCLEARED = "uncleared"


class Violation(IntFlag):
    """The kinds of violation, as bits of one number a trade; `late_report` and the like are their names."""

    LATE_REPORT = 1
    MISSING_LEI = 2
    MISSING_UTI = 4
    LIMIT_BREACH = 8
    WASH_TRADE = 16
    OFF_MARKET = 32


RULE_DEFINED = Violation.LATE_REPORT | Violation.MISSING_LEI | Violation.MISSING_UTI | Violation.LIMIT_BREACH
"""A rule decides these; the others are patterns that a detector scores."""
VIOLATIONS: Mapping[str, Violation] = {kind.name.lower(): kind for kind in Violation if kind.name}


class TradeStatus(StrEnum):
    """Where a trade stands under a regime."""

    OUT_OF_SCOPE = "out_of_scope"
    REPORTED = "reported"
    LATE = "late"
    UNREPORTED = "unreported"  # its deadline has passed, and no report is known
    PENDING = "pending"  # its deadline has not passed
    NOT_JUDGED = "not_judged"  # the file does not say when it was reported, or a cell that decides is empty
    LIMITED = "limited"  # a position limit applies
    EXEMPT = "exempt"  # a hedge, to which no limit applies


STATUSES = tuple(TradeStatus)


class ThresholdVerdict(StrEnum):
    """Whether a figure of the firm is above its threshold."""

    EXCEEDED = "exceeded"
    NOT_EXCEEDED = "not_exceeded"
    UNDECIDED = "undecided"  # it is not above it by what the file knows, and the file does not know all


@dataclass(frozen=True, slots=True)
class FirmThreshold:
    """A figure of the whole firm and its threshold.

    Attributes:
        name: What is measured.
        value: The figure, in `unit`.
        limit: The threshold.
        unit: The currency.
        exceeded: What follows if the figure is above it.
        n_left_out: Trades whose price, quantity or currency is unknown.
        gap: What part of the period the file does not know, in words; "" if it knows all of it.
        verdict: Undecided if the figure is not above the threshold, but trades or a part of the period are unknown.
    """

    name: str
    value: float
    limit: float
    unit: str
    exceeded: str
    n_left_out: int = 0
    gap: str = ""
    verdict: ThresholdVerdict = field(init=False)

    def __post_init__(self) -> None:
        verdict = ThresholdVerdict.NOT_EXCEEDED
        if self.value > self.limit:  # what is unknown could only add to it
            verdict = ThresholdVerdict.EXCEEDED
        elif self.n_left_out or self.gap:
            verdict = ThresholdVerdict.UNDECIDED
        object.__setattr__(self, "verdict", verdict)

    @property
    def is_exceeded(self) -> bool:
        """Whether the figure is above the threshold."""
        return self.verdict is ThresholdVerdict.EXCEEDED


@dataclass(frozen=True, slots=True)
class PositionBreach:
    """A net position above its limit.

    Attributes:
        hub: The contract's hub.
        delivery_month: Such as 2024-03.
        day: The first day on which it is above.
        net_lots: The position at the end of that day; negative if sold. None where quantities are withheld.
        limit_lots: The limit of that day.
        trade_id: The last trade that led there.
    """

    hub: str
    delivery_month: str
    day: str
    net_lots: float | None
    limit_lots: float
    trade_id: str


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """What a check is told besides the trades.

    Attributes:
        emir_method: How positions count towards EMIR's clearing threshold.
        eur_per_unit: Euros per unit of each currency.
        as_of: The time of the check; by default that of the last trade or report. What comes later is no finding.
    """

    emir_method: EmirMethod = EmirMethod.ALL_OTC
    eur_per_unit: Mapping[str, float] = field(default_factory=dict)
    as_of: np.datetime64 | None = None

    def __post_init__(self) -> None:
        for currency, rate in self.eur_per_unit.items():
            if not 0.0 < rate < np.inf:
                raise UsageError(f"the rate of {currency} is {rate!r}; give a number above 0, in euros per unit.")


@dataclass(frozen=True, slots=True)
class RegimeJudgement:
    """What a regime says of trades.

    Attributes:
        due: The end of the time to report each trade, datetime64[s]; NaT where none is due. Shape (n,).
        status: Positions in `STATUSES`, shape (n,).
        violations: Bits of `Violation`, shape (n,).
        reason: Positions in `reasons`, shape (n,).
        reasons: The sentences.
        positions: Net positions above their limit, on a day up to that of the check.
        ahead: Net positions that will be above it on a day that has not come, if nothing is traded until then.
        thresholds: Figures of the whole firm.
        notes: What could not be judged, and why.
    """

    due: DateArray
    status: AnyArray
    violations: AnyArray
    reason: AnyArray
    reasons: tuple[str, ...]
    positions: tuple[PositionBreach, ...] = ()
    ahead: tuple[PositionBreach, ...] = ()
    thresholds: tuple[FirmThreshold, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Regime:
    """A set of rules.

    Attributes:
        name: As the command line and the table name it.
        title: In words.
        judge: Judges trades; it names in its notes what missing columns leave open.
    """

    name: str
    title: str
    judge: Callable[[TradeColumns, CheckSettings], RegimeJudgement]


class JudgementDraft:
    """A judgement under construction: every trade is out of scope until a rule says otherwise."""

    def __init__(self, trades: TradeColumns, out_of_scope: str) -> None:
        n = len(trades)
        self.trades = trades
        self.due: DateArray = np.full(n, "NaT", dtype="datetime64[s]")
        self.status = np.zeros(n, dtype=np.int8)
        self.violations = np.zeros(n, dtype=np.int16)
        self.notes: list[str] = []
        self._reason = np.zeros(n, dtype=np.int8)
        self._reasons = [out_of_scope]

    def mark(self, mask: BoolArray, status: TradeStatus, reason: str) -> None:
        """Give trades a status and its reason."""
        self.status[mask] = STATUSES.index(status)
        self.explain(mask, reason)

    def flag(self, mask: BoolArray, violation: Violation, reason: str) -> None:
        """Add a violation; its reason replaces that of the status."""
        self.violations[mask] |= violation
        self.explain(mask, reason)

    def explain(self, mask: BoolArray, reason: str) -> None:
        """Give trades a reason."""
        if reason not in self._reasons:
            self._reasons.append(reason)
        self._reason[mask] = self._reasons.index(reason)

    def done(
        self,
        *,
        positions: tuple[PositionBreach, ...] = (),
        ahead: tuple[PositionBreach, ...] = (),
        thresholds: tuple[FirmThreshold, ...] = (),
    ) -> RegimeJudgement:
        """Finish it."""
        return RegimeJudgement(
            self.due,
            self.status,
            self.violations,
            self._reason,
            tuple(self._reasons),
            positions,
            ahead,
            thresholds,
            tuple(self.notes),
        )
