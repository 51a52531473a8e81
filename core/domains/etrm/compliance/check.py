"""The check of trades: every regime, the detectors, and what could not be judged."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.arrays import AnyArray, BoolArray, FloatArray
from core.domains.etrm.compliance import constants as law
from core.domains.etrm.compliance.labels import plain
from core.domains.etrm.compliance.off_market import OFF_MARKET_COLUMNS, is_off_market, off_market_scores
from core.domains.etrm.compliance.regime import (
    STATUSES,
    VIOLATIONS,
    CheckSettings,
    Regime,
    RegimeJudgement,
    TradeStatus,
    Violation,
)
from core.domains.etrm.compliance.regimes import regimes_named
from core.domains.etrm.compliance.trades import TradeColumns
from core.domains.etrm.compliance.wash import WASH_COLUMNS, wash_pairs
from core.escape import shown
from core.progress import begins

PATTERN = "pattern"
"""What a finding of a detector names in the place of a regime."""
WORDS: Mapping[str, tuple[str, ...]] = {
    "commodity": ("POWER", "GAS_TTF", "GAS_HH", "CRUDE", "COAL_API2", "CARBON", "LNG_JKM"),
    "hub": (*law.UNION_HUBS.value, *law.US_HUBS.value, *law.OTHER_HUBS.value),
    "instrument": ("spot", *law.DERIVATIVES.value),
    "venue": ("exchange", "OTF", "OTC"),
    "settlement": ("physical", "cash"),
    "status": ("new", "amended", "cancelled", "canceled"),
}


@dataclass(frozen=True, slots=True)
class TradeFinding:
    """A violation of one trade.

    Attributes:
        trade_id: The trade.
        regime: The regime; `pattern` for what a detector found.
        kinds: Names of its violations.
        due: The end of the time to report it; "" without one, and where times of trades are withheld.
        reason: A sentence.
    """

    trade_id: str
    regime: str
    kinds: tuple[str, ...]
    due: str
    reason: str


@dataclass(frozen=True)
class ComplianceCheck:
    """What the rules say of trades.

    Attributes:
        trades: The trades.
        judgements: What each regime says, in the order of the list of regimes.
        patterns: What the detectors found, bits of `Violation`, shape (n,).
        partner: The other trade of a suspected wash pair, -1 without one; shape (n,).
        score: How far each price lies from the market, in robust standard deviations; NaN where it is not judged.
        notes: What could not be judged, and why.
    """

    trades: TradeColumns
    judgements: tuple[tuple[Regime, RegimeJudgement], ...]
    patterns: AnyArray
    partner: AnyArray
    score: FloatArray
    notes: tuple[str, ...]

    @cached_property
    def violations(self) -> AnyArray:
        """The violations of each trade under any regime, and the patterns it is part of; shape (n,)."""
        found = self.patterns.copy()
        for _, judgement in self.judgements:
            found |= judgement.violations
        return found

    @property
    def counts(self) -> dict[str, int]:
        """How many trades have each kind of violation."""
        return {name: int(((self.violations & kind) > 0).sum()) for name, kind in VIOLATIONS.items()}

    @property
    def has_findings(self) -> bool:
        """Whether a trade has a violation or is part of a pattern, or a position is above its limit."""
        return bool(self.violations.any()) or any(judgement.positions for _, judgement in self.judgements)

    def status_counts(self, judgement: RegimeJudgement) -> dict[str, int]:
        """How many trades stand where under a regime; only statuses that occur."""
        counts = np.bincount(judgement.status, minlength=len(STATUSES))
        return {status.value: int(n) for status, n in zip(STATUSES, counts, strict=True) if n}

    def findings(self) -> Iterator[TradeFinding]:
        """Yield the findings: by regime in the order of the file, then the patterns."""
        for regime, judgement in self.judgements:
            for row in np.flatnonzero(judgement.violations).tolist():
                due = np.datetime64("NaT") if "trade_ts" in self.trades.withheld else judgement.due[row]
                yield TradeFinding(
                    self.trades.trade_id(row),
                    regime.name,
                    kinds_of(int(judgement.violations[row])),
                    "" if np.isnat(due) else f"{due}Z",
                    judgement.reasons[int(judgement.reason[row])],
                )
        for row in np.flatnonzero(self.patterns).tolist():
            yield TradeFinding(
                self.trades.trade_id(row), PATTERN, kinds_of(int(self.patterns[row])), "", self.pattern_reason(row)
            )

    def pattern_reason(self, row: int) -> str:
        """Say why a detector suspects a trade."""
        said = []
        if self.partner[row] >= 0:
            said.append(f"mirrors {self.trades.trade_id(int(self.partner[row]))} within {law.WASH_SECONDS.value:.0f} s")
        if self.patterns[row] & Violation.OFF_MARKET:
            said.append(f"price {self.score[row]:+.1f} robust standard deviations from the market")
        return "; ".join(said)


def check_trades(
    trades: TradeColumns,
    *,
    regimes: Iterable[str] | None = None,
    settings: CheckSettings | None = None,
    marks: FloatArray | None = None,
) -> ComplianceCheck:
    """Judge trades under regimes, and look for suspicious patterns.

    Args:
        trades: The trades.
        regimes: Names of regimes; all by default.
        settings: What the check is told besides.
        marks: The market price at the time of each trade, shape (n,), if it is known.
    Raises:
        NotFoundError: There is no such regime.
    """
    settings = settings or CheckSettings()
    judgements = []
    for regime in regimes_named(regimes):
        begins(f"checking {regime.name}")
        judgements.append((regime, regime.judge(trades, settings)))
    begins("looking for patterns")
    patterns, partner, score, notes = _patterns(trades, marks)
    said = (*_unknown_words(trades), *_repeated(trades), *_joint_notes(judgements), *notes)
    return ComplianceCheck(trades, tuple(judgements), patterns, partner, score, said)


def kinds_of(bits: int) -> tuple[str, ...]:
    """Return the names of violations.

    >>> kinds_of(3)
    ('late_report', 'missing_lei')
    """
    return tuple(name for name, kind in VIOLATIONS.items() if bits & kind)


def _patterns(trades: TradeColumns, marks: FloatArray | None) -> tuple[AnyArray, AnyArray, FloatArray, tuple[str, ...]]:
    n = len(trades)
    patterns, partner, score = np.zeros(n, dtype=np.int16), np.full(n, -1, dtype=np.int64), np.full(n, np.nan)
    notes = []
    if missing := trades.missing(WASH_COLUMNS):
        notes.append(f"the column {missing[0]} is missing, so nobody looks for wash trades")
    else:
        pairs = wash_pairs(trades)
        partner[pairs.first], partner[pairs.second] = pairs.second, pairs.first
        patterns[partner >= 0] |= Violation.WASH_TRADE
    if missing := trades.missing(OFF_MARKET_COLUMNS):
        notes.append(f"the column {missing[0]} is missing, so prices are not compared with the market")
    else:
        score = off_market_scores(trades, marks)
        patterns[is_off_market(score)] |= Violation.OFF_MARKET
        n_judged, n_priced = int(np.isfinite(score).sum()), int(trades.is_live.sum())
        if n_judged < n_priced:
            notes.append(f"{n_priced - n_judged:,} of {n_priced:,} prices have too few peers to be compared")
    return patterns, partner, score, tuple(notes)


def _joint_notes(judgements: Iterable[tuple[Regime, RegimeJudgement]]) -> list[str]:
    """Say each note once, with the regimes that it belongs to."""
    found: dict[str, list[str]] = {}
    for regime, judgement in judgements:
        for note in dict.fromkeys(judgement.notes):
            found.setdefault(note, []).append(regime.name)
    return [f"{note} ({', '.join(names)})" for note, names in found.items()]


def _unknown_words(trades: TradeColumns) -> list[str]:
    """Name words that no rule knows: such a trade falls into no rule that asks for them."""
    notes = []
    for column, words in WORDS.items():
        if column not in trades.words:
            continue
        labels, known = trades.words[column], {plain(word) for word in words}
        strange = np.array([plain(word) not in known for word in labels.words], dtype=np.bool_)
        rows: BoolArray = labels.spread(strange, False)
        if n := int(rows.sum()):
            example = f", such as {shown(labels.words[int(np.argmax(strange))])}"
            example = "" if column in trades.withheld else example
            notes.append(f"{n:,} trades have a {column} that no rule knows{example}")
        if n := int((~labels.filled).sum()):
            notes.append(f"{n:,} trades have no {column}")
    if "side" in trades.words and (n := int(np.isnan(trades.sign).sum())):
        notes.append(f"{n:,} trades have a side other than buy and sell, and count in no position")
    return notes


def _repeated(trades: TradeColumns) -> list[str]:
    ids = trades.ids if isinstance(trades.ids, pa.ChunkedArray) else pa.chunked_array([trades.ids])
    n = len(ids) - pc.count_distinct(ids).as_py()
    return [f"{n:,} rows repeat the id of another; each row counts as a trade"] if n else []


def judged_counts(check: ComplianceCheck) -> dict[str, dict[str, int]]:
    """Return by regime how many trades are in its scope, and stand where."""
    found = {}
    for regime, judgement in check.judgements:
        counts = check.status_counts(judgement)
        in_scope = len(check.trades) - counts.get(TradeStatus.OUT_OF_SCOPE.value, 0)
        found[regime.name] = {"in_scope": in_scope, **counts}
    return found
