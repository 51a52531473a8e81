"""The prices of all hubs: a short factor with jumps and a slow factor each, correlated; and the forwards they imply.

The shifted spot price is (L + c) · exp(season + X + Y − their long-run convexity), so its long-run mean is L + c times
the season. X takes steps of a mean-reverting process with compensated jumps, Y of a slow one without. A forward is the
expected spot price under the same law, so it has no drift.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtr

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from core.domains.draws import frozen, stream
from core.domains.etrm.data import calibration as cal
from core.domains.etrm.data.days import Days, days_of, season_of
from core.domains.etrm.data.settings import COMMODITIES, ETRMDataConfig

_SEASONS = {**cal.SEASON_LOG.value, **cal.SEASON_LOG_JUDGED.value}
_LAWS = tuple(cal.PRICE_LAWS.value[name] for name in COMMODITIES)
_ROOT_HALF_PI = np.sqrt(2 / np.pi)
_LIMIT_YEARS = 25  # after which the slowest factor has forgotten its start


@dataclass(frozen=True, slots=True)
class PriceSeries:
    """The prices of the chosen hubs on every day of the history and the period, with the factors behind them.

    Outside power, a weekend's price is Friday's.

    Attributes:
        days: The axis of days; the arrays below cover its first `n_priced` days, T.
        names: The hubs, k.
        commodity_index: The commodity of each hub, a position in `COMMODITIES`, shape (k,).
        spot: In currency per unit, shape (T, k).
        forward: For delivery on the day this many months ahead, shape (T, k, tenors); of power without the season of
            the weekday, as for a delivery of whole weeks.
        tenors: Months ahead.
        short_factor: X, shape (T, k).
        long_factor: Y, shape (T, k).
        jumps: What the jumps of each day added to X, shape (T, k).
        eur_usd: USD per EUR, shape (T,).
        curve: The forward of any delivery.
    """

    days: Days
    names: tuple[str, ...]
    commodity_index: IntArray
    spot: FloatArray
    forward: FloatArray
    tenors: IntArray
    short_factor: FloatArray
    long_factor: FloatArray
    jumps: FloatArray
    eur_usd: FloatArray
    curve: "ForwardCurves"

    @property
    def dates(self) -> AnyArray:
        """The priced days, shape (T,), datetime64[D]."""
        return self.days.dates[: self.days.n_priced]

    @property
    def hubs(self) -> tuple[cal.Hub, ...]:
        """The chosen hubs."""
        return tuple(_HUB_BY_NAME[name] for name in self.names)

    @property
    def shift(self) -> FloatArray:
        """The shift c of each hub's price, shape (k,): the price plus the shift is positive."""
        return np.array([_LAWS[c].shift for c in self.commodity_index])

    def euros(self, day: IntArray, hub: IntArray) -> FloatArray:
        """Return the euros that one unit of each hub's currency costs on each day; shapes broadcast."""
        is_usd = np.array([each.currency == "USD" for each in self.hubs])
        return np.where(is_usd[hub], 1 / self.eur_usd[day], 1.0)


_HUB_BY_NAME = {hub.name: hub for hub in cal.HUBS.value}


def simulate_prices(settings: ETRMDataConfig) -> PriceSeries:
    """Simulate the prices of the chosen hubs over the history and the period.

    A pure function of the period, the hubs and `path_seed`; the prices of a hub do not depend on which others are
    chosen. A later `end_date` continues the same prices.
    """
    days = days_of(settings.start_date, settings.end_date)
    index = np.array([cal.HUBS.value.index(hub) for hub in settings.hubs])
    short, long, jumps = _factors(days, settings.path_seed)
    short, long, jumps = short[:, index], long[:, index], jumps[:, index]
    names = tuple(hub.name for hub in settings.hubs)
    commodity = np.array([COMMODITIES.index(hub.commodity) for hub in settings.hubs])
    curve = ForwardCurves(days, names, commodity, short, long)
    priced = np.arange(days.n_priced)
    hubs = np.arange(len(names))
    settled = np.where(_is_daily(commodity), priced[:, None], _last_weekday(days)[priced][:, None])
    spot = curve.price(priced[:, None], hubs, settled, with_weekday=True)
    tenors = np.array(cal.TENOR_MONTHS.value)
    ahead = np.minimum(_months_ahead(days, priced, tenors), len(days.dates) - 1)
    forward = curve.price(priced[:, None, None], hubs[:, None], ahead[:, None, :])
    return PriceSeries(
        days=days,
        names=names,
        commodity_index=frozen(commodity),
        spot=frozen(spot),
        forward=frozen(forward),
        tenors=frozen(tenors),
        short_factor=frozen(short),
        long_factor=frozen(long),
        jumps=frozen(jumps),
        eur_usd=frozen(_eur_usd(days, settings.path_seed)),
        curve=curve,
    )


class ForwardCurves:
    """The forward curves of the hubs on every day, as functions of the two factors."""

    def __init__(
        self, days: Days, names: tuple[str, ...], commodity: IntArray, short: FloatArray, long: FloatArray
    ) -> None:
        """Prepare the decay and the convexity of each commodity for any number of steps ahead."""
        self.days = days
        self.commodity = commodity
        self._short, self._long = short, long
        self._steps = np.stack([days.steps(is_daily=law.is_daily) for law in _LAWS])
        self._convexity = np.stack([convexity(law, len(days.dates)) for law in _LAWS])
        self._season = season_of(days.dates, np.array([_SEASONS[name] for name in COMMODITIES]))
        hubs = [_HUB_BY_NAME[name] for name in names]
        self.shift = np.array([_LAWS[c].shift for c in commodity])
        self.level = np.array([hub.level for hub in hubs]) + self.shift

    def decay(self, day: IntArray, hub: IntArray, delivery: IntArray) -> tuple[FloatArray, FloatArray, IntArray]:
        """Return what is left of each factor at a delivery, and the steps until then; arguments broadcast."""
        commodity = self.commodity[hub]
        ahead = self._steps[commodity, delivery] - self._steps[commodity, day]
        return *factors_left(commodity, ahead), ahead

    def price(self, day: IntArray, hub: IntArray, delivery: IntArray, *, with_weekday: bool = False) -> FloatArray:
        """Return the price on a day for a delivery; the arguments broadcast.

        Args:
            day: A priced day.
            hub: A position among the hubs.
            delivery: The same day or a later one of the axis.
            with_weekday: Whether power carries the season of the weekday: of a day it does, of longer deliveries not.
        """
        short, long, ahead = self.decay(day, hub, delivery)
        commodity = self.commodity[hub]
        log = self._short[day, hub] * short + self._long[day, hub] * long + self._season[delivery, commodity]
        if with_weekday:
            log = log + _weekday_season(self.days)[delivery] * _is_daily(commodity)
        return np.asarray(self.level[hub] * np.exp(log + self._convexity[commodity, ahead]) - self.shift[hub])

    def variance(self, day: IntArray, hub: IntArray, expiry: IntArray, delivery: IntArray) -> FloatArray:
        """Return the variance of the log of the shifted forward from a day to an expiry; the arguments broadcast.

        Jumps count with their variance. An innovation i steps before the delivery moves the forward by its aⁱ-fold.
        """
        commodity = self.commodity[hub]
        end, now = self._steps[commodity, delivery], self._steps[commodity, day]
        until_delivery, after_expiry = end - now, end - self._steps[commodity, expiry]
        return log_variance(commodity, until_delivery, after_expiry)


def factors_left(commodity: IntArray, ahead: AnyArray) -> tuple[FloatArray, FloatArray]:
    """Return what is left of the short factor and of the slow one after steps of a commodity; arguments broadcast."""
    return _DECAYS[commodity, 0] ** ahead, _DECAYS[commodity, 1] ** ahead


def log_variance(commodity: IntArray, until_delivery: AnyArray, after_expiry: AnyArray) -> FloatArray:
    """Return the variance of the log of the shifted forward from now to an expiry; the arguments broadcast.

    Args:
        commodity: A position in `COMMODITIES`.
        until_delivery: Steps from now to the delivery.
        after_expiry: Steps from the expiry to the delivery.
    """
    total = np.zeros(np.broadcast(commodity, until_delivery, after_expiry).shape)
    for factor in range(2):
        square = _DECAYS[commodity, factor] ** 2
        steps = (square**after_expiry - square**until_delivery) / (1 - square)
        total = total + _STEP_VARIANCES[commodity, factor] * steps
    return total


def delivery_middle(days: Days, day: IntArray, month: IntArray) -> IntArray:
    """Return the middle of what is left of a delivery month after a day, never before that day."""
    begin = np.maximum(days.month_first[month], day)
    return np.maximum((begin + days.month_last[month] + 1) // 2, day)


@lru_cache(maxsize=32)
def convexity(law: cal.PriceLaw, n_steps: int) -> FloatArray:
    """Return ln E[exp(X + Y)] gained over 0 … n_steps − 1 steps, less its long-run value: 0 in the far future.

    A step adds a normal innovation, and jumps whose mean is taken out: over n steps the log mean is the sum over i < n
    of ½s²a²ⁱ + λδ(φ(aⁱ) − 1 − m·aⁱ), with φ the moment generating function of a jump.
    """
    limit = max(_LIMIT_YEARS * law.days_per_year, n_steps)
    power = np.arange(limit)
    short, long = _decay(law.kappa, law) ** power, _decay(cal.LONG_KAPPA.value, law) ** power
    rate = law.jumps_per_year / law.days_per_year
    gained = (_step_sd(law.sigma, law.kappa, law) * short) ** 2 / 2
    gained += (_step_sd(law.sigma_long, cal.LONG_KAPPA.value, law) * long) ** 2 / 2
    gained += rate * (jump_moment(law, np.asarray(short)) - 1 - jump_mean(law) * short)
    total = np.cumsum(gained)
    return frozen(np.concatenate(([0.0], total[: n_steps - 1])) - total[-1])


def jump_moment(law: cal.PriceLaw, u: FloatArray) -> FloatArray:
    """Return E[exp(uJ)] of a jump, whose size is half-normal and whose sign is up with the stated share."""
    up, down = ndtr(u * law.jump_sd), ndtr(-u * law.jump_sd)
    return np.asarray(
        2 * np.exp((u * law.jump_sd) ** 2 / 2) * (law.jump_up_share * up + (1 - law.jump_up_share) * down)
    )


def jump_mean(law: cal.PriceLaw) -> float:
    """Return the mean of a jump."""
    return float((2 * law.jump_up_share - 1) * law.jump_sd * _ROOT_HALF_PI)


def step_variances(law: cal.PriceLaw) -> tuple[float, float]:
    """Return the variance of one step of the short factor, its jumps included, and of the slow one."""
    jumps = law.jumps_per_year / law.days_per_year * law.jump_sd**2
    short = _step_sd(law.sigma, law.kappa, law) ** 2 + jumps
    return short, _step_sd(law.sigma_long, cal.LONG_KAPPA.value, law) ** 2


def correlation_matrix() -> FloatArray:
    """Return the correlations of the commodities' innovations, in the order of `COMMODITIES`."""
    matrix = np.eye(len(COMMODITIES))
    for (one, other), value in cal.CORRELATIONS.value.items():
        i, j = COMMODITIES.index(one), COMMODITIES.index(other)
        matrix[i, j] = matrix[j, i] = value
    return matrix


def _factors(days: Days, seed: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Simulate X, Y and the jumps of every hub of the calibration, each of shape (n_priced, hubs)."""
    commodity = np.array([COMMODITIES.index(hub.commodity) for hub in cal.HUBS.value])
    moves = np.stack([days.is_weekday | _LAWS[c].is_daily for c in commodity], axis=1)[: days.n_priced]
    laws = [_LAWS[c] for c in commodity]
    jumps = _jumps(moves, commodity, seed) * moves
    drift = np.array([law.jumps_per_year / law.days_per_year * jump_mean(law) for law in laws])
    kappa = {"short": [law.kappa for law in laws], "long": [cal.LONG_KAPPA.value for _ in laws]}
    sigma = {"short": [law.sigma for law in laws], "long": [law.sigma_long for law in laws]}
    paths = []
    for name in ("short", "long"):
        decay = np.array([_decay(k, law) for k, law in zip(kappa[name], laws, strict=True)])
        sd = np.array([_step_sd(s, k, law) for s, k, law in zip(sigma[name], kappa[name], laws, strict=True)])
        normal = _correlated(len(moves) + 1, commodity, stream(seed, f"{name} factor"))
        added = normal[1:] * sd + (jumps - drift if name == "short" else 0.0)
        variance = np.array([step_variances(law)[name == "long"] for law in laws])
        paths.append(_mean_reverting(normal[0] * np.sqrt(variance / (1 - decay**2)), decay, added, moves))
    return paths[0], paths[1], jumps


def _mean_reverting(start: FloatArray, decay: FloatArray, added: FloatArray, moves: BoolArray) -> FloatArray:
    path = np.empty_like(added)
    now = start
    for day, (plus, moved) in enumerate(zip(added, moves, strict=True)):
        now = np.where(moved, decay * now + plus, now)
        path[day] = now
    return path


def _correlated(n: int, commodity: IntArray, rng: np.random.Generator) -> FloatArray:
    """Draw innovations of the hubs: correlated among the commodities, and partly the hub's own."""
    loading = np.array([hub.loading for hub in cal.HUBS.value])
    normal = rng.standard_normal((n, len(COMMODITIES) + len(loading)))
    common = normal[:, : len(COMMODITIES)] @ np.linalg.cholesky(correlation_matrix()).T
    return np.asarray(loading * common[:, commodity] + np.sqrt(1 - loading**2) * normal[:, len(COMMODITIES) :])


def _jumps(moves: BoolArray, commodity: IntArray, seed: int) -> FloatArray:
    """Draw the jumps of each day and hub: those of its commodity that it shares, and its own."""
    n, k = moves.shape
    share = np.array([hub.jump_share for hub in cal.HUBS.value])
    rates = np.array([law.jumps_per_year / law.days_per_year for law in _LAWS])
    common = _jump_sizes(seed, "common jumps", n, rates, np.arange(len(_LAWS)))
    # all jumps of a commodity on one day are shared, or none
    shared = stream(seed, "shared jumps").random((n, k)) < share
    own = _jump_sizes(seed, "own jumps", n, rates[commodity] * (1 - share), commodity)
    return np.asarray(np.where(shared, common[:, commodity], 0.0) + own)


def _jump_sizes(seed: int, name: str, n: int, rates: FloatArray, commodity: IntArray) -> FloatArray:
    """Draw the sum of each day's jumps, shape (n, rates); a day has at most as many jumps as have any chance."""
    sd = np.array([_LAWS[c].jump_sd for c in commodity])
    up = np.array([_LAWS[c].jump_up_share for c in commodity])
    uniform = stream(seed, f"{name}: number and sign").random((n, _MOST_JUMPS + 1, len(rates)))
    size = np.abs(stream(seed, f"{name}: size").standard_normal((n, _MOST_JUMPS, len(rates)))) * sd
    size *= np.where(uniform[:, 1:] < up, 1.0, -1.0)
    # the number of jumps by inversion of the Poisson law
    chance = np.exp(-rates)
    below = chance.copy()
    total = np.zeros((n, len(rates)))
    for number in range(1, _MOST_JUMPS + 1):
        total += np.where(uniform[:, 0] >= below, size[:, number - 1], 0.0)
        chance = chance * rates / number
        below = below + chance
    return total


_MOST_JUMPS = 4  # a fifth on one day has a chance below one in a million years


def _eur_usd(days: Days, seed: int) -> FloatArray:
    law = cal.EUR_USD.value
    steps = days.is_weekday[: days.n_priced, None]
    decay = np.exp(np.array([-law["kappa"] / law["days_per_year"]]))
    sd = law["sigma"] * np.sqrt((1 - decay**2) / (2 * law["kappa"]))
    normal = stream(seed, "eur usd").standard_normal((len(steps) + 1, 1))
    path = _mean_reverting(normal[0] * sd / np.sqrt(1 - decay**2), decay, normal[1:] * sd, steps)
    return np.asarray(law["mean"] * np.exp(path[:, 0]))


def _decay(kappa: float, law: cal.PriceLaw) -> float:
    return float(np.exp(-kappa / law.days_per_year))


def _step_sd(sigma: float, kappa: float, law: cal.PriceLaw) -> float:
    return float(sigma * np.sqrt((1 - _decay(kappa, law) ** 2) / (2 * kappa)))


_DECAYS = np.array([[_decay(law.kappa, law), _decay(cal.LONG_KAPPA.value, law)] for law in _LAWS])
_STEP_VARIANCES = np.array([step_variances(law) for law in _LAWS])
_WEEK = cal.WEEKDAY_LOG_POWER.value


def _is_daily(commodity: IntArray) -> BoolArray:
    """Return which commodities are delivered by the day, with a price of their own at weekends: power."""
    return np.array([law.is_daily for law in _LAWS])[commodity]


def _weekday_season(days: Days) -> FloatArray:
    number = (days.dates.astype(np.int64) + 3) % len(_WEEK)  # 1970-01-01 was a Thursday
    return np.array(_WEEK)[number]


def _last_weekday(days: Days) -> IntArray:
    """Return the last weekday up to each day."""
    return np.maximum.accumulate(np.where(days.is_weekday, np.arange(len(days.dates)), 0))


def _months_ahead(days: Days, day: IntArray, months: IntArray) -> IntArray:
    """Return the same day so many months later, or the last of a shorter month, shape (days, months)."""
    month = days.month[day][:, None] + months
    in_month = (day - days.month_first[days.month[day]])[:, None]
    return np.asarray(np.minimum(days.month_first[month] + in_month, days.month_last[month]))
