"""Relations of every bond market: worse ratings pay and default more, longer bonds pay more.

Rows of one issuer are similar, so evidence is counted by issuer: the effective sample of a panel is
its issuers. The panel itself must prove the strong relation, of rating and spread; it must only not disprove
the weaker relations. Either way the reason gives the interval and the number of issuers behind it.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.special import bdtrc, ndtri

from core.arrays import BoolArray, FloatArray, IntArray
from core.quality.cells import Cells, statistic_of
from core.quality.check import Check, Measurement, TooFewError, UnreadableError, fixed
from core.quality.gate import counted

CONFIDENCE = 0.95
FEWEST_ISSUERS = 8
LETTER_EDGES = (0, 1, 4, 7, 10, 13, 16, 21)  # first notch of AAA, AA, A, BBB, BB, B, CCC/C, and default
LETTERS = ("AAA", "AA", "A", "BBB", "BB", "B", "CCC/C")
INVESTMENT_GRADE_END = 10
LOST_BY_A_WEAK_RELATION = 0.25  # of the score's consistency
WIDE_RATINGS = 2.5  # notches of standard deviation; about 4 in a market, 2.4 in investment grade alone, 2.1 below it
LOST_CORRELATION = 0.7
CLEAR_CONTRADICTION = 0.01  # probability of the observed disorder, or worse, if neighbours had equal default rates

_RATINGS = ("rating", "rating_num")
_Z = float(ndtri(CONFIDENCE))


class _ByIssuer(NamedTuple):
    issuer: IntArray
    n_issuers: int
    notch: FloatArray
    spread: FloatArray


def _by_issuer(cells: Cells) -> _ByIssuer:
    """Return rating and spread, on their scales, of rows that have both and an issuer; elsewhere NaN."""
    issuer, names = cells.labels("issuer_id")
    notch, spread = cells.numbers("rating_num"), cells.numbers("spread_bps")
    known = (issuer >= 0) & _on_scale(notch) & ~np.isnan(spread)
    if not known.any():
        raise UnreadableError("no row has an issuer, a rating on the scale and a spread")
    return _ByIssuer(issuer, len(names), np.where(known, notch, np.nan), np.where(known, spread, np.nan))


def _on_scale(notch: FloatArray) -> BoolArray:
    return (notch >= 0) & (notch <= LETTER_EDGES[-1])


@statistic_of("rating_num", "spread_bps")
def rating_spread_correlation(cells: Cells) -> Measurement:
    """Bound from below the correlation of worse ratings with wider spreads.

    The value is the lower end of the one-sided 95 % interval of Spearman's correlation over issuers, each by
    its mean notch and the mean rank of its spreads; it should be above zero.

    If it is surely below zero, the panel contradicts every bond market, and blocks. Where ratings differ widely, the
    correlation is about 0.9, and a panel whose interval stays below 0.7 blocks, too.
    """
    data = _by_issuer(cells)
    found = _correlation_over_issuers(data.issuer, data.n_issuers, data.notch, data.spread)
    if found is None:
        raise UnreadableError("all issuers have the same rating or the same spread")
    rho, low, high, n = found
    reason = f"Spearman correlation {rho:.2f} over {n} issuers, at least {low:.2f} at 95% confidence"
    if high < 0:
        reason = f"better ratings pay more: {reason}, at most {high:.2f}"
    is_lost = float(np.nanstd(data.notch)) >= WIDE_RATINGS and high < LOST_CORRELATION
    if is_lost and high >= 0:
        reason = f"ratings do not order spreads: {reason}, at most {high:.2f}"
    return Measurement(low, n, reason=reason, is_gross=high < 0 or is_lost, samples="issuers")


@statistic_of("liquidity_index", "bid_ask_bps")
def liquidity_bid_ask_correlation(cells: Cells) -> Measurement:
    """Bound from below the correlation of the liquidity index with the bid-ask spread.

    It is about -0.7; a panel whose interval stays above -0.2 has lost the relation, and a small one does not fail for
    its size. If it is surely above zero, the panel blocks.
    """
    issuer, names = cells.labels("issuer_id")
    liquidity, bid_ask = cells.numbers("liquidity_index"), cells.numbers("bid_ask_bps")
    known = (issuer >= 0) & ~np.isnan(liquidity) & ~np.isnan(bid_ask)
    found = _correlation_over_issuers(issuer, len(names), np.where(known, liquidity, np.nan), bid_ask)
    if found is None:
        raise UnreadableError("all issuers have the same liquidity or the same bid-ask spread")
    rho, low, high, n = found
    reason = f"Spearman correlation {rho:.2f} over {n} issuers, {low:.2f} to {high:.2f} at 95% confidence"
    return Measurement(low, n, reason=reason, is_gross=low > 0, samples="issuers")


def _correlation_over_issuers(
    issuer: IntArray, n_issuers: int, first: FloatArray, second: FloatArray
) -> tuple[float, float, float, int] | None:
    """Correlate the ranks of two columns, each issuer by its mean ranks.

    Returns:
        Spearman's correlation, its one-sided 95 % limits below and above, and the number of issuers; None if a column
        is constant.
    Raises:
        TooFewError: There are fewer than eight issuers.
    Source:
        Bonett and Wright, Psychometrika 65(1), 2000, for the standard error in Fisher's z.
    """
    known = ~np.isnan(first) & ~np.isnan(second)
    rows = issuer[known]
    count = np.bincount(rows, minlength=n_issuers)
    seen = count > 0
    n = int(seen.sum())
    if n < FEWEST_ISSUERS:
        raise TooFewError(f"{n} issuers are too few to judge; at least {FEWEST_ISSUERS} are needed")
    means = [np.bincount(rows, _ranks(values[known]), n_issuers)[seen] / count[seen] for values in (first, second)]
    rho = _correlation(_ranks(means[0]), _ranks(means[1]))
    if math.isnan(rho):
        return None
    clipped = min(max(rho, -0.999999), 0.999999)
    reach = _Z * math.sqrt((1 + clipped**2 / 2) / (n - 3))
    return rho, math.tanh(math.atanh(clipped) - reach), math.tanh(math.atanh(clipped) + reach), n


@statistic_of("rating_num", "spread_bps", "maturity_years")
def maturity_risk(cells: Cells) -> Measurement:
    """Bound from above how often the longer of two bonds of one issuer pays more.

    The shortest and longest bond of an investment-grade issuer on the same day are compared, so that credit,
    sector and market are the same on both sides; speculative-grade curves are flat or inverted, and are left
    out. The value is the upper end of the one-sided 95 % interval, over issuers, of the share of days on which
    the longer bond pays more. That share is about four in five; a panel whose interval stays below two in three has
    lost the relation, and a small panel does not fail for its size.
    """
    data = _by_issuer(cells)
    maturity, day = cells.numbers("maturity_years"), cells.dates("as_of_date")
    rows = np.flatnonzero(
        ~np.isnan(data.spread) & ~np.isnan(maturity) & ~np.isnat(day) & (data.notch < INVESTMENT_GRADE_END)
    )
    order = rows[np.lexsort((maturity[rows], day[rows], data.issuer[rows]))]
    if not len(order):
        raise TooFewError("no investment-grade bond has rating, spread, maturity and date")
    new = (np.diff(data.issuer[order]) != 0) | (np.diff(day[order]) != np.timedelta64(0, "D"))
    first = np.flatnonzero(np.concatenate(([True], new)))
    last = np.concatenate((first[1:], [len(order)])) - 1
    short, long = order[first], order[last]
    comparable = maturity[long] - maturity[short] >= 1
    short, long = short[comparable], long[comparable]
    longer_pays = np.where(data.spread[long] == data.spread[short], 0.5, data.spread[long] > data.spread[short])
    n_days = np.bincount(data.issuer[short], minlength=data.n_issuers)
    seen = n_days > 0
    n = int(seen.sum())
    if not n:
        raise TooFewError("no investment-grade issuer has two bonds whose maturities differ by a year")
    share = np.bincount(data.issuer[short], longer_pays, data.n_issuers)[seen] / n_days[seen]
    mean = float(share.mean())
    # The half observation on each side keeps an error bar on samples that all agree.
    error = math.sqrt((float(share.var()) * n + 0.5) / (n * (n + 1)))
    bound = min(mean + _Z * error, 1.0)
    reason = f"the longer bond pays more for {mean:.0%} of {n} issuers, at most {bound:.0%} at 95% confidence"
    return Measurement(bound, n, reason=reason, samples="issuers")


def letter_medians(cells: Cells) -> Measurement:
    """Count the letters whose median spread is below that of the next better letter.

    Letters with few rows are left out (fewer than 1 % of the panel, within 20 and 200), and so are letters with
    fewer than eight issuers, whose median reflects a handful of names.
    """
    data = _by_issuer(cells)
    known = ~np.isnan(data.spread)
    letter = np.searchsorted(LETTER_EDGES, data.notch, side="right") - 1
    n_known = int(known.sum())
    fewest = min(max(20, n_known // 100), 200)
    medians: list[tuple[str, float]] = []
    for index, name in enumerate(LETTERS):
        rows = np.flatnonzero(known & (letter == index))
        if len(rows) >= fewest and len(np.unique(data.issuer[rows])) >= FEWEST_ISSUERS:
            medians.append((name, float(np.median(data.spread[rows]))))
    if len(medians) < 2:
        return Measurement(0.0, n_known, reason=f"fewer than two letters have {fewest} rows to compare")
    fallen = [f"{worse[0]} below {better[0]}" for better, worse in pairwise(medians) if worse[1] < better[1]]
    reason = _of_letters(cells, fallen, "whose median spread is below that of the next better letter")
    columns = _RATINGS if fallen else ()
    reason = reason or "median spreads rise with every letter"
    return Measurement(float(len(fallen)), n_known, reason=reason, columns=columns)


def default_order(cells: Cells) -> Measurement:
    """Count neighbouring letters of which the better letter clearly defaulted more often.

    Defaults are counted once per issuer and date. Given the number of defaults in both letters, how many fall
    on the better letter is binomial if their default rates are equal; only a disorder with a probability below
    one in a hundred is counted, since defaults are few.
    """
    issuer, _ = cells.labels("issuer_id")
    day, notch, defaulted = cells.dates("as_of_date"), cells.numbers("rating_num"), cells.numbers("default_12m")
    known = (issuer >= 0) & ~np.isnat(day) & _on_scale(notch) & ~np.isnan(defaulted)
    if not known.any():
        raise UnreadableError("no row has an issuer, a date, a rating on the scale and a default flag")
    rows = np.flatnonzero(known)
    rows = rows[np.lexsort((day[rows], issuer[rows]))]
    repeated = (np.diff(issuer[rows]) == 0) & (np.diff(day[rows]) == np.timedelta64(0, "D"))
    rows = rows[~np.concatenate(([False], repeated))]
    letter = np.searchsorted(LETTER_EDGES, notch[rows], side="right") - 1
    size = np.bincount(letter, minlength=len(LETTERS) + 1)
    events = np.bincount(letter, defaulted[rows] > 0, minlength=len(LETTERS) + 1)
    contradictions = []
    present = [index for index in range(len(LETTERS)) if size[index]]
    for better, worse in pairwise(present):
        total = events[better] + events[worse]
        share = size[better] / (size[better] + size[worse])
        if events[better] and bdtrc(events[better] - 1, int(total), share) < CLEAR_CONTRADICTION:
            contradictions.append(f"{LETTERS[better]} defaulted more often than {LETTERS[worse]}")
    reason = _of_letters(cells, contradictions, "that defaulted more often than the next worse letter")
    among = "the" if "default_12m" in cells.denied else int(events.sum())
    reason = reason or f"no clear disorder among {among} defaults"
    columns = _RATINGS if contradictions else ("default_12m",)
    return Measurement(
        float(len(contradictions)), len(rows), reason=reason, samples="issuers and dates", columns=columns
    )


def _of_letters(cells: Cells, found: Sequence[str], said: str) -> str:
    """Say what was found of letters; only their number if no rating may be quoted."""
    if not found or cells.denied.isdisjoint(_RATINGS):
        return "; ".join(found)
    return f"{counted(len(found), 'letters')} of the rating {said}"


def _ranks(values: FloatArray) -> FloatArray:
    """Return ranks; ties get their mean rank."""
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks: FloatArray = (np.cumsum(count) - (count - 1) / 2)[inverse]
    return ranks


def _correlation(x: FloatArray, y: FloatArray) -> float:
    x, y = x - x.mean(), y - y.mean()
    scale = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / scale if scale else math.nan


RELATIONS = (
    Check(
        "rating_spread_correlation",
        rating_spread_correlation,
        ">=",
        fixed(0.0),
        dimension="consistency",
        lost_if_few=LOST_BY_A_WEAK_RELATION,
    ),
    Check(
        "liquidity_bid_ask_correlation",
        liquidity_bid_ask_correlation,
        "<=",
        fixed(-0.2),
        dimension="consistency",
        lost_if_few=LOST_BY_A_WEAK_RELATION,
    ),
    Check("maturity_risk", maturity_risk, ">=", fixed(0.65), dimension="consistency", lost=LOST_BY_A_WEAK_RELATION),
    Check(
        "letter_medians",
        letter_medians,
        "<=",
        fixed(0.0),
        "letters",
        dimension="consistency",
        lost=LOST_BY_A_WEAK_RELATION,
    ),
    Check(
        "default_order",
        default_order,
        "<=",
        fixed(0.0),
        "letters",
        dimension="consistency",
        lost=LOST_BY_A_WEAK_RELATION,
    ),
)
