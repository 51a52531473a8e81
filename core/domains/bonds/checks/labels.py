"""Labels: not all alike, as frequent as any market has them, and driven by what drives them everywhere."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from core import intervals
from core.arrays import FloatArray
from core.models.ranking import auc
from core.quality.cells import Cells
from core.quality.check import Measurement, UnreadableError
from core.quality.checks.proof import SURER, share_bound

FEWEST_EVENTS = 5  # of an event and of its absence, over issuers, to judge what drives it
UNLIKELY = 0.01  # the chance of no event at all, from which on a column of zeros is no accident
EFFECT = 0.5  # the AUC of a driver without effect
SURER_REACH = 1.6  # a bound of 99.9 % lies this much further out than one of 97.5 %

# The greatest plausible share of any portfolio in any year, of CCC/C alone in the worst year; a market has below 0.2.
MOST_FREQUENT: dict[str, float] = {
    "downgrade_12m": 0.55,
    "upgrade_12m": 0.5,
    "default_12m": 0.55,
    "liquidity_shock_1m": 0.5,
    "is_anomaly": 0.5,
}
# Ordinary shares in a year of the events that happen in every portfolio; a shock is counted once in an issuer's year.
ORDINARY = {"downgrade_12m": 0.1, "liquidity_shock_1m": 0.03}
OUTLOOKS = {"positive": 0.0, "stable": 1.0, "watch_negative": 2.0, "negative": 2.0}


def constant_labels(names: Sequence[str]) -> Callable[[Cells], Measurement]:
    """Count the labels with one value in every row: nothing can be learned from them, so any is a gross breach.

    A label without an event is an accident as long as an ordinary market leaves that many issuers' years without one.
    """

    def measure(cells: Cells) -> Measurement:
        n_years = _issuer_years(cells)
        constant = dict[str, str]()
        for name in names:
            try:
                values = cells.numbers(name)
            except UnreadableError:
                continue  # reported by the check of missing labels
            seen = values[~np.isnan(values)]
            is_many = (1.0 - ORDINARY.get(name, 0.0)) ** n_years < UNLIKELY
            if is_many and seen.max() == seen.min():
                value = "the same" if name in cells.denied else f"{seen[0]:g}"
                constant[name] = f"{name} is {value} in every row"
        return Measurement.of_columns(constant, cells.n_rows, otherwise="every label varies, or its issuers are few")

    return measure


def label_rates(most: Mapping[str, float]) -> Callable[[Cells], Measurement]:
    """Count the labels that are surely more frequent than in any market, as inverted labels are: a gross breach.

    A label's rows count as one observation for each issuer and year, since they share the year's fate.

    Args:
        most: The greatest share of each label.
    """

    def measure(cells: Cells) -> Measurement:
        n_years, too_many = _issuer_years(cells), dict[str, str]()
        for name, limit in most.items():
            try:
                values = cells.numbers(name)
            except UnreadableError:
                continue  # reported by the check of missing labels
            seen = values[~np.isnan(values)]
            share, n = float(np.mean(seen > 0)), min(n_years, len(seen))
            if share_bound(share * n, n, error_rate=SURER) > 100 * limit:
                happened = "too many" if name in cells.denied else f"{share:.0%}"
                too_many[name] = f"{name} happened in {happened} of the rows, at most {limit:.0%} is plausible"
        return Measurement.of_columns(too_many, cells.n_rows, otherwise="every label is as rare as in a market")

    return measure


def outlook(cells: Cells) -> FloatArray:
    """Return how weak each row's outlook is."""
    codes, names = cells.labels("outlook")
    return np.array([*(OUTLOOKS.get(name, np.nan) for name in names), np.nan])[codes]


def follows(
    label: str, driver: Callable[[Cells], FloatArray], *, said: str, lost: float = EFFECT, wide: float = 0.0
) -> Callable[[Cells], Measurement]:
    """Bound from above how well a driver ranks an event, as an AUC over issuers.

    The relation is doubtful where the bound is below what the market shows, and reversed, which is gross, where the AUC
    is surely below one half. Data with too few events exclude nothing.

    Args:
        label: The event.
        driver: Reads the driver, higher where the event is likelier.
        said: What the driver is, in words.
        lost: The AUC surely below which the relation is lost, which is gross, too, if the driver varies enough.
        wide: The standard deviation of the driver from which on it does.
    Source:
        DeLong et al., Biometrics 44(3), 1988, over issuers as in Obuchowski, Biometrics 53(2), 1997.
    """

    def measure(cells: Cells) -> Measurement:
        issuer, values, happened = cells.labels("issuer_id").codes, driver(cells), cells.numbers(label)
        known = (issuer >= 0) & ~np.isnan(values) & ~np.isnan(happened)
        group, events = issuer[known], (happened[known] > 0).astype(np.float64)
        n = len(np.unique(group))
        fewest = min(len(np.unique(group[events == kind])) for kind in (0, 1)) if len(events) else 0
        if fewest < FEWEST_EVENTS:
            reason = f"{label} has events of {fewest} issuers or none, too few to judge"
            return Measurement(1.0, n, reason=reason, samples="issuers")
        value = auc(events, values[known])
        found = intervals.auc_interval(events, values[known], group)
        high = found.high if found else 1.0
        reason = f"{said} ranks {label} with an AUC of {value:.2f} over {n} issuers, at most {high:.2f}"
        least = lost if values[known].std() >= wide else EFFECT
        is_gross = value + SURER_REACH * (high - value) < least
        if is_gross:
            reason = f"{'the reverse of' if value < EFFECT else 'unlike'} every market: {reason}"
        return Measurement(high, n, reason=reason, is_gross=is_gross, samples="issuers")

    return measure


def _issuers(cells: Cells) -> int:
    try:
        return len(np.unique(cells.labels("issuer_id").codes))
    except UnreadableError:
        return cells.n_rows


def _issuer_years(cells: Cells) -> int:
    """How many pairs of an issuer and a year there are; at least one for each issuer."""
    try:
        year = cells.dates("as_of_date").astype("datetime64[Y]").astype(np.int64)
        issuer = cells.labels("issuer_id").codes
    except UnreadableError:
        return _issuers(cells)
    return len(np.unique(np.stack((issuer, year)), axis=1).T)
