"""The settings of the energy-trading generator, and their valid ranges. Light to import."""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from core.domains.etrm.data import calibration as cal
from core.errors import UsageError

MAX_TRADES = 5_000_000
MAX_POSITIONS = 1_000_000
MAX_RISK_REPORTS = 100_000
MAX_SEED = 2**63 - 1
FIRST_DAY = date(1990, 1, 1)
LAST_DAY = date(2099, 12, 31)
MAX_YEARS = 30
SATURDAY = 5

COMMODITIES: tuple[str, ...] = cal.COMMODITIES
REGIONS: tuple[str, ...] = tuple(dict.fromkeys(hub.region for hub in cal.HUBS.value))


class ETRMDataConfigError(UsageError, ValueError):
    """The requested data set cannot be generated."""


class ETRMDataConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One synthetic data set of energy trading: its size, period, markets and seeds.

    Attributes:
        num_trades: Trades, met exactly.
        num_positions: Rows of the positions file, the most recent first; fewer if the trades open fewer.
        num_risk_reports: Risk reports, one per book and day, the days spread over the period; fewer in a short period.
        start_date: First day on which trades are made; a `datetime` counts as its day.
        end_date: Last day on which trades are made.
        commodities: Which commodities are traded; all by default.
        regions: Whose hubs are traded; all by default.
        random_seed: Draws everything; the same settings give the same bytes.
        price_seed: Draws the prices alone, so that other trades can live on the same prices; `random_seed` by default.
    """

    num_trades: int = 1_000
    num_positions: int = 500
    num_risk_reports: int = 100
    start_date: date = date(2023, 1, 1)
    end_date: date = date(2024, 12, 31)
    commodities: tuple[str, ...] = COMMODITIES
    regions: tuple[str, ...] = REGIONS
    random_seed: int = 42
    price_seed: int | None = None

    def __post_init__(self) -> None:
        for name, least, most in (
            ("num_trades", 1, MAX_TRADES),
            ("num_positions", 0, MAX_POSITIONS),
            ("num_risk_reports", 0, MAX_RISK_REPORTS),
            ("random_seed", 0, MAX_SEED),
        ):
            _require_whole(name, getattr(self, name), least, most)
        if self.price_seed is not None:
            _require_whole("price_seed", self.price_seed, 0, MAX_SEED)
        for name in ("start_date", "end_date"):
            msgspec.structs.force_setattr(self, name, _day(name, getattr(self, name)))
        _require_period(self.start_date, self.end_date)
        for name, one, known in (("commodities", "commodity", COMMODITIES), ("regions", "region", REGIONS)):
            msgspec.structs.force_setattr(self, name, _chosen(name, one, getattr(self, name), known))
        if not self.hubs:
            raise ETRMDataConfigError(
                f"ETRM data settings: no hub of the commodities {', '.join(self.commodities)} lies in the regions "
                f"{', '.join(self.regions)}. Add a region or a commodity."
            )

    @property
    def hubs(self) -> tuple[cal.Hub, ...]:
        """The hubs that are traded, in the order of the calibration."""
        return tuple(h for h in cal.HUBS.value if h.commodity in self.commodities and h.region in self.regions)

    @property
    def path_seed(self) -> int:
        """The seed of the prices."""
        return self.random_seed if self.price_seed is None else self.price_seed


def _require_whole(name: str, value: object, least: int, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ETRMDataConfigError(
            f"ETRM data settings: {name} is {value!r}. Give a whole number from {least:,} to {most:,}."
        )


def _day(name: str, value: object) -> date:
    """Return the day of a date or a point in time."""
    if isinstance(value, datetime):
        return value.date()
    if not isinstance(value, date):
        raise ETRMDataConfigError(f"ETRM data settings: {name} is {value!r}. Give a date, such as 2023-01-01.")
    return value


def _require_period(start: date, end: date) -> None:
    for name, day in (("start_date", start), ("end_date", end)):
        if not FIRST_DAY <= day <= LAST_DAY:
            raise ETRMDataConfigError(
                f"ETRM data settings: {name} is {day}. Give a date from {FIRST_DAY} to {LAST_DAY}."
            )
    if end < start:
        raise ETRMDataConfigError(
            f"ETRM data settings: end_date is {end}, before start_date, {start}. Give a later end_date."
        )
    if (end - start).days > MAX_YEARS * 366:
        raise ETRMDataConfigError(
            f"ETRM data settings: end_date is {end}, more than {MAX_YEARS} years after start_date, {start}. "
            "Give a shorter period."
        )
    if start.weekday() + (end - start).days < 7 and start.weekday() >= SATURDAY:
        raise ETRMDataConfigError(
            f"ETRM data settings: {start} to {end} has no weekday, and nothing is traded at weekends. "
            "Give a later end_date."
        )


def _chosen(name: str, one: str, given: object, known: Sequence[str]) -> tuple[str, ...]:
    """Return the chosen names in the order of the known ones."""
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise ETRMDataConfigError(
            f"ETRM data settings: {name} is {given!r}. Give a list of one or more of {', '.join(known)}."
        )
    for value in given:
        if value not in known:
            raise ETRMDataConfigError(
                f"ETRM data settings: {name} has {value!r}, which is no {one}. Known: {', '.join(known)}."
            )
    return tuple(value for value in known if value in given)
