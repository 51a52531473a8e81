"""Position limits: trades that lead above one by themselves, and net positions at the end of a day."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from core.arrays import AnyArray, BoolArray, DateArray, FloatArray, IntArray
from core.domains.etrm.compliance import constants as law
from core.domains.etrm.compliance.calendars import federal_holidays, working_day_before
from core.domains.etrm.compliance.labels import plain
from core.domains.etrm.compliance.regime import PositionBreach
from core.domains.etrm.compliance.trades import TradeColumns
from core.errors import UsageError

LATER: Final = "later months"
LIMIT_COLUMNS = ("quantity_lots", "side", "delivery_start", "delivery_end")
MOST_MONTHS = 240  # of one delivery; a longer one is an error in its dates
MOST_LEGS = 50_000_000  # trades times months: more would fill the memory
LISTED = 1_000  # breaches that are kept, the earliest first; a hostile file could name millions of contracts


@dataclass(frozen=True, slots=True)
class Legs:
    """What trades deliver in each month, in lots; one entry a trade and month.

    Attributes:
        row: The trade.
        month: Months since 1970.
        hub: Position among the words of the column hub.
        day: The day of the trade, datetime64[D].
        lots: Signed by the side; of a put, against it. An option counts in full, since its delta is not in the file.
    """

    row: IntArray
    month: IntArray
    hub: IntArray
    day: DateArray
    lots: FloatArray

    def take(self, mask: AnyArray) -> "Legs":
        """Return some of the legs, by position or by mask."""
        return Legs(self.row[mask], self.month[mask], self.hub[mask], self.day[mask], self.lots[mask])


class JudgedPositions(NamedTuple):
    """Net positions above their limit.

    Attributes:
        found: Those that are, or were, on a day up to that of the check.
        ahead: Those that will be on a day that has not come, if nothing is traded until then.
    """

    found: tuple[PositionBreach, ...] = ()
    ahead: tuple[PositionBreach, ...] = ()


def legs_of(trades: TradeColumns, counted: BoolArray, until: np.datetime64) -> Legs:
    """Split trades into their delivery months; those with an empty cell that decides are left out.

    Args:
        trades: The trades.
        counted: Which count, shape (n,).
        until: The day of the check; later trades have not been made.
    Raises:
        UsageError: They deliver in more months than the memory holds.
    """
    made = trades.instants["trade_ts"].astype("datetime64[D]")
    start, end = trades.days["delivery_start"], trades.days["delivery_end"]
    lots = trades.numbers["quantity_lots"] * trades.sign
    if "option_type" in trades:
        lots = np.where(trades.among("option_type", ("put", "p")), -lots, lots)
    usable = counted & np.isfinite(lots) & (made <= until) & ~np.isnat(start) & ~np.isnat(end) & (end >= start)
    row = np.flatnonzero(usable)
    first = start[row].astype("datetime64[M]").astype(np.int64)
    n_months = np.minimum(end[row].astype("datetime64[M]").astype(np.int64) - first + 1, MOST_MONTHS)
    if (n_legs := int(n_months.sum())) > MOST_LEGS:
        raise UsageError(
            f"the trades with a position limit deliver in {n_legs:,} months together, and {MOST_LEGS:,} can be judged. "
            "Check delivery_start and delivery_end, or split the trades."
        )
    each = np.repeat(row, n_months)
    nth = np.arange(len(each)) - np.repeat(np.cumsum(n_months) - n_months, n_months)
    month = np.repeat(first, n_months) + nth
    return Legs(each, month, trades.words["hub"].codes[each].astype(np.int64), made[each], lots[each])


ABOVE_ALONE = "the trade is above the limit of the spot month, and so is the position that it leads to"


class LimitWindow(NamedTuple):
    """Days on which one limit applies to a contract.

    Attributes:
        begin: The first day.
        end: The last day.
        limit: The limit, in lots.
    """

    begin: np.datetime64
    end: np.datetime64
    limit: float


WindowsOf = Callable[[str, int], Sequence[LimitWindow]]
"""Returns the windows of a hub and a delivery month in the order of time; none where no limit binds."""


def federal_windows(hub: str, month: int) -> Sequence[LimitWindow]:
    """Return the last three working days before delivery; the last one ends with the month.

    Source:
        17 CFR 150, appendix E.
    """
    limits = law.US_SPOT_LOTS.value.get(plain(hub), ())
    backs = range(law.SPOT_DAYS.value, 0, -1)
    first = np.array([month], dtype="datetime64[M]")
    begins = [working_day_before(first, back, federal_holidays())[0] for back in backs]
    ends = [*(day - 1 for day in begins[1:]), _day_of(month) - 1]
    return [LimitWindow(*window) for window in zip(begins, ends, limits, strict=False)]


def union_windows(hub: str, month: int) -> Sequence[LimitWindow]:
    """Return the month before delivery.

    Source:
        Delegated Regulation (EU) 2022/1302, articles 9 to 14.
    """
    limit = union_limits()[0].get(plain(hub))
    return [] if limit is None else [LimitWindow(_day_of(month - 1), _day_of(month) - 1, limit)]


def exceed_alone(trades: TradeColumns, legs: Legs, until: np.datetime64, windows_of: WindowsOf) -> BoolArray:
    """Return which trades are above the limit of the spot month, and lead to a net position above it on their side.

    The position is that right after the trade where the limit applies by then: it binds at all times. Of an earlier
    trade it is that at the end of the first day on which the limit applies. A sale that closes a position, or a trade
    that is closed before the limit applies, is no violation.

    Args:
        trades: The trades.
        legs: What they deliver in each month, up to the day of the check.
        until: The day of the check.
        windows_of: When which limit applies.
    Source:
        Directive 2014/65/EU, article 57(1); 17 CFR 150.2(a).
    """
    found = np.full(len(trades), False)
    made = trades.instants["trade_ts"]
    for hub, month, of_contract in _contracts(trades, legs, trades.words["hub"].words):
        windows = [window for window in windows_of(hub, month) if window.begin <= until]
        if not windows or np.abs(of_contract.lots).max() <= min(window.limit for window in windows):
            continue
        held = of_contract.take(np.lexsort((of_contract.row, made[of_contract.row])))
        net = np.cumsum(held.lots)
        for begin, end, limit in windows:
            at = np.flatnonzero((np.abs(held.lots) > limit) & (held.day <= end))
            at_begin = net[np.searchsorted(held.day, begin, side="right") - 1]
            led_to = np.where(held.day[at] < begin, at_begin, net[at])
            found[held.row[at[np.sign(held.lots[at]) * led_to > limit]]] = True
    return found


def federal_breaches(trades: TradeColumns, legs: Legs, until: np.datetime64) -> JudgedPositions:
    """Return the positions above the federal limits on the last three working days before delivery.

    Args:
        trades: The trades.
        legs: What they deliver in each month.
        until: The day of the check.
    Source:
        17 CFR 150, appendix E: spot-month limits of NYMEX Henry Hub Natural Gas and WTI Light Sweet Crude Oil.
    """
    found = []
    for hub, month, held in _contracts(trades, legs, tuple(law.US_SPOT_LOTS.value)):
        for day, _, limit in federal_windows(hub, month):
            so_far = held.take(held.day <= day)
            net = float(so_far.lots.sum())
            if abs(net) > limit:
                found.append(_breach(hub, month, day, net, limit, trades.trade_id(_last(trades, so_far.row))))
                break
    return _earliest(found, until)


def union_breaches(
    trades: TradeColumns, legs: Legs, until: np.datetime64, spot: Mapping[str, float], other: Mapping[str, float]
) -> JudgedPositions:
    """Return the positions above the limits of MiFID II at the end of a day.

    The limit of the spot month holds for each delivery during the month before it; that of the other months holds for
    the net of all later deliveries.

    Args:
        trades: The trades.
        legs: What they deliver in each month.
        until: The day of the check.
        spot: Limits of the spot month by hub, in lots.
        other: Limits of the other months by hub, in lots.
    Source:
        Delegated Regulation (EU) 2022/1302, articles 9 to 14; Directive 2014/65/EU, article 57(1).
    """
    found = []
    for hub, month, of_month in _contracts(trades, legs, tuple(spot)):
        held = of_month.take(of_month.day < _first_day(month))
        days = np.maximum(held.day, _first_day(month - 1))
        if (first := _first_above(trades, held, days, spot[plain(hub)])) is not None:
            found.append(_breach(hub, month, *first[:2], spot[plain(hub)], first[2]))
    for code, word in enumerate(trades.words["hub"].words):
        if plain(word) in other:
            found += _other_months(trades, word, legs.take(legs.hub == code), other[plain(word)])
    return _earliest(found, until)


def _other_months(trades: TradeColumns, hub: str, legs: Legs, limit: float) -> list[PositionBreach]:
    """Judge the net of later deliveries: a leg enters with its trade, and leaves when its month is the spot month."""
    leaves = _first_day(legs.month - 1)
    enters = legs.day < leaves
    legs, leaves = legs.take(enters), leaves[enters]
    both = Legs(
        np.tile(legs.row, 2),
        np.tile(legs.month, 2),
        np.tile(legs.hub, 2),
        np.concatenate([legs.day, leaves]),
        np.concatenate([legs.lots, -legs.lots]),
    )
    first = _first_above(trades, both, both.day, limit)
    if first is None:
        return []
    day, net, trade_id = first
    return [PositionBreach(hub, LATER, str(day), round(net, 6), limit, trade_id)]


def _first_above(
    trades: TradeColumns, legs: Legs, days: AnyArray, limit: float
) -> tuple[np.datetime64, float, str] | None:
    """Return the first day at whose end the net position is above a limit, the position, and the last trade before."""
    if not len(legs.row):
        return None
    order = np.argsort(days, kind="stable")
    net, ends = np.cumsum(legs.lots[order]), np.append(np.diff(days[order]).astype(np.int64) > 0, True)
    above = np.flatnonzero(ends & (np.abs(net) > limit))
    if not above.size:
        return None
    at = int(above[0])
    made = legs.row[order][: at + 1]
    return days[order][at], float(net[at]), trades.trade_id(_last(trades, made))


def _contracts(trades: TradeColumns, legs: Legs, hubs: Sequence[str]) -> Iterator[tuple[str, int, Legs]]:
    """Yield the legs of each limited hub and delivery month, in order."""
    limited = {plain(hub) for hub in hubs}
    for code, word in enumerate(trades.words["hub"].words):
        if plain(word) not in limited:
            continue
        of_hub = legs.take(legs.hub == code)
        of_hub = of_hub.take(np.argsort(of_hub.month, kind="stable"))
        months, starts = np.unique(of_hub.month, return_index=True)
        bounds = np.append(starts, len(of_hub.month))
        for month, start, end in zip(months, bounds[:-1], bounds[1:], strict=True):
            yield word, int(month), of_hub.take(np.arange(start, end))


def _last(trades: TradeColumns, rows: IntArray) -> int:
    """Return the trade that was made last; of several, the last in the file."""
    made = trades.instants["trade_ts"][rows]
    return int(rows[np.flatnonzero(made == made.max())[-1]])


def _first_day(month: AnyArray | int) -> DateArray:
    return np.asarray(month).astype("datetime64[M]").astype("datetime64[D]")


def _day_of(month: int) -> np.datetime64:
    day: np.datetime64 = np.datetime64(month, "M").astype("datetime64[D]")
    return day


def _breach(hub: str, month: int, day: np.datetime64, net: float, limit: float, trade_id: str) -> PositionBreach:
    return PositionBreach(hub, str(np.datetime64(int(month), "M")), str(day), round(float(net), 6), limit, trade_id)


def _earliest(found: list[PositionBreach], until: np.datetime64) -> JudgedPositions:
    """Keep the first day of each contract, in the order of time; those that have come, and those ahead."""
    first: dict[tuple[str, str], PositionBreach] = {}
    for breach in sorted(found, key=lambda each: (each.day, each.hub, each.delivery_month)):
        first.setdefault((breach.hub, breach.delivery_month), breach)
    kept = tuple(first.values())[:LISTED]
    has_come = [np.datetime64(breach.day) <= until for breach in kept]
    return JudgedPositions(
        tuple(breach for breach, come in zip(kept, has_come, strict=True) if come),
        tuple(breach for breach, come in zip(kept, has_come, strict=True) if not come),
    )


def union_limits() -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Return the limits of the spot month and of the other months by hub, in lots: a share of the supply."""
    share = law.MIFID_SHARE.value[0]
    hubs = law.MIFID_HUBS.value
    spot = dict.fromkeys(hubs, share * law.TTF_DELIVERABLE_LOTS.value)
    return spot, dict.fromkeys(hubs, share * law.TTF_OPEN_LOTS.value)
